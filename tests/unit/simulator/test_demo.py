"""The demo's own judgement of its lake: what it counts, and that it notices what is lost or doubled."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.simulator import demo
from airflow_provider_defender.simulator._airflow import LocalAirflowError
from airflow_provider_defender.simulator._demo_events import EventRuns, LandedEvents
from airflow_provider_defender.simulator._demo_queries import LakeQueries

TRUTH = {"rows": {"DeviceInfo": 3, "EmailEvents": 1}, "records": 6, "repeats": 2, "broken": {"cut off": 2}}


def write(lake: Path, dataset: str, name: str, rows: list[tuple[str, int]]) -> None:
    """A file of event rows: key and offset, all of partition 0 and the first of their message."""
    content = [
        {
            "event": {"action": "start"},
            "landing": {"key": key, "kafka": {"partition": 0, "offset": offset, "record": 0}},
        }
        for key, offset in rows
    ]
    path = lake / "events" / dataset / "date=2026-01-09" / "hour=08" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(content), path)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Six records were sent: one duplicate was dropped by the run that read it, one came in another run."""
    write(tmp_path, "DeviceInfo", "first", [("a", 1), ("b", 2)])
    write(tmp_path, "DeviceInfo", "second", [("c", 3), ("a", 4)])
    write(tmp_path, "EmailEvents", "first", [("a", 5)])
    quarantine = tmp_path / "_defender" / "event_hub-ns-hub" / "quarantine" / "date=2026-01-09"
    quarantine.mkdir(parents=True)
    pq.write_table(pa.table({"bytes": [b"1", b"2"]}), quarantine / "x.parquet")
    return tmp_path


def test_a_whole_lake_passes(lake, capsys):
    landed = LandedEvents.read(lake)
    assert landed.rows == {"DeviceInfo": 4, "EmailEvents": 1}
    assert landed.files == {"DeviceInfo": 2, "EmailEvents": 1}
    landed.check(TRUTH, dropped=1)
    shown = capsys.readouterr().out
    assert "every message was read exactly once: 6 records, and 2 unreadable in quarantine" in shown
    assert "sent 2 of the records a second time: 1 within one run, which dropped them, and 1" in shown


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rows": {"DeviceInfo": 4, "EmailEvents": 1}}, "DeviceInfo: 3 different rows instead of 4"),
        ({"rows": {"DeviceInfo": 3}}, "EmailEvents: 1 different rows instead of 0"),
        ({"rows": {**TRUTH["rows"], "UrlClickEvents": 2}}, "UrlClickEvents: 0 different rows instead of 2"),
        ({"records": 7}, "5 rows and 1 duplicates of 7 records"),
        ({"broken": {}}, "2 in quarantine instead of 0"),
    ],
)
def test_what_differs_from_the_truth_is_named(lake, change: dict[str, Any], reason):
    with pytest.raises(LocalAirflowError, match=reason):
        LandedEvents.read(lake).check({**TRUTH, **change}, dropped=1)


def test_a_row_that_landed_twice_is_noticed(lake):
    write(lake, "DeviceInfo", "again", [("b", 2)])
    with pytest.raises(LocalAirflowError, match="1 rows stand twice in the lake"):
        LandedEvents.read(lake).check({**TRUTH, "records": 7}, dropped=1)


def test_tables_are_shown_by_size(lake, capsys):
    for number in range(9):
        write(lake, f"Table{number}", "x", [("h", 100 + number)] * 5)
    LandedEvents.read(lake).show_tables()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 8 + 1
    assert lines[-1].split() == ["…", "and", "3", "more", "10", "4"]


class _Results:
    """Airflow with two runs of two mapped tasks."""

    def result(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> Any:
        assert dag_id == "defender_events"
        if task_id == "partitions":
            return [[0], [1]]
        run = int(run_id)
        start, end = (0, 10) if run == 1 else (10, 10 + map_index)
        offsets = {"from": start, "to": end, "high": end, "lag": 0}
        return {
            "messages": end - start,
            "rows": {"events/DeviceInfo": end - start},
            "files": 1,
            "repeats": map_index,
            "rejects": 1,
            "partitions": {str(map_index): offsets},
        }


def test_runs_are_summed_over_their_tasks(capsys):
    runs = EventRuns(_Results())
    runs.show("1")
    shown = capsys.readouterr().out
    assert "20 messages read by 2 tasks, landed as 20 rows in 2 files" in shown
    assert "1 duplicate dropped, 2 unreadable records" in shown
    runs.show("2")
    assert runs.dropped == 2
    capsys.readouterr()
    runs.show_offsets()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split() for line in lines] == [["0", "0", "10", "10", "0"], ["1", "0", "10", "11", "0"]]


def test_the_demo_changes_what_the_shipped_dags_hold(tmp_path):
    demo._copy_dags(tmp_path / "dags")
    copies = {path.name: path.read_text("utf-8") for path in (tmp_path / "dags").iterdir()}
    assert set(copies) == {"defender_alerts.py", "defender_events.py"}
    assert all("@daily" in text for text in copies.values())
    assert all('"retry_delay": timedelta(seconds=2)' in text for text in copies.values())


@pytest.fixture
def alerts_and_events(tmp_path: Path) -> Path:
    """Two versions of an alert, and three events of which one has landed twice."""
    now = datetime(2026, 1, 9, 8, tzinfo=timezone.utc)
    alerts = [
        {
            "host": {"name": "a"},
            "event": {"severity": severity, "ingested": now},
            "landing": {"key": "alert", "version": str(severity)},
            "microsoft": {"defender_endpoint": {"lastUpdateTime": now + timedelta(hours=severity)}},
        }
        for severity in (2, 4)
    ]
    events = [
        {
            "host": {"name": name},
            "process": {"name": "cmd.exe"},
            "landing": {
                "key": key,
                "kafka": {"enqueued": now, "partition": 0, "offset": offset, "record": 0},
            },
        }
        for offset, (name, key) in enumerate([("a", "1"), ("a", "2"), ("b", "3"), ("a", "2")])
    ]
    for folder, rows in (
        ("alerts/date=2026-01-09", alerts),
        ("events/DeviceProcessEvents/date=2026-01-09/hour=08", events),
    ):
        (tmp_path / folder).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / folder / "x.parquet")
    return tmp_path


def test_the_query_joins_alerts_and_events_by_the_views(alerts_and_events, capsys):
    LakeQueries(alerts_and_events).show_worst_hosts()
    assert capsys.readouterr().out.splitlines()[-1].split() == ["a", "4", "cmd.exe", "2"]


def test_the_views_are_compared_with_what_was_sent(alerts_and_events):
    queries = LakeQueries(alerts_and_events)
    queries.check_events({"DeviceProcessEvents": 3})
    with pytest.raises(LocalAirflowError, match="shows 3 events of DeviceProcessEvents, but 4"):
        queries.check_events({"DeviceProcessEvents": 4})
