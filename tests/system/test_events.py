"""The events DAG in a real Airflow: scheduler, API server, DAG processor and workers on SQLite."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_defender.simulator.demo.airflow import LocalAirflow
from airflow_provider_defender.simulator.events import EmbeddedHub
from tests.helpers.event_hubs import EventLake, message
from tests.system.test_alerts import log_of, run, state, tasks, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
HUB = "defender"
PARTITIONS = 6

DAGS = {
    "consumer": """
        from airflow.sdk import DAG, task
        from airflow_provider_defender.assets import defender_asset

        asset = defender_asset("event_hub_default", "events/default")
        with DAG("consumer", schedule=[asset], catchup=False):
            @task
            def look(*, triggering_asset_events):
                [events] = triggering_asset_events.values()
                return [event.extra for event in events]

            look()
    """,
    "waiting": """
        from airflow.sdk import DAG
        from airflow_provider_defender.operators import EventHubToParquetOperator
        from airflow_provider_defender.sensors import EventHubSensor

        lake = "{{ var.value.defender_lake }}/waiting"
        with DAG("waiting", schedule=None, catchup=False):
            EventHubSensor(task_id="wait", lake=lake, lag=5, poke_interval=2) >> (
                EventHubToParquetOperator(task_id="land", lake=lake, hub_partitions="{{ [0, 1] }}")
            )
    """,
    "gap": """
        from datetime import timedelta
        from airflow.sdk import DAG
        from airflow_provider_defender.operators import EventHubToParquetOperator

        with DAG("gap", schedule=None, catchup=False):
            EventHubToParquetOperator(
                task_id="land",
                lake="{{ var.value.defender_lake }}/gap",
                hub_partitions=[5],
                retries=3,
                retry_delay=timedelta(seconds=1),
            )
    """,
}


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedHub]:
    with EmbeddedHub() as embedded:
        embedded.create(HUB, PARTITIONS)
        send(embedded, 30)
        yield embedded


def send(embedded: EmbeddedHub, count: int, partition: int | None = None) -> None:
    now = datetime.now(timezone.utc)
    values = [message({"DeviceId": f"{now:%H%M%S%f}-{number}"}, at=now) for number in range(count)]
    embedded.send(HUB, values, partition=partition)


@pytest.fixture(scope="module")
def airflow(embedded: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    folder = tmp_path_factory.mktemp("airflow")
    dags = folder / "dags"
    dags.mkdir()
    shipped = (ROOT / "dags" / "defender_events.py").read_text()
    assert '"*/15 * * * *"' in shipped
    assert "groups=4" in shipped
    changed = shipped.replace('"*/15 * * * *"', '"@daily"')
    changed = changed.replace("groups=4", "groups=4, messages_per_task=8")
    (dags / "defender_events.py").write_text(changed)
    for name, text in DAGS.items():
        (dags / f"{name}.py").write_text(textwrap.dedent(text))
    connection = {
        "conn_type": "event_hub",
        "host": "127.0.0.1",
        "port": embedded.port,
        "extra": {"security_protocol": "PLAINTEXT", "event_hub": HUB},
    }
    environment = {
        "AIRFLOW_CONN_EVENT_HUB_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_DEFENDER_LAKE": (folder / "lake").as_uri(),
    }
    with LocalAirflow(folder / "home", dags, environment) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def lake_root(airflow: LocalAirflow) -> Path:
    return airflow.home.parent / "lake"


def test_no_dag_has_import_errors(airflow: LocalAirflow) -> None:
    for name in ("defender_events", "consumer", "waiting", "gap"):
        until(lambda name=name: airflow.request("GET", f"/dags/{name}").ok)  # type: ignore[misc]
    assert airflow.request("GET", "/importErrors").json()["import_errors"] == []


def test_schedule_and_consumer(airflow: LocalAirflow, lake_root: Path) -> None:
    airflow.unpause("consumer")
    airflow.unpause("defender_events")
    [scheduled] = airflow.wait_for_runs("defender_events", "scheduled", 1)
    groups = airflow.result("defender_events", scheduled["dag_run_id"], "partitions")
    assert groups == [[0, 4], [1, 5], [2], [3]]
    summaries = [
        airflow.result("defender_events", scheduled["dag_run_id"], "land_events", map_index=number)
        for number in range(4)
    ]
    assert [summary["messages"] for summary in summaries] == [10, 10, 5, 5]
    assert sorted(summary["commit"] for summary in summaries) == [1, 2, 3, 4]
    landed = EventLake(lake_root).ledger()
    assert landed == {(partition, offset): 1 for partition in range(PARTITIONS) for offset in range(5)}
    named = [
        task["rendered_map_index"] for task in tasks(airflow, "defender_events", scheduled["dag_run_id"])
    ]
    assert named[:4] == ["partitions 0, 4", "partitions 1, 5", "partitions 2", "partitions 3"]

    # An asset-scheduled DAG runs on the commits, and sees what landed.
    consumed = airflow.wait_for_runs("consumer", "asset_triggered", 1)
    extras = airflow.result("consumer", consumed[0]["dag_run_id"], "look")
    assert set(extras[0]["rows"]) == {"events/DeviceInfo"}
    assert len(extras[0]["hours"]) == 1


def test_backfills_read_their_interval(airflow: LocalAirflow) -> None:
    """The mock cluster knows no offsets by time, so there is nothing in any interval."""
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    since, until_ = (today - timedelta(days=days) for days in (3, 2))
    airflow.backfill("defender_events", since.isoformat(), until_.isoformat())
    for filled in airflow.wait_for_runs("defender_events", "backfill", 2):
        assert filled["state"] == "success"
        summary = airflow.result("defender_events", filled["dag_run_id"], "land_events", map_index=0)
        assert summary["window"]["origin"] == "backfill data interval"
        assert (summary["messages"], summary["commit"]) == (0, None)


def test_the_next_run_goes_on_by_hand(airflow: LocalAirflow, embedded: EmbeddedHub, lake_root: Path) -> None:
    send(embedded, 12)
    run_id = run(airflow, "defender_events")
    assert state(airflow, "defender_events", run_id) == "success"
    landed = EventLake(lake_root).ledger()
    assert landed == {(partition, offset): 1 for partition in range(PARTITIONS) for offset in range(7)}


def test_the_position_is_shown_on_the_assets_page(airflow: LocalAirflow) -> None:
    found = airflow.request("GET", "/assets", params={"uri_pattern": "event_hub_default/events"}).json()
    asset_id = found["assets"][0]["id"]
    shown = airflow.request("GET", f"/assets/{asset_id}/state-store")
    if shown.status_code == 404 and "route not found" in shown.text:
        pytest.skip("this Airflow (before 3.3) keeps no asset state")
    stored = json.dumps(shown.json())
    assert all(f"partition-{number}" in stored for number in range(PARTITIONS))


def test_the_sensor_waits_and_the_operator_follows(airflow: LocalAirflow, lake_root: Path) -> None:
    run_id = run(airflow, "waiting")
    assert [task["state"] for task in tasks(airflow, "waiting", run_id)] == ["success", "success"]
    assert {partition for partition, _ in EventLake(lake_root / "waiting").ledger()} == {0, 1}


def test_a_gap_fails_once_and_the_next_run_goes_on(
    airflow: LocalAirflow, embedded: EmbeddedHub, lake_root: Path
) -> None:
    assert state(airflow, "gap", run(airflow, "gap")) == "success"
    send(embedded, 4, partition=5)
    embedded.expire(HUB, 5, before=9)
    run_id = run(airflow, "gap")
    [task] = tasks(airflow, "gap", run_id)
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "partition 5: 7 to 8" in log_of(airflow, "gap")
    assert EventLake(lake_root / "gap").nexts() == {5: 11}
    assert state(airflow, "gap", run(airflow, "gap")) == "success"
