"""The views that the package ships, in DuckDB, on lakes that the operators have landed."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.simulator.events import EventStream
from tests.helpers.airflow import LakeFolder, lake, land, run_clock, running_simulator, simulator
from tests.helpers.event_hubs import EventLake, MemoryHub, drain, event_lake, hub, message

__all__ = ["event_lake", "hub", "lake", "run_clock", "running_simulator", "simulator"]

TENANT = "a839b112-1253-6432-9bf6-94542403f21c"
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
    stream = EventStream(7, start=hub.now, duplicates=0.3)
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
    table = f"events('{event_lake.path}', 'DeviceInfo') where date = '2026-11-20'"
    assert count(views, table) == 3 * count(views, f"{table} and hour >= 10") > 0
    [(_, plan)] = views.execute(f"explain analyze select count(*) from {table} and hour >= 10").fetchall()
    assert re.findall(r"Total Files Read: (\d+)", plan) == ["1"]
    assert set(re.findall(r"hour=(\d+)", plan)) <= {"10"}  # older DuckDB (1.4) names no files


def put(root: Path, name: str, *landings: dict[str, Any], ingested: datetime = MORNING) -> None:
    """A file of alerts in the lake, one row for each of these origins."""
    (root / "alerts/date=2026-11-20").mkdir(parents=True, exist_ok=True)
    rows = [{"event": {"ingested": ingested}, "message": name, "landing": each} for each in landings]
    pq.write_table(pa.Table.from_pylist(rows), root / f"alerts/date=2026-11-20/{name}.parquet")


def test_the_latest_state_is_the_newest_whichever_source_it_comes_from(
    tmp_path: Path, views: duckdb.DuckDBPyConnection
) -> None:
    later = MORNING + timedelta(minutes=1)
    for name, updated, ingested in (
        ("endpoint_alerts", {"same": MORNING, "endpoint": later, "graph": MORNING}, later),
        ("graph_alerts", {"same": MORNING, "endpoint": MORNING, "graph": later}, MORNING),
    ):
        states = [
            {"source": name, "key": key, "version": f"{moment}", "updated": moment}
            for key, moment in updated.items()
        ]
        put(tmp_path, name, *states, *states, ingested=ingested)  # two evidence items each
    found = views.execute(f"select landing.key, message from latest_alerts('{tmp_path}')").fetchall()
    assert Counter(found) == {
        ("same", "graph_alerts"): 2,
        ("endpoint", "endpoint_alerts"): 2,
        ("graph", "graph_alerts"): 2,
    }


def test_a_state_without_an_update_time_is_older_than_one_with_it(
    tmp_path: Path, views: duckdb.DuckDBPyConnection
) -> None:
    """Files that landed before there was `landing.updated` lack the field."""
    put(tmp_path, "a", *({"source": "s", "key": key, "version": "9"} for key in ("changed", "unchanged")))
    put(tmp_path, "b", {"source": "s", "key": "changed", "version": "1", "updated": MORNING})
    found = views.execute(f"select landing.key, message from latest_alerts('{tmp_path}')").fetchall()
    assert sorted(found) == [("changed", "b"), ("unchanged", "a")]


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


def put_incidents(root: Path, *states: tuple[str, int, dict[str, Any]], tenant: str = TENANT) -> None:
    """Land these states of incidents, as id, minute of the update and further properties: a file each."""
    for number, (incident, minute, more) in enumerate(states):
        data = {
            "id": incident,
            "createdDateTime": f"{MORNING:%Y-%m-%dT%H:%M:%SZ}",
            "lastUpdateDateTime": f"{MORNING + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%S.0000001Z}",
            **more,
        }
        mapped = ecs.map_records(
            "graph_incidents", [json.dumps(data).encode()], origins=pa.table({"tenant": [tenant]})
        )
        folder = root / "incidents/date=2026-11-20"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(mapped.tables["incidents"], folder / f"{tenant}-{incident}-{number}.parquet")


def test_the_latest_state_of_each_incident(tmp_path: Path, views: duckdb.DuckDBPyConnection) -> None:
    put_incidents(
        tmp_path,
        ("1", 5, {"status": "resolved"}),
        ("1", 0, {"status": "active"}),
        ("2", 0, {"status": "active", "alerts": [{"id": "a"}, {"id": "b"}]}),
    )
    put_incidents(tmp_path, ("1", 1, {"status": "inProgress"}), tenant="other")
    found = views.execute(
        "select landing.tenant, event.id, microsoft.graph_security.status, microsoft.graph_security.alertIds "
        f"from latest_incidents('{tmp_path}')"
    ).fetchall()
    assert sorted(found) == [
        (TENANT, "1", "resolved", None),
        (TENANT, "2", "active", ["a", "b"]),
        ("other", "1", "inProgress", None),
    ]


def merged(views: duckdb.DuckDBPyConnection, root: Path) -> list[tuple[Any, ...]]:
    return sorted(views.execute(f"from merged_incidents('{root}')").fetchall())


def test_a_chain_of_redirects_is_followed_to_its_end(
    tmp_path: Path, views: duckdb.DuckDBPyConnection
) -> None:
    put_incidents(
        tmp_path,
        ("1", 0, {"status": "active"}),
        ("1", 2, {"status": "redirected", "redirectIncidentId": "2"}),
        ("2", 1, {"status": "active"}),
        ("2", 3, {"status": "redirected", "redirectIncidentId": "3"}),
        ("3", 4, {"status": "active"}),
        ("4", 5, {"status": "redirected", "redirectIncidentId": "not landed"}),
    )
    put_incidents(tmp_path, ("3", 9, {"redirectIncidentId": "of another tenant"}), tenant="other")
    assert merged(views, tmp_path) == [
        (TENANT, "1", "3", ["1", "2", "3"]),
        (TENANT, "2", "3", ["2", "3"]),
        (TENANT, "4", "not landed", ["4", "not landed"]),
        ("other", "3", "of another tenant", ["3", "of another tenant"]),
    ]


def test_a_redirect_that_was_taken_back_does_not_count(
    tmp_path: Path, views: duckdb.DuckDBPyConnection
) -> None:
    put_incidents(tmp_path, ("1", 0, {"redirectIncidentId": "2"}), ("1", 1, {"redirectIncidentId": None}))
    assert merged(views, tmp_path) == []


def test_a_circle_of_redirects_ends(tmp_path: Path, views: duckdb.DuckDBPyConnection) -> None:
    put_incidents(
        tmp_path,
        ("1", 0, {"redirectIncidentId": "2"}),
        ("2", 0, {"redirectIncidentId": "1"}),
        ("3", 0, {"redirectIncidentId": "3"}),
    )
    assert [each[1:3] for each in merged(views, tmp_path)] == [("1", "2"), ("2", "1"), ("3", "3")]
