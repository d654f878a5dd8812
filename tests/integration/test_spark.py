"""P10 in Apache Spark: files of different batches read together, and give what DuckDB and pyarrow read."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.simulator.events import FEEDS, EventStream
from tests.helpers.airflow import (
    START,
    LakeFolder,
    lake,
    land,
    land_incidents,
    run_clock,
    running_simulator,
    simulator,
)
from tests.helpers.event_hubs import EventLake, MemoryHub, drain, event_lake, hub, message
from tests.helpers.tools import need
from tests.kafka_broker.jars import java
from tests.unit.docs.pages import blocks

__all__ = ["event_lake", "hub", "lake", "run_clock", "running_simulator", "simulator"]

pytestmark = pytest.mark.integration

SPARK_PYTHON = Path(__file__).parents[2] / ".venv-spark" / "bin" / "python"
READER = Path(__file__).with_name("spark_reader.py")


def missing_spark() -> str | None:
    """Why Spark cannot run here, or None when it can."""
    if java() is None:
        return "Java is not installed: Apache Spark needs a JDK 17 or newer"
    if not SPARK_PYTHON.exists():
        return "Apache Spark is not installed: `make test-servers` installs it into .venv-spark"
    return None


# A lake of all tables -----------------------------------------------------------------------------


@pytest.fixture
def datasets(
    simulator: Simulator,
    lake: LakeFolder,
    hub: MemoryHub,
    event_lake: EventLake,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """The datasets of a lake in the current folder, each with files of several commits.

    One commit has rows as they usually are, one odd ones, and for events one has rows with hardly a column.
    """
    need(missing_spark(), "tests with Spark")
    assert event_lake.path == lake.path
    land_alerts(simulator, lake)
    land_events(hub, event_lake)
    monkeypatch.chdir(lake.path.parent)
    return [
        "alerts",
        "incidents",
        *(f"events/{folder.name}" for folder in sorted(Path("lake/events").iterdir())),
    ]


def land_alerts(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant = Tenant(7, alerts=60, history=timedelta(days=3), start=START, late_share=0.0)
    land(lake, initial_lookback=timedelta(days=3))
    for run in (land_incidents, partial(land, source="graph_alerts")):
        run(lake, initial_lookback=timedelta(days=3))
    first = [alert.alert_id for alert in simulator.tenant.alerts[:9]]
    simulator.tenant.update_many(first, status="Resolved")
    simulator.tenant.add_oddities()
    simulator.tenant.advance(timedelta(minutes=1))
    assert land(lake)["rejects"] > 0
    for run in (land_incidents, partial(land, source="graph_alerts")):
        assert run(lake)["versions"] > 0


def land_events(hub: MemoryHub, lake: EventLake) -> None:
    hub.batch_messages = 500
    for seed, odd in ((1, 0.0), (2, 0.5)):
        stream = EventStream(seed, start=hub.now, odd=odd, duplicates=0.0, records_a_message=3)
        for value in stream.messages(60):
            hub.send(value)
        hub.send(message({"Column": seed}, table="Unknown"))
        drain(lake)
        hub.advance(timedelta(hours=1))
    for table in FEEDS:
        hub.send(message({}, table=table))
    drain(lake)


# What Spark, pyarrow and DuckDB read --------------------------------------------------------------


def read_with_spark(datasets: list[str], examples: list[str]) -> Any:
    """What `spark_reader.py` finds in the lake of the current folder; it sees nothing of our environment."""
    scratch = Path("scratch").absolute()
    scratch.mkdir()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ},
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LAUNCHER_OPTS": "-XX:-UsePerfData",
    }
    done = subprocess.run(
        [str(SPARK_PYTHON), str(READER), *datasets],
        input=json.dumps(examples),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return json.loads(done.stdout)


def spark_type(kind: pa.DataType) -> str:
    """The Spark type that an Arrow type of a dataset must be read as."""
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name}:{spark_type(field.type)}' for field in kind)}>"
    if pa.types.is_list(kind):
        return f"array<{spark_type(kind.value_type)}>"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return {"bool": "boolean", "int32": "int", "int64": "bigint"}.get(str(kind), str(kind))


def spark_schema(dataset: str) -> str:
    """The schema that the package promises, as Spark names it; tables that it does not know have one, too."""
    known = {mapping.dataset for mapping in ecs.registered()}
    promised = ecs.schema(dataset if dataset in known else "events/Unknown")
    partitions = [pa.field("date", pa.date32())]
    if dataset.startswith("events/"):
        partitions.append(pa.field("hour", pa.int32()))
    return spark_type(pa.struct([*promised, *partitions])).replace("date32[day]", "date")


def plain(value: Any) -> Any:
    """A value of pyarrow's as it comes out of Spark's JSON: without nulls in structs, times as text."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value


def only_in_one(some: Iterable[Any], others: Iterable[Any]) -> list[str]:
    """The rows, as JSON, that are not equally often in both."""
    left, right = (Counter(json.dumps(row, sort_keys=True) for row in rows) for rows in (some, others))
    return [*(left - right).elements(), *(right - left).elements()]


def duckdb_rows(query: str) -> list[list[Any]]:
    return [[plain(value) for value in row] for row in duckdb.execute(query).fetchall()]


# The tests ----------------------------------------------------------------------------------------


@pytest.mark.timeout(600)
def test_spark_reads_what_duckdb_and_pyarrow_read(datasets: list[str]) -> None:
    assert set(datasets) >= {mapping.dataset for mapping in ecs.registered()}
    examples = [block.text for block in blocks() if block.run == "spark"]
    found = read_with_spark(datasets, examples)
    for dataset in datasets:
        assert_reads_together(dataset, found["datasets"][dataset])
    assert_passes_over_hidden_folders(found["files"])
    assert len(examples) > 1
    for printed in found["printed"]:
        assert len(printed.split("\n")) > 6, f"no rows:\n{printed}"
    assert only_in_one(found["latest"], latest_in_duckdb()) == []


def assert_reads_together(dataset: str, found: Mapping[str, Any]) -> None:
    files = sorted(Path("lake", dataset).glob("date=*/**/*.parquet"))
    assert len({file.stem.rpartition("-")[0] for file in files}) > 1, f"{dataset}: files of one commit only"
    assert found["schema"] == found["merged_schema"] == spark_schema(dataset), dataset
    rows = ds.dataset(f"lake/{dataset}", partitioning="hive").to_table().to_pylist()
    assert len(found["rows"]) == len(rows) > 1, dataset
    assert only_in_one(found["rows"], map(plain, rows)) == [], dataset
    times = [[row["landing"]["key"], row["@timestamp"]] for row in found["rows"]]
    query = f"""SELECT landing.key, make_timestamp(epoch_us("@timestamp"))
        FROM 'lake/{dataset}/date=*/**/*.parquet'"""
    assert only_in_one(times, duckdb_rows(query)) == [], dataset


def assert_passes_over_hidden_folders(files: list[str]) -> None:
    assert list(Path("lake/_defender").glob("*/quarantine/**/*.parquet"))
    shown = [
        file for name in ("alerts", "events", "incidents") for file in Path("lake", name).glob("**/*.parquet")
    ]
    assert sorted(files) == sorted(file.name for file in shown)


def latest_in_duckdb() -> list[list[Any]]:
    """The latest state of each alert, by the view that the package ships for DuckDB."""
    duckdb.execute(resources.files("airflow_provider_defender.lake").joinpath("views.sql").read_text())
    return duckdb_rows("SELECT event.id, landing.version, count(*) FROM latest_alerts('lake') GROUP BY ALL")
