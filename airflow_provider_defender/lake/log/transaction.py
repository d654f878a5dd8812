"""A commit under way: steps 3 to 6 of the protocol."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic

import pyarrow as pa

from airflow_provider_defender.lake.errors import (
    CommitConflict,
    CommitStateUnknown,
    CommitUnreadable,
    NotPublished,
    OriginMismatch,
    TransactionTooOld,
)
from airflow_provider_defender.lake.log import publishing
from airflow_provider_defender.lake.log.commit import KINDS, MAINTENANCE, Commit, DataFile
from airflow_provider_defender.lake.log.commits import Commits, Head
from airflow_provider_defender.lake.log.digest import FIRST
from airflow_provider_defender.lake.log.format import as_json, chained, dump_commit
from airflow_provider_defender.lake.log.layout import check_dataset, new_token
from airflow_provider_defender.lake.log.ledger import C, Landed, Ledger, Scope
from airflow_provider_defender.lake.log.position import Change, P
from airflow_provider_defender.lake.log.staging import Staging
from airflow_provider_defender.lake.log.tidying import tidy
from airflow_provider_defender.lake.log.waiting import Turns
from airflow_provider_defender.lake.parquet import partitions
from airflow_provider_defender.lake.storage.storage import NotCreated
from airflow_provider_defender.landing import Partitioning

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Transaction"]

_logger = logging.getLogger(__name__)

MAX_AGE = timedelta(days=1)

COMMIT_TIME = timedelta(minutes=15)
"""How long a run tries to commit, against other runs or a store that does not answer."""


class _State(Enum):
    """What is known about a transaction's commit, and so whether its staging folder may be deleted."""

    OPEN = "certainly not committed"
    UNKNOWN = "may be committed, now or by a request that is still on its way"
    CLOSED = "committed, or given up"


@dataclass(frozen=True)
class _Base(Generic[P]):
    """The commit that the next one follows."""

    number: int
    position: P
    digest: str


