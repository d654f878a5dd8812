"""The demo's own judgement of its lake: what it counts, and that it notices what is lost or doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.simulator.demo.airflow import LocalAirflow, LocalAirflowError
from airflow_provider_defender.simulator.demo.events import EventRuns, LandedEvents

ROWS = {"DeviceInfo": 3, "EmailEvents": 1}
TRUTH: dict[str, Any] = {"rows": ROWS, "records": 6, "duplicates": 2, "broken": {"cut off": 2}}


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


def test_a_whole_lake_passes(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
        ({"rows": {**ROWS, "UrlClickEvents": 2}}, "UrlClickEvents: 0 different rows instead of 2"),
        ({"records": 7}, "5 rows and 1 duplicates of 7 records"),
        ({"broken": {}}, "2 in quarantine instead of 0"),
    ],
)
def test_what_differs_from_the_truth_is_named(lake: Path, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(LocalAirflowError, match=reason):
        LandedEvents.read(lake).check({**TRUTH, **change}, dropped=1)


def test_a_row_that_landed_twice_is_noticed(lake: Path) -> None:
    write(lake, "DeviceInfo", "again", [("b", 2)])
    with pytest.raises(LocalAirflowError, match="1 rows stand twice in the lake"):
        LandedEvents.read(lake).check({**TRUTH, "records": 7}, dropped=1)


def test_tables_are_shown_by_size(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(9):
        write(lake, f"Table{number}", "x", [("h", 100 + number)] * 5)
    LandedEvents.read(lake).show_tables()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 8 + 1
    assert lines[-1].split() == ["…", "and", "3", "more", "10", "4"]


class _Results(LocalAirflow):
    """Airflow with two runs of two mapped tasks."""

    def __init__(self) -> None:
        """Nothing runs."""

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
            "duplicates": map_index,
            "rejects": 1,
            "hub_partitions": {str(map_index): offsets},
        }


def test_runs_are_summed_over_their_tasks(capsys: pytest.CaptureFixture[str]) -> None:
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
