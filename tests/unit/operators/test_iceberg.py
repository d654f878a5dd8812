"""Iceberg tables, kept by the operator over what the other operators have landed."""

from __future__ import annotations

import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from airflow_provider_defender.exceptions import ConfigurationError, StopAndLook, TableUnusable
from airflow_provider_defender.lake import committed_files
from airflow_provider_defender.operators import IcebergTableOperator
from airflow_provider_defender.operators import _open_tables as module
from airflow_provider_defender.simulator import Simulator
from tests.helpers.airflow import LakeFolder, asks_for_connections, context, land


def follow(lake: LakeFolder, **arguments: Any) -> dict[str, Any]:
    operator = IcebergTableOperator(task_id="tables", lake=str(lake.path), **arguments)
    return operator.execute(context())  # type: ignore[arg-type]


def connect(monkeypatch: pytest.MonkeyPatch, conn_type: str = "iceberg", **fields: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ICEBERG_DEFAULT", json.dumps({"conn_type": conn_type, **fields}))


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlCatalog:
    """A catalog, to which the connection `iceberg_default` leads."""
    uri, warehouse = f"sqlite:///{tmp_path}/catalog.db", f"file://{tmp_path}/warehouse"
    connect(monkeypatch, extra={"type": "sql", "uri": uri, "warehouse": warehouse})
    return SqlCatalog("iceberg_default", uri=uri, warehouse=warehouse)


def test_what_has_landed_is_in_the_table(simulator: Simulator, lake: LakeFolder, catalog: SqlCatalog) -> None:
    simulator.tenant.add_oddities()
    landed = land(lake, initial_lookback=timedelta(days=30))
    summary = follow(lake)
    assert [table["dataset"] for table in summary["tables"]] == ["alerts"]
    assert summary["rows"] == landed["rows"] > 0
    assert summary["versions"] == 1
    files = committed_files(lake.path, "alerts")
    assert summary["added"] == len(files)
    scan = catalog.load_table("defender.alerts").scan()
    assert {task.file.file_path for task in scan.plan_files()} == {f"file://{path}" for path in files}
    assert scan.to_arrow().num_rows == landed["rows"]
    again = follow(lake, datasets="alerts", namespace="defender")
    assert (again["versions"], again["added"]) == (0, 0)
    assert again["tables"][0]["version"] == summary["tables"][0]["version"]
    assert json.loads(json.dumps(summary)) == summary


def test_a_table_that_others_have_made_stops_without_retries(
    simulator: Simulator, lake: LakeFolder, catalog: SqlCatalog
) -> None:
    land(lake, initial_lookback=timedelta(days=3))
    (lake.path / "alerts" / "date=2026-11-20").mkdir(parents=True)
    catalog.create_namespace("defender")
    catalog.create_table("defender.alerts", pa.schema([("a", pa.int64())]))
    with pytest.raises(TableUnusable, match="not of the dataset 'alerts'") as raised:
        follow(lake)
    assert isinstance(raised.value, StopAndLook)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Connection 'iceberg_default' has no host"),
        ({"extra": {"type": "sql", "password": "secret"}}, "'iceberg_default': pyiceberg cannot open"),
        ({"extra": {"type": "secret"}}, "'iceberg_default': pyiceberg cannot open"),
    ],
)
def test_a_connection_without_what_the_catalog_needs(
    lake: LakeFolder, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], message: str
) -> None:
    connect(monkeypatch, **fields)
    with pytest.raises(ConfigurationError, match=message) as raised:
        follow(lake)
    assert "secret" not in str(raised.value)


def test_properties_come_from_the_connection_as_in_airflows_own_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"warehouse": "w", "s3.path-style-access": True, "name": "lakes"}
    connect(monkeypatch, "generic", host="https://c/ws/", login="me", password="pw", extra=extra)
    assert module._properties("iceberg_default") == {
        "type": "rest",
        "name": "lakes",
        "uri": "https://c/ws",
        "warehouse": "w",
        "s3.path-style-access": "true",
        "credential": "me:pw",
    }


def test_wrong_parameters_are_refused(lake: LakeFolder, catalog: SqlCatalog) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"datasets": "../alerts"}, "datasets: '../alerts' is not a dataset name"),
        ({"namespace": " "}, "namespace is empty"),
        ({"keep_snapshots": timedelta(days=-1)}, "keep_snapshots=.* not negative"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ConfigurationError, match=message):
            follow(lake, **arguments)
    with pytest.raises(ConfigurationError, match=r"has \? in its path"):
        follow(LakeFolder(lake.path.with_name("what?")))


@asks_for_connections
def test_a_missing_connection_is_named(lake: LakeFolder, catalog: SqlCatalog) -> None:
    with pytest.raises(ConfigurationError, match="Connection 'other' does not exist"):
        follow(lake, iceberg_conn_id="other")


def test_without_the_extra_the_error_says_what_to_install(
    lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "pyiceberg" else found(name))
    with pytest.raises(
        ConfigurationError, match=r"needs the package pyiceberg.*airflow-provider-defender\[iceberg\]"
    ):
        follow(lake)
