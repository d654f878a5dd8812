"""Arrow tables into the Parquet files of partitions, within a bound of memory and of open files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_defender.lake._layout import has_hours
from airflow_provider_defender.lake._record import DataFile
from airflow_provider_defender.lake._storage import WholeFile

__all__ = ["PartitionWriter", "WriterSettings", "partitions", "read_columns"]


@dataclass(frozen=True)
class WriterSettings:
    """How Parquet files are written.

    `compression_level` of zstd, but columns of long texts (1 KiB or more on average) take level 1, which
    costs half the time and makes them 1 or 2 % larger; `row_group_rows`: most rows of a row group;
    `file_bytes`: size after which a partition goes on in a new file; `open_files`: most files open at once;
    `footer_bytes`: memory for what their footers will say, which a writer keeps until its file is closed;
    `buffer_bytes`: memory for rows held back, over all partitions, to make row groups larger.

    All columns have a page index and, but for long texts, statistics. Columns without any value among the
    rows that open a file are not compressed there, nor are long texts put into dictionaries.
    """

    compression_level: int = 3
    row_group_rows: int = 128 * 1024
    file_bytes: int = 128 * 1024 * 1024
    open_files: int = 64
    footer_bytes: int = 24 * 1024 * 1024
    buffer_bytes: int = 80 * 1024 * 1024


_LONG_TEXT = 1024
_LONG_TEXT_LEVEL = 1
_FOOTER_BYTES = 1750
"""What a writer keeps of a column: for each row group, and about once more for the file (pyarrow 26)."""

_PIECE_BYTES = 900
"""What Arrow's objects take for each column of a table that waits, however few its rows (pyarrow 26)."""


