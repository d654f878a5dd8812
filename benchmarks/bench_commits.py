"""Many runs that commit to one hub's log, in an object store where a request takes 30 ms.

    python -m benchmarks.bench_commits [--writers 1 8 32] [--commits 3] [--slower 4] [--quick] [--json …]

The lake, its log and its ledger are the real ones; the store is in memory, each of its requests sleeps
(lognormal, median 30 ms). Each writer is a thread with a lake and a hub partition of its own, as a mapped
task has. It commits some times, each time 20 files of a few rows. A commit's time runs from `commit()` to its
end, uploads included. Beside 32 writers the machine itself would be the limit: with `--slower 4` all that
waits takes four times as long, on a clock that runs at a quarter of the speed, so that computing weighs a
quarter as much. Requests are counted from the head to the end of the commit, by kind. Afterwards every
offset must stand in exactly one of the files that the commits name, counted from the objects alone.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_defender.lake import Covered, Lake, OffsetsChange, OffsetsLedger, OffsetsPosition
from airflow_provider_defender.landing import Partitioning
from benchmarks.report import Check, print_checks, print_table, save
from benchmarks.slow_store import S3FileSystem

FILES = 20
REQUEST_SECONDS = 0.03
GOAL_RATE, GOAL_P95, GOAL_REQUESTS = 3.0, 15.0, 150
LOG = "event_hub-bench"
START = datetime(2026, 11, 22, tzinfo=timezone.utc)
_KAFKA = pa.struct([("partition", pa.int32()), ("offset", pa.int64())])
SCHEMA = pa.schema([("@timestamp", pa.timestamp("us", "UTC")), ("landing", pa.struct([("kafka", _KAFKA)]))])


class SlowTime:
    """A clock that runs slower by a factor, and sleeps that are longer by it."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._begun = time.monotonic()

    def seconds(self) -> float:
        return (time.monotonic() - self._begun) / self._factor

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds())

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds * self._factor)


class Writer(threading.Thread):
    """Commits files of one hub partition, again and again."""

    def __init__(self, store: S3FileSystem, clock: SlowTime, partition: int, commits: int) -> None:
        super().__init__(name=f"writer-{partition}")
        self.seconds: list[float] = []
        self.error: BaseException | None = None
        self._store, self._clock, self._partition, self._commits = store, clock, partition, commits
        self._lake = Lake(store, "bucket/lake", clock=clock.now, sleep=clock.sleep)

    def run(self) -> None:
        try:
            for number in range(self._commits):
                self._commit(number * FILES)
        except BaseException as error:
            self.error = error

    def _commit(self, first: int) -> None:
        log = self._lake.log(LOG, OffsetsPosition, origin={"source": "event_hub", "hub": "bench"})
        with log.begin(log.head(), OffsetsLedger(), kind="drain") as transaction:
            for offset in range(first, first + FILES):
                landing = [{"kafka": {"partition": self._partition, "offset": offset}}]
                moment = START + timedelta(hours=offset)
                transaction.write(
                    "events/Bench", pa.table([[moment], landing], schema=SCHEMA), Partitioning.HOUR
                )
            end = first + FILES
            covered = Covered(read=[(first, end)], next=end)
            begun = self._clock.seconds()
            transaction.commit(OffsetsChange({self._partition: covered}))
            self.seconds.append(self._clock.seconds() - begun)


def count_rows(store: S3FileSystem, expected: Counter[tuple[int, int]]) -> None:
    """Raise `RuntimeError` unless each offset is in one file of the commits, and there is no other file."""
    prefix = "bucket/lake/"
    objects = {path.removeprefix(prefix): body for path, body in store._objects.items()}
    commits = [json.loads(body) for path, body in objects.items() if f"{LOG}/commits/" in path]
    numbers = sorted(commit["number"] for commit in commits)
    named = [file["path"] for commit in commits for file in commit["added"]]
    found: Counter[tuple[int, int]] = Counter()
    for path in named:
        for landing in pq.read_table(io.BytesIO(objects[path])).column("landing").to_pylist():
            found[landing["kafka"]["partition"], landing["kafka"]["offset"]] += 1
    there = [path for path in objects if path.endswith(".parquet")]
    staged = [path for path in objects if path.endswith(".staged")]
    if (
        found != expected
        or sorted(named) != sorted(there)
        or staged
        or numbers != [*range(1, len(numbers) + 1)]
    ):
        raise RuntimeError(
            f"{sum(found.values())} of {sum(expected.values())} rows, {len(named)} files named, {len(there)} "
            f"there, {len(staged)} staged, commits {numbers[:3]}…{numbers[-3:]}"
        )


def measure(writers: int, commits: int, slower: float, seed: int = 0) -> dict[str, Any]:
    """Let so many writers commit so often. Raises `RuntimeError` if a row is lost or doubled."""
    store = S3FileSystem(REQUEST_SECONDS * slower, seed)
    clock = SlowTime(slower)
    threads = [Writer(store, clock, number, commits) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = clock.seconds()
    if errors := [thread.error for thread in threads if thread.error is not None]:
        raise RuntimeError(f"{len(errors)} writers failed") from errors[0]
    offsets = range(commits * FILES)
    count_rows(store, Counter((partition, offset) for partition in range(writers) for offset in offsets))
    times = sorted(each for thread in threads for each in thread.seconds)
    total = len(times)
    return {
        "writers": writers,
        "commits": total,
        "commits_s": round(total / seconds, 2),
        "p50_s": round(statistics.median(times), 2),
        "p95_s": round(times[min(total - 1, round(total * 0.95))], 2),
        "max_s": round(times[-1], 2),
        "failed_creates": round((store.requests["create"] - writers) / total - 1, 1),
        "requests": round(sum(store.requests.values()) / total, 1),
        "by_kind": {kind: round(count / total, 1) for kind, count in sorted(store.requests.items())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_commits", description=__doc__)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--commits", type=int, default=3, help="of each writer")
    parser.add_argument("--slower", type=float, default=4.0, help="how many times longer everything waits")
    parser.add_argument("--quick", action="store_true", help="one commit of each writer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    commits = 1 if given.quick else given.commits
    results = []
    for writers in given.writers:
        results.append(measure(writers, commits, given.slower, given.seed))
        print({name: value for name, value in results[-1].items() if name == "by_kind"}, flush=True)
    columns = [name for name in results[0] if name != "by_kind"]
    print_table(columns, [[result[name] for name in columns] for result in results])
    most = results[-1]
    checks = [
        Check(
            f"{most['writers']} writers: {most['requests']} requests a commit, at most {GOAL_REQUESTS}",
            most["requests"] <= GOAL_REQUESTS,
            True,
        ),
        Check(
            f"{most['writers']} writers: {most['commits_s']} commits a second, at least {GOAL_RATE:.0f}",
            most["commits_s"] >= GOAL_RATE,
            False,
        ),
        Check(
            f"{most['writers']} writers: p95 of a commit is {most['p95_s']} s, at most {GOAL_P95:.0f}",
            most["p95_s"] <= GOAL_P95,
            False,
        ),
    ]
    print_checks(checks)
    save(given.json, {"results": results}, checks)


if __name__ == "__main__":
    main()
