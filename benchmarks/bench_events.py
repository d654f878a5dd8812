"""Draining events from a real broker into a lake: speed, memory, and two tasks side by side.

    python -m benchmarks.bench_events [--quick] [--full] [--records 200000] [--runs 3] [--json results.json]

The broker is Apache Kafka (`tests/kafka_broker`), over SASL_SSL with a connection string, on this machine. A
drain is the operator's `execute` in a process of its own with an empty lake: messages, mapping to ECS with
typed columns and the raw text, partition files, commit. Beside it, in processes of their own and from the
same hub: a bare `consume()` loop that takes each value, and the same loop with orjson and
`pyarrow.Table.from_pylist` of the properties, 20,000 records at a time, which writes nothing (and fails where
a column has values of two types). Imports are not timed, all else is; CPU seconds are those of the Python
process, all its threads included, and the least of the runs.

`--quick` takes a tenth of the records, once, so that what a drain costs once weighs ten times as much;
`--full` measures memory with 10,000,000 records (30 GB of disk) in the place of 1,000,000.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.event_records import SHAPES, EventRecords
from benchmarks.report import (
    Check,
    machine,
    peak_bytes,
    print_checks,
    print_table,
    result_of,
    save,
    started,
)
from tests.kafka_broker import KafkaBroker

GOALS = {"IdentityLogonEvents": 80_000, "DeviceProcessEvents": 40_000}
GOAL_PEAK_BYTES = 400_000_000
GOAL_GROWTH_BYTES = 100_000_000
HUB = "bench"
BATCH = 20_000


# In the measured process --------------------------------------------------------------------------


class Outlets:
    """Takes what the operator attaches to its asset's event."""

    def __getitem__(self, asset: Any) -> Any:
        return SimpleNamespace(extra={}, add_partitions=lambda keys: None)


def by_operator(work: Mapping[str, Any]) -> dict[str, Any]:
    """One drain by the operator."""
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender import ecs, lake  # noqa: F401
    from airflow_provider_defender.operators.event_hub import EventHubToParquetOperator
    from airflow_provider_defender.sources import event_hub  # noqa: F401

    _ = ObjectStoragePath(work["lake"]).fs
    if work.get("stop"):
        _stop_after_a_batch()
    operator = EventHubToParquetOperator(
        task_id="land", lake=work["lake"], hub_partitions=work.get("hub_partitions")
    )
    given: Any = {"dag_run": SimpleNamespace(run_type="scheduled"), "outlet_events": Outlets()}
    found = timed(lambda: operator.execute(given))
    summary = found.pop("result")
    if summary["rejects"]:
        raise RuntimeError(f"{summary['rejects']} records were rejected")
    return {**found, "records": summary["records"], "files": summary["files"], "seconds": summary["seconds"]}


def _stop_after_a_batch() -> None:
    """Let this process stop itself (SIGSTOP) when it has read its first messages."""
    from airflow_provider_defender.hooks import EventHubHook

    whole = EventHubHook.batches

    def batches(*given: Any, **options: Any) -> Iterator[Any]:
        for number, batch in enumerate(whole(*given, **options)):
            yield batch
            if number == 0:
                os.kill(os.getpid(), signal.SIGSTOP)

    EventHubHook.batches = batches  # type: ignore[method-assign]


def by_consume(work: Mapping[str, Any]) -> dict[str, Any]:
    """The messages' values, and nothing else."""
    return timed(lambda: sum(len(values) for values in _consumed(work["client"], work["messages"])))


def by_plain(work: Mapping[str, Any]) -> dict[str, Any]:
    """Parsed by orjson and turned into tables by Arrow, with the columns that it finds."""
    import orjson
    import pyarrow as pa

    def run() -> int:
        failed = 0
        waiting: list[Any] = []
        for values in _consumed(work["client"], work["messages"]):
            for value in values:
                waiting += [record["properties"] for record in orjson.loads(value)["records"]]
            if len(waiting) >= BATCH:
                failed += _table(waiting)
                waiting = []
        return failed + _table(waiting)

    def _table(rows: list[Any]) -> int:
        try:
            pa.Table.from_pylist(rows)
        except pa.ArrowException:  # values of two types in a column
            return len(rows)
        return 0

    found = timed(run)
    return {**found, "failed": found.pop("result")}


