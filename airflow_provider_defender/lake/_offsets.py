"""Partitions and offsets of a hub's rows, column by column."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.lake._ranges import Ranges

__all__ = ["DATA_COLUMNS", "REJECT_COLUMNS", "OffsetSpans", "rows_outside"]

DATA_COLUMNS = ("landing.kafka.partition", "landing.kafka.offset")
"""Where rows of a dataset name the message that they came in."""

REJECT_COLUMNS = ("partition", "offset")
"""Where rows of the quarantine do."""

_FOLD_ROWS = 64 * 1024


class OffsetSpans:
    """The first and the last offset of each partition among rows.

    Rows wait, with these two columns only, until there are many, since looking at many costs little more
    than looking at one.
    """

    def __init__(self, columns: tuple[str, str]) -> None:
        self._columns = columns
        self._spans: dict[int, tuple[int, int]] = {}
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        self._waiting.append(_origins(rows, self._columns))
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= _FOLD_ROWS:
            self._fold()

    def result(self) -> dict[int, tuple[int, int]]:
        """The first and last offset of all rows so far, by partition."""
        self._fold()
        return self._spans

    def _fold(self) -> None:
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting)
        spans = rows.group_by("partition").aggregate([("offset", "min"), ("offset", "max")])
        columns = (spans[name].to_pylist() for name in ("partition", "offset_min", "offset_max"))
        for partition, first, last in zip(*columns, strict=True):
            before = self._spans.get(partition, (first, last))
            self._spans[partition] = (min(first, before[0]), max(last, before[1]))
        self._waiting, self._waiting_rows = [], 0


def rows_outside(rows: pa.Table, columns: tuple[str, str], ranges: Mapping[int, Ranges]) -> pa.Table:
    """The rows whose offsets are in none of the ranges of their partition."""
    origins = _origins(rows, columns)
    inside = pa.repeat(False, rows.num_rows)
    for partition, pieces in ranges.items():
        here = pc.equal(origins["partition"], partition)
        offsets = origins["offset"].filter(here)
        if not len(offsets):
            continue
        first, last = pc.min_max(offsets).as_py().values()
        for start, end in pieces:
            if start <= last and end > first:
                met = pc.and_(pc.greater_equal(origins["offset"], start), pc.less(origins["offset"], end))
                inside = pc.or_(inside, pc.and_(here, met))
    return rows.filter(pc.invert(inside))


def _origins(rows: pa.Table, columns: tuple[str, str]) -> pa.Table:
    """Partition and offset of each row; raises `ValueError` where one has none."""
    partition, offset = (_plain(rows, name) for name in columns)
    if partition.null_count or offset.null_count:
        raise ValueError(f"rows of a hub without {' or '.join(columns)}")
    return pa.table({"partition": partition, "offset": offset})


def _plain(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of integers below structs, chunk by chunk, so that nothing else is copied."""
    root, *leaves = name.split(".")
    chunks = rows.column(root).chunks
    for leaf in leaves:
        chunks = [chunk.field(leaf) for chunk in chunks]
    return pa.chunked_array([chunk.cast(pa.int64()) for chunk in chunks], pa.int64())