def partitions(dataset: str, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each partition of a dataset, by `@timestamp`, with the partition's folder.

    Raises `ValueError` where a row has no `@timestamp`.
    """
    times = table["@timestamp"]
    if times.null_count:
        raise ValueError(f"{times.null_count} rows for {dataset} have no @timestamp")
    # Without the zone, Arrow needs no database of zones, which small images do not have.
    times = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(pa.timestamp("us"))
    starts = pc.floor_temporal(times, unit="hour" if has_hours(dataset) else "day")
    for start in pc.unique(starts):
        date, hour = start.as_py().isoformat().split("T")  # not strftime, which writes year 1 as "1"
        folder = f"{dataset}/date={date}" + (f"/hour={hour[:2]}" if has_hours(dataset) else "")
        yield folder, _chosen(table, pc.equal(starts, start))


def _chosen(table: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
    """The rows where the mask is true; without a copy where they are most of the rows, and in one piece.

    A piece keeps all of the table in memory, so a small one is copied.
    """
    rows = pc.sum(mask).as_py()
    if rows * 2 > table.num_rows:
        first = pc.index(mask, True).as_py()
        if pc.all(mask.slice(first, rows)).as_py():
            return table.slice(first, rows)
    return table.filter(mask)


def _new_parquet(sink: Any, rows: pa.Table, settings: WriterSettings) -> pq.ParquetWriter:
    """A writer of the one kind of Parquet file that a lake holds, for rows like these.

    The Arrow schema is left out of the file: Parquet's own says the same, and it takes 40 kB.
    """
    leaves = [leaf for name in rows.column_names for leaf in _leaves(name, rows.column(name).chunks)]
    filled = [name for name, mean in leaves if mean is not None]
    long = {name for name, mean in leaves if mean is not None and mean >= _LONG_TEXT}
    levels = {
        name: min(settings.compression_level, _LONG_TEXT_LEVEL)
        if name in long
        else settings.compression_level
        for name in filled
    }
    return pq.ParquetWriter(
        sink,
        rows.schema,
        compression=dict.fromkeys(filled, "zstd"),
        compression_level=levels,
        use_dictionary=[name for name in filled if name not in long],
        write_statistics=[name for name, _ in leaves if name not in long],
        write_page_index=True,
        store_schema=False,
    )


def _leaves(name: str, chunks: Sequence[pa.Array]) -> Iterator[tuple[str, float | None]]:
    """Parquet's name of each column below, with the mean size of its texts; None if it has no value at all.

    The mean is 0 for anything but texts.
    """
    arrow_type = chunks[0].type
    if all(chunk.null_count == len(chunk) for chunk in chunks):
        yield from ((leaf, None) for leaf in _leaf_names(name, arrow_type))
    elif pa.types.is_struct(arrow_type):
        for child in arrow_type:
            yield from _leaves(f"{name}.{child.name}", [chunk.field(child.name) for chunk in chunks])
    elif pa.types.is_list(arrow_type):
        yield from _leaves(f"{name}.list.element", [chunk.flatten() for chunk in chunks])
    else:
        is_text = pa.types.is_string(arrow_type) or pa.types.is_binary(arrow_type)
        texts = sum(chunk.nbytes for chunk in chunks) if is_text else 0
        yield name, texts / sum(len(chunk) - chunk.null_count for chunk in chunks)


@lru_cache(maxsize=4096)
def _leaf_names(name: str, arrow_type: pa.DataType) -> tuple[str, ...]:
    if pa.types.is_struct(arrow_type):
        return tuple(leaf for child in arrow_type for leaf in _leaf_names(f"{name}.{child.name}", child.type))
    if pa.types.is_list(arrow_type):
        return _leaf_names(f"{name}.list.element", arrow_type.value_type)
    return (name,)


def _leaf_count(schema: pa.Schema) -> int:
    """The number of columns as Parquet counts them."""
    return sum(len(_leaf_names(column.name, column.type)) for column in schema)


def _footer_bytes(schema: pa.Schema) -> int:
    """About what a writer of such rows keeps for each row group, and once more for the file."""
    return _FOOTER_BYTES * _leaf_count(schema)


def read_columns(source: IO[bytes], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a Parquet file, in bounded batches."""
    with pq.ParquetFile(source) as file:
        yield from file.iter_batches(batch_size=64 * 1024, columns=columns)


@dataclass
class _PartitionFile:
    """A partition file under way, with the rows that wait for its next row group.

    Its first row group opens it, by `open_file`: until then `whole` is None.
    """

    path: str
    settings: WriterSettings
    open_file: Callable[[str], WholeFile]
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

    def add(self, table: pa.Table) -> None:
        """Let rows wait."""
        self.piece_bytes = self.piece_bytes or _PIECE_BYTES * _leaf_count(table.schema)
        self.waiting.append(table)
        self.waiting_rows += table.num_rows
        self.waiting_bytes += max(table.get_total_buffer_size(), self.piece_bytes)
        self.is_measured = False
        self.rows += table.num_rows

    def measure(self) -> None:
        """Count memory that several waiting tables share only once, which `add` has not done.

        Many small tables become one.
        """
        rows = pa.concat_tables(self.waiting)
        if len(self.waiting) * self.piece_bytes > rows.get_total_buffer_size():
            self.waiting = [rows.combine_chunks()]
        self.waiting_bytes = max(rows.get_total_buffer_size(), self.piece_bytes)
        self.is_measured = True

    def flush(self) -> None:
        """Write what waits as row groups."""
        if not self.waiting:
            return
        rows = pa.concat_tables(self.waiting)
        if self.parquet is None:
            self.whole = self.open_file(self.path)
            self.parquet = _new_parquet(self.whole.sink, rows, self.settings)
            self.footer_bytes = _footer_bytes(rows.schema)
        self.parquet.write_table(rows, row_group_size=self.settings.row_group_rows)
        row_groups = -(-rows.num_rows // self.settings.row_group_rows)
        self.footer_bytes += row_groups * _footer_bytes(rows.schema)
        self.waiting, self.waiting_rows, self.waiting_bytes = [], 0, 0

    @property
    def is_full(self) -> bool:
        """Whether the partition should go on in another file."""
        return self.whole is not None and self.whole.sink.tell() >= self.settings.file_bytes

    def close(self) -> DataFile:
        """Write what waits, and make the file durable."""
        self.flush()
        if self.parquet is None or self.whole is None:
            raise RuntimeError("no file without rows")
        self.parquet.close()
        return DataFile(self.path, self.rows, self.whole.finish())

    def abandon(self) -> None:
        """Stop without caring what is left."""
        if self.parquet is not None:
            self.parquet.is_open = False  # or its deletion would write a footer
        if self.whole is not None:
            self.whole.abandon()


class PartitionWriter:
    """Writes rows to the files of their partitions, one file a partition at a time.

    Rows of small partitions wait in memory until all is written, so that there may be many more partitions
    than open files. `new_path` names the next file of a folder, `open_file` opens it.
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
        self._finished: list[DataFile] = []
        self._added_bytes = 0

    def write(self, folder: str, table: pa.Table) -> None:
        """Add rows to a partition's folder."""
        if not table.num_rows:
            return
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

    def finish(self) -> list[DataFile]:
        """Make all files durable; the files since the last call."""
        while self._files:
            self._close(next(iter(self._files)))
        finished, self._finished = self._finished, []
        return finished

    def abandon(self) -> None:
        """Let go of the open files."""
        while self._files:
            self._files.popitem()[1].abandon()

    def _file(self, folder: str) -> _PartitionFile:
        if folder not in self._files:
            path = self._new_path(folder)
            self._files[folder] = _PartitionFile(path, self._settings, self._open_file)
        self._files.move_to_end(folder)
        return self._files[folder]

    def _make_room(self, file: _PartitionFile) -> None:
        """Close the least recently used file before another one is opened, if there are as many as may be."""
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
        # Arrow's allocator would keep half as much again for itself, as memory of all sizes comes and goes.
        pa.default_memory_pool().release_unused()

    def _idle(self, files: dict[str, _PartitionFile]) -> str | None:
        """The one of some files that is longest without new rows, if a whole buffer of them came since.

        The source has probably left it behind: to write or close it early costs nothing.
        """
        folder = next(iter(files))
        rest = self._added_bytes - files[folder].last_add
        return folder if rest > self._settings.buffer_bytes else None

    def _close(self, folder: str) -> None:
        file = self._files[folder]
        self._make_room(file)
        self._finished.append(file.close())
        del self._files[folder]
