"""Reads the lake of the current folder with Apache Spark, and prints what it finds as JSON.

The Python of `.venv-spark` runs it, where neither this package nor pyarrow is:

    python spark_reader.py DATASET… < examples.json

`examples.json` is a list of Python texts, run in their order with `spark` as their session.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession, functions  # type: ignore[import-not-found]

TIMES = {"timestampFormat": "yyyy-MM-dd HH:mm:ss.SSSSSS"}


def quiet_session(scratch: Path) -> Any:
    """A session on this machine only: no pages, no port but on 127.0.0.1, no file outside `scratch`."""
    settings = {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f'-Djava.io.tmpdir="{scratch}" -XX:-UsePerfData',
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
    }
    return SparkSession.builder.config(map=settings).getOrCreate()


def read_together(spark: Any, dataset: str) -> dict[str, Any]:
    """All files of a dataset at once, partition columns included: schema, and each row as JSON."""
    frame = spark.read.parquet(f"lake/{dataset}")
    merged = spark.read.option("mergeSchema", "true").parquet(f"lake/{dataset}")
    row = functions.to_json(functions.struct("*"), TIMES).alias("row")
    return {
        "schema": frame.schema.simpleString(),
        "merged_schema": merged.schema.simpleString(),
        "rows": [json.loads(found.row) for found in frame.select(row).collect()],
    }


def run_example(spark: Any, text: str) -> str:
    """What an example of the documentation prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "example", "exec"), {"spark": spark})
    return printed.getvalue()


def main(datasets: list[str], examples: list[str]) -> dict[str, Any]:
    spark = quiet_session(Path("scratch").absolute())
    everything = spark.read.option("recursiveFileLookup", "true").parquet("lake")
    return {
        "datasets": {dataset: read_together(spark, dataset) for dataset in datasets},
        "printed": [run_example(spark, text) for text in examples],
        "latest": [list(row) for row in spark.sql(f"{LATEST} group by all").collect()],
        "files": [file.rpartition("/")[2] for file in everything.inputFiles()],
    }


LATEST = "select event.id, landing.version, count(*) from latest_alerts"
"""Of the view that an example makes."""

if __name__ == "__main__":
    json.dump(main(sys.argv[1:], json.load(sys.stdin)), sys.stdout)
