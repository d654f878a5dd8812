"""Which files may be removed by now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any

from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.snapshot import LoggedFile, Snapshot

__all__ = ["moment_ago", "removable", "settled_below"]

_SETTLED = timedelta(days=1)
_EARLIEST = datetime.min.replace(tzinfo=timezone.utc)


def moment_ago(now: datetime, age: timedelta) -> datetime:
    """The time that is so long ago; the earliest that there is if the age is longer."""
    return now - age if age < now - _EARLIEST else _EARLIEST


def settled_below(log: Log[Any]) -> int:
    """The number below which the files of all commits may be removed.

    The commit after theirs is more than a day old. Whoever makes the next commit has finished theirs, and no
    run works for longer than a day, so no copy of such a file can still be under way and bring it back.
    """
    return log.newest_before(log.lake.now() - _SETTLED)


def removable(log: Log[Any], snapshot: Snapshot, before: Mapping[str, datetime]) -> Iterator[LoggedFile]:
    """Yield the files of a snapshot that a commit may remove now.

    `before`: for each dataset that is wanted, the time before which its partitions begin.
    """
    below = settled_below(log)
    files = (snapshot.files(dataset, until=moment) for dataset, moment in before.items())
    return (each for each in chain.from_iterable(files) if each.commit < below)
