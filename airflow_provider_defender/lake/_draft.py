"""A commit under way of a REST source: what is landed is known by version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.lake._draft_base import DraftBase
from airflow_provider_defender.lake._errors import CommitConflict
from airflow_provider_defender.lake._keys import DigestSet, NewestVersions, digest
from airflow_provider_defender.lake._landed import (
    DATA_COLUMNS,
    REJECT_COLUMNS,
    LandedVersions,
    row_versions,
    versions_in,
)
from airflow_provider_defender.lake._log import Head, Log
from airflow_provider_defender.lake._position import KEYS_LIMIT, RestChange, RestPosition, Watermark
from airflow_provider_defender.lake._record import DataFile, Record

if TYPE_CHECKING:
    from airflow_provider_defender.lake._lake import Lake

__all__ = ["Draft"]


class Draft(DraftBase[RestPosition]):
    """The rows of one run until they count, all at once, by `commit`; get it from `Log.begin`.

    Leaving the context without a commit deletes what was staged, unless the commit may count.
    """

    def __init__(
        self,
        lake: Lake,
        log: Log[RestPosition],
        head: Head[RestPosition],
        kind: str,
        window: Mapping[str, Any],
        since: int | None,
        filters: Mapping[str, Any],
    ) -> None:
        super().__init__(lake, log, head, kind, window)
        self._since = since
        self._filters = filters
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

    def commit(self, advance: Watermark | None = None) -> Record | None:
        """Make all that was written count, at once; None where there was nothing to say.

        `advance` is for drains that read their source to the end; without it the watermark stays.
        Raises `CommitConflict`, `DraftTooOld`, `CommitStateUnknown`, `NotShown`, `RecordUnreadable`, and
        what the store raises.
        """
        if advance is not None and self._kind != "drain":
            raise ValueError(f"a {self._kind} leaves the watermark where it is")
        read, complete_from = self._read.result()
        return self._commit_and_show(RestChange(read, complete_from, self._since, advance, self._filters))

    def _counts(self, rows: int, rejected: int) -> dict[str, int]:
        known = self._known_read + len(self._dropped)
        return {
            "read": len(self._seen),
            "known": known,
            "landed": max(0, len(self._seen) - known - rejected),
            "rejected": rejected,
            "rows": rows,
        }

    def _new_rows(self, folder: str, rows: pa.Table) -> pa.Table:
        return (
            rows
            if self._landed is None
            else self._without(rows, DATA_COLUMNS, self._landed.in_partition(folder))
        )

    def _new_rejects(self, rejects: pa.Table) -> pa.Table:
        if self._landed is None or not rejects.num_rows:
            return rejects
        return self._without(rejects, REJECT_COLUMNS, self._landed.in_quarantine())

    def _without(self, rows: pa.Table, columns: list[str], landed: DigestSet) -> pa.Table:
        if not len(landed):
            return rows
        versions = row_versions(rows, columns)
        found = landed.found(versions)
        if not found.true_count:
            return rows
        self._dropped.add_texts(versions.filter(found))
        return rows.filter(pc.invert(found))

    def _check_conflict(self, other: Record, before: RestPosition) -> None:
        if self._kind == "drain" and self._log.position(other).moved_from(before):
            raise CommitConflict(
                f"another run ({other.kind}, commit {other.number}) moved {self._log.name} while this one "
                "was reading: nothing of this run has landed, and the next one goes on from there. Let one "
                "scheduled run work at a time (max_active_runs=1)"
            )

    def _without_landed_by(
        self, other: Record, before: RestPosition, files: list[DataFile]
    ) -> list[DataFile]:
        landed = versions_in(self._storage, (file.path for file in other.added), DATA_COLUMNS)
        landed.update(versions_in(self._storage, (file.path for file in other.rejects), REJECT_COLUMNS))
        kept = (self._without_versions(file, landed) for file in files)
        return [file for parts in kept for file in parts]

    def _without_versions(self, file: DataFile, landed: DigestSet) -> list[DataFile]:
        columns = REJECT_COLUMNS if self._is_quarantine(file.path) else DATA_COLUMNS
        mine = versions_in(self._storage, [self._staged(file.path)], columns)
        if mine.isdisjoint(landed):
            return [file]
        return self._rewritten(file, lambda rows: self._without(rows, columns, landed))
