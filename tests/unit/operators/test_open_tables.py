"""Open tables that compaction and retention keep in step, through the operators."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.lake import follow_delta
from airflow_provider_defender.operators import (
    DeltaTableOperator,
    IcebergTableOperator,
    LakeCompactionOperator,
    LakeRetentionOperator,
    _open_tables,
)
from airflow_provider_defender.simulator import Simulator
from tests.helpers.airflow import LATER, LakeFolder, asks_for_connections, context, land

DAY = timedelta(days=1)


def execute(operator: Any) -> dict[str, Any]:
    result: dict[str, Any] = operator.execute(context())
    return result


def compact(lake: LakeFolder, **arguments: Any) -> dict[str, Any]:
    return execute(LakeCompactionOperator(task_id="compact", lake=lake.uri, clock=LATER, **arguments))


def retain_a_day(lake: LakeFolder, **arguments: Any) -> dict[str, Any]:
    operator = LakeRetentionOperator(task_id="retain", lake=lake.uri, ages=1, clock=LATER, **arguments)
    return execute(operator)


def connect(monkeypatch: pytest.MonkeyPatch, **extra: str) -> None:
    connection = {"conn_type": "iceberg", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ICEBERG_DEFAULT", json.dumps(connection))


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlCatalog:
    """A catalog, to which the connection `iceberg_default` leads."""
    uri, warehouse = f"sqlite:///{tmp_path}/catalog.db", f"file://{tmp_path}/warehouse"
    connect(monkeypatch, type="sql", uri=uri, warehouse=warehouse)
    return SqlCatalog("iceberg_default", uri=uri, warehouse=warehouse)


@pytest.fixture
def small_files(simulator: Simulator, lake: LakeFolder) -> LakeFolder:
    """Three runs, each of which has left a file in the same day."""
    for _ in range(3):
        simulator.tenant.add_alerts(2, evidence=1, over=timedelta(minutes=1))
        land(lake)
        simulator.tenant.advance(timedelta(minutes=20))
    return lake


def delta_rows(lake: LakeFolder) -> int:
    return int(pl.scan_delta(str(lake.path / "alerts")).select("landing").collect().height)


def iceberg_rows(catalog: SqlCatalog) -> int:
    return int(catalog.load_table("defender.alerts").scan().to_arrow().num_rows)


@pytest.mark.parametrize("maintain", [compact, retain_a_day])
def test_tables_can_be_read_right_after_compaction_or_retention(
    small_files: LakeFolder, catalog: SqlCatalog, maintain: Callable[..., dict[str, Any]]
) -> None:
    execute(DeltaTableOperator(task_id="tables", lake=small_files.uri))
    execute(IcebergTableOperator(task_id="tables", lake=small_files.uri))
    rows = delta_rows(small_files)
    summary = maintain(small_files, delta_tables="True", iceberg_conn_id="iceberg_default")
    once = {"versions": 1, "failures": 0}
    assert summary["tables"] == {"delta": once, "iceberg": once}
    assert summary["done"]["total"]["files_removed"] == 2
    assert delta_rows(small_files) == iceberg_rows(catalog) == sum(small_files.versions().values())
    assert (delta_rows(small_files) == rows) == (maintain is compact)
    assert json.loads(json.dumps(summary)) == summary


def test_tables_that_do_not_exist_are_not_made(small_files: LakeFolder, catalog: SqlCatalog) -> None:
    summary = compact(small_files, delta_tables=True, iceberg_conn_id="iceberg_default")
    nothing = {"versions": 0, "failures": 0}
    assert summary["tables"] == {"delta": nothing, "iceberg": nothing}
    assert not (small_files.path / "alerts" / "_delta_log").exists()
    assert catalog.list_namespaces() == []


def test_nothing_is_kept_by_default_or_in_a_dry_run(small_files: LakeFolder) -> None:
    follow_delta(small_files.path)
    log = small_files.path / "alerts" / "_delta_log"
    before = sorted(log.iterdir())
    assert compact(small_files, plan_only=True, delta_tables=True)["tables"]["delta"]["versions"] == 0
    assert compact(small_files, iceberg_conn_id="", iceberg_catalog="None")["tables"] == {}
    assert sorted(log.iterdir()) == before


def test_a_catalog_that_is_down_stops_neither_compaction_nor_the_other_tables(
    small_files: LakeFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, type="rest", uri="http://127.0.0.1:9", token="s3cret")
    follow_delta(small_files.path)
    rows = delta_rows(small_files)
    summary = compact(small_files, delta_tables=True, iceberg_conn_id="iceberg_default")
    assert summary["done"]["total"]["files_removed"] == 2
    assert summary["tables"]["delta"] == {"versions": 1, "failures": 0}
    assert summary["tables"]["iceberg"] == {"versions": 0, "failures": 1}
    assert delta_rows(small_files) == rows
    said = capsys.readouterr().out
    assert "The Iceberg tables could not follow commit 4 of endpoint_alerts-" in said
    assert "until IcebergTableOperator has run" in said
    assert "s3cret" not in said


def test_a_catalog_that_does_not_answer_is_given_up_for_the_rest_of_the_run(
    simulator: Simulator,
    small_files: LakeFolder,
    catalog: SqlCatalog,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers, asked = threading.Event(), []

    def hang(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments)
        answers.wait(60)
        raise ConnectionError

    monkeypatch.setattr(_open_tables, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(SqlCatalog, "list_tables", hang)
    compact(small_files, latest=True, min_files=99, days_older_than=timedelta(days=9999))
    simulator.tenant.update_many([simulator.tenant.alerts[0].alert_id], status="Resolved")
    land(small_files)
    try:
        summary = compact(small_files, iceberg_conn_id="iceberg_default", latest=True)
    finally:
        answers.set()
    assert summary["done"]["total"]["files_removed"] > 0
    assert len(asked) == summary["tables"]["iceberg"]["failures"] == 1
    assert "so this run asks no more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"delta_tables": "perhaps"}, "delta_tables='perhaps' must be true or false"),
        pytest.param(
            {"iceberg_conn_id": "other"},
            "Connection 'other' does not exist",
            marks=asks_for_connections,
        ),
        ({"iceberg_catalog": "c", "iceberg_namespace": " "}, "iceberg_namespace is empty"),
    ],
)
def test_a_wrong_parameter_is_named_before_any_work(
    small_files: LakeFolder, arguments: dict[str, Any], said: str
) -> None:
    files = small_files.files()
    for maintain in (compact, retain_a_day):
        with pytest.raises(ConfigurationError, match=said):
            maintain(small_files, **arguments)
    assert small_files.files() == files


@pytest.mark.parametrize(
    ("arguments", "extra"), [({"delta_tables": True}, "delta"), ({"iceberg_conn_id": "c"}, "iceberg")]
)
def test_without_the_extra_the_error_says_what_to_install(
    small_files: LakeFolder, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], extra: str
) -> None:
    found = importlib.util.find_spec
    packages = ("deltalake", "pyiceberg")
    monkeypatch.setattr(_open_tables, "find_spec", lambda name: None if name in packages else found(name))
    with pytest.raises(ConfigurationError, match=rf"airflow-provider-defender\[{extra}\]"):
        compact(small_files, **arguments)
