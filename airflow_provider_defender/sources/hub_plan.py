"""Plans for a read of a hub: ranges of offsets, decided once, before the first message.

A range is `(start, end)`, the end exclusive. Live drains continue from the lake's position, up to the high
watermarks; windows read the offsets enqueued in them. Both skip what the log has covered. Partitions are hub
partitions throughout, identified by their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    ConnectionFailed,
    PositionAhead,
    ServiceUnavailable,
)

if TYPE_CHECKING:
    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.hooks import EventHubHook, Offsets
    from airflow_provider_defender.lake import OffsetsPosition
    from airflow_provider_defender.sources.parameters import Start

__all__ = ["HubPartitionPlan", "HubPlanner", "first_contact", "offset_count"]

_CONTACT_SECONDS = 10.0
_SECONDS_BETWEEN_TRIES = 1.0

Ranges: TypeAlias = tuple[tuple[int, int], ...]


def offset_count(ranges: Iterable[tuple[int, int]]) -> int:
    """The number of offsets in ranges that do not overlap."""
    return sum(end - start for start, end in ranges)


@dataclass(frozen=True)
class HubPartitionPlan:
    """What a run reads of one hub partition.

    Attributes:
        begin: the offset at which it begins.
        end: the offset at which it ends, exclusive.
        high: the high watermark at the run's start.
        ranges: the ranges between `begin` and `end` to read, in order.
        lost: ranges that the hub had deleted when the run began.
        fresh: whether no live drain has read this partition before, so that it begins with whatever exists.
    """

    begin: int
    end: int
    high: int
    ranges: Ranges
    lost: Ranges = ()
    fresh: bool = False

    def beginning_at(self, offset: int) -> HubPartitionPlan:
        """The plan for the same partition, if its first message is at `offset`."""
        return replace(self, begin=offset, ranges=self.within(offset, self.end))

    def read_below(self, offset: int | None, lost: Iterable[tuple[int, int]] = ()) -> Ranges:
        """The part of `ranges` below `offset` (None: nothing), without the ranges in `lost`."""
        read = list(self.within(0, offset or 0))
        for gone in sorted(lost):
            read = [part for each in read for part in _without(each, gone)]
        return tuple(read)

    def within(self, start: int, end: int) -> Ranges:
        """The part of `ranges` between two offsets."""
        parts = ((max(start, each[0]), min(end, each[1])) for each in self.ranges)
        return tuple(part for part in parts if part[0] < part[1])

    def first_unread(self, offset: int | None) -> int:
        """The first offset still to read once all below `offset` are read; `end` if there is none."""
        reached = self.begin if offset is None else offset
        return next((max(start, reached) for start, end in self.ranges if end > reached), self.end)


def _without(part: tuple[int, int], gone: tuple[int, int]) -> Ranges:
    pieces = (part[0], min(part[1], gone[0])), (max(part[0], gone[1]), part[1])
    return tuple((start, end) for start, end in pieces if start < end)


def first_contact(hook: EventHubHook, clock: Clock, *, reached_before: bool) -> list[int]:
    """Return the hub's partitions. A broker that does not listen gets ten seconds: it may be restarting.

    After that, it counts as an outage if the lake has data from it (`reached_before`), else as a wrong host.

    Raises:
        ServiceUnavailable, ConnectionFailed, and all else that `EventHubHook.partitions` raises.
    """
    end = clock.monotonic() + _CONTACT_SECONDS
    while True:
        try:
            return hook.partitions()
        except ConnectionFailed as error:
            if clock.monotonic() < end:
                clock.sleep(_SECONDS_BETWEEN_TRIES)
            elif reached_before:
                raise ServiceUnavailable(f"{error} It was reached before, so this is an outage.") from error
            else:
                raise


@dataclass(frozen=True)
class HubPlanner:
    """Plans one run over a hub.

    Args:
        hook: the hook that reads the hub.
        position: the position of the log.
        wanted: the partitions to read; None: all.
        clock: source of the current time.
    """

    hook: EventHubHook
    position: OffsetsPosition
    wanted: Sequence[int] | None
    clock: Clock

    def live(self, start: Start, first_drain: Callable[[], datetime | None]) -> dict[int, HubPartitionPlan]:
        """Plan a live drain: all that is unread, from the position or from `start`, to the high watermarks.

        `first_drain`: returns when the hub's first live drain began, None before that.

        Raises:
            PositionAhead: the hub ends before the position, or has fewer partitions, so it is not the one
                that was read before.
        """
        marks = self._marks()
        known = {number: self.position.next(number) for number in marks}
        begins = {number: offset for number, offset in known.items() if offset is not None}
        fresh = {number: each for number, each in marks.items() if number not in begins}
        begins.update(self._first_offsets(fresh, start, first_drain))
        return {number: self._live_plan(number, begins[number], each) for number, each in marks.items()}

    def _first_offsets(
        self, marks: Mapping[int, Offsets], start: Start, first_drain: Callable[[], datetime | None]
    ) -> dict[int, int]:
        """Where the first live drain of each partition in `marks` begins.

        `latest` means the moment of the hub's first live drain. So a partition that is added later, or that
        another mapped task drains a little later, begins with what was enqueued since then, and misses
        nothing.
        """
        if not marks or start == "earliest":
            return {number: offsets.low for number, offsets in marks.items()}
        moment = first_drain() if start == "latest" else start
        if moment is None:
            return {number: offsets.high for number, offsets in marks.items()}
        found = self.hook.offsets_at(moment, list(marks))
        return {number: min(found[number], offsets.high) for number, offsets in marks.items()}

    def _live_plan(self, number: int, begin: int, there: Offsets) -> HubPartitionPlan:
        low, high = max(begin, there.low), there.high
        return HubPartitionPlan(
            begin=begin,
            end=high,
            high=high,
            ranges=tuple(self.position.missing(number, low, high)),
            lost=tuple(self.position.missing(number, begin, low)),
            fresh=self.position.next(number) is None,
        )

    def window(
        self, since: datetime, until: datetime
    ) -> tuple[dict[int, HubPartitionPlan], dict[int, datetime | None]]:
        """Plan a window: all that was enqueued from `since` to `until` and is not covered yet.

        Damaged offsets are read again. Also returns the partitions whose oldest message may be later than
        `since`, with that message's time (None: unknown): offsets from 0 on that are neither in the hub nor
        in the lake may belong to this window.

        Raises:
            PositionAhead: the hub ends before what the lake has read, or has fewer partitions, so it is not
                the one that was read before.
        """
        marks = self._marks()
        starts, ends = (self.hook.offsets_at(moment, list(marks)) for moment in (since, until))
        plans = {
            number: self._window_plan(number, there, starts[number], ends[number])
            for number, there in marks.items()
        }
        cut = {
            number: there.low
            for number, there in marks.items()
            if plans[number].begin <= there.low and self.position.missing(number, 0, there.low)
        }
        return plans, dict(self.hook.enqueued_at(cut)) if cut else {}

    def _window_plan(self, number: int, there: Offsets, start: int, end: int) -> HubPartitionPlan:
        begin = min(start, there.high)
        end = max(begin, min(end, there.high))
        ranges = tuple(self.position.unread(number, begin, end))
        return HubPartitionPlan(begin, end, there.high, ranges)

    # What the hub has -----------------------------------------------------------------------------

    def _marks(self) -> dict[int, Offsets]:
        """First and next offset of the wanted partitions.

        Raises:
            PositionAhead: a partition ends before what the lake has read of it, or no longer exists, whether
                wanted or not: no hub loses partitions.
        """
        there = first_contact(self.hook, self.clock, reached_before=bool(self.position.partitions))
        gone = set(self.position.partitions) - set(there)
        if gone:
            raise _another_hub(
                f"The lake knows partition {_text(sorted(gone))} of hub {self.hook.hub!r}, but the hub has "
                f"the partitions {_text(there)} only"
            )
        marks = self.hook.watermarks(self._chosen(there))
        for number, offsets in marks.items():
            self._check_end(number, offsets.high)
        return marks

    def _chosen(self, there: Sequence[int]) -> list[int]:
        absent = sorted(set(self.wanted or ()) - set(there))
        if absent:
            raise ConfigurationError(
                f"Hub {self.hook.hub!r} has the partitions {_text(there)}, and not {_text(absent)}: change "
                "hub_partitions."
            )
        return sorted(there if self.wanted is None else self.wanted)

    def _check_end(self, number: int, high: int) -> None:
        known = self.position.partition(number)
        end = max([known.next or 0, *(end for _, end in known.covered)])
        if end > high:
            raise _another_hub(
                f"The lake has read partition {number} up to offset {end}, but the hub ends at {high}"
            )


def _text(partitions: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(partitions)))


def _another_hub(sign: str) -> PositionAhead:
    return PositionAhead(
        f"{sign}: it was deleted and created again, or the connection leads to another namespace of this "
        "name. Nothing was read. Land the new hub in a lake of its own, since its offsets begin anew."
    )
