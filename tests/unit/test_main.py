"""`python -m airflow_provider_defender`: the DAGs that it copies, the views that it prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from airflow.models import DagBag

from airflow_provider_defender.__main__ import main

ROOT = Path(__file__).parents[2]
SHIPPED = {path.name: path.read_bytes() for path in (ROOT / "dags").glob("*.py")}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_dags_are_copied_into_a_folder_that_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "some" / "dags"
    assert main(["copy-dags", str(folder)]) == 0
    assert content(folder) == SHIPPED
    assert f"copied: {folder / 'defender_alerts.py'}\n" in capsys.readouterr().out


def test_dags_are_copied_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["copy-dags", str(tmp_path)])
    capsys.readouterr()
    assert main(["copy-dags", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["unchanged"] * len(SHIPPED)


def test_a_changed_dag_is_overwritten_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "defender_alerts.py"
    changed.write_text("mine")
    assert main(["copy-dags", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert f"kept: {changed}\n" in shown.out
    assert "--force" in shown.err
    assert content(tmp_path) == {**SHIPPED, "defender_alerts.py": b"mine"}

    assert main(["copy-dags", "--force", str(tmp_path)]) == 0
    assert f"overwritten: {changed}\n" in capsys.readouterr().out
    assert content(tmp_path) == SHIPPED


def test_a_file_in_the_folders_place_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dags").write_text("made by cp")
    assert main(["copy-dags", str(tmp_path / "dags")]) == 1
    assert str(tmp_path / "dags") in capsys.readouterr().err
    assert (tmp_path / "dags").read_text() == "made by cp"


def test_the_default_is_airflows_dags_folder(tmp_path: Path) -> None:
    folder = tmp_path / "airflow_dags"
    environment = {
        "PATH": "",
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
    }
    command = [sys.executable, "-m", "airflow_provider_defender", "copy-dags"]
    subprocess.run(command, check=True, env=environment, cwd=ROOT, capture_output=True)
    assert content(folder) == SHIPPED


def test_the_views_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql"]) == 0
    assert capsys.readouterr().out == (ROOT / "airflow_provider_defender" / "lake" / "views.sql").read_text()


def test_without_a_command_the_commands_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "copy-dags" in capsys.readouterr().err


# The DAGs -----------------------------------------------------------------------------------------


def test_parameters_of_the_dags_say_what_happens_if_they_are_empty() -> None:
    """The form of *Trigger* shows title and description, and nothing else explains them."""
    dags = DagBag(str(ROOT / "dags")).dags
    landing = {"defender_alerts", "defender_events", "defender_incidents"}
    assert set(dags) == {*landing, "defender_lake"}
    for dag in (dags[name] for name in landing):
        since, until = (dag.params.get_param(name) for name in ("since", "until"))
        assert since.schema["title"] == "Start of the window (UTC)"
        assert (since.description or "").startswith("Leave empty to go on from ")
        assert until.schema["title"] == "End of the window (UTC)"
        assert until.description == "Empty: now."
    dry_run = dags["defender_lake"].params.get_param("dry_run")
    assert (dry_run.schema["title"], dry_run.value) == ("Dry run", False)
    assert dry_run.description == "Only log what would be done, and change nothing."


def test_the_alerts_dag_chooses_its_source_and_says_so_first() -> None:
    dag = DagBag(str(ROOT / "dags")).dags["defender_alerts"]
    assert vars(dag.get_task("land_alerts"))["source"] == "auto"
    first = SHIPPED["defender_alerts.py"].decode().partition("Copy this file")[0]
    for words in ("Microsoft Graph", "SecurityAlert.Read.All", "2027-02-01", "docs/move_to_graph.md"):
        assert words in first


def test_the_events_dag_leaves_few_files() -> None:
    """Files of a run grow with the number of groups, files of a day with the number of runs as well."""
    dag = DagBag(str(ROOT / "dags")).dags["defender_events"]
    partitions, land = dag.get_task("partitions"), dag.get_task("land_events")
    for name in ("lake", "since", "until"):  # without them there were always as many groups as allowed
        assert getattr(partitions, name) == land.partial_kwargs[name] != ""  # type: ignore[union-attr]
    assert b'"*/15 * * * *"' in SHIPPED["defender_events.py"]
