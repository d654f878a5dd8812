"""A log: the sequence of commits of one source and tenant, or of one hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any

from airflow_provider_defender.lake.log import publishing
from airflow_provider_defender.lake.log.checkpoints import (
    Changes,
    Checkpoint,
    newest_checkpoint,
    write_checkpoint,
)
from airflow_provider_defender.lake.log.commit import Commit
from airflow_provider_defender.lake.log.commits import Commits, Head
from airflow_provider_defender.lake.log.ledger import C, Ledger
from airflow_provider_defender.lake.log.position import P
from airflow_provider_defender.lake.log.snapshot import Snapshot
from airflow_provider_defender.lake.log.transaction import Transaction
from airflow_provider_defender.lake.log.waiting import Turns

__all__ = ["Log"]


class Log(Commits[P]):
    """One log of a lake; get it from `Lake.log`."""

    def head(self) -> Head[P]:
        """Return the newest commit, finished: all its files are in place. Every run that writes begins here.

        Waits some seconds for the run that is publishing them, then publishes them itself.

        Raises `CommitUnreadable`, `OriginMismatch`, and what the store raises.
        """
        head = self.read_head()
        if head.commit is not None:
            Turns(self).after(head.commit)
        return replace(head, finished=True)

    def read_head(self) -> Head[P]:
        """Return the newest commit as it is, finished or not; for readers of the log's position.

        Raises `CommitUnreadable`, `OriginMismatch`, and what the store raises; `ValueError` if there is no
        commit and the type of the position is not known.
        """
        read_at = self.lake.now()
        newest = self.newest()
        if newest is not None:
            return Head(newest.number, newest, self.position(newest), read_at, finished=False)
        if self.position_type is None:
            raise ValueError(f"{self.name} has no commits: give Lake.log the type of its position")
        return Head(0, None, self.position_type(), read_at, finished=False)

    def finish(self, commit: Commit[P]) -> None:
        """Publish the files of a commit that are still staged, then delete what it removes. Idempotent."""
        publishing.finish(self.storage, self.paths, commit)

    def is_published(self, commit: Commit[P]) -> bool:
        """Whether all files of a commit are in place."""
        return publishing.is_published(self.storage, self.paths, commit)

    def published(self, after: int = 0) -> Iterator[Commit[P]]:
        """Yield the commits with numbers above `after` whose files are all in place, oldest first.

        Only the newest commit of a log can have files that are still under way: then it is left out.
        Raises as `commits` does.
        """
        newest: Commit[P] | None = None
        for commit in self.commits(after):
            if newest is not None:
                yield newest
            newest = commit
        if newest is not None and self.is_published(newest):
            yield newest

    def snapshot(self) -> Snapshot:
        """Return the files that count after the newest commit whose files are all in place.

        It reads the newest checkpoint and the commits after it; without a checkpoint, all commits. Raises as
        `commits` does.
        """
        return self._snapshot(newest_checkpoint(self), self.published)

    def _snapshot(
        self,
        checkpoint: Checkpoint | None,
        later: Callable[[int], Iterator[Commit[P]]],
        passed: frozenset[str] = frozenset(),
    ) -> Snapshot:
        changes = Changes()
        newest: Checkpoint | Commit[P] | None = checkpoint
        for commit in later(0 if checkpoint is None else checkpoint.number):
            changes.take(commit)
            newest = commit
        if newest is None:
            return Snapshot(self.name, {}, 0, "", changes)
        number = newest.number

        def without(path: str) -> Snapshot:
            paths = passed | {path}
            older = newest_checkpoint(self, up_to=number, without=paths)
            return self._snapshot(older, lambda after: self._up_to(after, number), paths)

        return Snapshot(self.name, newest.origin, number, newest.digest, changes, checkpoint, without)

    def _up_to(self, after: int, number: int) -> Iterator[Commit[P]]:
        return takewhile(lambda commit: commit.number <= number, self.commits(after))

    def write_checkpoint(self) -> None:
        """Write a checkpoint of the newest commit whose files are all in place, if there is none of it.

        Runs write one themselves after every so many commits (`Lake`'s `commits_per_checkpoint`). This is for
        a log whose checkpoints were deleted. Raises as `commits` does, and what the store raises.
        """
        number = self.snapshot().number
        if number:
            write_checkpoint(self, number)

    def begin(
        self,
        head: Head[P],
        ledger: Ledger[P, C],
        *,
        kind: str,
        window: Mapping[str, Any] | None = None,
    ) -> Transaction[P, C]:
        """Begin a transaction, a context manager. Checks first that the log's folders can be written.

        `ledger`: what has landed from the source, `VersionsLedger` or `OffsetsLedger`. `kind`: `"drain"`,
        `"backfill"`, `"compaction"` or `"retention"`. `window`: JSON values for people to read.
        Raises `StoreRefused` if the store cannot create conditionally, and what the store raises;
        `ValueError` if `head` is not finished, or the log was opened without its origin.
        """
        if not head.finished:
            raise ValueError(
                "a commit after an unfinished one would hide its files for ever: begin with head()"
            )
        if self.origin is None:
            raise ValueError(f"{self.name} was opened read-only: name its origin, as in Lake.log")
        self.storage.check_create()
        for folder in (self.paths.commits, self.paths.all_staging):
            self.storage.check_folder(folder)
        return Transaction(self, head, ledger, kind=kind, window=window)
