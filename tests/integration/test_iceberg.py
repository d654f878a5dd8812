"""Iceberg tables in a REST catalog, read with Apache Spark and DuckDB, and over a lake in an object store."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog

from airflow_provider_defender.lake import Lake, committed_files, follow_iceberg
from airflow_provider_defender.lake.tables.iceberg import table_name
from airflow_provider_defender.operators import IcebergTableOperator
from airflow_provider_defender.simulator import Simulator
from tests.helpers.airflow import LakeFolder, context, lake, run_clock, running_simulator, simulator
from tests.helpers.airflow import land as land_alerts
from tests.helpers.tools import need
from tests.iceberg_rest.server import POM, SPARK_POM, RestCatalog
from tests.integration.duckdb_queries import rows_in_duckdb
from tests.integration.test_spark import SPARK_PYTHON, missing_spark, only_in_one, plain
from tests.kafka_broker.jars import fetch_jars, missing_tools
from tests.object_stores.fixtures import running_store, store
from tests.object_stores.store import BUCKET, CONNECTION, Store
from tests.unit.lake.support import START, local_lake
from tests.unit.lake.tables.support import DEVICES, compact, goes_on, land, new_rows

__all__ = ["lake", "run_clock", "running_simulator", "running_store", "simulator", "store"]

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestCatalog]:
    need(missing_tools(POM, "Apache Iceberg"), "tests with Iceberg's REST catalog")
    server = RestCatalog(tmp_path_factory.mktemp("iceberg"))
    yield server
    server.stop()


def table_files(catalog: Catalog, namespace: str, dataset: str) -> list[str]:
    table = catalog.load_table(f"{namespace}.{table_name(dataset)}")
    return sorted(task.file.file_path for task in table.scan().plan_files())


def assert_equal(catalog: Catalog, namespace: str, opened: Lake, dataset: str) -> None:
    files = [f"file://{path}" for path in committed_files(opened, dataset)]
    assert table_files(catalog, namespace, dataset) == sorted(files)


# A REST catalog -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_random_histories_in_a_rest_catalog(rest: RestCatalog, tmp_path: Path, seed: int) -> None:
    chance, namespace = random.Random(seed), f"histories{seed}"
    opened = local_lake(tmp_path / "la ke%20=")
    for dataset in ("alerts", DEVICES):
        land(opened, dataset)
    for _ in range(6):
        goes_on(opened, chance, chance.randrange(1, 5))
        follow_iceberg(opened, rest.properties, namespace)
        catalog = load_catalog("tests", **rest.properties)
        for dataset in ("alerts", DEVICES):
            assert_equal(catalog, namespace, opened, dataset)


def test_two_followers_at_once(rest: RestCatalog, tmp_path: Path) -> None:
    opened = local_lake(tmp_path)
    for _ in range(6):
        land(opened)

    def follow() -> None:
        for _ in range(4):
            land(opened_again := local_lake(tmp_path), log=f"log-{threading.get_ident()}")
            follow_iceberg(opened_again, rest.properties, "together")

    threads = [threading.Thread(target=follow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    follow_iceberg(opened, rest.properties, "together")
    assert len(committed_files(opened, "alerts")) == 14
    assert_equal(load_catalog("tests", **rest.properties), "together", opened, "alerts")


# DuckDB -------------------------------------------------------------------------------------------


def test_duckdb_reads_what_has_landed(tmp_path: Path) -> None:
    opened = local_lake(tmp_path / "lake")
    land(opened, DEVICES, rows=new_rows([START + timedelta(hours=hour) for hour in range(30)]))
    land(opened, DEVICES)
    compact(opened, DEVICES)
    catalog = SqlCatalog(
        "tests", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse"
    )
    follow_iceberg(opened, catalog)
    table = f"iceberg_scan('{catalog.load_table('defender.' + table_name(DEVICES)).metadata_location}')"
    rows = pa.concat_tables([pq.ParquetFile(path).read() for path in committed_files(opened, DEVICES)])
    expected = list(
        zip(
            rows["landing"].combine_chunks().field("key").to_pylist(),
            map(str, rows["@timestamp"].cast("int64").to_pylist()),
            strict=True,
        )
    )
    latest = max(int(time) for _, time in expected)
    found, [[count]] = rows_in_duckdb(
        tmp_path,
        "avro,iceberg",
        f'SELECT landing.key, epoch_us("@timestamp")::varchar FROM {table}',
        f'SELECT count(*) FROM {table} WHERE "@timestamp" >= make_timestamptz({latest})',
    )
    assert sorted(map(tuple, found)) == sorted(expected)
    assert count == sum(int(time) == latest for _, time in expected)


# Apache Spark -------------------------------------------------------------------------------------


def read_with_spark(rest: RestCatalog, scratch: Path, queries: list[str]) -> Any:
    scratch.mkdir()
    (jar,) = fetch_jars(SPARK_POM).glob("iceberg-spark-runtime-*.jar")
    environment = {
        **{name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ},
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LAUNCHER_OPTS": "-XX:-UsePerfData",
    }
    done = subprocess.run(
        [str(SPARK_PYTHON), str(Path(__file__).with_name("spark_iceberg_reader.py")), str(jar), rest.url],
        input=json.dumps(queries),
        env=environment,
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return json.loads(done.stdout)


@pytest.mark.timeout(600)
def test_spark_reads_what_has_landed(
    rest: RestCatalog, simulator: Simulator, lake: LakeFolder, tmp_path: Path
) -> None:
    need(missing_spark() or missing_tools(SPARK_POM, "Apache Iceberg"), "tests with Spark")
    simulator.tenant.add_oddities()
    land_alerts(lake, initial_lookback=timedelta(days=30))
    simulator.tenant.advance(timedelta(hours=3))
    first = [alert.alert_id for alert in simulator.tenant.alerts[:9]]
    simulator.tenant.update_many(first, status="Resolved")
    land_alerts(lake)
    opened = local_lake(lake.path)
    land(opened, DEVICES, rows=new_rows([START + timedelta(hours=hour) for hour in range(30)]))
    compact(opened, DEVICES)
    follow_iceberg(opened, rest.properties, "spark")
    rows = pa.concat_tables([pq.ParquetFile(path).read() for path in committed_files(opened, "alerts")])
    moments = sorted(rows["@timestamp"].to_pylist())
    middle = moments[len(moments) // 2]
    events, alerts, later = read_with_spark(
        rest,
        tmp_path / "scratch",
        [
            "select * from lake.spark.events_deviceinfo where `@timestamp` >= '2026-11-23'",
            "select * from lake.spark.alerts",
            f"select landing from lake.spark.alerts where `@timestamp` >= '{middle:%Y-%m-%d %H:%M:%S.%f}'",
        ],
    )
    assert len(events) == 18
    assert only_in_one(alerts, map(plain, rows.to_pylist())) == []
    assert len(later) == sum(moment >= middle for moment in moments) > 1


# A lake in an object store ------------------------------------------------------------------------


def test_the_lakes_connection_serves_the_tables_metadata_too(
    store: Store,
    simulator: Simulator,
    lake: LakeFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The catalog has no credentials for the store, and its warehouse lies in the lake's bucket."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", store.connection())
    store.attach()
    given = LakeFolder(tmp_path / "not used")
    given.uri = store.url()
    simulator.tenant.add_oddities()
    landed = land_alerts(given, initial_lookback=timedelta(days=30))
    properties = {
        "type": "sql",
        "uri": f"sqlite:///{tmp_path}/catalog.db",
        "warehouse": f"{store.scheme}://{BUCKET}/warehouse",
    }
    monkeypatch.setenv(
        "AIRFLOW_CONN_ICEBERG_DEFAULT", json.dumps({"conn_type": "iceberg", "extra": properties})
    )
    operator = IcebergTableOperator(task_id="tables", lake=store.url())
    for expected in (1, 0):
        summary = operator.execute(context())  # type: ignore[arg-type]
        assert summary["versions"] == expected
    opened = Lake(store.filesystem(), f"{BUCKET}/lake")
    impl = "airflow_provider_defender.lake.tables.iceberg_catalog.LakeFileIO"
    catalog = SqlCatalog("iceberg_default", **properties, **{"py-io-impl": impl})
    table = catalog.load_table("defender.alerts")
    assert table.location().startswith(properties["warehouse"])
    names = [task.file.file_path.rpartition("/")[2] for task in table.scan().plan_files()]
    files = committed_files(opened, "alerts")
    assert sorted(names) == sorted(path.rpartition("/")[2] for path in files)
    assert table.scan().count() == landed["rows"]
    if store.name == "s3":  # as any other reader, with its own client and credentials
        reader = {
            "s3.endpoint": store.front.url,
            "s3.access-key-id": "key",
            "s3.secret-access-key": "secret",
            "s3.region": "eu-west-1",
        }
        table = SqlCatalog("iceberg_default", **properties, **reader).load_table("defender.alerts")
        assert len(table.scan(selected_fields=("landing",)).to_arrow()) == landed["rows"]
