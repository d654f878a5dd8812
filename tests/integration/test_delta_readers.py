"""Delta tables over a lake, read with Apache Spark and DuckDB."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.lake import Lake, committed_files, follow_delta
from tests.helpers.tools import need
from tests.integration.duckdb_queries import rows_in_duckdb
from tests.integration.test_spark import SPARK_PYTHON, missing_spark
from tests.kafka_broker.jars import fetch_jars, missing_tools
from tests.unit.lake.support import START, local_lake
from tests.unit.lake.tables.support import DEVICES, goes_on, land, new_rows
from tests.unit.lake.tables.test_delta import wider

pytestmark = pytest.mark.integration

READER = Path(__file__).with_name("spark_delta_reader.py")
JARS = Path(__file__).with_name("delta_jars.xml")
TYPES = {"alerts": "date:date,host:struct<ip:array<string>>", DEVICES: "date:date,hour:int"}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose tables have checkpoints, replaced files and columns of two releases."""
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta_checkpoint.EVERY", 3)
    lake, chance = local_lake(tmp_path / "lake"), random.Random(3)
    for _ in range(5):
        goes_on(lake, chance, 4)
        follow_delta(lake)
    land(
        lake, rows=wider(new_rows([START.replace(microsecond=123456), START.replace(hour=23, microsecond=1)]))
    )
    land(
        lake,
        DEVICES,
        rows=new_rows([START.replace(hour=hour, microsecond=999_999) for hour in (0, 3, 9, 23)]),
    )
    follow_delta(lake)
    return lake


def landed(lake: Lake, dataset: str) -> list[list[Any]]:
    """Each committed row by its key, version, item and time in microseconds, as pyarrow reads the files."""
    rows = []
    for path in committed_files(lake, dataset):
        table = pq.ParquetFile(path).read(columns=["landing", "@timestamp"])
        times = table["@timestamp"].cast("int64").to_pylist()
        rows += [
            [row["key"], row["version"], row["item"], str(time)]
            for row, time in zip(table["landing"].to_pylist(), times, strict=True)
        ]
    return sorted(rows)


def test_spark_reads_what_has_landed(lake: Lake, tmp_path: Path) -> None:
    need(missing_spark() or missing_tools(JARS, "Delta Lake"), "tests with Spark")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tables = {dataset: lake.storage.url(dataset) for dataset in TYPES}
    done = subprocess.run(
        [str(SPARK_PYTHON), str(READER), str(fetch_jars(JARS)), str(scratch), *tables.values()],
        env={
            **{name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ},
            "HOME": str(scratch),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LAUNCHER_OPTS": "-XX:-UsePerfData",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    for dataset, url in tables.items():
        found, rows = json.loads(done.stdout)[url], landed(lake, dataset)
        assert sorted(found["rows"]) == rows
        times = sorted(int(row[3]) for row in rows)
        assert found["latest"] == times.count(times[-1])
        assert found["earliest"] == times.count(times[0])
        assert TYPES[dataset] in found["schema"]


def test_duckdb_reads_what_has_landed(lake: Lake, tmp_path: Path) -> None:
    for dataset in TYPES:
        table, rows = f"delta_scan('{lake.storage.url(dataset)}')", landed(lake, dataset)
        latest = max(int(row[3]) for row in rows)
        columns = 'landing.key, landing.version, landing.item, epoch_us("@timestamp")::varchar'
        found, [[count]] = rows_in_duckdb(
            tmp_path,
            "delta",
            f"SELECT {columns} FROM {table}",
            f'SELECT count(*) FROM {table} WHERE "@timestamp" >= make_timestamptz({latest})',
        )
        assert sorted(found) == rows
        assert count == sum(int(row[3]) == latest for row in rows)
