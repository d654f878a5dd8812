"""What earlier compactions have left behind nothing of, so that a plan need not look at all files of a log.

A run that has merged all that it found notes it in `_defender/<log>/compacted.json`. From then on only those
partitions can need a merge that were still open, or that later commits have added small files to. Nothing
depends on the note: without it, or if it does not fit, a plan looks at all files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Annotated, Any

import msgspec

from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.layout import partition_span
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.snapshot import LoggedFile, Snapshot
from airflow_provider_defender.lake.maintenance.settings import LATEST, CompactionSettings
from airflow_provider_defender.lake.maintenance.settling import moment_ago

__all__ = ["Horizon", "candidate_files", "is_small", "next_horizon", "note_horizon", "noted_horizon"]

_logger = logging.getLogger(__name__)

_ALL_EVERY = timedelta(days=30)
"""How often a plan looks at all files even so: a lake may have been restored to the time before a merge."""

_MOST_COMMITS = 2_000
"""From how many commits on it is cheaper to look at all files than to read what the commits have added."""

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Horizon(msgspec.Struct, frozen=True):
    """No partition that ended by `since` has two small files that can be merged, of commits below a number.

    This stays true whatever the clocks say, and whatever ages and numbers of files a later run asks for.

    Attributes:
        below: the number of the commit.
        since: the end of the youngest partitions of which it is true.
        target_bytes: what small files are smaller than half of.
        walked_at: when all files were looked at.
    """

    below: _Count
    since: _Moment
    target_bytes: int
    walked_at: _Moment


def is_small(file: DataFile, settings: CompactionSettings) -> bool:
    """Whether a compaction merges the file with others."""
    return 2 * file.bytes < settings.target_bytes and file.dataset != LATEST


def noted_horizon(
    log: Log[Any], snapshot: Snapshot, settings: CompactionSettings, below: int
) -> Horizon | None:
    """The noted horizon; None if there is none, or none that fits. `below`: as `settled_below` returns it."""
    now = log.lake.now()
    try:
        found = msgspec.json.decode(log.storage.read(log.paths.compacted), type=Horizon)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
    fits = (
        found.since <= now
        and found.target_bytes == settings.target_bytes
        and found.below <= snapshot.number
        and below - found.below <= _MOST_COMMITS
        and timedelta(0) <= now - found.walked_at < _ALL_EVERY
    )
    return found if fits else None


def next_horizon(
    settings: CompactionSettings, below: int, now: datetime, last: Horizon | None
) -> Horizon | None:
    """The horizon once all is merged that a plan has found; None: noting it would gain nothing.

    `now`: the time by which the plan has told which partitions are closed. `last`: the horizon that it relies
    on.
    """
    if below == (0 if last is None else last.below):
        return None
    closed = settings.hours_older_than
    two_are_enough = closed if settings.min_files <= 2 else max(closed, settings.days_older_than)  # noqa: PLR2004
    since = moment_ago(now, two_are_enough)
    return Horizon(below, since, settings.target_bytes, last.walked_at if last else now)


def note_horizon(log: Log[Any], horizon: Horizon) -> None:
    """Note a horizon. Nothing depends on it, so a failure is a warning."""
    try:
        log.storage.replace(log.paths.compacted, msgspec.json.encode(horizon))
    except Exception as error:  # whatever a store's client raises
        _logger.warning("Writing %s failed: %r", log.paths.compacted, error)


def candidate_files(
    log: Log[Any], snapshot: Snapshot, settings: CompactionSettings, below: int, horizon: Horizon | None
) -> Iterator[LoggedFile]:
    """Yield the files of commits below a number in all partitions that can need a merge, and maybe others.

    Those of each partition come all, in the snapshot's order. Raises as `Log.commits` does.
    """
    spans = [(None, None)] if horizon is None else _spans(log, settings, below, horizon)
    seen = set[str]()  # a day can meet several spans of hours
    for since, until in spans:
        for each in snapshot.files(since=since, until=until):
            if each.commit < below and each.file.path not in seen:
                seen.add(each.file.path)
                yield each


def _spans(
    log: Log[Any], settings: CompactionSettings, below: int, horizon: Horizon
) -> list[tuple[datetime | None, datetime | None]]:
    """The times of the partitions that were open, or that small files were added to since."""
    commits = takewhile(lambda commit: commit.number < below, log.commits(max(0, horizon.below - 1)))
    added = (file for commit in commits for file in commit.added if is_small(file, settings))
    touched = sorted({partition_span(file.partition) for file in added})
    spans: list[tuple[datetime, datetime]] = []
    for start, end in (each for each in touched if each[1] <= horizon.since):
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], end)
        else:
            spans.append((start, end))
    return [*spans, (horizon.since, None)]
