"""What the demo changes in the shipped DAGs."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_defender.simulator.demo import run as demo


def test_the_demo_changes_what_the_shipped_dags_hold(tmp_path: Path) -> None:
    demo._copy_dags(tmp_path / "dags")
    copies = {path.name: path.read_text("utf-8") for path in (tmp_path / "dags").iterdir()}
    del copies["defender_lake.py"]  # nothing is old enough to be merged while the demo runs
    assert set(copies) == {"defender_alerts.py", "defender_events.py", "defender_incidents.py"}
    assert all("@daily" in text for text in copies.values())
    assert all('"retry_delay": timedelta(seconds=2)' in text for text in copies.values())
