"""What Defender for Endpoint's sensors tell of the attack: the tables `Device…`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_defender.simulator.attack.cast import Cast, Process, local_address
from airflow_provider_defender.simulator.attack.rows import Event, account, created, device, file, initiator
from airflow_provider_defender.simulator.hub.scene import Program

__all__ = ["device_events"]

_SECOND = 10_000_000
_OFFICE = "C:\\Program Files\\Common Files\\Microsoft Shared\\VBA\\VBA7.1"


def device_events(cast: Cast) -> Iterator[Event]:
    """All events of both devices, with report ids that no other device event of the tenant has."""
    parts = (_processes, _files, _connections, _traces, _logons, _inventory)
    told = [event for part in parts for event in part(cast)]
    for number, (table, at, process, values) in enumerate(told):
        on = process.device
        yield Event(table, at, {**device(on, 900_000 + number), **values})


_Told = Iterator[tuple[str, int, Process, dict[str, Any]]]
"""Table, time, the process on whose device it happened, and what the row says."""


def _by(process: Process, action: str, **more: Any) -> dict[str, Any]:
    return {"ActionType": action, **initiator(process), **more}


def _processes(cast: Cast) -> _Told:
    for process in cast.processes:
        if process.parent is None:
            continue
        values = {
            **_by(process.parent, "ProcessCreated"),
            "InitiatingProcessSignatureStatus": "Valid" if process.parent.program.company else "Unsigned",
            "IsInitiatingProcessRemoteSession": False,
            **created(process),
        }
        values.pop("InitiatingProcessSessionId")
        yield "DeviceProcessEvents", process.started + _SECOND // 100, process, values


def _files(cast: Cast) -> _Told:
    table = "DeviceFileEvents"
    opened = _by(cast.outlook, "FileCreated", **file(cast.document), RequestProtocol="Local")
    yield table, cast.word.started - 2 * _SECOND, cast.outlook, opened
    dropped = _by(
        cast.powershell,
        "FileCreated",
        **file(cast.implant),
        RequestProtocol="Local",
        FileOriginUrl=f"https://{cast.host}/update.bin",
        FileOriginIP=cast.address,
    )
    yield table, cast.updater.started - 3 * _SECOND, cast.powershell, dropped
    copied = _by(
        cast.system,
        "FileCreated",
        **file(cast.implant_on_server),
        RequestProtocol="SMB",
        ShareName="ADMIN$",
        RequestSourceIP=local_address(cast.desktop),
        RequestSourcePort=52_114,
        RequestAccountName=cast.victim.account,
        RequestAccountDomain=cast.victim.domain.lower(),
        RequestAccountSid=cast.victim.sid,
    )
    yield table, cast.updater_on_server.started - 20 * _SECOND, cast.system, copied


def _connections(cast: Cast) -> _Told:
    def to(process: Process, remote: str, port: int, url: str | None, kind: str) -> dict[str, Any]:
        return _by(
            process,
            "ConnectionSuccess",
            RemoteIP=remote,
            RemotePort=port,
            RemoteUrl=url,
            RemoteIPType=kind,
            LocalIP=local_address(process.device),
            LocalIPType="Private",
            LocalPort=cast.number(f"port of {process.command} to {remote}", 49_152, 65_535),
            Protocol="Tcp",
        )

    table, seen = "DeviceNetworkEvents", 4 * _SECOND
    browsed = to(cast.edge, cast.address, 443, cast.url, "Public")
    yield table, cast.edge.started + seen, cast.edge, browsed
    fetched = to(cast.powershell, cast.address, 443, f"https://{cast.host}/update.bin", "Public")
    yield table, cast.powershell.started + seen, cast.powershell, fetched
    # A socket of both families: the sensor writes the address of version 4 as one of version 6.
    called = to(cast.updater, f"::ffff:{cast.address}", 443, None, "FourToSixMapping")
    yield table, cast.updater.started + seen, cast.updater, called
    shared = to(cast.net, local_address(cast.server), 445, cast.server.name, "Private")
    yield table, cast.net.started + seen, cast.net, shared
    answered = to(cast.updater_on_server, cast.second_address, 443, None, "Public")
    yield table, cast.updater_on_server.started + seen, cast.updater_on_server, answered


def _traces(cast: Cast) -> _Told:
    """Libraries, the registry, and what antivirus and the script engine saw."""
    macros = Program("VBE7.DLL", _OFFICE, (), product="Visual Basic Environment", version="7.01")
    loaded = _by(cast.word, "ImageLoaded", **file(macros))
    yield "DeviceImageLoadEvents", cast.word.started + 20 * _SECOND, cast.word, loaded
    key = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"
    persisted = _by(
        cast.reg,
        "RegistryValueSet",
        RegistryKey=f"HKEY_CURRENT_USER\\{cast.victim.sid}\\{key}",
        RegistryValueName="Updater",
        RegistryValueType="String",
        RegistryValueData=cast.implant.path,
    )
    yield "DeviceRegistryEvents", cast.reg.started + _SECOND // 10, cast.reg, persisted
    command = '{"Command":"Invoke-WebRequest"}'
    scripted = _by(cast.powershell, "PowerShellCommand", AdditionalFields=command)
    yield "DeviceEvents", cast.powershell.started + _SECOND, cast.powershell, scripted
    found = _by(
        cast.system,
        "AntivirusDetection",
        **file(cast.implant_on_server),
        AdditionalFields='{"ThreatName":"Trojan:Win32/Updater.A","WasRemediated":true,"WasExecutingWhileDetected":true}',
    )
    yield "DeviceEvents", cast.before(8), cast.system, found


def _logons(cast: Cast) -> _Told:
    """From the desktop to the server, over the network."""
    came = _by(
        cast.system,
        "LogonSuccess",
        **account(cast.victim),
        LogonType="Network",
        Protocol="Kerberos",
        LogonId=81_544_210,
        IsLocalAdmin=True,
        RemoteIP=local_address(cast.desktop),
        RemoteIPType="Private",
        RemotePort=52_112,
        RemoteDeviceName=cast.desktop.name.partition(".")[0],
    )
    yield "DeviceLogonEvents", cast.net.started + 2 * _SECOND, cast.system, came


def _inventory(cast: Cast) -> _Told:
    person = cast.victim
    user = f'"UserName":"{person.account}","DomainName":"{person.domain}","Sid":"{person.sid}"'
    values = {
        "LoggedOnUsers": f"[{{{user}}}]",
        "OSPlatform": "Windows11",
        "OSArchitecture": "64-bit",
        "DeviceType": "Workstation",
        "DeviceCategory": "Endpoint",
        "OnboardingStatus": "Onboarded",
        "PublicIP": cast.office_address,
        "IsAzureADJoined": True,
        "JoinType": "Hybrid Azure AD Joined",
    }
    yield "DeviceInfo", cast.before(30), cast.explorer, values
