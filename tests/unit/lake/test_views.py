"""The views that the package ships, in DuckDB, on lakes that the operators have landed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from importlib import resources

import duckdb
import pytest

from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.simulator.events import EventStream
from tests.unit.airflow_fixtures import LakeFolder, lake, land, run_clock, running_simulator, simulator
from tests.unit.event_fixtures import EventLake, MemoryHub, drain, event_lake, hub, message

__all__ = ["event_lake", "hub", "lake", "run_clock", "running_simulator", "simulator"]

MORNING = datetime(2026, 11, 20, tzinfo=timezone.utc)


@pytest.fixture
def views() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(resources.files("airflow_provider_defender.lake").joinpath("views.sql").read_text())
    return connection


def count(views: duckdb.DuckDBPyConnection, relation: str) -> int:
    [(found,)] = views.execute(f"select count(*) from {relation}").fetchall()
    return int(found)


def test_each_event_is_shown_once_though_the_exporter_sent_it_in_several_runs(
    hub: MemoryHub, event_lake: EventLake, views: duckdb.DuckDBPyConnection
) -> None:
    stream = EventStream(7, start=hub.now, repeats=0.3)
    for number, value in enumerate(stream.messages(120)):
        hub.send(value, number % 2)
        if number % 30 == 29:
            drain(event_lake)
    root = event_lake.path
    landed = {
        name: count(views, f"read_parquet('{root}/events/{name}/date=*/hour=*/*.parquet')")
        for name in stream.truth.rows
    }
    shown = Counter({name: count(views, f"events('{root}', '{name}')") for name in stream.truth.rows})
    assert shown == stream.truth.rows
    assert sum(landed.values()) > shown.total()


def test_of_duplicates_the_first_to_enter_the_hub_is_shown(
    hub: MemoryHub, event_lake: EventLake, views: duckdb.DuckDBPyConnection
) -> None:
    again = message({"DeviceId": "d"}, at=hub.now)
    for _ in range(3):
        hub.send(again, 1)
        hub.advance(timedelta(minutes=5))
        drain(event_lake)
    found = views.execute(
        f"select landing.kafka.offset from events('{event_lake.path}', 'DeviceInfo')"
    ).fetchall()
    assert found == [(0,)]


@pytest.mark.parametrize("hours", [[0, 7, 9], [10, 23], [9, 10]], ids=["below 10", "from 10", "both"])
def test_hours_are_numbers_whichever_there_are(
    hub: MemoryHub, event_lake: EventLake, views: duckdb.DuckDBPyConnection, hours: list[int]
) -> None:
    for hour in hours:
        hub.now = MORNING + timedelta(hours=hour)
        hub.fill(2)
    drain(event_lake)
    for bound in (0, 8, 9, 10, 11):
        expected = 2 * len([hour for hour in hours if hour >= bound])
        assert count(views, f"events('{event_lake.path}', 'DeviceInfo') where hour >= {bound}") == expected
    assert count(views, f"events('{event_lake.path}/', 'DeviceInfo') where date = '2026-11-20'") == 2 * len(
        hours
    )


def test_a_condition_on_date_and_hour_opens_these_files_only(
    hub: MemoryHub, event_lake: EventLake, views: duckdb.DuckDBPyConnection
) -> None:
    for hour in (8, 9, 10):
        hub.now = MORNING + timedelta(hours=hour)
        hub.fill(1)
    drain(event_lake)
    [(_, plan)] = views.execute(
        f"explain analyze select count(*) from events('{event_lake.path}', 'DeviceInfo') "
        "where date = '2026-11-20' and hour >= 10"
    ).fetchall()
    assert "hour=10" in plan
    assert "hour=08" not in plan
    assert "hour=09" not in plan


def test_the_latest_state_of_each_alert(
    simulator: Simulator, lake: LakeFolder, views: duckdb.DuckDBPyConnection
) -> None:
    first = simulator.tenant.add_alert(evidence=2, status="New")
    second = simulator.tenant.add_alert(evidence=0, status="New")
    land(lake)
    simulator.tenant.advance(timedelta(minutes=1))
    simulator.tenant.update(first.alert_id, status="Resolved")
    land(lake)
    found = views.execute(
        "select event.id, microsoft.defender_endpoint.status, count(*) "
        f"from latest_alerts('{lake.path}') group by all"
    ).fetchall()
    assert set(found) == {(first.alert_id, "Resolved", 2), (second.alert_id, "New", 1)}
    assert lake.rows().num_rows == 5
