"""Delta tables, kept by the operator over what the other operators have landed."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from airflow_provider_defender.compat import AirflowSkipException
from airflow_provider_defender.exceptions import ConfigurationError, StopAndLook, TableUnusable
from airflow_provider_defender.lake import committed_files
from airflow_provider_defender.operators import DeltaTableOperator
from airflow_provider_defender.operators import _open_tables as module
from airflow_provider_defender.simulator import Simulator, Tenant
from tests.helpers.airflow import START, LakeFolder, context, land


def follow(lake: LakeFolder, **arguments: Any) -> dict[str, Any]:
    operator = DeltaTableOperator(task_id="tables", lake=str(lake.path), **arguments)
    return operator.execute(context())  # type: ignore[arg-type]


def test_what_has_landed_is_in_the_table(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant = Tenant(7, alerts=20, history=timedelta(days=3), start=START, late_share=0.0)
    landed = land(lake, initial_lookback=timedelta(days=3))
    summary = follow(lake)
    assert [table["dataset"] for table in summary["tables"]] == ["alerts"]
    assert summary["rows"] == landed["rows"] > 0
    assert summary["versions"] == 1
    frame = pl.scan_delta(str(lake.path / "alerts"))
    assert frame.select(pl.len()).collect().item() == landed["rows"]
    files = committed_files(lake.path, "alerts")
    assert summary["added"] == len(files)
    plain = pl.read_parquet(files, hive_partitioning=False)
    row = [pl.col("landing").struct.field(name) for name in ("key", "version", "item")]
    assert frame.drop("date").sort(row).collect().equals(plain.sort(row))
    again = follow(lake, datasets="alerts")
    assert (again["versions"], again["added"], again["tables"][0]["version"]) == (0, 0, 0)


def test_names_come_as_a_list_or_as_text(lake: LakeFolder) -> None:
    for given in (
        ["alerts", "events/DeviceInfo"],
        " alerts, events/DeviceInfo ,",
        "alerts events/DeviceInfo",
    ):
        tables = follow(lake, datasets=given)["tables"]
        assert [(table["dataset"], table["version"]) for table in tables] == [
            ("alerts", None),
            ("events/DeviceInfo", None),
        ]
    for nothing in ("", None):
        assert follow(lake, datasets=nothing)["tables"] == []


@pytest.mark.parametrize("enabled", [False, "", "False", "None"])
def test_a_task_that_is_not_enabled_is_skipped_without_the_extra(
    lake: LakeFolder, monkeypatch: pytest.MonkeyPatch, enabled: Any
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(AirflowSkipException, match="enabled is false"):
        follow(lake, enabled=enabled)
    with pytest.raises(ConfigurationError, match="enabled='delta' must be true or false"):
        follow(lake, enabled="delta")


def test_a_wrong_name_is_refused(lake: LakeFolder) -> None:
    with pytest.raises(ConfigurationError, match=r"datasets: '\.\./alerts' is not a dataset name"):
        follow(lake, datasets=["../alerts"])


def test_without_the_extra_the_error_says_what_to_install(
    lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "deltalake" else found(name))
    with pytest.raises(
        ConfigurationError, match=r"needs the package deltalake.*airflow-provider-defender\[delta\]"
    ):
        follow(lake)


def test_a_table_that_others_have_changed_stops_without_retries(
    simulator: Simulator, lake: LakeFolder
) -> None:
    land(lake, initial_lookback=timedelta(days=3))
    pl.DataFrame({"a": [1]}).write_delta(str(lake.path / "alerts"))
    with pytest.raises(TableUnusable, match="written by another program") as raised:
        follow(lake)
    assert isinstance(raised.value, StopAndLook)
