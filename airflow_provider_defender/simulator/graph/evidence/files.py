"""Files, processes, malware and the registry. Their rows name a device by `mdeDeviceId` only."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.graph.cast import Cast, Program
from airflow_provider_defender.simulator.graph.evidence.base import Evidence, Maker, inner
from airflow_provider_defender.simulator.graph.evidence.identities import account

__all__ = ["FILES", "details", "file_evidence", "hashes"]

_RUN = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"


def details(program: Program) -> dict[str, Any]:
    """The details of a file; `filePath` is its folder."""
    signer = program.signer or "Contoso Software GmbH"
    return {
        "sha1": program.hash("sha1"),
        "sha256": program.hash("sha256"),
        "md5": program.hash("md5"),
        "sha256Ac": program.hash("sha256")[::-1],
        "fileName": program.name,
        "filePath": program.folder,
        "fileSize": 40_960 + int(program.hash("md5")[:5], 16),
        "filePublisher": "Microsoft Corporation" if program.signer else "Contoso Software GmbH",
        "signer": signer,
        "issuer": "Microsoft Windows Production PCA 2011" if program.signer else "Contoso Code Signing CA",
    }


def hashes(program: Program) -> list[dict[str, str]]:
    """The hashes of a file, one an item."""
    return [{"algorithm": name, "value": program.hash(name)} for name in ("md5", "sha1", "sha256")]


def _file(cast: Cast) -> dict[str, Any]:
    return {
        "detectionStatus": cast.draw("file").choice(("detected", "blocked", "prevented")),
        "mdeDeviceId": cast.device.machine_id,
        "fileDetails": details(cast.program),
    }


def file_evidence(cast: Cast, program: Program) -> Evidence:
    """A file within other evidence."""
    return inner("fileEvidence", cast, {**_file(cast), "fileDetails": details(program)})


def _process(cast: Cast) -> dict[str, Any]:
    return {
        "processId": 4 * cast.number("process", 8_000),
        "parentProcessId": 4 * cast.number("parent", 8_000),
        "processCommandLine": cast.program.command,
        "processCreationDateTime": cast.time(120),
        "parentProcessCreationDateTime": cast.time(7_200),
        "detectionStatus": cast.draw("file").choice(("detected", "blocked", "prevented")),
        "mdeDeviceId": cast.device.machine_id,
        "imageFile": details(cast.program),
        "parentProcessImageFile": details(cast.parent),
        "userAccount": account(cast, cast.person),
    }


def _malware(cast: Cast) -> dict[str, Any]:
    return {
        "name": "Trojan:Win32/Emotet!ml",
        "category": "Trojan",
        "files": [file_evidence(cast, cast.program), file_evidence(cast, cast.mail.attachment)],
        "processes": [inner("processEvidence", cast, _process(cast))],
    }


def _hash(cast: Cast) -> dict[str, Any]:
    return {"algorithm": "sha256", "value": cast.program.hash("sha256")}


def _key(cast: Cast) -> dict[str, Any]:
    return {
        "registryHive": cast.draw("hive").choice(("HKEY_LOCAL_MACHINE", "HKEY_CURRENT_USER")),
        "registryKey": _RUN,
    }


def _value(cast: Cast) -> dict[str, Any]:
    return {
        **_key(cast),
        "mdeDeviceId": cast.device.machine_id,
        "registryValue": f"{cast.program.folder}\\{cast.program.name}",
        "registryValueName": "Updater",
        "registryValueType": "ExpandString",
    }


FILES: dict[str, Maker] = {
    "fileEvidence": _file,
    "fileHashEvidence": _hash,
    "processEvidence": _process,
    "malwareEvidence": _malware,
    "registryKeyEvidence": _key,
    "registryValueEvidence": _value,
}
