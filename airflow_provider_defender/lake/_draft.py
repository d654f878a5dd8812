"""One commit under way: steps 3 to 6 of the protocol."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_defender.lake._errors import (
    CommitConflict,
    CommitStateUnknown,
    DraftTooOld,
    NotShown,
    RecordUnreadable,
)
from airflow_provider_defender.lake._keys import DigestSet, NewestVersions, digest
from airflow_provider_defender.lake._landed import (
    DATA_COLUMNS,
    REJECT_COLUMNS,
    LandedVersions,
    row_versions,
    versions_in,
)
from airflow_provider_defender.lake._layout import check_dataset, new_token
from airflow_provider_defender.lake._log import Head, Log
from airflow_provider_defender.lake._parquet import PartitionWriter, partitions
from airflow_provider_defender.lake._position import KEYS_LIMIT, RestChange, RestPosition, Watermark
from airflow_provider_defender.lake._record import KINDS, DataFile, Record
from airflow_provider_defender.lake._storage import NotCreated, WholeFile

if TYPE_CHECKING:
    from airflow_provider_defender.lake._lake import Lake

__all__ = ["Draft"]

_logger = logging.getLogger(__name__)

MAX_AGE = timedelta(days=1)


class _State(Enum):
    """What is known of a draft's commit, and so whether its staging folder may go."""

    OPEN = "certainly not committed"
    UNKNOWN = "may be committed, now or by a request that is still on its way"
    CLOSED = "committed, or given up"


