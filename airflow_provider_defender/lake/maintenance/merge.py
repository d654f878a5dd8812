"""Merging the rows of many files in order, with bounded memory: an external merge sort.

pyarrow sorts in memory only. DuckDB, which would spill by itself, is no dependency at run time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_defender.lake.errors import FileChanged
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.maintenance.schemas import NotMergeable, conformed, merged_schema
from airflow_provider_defender.lake.maintenance.sources import sources
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = ["Merge"]

_FAN_IN = 16
"""The most sorted runs that are merged at once; with more, some are merged to a longer one first."""

_BATCH_ROWS = 4 * 1024

_IDENTITY = ("@timestamp", "host", "landing.key", "landing.version", "landing.item")
"""What makes two rows copies of each other: all of it is equal, and there is a key."""

_ORDER = (
    *_IDENTITY,
    "landing.kafka.enqueued",
    "landing.kafka.partition",
    "landing.kafka.offset",
    "landing.kafka.record",
)
"""What rows are sorted by. Of copies, the first stays: the one that the view `events` shows, too."""

_HOSTS = ("host.name", "host.id")


@dataclass
class _Group:
    """Rows of files whose schemas go together: those that wait, and the sorted runs."""

    schema: pa.Schema
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    runs: list[Path] = field(default_factory=list)

    def sorted_rows(self) -> pa.Table:
        """The rows that wait, in order; none wait afterwards."""
        batches = [conformed(batch, self.schema) for batch in self.waiting]
        self.waiting = []
        rows = pa.Table.from_batches(batches, self.schema).combine_chunks()
        return rows.take(_order(keys_of(rows)))


class Merge:
    """Merges the rows of files, sorted by `@timestamp` and host, without copies of a row.

    Files whose schemas contradict each other, a column of one name being of different types, are merged
    apart. `memory_bytes`: size in memory of the rows that are sorted at once. `folder`: a local one, for what
    does not fit. `keep`: chooses among the rows read; None: all. `progress` is called every now and then.
    """

    def __init__(
        self,
        storage: Storage,
        folder: Path,
        memory_bytes: int,
        *,
        keep: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._keep = keep
        self._progress = progress
        self._groups: list[_Group] = []
        self._waiting_bytes = 0
        self._names = count()
        self.rows_read = 0
        self.duplicates = 0

    def tables(self, files: Sequence[DataFile]) -> Iterator[pa.Table]:
        """Read the files, then return their rows, which are merged as they are asked for.

        Raises `FileChanged` if a file is not what its commit says; `FileNotFoundError`, and what the store
        raises. Asking for the rows raises `OSError` only where the folder fails: it is full, or was emptied.
        """
        for source in sources(self._storage, files):
            self._read(source)
            self._progress()
        self._check_count(files)
        return self._tables()

    def _tables(self) -> Iterator[pa.Table]:
        for group in self._groups:
            yield from self._without_copies(self._merged(group))
        self._groups = []

    # Reading ------------------------------------------------------------------------------------

    def _read(self, source: IO[bytes]) -> None:
        with source, pq.ParquetFile(source) as file:
            group = self._group(file.schema_arrow.remove_metadata())
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                self.rows_read += batch.num_rows
                self._add(group, batch if self._keep is None else self._keep(batch))

    def _check_count(self, files: Sequence[DataFile]) -> None:
        said = sum(file.rows for file in files)
        if self.rows_read != said:
            raise FileChanged(
                f"{files[0].path} and the other files to be merged with it hold {self.rows_read:,} rows, but "
                f"their commits say {said:,}: verify the lake"
            )

    def _group(self, schema: pa.Schema) -> _Group:
        for group in self._groups:
            try:
                group.schema = merged_schema(group.schema, schema)
            except NotMergeable:
                continue
            return group
        self._groups.append(_Group(schema))
        return self._groups[-1]

    def _add(self, group: _Group, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        group.waiting.append(batch.replace_schema_metadata(None))
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes >= self._memory_bytes:
            for each in self._groups:
                if each.waiting:
                    rows = each.sorted_rows()
                    each.runs.append(self._spilled(each.schema, [rows]))
            self._waiting_bytes = 0

    # Runs ---------------------------------------------------------------------------------------

    def _spilled(self, schema: pa.Schema, tables: Iterable[pa.Table]) -> Path:
        """Write sorted rows to a local file, in batches small enough for one of each run to fit."""
        path = self._folder / f"{next(self._names)}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
            for table in tables:
                row_bytes = max(1, table.nbytes // max(1, table.num_rows))
                rows = max(1, self._memory_bytes // _FAN_IN // row_bytes)
                writer.write_table(table, max_chunksize=rows)
        return path

    def _merged(self, group: _Group) -> Iterator[pa.Table]:
        if not group.runs:
            if group.waiting:
                yield group.sorted_rows()
            return
        if group.waiting:
            rows = group.sorted_rows()
            group.runs.append(self._spilled(group.schema, [rows]))
            del rows
        while len(group.runs) > _FAN_IN:
            first, group.runs = group.runs[:_FAN_IN], group.runs[_FAN_IN:]
            group.runs.append(self._spilled(group.schema, _in_order(first, group.schema)))
        yield from _in_order(group.runs, group.schema)

    def _without_copies(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        last: pa.Table | None = None
        for table in tables:
            self._progress()
            identities = keys_of(table, _IDENTITY)
            first = identities.slice(0, 1) if last is None else last
            copies = _equal_rows(
                pa.concat_tables([first, identities.slice(0, table.num_rows - 1)]), identities
            )
            if last is None:
                copies = pa.concat_arrays([pa.array([False]), copies.slice(1)])
            last = identities.slice(table.num_rows - 1)
            self.duplicates += copies.true_count
            yield table.filter(pc.invert(copies)) if copies.true_count else table


def _equal_rows(one: pa.Table, other: pa.Table) -> pa.BooleanArray:
    """Whether each pair of rows is equal, null to null, and has a key."""
    equal = pc.is_valid(other["landing.key"]).combine_chunks()
    for name in one.column_names:
        left, right = one[name].combine_chunks(), other[name].combine_chunks()
        both_null = pc.and_(pc.is_null(left), pc.is_null(right))
        equal = pc.and_(equal, pc.or_(both_null, pc.fill_null(pc.equal(left, right), False)))
    return equal


def keys_of(rows: pa.Table | pa.RecordBatch, names: Iterable[str] = _ORDER) -> pa.Table:
    """The values that rows are ordered by, each a column by its full name; nulls where there is none."""
    return pa.table({name: _host(rows) if name == "host" else leaf(rows, name) for name in names})


def leaf(rows: pa.Table | pa.RecordBatch, name: str) -> pa.Array | pa.ChunkedArray:
    """A column inside structs by its name with dots; nulls where it is not there."""
    root, *parts = name.split(".")
    if root not in rows.schema.names:
        return pa.nulls(rows.num_rows, pa.string())
    column = rows.column(root)
    for part in parts:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(part) < 0:
            return pa.nulls(rows.num_rows, pa.string())
        column = pc.struct_field(column, part)
    return column


def _host(rows: pa.Table | pa.RecordBatch) -> pa.Array | pa.ChunkedArray:
    columns = [column for name in _HOSTS if pa.types.is_string((column := leaf(rows, name)).type)]
    return pc.coalesce(*columns)


def _order(keys: pa.Table) -> pa.Array:
    return pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names])


@dataclass
class _Run:
    """A sorted run that is being merged: its rows that were loaded and not yet handed out."""

    batches: Iterator[pa.RecordBatch]
    rows: pa.RecordBatch | None = None
    is_over: bool = False

    def load(self) -> None:
        """Load the next rows if none are left."""
        while not self.is_over and (self.rows is None or not self.rows.num_rows):
            self.rows = next(self.batches, None)
            self.is_over = self.rows is None


def _in_order(paths: Iterable[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    """Merge sorted runs. Deletes them afterwards.

    In each round, all loaded rows are sorted, and those up to the first end of a run's loaded rows are handed
    out: nothing that is still to be loaded comes before them.
    """
    paths = list(paths)
    runs = [_Run(_batches(path, schema)) for path in paths]
    while True:
        for run in runs:
            run.load()
        runs = [run for run in runs if run.rows is not None]
        if not runs:
            break
        yield _next_rows(runs)
    for path in paths:
        path.unlink()


def _next_rows(runs: list[_Run]) -> pa.Table:
    loaded = [run.rows for run in runs if run.rows is not None]
    order = _order(pa.concat_tables([keys_of(rows) for rows in loaded]).combine_chunks())
    starts = [0]
    for rows in loaded:
        starts.append(starts[-1] + rows.num_rows)
    end = 1 + min(pc.index(order, start - 1).as_py() for start in starts[1:])
    chosen = order.slice(0, end)
    result = pa.Table.from_batches(loaded).combine_chunks().take(chosen)
    for run, rows, start in zip(runs, loaded, starts, strict=False):
        mine = pc.and_(pc.greater_equal(chosen, start), pc.less(chosen, start + rows.num_rows))
        run.rows = rows.slice(mine.true_count)
    return result


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
        for number in range(reader.num_record_batches):
            yield conformed(reader.get_batch(number), schema)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A local folder for sorted runs, deleted at the end."""
    return tempfile.TemporaryDirectory(prefix="lake-merge-")
