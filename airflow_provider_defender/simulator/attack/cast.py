"""Who and what the attack is about: people, devices, programs and processes, by the tenant's seed."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass, replace

from airflow_provider_defender.simulator.defender.catalogue import Device, Person
from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.hub.scene import Program
from airflow_provider_defender.simulator.server.draw import draw_for

__all__ = ["Cast", "Process", "local_address"]

_SECOND = 10_000_000
_MINUTE = 60 * _SECOND
_SYSTEM32 = "C:\\Windows\\System32"
_OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16"


def _windows(name: str, folder: str = _SYSTEM32) -> Program:
    return Program(name, folder, ())


def _office(name: str, product: str) -> Program:
    return Program(name, _OFFICE, (), product=product, version="16.0.19231.20194", description=product)


@dataclass(frozen=True)
class Process:
    """A process: what runs where, for whom, since when (ticks), and what started it."""

    program: Program
    command: str
    pid: int
    started: int
    device: Device
    account: Person | None
    """Whose it is; None: the system's."""
    parent: Process | None
    seen: bool = True
    """Whether its start is among the events; that of a process from before is not."""


class Cast:
    """The attack on a tenant that was noticed `now` (ticks); its ids depend on the tenant's seed only."""

    def __init__(self, tenant: Tenant, now: int) -> None:
        self.now = now
        self.tenant_id = tenant.tenant_id
        self.domain = tenant.domain
        self._seed = tenant.seed
        population = tenant.population
        self.desktop = population.devices[1]
        self.server = population.server
        self.victim = self.desktop.person
        """She opens the mail."""
        self.colleague = population.devices[4].person
        """He gets it, too, and does not open it."""
        self._name_everything()
        self._start_processes()

    def guid(self, purpose: str) -> str:
        """A GUID, the same for the same purpose."""
        return str(uuid.UUID(int=draw_for(self._seed, "attack", purpose).getrandbits(128), version=4))

    def number(self, purpose: str, least: int, below: int) -> int:
        """A number, the same for the same purpose."""
        return draw_for(self._seed, "attack", purpose).randrange(least, below)

    def before(self, minutes: float) -> int:
        """So many minutes before the attack was noticed, in ticks."""
        return self.now - int(minutes * _MINUTE)

    def _name_everything(self) -> None:
        self.address = "192.0.2.66"
        """The attacker's: a range that nothing else in the tenant uses."""
        self.second_address = "2001:db8:0:bad::66"
        self.office_address = "198.51.100.10"
        """Where the tenant's people come from."""
        self.network_message_id = self.guid("network message")
        self.internet_message_id = f"<{self.guid('message').replace('-', '')}@pay-now.example>"
        self.sender = "billing@pay-now.example"
        self.subject = "Invoice 4471 is overdue"
        self.host = "files.pay-now.example"
        self.url = f"https://{self.host}/invoice/4471"
        self.incident = 7_001
        folder = f"C:\\Users\\{self.victim.account}\\AppData"
        self.document = Program(
            "Invoice 4471.docm",
            f"{folder}\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\7QX4T1B2",
            (),
            "",
            "",
            "1",
        )
        self.implant = Program("OneDriveUpdater.exe", f"{folder}\\Roaming\\Updater", (), "", "", "1")

    @functools.cached_property
    def implant_on_server(self) -> Program:
        """The same file under another path."""
        return _Copy(self.implant.name, "C:\\Windows\\Temp", (), "", "", "1", original=self.implant)

    # -- processes

    def _start(
        self,
        program: Program,
        command: str,
        minutes: float,
        parent: Process | None,
        device: Device | None = None,
    ) -> Process:
        pid = 4 * self.number(f"pid of {command}", 300, 4000)
        started = self.before(minutes) + self.number(f"start of {command}", 0, _SECOND)
        on = device or self.desktop
        return Process(program, command, pid, started, on, self.victim, parent)

    def _start_processes(self) -> None:
        start = self._start
        explorer = start(_windows("explorer.exe", "C:\\Windows"), "Explorer.EXE", 480, None)
        self.explorer = replace(explorer, seen=False)
        self.outlook = start(_office("outlook.exe", "Microsoft Outlook"), '"OUTLOOK.EXE"', 180, self.explorer)
        self.word = start(
            _office("winword.exe", "Microsoft Word"),
            f'"WINWORD.EXE" /n "{self.document.path}" /o ""',
            52,
            self.outlook,
        )
        self.powershell = start(
            _windows("powershell.exe", f"{_SYSTEM32}\\WindowsPowerShell\\v1.0"),
            "powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA",
            51,
            self.word,
        )
        self.updater = start(self.implant, f'"{self.implant.path}" -s', 50, self.powershell)
        run_key = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"
        self.reg = start(
            _windows("reg.exe"),
            f'reg add {run_key} /v Updater /d "{self.implant.path}" /f',
            49,
            self.updater,
        )
        self.whoami = start(_windows("whoami.exe"), "whoami /all", 48, self.updater)
        self.nltest = start(_windows("nltest.exe"), "nltest /domain_trusts", 47, self.updater)
        self.net = start(_windows("net.exe"), f"net use \\\\{self.server.name}\\admin$", 45, self.updater)
        self.edge = Process(
            _windows("msedge.exe", "C:\\Program Files (x86)\\Microsoft\\Edge\\Application"),
            f'"msedge.exe" --single-argument {self.url}',
            20_044,
            self.before(57),
            self.desktop,
            self.victim,
            self.outlook,
        )
        self._start_on_server()

    def _start_on_server(self) -> None:
        booted = self.before(40_000)
        self.system = Process(_windows("ntoskrnl.exe"), "", 4, booted, self.server, None, None, seen=False)
        provider = _windows("wmiprvse.exe", f"{_SYSTEM32}\\wbem")
        self.wmi = Process(
            provider,
            "wmiprvse.exe -secured -Embedding",
            3_012,
            booted + _MINUTE,
            self.server,
            None,
            self.system,
            seen=False,
        )
        command = f"{self.implant_on_server.path} -s"
        self.updater_on_server = self._start(self.implant_on_server, command, 43, self.wmi, self.server)
        self.cmd = self._start(
            _windows("cmd.exe"), 'cmd.exe /c "dir D:\\shares /s"', 42, self.updater_on_server, self.server
        )

    @property
    def processes(self) -> list[Process]:
        """Those whose start is among the events, in the order of their starts."""
        found = [each for each in self.__dict__.values() if isinstance(each, Process) and each.seen]
        return sorted(found, key=lambda process: process.started)


@dataclass(frozen=True)
class _Copy(Program):
    """A file that holds the same as another one."""

    original: Program | None = None

    @functools.cached_property
    def hashes(self) -> dict[str, str]:
        """Those of the other file."""
        return self.original.hashes if self.original else super().hashes


def local_address(device: Device) -> str:
    """The address of a device within the tenant's network, as all its events have it."""
    number = int(device.machine_id[:4], 16)
    return f"10.20.{number >> 8}.{number & 255}"
