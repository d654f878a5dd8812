"""The staged files of a transaction: step 3 of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_defender.lake.log.background import BackgroundWork
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.environment import Environment
from airflow_provider_defender.lake.log.layout import LogPaths, place_of
from airflow_provider_defender.lake.parquet import ParquetFile, PartitionWriter
from airflow_provider_defender.lake.storage.storage import WholeFile

__all__ = ["Staging"]

_REWRITTEN_ROWS = 8 * 1024
_MEASURED_BYTES = 1024 * 1024
_INLINE_BYTES = 16 * 1024 * 1024
"""The size of rows up to which no thread is begun: so much is only held back, and encoded at the end."""

_WAITING_BYTES = 32 * 1024 * 1024
"""The size of rows that may wait for the thread, which is busy for a while whenever it encodes a row group.

Two of a mapper's largest tables: with fewer, the mapper would stand still until the row group is written.
"""


class Staging:
    """Files in a folder that no reader looks into. Callers name them by their final paths.

    `note` is called with the path of a file and the rows that go to it. Once there are many rows, a thread of
    its own writes them (and calls `note`), while the caller goes on. What fails there is raised by the next
    `add`, or by `finish`. Until `finish` or `abandon`, which end the thread, only one thread may use this.
    """

    def __init__(
        self, lake: Environment, paths: LogPaths, token: str, note: Callable[[str, pa.Table], None]
    ) -> None:
        self._storage = lake.storage
        self._paths = paths
        self._token = token
        self._folder = paths.staging(token)
        self._note = note
        self._files_begun = 0
        self._checked_folders: set[str] = set()
        self._writer = PartitionWriter(lake.settings, self._new_path, self._open_file)
        self._work = BackgroundWork("lake-writer", inline_bytes=_INLINE_BYTES, waiting_bytes=_WAITING_BYTES)

    @property
    def folder(self) -> str:
        """The folder of the files."""
        return self._folder

    def add(self, folder: str, rows: pa.Table) -> None:
        """Stage rows for a partition's folder. Raises also what the writing of earlier rows has raised."""
        if folder not in self._checked_folders:  # after the commit it would be too late to find out
            self._storage.check_folder(folder)
            self._checked_folders.add(folder)
        if rows.num_rows:
            size = rows.get_total_buffer_size()
            if size > _MEASURED_BYTES:  # of a slice, that is all that it was cut from
                size = rows.nbytes
            self._work.do(size, partial(self._write, folder, rows))

    def _write(self, folder: str, rows: pa.Table) -> None:
        self._note(self._writer.write(folder, rows), rows)

    def finish(self) -> list[DataFile]:
        """The files of all rows staged since the last call, durable."""
        self._work.finish()
        return [_data_file(file) for file in self._writer.finish()]

    def rewrite(self, path: str, remaining: Callable[[str, pa.Table], pa.Table]) -> list[DataFile]:
        """Write a staged file again, with only the rows that `remaining` keeps."""
        folder = path.rpartition("/")[0]
        with self._storage.open_input(self.place(path)) as source, pq.ParquetFile(source) as parquet:
            for batch in parquet.iter_batches(batch_size=_REWRITTEN_ROWS):
                self.add(folder, remaining(path, pa.Table.from_batches([batch])))
        self._storage.delete(self.place(path))
        return self.finish()

    def place(self, path: str) -> str:
        """The current path of the file with this final path."""
        return f"{self._folder}/{self._paths.staged_name(path)}"

    def sync(self) -> None:
        """Make the names of the files durable."""
        self._storage.sync_folder(self._folder)

    def abandon(self) -> None:
        """Close the open files without finishing them."""
        self._work.abandon()
        self._writer.abandon()

    def discard(self) -> None:
        """Delete all files."""
        with suppress(OSError):  # a later run sweeps what is left
            self._storage.delete_folder(self._folder)

    def _open_file(self, path: str) -> WholeFile:
        return self._storage.new_file(self.place(path))

    def _new_path(self, folder: str) -> str:
        self._files_begun += 1
        return self._paths.data_file(folder, self._token, self._files_begun)


def _data_file(file: ParquetFile) -> DataFile:
    dataset, partition = place_of(file.path)
    return DataFile(
        path=file.path,
        dataset=dataset,
        partition=partition,
        rows=file.rows,
        bytes=file.bytes,
        sha256=file.sha256,
        min_timestamp=file.min_timestamp,
        max_timestamp=file.max_timestamp,
    )
