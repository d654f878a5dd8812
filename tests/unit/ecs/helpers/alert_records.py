"""Alerts as the API sends them, after the documented examples."""

from __future__ import annotations

import json
from datetime import timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from airflow_provider_defender import ecs

DATA = Path(__file__).parent.parent / "data"
TENANT = "a839b112-1253-6432-9bf6-94542403f21c"
ORIGINS = pa.table({"tenant": [TENANT]})

_ITEM_NAMES = (
    "entityType evidenceCreationTime sha1 sha256 fileName filePath processId processCommandLine "
    "processCreationTime parentProcessId parentProcessCreationTime parentProcessFileName "
    "parentProcessFilePath ipAddress url registryKey registryHive registryValueType registryValue "
    "registryValueName accountName domainName userSid aadUserId userPrincipalName detectionStatus"
)
NO_ITEM: dict[str, Any] = dict.fromkeys(_ITEM_NAMES.split())
USER_ITEM: dict[str, Any] = {
    **NO_ITEM,
    "entityType": "User",
    "evidenceCreationTime": "2021-01-26T20:33:58.42Z",
    "accountName": "name",
    "domainName": "DOMAIN",
    "userSid": "S-1-5-21-11111607-1111760036-109187956-75141",
    "aadUserId": "11118379-2a59-1111-ac3c-a51eb4a3c627",
    "userPrincipalName": "temp123@microsoft.com",
}
PROCESS_ITEM: dict[str, Any] = {
    **NO_ITEM,
    "entityType": "Process",
    "evidenceCreationTime": "2021-01-26T20:33:58.6133333Z",
    "sha1": "ff836cfb1af40252bd2a2ea843032e99a5b262ed",
    "sha256": "a4752c71d81afd3d5865d24ddb11a6b0c615062fcc448d24050c2172d2cbccd6",
    "fileName": "rundll32.exe",
    "filePath": "C:\\Windows\\SysWOW64",
    "processId": 3276,
    "processCommandLine": "rundll32.exe  c:\\temp\\suspicious.dll,RepeatAfterMe",
    "processCreationTime": "2021-01-26T20:31:32.9581596Z",
    "parentProcessId": 8420,
    "parentProcessCreationTime": "2021-01-26T20:31:32.9004163Z",
    "parentProcessFileName": "explorer.exe",
    "parentProcessFilePath": "C:\\Windows\\",
    "accountName": "runner",
    "userSid": "S-1-5-18",
    "detectionStatus": "Detected",
}
FILE_ITEM: dict[str, Any] = {
    **NO_ITEM,
    "entityType": "File",
    "sha1": "8563f95b2f8a284fc99da44500cd51a77c1ff36c",
    "sha256": "dc0ade0c95d6db98882bc8fa6707e64353cd6f7767ff48d6a81a6c2aef21c608",
    "fileName": "suspicious.DLL",
    "filePath": "c:\\temp",
}
REGISTRY_ITEM: dict[str, Any] = {
    **NO_ITEM,
    "entityType": "Registry",
    "registryHive": "HKEY_LOCAL_MACHINE",
    "registryKey": "SOFTWARE\\Run",
    "registryValueName": "Updater",
    "registryValueType": "ExpandString",
    "registryValue": "%TEMP%\\updater.exe",
}
IP_ITEM: dict[str, Any] = {**NO_ITEM, "entityType": "Ip", "ipAddress": "203.0.113.7"}
URL_ITEM: dict[str, Any] = {
    **NO_ITEM,
    "entityType": "Url",
    "url": "https://bob:secret@evil.example.com:8443/a/load.PHP?x=1#top",
}
ITEMS = (USER_ITEM, PROCESS_ITEM, FILE_ITEM, REGISTRY_ITEM, IP_ITEM, URL_ITEM)

