"""The operators that maintain a lake, on lakes that the operators have landed from the simulated tenant."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from copy import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models import DagBag
from deltalake import DeltaTable

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.compat import AirflowFailException, AirflowSkipException
from airflow_provider_defender.exceptions import (
    ConfigurationError,
    FileDamaged,
)
from airflow_provider_defender.lake import Transaction, committed_files, verify
from airflow_provider_defender.lake.maintenance import plan
from airflow_provider_defender.operators import (
    LakeCompactionOperator,
    LakeRetentionOperator,
    LakeSweepOperator,
)
from airflow_provider_defender.simulator import Simulator
from tests.helpers.airflow import LATER, LakeFolder, context, land

ROOT = Path(__file__).parents[3]
DAY = timedelta(days=1)


def compact(landed: LakeFolder, **arguments: Any) -> dict[str, Any]:
    settings = {"lake": landed.uri, "clock": LATER, **arguments}
    return LakeCompactionOperator(task_id="compact", **settings).execute(context())  # type: ignore[arg-type]


def retain(lake: LakeFolder, **arguments: Any) -> dict[str, Any]:
    operator = LakeRetentionOperator(task_id="retain", **{"lake": lake.uri, "clock": LATER, **arguments})
    return operator.execute(context())  # type: ignore[arg-type]


def content(lake: LakeFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(lake.path.rglob("*")) if path.is_file()}


def oldest_file(lake: LakeFolder) -> Path:
    """The file of the first commit: a compaction merges it, unlike that of the newest."""
    return lake.path / str(lake.records()[0]["added"][0]["path"])


@pytest.fixture
def small_files(simulator: Simulator, lake: LakeFolder) -> LakeFolder:
    """Five runs, each of which has left a file in the same day."""
    for _ in range(5):
        simulator.tenant.add_alerts(2, evidence=1, over=timedelta(minutes=1))
        land(lake)
        simulator.tenant.advance(timedelta(minutes=20))
    assert len(lake.files()) == 5
    return lake


# Compaction ---------------------------------------------------------------------------------------


def test_small_files_become_one_with_the_same_rows(small_files: LakeFolder) -> None:
    versions, bytes_before = small_files.versions(), sum(path.stat().st_size for path in small_files.files())
    summary = compact(small_files)
    # The newest commit's file waits for the commit after it.
    assert len(small_files.files()) == 2
    assert small_files.versions() == versions
    total = summary["done"]["total"]
    assert (total["files_removed"], total["files_added"], total["partitions"]) == (4, 1, 1)
    assert total["rows_before"] == total["rows_after"] == 8
    assert 0 < total["bytes_after"] < total["bytes_before"] < bytes_before
    assert summary["plan_only"] is False
    assert summary["plan"]["total"]["files"] == 4
    assert [each["commits"] for each in summary["done"]["logs"]] == [[6]]
    assert sorted(committed_files(small_files.path, "alerts")) == list(map(str, small_files.files()))
    assert verify(small_files.path).differences == ()


def test_a_run_plans_once(small_files: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[int] = []
    candidates = plan._candidates

    def counted(*arguments: Any) -> Any:
        planned.append(1)
        return candidates(*arguments)

    monkeypatch.setattr(plan, "_candidates", counted)
    assert compact(small_files)["done"]["total"]["partitions"] == 1
    assert len(planned) == 1, "there is one log"


def test_a_run_without_work_notes_how_far_it_came(small_files: LakeFolder) -> None:
    """The next one need not read all that this one has read."""
    summary = compact(small_files, min_files=9, days_older_than=timedelta(days=3650))
    assert summary["done"] is None
    assert len(list(small_files.path.glob("_defender/*/compacted.json"))) == 1


def test_a_drain_after_a_compaction_lands_only_what_is_new(
    simulator: Simulator, small_files: LakeFolder
) -> None:
    compact(small_files)
    new = simulator.tenant.add_alert(evidence=1)
    simulator.tenant.advance(timedelta(minutes=1))
    assert land(small_files)["versions"] == 1
    assert new.alert_id in small_files.landed()
    assert max(small_files.versions().values()) == 1


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(
    small_files: LakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(small_files)
    summary = compact(small_files, plan_only="True")  # as a template renders it
    assert content(small_files) == before
    assert (summary["plan_only"], summary["done"]) == (True, None)
    assert summary["plan"]["total"]["files"] == 4
    said = capsys.readouterr().out
    assert "Would do: endpoint_alerts-" in said
    assert "4 files" in said
    assert compact(small_files)["plan"] == summary["plan"]


def test_a_run_says_what_it_has_done(small_files: LakeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    compact(small_files)
    said = capsys.readouterr().out
    assert said.index("To do: ") < said.index("Done: ") < said.index("This took ")
    compact(small_files)
    assert "There is nothing to do" in capsys.readouterr().out


def test_young_files_and_other_datasets_are_left_alone(small_files: LakeFolder) -> None:
    before = content(small_files)
    assert compact(small_files, clock=Clock())["done"] is None
    assert compact(small_files, datasets="events/*, incidents")["done"] is None
    assert compact(small_files, min_files=5, days_older_than=1000 * DAY)["done"] is None
    after = content(small_files)
    # A hint for later runs.
    assert {path: after[path] for path in after if path.name != "compacted.json"} == before


def test_the_latest_alerts_are_kept_if_that_is_asked(simulator: Simulator, small_files: LakeFolder) -> None:
    [alert, *_] = simulator.tenant.alerts
    simulator.tenant.update_many([alert.alert_id], status="Resolved")
    simulator.tenant.advance(timedelta(minutes=1))
    land(small_files)
    compact(small_files, latest=True)
    latest = LakeFolder(small_files.path, "alerts_latest").versions()
    assert sorted(alert_id for alert_id, _, _ in latest) == sorted(small_files.landed())
    assert len(small_files.versions()) == len(latest) + 1


def test_two_compactions_that_meet_keep_every_row_once(
    small_files: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions, commit = small_files.versions(), Transaction.commit

    def after_another(transaction: Any, **options: Any) -> Any:
        monkeypatch.setattr(Transaction, "commit", commit)
        assert compact(small_files)["done"]["total"]["files_removed"] == 4
        return commit(transaction, **options)

    monkeypatch.setattr(Transaction, "commit", after_another)
    summary = compact(small_files)
    assert summary["done"]["total"]["commits"] == []
    assert small_files.versions() == versions
    assert verify(small_files.path).differences == ()


def test_a_file_that_was_altered_or_is_gone_stops_the_task_for_a_person_to_look(
    small_files: LakeFolder,
) -> None:
    file = oldest_file(small_files)
    file.write_bytes(file.read_bytes().replace(b"PAR1", b"PAR2"))
    with pytest.raises(FileDamaged, match=re.escape(file.name)):
        compact(small_files)
    file.unlink()
    with pytest.raises(FileDamaged, match=re.escape(file.name)):
        compact(small_files)
    assert issubclass(FileDamaged, AirflowFailException)
    assert len(small_files.files()) == 4


def test_a_lake_that_does_not_exist_yet_has_nothing_to_do(lake: LakeFolder) -> None:
    assert compact(lake)["done"] is None
    assert retain(lake, ages=1)["done"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"target_mib": 0}, "target_mib=0 must be"),
        ({"target_mib": None}, "target_mib=None"),
        ({"memory_mib": 0.5}, "memory_mib=0.5 must be"),
        ({"min_files": 1}, "min_files=1 must be"),
        ({"max_partitions": 0}, "max_partitions=0 must be"),
        ({"hours_older_than": -DAY}, "hours_older_than="),
        ({"days_older_than": 7}, "days_older_than=7 must be a timedelta"),
        ({"datasets": []}, r"datasets=\[\] must be"),
        ({"datasets": "evnts/*"}, r"'evnts/\*' matches no dataset .* Did you mean 'events/\*'\?"),
        ({"datasets": ["alerts", "events/DeviceInfos"]}, "Did you mean 'events/DeviceInfo'"),
        ({"logs": "nobody"}, "the lake has no log 'nobody'; it has none"),
        ({"plan_only": "perhaps"}, "plan_only='perhaps' must be true or false"),
        ({"lake": "here"}, "lake='here' is relative"),
    ],
)
def test_a_wrong_parameter_of_a_compaction_is_named_before_any_work(
    lake: LakeFolder, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        compact(lake, **arguments)
    assert not lake.path.exists()


# Retention ----------------------------------------------------------------------------------------


def age_of(day: str) -> float:
    """The days from the end of this day until the operators run, and a little less."""
    end = datetime.fromisoformat(f"{day}T00:00:00+00:00") + DAY
    return (LATER.now() - end) / DAY - 0.01


FIRST, SECOND, THIRD = "2026-11-20", "2026-11-22", "2026-11-24"


@pytest.fixture
def three_days(simulator: Simulator, lake: LakeFolder) -> LakeFolder:
    """Alerts of three days, each landed on its day, and a commit after theirs."""
    for _ in range(3):
        simulator.tenant.add_alert(evidence=1)
        simulator.tenant.advance(2 * DAY)
        land(lake, initial_lookback=10 * DAY)
    simulator.tenant.add_alert(evidence=1)
    simulator.tenant.advance(timedelta(minutes=1))
    land(lake)
    return lake


def days(lake: LakeFolder) -> list[str]:
    return [path.parent.name.removeprefix("date=") for path in lake.files()]


@pytest.mark.parametrize(
    ("ages", "left"),
    [
        ({"alerts": age_of(FIRST)}, [SECOND, THIRD]),
        ({"alerts": "", "*": str(age_of(SECOND))}, [THIRD]),
        ({"alerts": timedelta(days=age_of(FIRST)), "*": 1}, [SECOND, THIRD]),
        (json.dumps({"alert*": age_of(SECOND)}), [THIRD]),
        (str(age_of(SECOND)), [THIRD]),
        (age_of(FIRST), [SECOND, THIRD]),
        ({"alerts": 20_000, "*": 1}, [FIRST, SECOND, THIRD]),
        ({"events/*": 1, "quarantine": 1}, [FIRST, SECOND, THIRD]),
    ],
    # Ages depend on today, and the names of tests must be the same in all processes that share them.
    ids=["dataset", "all_others", "time", "json", "text", "number", "too_young", "other_datasets"],
)
def test_partitions_older_than_their_age_are_removed(
    three_days: LakeFolder, ages: Any, left: list[str]
) -> None:
    newest = "2026-11-26"
    assert days(three_days) == [FIRST, SECOND, THIRD, newest]
    summary = retain(three_days, ages=ages)
    assert days(three_days) == [*left, newest]
    assert summary["plan"]["total"]["files"] == 3 - len(left)
    assert (summary["done"] or {"total": {"files_removed": 0}})["total"]["files_removed"] == 3 - len(left)
    assert verify(three_days.path).differences == ()


def test_no_drain_lands_again_what_is_too_old(simulator: Simulator, three_days: LakeFolder) -> None:
    retain(three_days, ages={"alerts": age_of(SECOND)})
    simulator.tenant.advance(timedelta(minutes=1))
    land(three_days, overlap=DAY, initial_lookback=10 * DAY)
    assert days(three_days) == [THIRD, "2026-11-26"]


def test_a_dry_run_of_retention_removes_nothing(
    three_days: LakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(three_days)
    summary = retain(three_days, ages=1, plan_only=True)
    assert content(three_days) == before
    assert (summary["done"], summary["plan"]["total"]["files"]) == (None, 3)
    assert "Would do: " in capsys.readouterr().out


@pytest.mark.parametrize("ages", ["", "None", None, {}, {"alerts": ""}])
def test_without_an_age_everything_is_kept(three_days: LakeFolder, ages: Any) -> None:
    with pytest.raises(AirflowSkipException):
        retain(three_days, ages=ages)


@pytest.mark.parametrize(
    ("ages", "said"),
    [
        ({"alerts": -3}, r"ages\['alerts'\]=-3 must be a number of days from 1 to 36,500"),
        ({"alerts": 0}, "must be a number of days"),
        ({"alerts": True}, "must be a number of days"),
        ({"alerts": "a year"}, "must be a number of days"),
        ({"alerts": float("nan")}, "must be a number of days"),
        (1e300, "must be a number of days"),
        ([90], "must be a number of days"),
        ("NaN", "must be a number of days"),
        ("90 days", "must be days by dataset"),
        ({"allerts": 90}, "ages: 'allerts' matches no dataset .* Did you mean 'alerts'"),
    ],
)
def test_a_wrong_age_is_named_before_any_work(lake: LakeFolder, ages: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        retain(lake, ages=ages)


# Sweeping -----------------------------------------------------------------------------------------


def sweep(lake: LakeFolder, **arguments: Any) -> dict[str, Any]:
    operator = LakeSweepOperator(task_id="sweep", **{"lake": lake.uri, "clock": LATER, **arguments})
    return operator.execute(context())  # type: ignore[arg-type]


@pytest.fixture
def littered(small_files: LakeFolder) -> tuple[LakeFolder, Path, Path]:
    """A lake with the staging folder of a dead run, and a file of its log that no commit names."""
    [log] = (small_files.path / "_defender").glob("endpoint_alerts-*")
    staged = log / "staging" / "0123456789abcdef" / "1.staged"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"half a file")
    named = small_files.files()[0]
    unnamed = named.with_name(f"{log.name}-0123456789abcdef-1.parquet")
    shutil.copy(named, unnamed)
    old = time.time() - 8 * 86_400
    for path in (staged, staged.parent, unnamed):
        os.utime(path, (old, old))
    return small_files, staged, unnamed


def test_a_sweep_deletes_what_dead_runs_have_left(littered: tuple[LakeFolder, Path, Path]) -> None:
    lake, staged, unnamed = littered
    summary = sweep(lake)
    assert [path.rpartition("/")[2] for path in summary["staging"]] == [staged.parent.name]
    assert (staged.exists(), unnamed.exists(), summary["files"]) == (False, True, [])


def test_files_that_no_commit_names_are_reported_and_deleted_if_that_is_asked(
    littered: tuple[LakeFolder, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lake, _, unnamed = littered
    committed = set(lake.files()) - {unnamed}
    [reported] = sweep(lake, unnamed_files="report")["files"]
    assert (reported["path"], reported["deleted"]) == (str(unnamed.relative_to(lake.path)), False)
    assert reported["age"] == pytest.approx(8, abs=0.1)
    assert f"No commit names {reported['path']}" in capsys.readouterr().out
    [deleted] = sweep(lake, unnamed_files="delete")["files"]
    assert deleted["deleted"]
    assert set(lake.files()) == committed


def test_a_dry_run_sweeps_nothing(littered: tuple[LakeFolder, Path, Path]) -> None:
    before = content(littered[0])
    with pytest.raises(AirflowSkipException):
        sweep(littered[0], plan_only="True", unnamed_files="delete")
    assert content(littered[0]) == before


def test_what_to_do_about_unnamed_files_is_one_of_three(lake: LakeFolder) -> None:
    with pytest.raises(ConfigurationError, match="unnamed_files='remove' must be 'ignore', 'report' or 'del"):
        sweep(lake, unnamed_files="remove")


# The DAG ------------------------------------------------------------------------------------------


def run_shipped(
    task_id: str, lake: LakeFolder, *, dry_run: bool = False, days_kept: str = "", delta_tables: str = ""
) -> dict[str, Any]:
    """Run a task of the shipped DAG, with its templates rendered as Airflow does."""
    task = copy(DagBag(str(ROOT / "dags")).dags["defender_lake"].get_task(task_id))
    variables = {
        "defender_lake": lake.uri,
        "defender_retention_days": days_kept,
        "defender_delta_tables": delta_tables,
    }
    given = {**context(), "params": {"dry_run": dry_run}, "var": {"value": variables}}
    task.render_template_fields(given)  # type: ignore[arg-type]
    vars(task)["clock"] = LATER
    result: dict[str, Any] = task.execute(given)  # type: ignore[union-attr,arg-type]
    return result


def test_the_shipped_dag_compacts_then_retains(small_files: LakeFolder) -> None:
    dag = DagBag(str(ROOT / "dags")).dags["defender_lake"]
    assert dag.get_task("compact").downstream_task_ids == {"retain"}
    assert dag.get_task("retain").downstream_task_ids == {"tables"}
    assert dag.get_task("tables").trigger_rule == "none_failed", "retain may be skipped"
    before = content(small_files)
    assert run_shipped("compact", small_files, dry_run=True)["plan"]["total"]["files"] > 0
    assert run_shipped("retain", small_files, dry_run=True, days_kept="1")["plan"]["total"]["files"] > 0
    with pytest.raises(AirflowSkipException):
        run_shipped("sweep", small_files, dry_run=True)
    assert content(small_files) == before
    assert run_shipped("compact", small_files, dry_run=False)["done"]["total"]["files_removed"] > 0
    with pytest.raises(AirflowSkipException):
        run_shipped("retain", small_files, dry_run=False)
    assert run_shipped("sweep", small_files, dry_run=False)["staging"] == []


def test_the_shipped_dag_keeps_delta_tables_only_if_one_variable_says_so(small_files: LakeFolder) -> None:
    for arguments in ({}, {"delta_tables": "true", "dry_run": True}):
        with pytest.raises(AirflowSkipException, match="enabled is false"):
            run_shipped("tables", small_files, **arguments)  # type: ignore[arg-type]
    assert run_shipped("tables", small_files, delta_tables="true")["versions"] == 1
    table = DeltaTable(str(small_files.path / "alerts"))
    assert run_shipped("compact", small_files, delta_tables="true")["tables"]["delta"]["versions"] == 1
    table.update_incremental()
    assert sorted(table.file_uris()) == list(map(str, small_files.files()))
    assert run_shipped("tables", small_files, delta_tables="true")["versions"] == 0
    with pytest.raises(ConfigurationError, match="'yes please' must be true or false"):
        run_shipped("compact", small_files, delta_tables="yes please")
