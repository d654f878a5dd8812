"""From a real broker into a lake: every offset exactly once, whatever happens in between."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from confluent_kafka import Producer

from airflow_provider_defender.exceptions import MessagesDamaged, MessagesLost, ServiceUnavailable
from airflow_provider_defender.hooks import EventHubHook, MessageBatch
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.simulator.events import EventStream
from tests.helpers.event_hubs import EventLake, backfill, drain, event_lake
from tests.integration.broker_hub import BrokerHub, assert_exactly_once
from tests.kafka_broker import KafkaBroker
from tests.reliability.events_worker import Worker, wait_before_commit
from tests.reliability.test_killed import FORK

__all__ = ["event_lake"]

pytestmark = pytest.mark.integration

SLOWLY = {
    "queued.max.messages.kbytes": "64",
    "max.partition.fetch.bytes": "65536",
    "fetch.max.bytes": "65536",
    "message.max.bytes": "65536",
}
"""Settings with which little is fetched ahead: what happens in the middle of a drain then matters."""
LARGE = 1500
"""Padding of a row's where many are to be still to come."""


@pytest.fixture
def hub(broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> BrokerHub:
    return BrokerHub(broker, monkeypatch)


def after_the_first_batch(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], of: int = 0) -> None:
    """Let something happen in the next read, right after its first batch with messages of a partition."""
    whole = EventHubHook.batches

    def batches(*given: Any, **options: Any) -> Iterator[MessageBatch]:
        monkeypatch.setattr(EventHubHook, "batches", whole)
        happened = False
        for batch in whole(*given, **{**options, "batch_messages": 20}):
            is_due = not happened and of in batch.partitions
            yield batch
            if is_due:
                happened = True
                happens()

    monkeypatch.setattr(EventHubHook, "batches", batches)


# A quiet day --------------------------------------------------------------------------------------


