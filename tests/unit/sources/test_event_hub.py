"""A hub as a source: its log, what waits in it, and what a read of it amounts to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import MessagesDamaged, MessagesLost, StopAndLook, TryAgain
from airflow_provider_defender.sources.event_hub import EventHub, HubRead
from airflow_provider_defender.sources.source import Backlog, Limits, Result, open_log
from airflow_provider_defender.sources.window import Window
from airflow_provider_defender.stores.opening import opened_lake
from tests.helpers.event_hubs import DAY, MINUTE, NOW, EventLake, MemoryHook, MemoryHub, drain

LIVE = Window("position", basis="enqueued")


class Time:
    limit, left, is_over = timedelta(minutes=5), 300.0, False


def source(hub: MemoryHub, lake: EventLake, **arguments: Any) -> EventHub:
    hook: Any = MemoryHook(hub, "event_hub_default", None)
    given = {"clock": Clock(now=lambda: hub.now), **arguments}
    return EventHub(hook=hook, lake=opened_lake(lake.uri), **given)


def backlog(made: EventHub) -> Backlog:
    return made.backlog(open_log(made, made.lake).read_head())


def read(made: EventHub, window: Window = LIVE, **limits: int) -> HubRead:
    return made.read(window, open_log(made, made.lake).head(), Limits(Time(), **limits))


def test_its_log_is_the_hubs(hub: MemoryHub, event_lake: EventLake) -> None:
    made = source(hub, event_lake)
    assert made.log_name() == "event_hub-contoso.servicebus.windows.net-defender"
    origin = {"source": "event_hub", "namespace": "contoso.servicebus.windows.net", "hub": "defender"}
    assert made.origin() == origin
    hub.fill(1)
    drain(event_lake)
    assert event_lake.records()[0]["origin"] == origin


def test_the_backlog_is_what_the_next_drain_would_read(hub: MemoryHub, event_lake: EventLake) -> None:
    made = source(hub, event_lake)
    assert not backlog(made).waiting
    hub.fill(4)
    hub.advance(5 * MINUTE)
    hub.fill(1)
    waits = backlog(made)
    assert (waits.waiting, waits.count, waits.lost, waits.unstarted) == (True, 5, 0, False)
    assert waits.ask_age() == 5 * MINUTE
    assert backlog(source(hub, event_lake, hub_partitions=[1])).count == 2
    drain(event_lake)
    assert (backlog(made).waiting, backlog(made).ask_age()) == (False, None)


def test_messages_that_are_gone_are_waiting_to_be_told(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    drain(event_lake)
    hub.fill(2)
    hub.expire(0, 2)
    hub.expire(1, 2)
    waits = backlog(source(hub, event_lake))
    assert (waits.waiting, waits.count, waits.lost) == (True, 0, 2)


def test_a_first_drain_from_the_newest_message_on_has_yet_to_note_where_it_begins(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    made = source(hub, event_lake, start="latest")
    hub.fill(2)
    assert (backlog(made).unstarted, backlog(made).count) == (True, 0)
    drain(event_lake, start="latest")
    assert not backlog(made).unstarted


def test_a_read_moves_the_position_by_what_was_read(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(8)
    made = read(source(hub, event_lake), max_messages=3)
    assert sum(len(batch.records) for batch in made) == 3
    change = made.change(Result(duplicates=2))
    assert {number: (each.read, each.next) for number, each in change.partitions.items()} == {
        0: (((0, 3),), 3),
        1: ((), 0),
    }
    assert change.counts == {"read": 3, "duplicates": 2}
    assert made.progress() == "3 messages (0 MB) read, 5 messages still to come"
    assert not made.complete


def test_a_limit_is_an_error_only_where_the_next_run_would_not_go_on(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(8)
    commit: Any = object()
    live = read(source(hub, event_lake), max_messages=3)
    list(live)
    assert live.shortfall(commit) is None
    assert isinstance(live.shortfall(None), StopAndLook)
    window = Window("explicit since/until", (NOW - DAY, NOW + DAY), "enqueued")
    bounded = read(source(hub, event_lake), window, max_messages=3)
    list(bounded)
    assert isinstance(bounded.shortfall(commit), TryAgain)
    whole = read(source(hub, event_lake), window)
    list(whole)
    assert whole.shortfall(None) is None


@pytest.mark.parametrize(("lost", "error"), [(True, MessagesLost), (False, MessagesDamaged)])
def test_a_gap_tells_what_has_become_of_the_rest(
    hub: MemoryHub, event_lake: EventLake, lost: bool, error: type[Exception]
) -> None:
    hub.fill(8)
    hub.partitions[1].damaged = {1}
    made = read(source(hub, event_lake))
    if lost:
        made.lost[0] = [(0, 2)]
    list(made)
    told = made.gap(Result())
    assert type(told) is error
    assert "partition 1: 1 to 1" in str(told)
    assert "the lake's commit names these" in str(told)
    unfinished: Any = RuntimeError("nobody knows")
    assert "not in their places yet: nobody knows." in str(made.gap(Result(unfinished=unfinished)))


def test_a_whole_read_has_no_gap(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    made = read(source(hub, event_lake))
    list(made)
    assert made.gap(Result()) is None
    assert made.complete
