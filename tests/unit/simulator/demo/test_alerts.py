"""The demo's own judgement of the alerts and incidents in its lake, and what it says of runs and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.simulator.demo.airflow import LocalAirflowError
from airflow_provider_defender.simulator.demo.alerts import check_landed, show_partitions, show_run
from airflow_provider_defender.timestamps import parse_ticks

SINCE = parse_ticks("2026-01-09T08:00:00Z") or 0
MARKS = {"alerts": "2026-01-09T09:00:00Z", "incidents": "2026-01-09T09:00:00Z"}


def version(
    record: str, updated: str, visible: str | None = None, superseded: bool = False
) -> dict[str, Any]:
    return {
        "id": record,
        "lastUpdateDateTime": f"2026-01-09T{updated}Z",
        "visibleFrom": f"2026-01-09T{visible or updated}Z",
        "superseded": superseded,
    }


TRUTH = {
    "alerts": [
        version("a", "07:30:00"),
        version("a", "08:30:00"),
        version("a", "08:30:00.5", superseded=True),
        version("b", "08:40:00.25"),
        version("late", "08:59:00", visible="09:01:00"),
        version("new", "09:00:01"),
        version("old", "07:00:00"),
    ],
    "incidents": [version("7", "08:30:00")],
}


def write(lake: Path, dataset: str, *rows: tuple[str, str, int]) -> None:
    """A file of rows: record, update time, item."""
    folder = lake / dataset / "date=2026-01-09"
    folder.mkdir(parents=True, exist_ok=True)
    content = [
        {"landing": {"key": f"tenant/{record}", "version": f"2026-01-09T{updated}Z", "item": item}}
        for record, updated, item in rows
    ]
    pq.write_table(pa.Table.from_pylist(content), folder / f"{len(list(folder.iterdir()))}.parquet")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """All latest states: of `a` as of the watermark, of `b` a later one."""
    write(tmp_path, "alerts", ("a", "08:30:00", 0), ("a", "08:30:00", 1), ("b", "08:45:00", 0))
    write(tmp_path, "incidents", ("7", "08:30:00", 0))
    return tmp_path


def test_a_whole_lake_passes(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_landed(lake, TRUTH, SINCE, MARKS)
    assert "the latest states of 2 alerts and 1 incident have landed" in capsys.readouterr().out


def test_a_state_that_is_missing_is_named(lake: Path) -> None:
    truth = {**TRUTH, "alerts": [*TRUTH["alerts"], version("a", "08:50:00"), version("c", "08:50:00")]}
    with pytest.raises(LocalAirflowError, match=r"of alerts, 2 latest states are missing \(a, c\)"):
        check_landed(lake, truth, SINCE, MARKS)


def test_a_row_that_landed_twice_is_noticed(lake: Path) -> None:
    write(lake, "incidents", ("7", "08:30:00", 0))
    with pytest.raises(LocalAirflowError, match=r"of incidents, 0 latest states .* 1 rows are there twice"):
        check_landed(lake, TRUTH, SINCE, MARKS)


def test_a_run_is_told_in_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    summary = {
        "records": 1,
        "versions": 1,
        "rows": 2,
        "files": 1,
        "watermark_before": None,
        "watermark_after": "x",
    }
    show_run("incident", "incidents", summary)
    assert capsys.readouterr().out.splitlines() == [
        "    incidents: 1 incident read, 1 of them new, landed as 2 rows in 1 file",
        "               watermark not set → x",
    ]
    show_run("alert", "alerts", {**summary, "watermark_before": "x"})
    assert capsys.readouterr().out.splitlines()[1].strip() == "watermark stays at x"


def test_partitions_of_both_datasets_are_listed(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_partitions(lake)
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [["alerts/date=2026-01-09", "1", "3"], ["incidents/date=2026-01-09", "1", "1"]]
