"""CPU time of mapping and landing alerts, beside the obvious hand-written way in the same run.

    python -m benchmarks.bench_mapping [--alerts 200000] [--quick] [--json results.json]

Alerts come in pages of 10,000, made outside the measured time. Each page is mapped and landed by the package
(`ecs.map_batches`, then a transaction of a local lake, committed at the end) and by hand (orjson, dicts,
`Table.from_pylist`, one Parquet file with zstd 3, statistics and page index, in row groups of 64 MiB of Arrow
data). They take turns page by page, so that a busy machine slows both. Times are CPU seconds of the one
process; the sums over all pages count. Alerts of Microsoft Graph have a device more in their evidence, so
they are compared with endpoint alerts by the row. "With bookkeeping" adds what a drain does besides: reading
each version's key and update time, and dropping what has landed before.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_defender import ecs
from airflow_provider_defender.lake import Lake, VersionsLedger, VersionsPosition
from airflow_provider_defender.landing import Partitioning
from benchmarks import handwritten
from benchmarks.generator import AlertGenerator
from benchmarks.graph_generator import GraphAlertGenerator
from benchmarks.report import Check, machine, print_checks, print_table, save

TENANT = "a839b112-1253-6432-9bf6-94542403f21c"
SOURCE = "endpoint_alerts"
LOG = f"{SOURCE}-{TENANT}"
PAGE_ITEMS = 30_000
BUFFER_BYTES = 64 * 1024 * 1024
ROW_GROUP_ROWS = 128 * 1024
GOAL_PER_SECOND = 25_000
GOAL_RATIO = 1.5
GOAL_ODD = 0.2
GOAL_GRAPH = 0.8
GRAPH = "graph"

INPUTS: dict[str, dict[str, Any]] = {
    "clean": {},
    "5 % odd": {"odd": 0.05},
    "all odd": {"odd": 1.0},
    "500 items": {"evidence": 500},
    GRAPH: {"evidence": 4},
}


class Stopwatch:
    """CPU seconds by name."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] += time.process_time() - start  # type: ignore[assignment]


class ByHand:
    """The hand-written way into one Parquet file."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(
            path,
            handwritten.SCHEMA,
            compression="zstd",
            compression_level=3,
            write_statistics=True,
            write_page_index=True,
        )
        self._waiting: list[pa.Table] = []

    def land(self, records: Sequence[bytes]) -> None:
        for start in range(0, len(records), 1000):
            self._waiting.append(handwritten.table_of(records[start : start + 1000], TENANT))
            if sum(table.nbytes for table in self._waiting) >= BUFFER_BYTES:
                self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=ROW_GROUP_ROWS)
            self._waiting = []


def land(source: str, page: Sequence[bytes], transaction: Any, watch: Stopwatch) -> None:
    """One page as an operator's drain does it."""
    with watch("bookkeeping"):
        known = ecs.identities(source, page, tenant=TENANT)
        transaction.select_new([each[:2] for each in known])
    origins = pa.table({"tenant": [TENANT], "log": [LOG]})
    parts = ecs.map_batches(source, page, origins=origins, identities=known)
    while True:
        with watch("mapping"):
            part = next(parts, None)
        if part is None:
            return
        with watch("landing"):
            transaction.write("alerts", part.tables["alerts"], Partitioning.DAY)


