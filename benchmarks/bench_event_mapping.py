"""CPU time of mapping an event hub's messages, beside plain orjson and `Table.from_pylist` in the same run.

    python -m benchmarks.bench_event_mapping [--records 100000] [--size 1] [--quick] [--json results.json]

Messages come in pieces of 20,000 records, made outside the measured time. Each piece is mapped by the package
(`ecs.EventMapper`, in batches of 2,000 messages, as a drain does it: ECS, typed columns, exact text, repeats
looked for) and parsed plainly into a table of whatever columns Arrow finds. They take turns piece by piece,
so that a busy machine slows both. Times are CPU seconds of the one process; the sums over all pieces count.
Odd records are only mapped: plain parsing fails on a column with values of two types.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from airflow_provider_defender import ecs
from benchmarks.event_records import SHAPES, START, EventRecords, Shape
from benchmarks.report import Check, machine, print_checks, print_table, save

NAMESPACE, HUB = "contoso.servicebus.windows.net", "defender"
PIECE_RECORDS = 20_000
BATCH_MESSAGES = 2_000
GOALS = {"IdentityLogonEvents": 6.0, "DeviceProcessEvents": 12.0}
"""Microseconds a record that mapping should take, of the 12.5 and 25 of the whole way to Parquet."""
GOAL_ODD = 0.2


def origins_of(first: int, count: int) -> pa.Table:
    """As the operator gives them."""
    return pa.table(
        {
            "namespace": pa.repeat(pa.scalar(NAMESPACE), count),
            "hub": pa.repeat(pa.scalar(HUB), count),
            "partition": pa.repeat(pa.scalar(0, pa.int32()), count),
            "offset": pa.array(range(first, first + count), pa.int64()),
            "enqueued": pa.repeat(pa.scalar(START, pa.timestamp("us", tz="UTC")), count),
        }
    )


class Mapped:
    """One drain's mapping."""

    def __init__(self) -> None:
        self._mapper = ecs.EventMapper(ingested=START, log="event_hub-contoso-defender")
        self._read = 0
        self.rows = 0

    def take(self, messages: Sequence[bytes]) -> None:
        for start in range(0, len(messages), BATCH_MESSAGES):
            batch = messages[start : start + BATCH_MESSAGES]
            self._count(self._mapper.map(batch, origins_of(self._read, len(batch))))
            self._read += len(batch)

    def finish(self) -> None:
        self._count(self._mapper.finish())

    def _count(self, parts: Iterator[ecs.MappedRecords]) -> None:
        self.rows += sum(table.num_rows for part in parts for table in part.tables.values())


def plainly(messages: Sequence[bytes]) -> None:
    """The obvious way."""
    rows = [record["properties"] for message in messages for record in orjson.loads(message)["records"]]
    pa.Table.from_pylist(rows)


def measure(table: str, shape: Shape, size: int, count: int) -> dict[str, Any]:
    """CPU seconds of each way, and what follows from them, on one input."""
    messages = EventRecords(table, shape=shape, size=size).messages(count)
    seconds: Counter[str] = Counter()
    taken, load = 0, machine()["load"]
    mapped = Mapped()

    def timed(name: str, run: Any, *given: Any) -> None:
        start = time.process_time()
        run(*given)
        seconds[name] += time.process_time() - start  # type: ignore[assignment]

    while piece := list(islice(messages, max(PIECE_RECORDS // size, 1))):
        taken += sum(map(len, piece))
        timed("mapping", mapped.take, piece)
        if "odd" not in shape:
            timed("plain", plainly, piece)
    timed("mapping", mapped.finish)
    if mapped.rows != count:
        raise RuntimeError(f"{mapped.rows:,} rows of {count:,} records")
    return _result(table, shape, count, bytes_taken=taken, load=load, seconds=seconds)


def _result(
    table: str, shape: Shape, count: int, *, bytes_taken: int, load: float, seconds: Counter[str]
) -> dict[str, Any]:
    result = {
        "table": table,
        "shape": shape,
        "records": count,
        "bytes_per_record": bytes_taken // count,
        "load": load,
        "microseconds_per_record": {way: round(spent / count * 1e6, 1) for way, spent in seconds.items()},
        "per_cpu_second": round(count / seconds["mapping"]),
    }
    if "plain" in seconds:
        result["ratio_to_plain"] = round(seconds["plain"] / seconds["mapping"], 2)
    return result


def checks_of(results: Sequence[dict[str, Any]]) -> list[Check]:
    checks = []
    for table, goal in GOALS.items():
        own = {each["shape"]: each for each in results if each["table"] == table}
        spent = own["as sent"]["microseconds_per_record"]["mapping"]
        share = own["all odd"]["per_cpu_second"] / own["as sent"]["per_cpu_second"]
        checks += [
            Check(f"{table}, all odd: at least a fifth of as sent ({share:.2f})", share >= GOAL_ODD, True),
            Check(f"{table}: mapped in {goal} µs a record ({spent})", spent <= goal, False),
        ]
    return checks


def print_results(results: Sequence[dict[str, Any]]) -> None:
    """One line an input."""
    rows = [
        (
            *(each[key] for key in ("table", "shape", "bytes_per_record", "load", "per_cpu_second")),
            each["microseconds_per_record"]["mapping"],
            each["microseconds_per_record"].get("plain", ""),
            each.get("ratio_to_plain", ""),
        )
        for each in results
    ]
    print_table(("table", "shape", "bytes", "load", "records/s", "mapping µs", "plain µs", "ratio"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000, help="records of each input")
    parser.add_argument("--size", type=int, default=1, help="records a message")
    parser.add_argument("--quick", action="store_true", help="a fifth of all")
    parser.add_argument("--json", type=Path, help="where to write the results")
    given = parser.parse_args()
    count = given.records // 5 if given.quick else given.records
    results = [measure(table, shape, given.size, count) for table in GOALS for shape in SHAPES]
    print_results(results)
    checks = checks_of(results)
    print_checks(checks)
    save(given.json, {"inputs": results}, checks)


if __name__ == "__main__":
    main()
