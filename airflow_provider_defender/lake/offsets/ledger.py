"""The ledger of hubs, which knows the landed offsets of messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from airflow_provider_defender.lake.errors import CommitConflict
from airflow_provider_defender.lake.log.commit import MAINTENANCE, Commit, DataFile
from airflow_provider_defender.lake.log.layout import LogPaths
from airflow_provider_defender.lake.log.ledger import Ledger, Scope
from airflow_provider_defender.lake.offsets.columns import OffsetSpans, rows_outside
from airflow_provider_defender.lake.offsets.position import OffsetsChange, OffsetsPosition
from airflow_provider_defender.lake.offsets.ranges import Ranges, common, holds
from airflow_provider_defender.landing import OFFSET_COLUMNS, REJECT_OFFSET_COLUMNS

__all__ = ["OffsetsLedger"]


class OffsetsLedger(Ledger[OffsetsPosition, OffsetsChange]):
    """The ledger of one run of a hub; rows and rejects name the hub partition and offset of their message.

    A run reads only what is missing in the position, so everything that it writes is new.
    """

    _scope: Scope[OffsetsPosition]

    def __init__(self) -> None:
        self._change = OffsetsChange()
        self._spans = OffsetSpans()
        self._is_open = False

    def open(self, scope: Scope[OffsetsPosition]) -> None:
        """Begin. Raises `ValueError` if the ledger has served a transaction before."""
        if self._is_open:
            raise ValueError("a ledger serves one transaction only: make a new one")
        self._is_open = True
        self._scope = scope

    def select_new(
        self, versions: Iterable[tuple[str, str]], ticks: Sequence[int | None] | None = None
    ) -> list[bool]:
        """True for all: offsets show what is new before it is read."""
        return [True for _ in versions]

    def unlanded(self, folder: str, rows: pa.Table) -> pa.Table:
        """All of the rows."""
        return rows

    def note(self, path: str, rows: pa.Table) -> None:
        """Register which offsets are in which file."""
        self._spans.add(path, _columns(self._scope.paths, path), rows)

    def described(self, file: DataFile) -> DataFile:
        """The file with the offsets of its rows. Raises `ValueError` if the run has not read them."""
        file = replace(file, offsets=self._spans.pop(file.path))
        if self._scope.kind not in MAINTENANCE:
            self._check_read(file)
        return file

    def _check_read(self, file: DataFile) -> None:
        """Raise `ValueError` for rows that the commit does not cover: they would land again."""
        for partition, span in (file.offsets or {}).items():
            read = self._change.read(partition)
            for offset in span:
                if not holds(read, offset):
                    raise ValueError(f"partition {partition}: a row of offset {offset}, which was not read")

    def change(self, change: OffsetsChange | None) -> OffsetsChange:
        """What the run adds to the position, checked: the offsets that it has processed.

        Raises `ValueError` if that contradicts the head that the run began with; `PositionTooLarge`.
        """
        self._change = change = change or OffsetsChange()
        kind, position = self._scope.kind, self._scope.head.position
        if kind in MAINTENANCE and change.partitions:
            raise ValueError(f"a {kind} covers no offsets")
        change.check(position, kind)
        if kind == "backfill":
            change.check_size(position)
        return change

    def counts(self, rows: int, rejected: int) -> dict[str, int]:
        """Messages read and duplicates dropped, rows landed and records rejected."""
        return {"read": 0, "duplicates": 0, **self._change.counts, "rows": rows, "rejected": rejected}

    def check_conflict(
        self, other: Commit[OffsetsPosition], before: OffsetsPosition, after: OffsetsPosition
    ) -> None:
        """Raise `CommitConflict` if `other` has advanced the live drain of a hub partition of this run."""
        moves = self._change.moves(self._scope.head.position)
        moved = sorted(each for each in moves if after.next(each) != before.next(each))
        if moved:
            raise CommitConflict(
                f"another run (commit {other.number}) moved the live drain of {self._scope.log} in "
                f"partitions {', '.join(map(str, moved))} while this one was reading them: nothing of this "
                "run has landed, and the next one continues from there. Let only one scheduled run at a time "
                "read a partition (max_active_runs=1)"
            )

    def landed_by(
        self, other: Commit[OffsetsPosition], before: OffsetsPosition, after: OffsetsPosition
    ) -> _LandedOffsets:
        """What `other` has landed, by the ranges that it covers."""
        ranges = {
            partition: both
            for partition in self._change.partitions
            if (both := common(self._change.read(partition), after.covered_since(before, partition)))
        }
        return _LandedOffsets(self._scope.paths, ranges)


@dataclass(frozen=True)
class _LandedOffsets:
    """The offsets that another run's commit has landed."""

    paths: LogPaths
    ranges: Mapping[int, Ranges]

    def meets(self, file: DataFile, staged: str) -> bool:
        """Whether any of the offsets lies between the first and last one of a file."""
        return any(
            common(self.ranges.get(partition, ()), ((first, last + 1),))
            for partition, (first, last) in (file.offsets or {}).items()
        )

    def remaining(self, path: str, rows: pa.Table) -> pa.Table:
        """The rows whose offsets the other commit has not landed."""
        return rows_outside(rows, _columns(self.paths, path), self.ranges)


def _columns(paths: LogPaths, path: str) -> tuple[str, str]:
    return REJECT_OFFSET_COLUMNS if paths.is_reject(path) else OFFSET_COLUMNS
