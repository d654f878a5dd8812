"""Writing Arrow tables to the Parquet files of partitions, with bounded memory and open files."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_defender.lake.columns import leaf_count
from airflow_provider_defender.lake.encoding import is_small, new_writer, write_small
from airflow_provider_defender.lake.filled import FilledColumns
from airflow_provider_defender.lake.storage.storage import WholeFile
from airflow_provider_defender.landing import Partitioning

__all__ = ["ParquetFile", "PartitionWriter", "WriterSettings", "partitions", "read_columns"]


@dataclass(frozen=True)
class WriterSettings:
    """How Parquet files are written.

    A file of up to 1,000 rows, and 12 KiB for each leaf column on average, is written at once, with
    statistics and a page index of all columns. Others are written in row groups, by another library: all
    columns have statistics then, except for texts of 1 KiB or more on average, and a page index, unless the
    rows that open the file fit into one page of each column. Columns with less than 3 KiB of values among a
    file's first rows are not compressed: preparing the compression of one takes longer than writing it. Texts
    of 256 bytes or more on average get no dictionary, nor do files that open with less than 8 rows: it would
    save next to nothing there.

    Attributes:
        compression_level: level of zstd. Higher levels take longer and do not make these files smaller.
        row_group_rows: the most rows of a row group.
        file_bytes: size in bytes after which a partition continues in a new file.
        open_files: the most files open at once.
        closed_at_once: the most files that wait for the disk or the store side by side at the end, while the
            next one is encoded. With 1, each waits by itself.
        footer_bytes: memory in bytes for the footers, which a writer keeps until its file is closed.
        buffer_bytes: memory in bytes for rows held back, over all partitions, to make row groups larger.
    """

    compression_level: int = 1
    row_group_rows: int = 128 * 1024
    file_bytes: int = 128 * 1024 * 1024
    open_files: int = 64
    closed_at_once: int = 4
    footer_bytes: int = 24 * 1024 * 1024
    buffer_bytes: int = 48 * 1024 * 1024


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIME = pa.timestamp("us", "UTC")

_FOOTER_BYTES = 1750
"""Memory of a writer for each column and row group, and about once more for the file (pyarrow 26)."""

_PIECE_BYTES = 900
"""Memory of Arrow's objects for each column of a waiting table, however few its rows (pyarrow 26)."""


def partitions(dataset: str, table: pa.Table, partitioning: Partitioning) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each partition of a dataset, by `@timestamp`, with the partition's folder.

    Raises `ValueError` if a row has no `@timestamp`.
    """
    times = table["@timestamp"]
    if times.null_count:
        raise ValueError(f"{times.null_count} rows for {dataset} have no @timestamp")
    first, last = _bounds(times)
    if (
        first is not None
        and last is not None
        and _partition(first, partitioning) == _partition(last, partitioning)
    ):
        yield f"{dataset}/{_partition(first, partitioning)}", table
        return
    # Without a time zone, Arrow needs no time zone database, which small images lack.
    local = times.cast(_TIME).cast(pa.int64()).cast(pa.timestamp("us"))
    starts = pc.floor_temporal(local, unit=partitioning.value)
    batches = [FilledColumns(batch) for batch in table.to_batches()]
    for start in pc.unique(starts).cast(pa.int64()).to_pylist():
        rows = _chosen(table, batches, pc.equal(starts, pa.scalar(start, pa.timestamp("us"))))
        yield f"{dataset}/{_partition(start, partitioning)}", rows


def _partition(microseconds: int, partitioning: Partitioning) -> str:
    date, time = _moment(microseconds).isoformat().split("T")  # not strftime, which writes year 1 as "1"
    return f"date={date}" if partitioning is Partitioning.DAY else f"date={date}/hour={time[:2]}"


def _bounds(times: pa.ChunkedArray) -> tuple[int | None, int | None]:
    """The first and the last of some times, as microseconds since 1970; None for both if there is none."""
    bounds = pc.min_max(times if times.type.equals(_TIME) else times.cast(_TIME))
    return bounds["min"].value, bounds["max"].value


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _chosen(table: pa.Table, batches: Sequence[FilledColumns], mask: pa.ChunkedArray) -> pa.Table:
    """The rows where the mask is true; not copied if they are most of the rows and contiguous.

    A slice keeps the whole table in memory, so a small one is copied. `batches` are those of the table.
    """
    rows = pc.sum(mask).as_py()
    if rows * 2 > table.num_rows:
        first = pc.index(mask, True).as_py()
        if pc.all(mask.slice(first, rows)).as_py():
            return table.slice(first, rows)
    whole, ends = mask.combine_chunks(), accumulate(batch.length for batch in batches)
    masks = [whole.slice(end - batch.length, batch.length) for batch, end in zip(batches, ends, strict=True)]
    chosen = [batch.chosen(part) for batch, part in zip(batches, masks, strict=True) if part.true_count]
    return pa.Table.from_batches(chosen)


def _footer_bytes(schema: pa.Schema) -> int:
    """About how much memory a writer of such rows keeps for each row group, and once more for the file."""
    return _FOOTER_BYTES * leaf_count(schema)


def read_columns(source: IO[bytes], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a Parquet file, in bounded batches."""
    with pq.ParquetFile(source) as file:
        yield from file.iter_batches(batch_size=64 * 1024, columns=list(columns))


