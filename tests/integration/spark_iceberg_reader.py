"""Reads the Iceberg tables of a REST catalog with Apache Spark, and prints their rows as JSON.

The Python of `.venv-spark` runs it, in an empty folder, where neither this package nor pyiceberg is:

    python spark_iceberg_reader.py JAR URL < queries.json

`queries.json` is a list of queries; `lake` is their catalog.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession, functions  # type: ignore[import-not-found]

TIMES = {"timestampFormat": "yyyy-MM-dd HH:mm:ss.SSSSSS"}


def quiet_session(jar: str, url: str, scratch: Path) -> Any:
    """A session on this machine only: no pages, no port but on 127.0.0.1, no file outside `scratch`."""
    settings = {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f'-Djava.io.tmpdir="{scratch}" -XX:-UsePerfData',
        "spark.driver.extraClassPath": jar,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "rest",
        "spark.sql.catalog.lake.uri": url,
    }
    return SparkSession.builder.config(map=settings).getOrCreate()


def rows(frame: Any) -> list[Any]:
    row = functions.to_json(functions.struct("*"), TIMES).alias("row")
    return [json.loads(found.row) for found in frame.select(row).collect()]


if __name__ == "__main__":
    spark = quiet_session(sys.argv[1], sys.argv[2], Path.cwd())
    json.dump([rows(spark.sql(query)) for query in json.load(sys.stdin)], sys.stdout)
