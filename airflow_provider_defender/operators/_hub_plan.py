"""What a drain of a hub reads: ranges of offsets, decided once, before the first message.

A range is `(start, end)`, the end exclusive. Live drains go on from the position that the lake holds, up to
the high watermarks; windows read the offsets enqueued in them. Both pass over what the log has covered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    ConnectionFailed,
    PositionAhead,
    ServiceUnavailable,
)
from airflow_provider_defender.operators._choices import did_you_mean
from airflow_provider_defender.operators._window import parse_moment

if TYPE_CHECKING:
    from airflow_provider_defender.hooks import EventHubHook, Offsets
    from airflow_provider_defender.lake import HubPosition, Log

__all__ = [
    "PartitionPlan",
    "first_contact",
    "live_plans",
    "offset_count",
    "parse_partitions",
    "parse_start",
    "window_plans",
]

_CONTACT_SECONDS = 10.0
_SECONDS_BETWEEN_TRIES = 1.0

Start = Literal["earliest", "latest"] | datetime
Ranges = tuple[tuple[int, int], ...]


def offset_count(ranges: Iterable[tuple[int, int]]) -> int:
    """How many offsets some ranges hold that do not overlap."""
    return sum(end - start for start, end in ranges)


@dataclass(frozen=True)
class PartitionPlan:
    """What a drain reads of one partition.

    `begin`, `end`: the offsets between which it looks; `high`: the high watermark at the drain's start.
    `ranges`: what it reads there, in order. `lost`: what the hub has deleted before this drain began.
    `fresh`: whether no live drain has read this partition before, so that it begins with whatever is there.
    """

    begin: int
    end: int
    high: int
    ranges: Ranges
    lost: Ranges = ()
    fresh: bool = False

    def beginning_at(self, offset: int) -> PartitionPlan:
        """The same plan for a partition whose first message is at `offset`."""
        return replace(self, begin=offset, ranges=self.within(offset, self.end))

    def read_below(self, offset: int | None, lost: Iterable[tuple[int, int]] = ()) -> Ranges:
        """The part of `ranges` below `offset` (None: nothing), without what was `lost` while reading."""
        read = list(self.within(0, offset or 0))
        for gone in sorted(lost):
            read = [part for each in read for part in _without(each, gone)]
        return tuple(read)

    def within(self, start: int, end: int) -> Ranges:
        """The part of `ranges` between two offsets."""
        parts = ((max(start, each[0]), min(end, each[1])) for each in self.ranges)
        return tuple(part for part in parts if part[0] < part[1])

    def first_unread(self, offset: int | None) -> int:
        """The first offset that is still to be read once all below `offset` are: `end` where none is."""
        reached = self.begin if offset is None else offset
        return next((max(start, reached) for start, end in self.ranges if end > reached), self.end)


def _without(part: tuple[int, int], gone: tuple[int, int]) -> Ranges:
    pieces = (part[0], min(part[1], gone[0])), (max(part[0], gone[1]), part[1])
    return tuple((start, end) for start, end in pieces if start < end)


# Parameters -------------------------------------------------------------------------------------


def parse_partitions(given: Any) -> list[int] | None:
    """The partitions that a parameter names: numbers, or a text of them such as `"0, 1"`; None means all.

    Raises:
        ConfigurationError: it names none, or something that is no partition.
    """
    if given is None or (isinstance(given, str) and given.strip() in ("", "None")):
        return None
    values = re.findall(r"[^\s,\[\]()]+", given) if isinstance(given, str) else given
    values = [values] if isinstance(values, int) else list(values)
    numbers = sorted({int(value) for value in values if re.fullmatch(r"\d{1,9}", str(value))})
    if not values or len(numbers) != len(set(map(str, values))):
        raise ConfigurationError(
            f"partitions={given!r} must be a list of partition numbers, for example [0, 1]; None means all."
        )
    return numbers


def parse_start(given: Any) -> Start:
    """Where a first drain begins: `earliest`, `latest` or a time.

    Raises:
        ConfigurationError: it is none of these.
    """
    word = given.strip().lower() if isinstance(given, str) else None
    if word in ("earliest", "latest"):
        return cast("Literal['earliest', 'latest']", word)
    try:
        moment = parse_moment("start", given)
    except ConfigurationError:
        moment = None
    if moment is None:
        raise ConfigurationError(
            f"start={given!r} must be 'earliest', 'latest' or a time in ISO 8601, for example "
            f"2026-11-22T00:00:00Z.{_meant_start(word)}"
        )
    return moment


def _meant_start(word: str | None) -> str:
    if word in ("beginning", "smallest", "oldest", "first"):
        return " Did you mean 'earliest'?"
    if word in ("end", "largest", "newest", "last", "now"):
        return " Did you mean 'latest'?"
    return did_you_mean(word or "", ("earliest", "latest"))


def _chosen_partitions(hook: EventHubHook, there: Sequence[int], wanted: Sequence[int] | None) -> list[int]:
    """Those of the hub's partitions `there` that are wanted; all of them for None.

    Raises:
        ConfigurationError: the hub has no such partition.
    """
    absent = sorted(set(wanted or ()) - set(there))
    if absent:
        raise ConfigurationError(
            f"Hub {hook.hub!r} has the partitions {_text(there)}, and not {_text(absent)}: change partitions."
        )
    return sorted(there if wanted is None else wanted)


def _text(partitions: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(partitions)))


def first_contact(hook: EventHubHook, *, reached_before: bool) -> list[int]:
    """The hub's partitions. A broker that does not listen is given some seconds: it may be restarting.

    After them, it is an outage if the lake has data of it (`reached_before`), else more likely a wrong host.

    Raises:
        ServiceUnavailable, ConnectionFailed, and all else that `EventHubHook.partitions` raises.
    """
    end = time.monotonic() + _CONTACT_SECONDS
    while True:
        try:
            return hook.partitions()
        except ConnectionFailed as error:
            if time.monotonic() < end:
                time.sleep(_SECONDS_BETWEEN_TRIES)
            elif reached_before:
                raise ServiceUnavailable(f"{error} It was reached before, so this is an outage.") from error
            else:
                raise


# Plans ------------------------------------------------------------------------------------------


def live_plans(
    hook: EventHubHook,
    log: Log[HubPosition],
    position: HubPosition,
    partitions: Sequence[int] | None,
    start: Start,
) -> dict[int, PartitionPlan]:
    """What is unread of the chosen partitions: from the position, or from `start`, to the high watermarks.

    Raises:
        PositionAhead: the hub ends before the position, or has fewer partitions: it is not the one that was
            read before.
    """
    marks = _marks(hook, position, partitions)
    begins = {partition: offset for partition in marks if (offset := position.next(partition)) is not None}
    fresh = {partition: each for partition, each in marks.items() if partition not in begins}
    begins.update(_first_offsets(hook, log, fresh, start))
    return {
        partition: _live_plan(position, partition, begins[partition], each)
        for partition, each in marks.items()
    }


def _first_offsets(
    hook: EventHubHook, log: Log[HubPosition], marks: Mapping[int, Offsets], start: Start
) -> dict[int, int]:
    """Where the first live drain of each partition in `marks` begins.

    `latest` means the moment of the hub's first live drain: a partition that is added later, or that another
    mapped task drains a little later, begins with what was enqueued since then, and so misses nothing.
    """
    if not marks or start == "earliest":
        return {partition: offsets.low for partition, offsets in marks.items()}
    if start == "latest":
        drained = next((record for record in log.records(whole=False) if record.kind == "drain"), None)
        if drained is None:
            return {partition: offsets.high for partition, offsets in marks.items()}
        start = drained.started_at
    found = hook.offsets_at(start, list(marks))
    return {partition: min(found[partition], offsets.high) for partition, offsets in marks.items()}


def _marks(hook: EventHubHook, position: HubPosition, partitions: Sequence[int] | None) -> dict[int, Offsets]:
    """First and next offset of the chosen partitions.

    Raises:
        PositionAhead: a partition ends before what the lake has read of it, or is not there any more, be it
            chosen or not: no hub loses partitions.
    """
    there = first_contact(hook, reached_before=bool(position.partitions))
    gone = set(position.partitions) - set(there)
    if gone:
        raise _another_hub(
            f"The lake knows partition {_text(sorted(gone))} of hub {hook.hub!r}, but the hub has the "
            f"partitions {_text(there)} only"
        )
    marks = hook.watermarks(_chosen_partitions(hook, there, partitions))
    for partition, offsets in marks.items():
        known = position.partition(partition)
        end = max([known.next or 0, *(end for _, end in known.covered)])
        if end > offsets.high:
            raise _another_hub(
                f"The lake has read partition {partition} up to offset {end}, but the hub ends at "
                f"{offsets.high}"
            )
    return marks


def _another_hub(sign: str) -> PositionAhead:
    return PositionAhead(
        f"{sign}: it was deleted and created again, or the connection leads to another namespace of this "
        "name. Nothing was read. Land the new hub in a lake of its own, since its offsets begin anew."
    )


def _live_plan(position: HubPosition, partition: int, begin: int, there: Offsets) -> PartitionPlan:
    low, high = max(begin, there.low), there.high
    return PartitionPlan(
        begin=begin,
        end=high,
        high=high,
        ranges=tuple(position.missing(partition, low, high)),
        lost=tuple(position.missing(partition, begin, low)),
        fresh=position.next(partition) is None,
    )


def window_plans(
    hook: EventHubHook,
    position: HubPosition,
    partitions: Sequence[int] | None,
    since: datetime,
    until: datetime,
) -> tuple[dict[int, PartitionPlan], dict[int, datetime | None]]:
    """What was enqueued from `since` to `until` and is not covered yet; what was damaged is tried again.

    Also the partitions whose oldest message may be later than `since` is, with that message's time (None:
    unknown): offsets from 0 on that are neither in the hub nor in the lake may have been of this window.

    Raises:
        PositionAhead: the hub ends before what the lake has read, or has fewer partitions: it is not the one
            that was read before.
    """
    marks = _marks(hook, position, partitions)
    starts, ends = (hook.offsets_at(moment, list(marks)) for moment in (since, until))
    plans = {}
    for partition, there in marks.items():
        begin = min(starts[partition], there.high)
        end = max(begin, min(ends[partition], there.high))
        ranges = tuple(position.unread(partition, begin, end))
        plans[partition] = PartitionPlan(begin, end, there.high, ranges)
    cut = {
        partition: there.low
        for partition, there in marks.items()
        if plans[partition].begin <= there.low and position.missing(partition, 0, there.low)
    }
    return plans, dict(hook.enqueued_at(cut)) if cut else {}
