"""The operator against a hub in memory: what lands, once, and what it says about it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.compat import AirflowFailException
from airflow_provider_defender.exceptions import (
    CommitUnfinished,
    ConfigurationError,
    ConflictingRun,
    ConnectionFailed,
    FailNow,
    HostUnreachable,
    MessagesDamaged,
    MessagesLost,
    PermissionMissing,
    PositionAhead,
    ServiceUnavailable,
    StopAndLook,
    TryAgain,
)
from airflow_provider_defender.hooks import MessageBatch
from airflow_provider_defender.ingest.stages import DrainClock
from airflow_provider_defender.lake import (
    Commit,
    CommitConflict,
    CommitStateUnknown,
    NotPublished,
    OffsetsChange,
    Transaction,
    committed_files,
)
from airflow_provider_defender.lake.log import publishing
from airflow_provider_defender.operators import EventHubPartitionsOperator, EventHubToParquetOperator
from airflow_provider_defender.sources.event_hub import HubRead
from airflow_provider_defender.sources.hub_plan import HubPartitionPlan
from airflow_provider_defender.sources.window import Window
from tests.helpers.airflow import context
from tests.helpers.event_hubs import (
    DAY,
    INJECTED,
    MINUTE,
    NOW,
    EventLake,
    MemoryHook,
    MemoryHub,
    Partition,
    backfill,
    drain,
    hub_operator,
    message,
)

_NONE: Any = None
"""Stands for what a test does not get to."""
ASSET = defender_asset("event_hub_default", "events/default")
NOTHING = {"lag": 0, "oldest_unread": None}
"""Of a partition in the summary: nothing waits at the end."""


# Live drains --------------------------------------------------------------------------------------


def test_the_first_run_lands_all_that_the_hub_holds(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(7, rows=2)
    summary = drain(event_lake)
    assert event_lake.ledger() == hub.ledger
    assert event_lake.nexts() == {0: 4, 1: 3}
    assert (summary["messages"], summary["records"], summary["rows"]) == (7, 14, {"events/DeviceInfo": 14})
    assert summary["hub_partitions"] == {
        "0": {"from": 0, "to": 4, "high": 4, "waiting_at_start": 4, **NOTHING},
        "1": {"from": 0, "to": 3, "high": 3, "waiting_at_start": 3, **NOTHING},
    }
    assert (summary["complete"], summary["commit"], summary["lost"]) == (True, 1, {})
    assert summary["files"] == len(event_lake.files()) == 1
    assert summary["window"]["origin"] == "position"
    assert sorted(committed_files(event_lake.path, "events/DeviceInfo")) == [str(event_lake.files()[0])]


def test_later_runs_land_only_what_came_since(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.fill(3)
    summary = drain(event_lake)
    assert summary["messages"] == 3
    assert summary["hub_partitions"]["0"] == {
        "from": 2,
        "to": 4,
        "high": 4,
        "waiting_at_start": 2,
        **NOTHING,
    }
    assert event_lake.ledger() == hub.ledger


def test_a_run_that_finds_nothing_new_makes_no_commit(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    drain(event_lake)
    summary = drain(event_lake)
    assert (summary["messages"], summary["commit"], summary["complete"]) == (0, None, True)
    assert len(event_lake.records()) == 1


def test_every_row_knows_where_it_comes_from(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.send(message({"DeviceId": "a"}), 1)
    drain(event_lake)
    [landing] = event_lake.rows("DeviceInfo")["landing"].to_pylist()
    assert landing["log"] == "event_hub-contoso.servicebus.windows.net-defender"
    expected = {"namespace": hub.namespace, "hub": hub.name, "partition": 1, "offset": 0, "record": 0}
    assert {name: landing["kafka"][name] for name in expected} == expected
    assert landing["kafka"]["enqueued"] == NOW


def test_the_commit_tells_which_offsets_stand_in_which_file(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    hub.fill(2, table="DeviceEvents")
    drain(event_lake)
    files = {file["path"].split("/")[1]: file["offsets"] for file in event_lake.records()[0]["added"]}
    assert files == {"DeviceInfo": {"0": [0, 1], "1": [0, 1]}, "DeviceEvents": {"0": [2, 2], "1": [2, 2]}}


def test_hub_partitions_that_are_added_are_found(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.partitions[2] = Partition()
    hub.fill(6)
    drain(event_lake)
    assert event_lake.ledger() == hub.ledger
    assert event_lake.nexts() == {0: 4, 1: 4, 2: 2}


def test_chosen_hub_partitions_only(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(6)
    summary = drain(event_lake, hub_partitions=[1])
    assert (summary["messages"], list(summary["hub_partitions"])) == (3, ["1"])
    assert event_lake.nexts() == {1: 3}
    drain(event_lake, hub_partitions="0, 1")
    assert event_lake.ledger() == hub.ledger


# Where a first drain begins -----------------------------------------------------------------------


def test_latest_begins_with_what_comes_from_now_on(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    summary = drain(event_lake, start="latest")
    assert (summary["messages"], summary["commit"]) == (
        0,
        1,
    )  # without the commit the next run would not know
    assert event_lake.nexts() == {0: 2, 1: 2}
    hub.fill(4)
    assert drain(event_lake, start="latest")["messages"] == 4


def test_latest_means_the_hubs_first_drain_for_every_partition(hub: MemoryHub, event_lake: EventLake) -> None:
    """A mapped task that starts later, and a partition that is added later, miss nothing."""
    hub.now = datetime.now(timezone.utc) - timedelta(hours=1)  # the lake's clock is the machine's
    hub.fill(4)
    drain(event_lake, start="latest", hub_partitions=[0])
    hub.advance(timedelta(hours=2))
    hub.partitions[2] = Partition()
    hub.fill(6)
    drain(event_lake, start="latest")
    assert event_lake.nexts() == {0: 4, 1: 4, 2: 2}
    assert sum(event_lake.ledger().values()) == 6


def test_a_time_to_start_at(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    hub.advance(DAY)
    hub.fill(2)
    assert drain(event_lake, start=NOW + DAY)["messages"] == 2
    assert drain(event_lake, start=NOW)["messages"] == 0  # the lake has a position now


def test_an_empty_partition_gets_a_position_so_that_a_gap_would_show(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    drain(event_lake)
    hub.fill(6)
    hub.expire(0, 2)
    with pytest.raises(MessagesLost, match="partition 0: 0 to 1"):
        drain(event_lake)


# Limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "messages"),
    [({"max_messages": 4}, 4), ({"max_bytes": 1}, 3), ({"max_duration": timedelta(seconds=0.5)}, 3)],
)
def test_a_limit_commits_what_was_read_and_the_next_run_goes_on(
    hub: MemoryHub, event_lake: EventLake, limit: dict[str, Any], messages: int
) -> None:
    hub.fill(10)
    summary = drain(event_lake, **limit)
    assert (summary["messages"], summary["complete"]) == (messages, False)
    assert sum(each["lag"] for each in summary["hub_partitions"].values()) == 10 - messages
    assert drain(event_lake)["messages"] == 10 - messages
    assert event_lake.ledger() == hub.ledger


def test_runs_that_max_duration_keeps_from_getting_anywhere_say_so(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(2)
    assert drain(event_lake, max_duration=timedelta(0))["complete"] is False
    with pytest.raises(StopAndLook, match="Raise max_duration"):
        drain(event_lake, max_duration=timedelta(0))


def test_a_limit_that_ends_a_window_fails_so_that_a_retry_lands_the_rest(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(5)
    with pytest.raises(TryAgain, match="a retry lands what is missing"):
        backfill(event_lake, NOW, NOW + DAY, max_messages=3)
    assert backfill(event_lake, NOW, NOW + DAY, max_messages=3)["messages"] == 2
    assert event_lake.ledger() == hub.ledger


# A broker that restarts ---------------------------------------------------------------------------


class Restart:
    """A time of its own, and a broker that does not listen until a moment of it."""

    def __init__(self, patch: pytest.MonkeyPatch, hub: MemoryHub, until: float) -> None:
        self.now, self.tries = 0.0, 0
        clock = Clock(now=lambda: hub.now, monotonic=self.monotonic, sleep=self.sleep)
        patch.setitem(INJECTED, "clock", clock)
        there = MemoryHook.partitions

        def partitions(hook: MemoryHook) -> list[int]:
            self.tries += 1
            if self.now < until:
                raise ConnectionFailed("nothing listens there (connection refused).")
            return there(hook)

        patch.setattr(MemoryHook, "partitions", partitions)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_broker_that_restarts_at_the_beginning_is_waited_for(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fill(4)
    restart = Restart(monkeypatch, hub, 6.0)
    assert drain(event_lake)["complete"]
    assert 2 <= restart.tries <= 10


def test_a_broker_that_stays_away_is_an_outage_if_it_was_reached_before(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fill(4)
    with monkeypatch.context() as patch:
        Restart(patch, hub, 1e9)
        with pytest.raises(ConnectionFailed):
            drain(event_lake)
    drain(event_lake)
    restart = Restart(monkeypatch, hub, 1e9)
    with pytest.raises(ServiceUnavailable, match=r"connection refused.*reached before"):
        drain(event_lake)
    assert 10 <= restart.now <= 12
    assert len(event_lake.records()) == 1


def test_a_name_that_does_not_exist_is_final(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.refusal = HostUnreachable("the host name has no address")
    with pytest.raises(HostUnreachable):
        drain(event_lake)


# Gaps ---------------------------------------------------------------------------------------------


def test_a_gap_lands_what_is_there_then_fails_without_retry(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.fill(8)
    hub.expire(0, 4)
    pushed: dict[str, Any] = {}
    task_instance = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    with pytest.raises(MessagesLost, match=r"2 messages .*partition 0: 2 to 3") as raised:
        drain(event_lake, context(ti=task_instance))
    assert pushed["return_value"]["lost"] == {"0": [[2, 4]]}
    assert isinstance(raised.value, AirflowFailException)
    del hub.ledger[0, 2], hub.ledger[0, 3]
    assert event_lake.ledger() == hub.ledger
    assert event_lake.position()["0"]["lost"] == [[2, 4]]
    hub.fill(2)
    assert drain(event_lake)["lost"] == {}
    assert event_lake.ledger() == hub.ledger


def test_a_gap_can_be_a_warning(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str]
) -> None:
    drain(event_lake)
    hub.fill(4)
    hub.expire(1, 1)
    summary = drain(event_lake, on_gap="continue")
    assert (summary["lost"], summary["messages"]) == ({"1": [[0, 1]]}, 3)
    assert "partition 1: 0 to 0" in capsys.readouterr().out


def test_messages_that_are_deleted_while_they_are_read_are_a_gap(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(12)

    def expire(batch: int) -> None:
        if batch == 1:
            hub.expire(0, 5)

    hub.before_batch = expire
    with pytest.raises(MessagesLost, match="partition 0: 3 to 4"):
        drain(event_lake)
    del hub.ledger[0, 3], hub.ledger[0, 4]
    assert event_lake.ledger() == hub.ledger
    assert event_lake.position()["0"] == {"next": 6, "covered": [[0, 3], [5, 6]], "lost": [[3, 5]]}


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([[(0, 5, 7)], [(0, 9, 10)]], {0: [(5, 7), (9, 10)]}),
        ([[(0, 5, 7), (0, 7, 9)], [(0, 9, 10)]], {0: [(5, 10)]}),
        ([[(0, 5, 7), (1, 7, 9)], [(0, 8, 10)]], {0: [(5, 7), (8, 10)], 1: [(7, 9)]}),
        ([[(0, 90, 200)]], {0: [(90, 100), (150, 200)]}),
        ([[(0, 100, 150)]], {0: []}),
    ],
)
def test_gaps_that_lie_apart_stay_apart_and_those_that_touch_become_one(
    batches: list[list[tuple[int, int, int]]], expected: dict[int, list[tuple[int, int]]]
) -> None:
    """Where the plan leaves out 100 to 149, which have landed before."""
    plans = {number: HubPartitionPlan(0, 200, 200, ((0, 100), (150, 200))) for number in (0, 1)}
    read = HubRead(_NONE, Window("position", basis="enqueued"), _NONE, _NONE, plans=plans)
    for lost in batches:
        read.note(MessageBatch(lost=lost))
    assert read.lost == expected


def test_messages_that_retention_takes_before_the_first_fetch_are_no_gap(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    """A partition that no drain has read begins with the oldest message that is there."""
    hub.fill(12)
    hub.before_batch = lambda batch: hub.expire(0, 2) if batch == 0 else None
    summary = drain(event_lake)
    assert (summary["lost"], summary["complete"], summary["hub_partitions"]["0"]["from"]) == ({}, True, 2)
    del hub.ledger[0, 0], hub.ledger[0, 1]
    assert event_lake.ledger() == hub.ledger
    assert event_lake.position()["0"] == {"next": 6, "covered": [[2, 6]], "lost": []}
    assert drain(event_lake)["commit"] is None


# Damage -------------------------------------------------------------------------------------------


def test_damage_lands_what_is_readable_then_fails_without_retry(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    """Damage apart from damage stays apart; a backfill lands what can be read by then."""
    hub.fill(12)
    hub.partitions[0].damaged = {1, 2, 4}
    pushed: dict[str, Any] = {}
    task_instance = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    told = r"3 messages that cannot be read: partition 0: 1 to 2, partition 0: 4 to 4\."
    with pytest.raises(MessagesDamaged, match=told) as raised:
        drain(event_lake, context(ti=task_instance))
    assert isinstance(raised.value, AirflowFailException)
    assert pushed["return_value"]["damaged"] == {"0": [[1, 3], [4, 5]]}
    assert pushed["return_value"]["lost"] == {}
    whole = hub.ledger.copy()
    for offset in (1, 2, 4):
        del hub.ledger[0, offset]
    assert event_lake.ledger() == hub.ledger
    stands = {"next": 6, "covered": [[0, 1], [3, 4], [5, 6]], "lost": [], "damaged": [[1, 3], [4, 5]]}
    assert event_lake.position()["0"] == stands
    assert drain(event_lake)["damaged"] == {}

    hub.partitions[0].damaged = {4}
    assert backfill(event_lake, NOW, NOW + DAY, on_gap="continue")["messages"] == 2
    del whole[0, 4]
    assert event_lake.ledger() == whole
    assert event_lake.position()["0"]["damaged"] == [[4, 5]]


def test_damage_alone_moves_the_position(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    hub.partitions[0].damaged = {0}
    with pytest.raises(MessagesDamaged, match="1 message that cannot be read"):
        drain(event_lake, hub_partitions=[0])
    assert event_lake.position()["0"] == {"next": 1, "covered": [], "lost": [], "damaged": [[0, 1]]}
    assert drain(event_lake, hub_partitions=[0])["commit"] is None


def test_a_message_that_is_too_large_is_in_quarantine_by_its_digest(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fill(1)
    hub.send(b"x" * 2_000_000)
    hub.fill(2)
    summary = drain(event_lake)
    assert (summary["messages"], summary["rejects"], summary["complete"]) == (4, 1, True)
    assert event_lake.ledger() == hub.ledger
    [reject] = event_lake.rejects()
    digest = hashlib.sha256(b"x" * 2_000_000).hexdigest()
    assert (reject["partition"], reject["offset"], reject["bytes"]) == (0, 1, b"")
    assert reject["key"] == f"reject:{digest}"
    assert "2,000,000 bytes" in reject["error"]
    assert digest in reject["error"]
    assert "Partition 0, offset 1 goes to quarantine" in capsys.readouterr().out


def fail_once(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the store be away once, when the files of the commit with this number are published."""
    original = publishing._finish
    failures = [OSError("the store is away")]

    def failing(storage: Any, paths: Any, commit: Commit[Any], *rest: Any, **options: Any) -> None:
        if commit.number == number and failures:
            raise failures.pop()
        original(storage, paths, commit, *rest, **options)

    monkeypatch.setattr(publishing, "_finish", failing)


