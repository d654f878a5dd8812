"""Errors of the lake, by what to do next.

::

    LakeError
    ├── CommitConflict        another run of this log committed first: run again; nothing has landed
    ├── CommitStateUnknown    it is unknown whether the commit counts: run again; the next head shows it
    ├── CommitUnreadable      a commit is damaged, or has another format or position type: do not continue
    ├── FileChanged           a data file is not what its commit says: look at it, and verify the lake
    ├── NotPublished          the commit counts, but not all files are in place: the next run completes it
    ├── OriginMismatch        the log belongs to another source, tenant or hub: use another lake
    ├── PositionTooLarge      backfills of a hub left too many separate ranges: backfill the gaps, too
    ├── StoreRefused          the store cannot create conditionally: choose another, or `single_writer`
    ├── TableConflict         others kept writing to an open table: run again; nothing of it is lost
    ├── TableUnusable         an open table cannot follow the logs any more: the message says what to do
    └── TransactionTooOld     the run took longer than a day: run again
"""

# The names say what has happened, as the tree above does.
# ruff: noqa: N818

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_defender.lake.log.commit import Commit

__all__ = [
    "CommitConflict",
    "CommitStateUnknown",
    "CommitUnreadable",
    "FileChanged",
    "LakeError",
    "NotPublished",
    "OriginMismatch",
    "PositionTooLarge",
    "StoreRefused",
    "TableConflict",
    "TableUnusable",
    "TransactionTooOld",
]


class LakeError(Exception):
    """The base of all errors that the lake raises itself; a store's errors (`OSError`, …) pass through."""


class CommitConflict(LakeError):
    """Another run of the same log advanced the same position first. Nothing of this run has landed."""


class CommitStateUnknown(LakeError):
    """The store gave no clear answer to the commit, so it may or may not count.

    Nothing was deleted. The next run reads the log, sees whether the commit counts, and continues from there.
    """


class CommitUnreadable(LakeError):
    """A commit of the log is missing or damaged, or has another format or position type.

    A person should look.
    """


class FileChanged(LakeError):
    """A data file has other bytes than its commit says. A person should look; nothing was changed.

    Merging it would hide that it was altered.
    """


class NotPublished(LakeError):
    """The commit counts, but not all of its files could be moved to their final names.

    The next run of this log moves them before anything else; nothing has to be read again. `commit` is the
    commit.
    """

    def __init__(self, message: str, commit: Commit[Any]) -> None:
        super().__init__(message)
        self.commit = commit


class OriginMismatch(LakeError):
    """The log of this name belongs to another source, tenant or hub. Nothing of this run has landed."""


class PositionTooLarge(LakeError):
    """A backfill would leave more separate ranges of offsets than a commit can list. Nothing has landed."""


class StoreRefused(LakeError):
    """The store cannot create an object only if it is absent, or cannot keep files at the lake's root."""


class TableConflict(LakeError):
    """Others kept writing to an open table, or its store gave no clear answer. The next run goes on."""


class TableUnusable(LakeError):
    """An open table cannot follow the logs: it is ahead of them, or was changed by hand or another program.

    The lake itself is as it was. The message says what to do.
    """


class TransactionTooOld(LakeError):
    """More than a day has passed since this run read the head of its log, so it may no longer commit."""
