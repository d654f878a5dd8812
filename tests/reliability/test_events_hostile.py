"""P7 and P10 for events: whatever comes is in the lake or in quarantine, where it belongs, in one schema."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.simulator.events import FEEDS, ODDITIES, EventStream
from tests.helpers.event_hubs import NOW, EventLake, MemoryHub, drain, hub, message

__all__ = ["hub"]

FUZZED = 10_000
NAMES = 10_000


@pytest.fixture
def event_lake(fast_folder: Path) -> EventLake:
    folder = fast_folder / "below" / "lake"
    folder.parent.mkdir()
    return EventLake(folder)


def snapshot(lake: EventLake) -> set[str]:
    """Everything beside the lake, and what its root has."""
    outer = lake.path.parents[1]
    return {
        str(path.relative_to(outer)) for path in [*outer.glob("*"), *outer.glob("*/*"), *lake.path.glob("*")]
    }


INSIDE = {"below", "below/lake", "below/lake/events", "below/lake/_defender"}


# Poison -------------------------------------------------------------------------------------------


def deep(draw: random.Random, value: bytes) -> bytes:
    depth = 5_000 if draw.random() < 0.05 else draw.choice([50, 300])
    return b'{"records":[' + b'{"a":' * depth + b"1" + b"}" * depth + b"]}"


def huge_number(draw: random.Random, value: bytes) -> bytes:
    return value.replace(
        b'"Timestamp"', b'"ProcessId":' + b"9" * draw.choice([20, 400, 5_000]) + b',"Timestamp"'
    )


def repeated_key(draw: random.Random, value: bytes) -> bytes:
    return value.replace(b'"category"', b'"category":null,"category"')


def long_text(draw: random.Random, value: bytes) -> bytes:
    length = 1_000_000 if draw.random() < 0.02 else 2_000
    return value.replace(b'"Timestamp"', b'"DeviceName":"' + b"x" * length + b'","Timestamp"')


def not_utf8(draw: random.Random, value: bytes) -> bytes:
    place = draw.randrange(len(value))
    return value[:place] + draw.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x00"]) + value[place:]


def cut(draw: random.Random, value: bytes) -> bytes:
    return value[: draw.randrange(len(value))]


def changed(draw: random.Random, value: bytes) -> bytes:
    found = bytearray(value)
    for _ in range(draw.randrange(1, 6)):
        found[draw.randrange(len(found))] = draw.randrange(256)
    return bytes(found)


def spliced(draw: random.Random, value: bytes) -> bytes:
    one, other = sorted(draw.randrange(len(value)) for _ in range(2))
    return value[:other] + value[one:]


def rubbish(draw: random.Random, value: bytes) -> bytes:
    return draw.randbytes(draw.randrange(200))


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(deep, huge_number, repeated_key, long_text, not_utf8),
    *(cut, changed, spliced, rubbish),
)


def test_ten_thousand_poisoned_messages_stop_nothing(hub: MemoryHub, event_lake: EventLake) -> None:
    draw = random.Random(3)
    seeds = [value for value in EventStream(3, records_a_message=1).messages(60) if value]
    for number in range(FUZZED):
        mutate = draw.choice(MUTATIONS)
        hub.send(mutate(draw, draw.choice(seeds)), number % 2)
        if number % 100 == 0:
            hub.fill(1)
    hub.batch_messages = 500
    summary = drain(event_lake, drop_duplicates=False)
    assert summary["messages"] == len(hub.ledger) == FUZZED + FUZZED // 100
    landed = event_lake.ledger()
    assert landed.keys() == hub.ledger.keys()  # at least one row or reject of each, and none twice
    assert summary["records"] == sum(landed.values())
    assert {row["error"] for row in event_lake.rejects()}.isdisjoint({None, ""})
    assert len(event_lake.rows("DeviceInfo")) >= FUZZED // 100
    assert snapshot(event_lake) == INSIDE


def test_every_oddity_of_the_exporter_lands_or_is_in_quarantine(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    stream = EventStream(5, duplicates=0.1)
    for name in ODDITIES:
        hub.send(stream.oddity(name))
    for value in stream.messages(40):
        hub.send(value, 1)
    summary = drain(event_lake)
    assert summary["rows"] == {f"events/{table}": count for table, count in sorted(stream.truth.rows.items())}
    assert summary["duplicates"] == stream.truth.duplicates > 0
    assert summary["rejects"] == sum(stream.truth.broken.values())
    assert sum(event_lake.ledger().values()) == summary["records"] - summary["duplicates"]


# Hostile names ------------------------------------------------------------------------------------


def hostile_name(draw: random.Random) -> str:
    parts = [
        "../",
        "..\\",
        "/etc/",
        "DeviceInfo",
        "deviceINFO",
        "a",
        "Z9",
        "_defender",
        "\x00",
        "\n",
        "ü",
        ".",
        "%2e%2e/",
    ]
    kind = draw.random()
    if kind < 0.3:
        return f"Table{draw.randrange(3_000)}"
    if kind < 0.4:
        return "N" * draw.randrange(1, 300)
    return "".join(draw.choice(parts) for _ in range(draw.randrange(1, 5)))


def test_ten_thousand_hostile_names_write_nothing_outside_the_lake(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    draw = random.Random(9)
    for number in range(NAMES):
        name = hostile_name(draw)
        category = draw.choice(["AdvancedHunting-", "ADVANCEDHUNTING-", "advancedhunting-", ""]) + name
        record = {"category": category, "time": f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "properties": {"A": number}}
        hub.send(json.dumps({"records": [record]}).encode(), number % 2)
    hub.batch_messages = 1_000
    summary = drain(event_lake)
    assert event_lake.ledger() == hub.ledger
    assert summary["rejects"] > NAMES // 10
    assert snapshot(event_lake) == INSIDE
    tables = {path.name for path in (event_lake.path / "events").iterdir()}
    assert all(name.isascii() and name.isalnum() for name in tables)
    assert len({name.lower() for name in tables}) == len(tables) <= 100 + len(FEEDS)


# One schema ---------------------------------------------------------------------------------------


def test_files_of_different_batches_read_together(hub: MemoryHub, event_lake: EventLake) -> None:
    """Full rows, odd rows, and rows with hardly a column: every dataset has one schema in all its files."""
    for seed, odd in ((1, 0.0), (2, 0.5)):
        stream = EventStream(seed, odd=odd, duplicates=0.0, records_a_message=3)
        for value in stream.messages(60):
            hub.send(value, parts=0)
        drain(event_lake)
        hub.advance(timedelta(hours=1))
    for table in FEEDS:
        hub.send(message({}, table=table), 1)
    drain(event_lake)
    tables = {path.name for path in (event_lake.path / "events").iterdir()}
    assert tables >= set(FEEDS) - {"AzureMonitor"}
    for table in sorted(tables):
        assert_reads_together(event_lake, table)


def assert_reads_together(lake: EventLake, table: str) -> None:
    files = [str(file) for file in lake.files(table)]
    assert len({pq.read_schema(file) for file in files}) == 1
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    assert ds.dataset(files).to_table().num_rows == rows
    query = f'SELECT count(*), count("@timestamp"), count(landing.kafka.offset) FROM read_parquet({files!r})'
    relation = duckdb.sql(query)
    assert relation is not None
    assert relation.fetchall() == [(rows, rows, rows)]
