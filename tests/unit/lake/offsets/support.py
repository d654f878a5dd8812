"""Tiny tables of events, and what of a hub's log a reader sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from airflow_provider_defender.lake import (
    Commit,
    Covered,
    Lake,
    Log,
    OffsetsChange,
    OffsetsLedger,
    OffsetsPosition,
    committed_files,
)
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.support import START

HUB = "event_hub-namespace-hub"

ORIGIN = {"source": "event_hub", "namespace": "namespace", "hub": "hub"}

KAFKA = pa.struct([("partition", pa.int32()), ("offset", pa.int64()), ("record", pa.int32())])
EVENTS = pa.schema(
    [
        ("@timestamp", pa.timestamp("us", "UTC")),
        ("landing", pa.struct([("key", pa.string()), ("version", pa.string()), ("kafka", KAFKA)])),
        ("text", pa.string()),
    ]
)
REJECTS = pa.schema(
    [("bytes", pa.binary()), ("error", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())]
)

Ranges = Sequence[tuple[int, int]]


def open_hub(lake: Lake, name: str = HUB) -> Log[OffsetsPosition]:
    return lake.log(name, OffsetsPosition, origin=ORIGIN)


def hour_of(offset: int) -> datetime:
    """Ten offsets an hour."""
    return START + timedelta(hours=offset // 10)


def events(offsets: Iterable[tuple[int, int]], records: int = 1, text: str = "") -> pa.Table:
    """`records` rows for each (partition, offset)."""
    rows = [(partition, offset, record) for partition, offset in offsets for record in range(records)]
    landing = [
        {
            "key": f"{partition}/{offset}/{record}",
            "version": "",
            "kafka": {"partition": partition, "offset": offset, "record": record},
        }
        for partition, offset, record in rows
    ]
    times = [hour_of(offset) for _, offset, _ in rows]
    return pa.table([times, landing, [text] * len(rows)], schema=EVENTS)


def hub_rejects(offsets: Iterable[tuple[int, int]]) -> pa.Table:
    """A reject for each (partition, offset)."""
    rows = list(offsets)
    columns = [[b"{"] * len(rows), ["broken"] * len(rows), [row[0] for row in rows], [row[1] for row in rows]]
    return pa.table(columns, schema=REJECTS)


def each(ranges: Mapping[int, Ranges]) -> list[tuple[int, int]]:
    """Every (partition, offset) of some ranges."""
    return [
        (partition, offset)
        for partition, pieces in ranges.items()
        for start, end in pieces
        for offset in range(start, end)
    ]


def hub_drain(lake: Lake, ends: Mapping[int, int], records: int = 1) -> Commit[OffsetsPosition] | None:
    """A whole live drain of some partitions, from offset 0 up to these, whose messages are all good."""
    log = open_hub(lake)
    head = log.head()
    ranges = {
        partition: head.position.missing(partition, head.position.next(partition) or 0, end)
        for partition, end in ends.items()
    }
    with log.begin(head, OffsetsLedger(), kind="drain") as transaction:
        transaction.write("events/DeviceInfo", events(each(ranges), records), Partitioning.HOUR)
        change = {partition: Covered(read=ranges[partition], next=end) for partition, end in ends.items()}
        return transaction.commit(OffsetsChange(change, {"read": len(each(ranges))}))


def hub_backfill(lake: Lake, windows: Mapping[int, tuple[int, int]]) -> Commit[OffsetsPosition] | None:
    """What is missing of some windows of offsets."""
    log = open_hub(lake)
    head = log.head()
    ranges = {partition: head.position.missing(partition, *window) for partition, window in windows.items()}
    with log.begin(head, OffsetsLedger(), kind="backfill") as transaction:
        transaction.write("events/DeviceInfo", events(each(ranges)), Partitioning.HOUR)
        change = {partition: Covered(read=read) for partition, read in ranges.items()}
        return transaction.commit(OffsetsChange(change))


def hub_position(lake: Lake) -> OffsetsPosition:
    return open_hub(lake).read_head().position


def visible_offsets(root: Path) -> list[tuple[int, int, int]]:
    """Every row that a careless reader of `*.parquet` finds, as (partition, offset, record)."""
    return offsets_in(sorted((root / "events").rglob("*.parquet")))


def committed_offsets(root: Path | Lake, dataset: str = "events/DeviceInfo") -> list[tuple[int, int, int]]:
    return offsets_in(committed_files(root, dataset))


def offsets_in(paths: Iterable[Any]) -> list[tuple[int, int, int]]:
    landings = (pq.ParquetFile(path).read(columns=["landing"])["landing"].to_pylist() for path in paths)
    return sorted(tuple(landing["kafka"].values()) for rows in landings for landing in rows)


def rejected_offsets(root: Path) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for path in sorted((root / "_defender" / HUB / "quarantine").rglob("*.parquet")):
        table = pq.ParquetFile(path).read(columns=["partition", "offset"])
        found += zip(table["partition"].to_pylist(), table["offset"].to_pylist(), strict=True)
    return sorted(found)


pieces = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair))))


def members(ranges: Ranges) -> set[int]:
    return {offset for start, end in ranges for offset in range(start, end)}
