"""Hub partitions and offsets of rows, column by column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.lake.offsets.ranges import Ranges

__all__ = ["OffsetSpans", "rows_outside"]


class OffsetSpans:
    """The first and the last offset of each hub partition among the rows of files."""

    def __init__(self) -> None:
        self._spans: dict[str, dict[int, tuple[int, int]]] = {}

    def add(self, path: str, columns: tuple[str, str], rows: pa.Table) -> None:
        """Add rows of a file; `columns`: names of those with hub partition and offset.

        Raises `ValueError` if a row has no hub partition or no offset.
        """
        file = self._spans.setdefault(path, {})
        for partition, (first, last) in _spans(_origins(*(_chunks(rows, name) for name in columns))).items():
            before = file.get(partition, (first, last))
            file[partition] = (min(first, before[0]), max(last, before[1]))

    def pop(self, path: str) -> dict[int, tuple[int, int]]:
        """Remove a file and return the first and last offset of its rows, by hub partition."""
        return self._spans.pop(path)


def _spans(origins: pa.Table) -> dict[int, tuple[int, int]]:
    """The first and the last offset of each hub partition.

    Not by Arrow's `group_by`: loading what it needs takes longer than all of this in a small drain.
    """
    if not origins.num_rows:
        return {}
    least, most = pc.min_max(origins["partition"]).as_py().values()
    if least == most:
        first, last = pc.min_max(origins["offset"]).as_py().values()
        return {least: (first, last)}
    offsets = defaultdict(list)
    for partition, offset in zip(*(column.to_pylist() for column in origins.columns), strict=True):
        offsets[partition].append(offset)
    return {partition: (min(own), max(own)) for partition, own in offsets.items()}


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
