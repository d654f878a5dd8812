"""Columns about processes and files."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_defender.simulator.hub.scene import Program, Running, Scene
from airflow_provider_defender.simulator.hub.values.makers import Maker, always, one_of

__all__ = ["FILE", "INITIATING", "PROCESS", "program_file"]


def _version_info(prefix: str, program: Callable[[Scene], Program]) -> dict[str, Maker]:
    return {
        f"{prefix}VersionInfoCompanyName": lambda s: program(s).company or None,
        f"{prefix}VersionInfoProductName": lambda s: program(s).product or None,
        f"{prefix}VersionInfoProductVersion": lambda s: program(s).version or None,
        f"{prefix}VersionInfoInternalFileName": lambda s: program(s).name.rpartition(".")[0] or None,
        f"{prefix}VersionInfoOriginalFileName": lambda s: program(s).name.upper(),
        f"{prefix}VersionInfoFileDescription": lambda s: program(s).description or None,
    }


def _account(prefix: str, running: Callable[[Scene], Running]) -> dict[str, Maker]:
    return {
        f"{prefix}AccountName": lambda s: running(s).account.name,
        f"{prefix}AccountDomain": lambda s: running(s).account.domain,
        f"{prefix}AccountSid": lambda s: running(s).account.sid,
        f"{prefix}AccountUpn": lambda s: running(s).account.principal,
        f"{prefix}AccountObjectId": lambda s: running(s).account.object_id,
    }


def _actor(s: Scene) -> Running:
    return s.actor


def _integrity(s: Scene) -> str:
    return "System" if s.account.sid == "S-1-5-18" else s.draw.choice(("Low", "Medium", "High"))


_ELEVATION = one_of("TokenElevationTypeDefault", "TokenElevationTypeLimited", "TokenElevationTypeFull")
INITIATING: dict[str, Maker] = {
    **_account("InitiatingProcess", _actor),
    **_version_info("InitiatingProcess", lambda s: s.actor.program),
    "InitiatingProcessId": lambda s: s.actor.pid,
    "InitiatingProcessUniqueId": lambda s: s.actor.unique_id,
    "InitiatingProcessFileName": lambda s: s.actor.program.name.lower(),
    "InitiatingProcessFolderPath": lambda s: s.actor.program.path.lower(),
    "InitiatingProcessFileSize": lambda s: s.actor.program.size,
    "InitiatingProcessMD5": lambda s: s.actor.program.hashes["md5"],
    "InitiatingProcessSHA1": lambda s: s.actor.program.hashes["sha1"],
    "InitiatingProcessSHA256": lambda s: s.actor.program.hashes["sha256"],
    "InitiatingProcessCommandLine": lambda s: s.actor.command,
    "InitiatingProcessCreationTime": lambda s: s.actor.started,
    "InitiatingProcessParentId": lambda s: s.root.pid,
    "InitiatingProcessParentFileName": lambda s: s.root.program.name,
    "InitiatingProcessParentCreationTime": lambda s: s.root.started,
    "InitiatingProcessIntegrityLevel": _integrity,
    "InitiatingProcessTokenElevation": _ELEVATION,
    "InitiatingProcessLogonId": lambda s: 999 if s.account.sid == "S-1-5-18" else s.draw.getrandbits(24),
    "InitiatingProcessSessionId": one_of(0, 1, 2),
    "InitiatingProcessRemoteSessionDeviceName": lambda s: s.neighbour.name if s.remote_session else None,
    "InitiatingProcessRemoteSessionIP": lambda s: s.remote.address if s.remote_session else None,
    "InitiatingProcessSignerType": one_of("OsVendor", "ISV", "NoSignature"),
    "InitiatingProcessSignatureStatus": one_of("Valid", "Unknown"),
    "IsInitiatingProcessRemoteSession": lambda s: s.remote_session,
}
PROCESS: dict[str, Maker] = {
    **_account("", lambda s: s.process),
    **_version_info("Process", lambda s: s.process.program),
    "ProcessId": lambda s: s.process.pid,
    "ProcessUniqueId": lambda s: s.process.unique_id,
    "ProcessCommandLine": lambda s: s.process.command,
    "ProcessCreationTime": lambda s: s.process.started,
    "ProcessIntegrityLevel": _integrity,
    "ProcessTokenElevation": _ELEVATION,
    "ProcessRemoteSessionDeviceName": lambda s: s.neighbour.name if s.remote_session else None,
    "ProcessRemoteSessionIP": lambda s: s.remote.address if s.remote_session else None,
    "CreatedProcessSessionId": one_of(0, 1, 2),
    "IsProcessRemoteSession": lambda s: s.remote_session,
    "ProcessName": lambda s: s.process.program.name,
    "ParentProcessName": lambda s: s.actor.program.name,
    "ParentProcessId": lambda s: s.actor.pid,
    "ProcessCurrentWorkingDirectory": one_of("/", "/opt/app", "/root"),
    "LogonId": lambda s: 999 if s.account.sid == "S-1-5-18" else s.draw.getrandbits(24),
}


def program_file(program: Callable[[Scene], Program]) -> dict[str, Maker]:
    """The columns about a file that holds a program."""
    return {
        "FileName": lambda s: program(s).name,
        "FolderPath": lambda s: program(s).path,
        "FileSize": lambda s: program(s).size,
        "MD5": lambda s: program(s).hashes["md5"],
        "SHA1": lambda s: program(s).hashes["sha1"],
        "SHA256": lambda s: program(s).hashes["sha256"],
    }


FILE: dict[str, Maker] = {
    **program_file(lambda s: s.file),
    "PreviousFileName": lambda s: f"~{s.file.name}.tmp",
    "PreviousFolderPath": lambda s: f"{s.file.folder}\\~{s.file.name}.tmp",
    "FileOriginUrl": lambda s: f"https://{s.remote.host}/download/{s.hexadecimal(6)}",
    "FileOriginReferrerUrl": lambda s: f"https://{s.remote.host}/",
    "FileOriginIP": lambda s: s.remote.address,
    "RequestProtocol": one_of("Local", "SMB", "NFS"),
    "RequestSourceIP": lambda s: s.local_address,
    "RequestSourcePort": lambda s: s.draw.randrange(49_152, 65_535),
    "RequestAccountName": lambda s: s.account.name,
    "RequestAccountDomain": lambda s: s.account.domain,
    "RequestAccountSid": lambda s: s.account.sid,
    "ShareName": one_of("D$", "shares", "Kundenakten"),
    "SensitivityLabel": one_of("Confidential", "General"),
    "SensitivitySubLabel": one_of("All employees", "Partners"),
    "IsAzureInfoProtectionApplied": one_of(True, False),
    "AppGuardContainerId": always(""),
}
