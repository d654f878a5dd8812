"""Short and long columns are worked on in different ways, which give the same rows."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from airflow_provider_defender.ecs.columns import short
from tests.golden import cases
from tests.unit.ecs.helpers.event_rows import map_messages

VALUES: list[Any] = [
    *(None, "", "-", ":", "null", "Unknown", "none specified", "00000000-0000-0000-0000-000000000000"),
    *("ABCDEF01-1111-2222-3333-444444444444", "0" * 40, "A" * 64, 0, -1, "text", True, [], {}),
    *("::ffff:192.0.2.1", "[2001:db8::1]:443", "192.0.2.1", "Host.Example.COM.", "a@b.example"),
    *("C:\\Windows\\a.exe", "/usr/bin/sh", '"a b" c \\" d', "https://[::1]:8080/a.b?c#d", '["a", null]'),
    *("2026-01-09T09:57:11Z", "2026-01-09T09:57:11", "1601-01-01T00:00:00Z", "2300-01-01T00:00:00Z"),
]


def _messages() -> list[bytes]:
    """All golden records, and each again with other values in some of its properties."""
    source = random.Random(7)
    records: list[Any] = []
    for path in cases.paths(filters=["event_hub/"]):
        record = cases.read(path).get("record")
        if not isinstance(record, dict):
            continue
        records.append(record)
        for _ in range(2):
            changed = copy.deepcopy(record)
            inner = changed.get("properties")
            properties = inner if isinstance(inner, dict) else changed
            for name in source.sample(sorted(properties), len(properties) // 3):
                if name not in ("records", "category", "operationName"):
                    properties[name] = source.choice(VALUES)
            records.append(changed)
    return [
        json.dumps(record if "records" in record else {"records": [record]}).encode() for record in records
    ]


def test_short_and_long_columns_give_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = _messages()
    monkeypatch.setattr(short, "SHORT", len(messages))
    one = map_messages(*messages)
    monkeypatch.setattr(short, "SHORT", -1)
    other = map_messages(*messages)
    assert one.tables.keys() == other.tables.keys()
    for dataset, table in one.tables.items():
        table.validate(full=True)
        assert table.equals(other.tables[dataset]), dataset
    assert one.rejects.equals(other.rejects)
    assert one.unmapped_fields == other.unmapped_fields
    assert one.unknown_actions == other.unknown_actions