def leave_a_gap(hub: MemoryHub, event_lake: EventLake) -> None:
    """The hub deletes messages 3 and 4 of partition 0 behind the first commit, before they are read."""
    hub.fill(6)
    drain(event_lake)
    hub.fill(6)
    hub.expire(0, 5)


def test_a_gap_is_told_though_the_files_are_not_published(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_a_gap(hub, event_lake)
    fail_once(monkeypatch, 2)
    pushed: dict[str, Any] = {}
    task_instance = SimpleNamespace(xcom_push=lambda key, value: pushed.update(value))
    with pytest.raises(
        MessagesLost, match=r"(?s)partition 0: 3 to 4.* the next run does that first"
    ) as raised:
        drain(event_lake, context(ti=task_instance), group_id="monitoring")
    assert isinstance(raised.value.__cause__, NotPublished)
    assert (pushed["lost"], pushed["commit"], hub.commits) == ({"0": [[3, 5]]}, 2, [])
    del hub.ledger[0, 3], hub.ledger[0, 4]
    assert event_lake.ledger() != hub.ledger
    assert drain(event_lake)["lost"] == {}
    assert event_lake.ledger() == hub.ledger


def test_a_gap_that_may_pass_is_a_warning_before_the_retry_that_publishes_the_files(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_a_gap(hub, event_lake)
    fail_once(monkeypatch, 2)
    with pytest.raises(CommitUnfinished, match="commit 2 of") as raised:
        drain(event_lake, on_gap="continue")
    assert isinstance(raised.value.__cause__, NotPublished)
    assert "deleted 2 messages before they were read" in capsys.readouterr().out


def test_without_a_gap_files_that_are_not_published_are_for_the_retry(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fill(6)
    fail_once(monkeypatch, 1)
    with pytest.raises(CommitUnfinished):
        drain(event_lake)
    drain(event_lake)
    assert event_lake.ledger() == hub.ledger


def test_a_gap_is_told_though_the_commit_may_not_count(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_a_gap(hub, event_lake)

    def unknown(self: Transaction[Any, Any], change: OffsetsChange) -> None:
        raise CommitStateUnknown("it is not known whether commit 2 counts")

    monkeypatch.setattr(Transaction, "commit", unknown)
    with pytest.raises(MessagesLost, match=r"(?s): 3 to 4\..* it is not known whether commit 2 counts"):
        drain(event_lake)


def test_what_a_backfill_has_landed_is_not_lost(hub: MemoryHub, event_lake: EventLake) -> None:
    drain(event_lake)
    hub.fill(4)
    backfill(event_lake, NOW, NOW + DAY)
    hub.expire(0, 2)
    assert drain(event_lake)["lost"] == {}


def test_a_hub_that_was_created_again_is_not_read(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(6)
    drain(event_lake)
    hub.recreate()
    hub.fill(2)
    with pytest.raises(PositionAhead, match="offset 3, but the hub ends at 1") as raised:
        drain(event_lake)
    assert isinstance(raised.value, AirflowFailException)
    assert len(event_lake.records()) == 1


def check_that_nothing_is_read(event_lake: EventLake, why: str, *runs: Callable[[], object]) -> None:
    """Each run finds another hub than the one of the lake's first commit."""
    for run in runs:
        with pytest.raises(PositionAhead, match=why):
            run()
    assert len(event_lake.records()) == 1


def test_a_window_of_a_hub_that_was_created_again_is_not_read(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(6)
    backfill(event_lake, NOW - DAY, NOW + DAY)
    hub.recreate()
    hub.fill(2)
    check_that_nothing_is_read(
        event_lake,
        "offset 3, but the hub ends at 1",
        lambda: drain(event_lake),
        lambda: backfill(event_lake, NOW - DAY, NOW + DAY),
    )


def test_a_hub_that_was_created_again_with_fewer_partitions_is_not_read(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(6)
    drain(event_lake, hub_partitions=[0, 1])
    hub.partitions = {0: Partition()}
    hub.fill(10)
    check_that_nothing_is_read(
        event_lake,
        "knows partition 1 of hub 'defender', but the hub has",
        lambda: drain(event_lake),
        lambda: drain(event_lake, hub_partitions=[0]),
        lambda: drain(event_lake, hub_partitions=[1]),
        lambda: backfill(event_lake, NOW - DAY, NOW + DAY),
        lambda: backfill(event_lake, NOW - DAY, NOW + DAY, hub_partitions=[0]),
    )


# Backfills ----------------------------------------------------------------------------------------


def test_backfills_land_their_interval_and_leave_the_live_position(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    for _ in range(3):
        hub.fill(4)
        hub.advance(DAY)
    summary = backfill(event_lake, NOW + DAY, NOW + 2 * DAY)
    assert summary["hub_partitions"]["0"] == {
        "from": 2,
        "to": 4,
        "high": 6,
        "waiting_at_start": 2,
        "lag": None,
        "oldest_unread": None,
    }
    assert event_lake.nexts() == {0: None, 1: None}
    again = backfill(event_lake, NOW + DAY, NOW + 2 * DAY)
    assert (again["messages"], again["commit"]) == (0, None)
    live = drain(event_lake)
    assert hub.reads[-1] == {0: [(0, 2), (4, 6)], 1: [(0, 2), (4, 6)]}
    assert (live["messages"], event_lake.nexts()) == (8, {0: 6, 1: 6})
    assert event_lake.ledger() == hub.ledger


def test_a_backfill_passes_over_what_is_landed(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake, start="latest")
    hub.advance(DAY)
    hub.fill(4)
    drain(event_lake)
    assert backfill(event_lake, NOW - DAY, NOW + 9 * DAY)["messages"] == 4
    assert event_lake.ledger() == hub.ledger
    assert event_lake.position()["0"] == {"next": 4, "covered": [[0, 4]], "lost": []}


def test_an_explicit_window(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    hub.advance(MINUTE)
    hub.fill(2)
    window = drain(event_lake, since=NOW, until="2026-11-20T12:01:00Z")["window"]
    assert window["by"] == "enqueued"
    assert sum(event_lake.ledger().values()) == 4


def test_a_window_that_begins_before_the_oldest_message_says_so(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fill(4)
    hub.advance(DAY)
    hub.fill(4)
    hub.expire(0, 2)
    summary = backfill(event_lake, NOW - DAY, NOW + 2 * DAY)
    assert summary["before_oldest"] == {"0": (NOW + DAY).isoformat()}
    assert "before the oldest message of partition 0" in capsys.readouterr().out
    assert summary["messages"] == 6


def test_a_window_whose_beginning_is_in_the_lake_is_whole(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.advance(DAY)
    hub.fill(4)
    hub.expire(0, 2)
    assert backfill(event_lake, NOW - DAY, NOW + 2 * DAY)["before_oldest"] == {}


def test_a_backfill_run_with_an_empty_interval_fails_at_once(hub: MemoryHub, event_lake: EventLake) -> None:
    with pytest.raises(ConfigurationError, match="CronDataIntervalTimetable"):
        backfill(event_lake, NOW, NOW)


def test_a_backfill_that_would_leave_too_many_gaps_fails_at_once(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.offsets.position.PIECES_LIMIT", 1)
    for _ in range(3):
        hub.fill(2)
        hub.advance(DAY)
    backfill(event_lake, NOW, NOW + DAY)
    with pytest.raises(FailNow, match="backfill the time between"):
        backfill(event_lake, NOW + 2 * DAY, NOW + 3 * DAY)


# Outages and other runs ---------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ServiceUnavailable("gone"), PermissionMissing("no more")])
def test_an_error_in_the_middle_lands_what_was_read(
    hub: MemoryHub, event_lake: EventLake, error: ServiceUnavailable | PermissionMissing
) -> None:
    hub.fill(10)
    hub.failure = (4, error)
    with pytest.raises(type(error)):
        drain(event_lake)
    assert sum(event_lake.ledger().values()) == 4
    hub.failure = None
    assert drain(event_lake)["messages"] == 6
    assert event_lake.ledger() == hub.ledger


def test_an_error_before_the_first_message_leaves_no_trace(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    hub.failure = (0, ServiceUnavailable("gone"))
    with pytest.raises(ServiceUnavailable):
        drain(event_lake)
    assert event_lake.records() == []


def test_a_hub_that_refuses_fails_before_anything_is_written(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.refusal = PermissionMissing("grant Azure Event Hubs Data Receiver")
    with pytest.raises(PermissionMissing, match="Data Receiver"):
        drain(event_lake)
    assert not event_lake.path.exists()


def test_of_two_live_drains_of_a_partition_one_counts(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    hub.before_batch = lambda number: _interfere(hub, event_lake)
    with pytest.raises(ConflictingRun, match="moved the live drain") as raised:
        drain(event_lake)
    assert isinstance(raised.value.__cause__, CommitConflict)
    assert event_lake.ledger() == hub.ledger
    assert len(event_lake.records()) == 1


def _interfere(hub: MemoryHub, lake: EventLake, **arguments: Any) -> None:
    hub.before_batch = lambda number: None
    drain(lake, **arguments)


def test_tasks_over_other_partitions_and_backfills_do_not_disturb_each_other(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(12)
    hub.before_batch = lambda number: _interfere(hub, event_lake, hub_partitions=[1])
    assert drain(event_lake, hub_partitions=[0])["messages"] == 6
    hub.fill(6)
    hub.before_batch = lambda number: _interfere(hub, event_lake, since=NOW, until=NOW + DAY)
    assert drain(event_lake)["rows"] == {}  # the backfill was faster
    assert event_lake.ledger() == hub.ledger
    assert event_lake.nexts() == {0: 9, 1: 9}


# Odd input ----------------------------------------------------------------------------------------


def test_whatever_comes_is_in_a_dataset_or_in_quarantine(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(3)
    odd = [None, b"", b"{", b'{"records": []}', b"\xff\xfe", b"[1, 2", b'"text"', b"7"]
    for number, value in enumerate(odd):
        hub.send(value, number % 2)
    hub.send(message({"DeviceId": "a"}, table="NoSuchTable"))
    hub.send(message({"DeviceId": "a"}, table="../../evil"))
    summary = drain(event_lake)
    assert event_lake.ledger() == hub.ledger
    assert summary["rejects"] == len(event_lake.rejects()) == len(odd) + 1
    assert {row["error"] for row in event_lake.rejects()} > {""} - {""}
    assert len(event_lake.files("NoSuchTable")) == 1
    _assert_nothing_outside(event_lake)


def _assert_nothing_outside(lake: EventLake) -> None:
    assert {path.name for path in lake.path.iterdir()} <= {"events", "_defender"}
    assert [path.name for path in lake.path.parent.iterdir()] == [lake.path.name]


def test_a_broken_element_of_records_rejects_only_itself(hub: MemoryHub, event_lake: EventLake) -> None:
    good = message({"DeviceId": "a"}, {"DeviceId": "b"})
    hub.send(good[:-2] + b", 17]}", parts=3)
    summary = drain(event_lake)
    assert (summary["rows"], summary["rejects"]) == ({"events/DeviceInfo": 2}, 1)
    assert event_lake.ledger() == hub.ledger


def test_duplicates_of_the_exporter_are_dropped_and_counted(hub: MemoryHub, event_lake: EventLake) -> None:
    twice = {"DeviceId": "a", "Timestamp": "2026-11-20T11:00:00Z"}
    hub.send(message(twice))
    hub.send(message(twice, at=NOW + MINUTE), 1, parts=0)
    summary = drain(event_lake)
    assert (summary["duplicates"], summary["rows"]) == (1, {"events/DeviceInfo": 1})
    assert event_lake.records()[0]["counts"]["duplicates"] == 1
    assert event_lake.nexts() == {0: 1, 1: 1}
    hub.send(message(twice), parts=1)
    hub.send(message(twice), parts=1)
    assert drain(event_lake, drop_duplicates=False)["duplicates"] == 0
    assert +hub.ledger == event_lake.ledger()


def test_unknown_tables_of_earlier_runs_count_against_their_limit(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    for number in range(100):
        hub.send(message({"A": number}, table=f"New{number}"), number % 2)
    drain(event_lake, keep_original=False)
    assert not event_lake.files("Unknown")
    hub.send(message({"A": 1}, table="OneMore"))
    hub.send(message({"A": 2}, table="new7"))
    assert drain(event_lake)["rows"] == {"events/New7": 1, "events/Unknown": 1}


# Reporting ----------------------------------------------------------------------------------------


def test_the_asset_event_tells_what_landed(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    given = context()
    summary = drain(event_lake, given)
    event = given["outlet_events"][ASSET]
    for name in ("messages", "rows", "files", "hub_partitions", "commit", "lost"):
        assert event.extra[name] == summary[name]
    assert event.extra["hours"] == ["2026-11-20T12:00:00"]
    assert event.partition_keys == set()


def test_partition_keys_are_emitted_on_request(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    given = context()
    drain(event_lake, given, partitioned_asset_events=True)
    assert given["outlet_events"][ASSET].partition_keys == {"2026-11-20T12:00:00"}


def test_the_asset_is_named_after_the_hub_that_the_task_names(hub: MemoryHub) -> None:
    operator = EventHubToParquetOperator(task_id="land", lake="file:///lake", hub="Alerts")
    uris = [asset.uri for asset in operator.outlets]
    assert uris == [asset.uri for asset in operator.inlets] == ["defender://event_hub_default/events/Alerts"]


def test_the_position_is_mirrored_and_committed_for_those_who_watch(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    class Store(dict[str, Any]):
        def __getitem__(self, asset: Any) -> Any:
            return SimpleNamespace(set=lambda key, value: self.update({f"{asset.uri} {key}": value}))

    store = Store()
    hub.fill(10)
    drain(event_lake, context(asset_state_store=store), group_id="monitoring", max_messages=7)
    assert store == {
        f"{ASSET.uri} partition-0": {"next": 5, **NOTHING},
        f"{ASSET.uri} partition-1": {"next": 2, "lag": 3, "oldest_unread": 0.0},
    }
    assert hub.commits == [({0: 5, 1: 2}, "monitoring")]


def test_backfills_do_not_touch_what_watches_the_live_position(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    backfill(event_lake, NOW, NOW + DAY, group_id="monitoring")
    assert hub.commits == []


def test_the_asset_event_of_an_empty_run_tells_that_nothing_landed(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(2)
    given, empty = context(), context()
    drain(event_lake, given)
    drain(event_lake, empty)
    [event], [nothing] = (each["outlet_events"].events.values() for each in (given, empty))
    assert (nothing.extra["messages"], nothing.extra["rows"], nothing.extra["files"]) == (0, {}, 0)
    assert (nothing.extra["commit"], nothing.extra["hours"]) == (None, [])
    assert set(nothing.extra) == set(event.extra)


def test_a_bare_context_is_enough(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    operator = EventHubToParquetOperator(
        task_id="land", lake=event_lake.uri, partitioned_asset_events=True, **INJECTED
    )
    assert operator.execute({})["messages"] == 2
    listing = EventHubPartitionsOperator(task_id="list", groups=1, **INJECTED)
    assert listing.execute({}) == [[0, 1]]


def test_what_waits_at_the_end_is_asked_again(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)

    def come_in() -> None:
        hub.fill(6)
        hub.now += timedelta(seconds=90)
        hub.before_last_question = lambda: None

    hub.before_last_question = come_in
    summary = drain(event_lake)
    assert summary["complete"]
    assert {
        name: [each[name] for each in summary["hub_partitions"].values()]
        for name in ("waiting_at_start", "lag", "oldest_unread")
    } == {"waiting_at_start": [2, 2], "lag": [3, 3], "oldest_unread": [90.0, 90.0]}


def test_a_question_at_the_end_that_fails_is_a_warning(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ServiceUnavailable("the hub is away")

    hub.fill(4)
    hub.before_last_question = fail
    summary = drain(event_lake)
    assert [each["lag"] for each in summary["hub_partitions"].values()] == [None, None]
    assert "the hub is away" in capsys.readouterr().out
    assert event_lake.ledger() == hub.ledger


def test_lag_and_loss_are_metrics(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, float] = {}
    monkeypatch.setattr("airflow_provider_defender.operators._airflow.gauge", found.__setitem__)
    drain(event_lake, hub="my.hub")
    hub.fill(8)
    hub.expire(1, 1)
    hub.partitions[0].damaged.add(2)
    drain(event_lake, hub="my.hub", on_gap="continue", max_messages=5)
    wanted = ("damaged", "lag", "lost")
    assert {name: value for name, value in found.items() if name.split(".")[2] in wanted} == {
        "defender.event_hub.damaged.contoso_servicebus_windows_net.my_hub.0": 1,
        "defender.event_hub.damaged.contoso_servicebus_windows_net.my_hub.1": 0,
        "defender.event_hub.lag.contoso_servicebus_windows_net.my_hub.0": 0,
        "defender.event_hub.lag.contoso_servicebus_windows_net.my_hub.1": 2,
        "defender.event_hub.lost.contoso_servicebus_windows_net.my_hub.0": 0,
        "defender.event_hub.lost.contoso_servicebus_windows_net.my_hub.1": 1,
    }


def test_the_log_tells_what_was_read_from_what_was_there_before(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*parts: str) -> None:
        out = capsys.readouterr().out
        assert [part for part in parts if part not in out] == []

    hub.fill(6)
    drain(event_lake, hub_partitions=[0])
    said("3 messages read, 3 rows landed in 1 file,", "Partition 0 read from 0 to 3 of 3")
    backfill(event_lake, NOW - DAY, NOW + DAY, hub_partitions=[0])
    said("0 messages read", "Partition 0 passed over from 0 to 3 of 3 (3 offsets known to the lake before)")
    hub.fill(4)
    backfill(event_lake, NOW - DAY, NOW + DAY)
    said(
        "Partition 0 read from 0 to 5 of 5 (3 offsets known to the lake before)",
        "Partition 1 read from 0 to 5 of 5",
    )
    hub.fill(4)
    hub.expire(0, 6)
    drain(event_lake, on_gap="continue", hub_partitions=[0])
    said("Partition 0 read from 3 to 7 of 7 (2 offsets known to the lake before, 1 deleted before)")


def test_the_log_tells_when_the_commit_begins_and_when_it_is_done(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fill(1)
    drain(event_lake)
    out = capsys.readouterr().out
    assert "1 row staged after " in out
    assert out.index("the commit begins") < out.index("The commit is done, in ") < out.index("1 message read")


def test_long_drains_report_progress(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DrainClock, "report_every", 0.0)
    hub.fill(6)
    drain(event_lake)
    assert "3 messages still to come" in capsys.readouterr().out


# Parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"on_gap": "ignore"}, "on_gap='ignore' must be 'fail' or 'continue'"),
        ({"on_gap": "Continue"}, "Did you mean 'continue'?"),
        ({"max_messages": 0}, "max_messages=0"),
        ({"max_messages": True}, "max_messages=True"),
        ({"max_bytes": "1"}, "max_bytes='1'"),
        ({"max_duration": 60}, "max_duration=60"),
        ({"start": "newest"}, "start='newest' must be 'earliest', 'latest' or a time.*mean 'latest'"),
        ({"start": "beginning"}, "must be 'earliest', 'latest' or a time.*mean 'earliest'"),
        ({"start": "earlyest"}, "must be 'earliest', 'latest' or a time.*mean 'earliest'"),
        ({"start": 0}, "start=0 must be 'earliest', 'latest' or a time"),
        ({"start": None}, "start=None"),
        ({"hub_partitions": []}, r"hub_partitions=\[\]"),
        ({"hub_partitions": "zero"}, "hub_partitions='zero'"),
        ({"hub_partitions": [0, 7]}, "partitions 0, 1, and not 7"),
        ({"since": "last week"}, "since='last week'"),
        ({"kafka_config": {"sasl.password": "s3cret"}}, r"\['sasl.password'\] is a secret: Airflow"),
        ({"lake": ""}, "lake is empty"),
    ],
)
def test_wrong_parameters_fail_at_once(
    hub: MemoryHub, event_lake: EventLake, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        EventHubToParquetOperator(
            task_id="land", **{**INJECTED, "lake": event_lake.uri, **arguments}
        ).execute(context())  # type: ignore[arg-type]
    assert hub.reads == []
    assert not event_lake.path.exists()


def test_a_lake_that_cannot_be_written_is_named(hub: MemoryHub, tmp_path: Path) -> None:
    hub.fill(1)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError, match=r"cannot be written \(Not a directory"):
        drain(EventLake(tmp_path / "file" / "lake"))


def test_the_hub_can_be_a_template(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    given = context(params={"table": "deviceinfo"})
    operator = hub_operator(event_lake, hub="insights-logs-advancedhunting-{{ params.table }}")
    operator.render_template_fields(given)  # type: ignore[arg-type]
    operator.execute(given)  # type: ignore[arg-type]
    assert event_lake.records()[0]["log"].endswith("-insights-logs-advancedhunting-deviceinfo")


# Groups of partitions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partitions", "groups", "expected"),
    [
        (2, 4, [[0], [1]]),
        (5, 2, [[0, 2, 4], [1, 3]]),
        (1, 1, [[0]]),
    ],
)
def test_partitions_are_spread_over_groups(
    hub: MemoryHub, partitions: int, groups: int, expected: list[list[int]]
) -> None:
    hub.partitions = {number: Partition() for number in range(partitions)}
    operator = EventHubPartitionsOperator(task_id="partitions", groups=groups, **INJECTED)
    assert operator.execute(context()) == expected  # type: ignore[arg-type]


def grouped(event_lake: EventLake, given: Any = None, **arguments: Any) -> list[list[int]]:
    """The groups of a run into this lake, in which a task is meant for ten messages."""
    settings = {"lake": event_lake.uri, "messages_per_task": 10, **INJECTED, **arguments}
    operator = EventHubPartitionsOperator(task_id="partitions", **settings)
    return operator.execute(given or context())  # type: ignore[arg-type]


def test_a_group_more_for_so_many_messages_that_the_lake_does_not_have(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.partitions = {number: Partition() for number in range(6)}
    assert grouped(event_lake) == [[0, 1, 2, 3, 4, 5]]  # the first drain must record where it begins
    hub.fill(10)
    assert grouped(event_lake) == [[0, 1, 2, 3, 4, 5]]
    hub.fill(14)
    assert grouped(event_lake) == [[0, 4], [1, 5], [2, 3]]
    assert grouped(event_lake, groups=2) == [[0, 2, 4], [1, 3, 5]]
    drain(event_lake)
    assert grouped(event_lake) == [[0, 1, 2, 3, 4, 5]]


def test_groups_hold_about_the_same_number_of_messages(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.partitions = {number: Partition() for number in range(4)}
    for number, count in enumerate((3, 14, 0, 9)):
        for _ in range(count):
            hub.send(message({"DeviceId": "a"}), number)
    assert grouped(event_lake, groups=2) == [[1], [0, 2, 3]]


def test_one_partition_with_all_messages_is_one_task(hub: MemoryHub, event_lake: EventLake) -> None:
    for _ in range(50):
        hub.send(message({"DeviceId": "a"}), 1)
    assert grouped(event_lake) == [[0, 1]]


def test_groups_of_a_backfill_follow_its_window(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(40)
    drain(event_lake, start="latest")
    hub.advance(DAY)
    hub.fill(4)
    hub.advance(MINUTE)
    window = context("backfill", data_interval_start=NOW, data_interval_end=NOW + MINUTE)
    assert grouped(event_lake) == [[0, 1]]
    assert grouped(event_lake, window) == [[0], [1]]
    assert grouped(event_lake, since=NOW.isoformat()) == [[0], [1]]
    assert grouped(event_lake, since=(NOW + DAY).isoformat()) == [[0, 1]]


def test_groups_of_a_first_drain_follow_its_start(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(40)
    assert grouped(event_lake) == [[0], [1]]
    assert grouped(event_lake, start="latest") == [[0, 1]]


def test_groups_of_another_hub_than_the_lakes_are_refused(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.recreate()
    with pytest.raises(PositionAhead):
        grouped(event_lake)


def test_what_groups_depend_on_can_be_a_template() -> None:
    templates = {name: f"{{{{ params.{name} }}}}" for name in EventHubPartitionsOperator.template_fields}
    operator = EventHubPartitionsOperator(task_id="partitions", **templates)  # type: ignore[arg-type]
    operator.render_template_fields({"params": {name: name.upper() for name in templates}})
    assert {name: getattr(operator, name) for name in templates} == {name: name.upper() for name in templates}
    assert set(templates) == {"lake", "hub", "start", "since", "until"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"groups": 0}, "groups=0"),
        ({"messages_per_task": 0}, "messages_per_task=0"),
        ({"start": "oldest"}, "Did you mean 'earliest'"),
        ({"run_partition_span": 5}, "run_partition_span=5"),
        ({"lake": ""}, "lake is empty"),
    ],
)
def test_groups_need_sound_parameters(
    hub: MemoryHub, event_lake: EventLake, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        grouped(event_lake, **arguments)
