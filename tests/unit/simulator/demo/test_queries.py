"""The demo's queries, by the shipped views."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.simulator.demo.airflow import LocalAirflowError
from airflow_provider_defender.simulator.demo.queries import LakeQueries


@pytest.fixture
def alerts_and_events(tmp_path: Path) -> Path:
    """Two versions of an alert, and three events of which one has landed twice."""
    now = datetime(2026, 1, 9, 8, tzinfo=timezone.utc)
    alerts = [
        {
            "host": {"name": "a"},
            "event": {"severity": severity, "ingested": now},
            "landing": {
                "key": "alert",
                "version": str(severity),
                "updated": now + timedelta(hours=severity),
                "source": "endpoint_alerts",
            },
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


def test_the_query_joins_alerts_and_events_by_the_views(
    alerts_and_events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LakeQueries(alerts_and_events).show_worst_hosts()
    assert capsys.readouterr().out.splitlines()[-1].split() == ["a", "4", "cmd.exe", "2"]


def test_the_views_are_compared_with_what_was_sent(alerts_and_events: Path) -> None:
    queries = LakeQueries(alerts_and_events)
    queries.check_events({"DeviceProcessEvents": 3})
    with pytest.raises(LocalAirflowError, match="shows 3 events of DeviceProcessEvents, but 4"):
        queries.check_events({"DeviceProcessEvents": 4})


@pytest.fixture
def alerts_and_incidents(tmp_path: Path) -> Path:
    """Two alerts of one product and one of another, which is in an incident with one of the first."""
    now = datetime(2026, 1, 9, 8, tzinfo=timezone.utc)

    def alert(key: str, product: str, severity: int, user: str | None, host: str | None) -> dict[str, Any]:
        return {
            "@timestamp": now,
            "message": f"alert {key}",
            "observer": {"product": product},
            "event": {"id": key, "severity": severity, "ingested": now},
            "user": {"name": user, "target": {"name": "victim" if user is None else None}},
            "host": {"name": host},
            "file": {"name": "a.exe"},
            "landing": {"key": key, "version": "1", "item": 0, "updated": now, "source": "graph_alerts"},
        }

    def incident(key: str, *members: str) -> dict[str, Any]:
        return {
            "message": f"incident {key}",
            "event": {"id": key, "ingested": now},
            "microsoft": {"graph_security": {"alerts": [{"id": member} for member in members]}},
            "landing": {"key": key, "version": "1", "updated": now},
        }

    tables = {
        "alerts": [
            alert("1", "Identity", 4, "ana", None),
            alert("2", "Identity", 2, "ana", "desktop"),
            alert("3", "Office", 3, None, None),
        ],
        "incidents": [incident("7", "1", "2"), incident("8", "2", "3", "gone"), incident("9")],
    }
    for name, rows in tables.items():
        folder = tmp_path / name / "date=2026-01-09"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "x.parquet")
    return tmp_path


def cells(text: str) -> list[list[str]]:
    """The rows of the table that was shown last, cell by cell."""
    lines = text.rstrip().splitlines()
    ruler = max(number for number, line in enumerate(lines) if set(line) <= {" ", "─"} and "─" in line)
    return [re.split(r"  +", line.strip()) for line in lines[ruler + 1 :]]


def test_one_alert_of_each_product_is_shown(
    alerts_and_incidents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LakeQueries(alerts_and_incidents).show_products()
    assert cells(capsys.readouterr().out) == [
        ["Identity", "2", "2", "alert 2", "ana", "desktop", "a.exe"],
        ["Office", "1", "3", "alert 3", "victim", "a.exe"],
    ]


def test_the_incident_of_most_products_is_shown_with_its_alerts(
    alerts_and_incidents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LakeQueries(alerts_and_incidents).show_incident()
    assert cells(capsys.readouterr().out) == [
        ["8", "incident 8", "2026-01-09 08:00", "Identity", "2", "alert 2"],
        ["8", "incident 8", "2026-01-09 08:00", "Office", "3", "alert 3"],
    ]
