"""A drain of 1,000 records over all of a hub's tables: what each table and file costs, however few its rows.

    python -m benchmarks.bench_small_drains [REVISION] [--records 1000] [--turns 5] [--json results.json]

A drain is mapping (`ecs.EventMapper`), Parquet files and the commit, into a lake in a local folder, with the
simulator's records of all tables. Each process drains several times: the first is cold, as in a scheduled
task, and the least of the others is warm. Imports are not counted. With a revision, another commit drains the
same messages in turns with this one, with the libraries of this environment. CPU seconds are user and system
of the whole process, and like wall-clock seconds the least of all turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
START = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
NAMESPACE, HUB = "contoso.servicebus.windows.net", "defender"
LOG = "event_hub-contoso-defender"
DRAINS = 4
FIGURES = ("cold_cpu", "warm_cpu", "cold_wall", "warm_wall")


# In the measured process, which has only the package of its side -----------------------------------


def drains(messages: Sequence[bytes], folder: str) -> dict[str, Any]:
    """Drain the messages several times, at offsets of their own; seconds of the first and the best other."""
    drain = _drain_of(folder)
    spent = []
    for number in range(DRAINS):
        wall, cpu = time.perf_counter(), time.process_time()
        rows, files = drain(messages, number * len(messages))
        spent.append((time.process_time() - cpu, time.perf_counter() - wall))
    warm = [min(each) for each in zip(*spent[1:], strict=True)]
    figures = dict(zip(FIGURES, (spent[0][0], warm[0], spent[0][1], warm[1]), strict=True))
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**figures, "rows": rows, "files": files, "peak_bytes": peak}


def _drain_of(folder: str) -> Callable[[Sequence[bytes], int], tuple[int, int]]:
    """A drain by the package that is imported here."""
    import pyarrow as pa
    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_defender import ecs, lake

    begin, change_type = _interface(lake)
    hub = lake.Lake(LocalFileSystem(), folder)

    def drain(messages: Sequence[bytes], first: int) -> tuple[int, int]:
        count = len(messages)
        origins = pa.table(
            {
                "namespace": pa.repeat(pa.scalar(NAMESPACE), count),
                "hub": pa.repeat(pa.scalar(HUB), count),
                "partition": pa.repeat(pa.scalar(0, pa.int32()), count),
                "offset": pa.array(range(first, first + count), pa.int64()),
                "enqueued": pa.repeat(pa.scalar(START, pa.timestamp("us", tz="UTC")), count),
            }
        )
        mapper = ecs.EventMapper(ingested=START, log=LOG)
        rows = 0
        with begin(hub) as transaction:
            for parts in (mapper.map(messages, origins), mapper.finish()):
                for part in parts:
                    for dataset, table in part.tables.items():
                        hours = [ecs.partitioning(dataset)] if hasattr(ecs, "partitioning") else []
                        transaction.write(dataset, table, *hours)
                        rows += table.num_rows
            covered = lake.Covered([(first, first + count)], first + count)
            commit = transaction.commit(change_type({0: covered}))
        return rows, len(commit.added)

    return drain


def _interface(lake: Any) -> tuple[Callable[[Any], Any], Any]:
    """How a drain begins and the type of its change, in this commit's names or those before 99bf5cc."""
    if hasattr(lake, "OffsetsLedger"):

        def begin(hub: Any) -> Any:
            log = hub.log(LOG, lake.OffsetsPosition, origin={"namespace": NAMESPACE, "hub": HUB})
            return log.begin(log.head(), lake.OffsetsLedger(), kind="drain")

        return begin, lake.OffsetsChange

    def begin_before(hub: Any) -> Any:
        log = hub.log(LOG, lake.HubPosition)
        return log.begin(log.head(), kind="drain")

    return begin_before, lake.HubChange


# Beside it ----------------------------------------------------------------------------------------


def run(root: Path, messages: Path) -> dict[str, Any]:
    """The drains of one side, in a process of its own."""
    from benchmarks.report import result_of, started

    with tempfile.TemporaryDirectory(prefix="bench-small-") as folder:
        return result_of(started(__file__, "--here", str(messages), "--lake", folder, root=root))


def measure(sides: Mapping[str, Path], records: int, turns: int) -> dict[str, dict[str, Any]]:
    """The least of all turns by side; each turn begins with another side."""
    from benchmarks.event_records import EventRecords

    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-small-messages-") as folder:
        messages = Path(folder) / "messages"
        messages.write_bytes(b"\n".join(EventRecords(None).messages(records)))
        for turn in range(turns):
            for name in list(sides) if turn % 2 else reversed(list(sides)):
                found = run(sides[name], messages)
                least = best.setdefault(name, found)
                least.update({figure: min(least[figure], found[figure]) for figure in FIGURES})
    return best


def ratios(best: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """This side's seconds by the other's."""
    return {figure: round(best["this"][figure] / best["other"][figure], 3) for figure in FIGURES}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("revision", nargs="?", help="a commit to compare with")
    parser.add_argument("--records", type=int, default=1_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--lake", help=argparse.SUPPRESS)
    return parser.parse_args()


def report(best: Mapping[str, Mapping[str, Any]], given: argparse.Namespace) -> None:
    from benchmarks.report import machine, print_table, save

    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print_table(
        ("side", *FIGURES, "rows", "files"),
        [
            (name, *(f"{found[figure]:.3f}" for figure in FIGURES), found["rows"], found["files"])
            for name, found in best.items()
        ],
    )
    results: dict[str, Any] = {"small_drains": best}
    if given.revision:
        results["ratios"] = ratios(best)
        print(f"this ÷ {given.revision}: " + ", ".join(f"{k} {v}" for k, v in results["ratios"].items()))
    save(given.json, results, [])


def main() -> None:
    given = options()
    if given.here:
        print(json.dumps(drains(given.here.read_bytes().split(b"\n"), given.lake)))
        return
    if given.revision is None:
        report(measure({"this": ROOT}, given.records, given.turns), given)
        return
    from benchmarks.compare import checkout

    with checkout(given.revision) as other:
        report(measure({"this": ROOT, "other": other}, given.records, given.turns), given)


if __name__ == "__main__":
    main()
