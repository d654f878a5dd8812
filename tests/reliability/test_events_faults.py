"""P11 and P1 for events: outages and full disks slow a drain down or fail it, and lose nothing."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from airflow_provider_defender.exceptions import (
    HostUnreachable,
    MessagesLost,
    ServiceUnavailable,
    StoreUnavailable,
)
from airflow_provider_defender.hooks import EventHubHook
from airflow_provider_defender.lake import lake as lake_module
from airflow_provider_defender.simulator.events import EmbeddedHub
from tests.helpers.event_hubs import INJECTED, EventLake, drain
from tests.reliability import events_worker
from tests.reliability.events_support import Namespace, assert_exactly_once
from tests.reliability.events_worker import SmallBatches, Worker
from tests.reliability.test_killed import Stepped

ONE_BY_ONE = {"queued.min.messages": "1", "max.partition.fetch.bytes": "300", "fetch.max.bytes": "1000000"}
"""Settings by which the client fetches little ahead, so that an outage comes before the end."""
NOT_LEADER, TIMED_OUT, THROTTLED = 6, 7, 89


class BatchesOfThree(SmallBatches):
    batch_messages = 3


@pytest.fixture
def embedded() -> Iterator[EmbeddedHub]:
    with EmbeddedHub() as embedded:
        yield embedded


@pytest.fixture
def namespace(embedded: EmbeddedHub, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    namespace = Namespace(embedded)
    namespace.connect(monkeypatch)
    for _ in range(5):
        namespace.fill(4)
    monkeypatch.setitem(INJECTED, "hook", BatchesOfThree)
    return namespace


def before_batch(monkeypatch: pytest.MonkeyPatch, number: int, act: Any) -> None:
    """Do something before the batch of this number is read."""
    inner = EventHubHook.batches

    def batches(*given: Any, **options: Any) -> Iterator[Any]:
        for place, batch in enumerate(inner(*given, **options)):
            yield batch
            if place == number - 1:
                act()

    monkeypatch.setattr(EventHubHook, "batches", batches)


# Outages ------------------------------------------------------------------------------------------


def test_an_outage_in_the_middle_is_waited_out(
    namespace: Namespace, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = namespace.embedded
    healing = threading.Timer(0.5, embedded.up)

    def break_off() -> None:
        embedded.down()
        healing.start()

    before_batch(monkeypatch, 2, break_off)
    summary = drain(event_lake, kafka_config=ONE_BY_ONE)
    healing.join()
    assert summary["complete"] is True
    assert_exactly_once(event_lake, namespace)


def test_an_outage_that_does_not_end_lands_what_was_read(
    namespace: Namespace, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = partial(BatchesOfThree, outage_seconds=1)
    monkeypatch.setitem(INJECTED, "hook", impatient)
    with monkeypatch.context() as patch:
        before_batch(patch, 2, namespace.embedded.down)
        with pytest.raises(ServiceUnavailable):
            drain(event_lake, kafka_config=ONE_BY_ONE)
    landed = len(event_lake.ledger())
    assert 6 <= landed < len(namespace.ledger)
    namespace.embedded.up()
    assert drain(event_lake)["messages"] == len(namespace.ledger) - landed
    assert_exactly_once(event_lake, namespace)


def test_a_namespace_that_is_down_from_the_start_leaves_no_trace(
    namespace: Namespace, event_lake: EventLake
) -> None:
    namespace.embedded.down()
    with pytest.raises((HostUnreachable, ServiceUnavailable)):
        drain(event_lake)
    assert event_lake.records() == []
    namespace.embedded.up()
    drain(event_lake)
    assert_exactly_once(event_lake, namespace)


def test_refused_fetches_and_slow_answers_are_waited_out(namespace: Namespace, event_lake: EventLake) -> None:
    namespace.embedded.refuse("fetch", NOT_LEADER, TIMED_OUT, THROTTLED, NOT_LEADER)
    namespace.embedded.slow(20)
    assert drain(event_lake)["complete"] is True
    assert_exactly_once(event_lake, namespace)


def test_retention_that_passes_a_drain_is_a_gap_and_the_rest_lands(
    namespace: Namespace, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain(event_lake)  # without a position, a drain would begin at the oldest message, whichever it is
    for _ in range(5):
        namespace.fill(4)
    with monkeypatch.context() as patch:
        before_batch(patch, 1, lambda: namespace.embedded.expire(namespace.hub, 0, 35))
        with pytest.raises(MessagesLost) as raised:
            drain(event_lake, kafka_config=ONE_BY_ONE)
    [[start, end]] = event_lake.position()["0"]["lost"]
    assert f"partition 0: {start} to {end - 1}" in str(raised.value)
    assert end == 35
    for offset in range(start, end):
        del namespace.ledger[0, offset]
    assert_exactly_once(event_lake, namespace)
    assert drain(event_lake)["lost"] == {}


# Full disks ---------------------------------------------------------------------------------------


WRITES = ("new_file", "finish")


class FullDisk:
    """A store whose disk has no room for data from one of its steps on."""

    def __init__(self, step: int | None) -> None:
        self.taken: list[str] = []
        self._step = step

    def __call__(self, name: str) -> None:
        if name in WRITES and self._step is not None and len(self.taken) >= self._step:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.taken.append(name)


def full_from(patch: pytest.MonkeyPatch, step: int | None) -> FullDisk:
    disk, original = FullDisk(step), lake_module._open_storage
    patch.setattr(lake_module, "_open_storage", lambda *given: Stepped(original(*given), disk))
    return disk


def test_a_disk_that_fills_up_fails_the_run_and_loses_nothing(
    namespace: Namespace, event_lake: EventLake
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk = full_from(patch, None)
        drain(EventLake(event_lake.path.with_name("counted")))
    writes = [step for step, name in enumerate(disk.taken) if name in WRITES]
    assert len(writes) >= 6  # three files
    for step in writes:
        lake = EventLake(event_lake.path.with_name(f"lake-{step}"))
        with pytest.MonkeyPatch.context() as patch:
            full_from(patch, step)
            with pytest.raises(StoreUnavailable, match=r"no room left .*No space left"):
                drain(lake)
        assert lake.files() == lake.quarantine() == []
        drain(lake)
        assert_exactly_once(lake, namespace)


@pytest.mark.parametrize("size", [4, 1_000, 5_000])
def test_a_disk_that_fills_up_in_the_middle_of_a_file(
    namespace: Namespace, event_lake: EventLake, size: int
) -> None:
    """The kernel refuses the first byte beyond `size` of any file."""
    prepare = partial(events_worker.limit_files, size, deadly=False)
    assert Worker(event_lake.path.parent / "worker", event_lake.path, {}, prepare).code() == 1
    assert event_lake.files() == event_lake.quarantine() == []
    drain(event_lake)
    assert_exactly_once(event_lake, namespace)