@dataclass(frozen=True)
class ParquetFile:
    """A file that was written: its path, number of rows, size, and SHA-256 in hexadecimal digits.

    `min_timestamp`, `max_timestamp`: the earliest and latest `@timestamp`, in UTC; None for rows without that
    column.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    min_timestamp: datetime | None = None
    max_timestamp: datetime | None = None


@dataclass
class _PartitionFile:
    """A partition's file that is being written, with the rows that wait for its next row group.

    The first row group opens it, with `open_file`; until then `whole` is None.
    """

    path: str
    settings: WriterSettings
    open_file: Callable[[str], WholeFile]
    schema: pa.Schema | None = None
    whole: WholeFile | None = None
    parquet: pq.ParquetWriter | None = None
    piece_bytes: int = 0
    waiting: list[pa.Table] = field(default_factory=list)
    waiting_rows: int = 0
    waiting_bytes: int = 0
    is_measured: bool = True
    last_add: int = 0
    rows: int = 0
    footer_bytes: int = 0
    first: int | None = None
    last: int | None = None

    def add(self, table: pa.Table) -> None:
        """Add rows to those that wait."""
        self.schema = self.schema or table.schema
        self.piece_bytes = self.piece_bytes or _PIECE_BYTES * leaf_count(table.schema)
        self.waiting.append(table)
        self.waiting_rows += table.num_rows
        self.waiting_bytes += max(table.get_total_buffer_size(), self.piece_bytes)
        self.is_measured = False
        self.rows += table.num_rows

    def measure(self) -> None:
        """Measure the waiting rows exactly: memory shared by several tables counts only once.

        Many small tables become one.
        """
        rows = pa.concat_tables(self.waiting)
        if len(self.waiting) * self.piece_bytes > rows.get_total_buffer_size():
            self.waiting = [rows.combine_chunks()]
        self.waiting_bytes = max(rows.get_total_buffer_size(), self.piece_bytes)
        self.is_measured = True

    def flush(self) -> None:
        """Write the waiting rows as row groups."""
        if self.waiting:
            self._write_row_groups(self._take_waiting())

    def _take_waiting(self) -> pa.Table:
        rows = self.waiting[0] if len(self.waiting) == 1 else pa.concat_tables(self.waiting)
        self.waiting, self.waiting_rows, self.waiting_bytes = [], 0, 0
        self._update_times(rows)
        return rows

    def _write_row_groups(self, rows: pa.Table) -> None:
        if self.parquet is None:
            self.whole = self.open_file(self.path)
            self.parquet = new_writer(self.whole.sink, rows, self.settings.compression_level)
            self.footer_bytes = _footer_bytes(rows.schema)
        self.parquet.write_table(rows, row_group_size=self.settings.row_group_rows)
        row_groups = -(-rows.num_rows // self.settings.row_group_rows)
        self.footer_bytes += row_groups * _footer_bytes(rows.schema)

    def _update_times(self, rows: pa.Table) -> None:
        if "@timestamp" not in rows.column_names:
            return
        first, last = _bounds(rows["@timestamp"])
        if first is not None and last is not None:
            self.first = first if self.first is None else min(first, self.first)
            self.last = last if self.last is None else max(last, self.last)

    @property
    def is_full(self) -> bool:
        """Whether the partition should continue in another file."""
        return self.whole is not None and self.whole.sink.tell() >= self.settings.file_bytes

    def complete(self) -> None:
        """Write the waiting rows and the footer: nothing but `finish` is left to do."""
        rows = self._take_waiting() if self.waiting else None
        if self.whole is None and rows is not None and is_small(rows):
            self.whole = self.open_file(self.path)
            write_small(self.whole.sink, rows, self.settings.compression_level)
            pa.default_memory_pool().release_unused()  # the copy of the rows
            return
        if rows is not None:
            self._write_row_groups(rows)
        if self.parquet is None:
            raise RuntimeError("no file without rows")
        self.parquet.close()
        self.parquet = None  # it holds as much memory as before

    def finish(self) -> ParquetFile:
        """Make the completed file durable: what waits for the disk or the store, and uses no other file."""
        if self.whole is None:
            raise RuntimeError("no file without rows")
        written = self.whole.finish()
        first, last = (None if each is None else _moment(each) for each in (self.first, self.last))
        return ParquetFile(self.path, self.rows, written.bytes, written.sha256, first, last)

    def abandon(self) -> None:
        """Stop, whatever is left behind."""
        if self.parquet is not None:
            self.parquet.is_open = False  # or its deletion would write a footer
        if self.whole is not None:
            self.whole.abandon()


class PartitionWriter:
    """Writes rows to the files of their partitions, one file per partition at a time.

    Rows of small partitions wait in memory until the end, so there can be many more partitions than open
    files. `new_path` names the next file of a folder, `open_file` opens it.
    """

    def __init__(
        self,
        settings: WriterSettings,
        new_path: Callable[[str], str],
        open_file: Callable[[str], WholeFile],
    ) -> None:
        self._settings = settings
        self._new_path = new_path
        self._open_file = open_file
        self._files: OrderedDict[str, _PartitionFile] = OrderedDict()
        self._finished: list[ParquetFile] = []
        self._added_bytes = 0

    def write(self, folder: str, table: pa.Table) -> str:
        """Add rows, at least one, to a partition's folder. Returns the path of the file that they go to.

        Rows of another schema than those before go to a file of their own.
        """
        file = self._file(folder)
        if file.schema is not None and not file.schema.equals(table.schema):
            self._close(folder)
            file = self._file(folder)
        waited = file.waiting_bytes
        file.add(table)
        self._added_bytes += file.waiting_bytes - waited
        file.last_add = self._added_bytes
        if file.waiting_rows >= self._settings.row_group_rows:
            self._flush(folder, file)
        while sum(each.waiting_bytes for each in self._files.values()) > self._settings.buffer_bytes:
            waiting = {name: each for name, each in self._files.items() if each.waiting}
            folder = self._idle(waiting) or max(waiting, key=lambda name: waiting[name].waiting_bytes)
            if self._files[folder].is_measured:
                self._flush(folder, self._files[folder])
            else:
                self._files[folder].measure()
        return file.path

    def finish(self) -> list[ParquetFile]:
        """Make all files durable, some side by side. Returns the files since the last call."""
        begun = [folder for folder, each in self._files.items() if each.whole is not None]
        self._close_all(begun)
        self._close_all(list(self._files))  # no more than these are open now
        finished, self._finished = self._finished, []
        return finished

    def _close_all(self, folders: Sequence[str]) -> None:
        """Encode one file after the other, while those before wait for the disk or the store.

        Only that is done side by side: encoders would hold each other up, at each call for Python's lock.
        """
        at_once = min(len(folders), self._settings.closed_at_once, self._settings.open_files - 1)
        if at_once <= 1:
            for folder in folders:
                self._close(folder)
            return
        waiting: deque[tuple[str, Future[ParquetFile]]] = deque()
        with ThreadPoolExecutor(at_once, thread_name_prefix="lake-file") as threads:
            for folder in folders:
                self._files[folder].complete()
                if len(waiting) >= at_once:
                    self._take(*waiting.popleft())
                waiting.append((folder, threads.submit(self._files[folder].finish)))
            while waiting:
                self._take(*waiting.popleft())

    def _take(self, folder: str, outcome: Future[ParquetFile]) -> None:
        """Wait for a file, and let go of it."""
        self._finished.append(outcome.result())
        del self._files[folder]

    def abandon(self) -> None:
        """Close the open files without finishing them."""
        while self._files:
            self._files.popitem()[1].abandon()

    def _file(self, folder: str) -> _PartitionFile:
        if folder not in self._files:
            path = self._new_path(folder)
            self._files[folder] = _PartitionFile(path, self._settings, self._open_file)
        self._files.move_to_end(folder)
        return self._files[folder]

    def _make_room(self, file: _PartitionFile) -> None:
        """Close the least recently used file if opening another one would exceed the limit."""
        is_open = [folder for folder, each in self._files.items() if each.whole is not None]
        if file.whole is None and len(is_open) >= self._settings.open_files:
            self._close(is_open[0])

    def _flush(self, folder: str, file: _PartitionFile) -> None:
        self._make_room(file)
        file.flush()
        if file.is_full:
            self._close(folder)
        while sum(each.footer_bytes for each in self._files.values()) > self._settings.footer_bytes:
            begun = {name: each for name, each in self._files.items() if each.footer_bytes}
            self._close(self._idle(begun) or max(begun, key=lambda name: begun[name].footer_bytes))
        # Otherwise Arrow's allocator keeps half as much again, since blocks of all sizes come and go.
        pa.default_memory_pool().release_unused()

    def _idle(self, files: dict[str, _PartitionFile]) -> str | None:
        """The file longest without new rows, if a whole buffer of other rows came since; otherwise None.

        The source has probably moved past its partition, so writing or closing it early costs nothing.
        """
        folder = next(iter(files))
        rest = self._added_bytes - files[folder].last_add
        return folder if rest > self._settings.buffer_bytes else None

    def _close(self, folder: str) -> None:
        file = self._files[folder]
        self._make_room(file)
        file.complete()
        self._finished.append(file.finish())
        del self._files[folder]
