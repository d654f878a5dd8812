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
    than looking at one. `columns`: where they name their partition and their offset.
    """

    def __init__(self, columns: tuple[str, str]) -> None:
        self._columns = columns
        self._spans: dict[int, tuple[int, int]] = {}
        self._waiting: tuple[list[pa.Array], list[pa.Array]] = ([], [])
        self._waiting_rows = 0

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        for chunks, name in zip(self._waiting, self._columns, strict=True):
            chunks += _chunks(rows, name)
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= _FOLD_ROWS:
            self._fold()

    def result(self) -> dict[int, tuple[int, int]]:
        """The first and last offset of all rows so far, by partition.

        Raises `ValueError` where a row has no partition or no offset.
        """
        self._fold()
        return self._spans

    def _fold(self) -> None:
        rows = _origins(*self._waiting)
        spans = rows.group_by("partition").aggregate([("offset", "min"), ("offset", "max")])
        columns = (spans[name].to_pylist() for name in ("partition", "offset_min", "offset_max"))
        for partition, first, last in zip(*columns, strict=True):
            before = self._spans.get(partition, (first, last))
            self._spans[partition] = (min(first, before[0]), max(last, before[1]))
        self._waiting, self._waiting_rows = ([], []), 0


def rows_outside(rows: pa.Table, columns: tuple[str, str], ranges: Mapping[int, Ranges]) -> pa.Table:
    """The rows whose offsets are in none of the ranges of their partition."""
    origins = _origins(*(_chunks(rows, name) for name in columns))
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


def _chunks(rows: pa.Table, name: str) -> list[pa.Array]:
    """A column below structs, chunk by chunk, so that nothing is copied."""
    root, *leaves = name.split(".")
    chunks: list[pa.Array] = rows.column(root).chunks
    for leaf in leaves:
        chunks = [chunk.field(leaf) for chunk in chunks]
    return chunks


def _origins(partitions: list[pa.Array], offsets: list[pa.Array]) -> pa.Table:
    """Both columns as plain integers; raises `ValueError` where a row has none."""
    columns = [
        pa.chunked_array([chunk.cast(pa.int64()) for chunk in chunks], pa.int64())
        for chunks in (partitions, offsets)
    ]
    if any(column.null_count for column in columns):
        raise ValueError("rows of a hub without partition or offset")
    return pa.table(columns, ["partition", "offset"])
