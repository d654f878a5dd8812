"""Messages of an event hub for the tests, and mapping with its invariants checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from airflow_provider_defender import ecs

TENANT = "40431729-d276-4582-abb4-01e21c8b58fe"
NAMESPACE, HUB = "contoso.servicebus.windows.net", "defender"
ENQUEUED = datetime(2024, 12, 4, 13, 38, 21, tzinfo=timezone.utc)

LOGON: dict[str, Any] = {
    "ActionType": "LogonFailed",
    "LogonType": "Failed logon",
    "Protocol": "Ntlm",
    "AccountDisplayName": None,
    "AccountUpn": None,
    "AccountName": "elias",
    "AccountDomain": "tenzir.com",
    "AccountSid": None,
    "AccountObjectId": None,
    "IPAddress": None,
    "Location": None,
    "DeviceName": "WIN-P3MCS4024KP",
    "OSPlatform": None,
    "DeviceType": None,
    "ISP": None,
    "DestinationDeviceName": "ad-test.tenzir.com",
    "TargetDeviceName": None,
    "FailureReason": "UnknownUser",
    "Port": None,
    "DestinationPort": None,
    "DestinationIPAddress": None,
    "TargetAccountDisplayName": None,
    "AdditionalFields": {
        "Count": "1",
        "Category": "Initial Access",
        "AttackTechniques": "Valid Accounts (T1078), Domain Accounts (T1078.002)",
        "SourceAccountName": "tenzir.com\\elias",
        "SourceComputerOperatingSystemType": "unknown",
        "DestinationComputerObjectGuid": "793e9b90-9eef-4620-aaa2-442a22f81321",
        "DestinationComputerOperatingSystem": "windows server 2022 datacenter",
        "DestinationComputerOperatingSystemVersion": "10.0 (20348)",
        "DestinationComputerOperatingSystemType": "windows",
        "SourceComputerId": "computer win-p3mcs4024kp",
        "FROM.DEVICE": "WIN-P3MCS4024KP",
        "TO.DEVICE": "ad-test",
        "ACTOR.DEVICE": "",
    },
    "ReportId": "3d359b95-f8d5-4dbd-a64b-7327c92d32f1",
    "Timestamp": "2024-12-04T13:33:19.801823",
    "Application": "Active Directory",
}
"""`properties` of the seed's IdentityLogonEvents record, in its order."""

PROCESS: dict[str, Any] = {
    "Timestamp": "2024-12-04T13:37:11.4821337Z",
    "DeviceId": "111e6dd8c833c8a052ea231ec1b19adaf497b625",
    "DeviceName": "ws1.contoso.com",
    "ActionType": "ProcessCreated",
    "FileName": "rundll32.exe",
    "FolderPath": "C:\\Windows\\SysWOW64\\rundll32.exe",
    "SHA1": "ff836cfb1af40252bd2a2ea843032e99a5b262ed",
    "SHA256": None,
    "MD5": None,
    "FileSize": 61440,
    "ProcessId": 3276,
    "ProcessCommandLine": "rundll32.exe c:\\temp\\suspicious.dll,RepeatAfterMe",
    "ProcessCreationTime": "2024-12-04T13:37:11.4802112Z",
    "AccountDomain": "contoso",
    "AccountName": "jdoe",
    "AccountSid": "S-1-5-21-1-2-3-1105",
    "LogonId": 999,
    "InitiatingProcessId": 8420,
    "InitiatingProcessFileName": "cmd.exe",
    "IsProcessRemoteSession": False,
    "ReportId": 41277,
    "AppGuardContainerId": "",
    "AdditionalFields": '{"InitiatingProcessSignerType":"OsVendor"}',
    "MachineGroup": "Workstations",
}
CLOUD_ALERT: dict[str, Any] = {
    "VendorName": "Microsoft",
    "AlertType": "SUSPECT_SVCHOST",
    "TimeGenerated": "2024-12-04T13:37:03.000Z",
    "Severity": "High",
    "SystemAlertId": "2342409243234234_F2BFED55-5997-4FEA-95BD-BB7C6DDCD061",
    "ExtendedProperties": {"Process Path": "c:\\temp\\svchost.exe", "PID": 944},
    "Entities": [{"$id": "4", "HostName": "WebSrv1", "Type": "host"}, {"$id": "5", "Host": {"$ref": "4"}}],
}
ASSESSMENT: dict[str, Any] = {
    "assessmentEventDataEnrichment": {"action": "Insert", "isSnapshot": False},
    "id": "/subscriptions/1/providers/Microsoft.Security/assessments/2",
    "name": "2",
    "type": "Microsoft.Security/assessments",
    "tenantId": TENANT,
    "properties": {"displayName": "Enable MFA", "status": {"code": "Unhealthy"}},
}
SIGN_IN: dict[str, Any] = {
    "time": "2024-12-04T13:37:05.1234567Z",
    "resourceId": "/tenants/1/providers/Microsoft.aadiam",
    "category": "SignInLogs",
    "operationName": "Sign-in activity",
    "properties": {"id": "1"},
}


