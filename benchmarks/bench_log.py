"""Whether a log stays fast as it grows: what its head, a commit and reading a day take after 100, 10,000 and
100,000 commits, as ratios to 100.

The commits are written straight to the disk, 5 minutes apart, each with a few files of its own hour. Those
are not there, since nothing of what is measured reads them. Half an interval of commits follows the newest
checkpoint, as on average. The logs take turns, and of CPU seconds the least of several runs are compared.
What is read of a day is its last eight hours, which all logs have. A compaction is planned as on any night:
the one before has noted how far it came, and the same 100 commits have followed in all logs.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_defender.lake import (
    Commit,
    CompactionSettings,
    DataFile,
    Lake,
    Log,
    VersionsLedger,
    VersionsPosition,
    committed_files,
    plan_compaction,
)
from airflow_provider_defender.lake.log.digest import FIRST
from airflow_provider_defender.lake.log.format import chained, dump_commit
from airflow_provider_defender.lake.maintenance.horizon import note_horizon
from airflow_provider_defender.landing import Partitioning
from benchmarks.report import Check, print_checks, print_table, save

LOG = "endpoint_alerts-bench"
ORIGIN = {"source": "endpoint_alerts", "tenant": "bench"}
END = datetime(2026, 11, 22, tzinfo=timezone.utc)
DATASETS = ("events/DeviceEvents", "events/DeviceLogonEvents", "events/DeviceProcessEvents")
INTERVAL = timedelta(minutes=5)
BEHIND = 50
"""How many commits follow the newest checkpoint: half of the default interval between two."""

SETTLED = timedelta(days=1) + INTERVAL / 2
"""A compaction touches the files of commits that are this old."""

SINCE_LAST_NIGHT = 100
"""How many commits have settled since the last compaction."""

GOAL = 1.5


def grow(root: Path, count: int) -> float:
    """Write a log of so many commits, and its checkpoint; returns the CPU seconds that extending one took."""
    lake = Lake(LocalFileSystem(), str(root))
    log = open_log(lake)
    folder = root / log.paths.commits
    folder.mkdir(parents=True)
    digest = FIRST
    for number in range(1, count + BEHIND + 1):
        commit = chained(commit_of(log, number, count), digest)
        digest = commit.digest
        (folder / f"{number:08d}.json").write_bytes(dump_commit(commit))
        if number == count - lake.commits_per_checkpoint:
            log.write_checkpoint()
        if number == count:
            start = time.process_time()
            log.write_checkpoint()
            extended = time.process_time() - start
    younger = max(1, count + BEHIND - timedelta(days=30) // INTERVAL)
    (root / log.paths.head).write_text(f'{{"number": {count + BEHIND}, "shortened_below": {younger}}}')
    note_last_night(root, BEHIND - SINCE_LAST_NIGHT)
    return extended


def note_last_night(root: Path, commits: int) -> None:
    """Note what a compaction does that has merged all that had settled so many commits after `END`."""
    lake = Lake(LocalFileSystem(), str(root), clock=lambda: END + commits * INTERVAL + SETTLED)
    log = open_log(lake)
    note_horizon(log, plan_compaction(lake, CompactionSettings()).horizons[LOG])


def open_log(lake: Lake) -> Log[VersionsPosition]:
    return lake.log(LOG, VersionsPosition, origin=ORIGIN)


def commit_of(log: Log[Any], number: int, count: int) -> Commit[VersionsPosition]:
    """One commit, with a file of each dataset in the partition of its hour."""
    made, token = END - INTERVAL * (count - number), f"{number:016x}"
    partition = f"date={made:%Y-%m-%d}/hour={made:%H}"
    files = [
        DataFile(
            path=log.paths.data_file(f"{dataset}/{partition}", token, n),
            dataset=dataset,
            partition=partition,
            rows=100,
            bytes=40_000,
            sha256=hashlib.sha256(f"{token}{n}".encode()).hexdigest(),
            min_timestamp=made,
            max_timestamp=made,
        )
        for n, dataset in enumerate(DATASETS, 1)
    ]
    return Commit(
        LOG, ORIGIN, number, token, "drain", made, made, added=tuple(files), position=VersionsPosition()
    )


# What is measured -------------------------------------------------------------------------------


def head(root: Path) -> None:
    open_log(Lake(LocalFileSystem(), str(root))).head()


def commit(root: Path) -> None:
    log = open_log(Lake(LocalFileSystem(), str(root), clock=lambda: END + timedelta(hours=5)))
    landing = pa.array([{"key": "k", "version": "v", "item": 0}])
    rows = pa.table({"@timestamp": pa.array([END], pa.timestamp("us", "UTC")), "landing": landing})
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.write(f"events/Bench{time.monotonic_ns()}", rows, Partitioning.DAY)
        transaction.commit()


def one_day(root: Path) -> None:
    files = committed_files(str(root), DATASETS[1], END - timedelta(hours=8), END)
    assert len(files) == 8 * 12


def plan(root: Path) -> None:
    lake = Lake(LocalFileSystem(), str(root), clock=lambda: END + BEHIND * INTERVAL + SETTLED)
    found = plan_compaction(lake, CompactionSettings())
    assert sum(len(each.files) for each in found.logs[0].partitions) >= SINCE_LAST_NIGHT * len(DATASETS)


MEASURED: dict[str, Callable[[Path], None]] = {
    "head": head,
    "one commit": commit,
    "files of a day": one_day,
    "plan of a compaction": plan,
}


def measure(counts: list[int], runs: int, folder: Path) -> dict[str, Any]:
    """The least CPU milliseconds by what is measured and the number of commits."""
    roots = {count: folder / str(count) for count in counts}
    extending = {count: grow(root, count) * 1e3 for count, root in roots.items()}
    times: dict[str, dict[int, list[float]]] = {name: {count: [] for count in counts} for name in MEASURED}
    for _ in range(runs):
        for name, call in MEASURED.items():
            for count, root in roots.items():
                start = time.process_time()
                call(root)
                times[name][count].append((time.process_time() - start) * 1e3)
    least = {
        name: {count: round(min(each), 3) for count, each in by_count.items()}
        for name, by_count in times.items()
    }
    return {"cpu_ms": least, "extending_ms": {count: round(each, 1) for count, each in extending.items()}}


def checks_of(found: dict[str, Any], counts: list[int]) -> list[Check]:
    """P14: within 1.5 times of the smallest log."""
    few, *others = counts
    return [
        Check(
            f"{name} with {count:,} commits takes at most {GOAL} times what it takes with {few:,} "
            f"({times[count] / times[few]:.2f})",
            times[count] <= GOAL * times[few],
            True,
        )
        for name, times in found["cpu_ms"].items()
        for count in others
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--commits", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--quick", action="store_true", help="up to 10,000 commits only")
    parser.add_argument("--folder", type=Path, help="where to write the logs; default: for temporary files")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    counts = [100, 10_000] if given.quick else given.commits
    with tempfile.TemporaryDirectory(prefix="bench-log-", dir=given.folder) as folder:
        found = measure(counts, given.runs, Path(folder))
    rows = [[name, *(times[count] for count in counts)] for name, times in found["cpu_ms"].items()]
    rows.append(["writing a checkpoint", *(found["extending_ms"][count] for count in counts)])
    print_table(["CPU ms", *(f"{count:,} commits" for count in counts)], rows)
    checks = checks_of(found, counts)
    print_checks(checks)
    save(given.json, found, checks)


if __name__ == "__main__":
    main()
