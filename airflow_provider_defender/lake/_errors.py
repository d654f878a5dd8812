"""Errors of the lake, by what to do next.

::

    LakeError
    ├── CommitConflict        another run of this log was faster: run again, nothing of this one has landed
    ├── CommitStateUnknown    nobody knows whether the commit counts: run again, the next head tells
    ├── DraftTooOld           the run took longer than a day: run again
    ├── NotShown              the commit counts, not all its files are in place yet: the next run sees to it
    ├── PositionTooLarge      backfills of a hub left too many gaps between them: backfill those, too
    ├── RecordUnreadable      a record is damaged, from a newer release, or of another kind: do not go on
    └── StoreRefused          the store cannot create conditionally: choose another, or `single_writer`
"""

# The names say what has happened, as the tree above does.
# ruff: noqa: N818

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_defender.lake._record import Record

__all__ = [
    "CommitConflict",
    "CommitStateUnknown",
    "DraftTooOld",
    "LakeError",
    "NotShown",
    "PositionTooLarge",
    "RecordUnreadable",
    "StoreRefused",
]


class LakeError(Exception):
    """Anything that the lake raises by itself; errors of the store (`OSError` and others) pass through."""


class CommitConflict(LakeError):
    """Another run of the same log moved what this one was about to move. Nothing of this run has landed."""


class CommitStateUnknown(LakeError):
    """The store gave no clear answer to the commit, so it may or may not count.

    Nothing was deleted. The next run reads the log, takes the commit as it finds it and goes on from there.
    """


class DraftTooOld(LakeError):
    """More than a day has passed since this run read the head of its log: it may not commit any more."""


class NotShown(LakeError):
    """The commit counts, but not all of its files could be moved to their final places.

    The next run of this log finishes that before anything else; nothing has to be read again. `record`: the
    commit's.
    """

    def __init__(self, message: str, record: Record[Any]) -> None:
        super().__init__(message)
        self.record = record


class PositionTooLarge(LakeError):
    """A backfill would leave more separate ranges of offsets than a record can name. Nothing has landed."""


class RecordUnreadable(LakeError):
    """A record of the log is missing, damaged, written by a newer release, or of another kind of source.

    A person should look.
    """


class StoreRefused(LakeError):
    """The store cannot create an object only if it is absent, or not keep files where the lake is to lie."""
