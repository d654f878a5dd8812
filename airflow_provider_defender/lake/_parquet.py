"""Arrow tables into the Parquet files of partitions, within a bound of memory and of open files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

    `compression_level` of zstd; `row_group_rows`: most rows of a row group; `file_bytes`: size after which
    a partition goes on in a new file; `open_files`: most files open at once; `buffer_bytes`: Arrow data
    held back, over all open files, to make row groups larger.
    """

    compression_level: int = 3
    row_group_rows: int = 128 * 1024
    file_bytes: int = 128 * 1024 * 1024
    open_files: int = 64
    buffer_bytes: int = 32 * 1024 * 1024


def partitions(dataset: str, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each partition of a dataset, by `@timestamp`, with the partition's folder.

    Raises `ValueError` where a row has no `@timestamp`.
    """
    times = table["@timestamp"]
    if times.null_count:
        raise ValueError(f"{times.null_count} rows for {dataset} have no @timestamp")
    pattern = "date=%Y-%m-%d/hour=%H" if has_hours(dataset) else "date=%Y-%m-%d"
    # Without the zone, Arrow needs no database of zones, which small images do not have.
    times = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(pa.timestamp("us"))
    starts = pc.floor_temporal(times, unit="hour" if has_hours(dataset) else "day")
    for start in pc.unique(starts):
        folder = f"{dataset}/{start.as_py().strftime(pattern)}"
        mask = pc.equal(starts, start)
        yield folder, table if pc.all(mask).as_py() else table.filter(mask)


def _new_parquet(sink: Any, schema: pa.Schema, settings: WriterSettings) -> pq.ParquetWriter:
    """A writer of the one kind of Parquet file that a lake holds."""
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=settings.compression_level,
        write_statistics=True,
        write_page_index=True,
    )


def read_columns(source: IO[bytes], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a Parquet file, in bounded batches."""
    with pq.ParquetFile(source) as file:
        yield from file.iter_batches(batch_size=64 * 1024, columns=columns)


@dataclass
class _OpenFile:
    """A partition file under way, with the rows that wait for its next row group."""

    path: str
    whole: WholeFile
    parquet: pq.ParquetWriter
    waiting: list[pa.Table]
    waiting_rows: int = 0
    waiting_bytes: int = 0
    rows: int = 0

    def flush(self, row_group_rows: int) -> None:
        """Write what waits as row groups."""
        if self.waiting:
            self.parquet.write_table(pa.concat_tables(self.waiting), row_group_size=row_group_rows)
            self.waiting, self.waiting_rows, self.waiting_bytes = [], 0, 0


class PartitionWriter:
    """Writes rows to the files of their partitions, one file a partition at a time.

    `new_file` opens the next file of a folder: its final path, and where to write it for now.
    """

    def __init__(self, settings: WriterSettings, new_file: Callable[[str], tuple[str, WholeFile]]) -> None:
        self._settings = settings
        self._new_file = new_file
        self._open: OrderedDict[str, _OpenFile] = OrderedDict()
        self._finished: list[DataFile] = []

    def write(self, folder: str, table: pa.Table) -> None:
        """Add rows to a partition's folder."""
        if not table.num_rows:
            return
        file = self._file(folder, table.schema)
        file.waiting.append(table)
        file.waiting_rows += table.num_rows
        file.waiting_bytes += table.nbytes
        file.rows += table.num_rows
        if file.waiting_rows >= self._settings.row_group_rows:
            self._flush(folder, file)
        while sum(each.waiting_bytes for each in self._open.values()) > self._settings.buffer_bytes:
            self._flush(*max(self._open.items(), key=lambda item: item[1].waiting_bytes))

    def finish(self) -> list[DataFile]:
        """Make all files durable; the files since the last call."""
        while self._open:
            self._close(next(iter(self._open)))
        finished, self._finished = self._finished, []
        return finished

    def abandon(self) -> None:
        """Let go of the open files."""
        while self._open:
            _, file = self._open.popitem()
            file.parquet.is_open = False  # or its deletion would write a footer
            file.whole.abandon()

    def _file(self, folder: str, schema: pa.Schema) -> _OpenFile:
        file = self._open.get(folder)
        if file is None:
            if len(self._open) >= self._settings.open_files:
                self._close(next(iter(self._open)))
            path, whole = self._new_file(folder)
            file = _OpenFile(path, whole, _new_parquet(whole.sink, schema, self._settings), [])
            self._open[folder] = file
        self._open.move_to_end(folder)
        return file

    def _flush(self, folder: str, file: _OpenFile) -> None:
        file.flush(self._settings.row_group_rows)
        if file.whole.sink.tell() >= self._settings.file_bytes:
            self._close(folder)

    def _close(self, folder: str) -> None:
        file = self._open[folder]
        file.flush(self._settings.row_group_rows)
        file.parquet.close()
        self._finished.append(DataFile(file.path, file.rows, file.whole.finish()))
        del self._open[folder]