DESCRIPTION = (
    "Binaries signed by Microsoft can be used to run low-reputation arbitrary code. This technique hides the "
    "execution of malicious code within a trusted process. As a result, the trusted process might exhibit "
    "suspicious behaviors, such as opening a listening port or connecting to a command-and-control (C&C) "
    "server."
)
ALERT: dict[str, Any] = {
    "id": "da637472900382838869_1364969609",
    "incidentId": 1126093,
    "investigationId": None,
    "assignedTo": None,
    "severity": "Low",
    "status": "New",
    "classification": None,
    "determination": None,
    "investigationState": "Queued",
    "detectionSource": "WindowsDefenderAtp",
    "detectorId": "17e10bbc-3a68-474a-8aad-faef14d43952",
    "category": "Execution",
    "threatFamilyName": None,
    "title": "Low-reputation arbitrary code executed by signed executable",
    "description": DESCRIPTION,
    "alertCreationTime": "2021-01-26T20:33:57.7220239Z",
    "firstEventTime": "2021-01-26T20:31:32.9562661Z",
    "lastEventTime": "2021-01-26T20:31:33.0577322Z",
    "lastUpdateTime": "2021-01-26T20:33:59.2Z",
    "resolvedTime": None,
    "machineId": "111e6dd8c833c8a052ea231ec1b19adaf497b625",
    "computerDnsName": "temp123.middleeast.corp.microsoft.com",
    "rbacGroupName": "A",
    "aadTenantId": TENANT,
    "threatName": None,
    "mitreTechniques": ["T1064", "T1085", "T1220"],
    "relatedUser": {"userName": "temp123", "domainName": "DOMAIN"},
    "loggedOnUsers": [{"accountName": "temp123", "domainName": "DOMAIN"}],
    "comments": [
        {
            "comment": "test comment for docs",
            "createdBy": "secop123@contoso.com",
            "createdTime": "2021-01-26T01:00:37.8404534Z",
        }
    ],
    "domains": [],
    "evidence": [USER_ITEM],
}


def record(alert: Any) -> bytes:
    """The JSON text of an alert, as the API writes it; lone surrogates as escapes."""
    try:
        return json.dumps(alert, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(alert, separators=(",", ":")).encode()


def alert(**changes: Any) -> dict[str, Any]:
    return {**ALERT, **changes}


def map_alerts(*alerts: Any, **options: Any) -> ecs.MappedRecords:
    """Mapped alerts (dicts or bytes) of the one tenant, with the invariants of every result checked."""
    records = [each if isinstance(each, bytes) else record(each) for each in alerts]
    mapped = ecs.map_records("endpoint_alerts", records, origins=ORIGINS, **options)
    check(mapped, records)
    return mapped


def check(mapped: ecs.MappedRecords, records: list[bytes]) -> None:
    """One schema, valid Arrow data, every record landed or rejected once, under the versions announced."""
    table = mapped.tables["alerts"]
    assert table.schema == ecs.schema("alerts")
    table.validate(full=True)
    mapped.rejects.validate(full=True)
    assert table.column("@timestamp").null_count == 0
    versions = [each[:2] for each in ecs.identities("endpoint_alerts", records, tenant=TENANT)]
    rejected = {row["record_index"]: (row["key"], row["version"]) for row in mapped.rejects.to_pylist()}
    landed = [(row["key"], row["version"]) for row in table.column("landing").to_pylist() if row["item"] == 0]
    expected = [tuple(version) for index, version in enumerate(versions) if index not in rejected]
    assert landed == expected
    assert rejected == {index: tuple(versions[index]) for index in rejected}


def rows(*alerts: Any, **options: Any) -> list[dict[str, Any]]:
    """The rows of alerts, without nulls, dates as texts in ISO format."""
    return [without_nulls(row) for row in map_alerts(*alerts, **options).tables["alerts"].to_pylist()]


def row(one: Any, **options: Any) -> dict[str, Any]:
    return rows(one, **options)[0]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: without_nulls(child) for name, child in value.items()}
        return {name: child for name, child in kept.items() if child is not None and child != {}}
    if isinstance(value, list):
        return [without_nulls(child) for child in value]
    if hasattr(value, "isoformat"):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    return value


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one with dotted names."""
    result: dict[str, Any] = {}
    for name, child in value.items():
        result.update(flat(child, f"{prefix}{name}.") if isinstance(child, dict) else {prefix + name: child})
    return result
