"""Records of an event hub as messages, and their rows as flat dicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from airflow_provider_defender import ecs
from tests.unit.ecs.helpers.alert_records import flat, without_nulls

TENANT = "b3c1b5fc-828c-45fa-a1e1-10d74f6d6e9c"
TIME = "2026-01-09T09:57:11.4821337Z"
TICKS = 17679526314821337
"""`TIME` in units of 100 ns since 1970."""
ENQUEUED = datetime(2026, 1, 9, 10, 0, 21, tzinfo=timezone.utc)

INITIATOR: dict[str, Any] = {
    "InitiatingProcessAccountDomain": "contoso",
    "InitiatingProcessAccountName": "jdoe",
    "InitiatingProcessAccountObjectId": "11118379-2a59-1111-ac3c-a51eb4a3c627",
    "InitiatingProcessAccountSid": "S-1-5-21-1-2-3-1105",
    "InitiatingProcessAccountUpn": "jdoe@contoso.com",
    "InitiatingProcessCommandLine": '"cmd.exe" /c start',
    "InitiatingProcessCreationTime": "2026-01-09T09:57:10.4802112Z",
    "InitiatingProcessFileName": "cmd.exe",
    "InitiatingProcessFolderPath": "c:\\windows\\system32\\cmd.exe",
    "InitiatingProcessId": 8420,
    "InitiatingProcessMD5": "1" * 32,
    "InitiatingProcessParentCreationTime": "2026-01-09T09:00:00Z",
    "InitiatingProcessParentFileName": "explorer.exe",
    "InitiatingProcessParentId": 4012,
    "InitiatingProcessSHA1": "2" * 40,
    "InitiatingProcessSHA256": "3" * 64,
    "InitiatingProcessVersionInfoCompanyName": "Microsoft Corporation",
}
DEVICE: dict[str, Any] = {"DeviceId": "d1", "DeviceName": "WS1.contoso.com", "ReportId": 41277}


def message(table: str, *records: dict[str, Any]) -> bytes:
    """A message with records of a streaming table; each record is its `properties`."""
    return json.dumps(
        {
            "records": [
                {
                    "time": "2026-01-09T10:00:21.1234567Z",
                    "tenantId": TENANT,
                    "operationName": "Publish",
                    "category": f"AdvancedHunting-{table}",
                    "_TimeReceivedBySvc": "2026-01-09T09:59:40.7654321Z",
                    "properties": record,
                    "Tenant": "DefaultTenant",
                }
                for record in records
            ]
        }
    ).encode()


def map_messages(*messages: bytes, enqueued: datetime = ENQUEUED) -> ecs.MappedRecords:
    """Messages of one partition through the engine."""
    count = len(messages)
    origins = pa.table(
        {
            "namespace": ["ns.servicebus.windows.net"] * count,
            "hub": ["defender"] * count,
            "partition": pa.array([0] * count, pa.int32()),
            "offset": pa.array(range(count), pa.int64()),
            "enqueued": pa.array([enqueued] * count, pa.timestamp("us", tz="UTC")),
        }
    )
    return ecs.map_records("event_hub", messages, origins=origins)


def rows_of(dataset: str, *messages: bytes, enqueued: datetime = ENQUEUED) -> list[dict[str, Any]]:
    """The rows of messages, without nulls, by dotted name; nothing may be rejected."""
    mapped = map_messages(*messages, enqueued=enqueued)
    assert mapped.rejects.num_rows == 0, mapped.rejects.to_pylist()
    mapped.tables[dataset].validate(full=True)
    return [flat(without_nulls(row)) for row in mapped.tables[dataset].to_pylist()]


def rows(table: str, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of records of a streaming table, each of which has a `Timestamp`."""
    return rows_of(f"events/{table}", message(table, *({"Timestamp": TIME, **record} for record in records)))


def row(table: str, **record: Any) -> dict[str, Any]:
    """The row of one record."""
    (only,) = rows(table, [record])
    return only


def device_row(table: str, **record: Any) -> dict[str, Any]:
    """The row of a record of a device, with an initiating process."""
    return row(table, **{**DEVICE, **INITIATOR, **record})


def cloud_row(table: str, record: dict[str, Any]) -> dict[str, Any]:
    """The row of one message of Defender for Cloud."""
    (only,) = rows_of(f"events/DefenderForCloud{table}", json.dumps(record).encode())
    return only


def part(fields: dict[str, Any], *roots: str) -> dict[str, Any]:
    """The fields under the given roots."""
    prefixes = tuple(f"{root}." for root in roots)
    return {name: value for name, value in fields.items() if name.startswith(prefixes)}
