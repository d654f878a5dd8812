"""Which files may be removed by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.snapshot import LoggedFile, Snapshot

__all__ = ["removable", "settled_below"]

_SETTLED = timedelta(days=1)


def settled_below(log: Log[Any]) -> int:
    """The number below which the files of all commits may be removed.

    The commit after theirs is more than a day old. Whoever makes the next commit has finished theirs, and no
    run works for longer than a day, so no copy of such a file can still be under way and bring it back.
    """
    return log.newest_before(log.lake.now() - _SETTLED)


def removable(log: Log[Any], snapshot: Snapshot, dataset: str | None = None) -> Iterator[LoggedFile]:
    """Yield the files of a snapshot that a commit may remove now; `dataset` as for `Snapshot.files`."""
    below = settled_below(log)
    return (each for each in snapshot.files(dataset) if each.commit < below)
