"""What compaction does to a lake of small files: rows, bytes, queries, memory.

    python -m benchmarks.bench_compaction [--files 10000] [--rows 1000000] [--runs 3] [--quick]
        [--json results.json]

A hub's process events, mapped as a drain maps them, in so many files, 48 in each hour, as four tasks leave
them that drain every five minutes. A process of its own compacts the lake; its high-water mark (`VmHWM`) is
the memory. Rows are compared by DuckDB's hash of each whole row. The queries run in DuckDB on one thread,
before and after in turns, on files in the page cache; of the CPU seconds, the least of the runs counts.
"hour" reads all columns of an hour, so most of its time goes into values, not into files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.event_records import START, EventRecords
from benchmarks.report import Check, found_by, peak_bytes, print_checks, print_table, save

TABLE = "DeviceProcessEvents"
FILES_AN_HOUR = 48
BYTES_GOAL, QUERIES_GOAL, MEMORY_GOAL = 0.6, 5.0, 500_000_000
_BATCH_RECORDS = 20_000

QUERIES = {
    "group by": "select process.name, count(*) from {} group by all order by all",
    "needle": (
        'select "@timestamp", host.name, "user".name, process.name, process.command_line from {} '
        "where process.command_line like '%zebra%'"
    ),
    "hour": "select * from {} where date = '2026-11-20' and hour = 13",
}


def mapped(rows: int, span: timedelta) -> Iterator[Any]:
    """Tables of mapped rows, in the order of their times."""
    from airflow_provider_defender import ecs
    from benchmarks.bench_event_mapping import origins_of

    mapper = ecs.EventMapper(ingested=START, log="event_hub-bench")
    messages, read = EventRecords(TABLE, span=span).messages(rows), 0
    while batch := list(islice(messages, _BATCH_RECORDS)):
        parts = [*mapper.map(batch, origins_of(read, len(batch)))]
        read += len(batch)
        yield from (part.tables[f"events/{TABLE}"] for part in parts if part.tables)
    yield from (part.tables[f"events/{TABLE}"] for part in mapper.finish() if part.tables)


def land(root: Path, files: int, rows: int) -> None:
    """A hub's log with a commit for each file; without waiting for the disk."""
    import pyarrow as pa
    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_defender.lake import Covered, Lake, OffsetsChange, OffsetsLedger
    from airflow_provider_defender.landing import Partitioning

    hours = -(-files // FILES_AN_HOUR)
    lake = Lake(LocalFileSystem(), str(root), clock=lambda: START)
    log = hub_log(lake)
    each, offset = rows // files, 0
    waiting: Any = None
    with patch.object(os, "fsync", lambda descriptor: None):
        for table in mapped(rows, timedelta(hours=hours)):
            waiting = table if waiting is None else pa.concat_tables([waiting, table])
            while waiting.num_rows >= each:
                with log.begin(log.head(), OffsetsLedger(), kind="drain") as transaction:
                    piece, waiting = waiting.slice(0, each), waiting.slice(each)
                    transaction.write(f"events/{TABLE}", piece, Partitioning.HOUR)
                    covered = Covered(read=[(offset, offset + each)], next=offset + each)
                    transaction.commit(OffsetsChange({0: covered}))
                    offset += each


def hub_log(lake: Any) -> Any:
    from airflow_provider_defender.lake import OffsetsPosition

    return lake.log("event_hub-bench", OffsetsPosition, origin={"source": "event_hub", "hub": "bench"})


def here(root: Path) -> None:
    """Compact the lake, in this process; prints what it took."""
    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_defender.lake import Lake, compact

    def later() -> datetime:
        return START + timedelta(days=60)

    begun = time.process_time()
    total = compact(Lake(LocalFileSystem(), str(root), clock=later), progress=print).total
    found = {
        "files_before": total.files_removed,
        "files_after": total.files_added,
        "duplicates": total.duplicates,
        "bytes_before": total.bytes_before,
        "bytes_after": total.bytes_after,
        "peak_bytes": peak_bytes(),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }
    print(json.dumps(found))


def files_of(root: Path) -> str:
    types = "hive_partitioning = true, hive_types = {'date': 'date', 'hour': 'int'}"
    return f"read_parquet('{root}/events/{TABLE}/date=*/hour=*/*.parquet', {types})"


def rows_of(root: Path) -> Any:
    """Two sums over the hashes of all rows, whatever their order."""
    import duckdb

    query = f"select count(*), bit_xor(hash(r)), sum(hash(r) % 1000000007) from {files_of(root)} r"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def cpu_seconds(root: Path, query: str) -> float:
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:
        begun = time.process_time()
        connection.sql(query.format(files_of(root))).to_arrow_table()
        return time.process_time() - begun


def compared(before: Path, after: Path, runs: int) -> list[dict[str, Any]]:
    """The queries, in turns."""
    found = []
    for name, query in QUERIES.items():
        seconds: dict[Path, list[float]] = {before: [], after: []}
        for _ in range(runs):
            for root, spent in seconds.items():
                spent.append(cpu_seconds(root, query))
        first, last = (min(spent) for spent in seconds.values())
        found.append(
            {
                "query": name,
                "before": round(first, 3),
                "after": round(last, 3),
                "ratio": round(first / last, 1),
            }
        )
    return found


def measure(files: int, rows: int, runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-compaction-") as folder:
        after, before = Path(folder) / "lake", Path(folder) / "before"
        land(after, files, rows)
        shutil.copytree(after / "events", before / "events")
        found = found_by("bench_compaction", "--here", str(after))
        return {
            **found,
            "rows": rows,
            "identical": rows_of(before) == rows_of(after),
            "bytes_ratio": round(found["bytes_after"] / found["bytes_before"], 3),
            "queries": compared(before, after, runs),
        }


def checks_of(found: dict[str, Any]) -> list[Check]:
    ratio = min(each["ratio"] for each in found["queries"] if each["query"] != "hour")
    return [
        Check("the rows are identical", found["identical"], True),
        Check(
            f"bytes are at most {BYTES_GOAL} of those before ({found['bytes_ratio']})",
            found["bytes_ratio"] <= BYTES_GOAL,
            True,
        ),
        Check(
            f"queries over all files take {QUERIES_GOAL:.0f} times less CPU ({ratio:.1f})",
            ratio >= QUERIES_GOAL,
            True,
        ),
        Check(
            f"memory is at most {MEMORY_GOAL / 1e6:.0f} MB ({found['peak_bytes'] / 1e6:.0f} MB)",
            found["peak_bytes"] <= MEMORY_GOAL,
            False,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the files and rows")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        here(given.here)
        return
    scale = 10 if given.quick else 1
    found = measure(given.files // scale, given.rows // scale, given.runs)
    print(
        f"{found['files_before']:,} -> {found['files_after']:,} files, {found['bytes_before'] / 1e6:,.1f} -> "
        f"{found['bytes_after'] / 1e6:,.1f} MB, {found['rows']:,} rows, {found['cpu_seconds']} CPU s, peak "
        f"{found['peak_bytes'] / 1e6:,.0f} MB"
    )
    print_table(
        ["CPU s", "before", "after", "ratio"],
        [[each["query"], each["before"], each["after"], each["ratio"]] for each in found["queries"]],
    )
    checks = checks_of(found)
    print_checks(checks)
    save(given.json, found, checks)


if __name__ == "__main__":
    main()