class Transaction(Generic[P, C]):
    """The rows of one run, which `commit` makes count all at once; get it from `Log.begin`.

    Leaving the context without a commit deletes what was staged, unless the commit may count. The ledger
    decides what has landed already and when another run's commit is a conflict.
    """

    def __init__(
        self,
        log: Commits[P],
        head: Head[P],
        ledger: Ledger[P, C],
        *,
        kind: str,
        window: Mapping[str, Any] | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is not a kind of commit: {', '.join(KINDS)}")
        self.token = new_token()
        self._log = log
        self._lake = log.lake
        self._storage = log.storage
        self._head = head
        self._ledger = ledger
        self._kind = kind
        self._window = as_json(window)
        self._started_at = self._lake.now()
        self._state = _State.OPEN
        self._broken = False
        self._staging = Staging(self._lake, log.paths, self.token, ledger.note)
        self._removed: list[str] = []
        self._turns = Turns(log, self.token)
        ledger.open(Scope(log.name, head, kind, log.storage, log.paths))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._staging.abandon()
        if self._state is _State.OPEN:
            self._discard()

    def _discard(self) -> None:
        self._state = _State.CLOSED
        self._staging.discard()

    # Step 3 -------------------------------------------------------------------------------------

    def select_new(
        self, versions: Iterable[tuple[str, str]], ticks: Sequence[int | None] | None = None
    ) -> list[bool]:
        """For each record read, by key and version, whether it must still be mapped and written.

        False: it has landed or was rejected before, as far as the position shows, or occurred before in this
        run. Every record that the run reads must pass through here, since the next run's position is built
        from it. A hub's ledger, which tracks offsets, answers True for all.

        `ticks`: the update time of each, in ticks of 100 ns, None for one without; if not given, the versions
        are parsed.
        """
        self._check_open()
        return self._ledger.select_new(versions, ticks)

    def write(self, dataset: str, table: pa.Table, partitioning: Partitioning) -> None:
        """Stage rows of a dataset, for the partitions of their `@timestamp`.

        Rows that the log's files already hold are dropped, if the position alone does not show them. Raises
        `ValueError` if a row has no `@timestamp`, and what the store raises.
        """
        with self._all_or_nothing():
            for folder, rows in partitions(check_dataset(dataset), table, partitioning):
                self._staging.add(folder, self._ledger.unlanded(folder, rows))

    def quarantine(self, rejects: pa.Table) -> None:
        """Stage rejected records: rows of `landing.REJECTS_SCHEMA` or `HUB_REJECTS_SCHEMA`."""
        with self._all_or_nothing():
            folder = f"{self._log.paths.quarantine}/date={self._started_at:%Y-%m-%d}"
            self._staging.add(folder, self._ledger.unlanded(folder, rejects))

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files of earlier commits, named by their paths in those commits; for compaction."""
        self._removed.extend(paths)

    def _check_open(self) -> None:
        if self._state is not _State.OPEN or self._broken:
            raise RuntimeError("this transaction was committed, given up, or lacks rows whose writing failed")

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Mark the transaction as broken if the block fails: rows may be missing, so it must not commit."""
        self._check_open()
        self._broken = True
        try:
            yield
        except FileNotFoundError:
            if self._state is _State.OPEN:
                self._check_age()  # what an old run has staged may have been swept
            raise
        self._broken = False

    def _finished_files(self, files: list[DataFile]) -> list[DataFile]:
        return [self._ledger.described(file) for file in files]

    # Steps 4 to 6 -------------------------------------------------------------------------------

    def commit(
        self, change: C | None = None, *, before_removal: publishing.BeforeRemoval | None = None
    ) -> Commit[P] | None:
        """Make all that was written count, at once. None: there was nothing to commit.

        `change`: how far the source was read. For versions, the new `Watermark` of a drain; without it, the
        watermark stays. For a hub, an `OffsetsChange`; a compaction has none.

        `before_removal`: called with the commit if it removes files, when its new files are in place and
        counted by readers of the log, and the old ones are still there: the moment to bring derived tables up
        to date. If it fails, that is logged, and the files are removed. It is not called if another run
        finishes the commit, which it does if this takes longer than about half a minute.

        Raises `ValueError` if it contradicts the head that the run began with or the rows that it wrote;
        `CommitConflict`, `CommitStateUnknown`, `CommitUnreadable`, `NotPublished`, `OriginMismatch`,
        `PositionTooLarge`, `TransactionTooOld`, and what the store raises.
        """
        position_change = self._ledger.change(change)
        with self._all_or_nothing():
            commit = self._commit(position_change)
        if commit is not None:
            self._publish(commit, before_removal)
        return commit

    def _commit(self, change: Change[P]) -> Commit[P] | None:
        """Create the commit after the newest one of the log. None: there was nothing to commit."""
        files = self._finished_files(self._staging.finish())
        base = self._first_base()
        deadline = self._lake.now() + COMMIT_TIME
        while True:
            after = change.apply(base.position, rebased=base.number > self._head.number)
            if not files and not self._removed and not after.moved_from(base.position):
                self._discard()
                return None
            commit = self._next(base, files, after)
            self._make_durable(files)
            other = self._create(commit, deadline)
            if other is None:
                self._state = _State.CLOSED
                return commit
            while other is not None:
                following = self._following(other, deadline)
                base, files = self._rebase(base, files, other)
                other = following

    def _make_durable(self, files: Sequence[DataFile]) -> None:
        """Make sure that the commit has something in staging, durably: what is there is not finished."""
        if files:
            self._staging.sync()
        elif self._removed:
            self._storage.replace(f"{self._staging.folder}/{publishing.REMOVAL}", b"")

    def _first_base(self) -> _Base[P]:
        newest = self._head.commit
        return _Base(self._head.number, self._head.position, FIRST if newest is None else newest.digest)

    def _next(self, base: _Base[P], files: list[DataFile], position: P) -> Commit[P]:
        rejects = tuple(file for file in files if self._log.paths.is_reject(file.path))
        added = tuple(file for file in files if not self._log.paths.is_reject(file.path))
        rows, rejected = (sum(file.rows for file in part) for part in (added, rejects))
        commit = Commit(
            log=self._log.name,
            origin=self._log.origin or {},
            number=base.number + 1,
            token=self.token,
            kind=self._kind,
            started_at=self._started_at,
            committed_at=self._lake.now(),
            window=self._window,
            added=added,
            removed=tuple(self._removed),
            rejects=rejects,
            counts=self._ledger.counts(rows, rejected),
            position=position,
        )
        return chained(commit, base.digest)

    def _create(self, commit: Commit[P], deadline: datetime) -> Commit[P] | None:
        """Create the commit. None: it counts. Otherwise the commit that another run created instead."""
        path, body = self._log.paths.commit(commit.number), dump_commit(commit)
        failure: Exception | None = None
        for wait in (0.0, *self._lake.retry_waits):
            if failure is not None:
                if self._lake.now() > deadline:
                    break
                self._lake.sleep(wait)
            self._check_age(failure)
            self._state = _State.UNKNOWN
            try:
                self._storage.create(path, body, self._staging.folder)
                return None
            except NotCreated as error:
                if failure is None:
                    self._state = _State.OPEN
                    raise error.__cause__ or error from None
            except Exception as error:  # whatever a store's client raises: reading the commit decides
                failure = error
            other = self._outcome(commit.number, failure)
            if other is not None and other.token == self.token:
                return None
            if other is not None:
                self._state = _State.OPEN
                return other
        raise self._unknown(commit.number) from failure

    def _outcome(self, number: int, failure: Exception | None) -> Commit[P] | None:
        """The commit that exists where this run tried to create its own; None if none is found."""
        try:
            found = self._log.commit(number)
            if found is not None and found.token == self.token:
                self._storage.sync_folder(self._log.paths.commits)
            return found
        except OriginMismatch:  # the number is taken, so this run's commit never counts
            self._state = _State.OPEN
            raise
        except CommitUnreadable as error:
            raise self._unknown(number) from error
        except Exception as error:  # whatever a store's client raises
            _logger.warning("Reading commit %d of %s failed: %r", number, self._log.name, error)
            return None

    def _check_age(self, failure: Exception | None = None) -> None:
        if self._lake.now() - self._head.read_at <= MAX_AGE:
            return
        if failure is not None:  # an earlier request may still arrive
            raise self._unknown(self._head.number + 1) from failure
        raise TransactionTooOld(
            f"this run read the head of {self._log.name} at {self._head.read_at:%Y-%m-%d %H:%M} UTC, more "
            "than a day ago, so it may no longer commit: run it again, with a shorter window if need be"
        )

    def _check_deadline(self, other: Commit[P], deadline: datetime) -> None:
        if self._lake.now() > deadline:
            raise CommitConflict(
                f"other runs of {self._log.name} were faster for {COMMIT_TIME}, last with commit "
                f"{other.number}: nothing of this run has landed; run it again when fewer runs write"
            )

    def _check_recent(self, other: Commit[P]) -> None:
        """Raise `CommitConflict` if `other` has been shortened, so that where the source stood is unknown.

        That happens to a commit that was created a month after it was made, by a process that was suspended,
        say: the next commit shortens it at once.
        """
        if other.position is None:
            raise CommitConflict(
                f"commit {other.number} of {self._log.name}, which another run created meanwhile, was made "
                f"at {other.committed_at:%Y-%m-%d %H:%M} UTC and has been shortened already: nothing of this "
                "run has landed; run it again"
            )

    def _unknown(self, number: int) -> CommitStateUnknown:
        return CommitStateUnknown(
            f"it is not known whether commit {number} of {self._log.name} counts: run again; the next run "
            "sees whether it does, and neither loses nor doubles a row; nothing was deleted"
        )

    # After another run's commit -----------------------------------------------------------------

    def _following(self, other: Commit[P], deadline: datetime) -> Commit[P] | None:
        """Wait until another run's commit is finished. Returns the one after it, if there is one already."""
        self._check_age()  # after a long sleep, the other commit may have been shortened by now
        self._check_deadline(other, deadline)
        self._check_recent(other)
        return self._turns.after(other)

    def _rebase(
        self, base: _Base[P], files: list[DataFile], other: Commit[P]
    ) -> tuple[_Base[P], list[DataFile]]:
        """The new base, and what is left of this run's files. Raises `CommitConflict`."""
        after = self._log.position(other)
        remaining = self._files_after(other, files, base.position, after)
        return _Base(other.number, after, other.digest), remaining

    def _files_after(self, other: Commit[P], files: list[DataFile], before: P, after: P) -> list[DataFile]:
        if self._kind in MAINTENANCE:
            self._check_inputs(other)
            return files
        self._ledger.check_conflict(other, before, after)
        if other.kind in MAINTENANCE:
            return files
        landed = self._ledger.landed_by(other, before, after)
        return [each for file in files for each in self._without_landed(file, landed)]

    def _check_inputs(self, other: Commit[P]) -> None:
        gone = set(self._removed) & set(other.removed)
        if gone:
            raise CommitConflict(
                f"commit {other.number} of {self._log.name} removed {len(gone)} of the files that this "
                f"run was about to remove: run the {self._kind} again"
            )

    def _without_landed(self, file: DataFile, landed: Landed) -> list[DataFile]:
        if not landed.meets(file, self._staging.place(file.path)):
            return [file]
        return self._finished_files(self._staging.rewrite(file.path, landed.remaining))

    def _publish(self, commit: Commit[P], before_removal: publishing.BeforeRemoval | None) -> None:
        try:
            publishing.finish_own(self._storage, self._log.paths, commit, before_removal)
        except Exception as error:  # whatever a store's client raises: the commit counts all the same
            raise NotPublished(
                f"commit {commit.number} of {self._log.name} counts, but its files could not all be moved to "
                f"their places ({error!r}): the next run does that first, and nothing has to be read again",
                commit,
            ) from error
        tidy(self._log, commit)