def _consumed(settings: Mapping[str, Any], messages: int) -> Iterator[list[Any]]:
    """The values of all messages of a hub with one partition, in lists."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({**settings, "group.id": "bench", "fetch.queue.backoff.ms": 1})
    consumer.assign([TopicPartition(HUB, 0, 0)])
    read = 0
    while read < messages:
        values = [message.value() for message in consumer.consume(min(2000, messages - read), 1.0)]
        read += len(values)
        yield values
    consumer.close()


def timed(run: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of wall clock and of CPU, the process's peak of memory in bytes, and what `run` returns."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return {**spent, "peak_bytes": peak_bytes(), "result": result}


WAYS = {"drain": by_operator, "consume": by_consume, "orjson": by_plain}


# Beside it ----------------------------------------------------------------------------------------


class Process:
    """One of `WAYS` in a process of its own, at work as soon as this is made."""

    def __init__(self, broker: KafkaBroker, way: str, work: Mapping[str, Any]) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="bench-events-")
        environment = {
            "AIRFLOW_HOME": self._home.name,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW_CONN_EVENT_HUB_DEFAULT": json.dumps(broker.connection(HUB)),
        }
        given = {"lake": f"file://{self._home.name}/lake", "client": broker.client_settings(), **work}
        command = ["-m", "benchmarks.bench_events", "--here", way, "--work", json.dumps(given)]
        self._process = started(*command, environment=environment)

    def result(self) -> dict[str, Any]:
        """Wait for its end, and return what it found."""
        with self._home:
            return result_of(self._process)

    def wait_until_stopped(self) -> None:
        """Wait until it has stopped itself."""
        stat = Path(f"/proc/{self._process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            if self._process.poll() is not None:
                raise RuntimeError("the process ended before it was stopped")
            time.sleep(0.02)

    @property
    def is_stopped(self) -> bool:
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def filled_hub(
    broker: KafkaBroker, source: EventRecords, records: int, partitions: int = 1
) -> Iterator[dict[str, int]]:
    """The hub with so many records in each partition; how many messages and bytes these are."""
    broker.create_hub(HUB, partitions)
    size = {"messages": 0, "bytes": 0}

    def counted() -> Iterator[bytes]:
        for message in source.messages(records):
            size["messages"] += 1
            size["bytes"] += len(message)
            yield message

    try:
        for partition in range(partitions):
            broker.produce(HUB, counted(), partition=partition)
        yield size
    finally:
        broker.delete_hub(HUB)


def speed(
    broker: KafkaBroker, table: str, shape: Any, *, size: int, records: int, runs: int
) -> dict[str, Any]:
    """Records a CPU-second of a drain of one kind of message, beside both baselines."""
    with filled_hub(broker, EventRecords(table, shape=shape, size=size), records) as filled:
        best: dict[str, Any] = {}
        for _ in range(runs):
            for way in WAYS:
                found = Process(broker, way, filled).result()
                if way not in best or found["cpu"] < best[way]["cpu"]:
                    best[way] = found
    if best["drain"]["records"] != records:
        raise RuntimeError(f"{best['drain']['records']} of {records} records landed")
    return {
        "table": table,
        "shape": shape,
        "records_a_message": size,
        "bytes_a_record": round(filled["bytes"] / records),
        "records": records,
        "rate": {way: round(records / found["cpu"]) for way, found in best.items()},
        "wall_rate": {way: round(records / found["wall"]) for way, found in best.items()},
        "not_by_orjson": best["orjson"]["failed"],
        "peak_bytes": best["drain"]["peak_bytes"],
    }


def memory(broker: KafkaBroker, counts: Sequence[int]) -> list[dict[str, Any]]:
    """The peak of drains of all tables, of one partition, with so many records."""
    found = []
    for count in counts:
        source = EventRecords(None, size=10, span=timedelta(hours=2))
        with filled_hub(broker, source, count):
            drained = Process(broker, "drain", {}).result()
        if drained["records"] != count:
            raise RuntimeError(f"{drained['records']} of {count} records landed")
        found.append(drained)
    return found


def side_by_side(broker: KafkaBroker, records: int) -> dict[str, Any]:
    """Two tasks over a partition each: one is stopped in the middle while the other lands."""
    source = EventRecords("IdentityLogonEvents", size=10)
    with (
        filled_hub(broker, source, records, partitions=2),
        tempfile.TemporaryDirectory(prefix="bench-events-lake-") as folder,
    ):
        lake = {"lake": f"file://{folder}/lake"}
        alone = Process(broker, "drain", {"hub_partitions": [1]}).result()
        stopped = Process(broker, "drain", {**lake, "hub_partitions": [0], "stop": True})
        try:
            stopped.wait_until_stopped()
            beside = Process(broker, "drain", {**lake, "hub_partitions": [1]}).result()
            was_stopped = stopped.is_stopped
        finally:
            stopped.resume()
        after = stopped.result()
    return {
        "alone": alone,
        "beside": beside,
        "after": after,
        "landed_meanwhile": was_stopped and beside["records"] == records,
        "all_landed": after["records"] == records,
    }


# Reporting ----------------------------------------------------------------------------------------


def speed_rows(cases: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            f"{case['table']}, {case['shape']}, {case['records_a_message']} a message",
            f"{case['bytes_a_record']:,}",
            f"{case['rate']['drain']:,}",
            f"{case['wall_rate']['drain']:,}",
            f"{case['rate']['consume'] / case['rate']['drain']:.1f}",
            "fails" if case["not_by_orjson"] else f"{case['rate']['orjson'] / case['rate']['drain']:.2f}",
        )
        for case in cases
    ]


def checks_of(
    cases: Sequence[Mapping[str, Any]], drains: Sequence[Mapping[str, Any]], together: Mapping[str, Any]
) -> list[Check]:
    speeds = [
        Check(
            f"{case['table']}, {case['shape']}, {case['records_a_message']} a message: "
            f"{GOALS[case['table']]:,} records a CPU second ({case['rate']['drain']:,})",
            case["rate"]["drain"] >= GOALS[case["table"]],
            False,
        )
        for case in cases
    ]
    peak = max(drain["peak_bytes"] for drain in drains)
    growth = drains[-1]["peak_bytes"] - drains[0]["peak_bytes"]
    return [
        *speeds,
        Check(
            f"a drain's peak of memory is under 400 MB ({peak / 1e6:.0f} MB)", peak < GOAL_PEAK_BYTES, False
        ),
        Check(
            f"memory of {drains[-1]['records']:,} records is within 100 MB of that of "
            f"{drains[0]['records']:,} ({growth / 1e6:.0f} MB)",
            growth <= GOAL_GROWTH_BYTES,
            True,
        ),
        Check(
            "a task lands while the other of its hub is stopped in the middle, which lands later",
            together["landed_meanwhile"] and together["all_landed"],
            True,
        ),
    ]


def measure(broker: KafkaBroker, given: argparse.Namespace) -> tuple[dict[str, Any], list[Check]]:
    cases = []
    for table in GOALS:
        for shape, size in [("as sent", 1), *((shape, 10) for shape in SHAPES)]:
            cases.append(speed(broker, table, shape, size=size, records=given.records, runs=given.runs))
    heads = ("drain", "B a record", "records a CPU s", "a second", "consume ÷ drain", "orjson ÷ drain")
    print_table(heads, speed_rows(cases))
    drains = memory(broker, given.memory)
    print_table(
        ("all tables", "peak MB", "CPU s", "records a CPU s"),
        [
            (
                f"{drain['records']:,} records",
                f"{drain['peak_bytes'] / 1e6:,.0f}",
                f"{drain['cpu']:.1f}",
                f"{drain['records'] / drain['cpu']:,.0f}",
            )
            for drain in drains
        ],
    )
    together = side_by_side(broker, given.records)
    results = {"runs": given.runs, "speed": cases, "memory": drains, "side_by_side": together}
    return results, checks_of(cases, drains, together)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--records", type=int)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--memory", type=int, nargs="+")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.records = given.records or (20_000 if given.quick else 200_000)
    given.runs = given.runs or (1 if given.quick else 3)
    most = 10_000_000 if given.full else 200_000 if given.quick else 1_000_000
    given.memory = given.memory or [20_000 if given.quick else 100_000, most]
    return given


def main() -> None:
    given = options()
    if given.here:
        print(json.dumps(WAYS[given.here](given.work)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-events-broker-") as folder:
        broker = KafkaBroker(Path(folder) / "broker", fast=True)
        try:
            broker.start()
            results, checks = measure(broker, given)
        finally:
            broker.delete()
    print_checks(checks)
    save(given.json, {"load": machine()["load"], **results}, checks)


if __name__ == "__main__":
    main()
