"""Where a hub stands after a commit: the offsets processed so far, for each hub partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from airflow_provider_defender.lake.errors import PositionTooLarge
from airflow_provider_defender.lake.log.position import registered
from airflow_provider_defender.lake.offsets.ranges import Ranges, common, union, without

__all__ = ["PIECES_LIMIT", "Covered", "HubPartitionPosition", "OffsetsChange", "OffsetsPosition"]

PIECES_LIMIT = 5_000
"""The most separate ranges that backfills may leave covered in one hub partition.

Adjacent windows become one range. So a hub with 90 days of retention, the maximum, has 1,080 ranges if every
other hour of it was backfilled.
"""


class _Partition(msgspec.Struct):
    next: int | None
    covered: list[tuple[int, int]]
    lost: list[tuple[int, int]]
    damaged: list[tuple[int, int]] = []


class _Shape(msgspec.Struct):
    """The types of the values of such a position in a commit."""

    partitions: dict[str, _Partition]


@dataclass(frozen=True)
class HubPartitionPosition:
    """Where one hub partition stands. All ranges are `(start, end)` of offsets, the end exclusive.

    Attributes:
        next: the offset at which the next live drain begins; None before the first one.
        covered: offsets that live drains and backfills have read and landed or put into quarantine.
        lost: offsets that the hub had deleted before they were read.
        damaged: offsets that the hub still had, but that could not be read.
    """

    next: int | None = None
    covered: Ranges = ()
    lost: Ranges = ()
    damaged: Ranges = ()

    def missing(self, start: int, end: int) -> Ranges:
        """The offsets from `start` to `end` (exclusive) that are not covered, lost or damaged."""
        return without(self.unread(start, end), self.damaged)

    def unread(self, start: int, end: int) -> Ranges:
        """Like `missing`, but with the damaged offsets, which may be readable by now."""
        return without(union([(start, max(start, end))]), union(self.covered, self.lost))


@registered
@dataclass(frozen=True)
class OffsetsPosition:
    """Where a hub stands: the position of each hub partition that a run has processed, by number."""

    tag: ClassVar[str] = "offsets"
    partitions: Mapping[int, HubPartitionPosition] = field(default_factory=dict)

    def partition(self, partition: int) -> HubPartitionPosition:
        """The position of a hub partition, also of one that the log does not know yet."""
        return self.partitions.get(partition, HubPartitionPosition())

    def next(self, partition: int) -> int | None:
        """The offset at which the next live drain of a hub partition begins; None before its first one."""
        return self.partition(partition).next

    def missing(self, partition: int, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges of a hub partition from `start` to `end` that are not covered, lost or damaged."""
        return list(self.partition(partition).missing(start, end))

    def unread(self, partition: int, start: int, end: int) -> list[tuple[int, int]]:
        """Like `missing`, but with the damaged ranges, which may be readable by now."""
        return list(self.partition(partition).unread(start, end))

    def moved_from(self, before: OffsetsPosition) -> bool:
        """Whether this position differs from `before`."""
        return dict(self.partitions) != dict(before.partitions)

    def covered_since(self, before: OffsetsPosition, partition: int) -> Ranges:
        """What commits after `before` have covered in a hub partition."""
        return without(self.partition(partition).covered, before.partition(partition).covered)

    def dump(self) -> dict[str, Any]:
        """The position as JSON values."""
        return {
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
    def parse(cls, values: Mapping[str, Any]) -> OffsetsPosition:
        """The position from JSON values. Raises `ValueError` if they are not valid."""
        msgspec.convert(values, _Shape)
        return cls(
            {
                int(partition): HubPartitionPosition(
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
    """What one run did in one hub partition. All ranges are `(start, end)` of offsets, the end exclusive.

    Attributes:
        read: ranges in which it has written, quarantined or dropped as a duplicate every message; offsets
            without a message count as read.
        next: where the next live drain begins; None for backfills, and for drains that do not move it.
        lost: ranges that the hub had deleted before they could be read.
        damaged: ranges that the hub still had, but that could not be read.
    """

    read: Sequence[tuple[int, int]] = ()
    next: int | None = None
    lost: Sequence[tuple[int, int]] = ()
    damaged: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class OffsetsChange:
    """What one run adds to the position of its hub, whatever that is at the time of its commit.

    Attributes:
        partitions: what it did in each hub partition, by number.
        counts: counts for the commit that the lake cannot make itself: `read` (messages) and `duplicates`
            (rows dropped because the exporter had sent them before).
    """

    partitions: Mapping[int, Covered] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def read(self, partition: int) -> Ranges:
        """The offsets that the run has read in a hub partition."""
        covered = self.partitions.get(partition)
        return () if covered is None else union(covered.read)

    def moves(self, position: OffsetsPosition) -> set[int]:
        """The hub partitions whose live drain it advances from `position`."""
        return {
            partition
            for partition, covered in self.partitions.items()
            if covered.next is not None and _later(position.next(partition), covered.next)
        }

    def check(self, position: OffsetsPosition, kind: str) -> None:
        """Raise `ValueError` if the change does not fit `position`, at which the run began.

        That is, if it contains offsets that were covered before, or if the live drain would skip offsets that
        are not covered, lost or damaged, and so lose them.
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

    def check_size(self, position: OffsetsPosition) -> None:
        """Raise `PositionTooLarge` if a backfill would leave too many separate ranges."""
        for partition, covered in self.partitions.items():
            before = position.partition(partition)
            pieces = len(_changed(before, covered).covered)
            if pieces > max(PIECES_LIMIT, len(before.covered)):
                raise PositionTooLarge(
                    f"partition {partition} would have {pieces} separate ranges of offsets from backfills: "
                    "backfill the time between them, too, to join them"
                )

    def apply(self, position: OffsetsPosition, *, rebased: bool) -> OffsetsPosition:
        """The position after this change, whether or not other commits came in between."""
        after = dict(position.partitions)
        for partition, covered in self.partitions.items():
            changed = _changed(position.partition(partition), covered)
            if changed != HubPartitionPosition():
                after[partition] = changed
        return OffsetsPosition(after)


def _changed(before: HubPartitionPosition, change: Covered) -> HubPartitionPosition:
    """Apply a change: what one run has read is covered, even if another found it lost or damaged."""
    covered = union(before.covered, change.read)
    lost = without(union(before.lost, change.lost), covered)
    return HubPartitionPosition(
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
