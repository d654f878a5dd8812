"""Reads Delta tables with Apache Spark, and prints what it finds as JSON.

The Python of `.venv-spark` runs it, where neither this package nor pyarrow is:

    python spark_delta_reader.py FOLDER-OF-JARS SCRATCH TABLE…
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession  # type: ignore[import-not-found]

TIME = "cast(unix_micros(`@timestamp`) as string)"


def session(jars: Path, scratch: Path) -> Any:
    settings = {
        "spark.master": "local[1]",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f'-Djava.io.tmpdir="{scratch}" -XX:-UsePerfData',
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.jars": ",".join(map(str, jars.glob("*.jar"))),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }
    return SparkSession.builder.config(map=settings).getOrCreate()


def found(spark: Any, table: str) -> dict[str, Any]:
    """Each row by its key, version, item and time; the rows that a filter by each row's own time finds."""
    frame = spark.read.format("delta").load(table).cache()
    rows = frame.selectExpr("landing.key", "landing.version", "landing.item", TIME).collect()
    fresh = spark.read.format("delta").load(table)
    times = sorted({int(row[3]) for row in rows})
    latest = fresh.where(f"`@timestamp` >= timestamp_micros({times[-1]})")
    earliest = fresh.where(f"`@timestamp` <= timestamp_micros({times[0]})")
    return {
        "schema": frame.schema.simpleString(),
        "rows": [list(row) for row in rows],
        "latest": latest.count(),
        "earliest": earliest.count(),
    }


if __name__ == "__main__":
    jars, scratch, *tables = sys.argv[1:]
    spark = session(Path(jars), Path(scratch))
    print(json.dumps({table: found(spark, table) for table in tables}))
