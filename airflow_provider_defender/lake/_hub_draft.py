"""A commit under way of a hub: what is landed is known by partition and offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_defender.lake._draft_base import DraftBase
from airflow_provider_defender.lake._errors import CommitConflict
from airflow_provider_defender.lake._hub import HubChange, HubPosition
from airflow_provider_defender.lake._log import Head, Log
from airflow_provider_defender.lake._offsets import DATA_COLUMNS, REJECT_COLUMNS, OffsetSpans, rows_outside
from airflow_provider_defender.lake._ranges import Ranges, common, holds
from airflow_provider_defender.lake._record import DataFile, Record

if TYPE_CHECKING:
    from airflow_provider_defender.lake._lake import Lake

__all__ = ["HubDraft"]


class HubDraft(DraftBase[HubPosition]):
    """The rows of one run of a hub until they count, all at once, by `commit`; get it from `Log.begin`.

    All rows have `landing.kafka.partition` and `landing.kafka.offset`, all rejects `partition` and `offset`.
    Leaving the context without a commit deletes what was staged, unless the commit may count.
    """

    def __init__(
        self, lake: Lake, log: Log[HubPosition], head: Head[HubPosition], kind: str, window: Mapping[str, Any]
    ) -> None:
        super().__init__(lake, log, head, kind, window)
        self._change = HubChange()
        self._newest_path: dict[str, str] = {}
        self._spans = OffsetSpans()

    def commit(self, change: HubChange | None = None) -> Record[HubPosition] | None:
        """Make all that was written count, at once; None where there was nothing to say.

        `change` says which offsets the run has dealt with; a compaction has none. Raises `ValueError` where
        it contradicts the head that the run began with or the rows that it wrote; `CommitConflict`,
        `PositionTooLarge`, `DraftTooOld`, `CommitStateUnknown`, `NotShown`, `RecordUnreadable`, and what the
        store raises.
        """
        self._change = change = change or HubChange()
        if self._kind == "compaction" and change.partitions:
            raise ValueError("a compaction covers no offsets")
        change.check(self._head.position, self._kind)
        if self._kind == "backfill":
            change.check_size(self._head.position)
        return self._commit_and_show(change)

    def _counts(self, rows: int, rejected: int) -> dict[str, int]:
        return {"read": 0, "repeats": 0, **self._change.counts, "rows": rows, "rejected": rejected}

    # Which offsets stand in which file ----------------------------------------------------------

    def _new_path(self, folder: str) -> str:
        path = self._newest_path[folder] = super()._new_path(folder)
        return path

    def _stage(self, folder: str, rows: pa.Table) -> None:
        super()._stage(folder, rows)
        if rows.num_rows:
            path = self._newest_path[folder]
            self._spans.add(path, self._columns(path), rows)

    def _staged_files(self) -> list[DataFile]:
        files = [replace(file, offsets=self._spans.pop(file.path)) for file in super()._staged_files()]
        if self._kind != "compaction":
            for file in files:
                self._check_read(file)
        return files

    def _check_read(self, file: DataFile) -> None:
        """Rows that no commit covers would land once more."""
        for partition, span in (file.offsets or {}).items():
            read = self._change.read(partition)
            for offset in span:
                if not holds(read, offset):
                    raise ValueError(f"partition {partition}: a row of offset {offset}, which was not read")

    def _columns(self, path: str) -> tuple[str, str]:
        return REJECT_COLUMNS if self._is_quarantine(path) else DATA_COLUMNS

    # Other runs' commits ------------------------------------------------------------------------

    def _check_conflict(self, other: Record[HubPosition], before: HubPosition) -> None:
        position = self._log.position(other)
        moved = [
            each
            for each in self._change.moves(self._head.position)
            if position.next(each) != before.next(each)
        ]
        if moved:
            raise CommitConflict(
                f"another run (commit {other.number}) moved the live drain of {self._log.name} in partitions "
                f"{', '.join(map(str, sorted(moved)))} while this one was reading them: nothing of this run "
                "has landed, and the next one goes on from there. Let one scheduled run at a time read a "
                "partition (max_active_runs=1)"
            )

    def _without_landed_by(
        self, other: Record[HubPosition], before: HubPosition, files: list[DataFile]
    ) -> list[DataFile]:
        position = self._log.position(other)
        landed = {
            partition: both
            for partition in self._change.partitions
            if (both := common(self._change.read(partition), position.covered_since(before, partition)))
        }
        kept = (self._without_offsets(file, landed) for file in files)
        return [file for parts in kept for file in parts]

    def _without_offsets(self, file: DataFile, landed: Mapping[int, Ranges]) -> list[DataFile]:
        spans = (file.offsets or {}).items()
        if not any(
            common(landed.get(partition, ()), ((first, last + 1),)) for partition, (first, last) in spans
        ):
            return [file]
        columns = self._columns(file.path)
        return self._rewritten(file, lambda rows: rows_outside(rows, columns, landed))
