"""What happens in the tenant when an event arises: who, where, with which programs, towards whom."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_defender.simulator.defender.catalogue import Device, Person, Population
from airflow_provider_defender.simulator.server.draw import Draw

__all__ = ["Account", "Company", "Email", "Program", "Remote", "Running", "Scene"]

_SECOND = 10_000_000


@dataclass(frozen=True)
class Program:
    """An executable that is installed everywhere in the same version, so that its hashes are the same."""

    name: str
    folder: str
    commands: tuple[str, ...]
    company: str = "Microsoft Corporation"
    product: str = "Microsoft® Windows® Operating System"
    version: str = "10.0.26100.4061"
    description: str = ""

    @property
    def path(self) -> str:
        """Folder and name, as `FolderPath` has both in the Device tables."""
        return f"{self.folder}{'/' if self.folder.startswith('/') else chr(92)}{self.name}"

    @functools.cached_property
    def hashes(self) -> dict[str, str]:
        """MD5, SHA-1 and SHA-256 of what the file would hold."""
        content = f"{self.path}/{self.version}".encode()
        return {
            name: hashlib.new(name, content, usedforsecurity=False).hexdigest()
            for name in ("md5", "sha1", "sha256")
        }

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return 40_960 + int(self.hashes["md5"][:5], 16) // 512 * 512


_SYSTEM32 = "C:\\Windows\\System32"
_OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16"
_ROOTS = (
    Program("services.exe", _SYSTEM32, ("services.exe",), description="Services and Controller app"),
    Program("explorer.exe", "C:\\Windows", ("Explorer.EXE",), description="Windows Explorer"),
    Program("svchost.exe", _SYSTEM32, ("svchost.exe -k netsvcs -p",), description="Host Process"),
)
_WINDOWS = (
    Program(
        "powershell.exe",
        f"{_SYSTEM32}\\WindowsPowerShell\\v1.0",
        (
            'powershell.exe -NoProfile -Command "Get-Service | Out-String"',
            "powershell.exe -File C:\\it\\inventory.ps1",
        ),
        description="Windows PowerShell",
    ),
    Program(
        "cmd.exe",
        _SYSTEM32,
        ('cmd.exe /c "ipconfig /all"', "cmd.exe /c whoami"),
        description="Windows Command Processor",
    ),
    Program(
        "rundll32.exe",
        _SYSTEM32,
        ("rundll32.exe shell32.dll,Control_RunDLL",),
        description="Windows host process (Rundll32)",
    ),
    Program(
        "svchost.exe",
        _SYSTEM32,
        ("svchost.exe -k LocalService -s W32Time",),
        description="Host Process for Windows Services",
    ),
    Program(
        "msedge.exe",
        "C:\\Program Files (x86)\\Microsoft\\Edge\\Application",
        ('"msedge.exe" --profile-directory=Default', '"msedge.exe" --type=renderer --lang=de'),
        product="Microsoft Edge",
        version="142.0.3595.53",
        description="Microsoft Edge",
    ),
    Program(
        "outlook.exe",
        _OFFICE,
        ('"OUTLOOK.EXE"',),
        product="Microsoft Outlook",
        version="16.0.19231.20194",
        description="Microsoft Outlook",
    ),
    Program(
        "winword.exe",
        _OFFICE,
        ('"WINWORD.EXE" /n "C:\\Users\\Public\\Bericht März.docx"',),
        product="Microsoft Office",
        version="16.0.19231.20194",
        description="Microsoft Word",
    ),
    Program(
        "MsMpEng.exe",
        "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.25100.9",
        ("",),
        version="4.18.25100.9",
        description="Antimalware Service Executable",
    ),
    Program(
        "7z.exe",
        "C:\\Program Files\\7-Zip",
        ('"7z.exe" a -tzip out.zip D:\\shares\\q4',),
        "Igor Pavlov",
        "7-Zip",
        "25.01",
        "7-Zip Console",
    ),
)
_LINUX = (
    Program("bash", "/usr/bin", ("bash -c 'df -h'", "/bin/bash /etc/cron.daily/logrotate"), "", "", ""),
    Program("python3.11", "/usr/bin", ("python3 /opt/app/worker.py --queue=default",), "", "", ""),
    Program("curl", "/usr/bin", ("curl -fsS https://files.share-now.example/health",), "", "", ""),
    Program("sshd", "/usr/sbin", ("sshd: /usr/sbin/sshd -D [listener]",), "", "", ""),
)
_LINUX_ROOTS = (Program("systemd", "/usr/lib/systemd", ("/sbin/init",), "", "", ""),)
_LIBRARIES = (
    Program("ntdll.dll", _SYSTEM32, ("",), description="NT Layer DLL"),
    Program("amsi.dll", _SYSTEM32, ("",), description="Anti-Malware Scan Interface"),
    Program(
        "clr.dll",
        "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319",
        ("",),
        description="Common Language Runtime",
    ),
)
_DOCUMENTS = (
    "Quarterly results.xlsx",
    "Bericht März.docx",
    "invoice_4471.pdf",
    "設計.pptx",
    "notes.txt",
    "setup.msi",
)


@dataclass(frozen=True)
class Account:
    """An account as the Device tables name it."""

    name: str
    domain: str
    sid: str
    principal: str | None = None
    object_id: str | None = None

    @classmethod
    def of(cls, person: Person) -> Account:
        """The account of a person."""
        return cls(person.account, person.domain.lower(), person.sid, person.principal, person.aad_id)


_SYSTEM = Account("system", "nt authority", "S-1-5-18")
_ROOT = Account("root", "", "0")


@dataclass(frozen=True)
class Running:
    """A process."""

    program: Program
    pid: int
    started: int
    command: str
    account: Account
    unique_id: str


@dataclass(frozen=True)
class Remote:
    """The other end of a connection, in the ranges that are reserved for documentation."""

    address: str
    port: int
    host: str
    country: str
    city: str
    provider: str

    @property
    def address_type(self) -> str:
        """As `RemoteIPType` says it."""
        return "Private" if self.address.startswith("10.") else "Public"


_PLACES = (
    ("DE", "Frankfurt am Main", "Example Telekom"),
    ("US", "Ashburn", "Example Cloud LLC"),
    ("BR", "São Paulo", "Exemplo Telecom"),
    ("JP", "東京", "Example KK"),
)
_HOSTS = (
    "login.support.example",
    "cdn.update-check.example",
    "files.share-now.example",
    "api.weather.example",
)


@dataclass(frozen=True)
class Email:
    """One e-mail, of which several tables tell."""

    network_id: str
    sender: str
    sender_name: str
    recipient: Person
    subject: str
    threat: str
    inbound: bool
    attachment: str
    url: str


@dataclass(frozen=True)
class Company:
    """What stays the same over all events of a tenant."""

    tenant_id: str
    domain: str
    population: Population
    alerts: Sequence[Mapping[str, Any]]
    """Alerts as the alerts API shows them, with evidence; never empty."""
    subscription: str

    @property
    def devices(self) -> Sequence[Device]:
        """All devices."""
        return self.population.devices

    @functools.cached_property
    def linux_devices(self) -> Sequence[Device]:
        """Those with Linux."""
        return [device for device in self.devices if device.linux]


class Scene:
    """One event that is about to be written: everything that its columns tell, drawn once and only if asked.

    `at` is when it happened, in ticks of 100 ns; `number` counts the events of the stream. Containers are
    on Linux.
    """

    def __init__(
        self, draw: Draw, company: Company, at: int, number: int, *, in_container: bool = False
    ) -> None:
        self.draw = draw
        self.company = company
        self.at = at
        self.number = number
        self.device: Device = draw.choice(company.linux_devices if in_container else company.devices)

    # -- small draws

    def guid(self) -> str:
        """A GUID."""
        return str(uuid.UUID(int=self.draw.getrandbits(128), version=4))

    def hexadecimal(self, digits: int) -> str:
        """Random hexadecimal digits."""
        return f"{self.draw.getrandbits(digits * 4):0{digits}x}"

    def before(self, seconds: float) -> int:
        """A time up to so many seconds before the event, in ticks."""
        return self.at - self.draw.randrange(1, int(seconds * _SECOND))

    def chance(self, share: float) -> bool:
        """True in this share of all cases."""
        return self.draw.random() < share

    # -- who and where

    @property
    def person(self) -> Person:
        """The device's usual user."""
        return self.device.person

    @functools.cached_property
    def account(self) -> Account:
        """The account that acts."""
        if self.chance(0.35):
            return _ROOT if self.device.linux else _SYSTEM
        return Account.of(self.person)

    @functools.cached_property
    def colleague(self) -> Person:
        """Somebody else of the tenant."""
        return self.draw.choice(self.company.population.people)

    @functools.cached_property
    def neighbour(self) -> Device:
        """Another device of the tenant."""
        return self.draw.choice(self.company.population.devices)

    @functools.cached_property
    def local_address(self) -> str:
        """The device's address, the same whenever it is drawn."""
        number = int(self.device.machine_id[:4], 16)
        return f"10.20.{number >> 8}.{number & 255}"

    @functools.cached_property
    def remote(self) -> Remote:
        """The other end."""
        draw = self.draw
        address = draw.choice((f"203.0.113.{draw.randrange(1, 255)}", f"198.51.100.{draw.randrange(1, 255)}"))
        if self.chance(0.1):
            address = f"2001:db8::{draw.randrange(1, 0xFFFF):x}"
        elif self.chance(0.3):
            address = f"10.20.{draw.randrange(256)}.{draw.randrange(1, 255)}"
        country, city, provider = draw.choice(_PLACES)
        return Remote(
            address,
            draw.choice((443, 443, 443, 80, 53, 445, 3389)),
            draw.choice(_HOSTS),
            country,
            city,
            provider,
        )

    @functools.cached_property
    def remote_session(self) -> bool:
        """Whether the processes run in somebody's session from another device."""
        return self.chance(0.1)

    # -- what runs

    def _run(self, program: Program, started: int) -> Running:
        pid = self.draw.randrange(100, 32_000) * 4
        unique_id = str(self.draw.getrandbits(57))
        return Running(program, pid, started, self.draw.choice(program.commands), self.account, unique_id)

    @functools.cached_property
    def process(self) -> Running:
        """The process that the event is about."""
        programs = _LINUX if self.device.linux else _WINDOWS
        return self._run(self.draw.choice(programs), self.before(0.05))

    @functools.cached_property
    def actor(self) -> Running:
        """The process that did it (`InitiatingProcess…`)."""
        programs = _LINUX if self.device.linux else _WINDOWS
        return self._run(self.draw.choice(programs), self.before(3600))

    @functools.cached_property
    def root(self) -> Running:
        """That process's parent."""
        programs = _LINUX_ROOTS if self.device.linux else _ROOTS
        return self._run(self.draw.choice(programs), self.before(86_400) - 3600 * _SECOND)

    @functools.cached_property
    def file(self) -> Program:
        """The file that the event is about."""
        if self.device.linux:
            return Program(self.draw.choice(("app.log", "worker.py", ".bash_history")), "/opt/app", ("",))
        folder = f"C:\\Users\\{self.person.account}\\Documents"
        return Program(self.draw.choice(_DOCUMENTS), folder, ("",))

    @functools.cached_property
    def library(self) -> Program:
        """The library that was loaded."""
        return self.draw.choice(_LIBRARIES)

    # -- mail and alerts

    @functools.cached_property
    def email(self) -> Email:
        """The e-mail that the event is about."""
        inbound = self.chance(0.7)
        threat = self.draw.choice(("", "", "", "Phish", "Spam", "Malware, Phish"))
        sender = "rechnung@mail.lieferant.example" if inbound else self.person.principal
        subject = self.draw.choice(
            (
                "Your invoice 4471",
                "Terminänderung für Donnerstag",
                "Re: 見積もり",
                "Password expires today 🔑",
            )
        )
        return Email(
            self.guid(),
            sender,
            "Buchhaltung" if inbound else self.person.account,
            self.colleague,
            subject,
            threat,
            inbound,
            self.draw.choice(_DOCUMENTS),
            f"https://{self.draw.choice(_HOSTS)}/{self.hexadecimal(8)}?q=1",
        )

    @functools.cached_property
    def alert(self) -> Mapping[str, Any]:
        """One of the tenant's alerts."""
        return self.draw.choice(self.company.alerts)

    @functools.cached_property
    def evidence(self) -> Mapping[str, Any]:
        """One evidence item of that alert; an alert without any names its device."""
        items = self.alert["evidence"]
        return self.draw.choice(items) if items else {"entityType": "Machine"}
