"""One commit under way: steps 3 to 6 of the protocol, whatever the kind of the log."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_defender.lake._errors import (
    CommitConflict,
    CommitStateUnknown,
    DraftTooOld,
    NotShown,
    RecordUnreadable,
)
from airflow_provider_defender.lake._layout import check_dataset, new_token
from airflow_provider_defender.lake._log import Head, Log
from airflow_provider_defender.lake._parquet import PartitionWriter, partitions
from airflow_provider_defender.lake._position import Change, P
from airflow_provider_defender.lake._record import KINDS, DataFile, Record
from airflow_provider_defender.lake._storage import NotCreated, WholeFile

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_defender.lake._lake import Lake

__all__ = ["DraftBase"]

_logger = logging.getLogger(__name__)

MAX_AGE = timedelta(days=1)

COMMIT_TIME = timedelta(minutes=15)
"""How long a run tries to get its commit in, against other runs or a store that gives no answer."""


class _State(Enum):
    """What is known of a draft's commit, and so whether its staging folder may go."""

    OPEN = "certainly not committed"
    UNKNOWN = "may be committed, now or by a request that is still on its way"
    CLOSED = "committed, or given up"


class DraftBase(ABC, Generic[P]):
    """The rows of one run until they count, all at once; what is the same for all kinds of logs.

    Leaving the context without a commit deletes what was staged, unless the commit may count. Subclasses
    know what is landed already, when another run's commit is a conflict, and what counts.
    """

    def __init__(self, lake: Lake, log: Log[P], head: Head[P], kind: str, window: Mapping[str, Any]) -> None:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is none of the kinds of commits: {', '.join(KINDS)}")
        self.token = new_token()
        self._lake = lake
        self._log = log
        self._paths = log.paths
        self._storage = lake.storage
        self._head = head
        self._kind = kind
        self._window = window
        self._started_at = lake.now()
        self._state = _State.OPEN
        self._broken = False
        self._staging = log.paths.staging(self.token)
        self._files_begun = 0
        self._writer = PartitionWriter(lake.settings, self._new_path, self._open_file)
        self._removed: list[str] = []
        self._checked_folders: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.abandon()
        if self._state is _State.OPEN:
            self._discard()

    def _discard(self) -> None:
        self._state = _State.CLOSED
        with suppress(OSError):  # a later run sweeps what is left
            self._storage.delete_folder(self._staging)

    # What the kinds of logs differ in -----------------------------------------------------------

    @abstractmethod
    def _counts(self, rows: int, rejected: int) -> dict[str, int]:
        """The counts of the record, which has so many rows in its files and in the quarantine."""

    @abstractmethod
    def _check_conflict(self, other: Record[P], before: P) -> None:
        """Raise `CommitConflict` where `other` has moved from `before` what this run is about to move."""

    @abstractmethod
    def _without_landed_by(self, other: Record[P], before: P, files: list[DataFile]) -> list[DataFile]:
        """The staged files without the rows that `other`, the first commit after `before`, has landed."""

    def _new_rows(self, folder: str, rows: pa.Table) -> pa.Table:
        """Those of the rows for a partition's folder that are not landed already."""
        return rows

    def _new_rejects(self, rejects: pa.Table) -> pa.Table:
        """Those of the rejects that are not landed already."""
        return rejects

    # Step 3 -------------------------------------------------------------------------------------

    def write(self, dataset: str, table: pa.Table) -> None:
        """Stage rows of a dataset, for the partitions of their `@timestamp`.

        Rows that the log's files already hold are dropped, where the position alone cannot tell. Raises
        `ValueError` where a row has no `@timestamp`, and what the store raises.
        """
        with self._all_or_nothing():
            for folder, rows in partitions(check_dataset(dataset), table):
                self._stage(folder, self._new_rows(folder, rows))

    def quarantine(self, rejects: pa.Table) -> None:
        """Stage records that could not be mapped.

        Columns `key` and `version`, or for a hub `partition` and `offset`, say which ones they are.
        """
        with self._all_or_nothing():
            folder = f"{self._paths.quarantine}/date={self._started_at:%Y-%m-%d}"
            self._stage(folder, self._new_rejects(rejects))

    def remove(self, paths: Sequence[str]) -> None:
        """Replace files of earlier commits, named as their records name them: for compaction."""
        self._removed.extend(paths)

    def _check_open(self) -> None:
        if self._state is not _State.OPEN or self._broken:
            raise RuntimeError("this draft was committed, given up, or lacks rows whose writing failed")

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """After a failure rows may be missing, so that the draft must not be committed any more."""
        self._check_open()
        self._broken = True
        try:
            yield
        except FileNotFoundError:
            if self._state is _State.OPEN:
                self._check_age()  # what an old run has staged may have been swept
            raise
        self._broken = False

    def _stage(self, folder: str, rows: pa.Table) -> None:
        if folder not in self._checked_folders:  # after the commit it would be too late
            self._storage.check_folder(folder)
            self._checked_folders.add(folder)
        self._writer.write(folder, rows)

    def _staged_files(self) -> list[DataFile]:
        """The files of all rows staged since the last call, durable."""
        return self._writer.finish()

    def _is_quarantine(self, path: str) -> bool:
        return path.startswith(f"{self._paths.quarantine}/")

    def _open_file(self, path: str) -> WholeFile:
        return self._storage.new_file(self._staged(path))

    def _new_path(self, folder: str) -> str:
        self._files_begun += 1
        return self._paths.data_file(folder, self.token, self._files_begun)

    def _staged(self, path: str) -> str:
        return f"{self._staging}/{self._paths.staged_name(path)}"

    # Steps 4 to 6 -------------------------------------------------------------------------------

    def _commit_and_show(self, change: Change[P]) -> Record[P] | None:
        """Make all that was written count, at once; None where there was nothing to say.

        Raises `CommitConflict`, `DraftTooOld`, `CommitStateUnknown`, `NotShown`, `RecordUnreadable`, and
        what the store raises.
        """
        with self._all_or_nothing():
            record = self._commit(change)
        if record is not None:
            self._show(record)
        return record

    def _commit(self, change: Change[P]) -> Record[P] | None:
        """Create the record, wherever the log stands by now; None where there was nothing to say."""
        files = self._staged_files()
        number, before = self._head.number, self._head.position
        deadline = self._lake.now() + COMMIT_TIME
        while True:
            after = change.apply(before, rebased=number > self._head.number)
            if not files and not self._removed and not after.moved_from(before):
                self._discard()
                return None
            record = self._record(number + 1, files, after)
            if files:
                self._storage.sync_folder(self._staging)
            other = self._create(record, deadline)
            if other is None:
                self._state = _State.CLOSED
                return record
            self._check_age()  # after a long sleep, the other record may have been shortened by now
            self._check_deadline(other, deadline)
            self._log.finish(other)
            files, number, before = (
                self._rebase(other, files, before),
                other.number,
                self._log.position(other),
            )

    def _record(self, number: int, files: list[DataFile], position: P) -> Record[P]:
        rejects = tuple(file for file in files if self._is_quarantine(file.path))
        added = tuple(file for file in files if not self._is_quarantine(file.path))
        return Record(
            log=self._log.name,
            number=number,
            token=self.token,
            kind=self._kind,
            started_at=self._started_at,
            committed_at=self._lake.now(),
            window=self._window,
            added=added,
            removed=tuple(self._removed),
            rejects=rejects,
            counts=self._counts(sum(file.rows for file in added), sum(file.rows for file in rejects)),
            position=position,
        )

    def _create(self, record: Record[P], deadline: datetime) -> Record[P] | None:
        """Create the record. None: it counts. Otherwise the one that another run has created instead."""
        path, body = self._paths.record(record.number), record.dump()
        failure: Exception | None = None
        for wait in (0.0, *self._lake.retry_waits):
            if failure is not None:
                if self._lake.now() > deadline:
                    break
                self._lake.sleep(wait)
            self._check_age(failure)
            self._state = _State.UNKNOWN
            try:
                self._storage.create(path, body, self._staging)
                return None
            except NotCreated as error:
                if failure is None:
                    self._state = _State.OPEN
                    raise error.__cause__ or error from None
            except Exception as error:
                failure = error
            other = self._outcome(record.number, failure)
            if other is not None and other.token == self.token:
                return None
            if other is not None:
                self._state = _State.OPEN
                return other
        raise self._unknown(record.number) from failure

    def _outcome(self, number: int, failure: Exception | None) -> Record[P] | None:
        """The record that stands where this run tried to create its own, None where none is to be seen."""
        try:
            found = self._log.record(number)
            if found is not None and found.token == self.token:
                self._storage.sync_folder(self._paths.commits)
            return found
        except RecordUnreadable as error:
            raise self._unknown(number) from error
        except Exception as error:
            _logger.warning("Reading record %d of %s failed: %r", number, self._log.name, error)
            return None

    def _check_age(self, failure: Exception | None = None) -> None:
        if self._lake.now() - self._head.read_at <= MAX_AGE:
            return
        if failure is not None:  # an earlier request may still arrive
            raise self._unknown(self._head.number + 1) from failure
        raise DraftTooOld(
            f"this run read the head of {self._log.name} at {self._head.read_at:%Y-%m-%d %H:%M} UTC, more "
            "than a day ago, so it may not commit any more: run it again, with a shorter window if need be"
        )

    def _check_deadline(self, other: Record[P], deadline: datetime) -> None:
        if self._lake.now() > deadline:
            raise CommitConflict(
                f"other runs of {self._log.name} were faster for {COMMIT_TIME}, last with commit "
                f"{other.number}: nothing of this run has landed; run it again when fewer runs write"
            )

    def _unknown(self, number: int) -> CommitStateUnknown:
        return CommitStateUnknown(
            f"it is not known whether commit {number} of {self._log.name} counts: run again, the next run "
            "takes it as it finds it and neither loses nor doubles a row; nothing was deleted"
        )

    def _rebase(self, other: Record[P], files: list[DataFile], before: P) -> list[DataFile]:
        """What is left of this run's files after another run's commit; raises `CommitConflict`."""
        if self._kind == "compaction":
            gone = set(self._removed) & set(other.removed)
            if gone:
                raise CommitConflict(
                    f"commit {other.number} of {self._log.name} replaced {len(gone)} of the files that this "
                    "run was about to replace: run the compaction again"
                )
            return files
        self._check_conflict(other, before)
        if other.kind == "compaction":
            return files
        return self._without_landed_by(other, before, files)

    def _rewritten(self, file: DataFile, new: Callable[[pa.Table], pa.Table]) -> list[DataFile]:
        """A staged file with those of its rows only that `new` returns."""
        folder = file.path.rpartition("/")[0]
        with self._storage.open_input(self._staged(file.path)) as source, pq.ParquetFile(source) as parquet:
            for batch in parquet.iter_batches(batch_size=8 * 1024):
                self._stage(folder, new(pa.Table.from_batches([batch])))
        self._storage.delete(self._staged(file.path))
        return self._staged_files()

    def _show(self, record: Record[P]) -> None:
        try:
            self._log.finish(record)
        except Exception as error:
            raise NotShown(
                f"commit {record.number} of {self._log.name} counts, but its files could not all be moved to "
                f"their places ({error!r}): the next run does that first, and nothing has to be read again",
                record,
            ) from error
        self._log.tidy(record)
