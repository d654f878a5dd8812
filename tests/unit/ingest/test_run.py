"""One run of a source into its log, by a hub in memory and a lake on disk, without Airflow."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import MessagesLost, ServiceUnavailable, StopAndLook
from airflow_provider_defender.ingest.run import Outcome, Run
from airflow_provider_defender.ingest.stages import DrainClock, Stages
from airflow_provider_defender.lake import CommitConflict, CommitStateUnknown, Lake, Transaction
from airflow_provider_defender.sources.event_hub import EventHub
from airflow_provider_defender.sources.hub_figures import HubFigures
from airflow_provider_defender.sources.source import Limits
from airflow_provider_defender.sources.window import Window
from airflow_provider_defender.stores.opening import opened_lake
from tests.helpers.event_hubs import DAY, MINUTE, NOW, EventLake, MemoryHook, MemoryHub, message

LIVE = Window("position", basis="enqueued")


@dataclass
class Runs:
    """Runs over one hub into one lake, and the reads that they began."""

    hub: MemoryHub
    lake: Lake

    def __call__(self, window: Window = LIVE, **arguments: Any) -> Outcome[HubFigures]:
        hook: Any = MemoryHook(self.hub, "event_hub_default", None)
        source = EventHub(hook=hook, lake=self.lake, clock=Clock(now=lambda: self.hub.now))
        time = DrainClock()
        stages = Stages(time, logging.getLogger("tests.run"))
        limits = Limits(time, max_messages=arguments.pop("max_messages", None))
        return Run(source, self.lake, window, limits, stages, self.hub.now, **arguments).execute()


@pytest.fixture
def run(hub: MemoryHub, event_lake: EventLake) -> Runs:
    return Runs(hub, opened_lake(event_lake.uri))


def test_what_is_read_lands_once_by_one_commit_in_the_log_of_the_source(
    run: Runs, hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(8)
    outcome = run()
    assert event_lake.ledger() == hub.ledger
    [commit] = event_lake.records()
    assert (commit["log"], commit["kind"]) == ("event_hub-contoso.servicebus.windows.net-defender", "drain")
    assert commit["window"] == outcome.read.window
    assert (outcome.summary.commit, outcome.summary.source.messages) == (1, 8)
    assert run().summary.commit is None
    assert event_lake.ledger() == hub.ledger


def test_a_bounded_window_is_a_backfill(run: Runs, hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    hub.advance(2 * MINUTE)
    hub.fill(4)
    outcome = run(Window("explicit since/until", (NOW, NOW + MINUTE), "enqueued"))
    assert outcome.summary.source.messages == 2
    assert outcome.summary.window["since"] == NOW.isoformat()
    assert event_lake.records()[0]["kind"] == "backfill"
    assert event_lake.nexts() == {0: None, 1: None}


@pytest.mark.parametrize("keep_original", [True, False])
def test_rows_say_when_the_run_began_and_keep_their_text_if_asked_to(
    run: Runs, hub: MemoryHub, event_lake: EventLake, keep_original: bool
) -> None:
    hub.send(message({"DeviceId": "a"}))
    hub.advance(DAY)
    run(keep_original=keep_original)
    [row] = event_lake.rows("DeviceInfo").to_pylist()
    assert row["event"]["ingested"] == NOW + DAY
    assert (row["event"]["original"] is not None) == keep_original


def test_an_error_before_the_first_message_commits_nothing(
    run: Runs, hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(8)
    hub.failure = (0, ServiceUnavailable("The hub is away."))
    with pytest.raises(ServiceUnavailable):
        run()
    assert event_lake.records() == []


def test_a_run_that_another_overtakes_lands_nothing_and_leaves_nothing_staged(
    run: Runs, hub: MemoryHub, event_lake: EventLake
) -> None:
    def overtake(number: int) -> None:
        hub.before_batch = lambda number: None
        run()

    hub.fill(8)
    hub.before_batch = overtake
    with pytest.raises(CommitConflict):
        run()
    assert event_lake.ledger() == hub.ledger
    assert len(event_lake.records()) == 1
    assert len(list(event_lake.path.rglob("*.parquet"))) == 1


def test_what_could_be_read_before_an_error_counts(run: Runs, hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(8)
    hub.failure = (3, ServiceUnavailable("The hub is away."))
    outcome = run()
    assert isinstance(outcome.read.interruption, ServiceUnavailable)
    assert (outcome.summary.complete, sum(event_lake.ledger().values())) == (False, 3)


def test_the_source_is_asked_what_waits_only_after_all_has_landed(
    run: Runs, hub: MemoryHub, event_lake: EventLake
) -> None:
    landed: list[int] = []
    hub.before_last_question = lambda: landed.append(sum(event_lake.ledger().values()))
    hub.fill(8)
    assert run(max_messages=6).summary.source.hub_partitions[1].lag == 2
    assert landed == [6]


def test_nobody_is_asked_while_it_is_unknown_whether_the_commit_counts(
    run: Runs, hub: MemoryHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fill(4)
    run()
    hub.fill(4)
    hub.expire(0, 3)

    def unknown(*_: Any) -> None:
        raise CommitStateUnknown("nobody knows")

    def asked() -> None:
        raise AssertionError("The hub was asked.")

    monkeypatch.setattr(Transaction, "commit", unknown)
    monkeypatch.setattr(hub, "before_last_question", asked)
    outcome = run()
    assert isinstance(outcome.result.unfinished, CommitStateUnknown)
    assert "not in their places yet: nobody knows" in str(outcome.gap())


def test_the_outcome_has_the_errors_of_its_read(run: Runs, hub: MemoryHub) -> None:
    hub.fill(4)
    whole = run()
    assert (whole.gap(), whole.shortfall()) == (None, None)
    hub.fill(4)
    hub.expire(0, 3)
    assert isinstance(run().gap(), MessagesLost)
    hub.fill(2)
    assert isinstance(run(max_messages=0).shortfall(), StopAndLook)
