"""P1, P3 and P6 for events: runs at the same time, over the same partitions or others, and backfills."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest

from airflow_provider_defender.hooks import EventHubHook
from airflow_provider_defender.simulator.events import EmbeddedHub
from tests.helpers.event_hubs import EventLake, drain
from tests.reliability import events_worker
from tests.reliability.events_support import Namespace, assert_exactly_once
from tests.reliability.events_worker import Worker
from tests.reliability.support import plain_reader
from tests.reliability.test_killed import FORK

START = datetime(2026, 11, 20, tzinfo=timezone.utc)
END = START + timedelta(days=1)
WINDOW: dict[str, Any] = {"since": START, "until": END}


@pytest.fixture
def namespace(embedded: EmbeddedHub, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    namespace = Namespace(embedded)
    namespace.connect(monkeypatch)
    return namespace


def race(lake: EventLake, *runs: dict[str, Any], known: Any = None) -> list[tuple[str, Any]]:
    """Runs that commit at the same moment; their outcomes."""
    line = FORK.Barrier(len(runs))
    then = None if known is None else partial(events_worker.offsets_by_time, known)
    prepare = partial(events_worker.wait_before_commit, line, then)
    workers = [
        Worker(lake.path.parent / f"worker-{number}", lake.path, arguments, prepare)
        for number, arguments in enumerate(runs)
    ]
    return [worker.outcome() for worker in workers]


# At the same moment -------------------------------------------------------------------------------


def test_of_two_runs_over_the_same_partitions_one_counts(namespace: Namespace, event_lake: EventLake) -> None:
    with plain_reader(event_lake.path) as passes:
        for _ in range(2):
            namespace.fill(5)
            outcomes = race(event_lake, {}, {})
            assert sorted(kind for kind, _ in outcomes) == ["conflict", "landed"]
            assert_exactly_once(event_lake, namespace)
    assert passes[-1] > 0
    assert drain(event_lake)["commit"] is None


def test_runs_over_other_partitions_all_count(
    embedded: EmbeddedHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = Namespace(embedded, partitions=4)
    namespace.connect(monkeypatch)
    groups: list[dict[str, Any]] = [{"hub_partitions": group} for group in ([0], [1, 3], [2])]
    for number in range(2):
        namespace.fill(5)
        outcomes = race(event_lake, *groups)
        assert [kind for kind, _ in outcomes] == ["landed"] * 3
        assert sorted(summary["commit"] for _, summary in outcomes) == [number * 3 + n for n in (1, 2, 3)]
        assert_exactly_once(event_lake, namespace)


def test_a_backfill_and_a_live_run_that_overlap_share_what_they_land(
    namespace: Namespace, event_lake: EventLake
) -> None:
    namespace.fill(4)
    drain(event_lake)
    namespace.fill(6)
    known = {START: {0: 2, 1: 6}, END: {0: 7, 1: 10}}
    outcomes = race(event_lake, {}, WINDOW, {**WINDOW, "hub_partitions": [1]}, known=known)
    assert [kind for kind, _ in outcomes] == ["landed"] * 3
    assert_exactly_once(event_lake, namespace)
    assert event_lake.nexts() == {0: 10, 1: 10}


# One waits, the others do not ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "prepare",
    [
        partial(events_worker.signal_before_batch, 0, signal.SIGSTOP),
        partial(events_worker.signal_before_batch, 1, signal.SIGSTOP),
        partial(events_worker.stop_before, "new_file"),
        partial(events_worker.stop_before, "create"),
    ],
    ids=["before reading", "while reading", "while writing", "before its commit"],
)
def test_a_task_that_stands_still_keeps_no_other_from_landing(
    namespace: Namespace, event_lake: EventLake, prepare: Any
) -> None:
    """Mapped tasks share no lock and no wait but the commit."""
    namespace.fill(9)
    folder = event_lake.path.parent
    still = Worker(folder / "still", event_lake.path, {"hub_partitions": [0]}, prepare)
    still.wait_until_stopped()
    for commit in (1, 2):
        kind, summary = Worker(folder / "other", event_lake.path, {"hub_partitions": [1]}).outcome()
        assert (kind, summary["commit"], summary["complete"]) == ("landed", commit, True)
        namespace.fill(5)
    landed = {place: parts for place, parts in event_lake.ledger().items() if place[0] == 0}
    assert landed == {}
    still.resume()
    kind, summary = still.outcome()
    assert (kind, summary["commit"], summary["messages"]) == ("landed", 3, 9)
    drain(event_lake)
    assert_exactly_once(event_lake, namespace)


# In any order -------------------------------------------------------------------------------------


def test_live_runs_and_backfills_in_turns(
    namespace: Namespace, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows that overlap each other and the live runs, again and again: only what is missing lands."""
    known: dict[datetime, dict[int, int]] = {}
    monkeypatch.setattr(
        EventHubHook,
        "offsets_at",
        lambda hook, moment, partitions: {number: known[moment][number] for number in partitions},
    )
    for number in range(4):
        known[START] = {0: number, 1: 2 * number}
        namespace.fill(4)
        known[END] = {0: 3 * number + 1, 1: 4 * number}
        drain(event_lake, **WINDOW)
        assert drain(event_lake, **WINDOW)["commit"] is None
        if number % 2:
            drain(event_lake, hub_partitions=[number // 2], max_messages=5)
    drain(event_lake)
    assert_exactly_once(event_lake, namespace)
    assert drain(event_lake, **WINDOW)["commit"] is None
