"""CPU time of mapping and landing endpoint alerts, beside the obvious hand-written way in the same run.

    python benchmarks/bench_mapping.py [--alerts 20000] [--rounds 3] [--json results.json]

Both ways write Parquet files with the lake's settings (zstd 3, statistics, page index, row groups of 128 Ki
rows, or as many as a buffer of 64 MiB holds). Times are process CPU seconds, the best of the rounds, which
take turns; other programs on the machine disturb them less than they would wall clock, but they do.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))

import handwritten
from generator import AlertGenerator

from airflow_provider_defender import ecs

TENANT = "a839b112-1253-6432-9bf6-94542403f21c"
ORIGINS = pa.table({"tenant": [TENANT]})
ROW_GROUP_ROWS = 128 * 1024
BUFFER_BYTES = 64 * 1024 * 1024
GOAL_PER_SECOND = 25_000
GOAL_RATIO = 1.5
GOAL_ODD = 0.2

INPUTS: dict[str, dict[str, Any]] = {
    "clean": {},
    "5 % odd": {"odd": 0.05},
    "all odd": {"odd": 1.0},
    "500 items": {"evidence": 500},
}


def write(tables: Iterator[pa.Table], schema: pa.Schema, path: Path) -> None:
    """All tables in one file, in row groups as large as the buffer allows."""
    waiting: list[pa.Table] = []
    size = rows = 0
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=3, write_statistics=True, write_page_index=True
    ) as writer:
        for table in tables:
            waiting.append(table)
            size, rows = size + table.nbytes, rows + table.num_rows
            if size >= BUFFER_BYTES or rows >= ROW_GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting), row_group_size=ROW_GROUP_ROWS)
                waiting, size, rows = [], 0, 0
        if waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=ROW_GROUP_ROWS)


def ours(records: Sequence[bytes], path: Path) -> None:
    parts = ecs.map_batches("endpoint_alerts", records, origins=ORIGINS)
    write((part.tables["alerts"] for part in parts), ecs.schema("alerts"), path)


def only_mapping(records: Sequence[bytes], path: Path) -> None:
    for _ in ecs.map_batches("endpoint_alerts", records, origins=ORIGINS):
        pass


def by_hand(records: Sequence[bytes], path: Path) -> None:
    step = 1000
    chunks = (records[start : start + step] for start in range(0, len(records), step))
    write((handwritten.table_of(chunk, TENANT) for chunk in chunks), handwritten.SCHEMA, path)


def cpu_seconds(
    function: Callable[[Sequence[bytes], Path], None], records: Sequence[bytes], path: Path
) -> float:
    start = time.process_time()
    function(records, path)
    return time.process_time() - start


def measure(name: str, count: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Alerts a CPU second of each way on one input."""
    options = INPUTS[name]
    count = max(count * 3 // (options.get("evidence", 3) * 2), 20) if "evidence" in options else count
    records = list(AlertGenerator(**options).records(count))
    ways: dict[str, Callable[[Sequence[bytes], Path], None]] = {"ours": ours, "mapping alone": only_mapping}
    if name in ("clean", "500 items"):
        ways["by hand"] = by_hand
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for way, function in ways.items():
            best[way] = min(best[way], cpu_seconds(function, records, folder / f"{way}.parquet"))
    result: dict[str, Any] = {
        "input": name,
        "alerts": count,
        "bytes_per_alert": sum(map(len, records)) // count,
        "per_cpu_second": {way: round(count / seconds) for way, seconds in best.items()},
    }
    if "by hand" in best:
        result["ratio_to_by_hand"] = round(best["by hand"] / best["ours"], 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--alerts", type=int, default=20_000, help="alerts of each input (fewer with 500 items)"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to write the results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [measure(name, arguments.alerts, arguments.rounds, Path(folder)) for name in INPUTS]
    clean = results[0]["per_cpu_second"]["ours"]
    heads = ("input", "alerts", "bytes", "ours/s", "mapping/s", "by hand/s", "ratio")
    print("{:<10} {:>8} {:>7} {:>8} {:>10} {:>10} {:>6}".format(*heads))
    for result in results:
        rates = result["per_cpu_second"]
        result["share_of_clean"] = round(rates["ours"] / clean, 3)
        cells = (
            result["input"],
            result["alerts"],
            result["bytes_per_alert"],
            rates["ours"],
            rates["mapping alone"],
            rates.get("by hand", ""),
            result.get("ratio_to_by_hand", ""),
        )
        print("{:<10} {:>8} {:>7} {:>8} {:>10} {:>10} {:>6}".format(*cells))
    checks = {
        f"clean: at least {GOAL_PER_SECOND} alerts a CPU second": clean >= GOAL_PER_SECOND,
        f"clean: at least {GOAL_RATIO} times by hand": results[0]["ratio_to_by_hand"] >= GOAL_RATIO,
        "all odd: no slower than a fifth of clean": results[2]["share_of_clean"] >= GOAL_ODD,
    }
    for text, holds in checks.items():
        print(f"{'yes' if holds else 'NO ':<4} {text}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"results": results, "checks": checks}, indent=2) + "\n")


if __name__ == "__main__":
    main()
