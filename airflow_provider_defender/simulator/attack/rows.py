"""How a row of a streaming table is written: each of its columns, null where the event says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_defender.simulator.attack.cast import Process
from airflow_provider_defender.simulator.defender.catalogue import Device, Person
from airflow_provider_defender.simulator.hub.rows import streaming_tables
from airflow_provider_defender.simulator.hub.scene import Program
from airflow_provider_defender.simulator.hub.times import fixed_time

__all__ = ["Event", "account", "created", "device", "file", "initiator"]


@dataclass(frozen=True)
class Event:
    """A row of a streaming table, and when it happened (ticks)."""

    table: str
    at: int
    values: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        """The whole row.

        Tables have more or fewer columns about the initiating process; for another value whose column the
        table does not have, it raises ValueError.
        """
        columns = streaming_tables()[self.table].types
        row = {**dict.fromkeys(columns), "Timestamp": fixed_time(self.at), **self.values}
        missing = sorted(set(row) - set(columns))
        unknown = [name for name in missing if not name.startswith("InitiatingProcess")]
        if unknown:
            raise ValueError(f"{self.table} has no {', '.join(unknown)}")
        return {name: value for name, value in row.items() if name in columns}


def device(on: Device, report: int) -> dict[str, Any]:
    """What all tables of devices say of the device."""
    return {
        "DeviceId": on.machine_id,
        "DeviceName": on.name,
        "MachineGroup": on.group,
        "ReportId": report,
    }


def account(person: Person | None, prefix: str = "") -> dict[str, Any]:
    """The account of a process or a logon, as the sensor on the device knows it: by its SID."""
    if person is None:
        names = ("system", "nt authority", "S-1-5-18")
    else:
        names = (person.account, person.domain.lower(), person.sid)
    return dict(
        zip((f"{prefix}AccountName", f"{prefix}AccountDomain", f"{prefix}AccountSid"), names, strict=True)
    )


def file(program: Program) -> dict[str, Any]:
    """The file that an event is about."""
    return {
        "FileName": program.name,
        "FolderPath": program.path,
        "FileSize": program.size,
        "MD5": program.hashes["md5"],
        "SHA1": program.hashes["sha1"],
        "SHA256": program.hashes["sha256"],
    }


def initiator(process: Process) -> dict[str, Any]:
    """The process that did it, as all tables of devices name it: its names in lower case."""
    program, parent = process.program, process.parent
    return {
        "InitiatingProcessFileName": program.name.lower(),
        "InitiatingProcessFolderPath": program.path.lower(),
        "InitiatingProcessFileSize": program.size,
        "InitiatingProcessMD5": program.hashes["md5"],
        "InitiatingProcessSHA1": program.hashes["sha1"],
        "InitiatingProcessSHA256": program.hashes["sha256"],
        "InitiatingProcessVersionInfoCompanyName": program.company or None,
        "InitiatingProcessVersionInfoProductName": program.product or None,
        "InitiatingProcessVersionInfoProductVersion": program.version or None,
        "InitiatingProcessId": process.pid,
        "InitiatingProcessCommandLine": process.command,
        "InitiatingProcessCreationTime": fixed_time(process.started),
        "InitiatingProcessParentId": parent.pid if parent else 0,
        "InitiatingProcessParentFileName": parent.program.name if parent else None,
        "InitiatingProcessParentCreationTime": fixed_time(parent.started) if parent else None,
        "InitiatingProcessIntegrityLevel": "Medium" if process.account else "System",
        "InitiatingProcessTokenElevation": "TokenElevationTypeLimited",
        "InitiatingProcessSessionId": 1 if process.account else 0,
        "IsInitiatingProcessRemoteSession": False,
        **account(process.account, "InitiatingProcess"),
    }


def created(process: Process) -> dict[str, Any]:
    """The columns about a process that has been created."""
    program = process.program
    return {
        **file(program),
        **account(process.account),
        "ProcessId": process.pid,
        "ProcessCommandLine": process.command,
        "ProcessCreationTime": fixed_time(process.started),
        "ProcessIntegrityLevel": "Medium" if process.account else "System",
        "ProcessTokenElevation": "TokenElevationTypeLimited",
        "ProcessVersionInfoCompanyName": program.company or None,
        "ProcessVersionInfoProductName": program.product or None,
        "ProcessVersionInfoProductVersion": program.version or None,
        "CreatedProcessSessionId": 1 if process.account else 0,
        "IsProcessRemoteSession": False,
    }
