"""Hub partitions and offsets of rows, column by column."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.lake.offsets.ranges import Ranges

__all__ = ["OffsetSpans", "rows_outside"]

_FOLD_ROWS = 64 * 1024


class OffsetSpans:
    """The first and the last offset of each hub partition among the rows of files.

    The two columns are collected until there are many rows, since aggregating many rows of many files costs
    little more than aggregating one.
    """

    def __init__(self) -> None:
        self._spans: dict[str, dict[int, tuple[int, int]]] = {}
        self._paths: list[str] = []
        self._files: list[pa.Array] = []
        self._partitions: list[pa.Array] = []
        self._offsets: list[pa.Array] = []
        self._waiting_rows = 0

    def add(self, path: str, columns: tuple[str, str], rows: pa.Table) -> None:
        """Add rows of a file; `columns`: names of those with hub partition and offset."""
        self._files.append(pa.repeat(len(self._paths), rows.num_rows))
        self._paths.append(path)
        self._partitions += _chunks(rows, columns[0])
        self._offsets += _chunks(rows, columns[1])
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= _FOLD_ROWS:
            self._fold()

    def pop(self, path: str) -> dict[int, tuple[int, int]]:
        """Remove a file and return the first and last offset of its rows, by hub partition.

        Raises `ValueError` if a row has no hub partition or no offset.
        """
        self._fold()
        return self._spans.pop(path)

    def _fold(self) -> None:
        if not self._waiting_rows:
            return
        rows = _origins(self._partitions, self._offsets).append_column("file", pa.chunked_array(self._files))
        spans = rows.group_by(["file", "partition"]).aggregate([("offset", "min"), ("offset", "max")])
        columns = (spans[name].to_pylist() for name in ("file", "partition", "offset_min", "offset_max"))
        for number, partition, first, last in zip(*columns, strict=True):
            file = self._spans.setdefault(self._paths[number], {})
            before = file.get(partition, (first, last))
            file[partition] = (min(first, before[0]), max(last, before[1]))
        self._paths, self._files, self._partitions, self._offsets = [], [], [], []
        self._waiting_rows = 0


def rows_outside(rows: pa.Table, columns: tuple[str, str], ranges: Mapping[int, Ranges]) -> pa.Table:
    """The rows whose offsets are in none of the ranges of their hub partition."""
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
    """A column inside structs, chunk by chunk, so that nothing is copied."""
    root, *leaves = name.split(".")
    chunks: list[pa.Array] = rows.column(root).chunks
    for leaf in leaves:
        chunks = [chunk.field(leaf) for chunk in chunks]
    return chunks


def _origins(partitions: list[pa.Array], offsets: list[pa.Array]) -> pa.Table:
    """Both columns as plain integers. Raises `ValueError` if a row lacks one."""
    columns = [_plain(partitions, pa.int32()), _plain(offsets, pa.int64())]
    if any(column.null_count for column in columns):
        raise ValueError("rows of a hub without partition or offset")
    return pa.table(columns, ["partition", "offset"])


def _plain(chunks: list[pa.Array], integer: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array(
        [chunk if chunk.type == integer else chunk.cast(integer) for chunk in chunks], integer
    )