def event(table: str = "IdentityLogonEvents", properties: Any = LOGON, **changes: Any) -> dict[str, Any]:
    """A record as the Streaming API sends it."""
    return {
        "time": "2024-12-04T13:38:20.3608510Z",
        "tenantId": TENANT,
        "operationName": "Publish",
        "category": f"AdvancedHunting-{table}",
        "_TimeReceivedBySvc": "2024-12-04T13:36:26.6325560Z",
        "properties": properties,
        "Tenant": "DefaultTenant",
        **changes,
    }


def logon(**changes: Any) -> dict[str, Any]:
    return event(properties={**LOGON, **changes})


def process(**changes: Any) -> dict[str, Any]:
    return event("DeviceProcessEvents", {**PROCESS, **changes})


def text(value: Any) -> bytes:
    """Compact JSON; lone surrogates as escapes."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def message(*records: Any) -> bytes:
    """A message of records, given as values or as their bytes."""
    parts = [record if isinstance(record, bytes) else text(record) for record in records]
    return b'{"records":[' + b",".join(parts) + b"]}"


def origins(count: int, first: int = 0) -> pa.Table:
    """Where `count` messages come from: offsets from `first` on in partition 3."""
    return pa.table(
        {
            "namespace": [NAMESPACE] * count,
            "hub": [HUB] * count,
            "partition": pa.array([3] * count, pa.int32()),
            "offset": pa.array(range(first, first + count), pa.int64()),
            "enqueued": pa.array([ENQUEUED] * count, pa.timestamp("us", tz="UTC")),
        }
    )


def map_messages(*messages: bytes | None, **options: Any) -> ecs.MappedRecords:
    """The messages' records, with what holds for every result checked."""
    mapped = ecs.map_records("event_hub", messages, origins=origins(len(messages)), **options)
    check([mapped], messages, duplicates=True)
    return mapped


def check(parts: Sequence[ecs.MappedRecords], messages: Sequence[bytes | None], *, duplicates: bool) -> None:
    """One schema a dataset, valid Arrow data, every record in one row or one reject, nothing made up.

    `duplicates`: records may have been dropped as such; else every message has a record.
    """
    places: Counter[tuple[int, int]] = Counter()
    for part in parts:
        for dataset, table in part.tables.items():
            name = dataset.removeprefix("events/")
            known = name if name in ecs.known_event_tables() else "Unknown"
            assert table.schema == ecs.schema(f"events/{known}"), dataset
            table.validate(full=True)
            assert table.column("@timestamp").null_count == 0
            originals = table.column("event").combine_chunks().field("original").to_pylist()
            landings = table.column("landing").to_pylist()
            for original, landing in zip(originals, landings, strict=True):
                kafka = landing["kafka"]
                places[kafka["offset"], kafka["record"]] += 1
                assert original.encode() in (messages[kafka["offset"]] or b"")
        assert part.rejects.schema == ecs.HUB_REJECTS_SCHEMA
        part.rejects.validate(full=True)
        for reject in part.rejects.to_pylist():
            places[reject["offset"], reject["record"]] += 1
            assert reject["error"]
            assert reject["bytes"] in (messages[reject["offset"]] or b"")
    assert sum(part.messages for part in parts) == len(messages)
    assert sum(part.records for part in parts) == len(places) + sum(part.duplicates for part in parts)
    assert set(places.values()) <= {1}
    if not duplicates:
        assert {offset for offset, _ in places} == set(range(len(messages)))
        for offset, record in places:
            assert record == 0 or (offset, record - 1) in places


def landed(mapped: ecs.MappedRecords) -> dict[str, list[tuple[int, int]]]:
    """Dataset → offset and record of its rows."""
    return {
        name: [
            (row["kafka"]["offset"], row["kafka"]["record"]) for row in table.column("landing").to_pylist()
        ]
        for name, table in mapped.tables.items()
    }


def only_row(mapped: ecs.MappedRecords) -> dict[str, Any]:
    """The one row, as nested dicts."""
    (table,) = mapped.tables.values()
    (row,) = table.to_pylist()
    return row  # type: ignore[no-any-return]
