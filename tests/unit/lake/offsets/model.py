"""A hub whose messages come and go, and the runs that read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa

from airflow_provider_defender.lake import (
    Commit,
    Covered,
    Lake,
    OffsetsChange,
    OffsetsLedger,
    OffsetsPosition,
    Transaction,
)
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.offsets.support import HUB, Ranges, events, hub_rejects, open_hub
from tests.unit.lake.support import Clock
from tests.unit.lake.world import World

_TABLES = ("DeviceInfo", "EmailEvents")


@dataclass
class Partition:
    """The offsets that are there: from `low` up to, not including, `high`."""

    low: int = 0
    high: int = 0


def is_gap(offset: int) -> bool:
    """Some offsets hold no message, or one that a drain drops as a repeat."""
    return offset % 7 == 3


def is_broken(offset: int) -> bool:
    """Some messages cannot be mapped."""
    return offset % 5 == 4


class HubWorld(World):
    """The hub, its log and the runs under way."""

    log_name = HUB
    datasets = "events"
    partitioning = Partitioning.HOUR
    open_log = staticmethod(open_hub)
    new_ledger = OffsetsLedger

    def __init__(self, new_lake: Callable[[Clock], Lake]) -> None:
        super().__init__(new_lake)
        self.hub = {0: Partition(high=9), 1: Partition(low=3, high=12)}

    def enqueue(self, partition: int, count: int) -> None:
        """Messages come; partitions may be added."""
        self.hub.setdefault(partition, Partition()).high += count

    def delete_old(self, partition: int, count: int) -> None:
        """Retention passes over messages, read or not."""
        there = self.hub[partition % len(self.hub)]
        there.low = min(there.low + count, there.high)

    def a_day_passes(self, number: int) -> None:
        self.enqueue(0, 4)
        self._finish("live", self.live(sorted(self.hub), most=4))
        self.pass_time(timedelta(hours=26))

    # Runs ---------------------------------------------------------------------------------------

    def live(self, partitions: Sequence[int], most: int = 1_000) -> Callable[[Lake], Any]:
        """A live drain of some partitions that reads at most so many offsets of each."""

        def work(lake: Lake) -> Commit[OffsetsPosition] | None:
            log = open_hub(lake)
            head = log.head()
            ends = {partition: self.hub[partition].high for partition in partitions if partition in self.hub}
            changes = {}
            with log.begin(head, OffsetsLedger(), kind="drain") as transaction:
                for partition, end in ends.items():
                    lake.storage.pause()  # type: ignore[attr-defined]
                    start = head.position.next(partition)
                    start = self.hub[partition].low if start is None else start
                    stop = min(end, start + most)
                    wanted = head.position.missing(partition, start, stop)
                    read, lost = self._read(transaction, partition, wanted)
                    changes[partition] = Covered(read, max(start, stop), lost)
                return transaction.commit(OffsetsChange(changes))

        return work

    def backfill(self, partitions: Sequence[int], start: int, end: int) -> Callable[[Lake], Any]:
        """What is there and missing of a range of offsets."""

        def work(lake: Lake) -> Commit[OffsetsPosition] | None:
            log = open_hub(lake)
            head = log.head()
            changes = {}
            with log.begin(
                head, OffsetsLedger(), kind="backfill", window={"offsets": [start, end]}
            ) as transaction:
                for partition in partitions:
                    lake.storage.pause()  # type: ignore[attr-defined]
                    there = self.hub.get(partition, Partition())
                    first, last = max(start, there.low), min(end, there.high)
                    read, _ = self._read(
                        transaction, partition, head.position.missing(partition, first, last)
                    )
                    changes[partition] = Covered(read)
                return transaction.commit(OffsetsChange(changes))

        return work

    def _read(
        self, transaction: Transaction[OffsetsPosition, OffsetsChange], partition: int, wanted: Ranges
    ) -> tuple[Ranges, Ranges]:
        """Read and stage what is still there; the ranges read and those lost."""
        low = self.hub[partition].low if partition in self.hub else 0
        read = [(max(start, low), end) for start, end in wanted if end > low]
        lost = [(start, min(end, low)) for start, end in wanted if start < low]
        offsets = [offset for start, end in read for offset in range(start, end) if not is_gap(offset)]
        good = [(partition, offset) for offset in offsets if not is_broken(offset)]
        for number, table in enumerate(_TABLES):
            rows = [row for row in good if row[1] % len(_TABLES) == number]
            if rows:
                transaction.write(f"events/{table}", events(rows), Partitioning.HOUR)
        bad = [(partition, offset) for offset in offsets if is_broken(offset)]
        if bad:
            transaction.quarantine(hub_rejects(bad))
        return read, lost

    def rivals(self) -> tuple[Callable[[Lake], Any], Callable[[Lake], Any]]:
        """Two mapped tasks."""
        for partition in (0, 1):
            self.enqueue(partition, 4)
        return self.live([0]), self.live([1])

    # What must hold -----------------------------------------------------------------------------

    def check(self) -> None:
        """Each offset that is covered is in one committed file or in quarantine, and the others in none."""
        records = self._records()
        self.check_files(records)
        positions = [OffsetsPosition.parse(record["position"]) for record in records if record["position"]]
        for before, after in pairwise(positions):
            _check_step(before, after)
        if not positions:
            return
        landed: dict[int, set[int]] = {}
        for partition, offset in self._landed():
            landed.setdefault(partition, set()).add(offset)
        retired = self.retired(records)
        for partition, stands in positions[-1].partitions.items():
            covered, lost = _offsets(stands.covered), _offsets(stands.lost)
            assert not covered & lost, "offsets both covered and lost"
            expected = {
                offset for offset in covered if not is_gap(offset) and (partition, offset) not in retired
            }
            assert landed.pop(partition, set()) == expected, f"partition {partition}: covered is not landed"
            assert all(offset < self.hub[partition].low for offset in lost), "lost, but there"
            passed = set(range(stands.next or 0)) - covered - lost
            assert all(offset < self.hub[partition].low for offset in passed), "passed over, but there"
        assert not landed, "rows of partitions that the position does not know"
        self._check_offsets(records)

    def _check_offsets(self, records: list[dict[str, Any]]) -> None:
        """The records tell which offsets stand in which file."""
        for record in records:
            for file in record["added"] + record["rejects"]:
                if file["path"] in self._rows:
                    rows = self._rows[file["path"]]
                    spans: dict[str, list[int]] = {}
                    for partition, offset in sorted(rows):
                        first, _ = spans.setdefault(str(partition), [offset, offset])
                        spans[str(partition)] = [first, offset]
                    assert file["offsets"] == spans

    def check_end(self) -> None:
        everywhere = sorted(self.hub)
        before = set(self._landed())
        self._finish("live", self.live(everywhere))
        self._finish("backfill", self.backfill(everywhere, 0, 10_000))
        self.check()
        there = {
            (partition, offset)
            for partition, each in self.hub.items()
            for offset in range(each.low, each.high)
            if not is_gap(offset)
        }
        assert set(self._landed()) == before | (there - self.retired(self._records()))
        assert self._finish("repeat", self.backfill(everywhere, 0, 10_000)) is None, "the same backfill added"
        assert self._finish("repeat", self.live(everywhere)) is None, "a drain without news wrote a record"

    def identities(self, table: pa.Table) -> list[tuple[Any, ...]]:
        if "landing" in table.column_names:
            kafka = [landing["kafka"] for landing in table["landing"].to_pylist()]
            return [(each["partition"], each["offset"]) for each in kafka]
        return list(zip(table["partition"].to_pylist(), table["offset"].to_pylist(), strict=True))


def _check_step(before: OffsetsPosition, after: OffsetsPosition) -> None:
    for partition, stood in before.partitions.items():
        stands = after.partition(partition)
        assert stood.next is None or (stands.next or 0) >= stood.next, "a live drain went back"
        assert _offsets(stood.covered) <= _offsets(stands.covered), "covered offsets were forgotten"
        known = _offsets(stands.covered) | _offsets(stands.lost)
        assert _offsets(stood.lost) <= known, "lost offsets were forgotten"
        ends = [end for _, end in stands.covered]
        assert all(end < start for end, (start, _) in zip(ends, stands.covered[1:], strict=False)), (
            "not joined"
        )


def _offsets(ranges: Ranges) -> set[int]:
    return {offset for start, end in ranges for offset in range(start, end)}
