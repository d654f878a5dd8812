"""What earlier compactions have left behind, so that a plan need not look at all files of a log.

A run that has merged all that it found notes in `_defender/<log>/compacted.json` which partitions wait for
another run, since they were still open, say. From then on only these can need a merge, and those to which
later commits have added small files. Nothing depends on the note: without it, or if it does not fit, a plan
looks at all files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Annotated, Any, TypeVar

import msgspec

from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.snapshot import LoggedFile, Snapshot
from airflow_provider_defender.lake.maintenance.settings import LATEST, CompactionSettings

__all__ = [
    "Horizon",
    "LatestHorizon",
    "candidate_files",
    "is_small",
    "next_horizon",
    "note_horizon",
    "note_latest",
    "noted_horizon",
    "noted_latest",
    "waiting_also",
]

_logger = logging.getLogger(__name__)

_ALL_EVERY = timedelta(days=30)
"""How often a plan looks at all files even so: a lake may have been restored to the time before a merge."""

_MOST_COMMITS = 2_000
"""From how many commits on it is cheaper to look at all files than to read what the commits have added."""

T = TypeVar("T")

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Horizon(msgspec.Struct, frozen=True):
    """No partition but those that wait has two small files that can be merged, of commits below a number.

    This stays true whatever the clocks say, and whatever ages and numbers of files a later run asks for.

    Attributes:
        below: the number of the commit.
        waiting: the partitions that wait, of any dataset, sorted.
        target_bytes: what small files are smaller than half of.
        walked_at: when all files were looked at.
    """

    below: _Count
    waiting: tuple[str, ...]
    target_bytes: int
    walked_at: _Moment


class LatestHorizon(msgspec.Struct, frozen=True):
    """Up to a commit, all partitions of `alerts_latest` but those that are stale are as `alerts` is.

    Attributes:
        number: the number of the commit.
        digest: its chain digest.
        stale: the partitions that are missing, behind, or made from files that have gone, sorted.
        walked_at: when all files were looked at.
    """

    number: _Count
    digest: str
    stale: tuple[str, ...]
    walked_at: _Moment


def is_small(file: DataFile, settings: CompactionSettings) -> bool:
    """Whether a compaction merges the file with others."""
    return 2 * file.bytes < settings.target_bytes and file.dataset != LATEST


def noted_horizon(
    log: Log[Any], snapshot: Snapshot, settings: CompactionSettings, below: int
) -> Horizon | None:
    """The noted horizon; None if there is none, or none that fits. `below`: as `settled_below` returns it."""
    found = _noted(log, log.paths.compacted, Horizon)
    fits = (
        found is not None
        and found.target_bytes == settings.target_bytes
        and found.below <= snapshot.number
        and below - found.below <= _MOST_COMMITS
        and _is_young(log, found.walked_at)
    )
    return found if fits else None


def next_horizon(
    settings: CompactionSettings, below: int, now: datetime, last: Horizon | None, waiting: Iterable[str]
) -> Horizon | None:
    """The horizon once all is merged that a plan has found; None: noting it would gain nothing.

    `now`: when the plan was made. `last`: the horizon that it relies on. `waiting`: the partitions that have
    two small files or more, and that it leaves alone.
    """
    if below == (0 if last is None else last.below):
        return None
    return Horizon(below, tuple(sorted(set(waiting))), settings.target_bytes, last.walked_at if last else now)


def waiting_also(horizon: Horizon, partitions: Iterable[str]) -> Horizon:
    """The horizon if these partitions wait, too."""
    return msgspec.structs.replace(horizon, waiting=tuple(sorted({*horizon.waiting, *partitions})))


def note_horizon(log: Log[Any], horizon: Horizon) -> None:
    """Note a horizon. Nothing depends on it, so a failure is a warning."""
    _note(log, log.paths.compacted, horizon)


def noted_latest(log: Log[Any], snapshot: Snapshot) -> LatestHorizon | None:
    """What was noted of `alerts_latest`; None if there is nothing, or nothing that fits."""
    found = _noted(log, log.paths.latest, LatestHorizon)
    if (
        found is None
        or not 0 <= snapshot.number - found.number <= _MOST_COMMITS
        or not _is_young(log, found.walked_at)
    ):
        return None
    commit = log.commit(found.number)
    return found if commit is not None and commit.digest == found.digest else None


def note_latest(log: Log[Any], horizon: LatestHorizon) -> None:
    """Note what is stale of `alerts_latest`. Nothing depends on it, so a failure is a warning."""
    _note(log, log.paths.latest, horizon)


def _noted(log: Log[Any], path: str, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(log.storage.read(path), type=kind)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _note(log: Log[Any], path: str, horizon: msgspec.Struct) -> None:
    try:
        log.storage.replace(path, msgspec.json.encode(horizon))
    except Exception as error:  # whatever a store's client raises
        _logger.warning("Writing %s failed: %r", path, error)


def _is_young(log: Log[Any], walked_at: datetime) -> bool:
    return timedelta(0) <= log.lake.now() - walked_at < _ALL_EVERY


def candidate_files(
    log: Log[Any], snapshot: Snapshot, settings: CompactionSettings, below: int, horizon: Horizon | None
) -> Iterator[LoggedFile]:
    """Yield the files of commits below a number in all partitions that can need a merge, and maybe others.

    Those of each partition come all, in the snapshot's order. Raises as `Log.commits` does.
    """
    if horizon is None:
        files = snapshot.files()
    else:
        files = snapshot.files_in([*horizon.waiting, *_touched(log, settings, below, horizon)])
    return (each for each in files if each.commit < below)


def _touched(log: Log[Any], settings: CompactionSettings, below: int, horizon: Horizon) -> set[str]:
    """The partitions to which small files were added since."""
    commits = takewhile(lambda commit: commit.number < below, log.commits(max(0, horizon.below - 1)))
    return {file.partition for commit in commits for file in commit.added if is_small(file, settings)}
