"""Where a hub stands after a commit: for each partition, which offsets have been dealt with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_defender.lake._errors import PositionTooLarge
from airflow_provider_defender.lake._ranges import Ranges, common, union, without

__all__ = ["PIECES_LIMIT", "Covered", "HubChange", "HubPosition", "PartitionPosition"]

PIECES_LIMIT = 5_000
"""Most separate ranges that backfills may leave covered in one partition.

Windows that touch become one range, so that a hub with 90 days of retention, the longest there is, has 1,080
ranges if every other hour of it was backfilled.
"""


@dataclass(frozen=True)
class PartitionPosition:
    """Where one partition stands. All ranges are `(start, end)` of offsets, the end exclusive.

    `next`: the offset from which on the next live drain reads, None before the first one.
    `covered`: what live drains and backfills have read, landed or put into quarantine.
    `lost`: what the hub had deleted before it was read.
    `damaged`: what the hub still had, but could not be read.
    """

    next: int | None = None
    covered: Ranges = ()
    lost: Ranges = ()
    damaged: Ranges = ()

    def missing(self, start: int, end: int) -> Ranges:
        """The offsets from `start` up to, not including, `end` not covered, lost or damaged."""
        return without(self.unread(start, end), self.damaged)

    def unread(self, start: int, end: int) -> Ranges:
        """The same, with those that are damaged: they may be readable by now."""
        return without(union([(start, max(start, end))]), union(self.covered, self.lost))


@dataclass(frozen=True)
class HubPosition:
    """Where a hub stands: its partitions that any run has dealt with, by number."""

    partitions: Mapping[int, PartitionPosition] = field(default_factory=dict)

    def partition(self, partition: int) -> PartitionPosition:
        """Where a partition stands, whether the log has met it or not."""
        return self.partitions.get(partition, PartitionPosition())

    def next(self, partition: int) -> int | None:
        """The offset from which on the partition's next live drain reads, None before its first one."""
        return self.partition(partition).next

    def missing(self, partition: int, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges from offset `start` up to, not including, `end` not covered, lost or damaged."""
        return list(self.partition(partition).missing(start, end))

    def unread(self, partition: int, start: int, end: int) -> list[tuple[int, int]]:
        """The same, with those that are damaged: they may be readable by now."""
        return list(self.partition(partition).unread(start, end))

    def moved_from(self, before: HubPosition) -> bool:
        """Whether this position says anything else than `before`."""
        return dict(self.partitions) != dict(before.partitions)

    def covered_since(self, before: HubPosition, partition: int) -> Ranges:
        """What commits after `before` have covered in a partition."""
        return without(self.partition(partition).covered, before.partition(partition).covered)

    def dump(self) -> dict[str, Any]:
        """The position as JSON values."""
        return {
            "type": "hub",
            "partitions": {
                str(partition): {
                    "next": each.next,
                    "covered": each.covered,
                    "lost": each.lost,
                    **({"damaged": each.damaged} if each.damaged else {}),
                }
                for partition, each in sorted(self.partitions.items())
            },
        }

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> HubPosition:
        """The position from JSON values; raises `KeyError`, `TypeError`, `ValueError` where they are none."""
        return cls(
            {
                int(partition): PartitionPosition(
                    next=each["next"],
                    covered=_parse_ranges(each["covered"]),
                    lost=_parse_ranges(each["lost"]),
                    damaged=_parse_ranges(each.get("damaged", ())),
                )
                for partition, each in dict(values["partitions"]).items()
            }
        )


def _parse_ranges(values: Iterable[Sequence[int]]) -> Ranges:
    return union((start, end) for start, end in values)


@dataclass(frozen=True)
class Covered:
    """What one run did in one partition. All ranges are `(start, end)` of offsets, the end exclusive.

    `read`: the ranges whose every offset it has written, put into quarantine, passed over as a repeat, or
    found to hold no message. `next`: where the next live drain goes on, None for backfills, and for drains
    that leave it where it is. `lost`: what the hub had deleted before it could be read. `damaged`: what it
    still had, but could not be read.
    """

    read: Sequence[tuple[int, int]] = ()
    next: int | None = None
    lost: Sequence[tuple[int, int]] = ()
    damaged: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class HubChange:
    """What one run adds to the position of its hub, whatever that is by the time of its commit.

    `partitions`: what it did in each partition. `counts`: what the lake cannot count by itself, for the
    record: `read` (messages) and `repeats` (rows dropped since the drain had met them before).
    """

    partitions: Mapping[int, Covered] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def read(self, partition: int) -> Ranges:
        """The offsets that the run has read in a partition."""
        covered = self.partitions.get(partition)
        return () if covered is None else union(covered.read)

    def moves(self, position: HubPosition) -> set[int]:
        """The partitions whose live drain it moves forward from `position`."""
        return {
            partition
            for partition, covered in self.partitions.items()
            if covered.next is not None and _later(position.next(partition), covered.next)
        }

    def check(self, position: HubPosition, kind: str) -> None:
        """Raise `ValueError` where the run cannot have read such ranges from `position`, its head's.

        That is: offsets that were covered before; or a live drain that would pass over offsets which are
        not covered, lost or damaged, and so lose them.
        """
        for partition, covered in self.partitions.items():
            before = position.partition(partition)
            again = common(self.read(partition), before.covered)
            if again:
                raise ValueError(f"partition {partition}: {_text(again)} was covered when this run began")
            if covered.next is None:
                continue
            if kind != "drain":
                raise ValueError(f"a {kind} leaves the next offset of a live drain where it is")
            start = before.next
            if start is None:
                known = union(covered.read, covered.lost, covered.damaged)
                start = min((begin for begin, _ in known), default=covered.next)
            passed = _changed(before, covered).missing(start, covered.next)
            if passed:
                raise ValueError(
                    f"partition {partition}: the live drain would pass over {_text(passed)}, not covered, "
                    "lost or damaged"
                )

    def check_size(self, position: HubPosition) -> None:
        """Raise `PositionTooLarge` where a backfill would leave too many separate ranges."""
        for partition, covered in self.partitions.items():
            before = position.partition(partition)
            pieces = len(_changed(before, covered).covered)
            if pieces > max(PIECES_LIMIT, len(before.covered)):
                raise PositionTooLarge(
                    f"partition {partition} would have {pieces} separate ranges of offsets from backfills: "
                    "backfill the time between them, too, which joins them"
                )

    def apply(self, position: HubPosition, *, rebased: bool) -> HubPosition:
        """The position after this change; it does not matter whether other commits came in between."""
        after = dict(position.partitions)
        for partition, covered in self.partitions.items():
            changed = _changed(position.partition(partition), covered)
            if changed != PartitionPosition():
                after[partition] = changed
        return HubPosition(after)


def _changed(before: PartitionPosition, change: Covered) -> PartitionPosition:
    """What one run saw last before it was deleted is covered, whatever the others say."""
    covered = union(before.covered, change.read)
    lost = without(union(before.lost, change.lost), covered)
    return PartitionPosition(
        next=change.next if _later(before.next, change.next) else before.next,
        covered=covered,
        lost=lost,
        damaged=without(union(before.damaged, change.damaged), union(covered, lost)),
    )


def _later(before: int | None, after: int | None) -> bool:
    return after is not None and (before is None or after > before)


def _text(ranges: Ranges) -> str:
    start, end = ranges[0]
    more = f" and {len(ranges) - 1} more ranges" if len(ranges) > 1 else ""
    return f"offsets {start} to {end - 1}{more}"