class Draft:
    """The rows of one run until they count, all at once, by `commit`; get it from `Log.begin`.

    Leaving the context without a commit deletes what was staged, unless the commit may count.
    """

    def __init__(
        self,
        lake: Lake,
        log: Log,
        head: Head,
        kind: str,
        window: Mapping[str, Any],
        since: int | None,
        filters: Mapping[str, Any],
    ) -> None:
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
        self._since = since
        self._filters = filters
        self._started_at = lake.now()
        self._state = _State.OPEN
        self._broken = False
        self._staging = log.paths.staging(self.token)
        self._files_begun = 0
        self._writer = PartitionWriter(lake.settings, self._new_file)
        self._removed: list[str] = []
        self._read = NewestVersions(KEYS_LIMIT, since)
        self._seen = DigestSet()
        self._known = DigestSet()
        self._known.add_rows(head.position.keys["key"], head.position.keys["version"])
        self._known_read = 0
        self._dropped = DigestSet()
        self._landed = LandedVersions(lake.storage, log.paths) if self._must_look_into_files() else None

    def _must_look_into_files(self) -> bool:
        """Whether the position's keys may leave out versions that this run can read."""
        position = self._head.position
        if self._head.record is None or self._kind == "compaction":
            return False
        if self._kind == "backfill" or position.watermark is None or position.keys_from is None:
            return True
        return self._since is None or self._since < position.keys_from or self._filters != position.filters

    def __enter__(self) -> Draft:
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

    # Step 3 -------------------------------------------------------------------------------------

    def select_new(self, versions: Sequence[tuple[str, str]]) -> list[bool]:
        """For each version (key, version) read, whether its rows are still to be mapped and written.

        False: landed or rejected before, as far as the position tells, or met before in this run. Every
        version that the run reads must pass through here, since the next run's knowledge comes from it.
        """
        self._check_open()
        answers, first_met = [], []
        for key, version in versions:
            value = digest(key, version)
            if not self._seen.add(value):
                answers.append(False)
                continue
            first_met.append((key, version))
            answers.append(value not in self._known)
            self._known_read += not answers[-1]
        self._read.add(first_met)
        if self._read.strays and self._landed is None and self._head.record is not None:
            # The position's keys begin where this run reads: only the files know of what is older.
            self._landed = LandedVersions(self._storage, self._paths)
        return answers

    def write(self, dataset: str, table: pa.Table) -> None:
        """Stage rows of a dataset, for the partitions of their `@timestamp`.

        Rows of versions that the log's files already hold are dropped, where the position alone cannot tell.
        Raises `ValueError` where a row has no `@timestamp`, and what the store raises.
        """
        with self._all_or_nothing():
            for folder, rows in partitions(check_dataset(dataset), table):
                if self._landed is not None:
                    rows = self._without(rows, DATA_COLUMNS, self._landed.in_partition(folder))
                self._writer.write(folder, rows)

    def quarantine(self, rejects: pa.Table) -> None:
        """Stage records that could not be mapped; columns `key` and `version` say which versions they are."""
        with self._all_or_nothing():
            if self._landed is not None and rejects.num_rows:
                rejects = self._without(rejects, REJECT_COLUMNS, self._landed.in_quarantine())
            self._writer.write(f"{self._paths.quarantine}/date={self._started_at:%Y-%m-%d}", rejects)

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

    def _without(self, rows: pa.Table, columns: list[str], landed: DigestSet) -> pa.Table:
        if not len(landed):
            return rows
        versions = row_versions(rows, columns)
        found = landed.found(versions)
        if not found.true_count:
            return rows
        self._dropped.add_texts(versions.filter(found))
        return rows.filter(pc.invert(found))

    def _new_file(self, folder: str) -> tuple[str, WholeFile]:
        self._files_begun += 1
        path = self._paths.data_file(folder, self.token, self._files_begun)
        return path, self._storage.new_file(self._staged(path))

    def _staged(self, path: str) -> str:
        return f"{self._staging}/{self._paths.staged_name(path)}"

    # Steps 4 to 6 -------------------------------------------------------------------------------

    def commit(self, advance: Watermark | None = None) -> Record | None:
        """Make all that was written count, at once; None where there was nothing to say.

        `advance` is for drains that read their source to the end; without it the watermark stays.
        Raises `CommitConflict`, `DraftTooOld`, `CommitStateUnknown`, `NotShown`, `RecordUnreadable`, and
        what the store raises.
        """
        if advance is not None and self._kind != "drain":
            raise ValueError(f"a {self._kind} leaves the watermark where it is")
        with self._all_or_nothing():
            record = self._commit(self._change(advance))
        if record is not None:
            self._show(record)
        return record

    def _commit(self, change: RestChange) -> Record | None:
        """Create the record, wherever the log stands by now; None where there was nothing to say."""
        files = self._writer.finish()
        number, before = self._head.number, self._head.position
        while True:
            after = change.apply(before, rebased=number > self._head.number)
            if not files and not self._removed and not after.moved_from(before):
                self._discard()
                return None
            record = self._record(number + 1, files, after)
            if files:
                self._storage.sync_folder(self._staging)
            other = self._create(record)
            if other is None:
                self._state = _State.CLOSED
                return record
            self._log.finish(other)
            files, number, before = self._rebase(other, files, before), other.number, _position(other)

    def _change(self, advance: Watermark | None) -> RestChange:
        read, complete_from = self._read.result()
        return RestChange(read, complete_from, self._since, advance, self._filters)

    def _record(self, number: int, files: list[DataFile], position: RestPosition) -> Record:
        rejects = tuple(file for file in files if file.path.startswith(self._paths.quarantine))
        added = tuple(file for file in files if file not in rejects)
        known = self._known_read + len(self._dropped)
        rejected = sum(file.rows for file in rejects)
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
            counts={
                "read": len(self._seen),
                "known": known,
                "landed": max(0, len(self._seen) - known - rejected),
                "rejected": rejected,
                "rows": sum(file.rows for file in added),
            },
            position=position,
        )

    def _create(self, record: Record) -> Record | None:
        """Create the record. None: it counts. Otherwise the one that another run has created instead."""
        path, body = self._paths.record(record.number), record.dump()
        failure: Exception | None = None
        for wait in (0.0, *self._lake.retry_waits):
            if failure is not None:
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

    def _outcome(self, number: int, failure: Exception | None) -> Record | None:
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

    def _unknown(self, number: int) -> CommitStateUnknown:
        return CommitStateUnknown(
            f"it is not known whether commit {number} of {self._log.name} counts: run again, the next run "
            "takes it as it finds it and neither loses nor doubles a row; nothing was deleted"
        )

    def _rebase(self, other: Record, files: list[DataFile], before: RestPosition) -> list[DataFile]:
        """What is left of this run's files after another run's commit; raises `CommitConflict`."""
        if self._kind == "compaction":
            gone = set(self._removed) & set(other.removed)
            if gone:
                raise CommitConflict(
                    f"commit {other.number} of {self._log.name} replaced {len(gone)} of the files that this "
                    "run was about to replace: run the compaction again"
                )
            return files
        if self._kind == "drain" and _position(other).moved_from(before):
            raise CommitConflict(
                f"another run ({other.kind}, commit {other.number}) moved {self._log.name} while this one "
                "was reading: nothing of this run has landed, and the next one goes on from there. Let one "
                "scheduled run work at a time (max_active_runs=1)"
            )
        if other.kind == "compaction":
            return files
        landed = versions_in(self._storage, (file.path for file in other.added), DATA_COLUMNS)
        landed.update(versions_in(self._storage, (file.path for file in other.rejects), REJECT_COLUMNS))
        kept = (self._rewritten(file, landed) for file in files)
        return [file for parts in kept for file in parts]

    def _rewritten(self, file: DataFile, landed: DigestSet) -> list[DataFile]:
        """A staged file without the rows of some versions: itself if it has none of them."""
        columns = REJECT_COLUMNS if file.path.startswith(self._paths.quarantine) else DATA_COLUMNS
        mine = versions_in(self._storage, [self._staged(file.path)], columns)
        if mine.isdisjoint(landed):
            return [file]
        folder = file.path.rpartition("/")[0]
        with self._storage.open_input(self._staged(file.path)) as source, pq.ParquetFile(source) as parquet:
            for batch in parquet.iter_batches(batch_size=8 * 1024):
                rows = self._without(pa.Table.from_batches([batch]), columns, landed)
                self._writer.write(folder, rows)
        self._storage.delete(self._staged(file.path))
        return self._writer.finish()

    def _show(self, record: Record) -> None:
        try:
            self._log.finish(record)
        except Exception as error:
            raise NotShown(
                f"commit {record.number} of {self._log.name} counts, but its files could not all be moved to "
                f"their places ({error!r}): the next run does that first, and nothing has to be read again"
            ) from error
        self._log.tidy(record)


def _position(record: Record) -> RestPosition:
    return RestPosition() if record.position is None else record.position