def measure(name: str, count: int, folder: Path) -> dict[str, Any]:
    """CPU seconds of each way, and what follows from them, on one input."""
    options = INPUTS[name]
    page_size = max(PAGE_ITEMS // options.get("evidence", 3), 1)
    source, generator = ("graph_alerts", GraphAlertGenerator) if name == GRAPH else (SOURCE, AlertGenerator)
    records = generator(**options).records(count)
    by_hand = name != GRAPH and "odd" not in options
    folder.mkdir(parents=True, exist_ok=True)
    hand = ByHand(folder / f"{name}.parquet") if by_hand else None
    watch, size, load = Stopwatch(), 0, machine()["load"]
    origin = {"source": source, "tenant": TENANT}
    log = Lake(LocalFileSystem(), str(folder / name)).log(LOG, VersionsPosition, origin=origin)
    with log.begin(log.head(), VersionsLedger(), kind="drain") as transaction:
        while page := list(islice(records, page_size)):
            size += sum(map(len, page))
            land(source, page, transaction, watch)
            if hand is not None:
                with watch("by hand"):
                    hand.land(page)
        with watch("landing"):
            transaction.commit()
    if hand is not None:
        with watch("by hand"):
            hand.close()
    return _result(name, count, size, load, watch.seconds)


def _result(name: str, count: int, size: int, load: float, seconds: Counter[str]) -> dict[str, Any]:
    ours = seconds["mapping"] + seconds["landing"]
    result = {
        "input": name,
        "alerts": count,
        "bytes_per_alert": size // count,
        "load": load,
        "microseconds_per_alert": {way: round(spent / count * 1e6, 1) for way, spent in seconds.items()},
        "per_cpu_second": round(count / ours),
        "per_cpu_second_with_bookkeeping": round(count / (ours + seconds["bookkeeping"])),
    }
    if "by hand" in seconds:
        result["per_cpu_second_by_hand"] = round(count / seconds["by hand"])
        result["ratio_to_by_hand"] = round(seconds["by hand"] / ours, 2)
    return result


STAGES = ("mapping", "landing")


TURNS = 5


def ratios_of_graph(count: int, folder: Path) -> tuple[float, float]:
    """Endpoint alerts' CPU time by the row in that of Graph's: of mapping, and of mapping and landing.

    Both take turns; the least of all turns counts.
    """
    least: dict[tuple[str, int], float] = {}
    for turn in range(TURNS):
        for name in ("clean", GRAPH):
            result = measure(name, count, folder / f"turn-{turn}")
            for stages in (1, len(STAGES)):
                spent = _per_row(result, STAGES[:stages])
                least[name, stages] = min(spent, least.get((name, stages), spent))
    mapping, whole = (least["clean", stages] / least[GRAPH, stages] for stages in (1, len(STAGES)))
    return mapping, whole


def checks_of(results: Sequence[dict[str, Any]], graph: tuple[float, float]) -> list[Check]:
    clean, _, odd, *_ = results
    share = odd["per_cpu_second"] / clean["per_cpu_second"]
    mapping, whole = graph
    return [
        Check(f"clean: at least {GOAL_RATIO} times by hand", clean["ratio_to_by_hand"] >= GOAL_RATIO, True),
        Check(f"all odd: at least a fifth of clean ({share:.2f})", share >= GOAL_ODD, True),
        Check(
            f"clean: at least {GOAL_PER_SECOND:,} alerts a CPU second",
            clean["per_cpu_second"] >= GOAL_PER_SECOND,
            False,
        ),
        Check(
            f"graph: at least {GOAL_GRAPH} of clean by the row, mapping ({mapping:.2f})",
            mapping >= GOAL_GRAPH,
            False,
        ),
        Check(f"graph: likewise, mapping and landing ({whole:.2f})", whole >= GOAL_GRAPH, True),
    ]


def _per_row(result: dict[str, Any], stages: Sequence[str]) -> float:
    """Microseconds a row of evidence."""
    spent: float = sum(result["microseconds_per_alert"][stage] for stage in stages)
    rows: int = INPUTS[result["input"]].get("evidence", 3)
    return spent / rows


def print_results(results: Sequence[dict[str, Any]]) -> None:
    """One line an input: alerts a CPU second, then µs an alert of each stage."""
    heads = ("input", "alerts", "bytes", "load", "alerts/s", "with bookkeeping", "by hand", "ratio")
    stages = ("mapping", "landing", "bookkeeping")
    rows = [
        (
            *(each[key] for key in ("input", "alerts", "bytes_per_alert", "load", "per_cpu_second")),
            each["per_cpu_second_with_bookkeeping"],
            each.get("per_cpu_second_by_hand", ""),
            each.get("ratio_to_by_hand", ""),
            *(each["microseconds_per_alert"][stage] for stage in stages),
        )
        for each in results
    ]
    print_table((*heads, *(f"{stage} µs" for stage in stages)), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--alerts", type=int, default=200_000, help="clean alerts; a tenth of the others")
    parser.add_argument("--quick", action="store_true", help="a tenth of all")
    parser.add_argument("--json", type=Path, help="where to write the results")
    given = parser.parse_args()
    count = given.alerts // 10 if given.quick else given.alerts
    results = []
    with tempfile.TemporaryDirectory(prefix="bench-mapping-") as folder:
        for name in INPUTS:
            fewer = 1 if name == "clean" else 100 if name == "500 items" else 10
            results.append(measure(name, max(count // fewer, 20), Path(folder)))
        graph = ratios_of_graph(max(count // 20, 20), Path(folder))
    print_results(results)
    checks = checks_of(results, graph)
    print_checks(checks)
    save(given.json, {"inputs": results}, checks)


if __name__ == "__main__":
    main()
