"""Which files of a lake hold exactly its committed rows, and what stands in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.layout import QUARANTINE, check_dataset
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.parquet import read_columns
from airflow_provider_defender.lake.storage.address import local_path

__all__ = ["as_lake", "committed_files", "committed_rows", "rejected_rows"]


def committed_files(
    lake: Lake | str | os.PathLike[str] | Any,
    dataset: str,
    since: date | datetime | None = None,
    until: date | datetime | None = None,
) -> list[str]:
    """Return the files that hold exactly the committed rows of a dataset, as absolute paths or URLs.

    A commit whose files are still being moved to their final names is left out.

    Args:
        lake: a `Lake`, a local path, a URL that fsspec understands, or an Airflow `ObjectStoragePath`.
        dataset: `alerts`, `incidents` or `events/<Table>`.
        since: only partitions with rows from this time on (inclusive), by `@timestamp` in UTC. The files may
            hold earlier rows of the same partition. None: from the first partition on.
        until: only partitions with rows before this time (exclusive), likewise. None: up to the last one.

    Raises:
        CommitUnreadable: a commit is damaged, or was deleted: its files would silently be missing.
        ValueError: the dataset's name is invalid, or a `file:` URL is ambiguous. Errors of the store pass
            through.
    """
    lake = as_lake(lake)
    check_dataset(dataset)
    first, last = _moment(since), _moment(until)
    snapshots = [lake.log(name).snapshot() for name in lake.log_names()]
    return [
        lake.storage.url(each.file.path)
        for snapshot in snapshots
        for each in snapshot.files(dataset, first, last)
    ]


def committed_rows(
    log: Log[Any],
    dataset: str,
    columns: Sequence[str],
    since: date | datetime | None = None,
    until: date | datetime | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield some columns of the rows that one log has committed to a dataset, in bounded batches.

    `columns`: by their names with dots, such as `landing.key`; the batches have columns of just these names.
    A column that a file lacks, since an older release has written it, is null. `since`, `until`: as for
    `committed_files`, so rows before and after may come along. Raises what `committed_files` raises.
    """
    check_dataset(dataset)
    first, last = _moment(since), _moment(until)
    for each in log.snapshot().files(dataset, first, last):
        yield from _rows(log, each.file, columns)


def rejected_rows(log: Log[Any], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a log's quarantine, like `committed_rows`."""
    for each in log.snapshot().files(QUARANTINE):
        yield from _rows(log, each.file, columns)


def _rows(log: Log[Any], file: DataFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with log.storage.open_input(file.path) as source:
        for batch in read_columns(source, columns):
            yield pa.record_batch([_leaf(batch, name) for name in columns], list(columns))


def _leaf(batch: pa.RecordBatch, name: str) -> pa.Array:
    """A column by its name with dots; nulls where it is not there."""
    root, *leaves = name.split(".")
    if root not in batch.schema.names:
        return pa.nulls(batch.num_rows)
    column = batch.column(root)
    for leaf in leaves:
        if column.type.get_field_index(leaf) < 0:
            return pa.nulls(batch.num_rows)
        column = pc.struct_field(column, leaf)
    return column


def as_lake(lake: Any) -> Lake:
    """The lake that is given as `committed_files` takes it."""
    if isinstance(lake, Lake):
        return lake
    if hasattr(lake, "fs") and hasattr(lake, "path"):
        return Lake(lake.fs, lake.path)
    address = os.fspath(lake)
    path = local_path(address)
    return Lake(*url_to_fs(address)) if path is None else Lake(LocalFileSystem(), path)


def _moment(value: date | datetime | None) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
