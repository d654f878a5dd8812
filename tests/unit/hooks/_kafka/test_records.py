from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.hooks import MessageBatch
from airflow_provider_defender.hooks._kafka.records import records_of


def found(*values: bytes | None, enqueued: int = 1_767_322_800_000) -> list[dict[str, Any]]:
    count = len(values)
    batch = MessageBatch(list(values), [3] * count, list(range(count)), [enqueued] * count)
    return list(records_of(batch))


def test_records_of_the_streaming_api_say_table_time_and_properties() -> None:
    record = {
        "time": "2026-01-02T03:04:05.1234567Z",
        "tenantId": "t",
        "operationName": "Publish",
        "category": "AdvancedHunting-DeviceProcessEvents",
        "properties": {"FileName": "a.exe"},
    }
    [event, other] = found(json.dumps({"records": [record, {**record, "category": "AlertInfo"}]}).encode())
    assert event == {
        "table": "DeviceProcessEvents",
        "time": "2026-01-02T03:04:05.1234567Z",
        "properties": {"FileName": "a.exe"},
        "hub_partition": 3,
        "offset": 0,
        "enqueued": datetime(2026, 1, 2, 3, tzinfo=timezone.utc),
    }
    assert other["table"] == "AlertInfo"


@pytest.mark.parametrize(
    ("value", "properties"),
    [
        (b'{"SystemAlertId": "x", "TimeGenerated": "t"}', [{"SystemAlertId": "x", "TimeGenerated": "t"}]),
        (b'[{"a": 1}, 7]', [{"a": 1}, 7]),
        (
            b'{"records": [1, null, {"category": 3, "properties": {}}]}',
            [1, None, {"category": 3, "properties": {}}],
        ),
        (b'{"records": {}}', [{"records": {}}]),
        (b'{"records": []}', []),
        (b"no JSON \xff", ["no JSON \ufffd"]),
        (b"[" * 100_000, ["[" * 100_000]),
        (b"", [""]),
        (None, []),
    ],
)
def test_whatever_else_was_sent_is_handed_on(value: bytes | None, properties: list[Any]) -> None:
    assert [event["properties"] for event in found(value)] == properties
    assert {event["table"] for event in found(value)} <= {None}


def test_a_message_without_a_time_of_the_brokers() -> None:
    assert found(b"{}", enqueued=-1)[0]["enqueued"] is None


@given(st.lists(st.binary(max_size=40) | st.none(), max_size=4))
def test_no_message_fails(values: list[bytes | None]) -> None:
    assert all(set(event) >= {"table", "time", "properties", "offset"} for event in found(*values))
