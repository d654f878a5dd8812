"""What dead runs and other programs have left behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.layout import is_dataset
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.tidying import sweep_staging
from airflow_provider_defender.lake.maintenance.progress import Progress

__all__ = ["SweepResult", "UnknownFile", "sweep"]

_logger = logging.getLogger(__name__)

_AGE = timedelta(days=7)


@dataclass(frozen=True)
class UnknownFile:
    """A data file that no commit names.

    Attributes:
        path: relative to the lake's root.
        age: how long ago it was written, by the store's clock.
        deleted: whether it was deleted now.
    """

    path: str
    age: timedelta
    deleted: bool = False


@dataclass(frozen=True)
class SweepResult:
    """What a sweep has found.

    Attributes:
        staging: the staging folders that were deleted, which no commit claims.
        files: the data files that no commit names.
    """

    staging: tuple[str, ...] = ()
    files: tuple[UnknownFile, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON values; ages in days."""
        files = [{**asdict(each), "age": each.age / timedelta(days=1)} for each in self.files]
        return {"staging": list(self.staging), "files": files}


def sweep(
    lake: Lake,
    *,
    files: bool = True,
    delete: bool = False,
    progress: Callable[[str], None] | None = None,
) -> SweepResult:
    """Delete the staging folders of dead runs, and find the data files that no commit names.

    A run deletes its own staging folder, and commits sweep those that are a week old; this does it for logs
    that make no commits any more. Data files that no commit names come from copies by hand, from another
    lake's logs, or from a store that broke its promises: plain readers read them, `committed_files` does not.
    Only files inside partitions (`date=…`) are looked at, never a table's own folder such as `_delta_log`.

    Args:
        lake: the lake.
        files: whether to look for data files: that lists all partitions, so it takes long in a large lake.
        delete: whether to delete those of this lake's logs that are older than 7 days by the store's clock.
            Files of other names are only reported.
        progress: receives a text about every 15 seconds; None: the logger does.

    Raises `CommitUnreadable`, and what the store raises.
    """
    logs = lake.logs()
    staging = tuple(f"{log.paths.all_staging}/{token}" for log in logs for token in sweep_staging(log))
    if not files:
        return SweepResult(staging)
    unknown = _unnamed(lake, logs, Progress(progress))
    return SweepResult(staging, tuple(_judged(lake, logs, path, delete) for path in unknown))


def _unnamed(lake: Lake, logs: Sequence[Log[Any]], progress: Progress) -> list[str]:
    """The data files that no commit names, sorted.

    They are listed before the commits are read: a file is in a commit before it has its final name.
    """
    found: set[str] = set()
    for path in _data_files(lake, logs):
        found.add(path)
        progress(partial("{:,} files listed, now {}".format, len(found), path))
    for log in logs:
        found.difference_update(each.file.path for each in log.snapshot().files())
    for log in logs:
        if not found:
            break
        for commit in log.commits():
            found.difference_update(commit.removed, (file.path for file in commit.files))
    return sorted(found)


def _data_files(lake: Lake, logs: Sequence[Log[Any]]) -> Iterator[str]:
    tops = [name for name in lake.storage.list_folder("") or [] if is_dataset(name)]
    for folder in [*sorted(tops), *(log.paths.quarantine for log in logs)]:
        yield from _files_below(lake, folder, depth=2)


def _files_below(lake: Lake, folder: str, depth: int) -> Iterator[str]:
    """The Parquet files in the partitions of a dataset, or of the datasets in a folder such as `events`."""
    is_partition = "/date=" in folder
    for name in lake.storage.list_folder(folder) or []:
        path = f"{folder}/{name}"
        if is_partition and name.endswith(".parquet"):
            yield path
        elif depth and (name.startswith(("date=", "hour=")) or (not is_partition and is_dataset(name))):
            yield from _files_below(lake, path, depth - (not name.startswith("date=")))


def _judged(lake: Lake, logs: Sequence[Log[Any]], path: str, delete: bool) -> UnknownFile:
    """A file with its age, deleted if that is asked for and it is ours and old."""
    owner = next((log for log in logs if log.paths.owns(path.rpartition("/")[2])), None)
    try:
        age = _reference(lake, owner) - lake.storage.modified(path)
    except FileNotFoundError:  # somebody has deleted it meanwhile
        return UnknownFile(path, timedelta(0), deleted=True)
    if not (delete and owner is not None and age > _AGE):
        return UnknownFile(path, age)
    _logger.warning("Deleting %s, which no commit of %s names", path, owner.name)
    lake.storage.delete(path)
    return UnknownFile(path, age, deleted=True)


def _reference(lake: Lake, owner: Log[Any] | None) -> datetime:
    """The time to compare a file's with: by the store's clock, that of its log's newest commit."""
    newest = None if owner is None else owner.newest()
    if owner is None or newest is None:
        return lake.now()
    return lake.storage.modified(owner.paths.commit(newest.number))