def test_all_that_defender_exports(
    broker: KafkaBroker, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every table, Defender for Cloud, Azure Monitor, an unknown table, and the simulator's oddities."""
    hub = BrokerHub(broker, monkeypatch, partitions=1)
    stream = EventStream(seed=11, odd=0.1)
    broker.produce(hub.name, stream.messages(600))
    summary = drain(event_lake)
    landed = {
        dataset.name: duckdb.read_parquet(f"{dataset}/date=*/hour=*/*.parquet").count("*").fetchall()[0][0]
        for dataset in (event_lake.path / "events").iterdir()
    }
    assert landed == dict(stream.truth.rows)
    assert summary["duplicates"] == stream.truth.duplicates
    assert len(event_lake.rejects()) == stream.truth.broken.total()
    assert event_lake.nexts() == {0: 600}
    assert {offset for _, offset, _ in event_lake.places()} <= set(range(600))
    assert drain(event_lake)["commit"] is None


def test_drains_go_on_where_the_lake_stands(hub: BrokerHub, event_lake: EventLake) -> None:
    for number in range(3):
        hub.fill(10 + number)
        drain(event_lake, group_id="lake")
        assert_exactly_once(event_lake, hub)
        assert hub.broker.committed("lake", hub.name) == hub.highs
    assert len(event_lake.records()) == 3


def test_a_drain_with_a_token(
    hub: BrokerHub, event_lake: EventLake, entra: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.broker.grant_read(entra.apps["reader"].object_id)
    connection = hub.broker.token_connection(hub.name)
    identity = entra.connections()["entra_id_default"]
    monkeypatch.setenv("AIRFLOW_CONN_EVENT_HUB_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_ENTRA_ID_DEFAULT", json.dumps(identity))
    hub.fill(10)
    drain(event_lake)
    assert_exactly_once(event_lake, hub)
    assert set(event_lake.rows("DeviceInfo")["landing"].combine_chunks().field("tenant").to_pylist()) != {
        None
    }


def test_limits_end_a_drain_early_and_the_next_goes_on(hub: BrokerHub, event_lake: EventLake) -> None:
    hub.fill(30)
    read = 0
    while not (summary := drain(event_lake, max_messages=13))["complete"]:
        read += summary["messages"]
        assert summary["messages"] == 13
    assert read + summary["messages"] == 60
    assert_exactly_once(event_lake, hub)


# Outages and changes ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_broker_is_restarted_in_the_middle(
    hub: BrokerHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    hub.fill(300, padding=LARGE)

    def restart() -> None:
        getattr(hub.broker, end)()
        hub.broker.start()

    after_the_first_batch(monkeypatch, restart)
    summary = drain(event_lake, kafka_config=SLOWLY)
    assert summary["complete"]
    assert_exactly_once(event_lake, hub)


def test_a_drain_while_the_broker_is_down_lands_nothing(hub: BrokerHub, event_lake: EventLake) -> None:
    hub.fill(10)
    drain(event_lake)
    before = event_lake.records()
    hub.broker.kill()
    with pytest.raises(ServiceUnavailable, match="reached before"):
        drain(event_lake)
    assert event_lake.records() == before
    hub.broker.start()
    hub.fill(10)
    drain(event_lake)
    assert_exactly_once(event_lake, hub)


def test_partitions_are_added(hub: BrokerHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two drains, and in the middle of one: new partitions are read from their first message on."""
    hub.fill(10)
    drain(event_lake)
    hub.add_partitions(3)
    hub.fill(10)
    after_the_first_batch(monkeypatch, partial(hub.add_partitions, 5))
    drain(event_lake)
    assert_exactly_once(event_lake, hub)
    assert set(event_lake.nexts()) == {0, 1, 2}
    hub.fill(10)
    drain(event_lake)
    assert_exactly_once(event_lake, hub)
    assert event_lake.nexts() == hub.highs


def test_retention_passes_the_position(hub: BrokerHub, event_lake: EventLake) -> None:
    hub.fill(10)
    drain(event_lake)
    hub.fill(10)
    hub.expire(0, 15, landed=10)
    with pytest.raises(MessagesLost, match="10"):
        drain(event_lake)
    assert_exactly_once(event_lake, hub)
    assert event_lake.position()["0"]["lost"] == [[10, 15]]
    hub.fill(10)
    drain(event_lake)
    assert_exactly_once(event_lake, hub)
    assert event_lake.nexts() == hub.highs


def test_retention_passes_in_the_middle_of_a_drain(
    hub: BrokerHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fill(300, padding=LARGE)
    first_kept = 290
    after_the_first_batch(monkeypatch, lambda: hub.broker.delete_records_before(hub.name, first_kept))
    summary = drain(event_lake, kafka_config=SLOWLY, on_gap="continue")
    [[start, end]] = summary["lost"]["0"]
    assert 0 < start < end == first_kept
    for offset in range(start, end):
        del hub.ledger[0, offset]
    assert_exactly_once(event_lake, hub)
    assert event_lake.position()["0"]["lost"] == [[start, end]]


# Damage -------------------------------------------------------------------------------------------


def test_damage_in_the_brokers_own_file(hub: BrokerHub, event_lake: EventLake) -> None:
    """Bytes of a batch change on the broker's disk: the run goes on behind that batch, and says so."""
    for _ in range(3):
        hub.fill(4)
    hub.broker.stop()
    [segment] = hub.broker.folder.glob(f"data/{hub.name}-0/*.log")
    data = bytearray(segment.read_bytes())
    second = 12 + struct.unpack_from(">i", data, 8)[0]
    base, length = struct.unpack_from(">qi", data, second)
    count = 1 + struct.unpack_from(">i", data, second + 23)[0]
    data[second + 12 + length - 20] ^= 0xFF
    segment.write_bytes(data)
    hub.broker.start()
    with pytest.raises(MessagesDamaged, match=f"cannot be read: partition 0: {base} to {base + count - 1}"):
        drain(event_lake)
    for offset in range(base, base + count):
        del hub.ledger[0, offset]
    assert_exactly_once(event_lake, hub)
    assert event_lake.position()["0"]["damaged"] == [[base, base + count]]
    assert event_lake.nexts() == hub.highs
    assert drain(event_lake)["commit"] is None


def test_a_message_that_unpacks_too_large(hub: BrokerHub, event_lake: EventLake) -> None:
    """130 MB in some kB of zstd, which the broker takes: its limit counts packed bytes."""
    hub.fill(3)
    sender = Producer(
        {**hub.broker.client_settings(), "compression.type": "zstd", "message.max.bytes": 200_000_000}
    )
    sender.produce(hub.name, bytes(130_000_000), partition=0)
    assert sender.flush(60) == 0
    hub.highs[0] += 1
    hub.fill(3)
    with pytest.raises(MessagesDamaged, match="1 message that cannot be read: partition 0: 3 to 3"):
        drain(event_lake)
    assert_exactly_once(event_lake, hub)
    assert event_lake.nexts() == hub.highs


# Several runs -------------------------------------------------------------------------------------


def test_runs_over_different_partitions_at_once(
    hub: BrokerHub, event_lake: EventLake, tmp_path: Path
) -> None:
    hub.fill(20)
    drain(event_lake)
    hub.fill(20)
    line = FORK.Barrier(2)
    workers = [
        Worker(
            tmp_path / f"disk{number}",
            event_lake.path,
            {"hub_partitions": [number]},
            partial(wait_before_commit, line),
        )
        for number in (0, 1)
    ]
    assert [worker.outcome()[0] for worker in workers] == ["landed", "landed"]
    assert_exactly_once(event_lake, hub)
    assert len(event_lake.records()) == 3


def test_runs_over_the_same_partitions_at_once(hub: BrokerHub, event_lake: EventLake, tmp_path: Path) -> None:
    hub.fill(20)
    drain(event_lake)
    hub.fill(20)
    line = FORK.Barrier(2)
    workers = [
        Worker(tmp_path / f"disk{number}", event_lake.path, {}, partial(wait_before_commit, line))
        for number in (0, 1)
    ]
    assert sorted(worker.outcome()[0] for worker in workers) == ["conflict", "landed"]
    assert_exactly_once(event_lake, hub)
    assert drain(event_lake)["commit"] is None


def test_backfills_and_live_drains_share_a_hub(
    broker: KafkaBroker, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows go by the broker's times; each lands what is missing of it, in any order, and nothing twice."""
    hub = BrokerHub(broker, monkeypatch, own_times=True)
    start = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=5)
    hours = [start + timedelta(hours=number) for number in range(5)]
    for hour in hours[:4]:
        hub.fill(6, time=int(hour.timestamp() * 1000))
    assert backfill(event_lake, hours[1], hours[2])["messages"] == 12
    assert backfill(event_lake, hours[1], hours[3])["messages"] == 12
    assert backfill(event_lake, hours[1], hours[3])["messages"] == 0
    assert drain(event_lake)["messages"] == 24
    assert_exactly_once(event_lake, hub)
    assert event_lake.nexts() == hub.highs
    hub.fill(6, time=int(hours[4].timestamp() * 1000))
    assert backfill(event_lake, hours[0], hours[4] + timedelta(minutes=1))["messages"] == 12
    assert drain(event_lake)["messages"] == 0
    assert_exactly_once(event_lake, hub)
