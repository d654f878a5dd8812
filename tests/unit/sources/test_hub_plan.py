"""What a run reads of a hub: ranges of offsets, and nothing that the lake has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import (
    ConfigurationError,
    ConnectionFailed,
    PositionAhead,
    ServiceUnavailable,
)
from airflow_provider_defender.lake import HubPartitionPosition, OffsetsPosition
from airflow_provider_defender.sources.hub_plan import (
    HubPartitionPlan,
    HubPlanner,
    first_contact,
    offset_count,
)
from tests.helpers.event_hubs import MINUTE, NOW, MemoryHook, MemoryHub

UNREAD = OffsetsPosition()


def planner(
    hub: MemoryHub, position: OffsetsPosition = UNREAD, wanted: Sequence[int] | None = None
) -> HubPlanner:
    hook: Any = MemoryHook(hub, "event_hub_default", None)
    return HubPlanner(hook, position, wanted, Clock(now=lambda: hub.now))


def position(**partitions: HubPartitionPosition) -> OffsetsPosition:
    return OffsetsPosition({int(name.removeprefix("p")): each for name, each in partitions.items()})


def never() -> datetime | None:
    return None


# One partition ------------------------------------------------------------------------------------


def plan(*ranges: tuple[int, int]) -> HubPartitionPlan:
    return HubPartitionPlan(begin=2, end=20, high=20, ranges=ranges)


def test_offsets_are_counted() -> None:
    assert offset_count([(2, 5), (7, 8)]) == 4
    assert offset_count([]) == 0


def test_what_is_read_below_an_offset_leaves_out_what_is_lost() -> None:
    made = plan((2, 10), (15, 20))
    assert made.read_below(None) == ()
    assert made.read_below(17) == ((2, 10), (15, 17))
    assert made.read_below(20, [(18, 19), (4, 6)]) == ((2, 4), (6, 10), (15, 18), (19, 20))
    assert made.read_below(20, [(0, 16)]) == ((16, 20),)


def test_the_first_unread_offset_skips_what_the_lake_has() -> None:
    made = plan((2, 10), (15, 20))
    assert [made.first_unread(reached) for reached in (None, 5, 10, 12, 16, 20)] == [2, 5, 15, 15, 16, 20]


def test_a_plan_can_begin_later() -> None:
    later = plan((2, 10), (15, 20)).beginning_at(8)
    assert (later.begin, later.end, later.ranges) == (8, 20, ((8, 10), (15, 20)))


OFFSETS = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 30), st.lists(OFFSETS, max_size=4))
def test_what_is_read_is_what_is_planned_below_the_offset_and_not_lost(
    steps: list[int], reached: int, lost: list[tuple[int, int]]
) -> None:
    edges = [sum(steps[: count + 1]) for count in range(len(steps))]
    ranges = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False) if start < end]
    planned = {offset for start, end in ranges for offset in range(start, end)}
    gone = {offset for start, end in lost for offset in range(start, end)}
    read = HubPartitionPlan(0, 50, 50, tuple(ranges)).read_below(reached, lost)
    assert {offset for start, end in read for offset in range(start, end)} == {
        offset for offset in planned - gone if offset < reached
    }
    assert offset_count(read) == len({offset for start, end in read for offset in range(start, end)})


# Live drains --------------------------------------------------------------------------------------


def test_a_live_drain_continues_from_the_position_and_skips_what_backfills_covered(hub: MemoryHub) -> None:
    hub.fill(20)
    known = position(p0=HubPartitionPosition(next=3, covered=((0, 3), (5, 7))))
    plans = planner(hub, known).live("earliest", never)
    assert plans[0] == HubPartitionPlan(begin=3, end=10, high=10, ranges=((3, 5), (7, 10)))
    assert plans[1] == HubPartitionPlan(begin=0, end=10, high=10, ranges=((0, 10),), fresh=True)


def test_what_the_hub_deleted_unread_is_lost_and_what_was_read_before_is_not(hub: MemoryHub) -> None:
    hub.fill(20)
    hub.expire(0, 8)
    hub.expire(1, 4)
    known = position(p0=HubPartitionPosition(next=3, covered=((0, 3), (5, 7))))
    plans = planner(hub, known).live("earliest", never)
    assert (plans[0].ranges, plans[0].lost) == (((8, 10),), ((3, 5), (7, 8)))
    assert (plans[1].ranges, plans[1].lost) == (((4, 10),), ())  # nobody had begun to read it


def test_latest_means_the_first_drain_of_the_hub(hub: MemoryHub) -> None:
    hub.fill(4)
    hub.advance(MINUTE)
    hub.fill(6)
    made = planner(hub, position(p1=HubPartitionPosition(next=5, covered=((2, 5),))))
    assert made.live("latest", lambda: NOW + MINUTE)[0].ranges == ((2, 5),)
    assert made.live("latest", never)[0].ranges == ()
    assert made.live(NOW, never)[0].ranges == ((0, 5),)


def test_a_start_in_the_future_begins_at_the_end_of_the_hub(hub: MemoryHub) -> None:
    hub.fill(4)
    plans = planner(hub).live(NOW + MINUTE, never)
    assert [(each.begin, each.end, each.ranges) for each in plans.values()] == [(2, 2, ()), (2, 2, ())]


# Windows ------------------------------------------------------------------------------------------


@pytest.fixture
def hours(hub: MemoryHub) -> MemoryHub:
    """Two messages in each of two partitions, in each of five minutes."""
    for _ in range(5):
        hub.fill(4)
        hub.advance(MINUTE)
    return hub


def test_a_window_reads_what_was_enqueued_in_it_and_has_not_landed(hours: MemoryHub) -> None:
    known = position(p0=HubPartitionPosition(covered=((0, 3),), damaged=((4, 5),)))
    plans, before = planner(hours, known).window(NOW + MINUTE, NOW + 3 * MINUTE)
    assert (plans[0].begin, plans[0].end, plans[0].ranges) == (
        2,
        6,
        ((3, 6),),
    )  # damaged ones are tried again
    assert plans[1].ranges == ((2, 6),)
    assert before == {}


def test_a_window_before_the_oldest_message_says_since_when_there_are_messages(hours: MemoryHub) -> None:
    hours.expire(0, 4)
    hours.expire(1, 4)
    known = position(p1=HubPartitionPosition(covered=((0, 4),)))
    plans, before = planner(hours, known).window(NOW, NOW + 3 * MINUTE)
    assert [each.ranges for each in plans.values()] == [((4, 6),), ((4, 6),)]
    assert before == {0: NOW + 2 * MINUTE}  # of partition 1, all that is gone has landed


def test_a_window_in_the_future_reads_nothing(hours: MemoryHub) -> None:
    plans, _ = planner(hours).window(NOW + 60 * MINUTE, NOW + 90 * MINUTE)
    assert [(each.begin, each.end, each.ranges) for each in plans.values()] == [(10, 10, ()), (10, 10, ())]


# Another hub --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "sign"),
    [
        ({"p0": HubPartitionPosition(next=3)}, "read partition 0 up to offset 3, but the hub ends at 2"),
        ({"p1": HubPartitionPosition(covered=((0, 1), (7, 9)))}, "partition 1 up to offset 9"),
        (
            {"p2": HubPartitionPosition()},
            "knows partition 2 .* has the partitions 0, 1",
        ),
    ],
)
def test_a_hub_that_ends_before_what_was_read_is_another_one(
    hub: MemoryHub, known: dict[str, HubPartitionPosition], sign: str
) -> None:
    hub.fill(4)
    made = planner(hub, position(**known))
    with pytest.raises(PositionAhead, match=sign):
        made.live("earliest", never)
    with pytest.raises(PositionAhead, match="Land the new hub in a lake of its own"):
        made.window(NOW, NOW + MINUTE)


def test_only_the_wanted_partitions_are_planned_and_they_must_exist(hub: MemoryHub) -> None:
    hub.fill(4)
    assert list(planner(hub, wanted=[1]).live("earliest", never)) == [1]
    with pytest.raises(ConfigurationError, match="partitions 0, 1, and not 5: change hub_partitions"):
        planner(hub, wanted=[1, 5]).live("earliest", never)


# A broker that does not listen --------------------------------------------------------------------


@dataclass
class Restarting:
    """A hook whose broker listens from a moment on."""

    up_at: float
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def partitions(self) -> list[int]:
        if self.now < self.up_at:
            raise ConnectionFailed("Nobody listens.")
        return [0]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def contact(broker: Any, *, reached_before: bool = False) -> list[int]:
    clock = Clock(monotonic=lambda: broker.now, sleep=broker.sleep)
    return first_contact(broker, clock, reached_before=reached_before)


def test_a_broker_that_restarts_gets_ten_seconds() -> None:
    broker = Restarting(up_at=9.5)
    assert contact(broker) == [0]
    assert broker.slept == [1.0] * 10


@pytest.mark.parametrize(("reached_before", "error"), [(True, ServiceUnavailable), (False, ConnectionFailed)])
def test_after_that_it_is_an_outage_if_it_was_reached_before_else_a_wrong_host(
    reached_before: bool, error: type[Exception]
) -> None:
    broker = Restarting(up_at=60)
    with pytest.raises(error, match="Nobody listens") as raised:
        contact(broker, reached_before=reached_before)
    assert raised.type is error
    assert broker.now == 10
