"""Reading a lake exactly."""

from __future__ import annotations

import os
from datetime import date, datetime, timezone
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_defender.lake._address import local_path
from airflow_provider_defender.lake._lake import Lake
from airflow_provider_defender.lake._layout import check_dataset, partition_span
from airflow_provider_defender.lake._log import Log

__all__ = ["committed_files"]


def committed_files(
    lake: Lake | str | os.PathLike[str] | Any,
    dataset: str,
    since: date | datetime | None = None,
    until: date | datetime | None = None,
) -> list[str]:
    """The files that hold exactly the committed rows of a dataset, as absolute paths or URLs.

    `lake`: a `Lake`, a local path, a URL that fsspec understands, or an Airflow `ObjectStoragePath`;
    `ValueError` for a `file:` URL that can be read in two ways.
    `dataset`: `alerts`, `incidents` or `events/<Table>`. `since` (inclusive) and `until` (exclusive) narrow
    the partitions, by the rows' `@timestamp` in UTC; the files may hold rows beyond them.

    A commit whose files are still being moved to their places is left out. Raises `RecordUnreadable`, also
    where a record was deleted, as the files it names would be missing without a word; and what the store
    raises.
    """
    lake = _as_lake(lake)
    folder = f"{check_dataset(dataset)}/"
    paths = [path for log in lake.logs() for path in _committed(log) if path.startswith(folder)]
    first, last = _moment(since), _moment(until)
    return [lake.storage.url(path) for path in paths if _within(path, first, last)]


def _as_lake(lake: Any) -> Lake:
    if isinstance(lake, Lake):
        return lake
    if hasattr(lake, "fs") and hasattr(lake, "path"):
        return Lake(lake.fs, lake.path)
    address = os.fspath(lake)
    path = local_path(address)
    return Lake(*url_to_fs(address)) if path is None else Lake(LocalFileSystem(), path)


def _committed(log: Log) -> list[str]:
    files: dict[str, None] = {}
    newest = None
    for record in log.records():
        if newest is not None:
            _apply(files, newest)
        newest = record
    if newest is not None and log.is_shown(newest):
        _apply(files, newest)
    return list(files)


def _apply(files: dict[str, None], record: Any) -> None:
    for path in record.removed:
        files.pop(path, None)
    files.update(dict.fromkeys(file.path for file in record.added))


def _moment(value: date | datetime | None) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


def _within(path: str, since: datetime | None, until: datetime | None) -> bool:
    start, end = partition_span(path)
    return (since is None or end > since) and (until is None or start < until)
