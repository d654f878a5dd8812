"""Speed and memory of drains beside those of another commit, in turns, so that a busy machine slows both.

    python -m benchmarks.compare REVISION [--turns 5] [--alerts 50000] [--events 100000] [--json results.json]

Each side runs the benchmark programs of its own commit, with the libraries of this environment: a drain of
alerts (`bench_memory`, from a page's bytes to the commit) and drains of events from a real broker
(`bench_events`, left out where no broker can run), and drains of 1,000 records over all tables
(`bench_small_drains`, by this commit's program, the best drain after the first).
Every drain has a process of its own, small ones have one together. CPU seconds are the least of all turns,
peak memory is the median. The exit status is 1 where a ratio is missed: 0.97 of the other commit's records a
CPU-second, 1.03 of its memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench_events import HUB, filled_hub
from benchmarks.bench_small_drains import run as run_small_drains
from benchmarks.event_records import EventRecords
from benchmarks.report import ROOT, Check, found_by, machine, print_checks, print_table, save
from tests.kafka_broker import KafkaBroker, missing_tools

TABLES = ("IdentityLogonEvents", "DeviceProcessEvents")
LEAST_SPEED = 0.97
MOST_MEMORY = 1.03
Found = Mapping[str, Any]


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """The files of a commit, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bench-compare-") as folder:
        root = Path(folder) / "other"
        subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", root, revision], check=True, cwd=ROOT
        )
        try:
            yield root
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", root], check=True, cwd=ROOT)


def alerts_drain(root: Path, alerts: int) -> Found:
    """One drain of alerts: records, CPU seconds, peak of memory in bytes."""
    found = found_by("bench_memory", "--here", "--alerts", str(alerts), root=root)
    return {"records": found["alerts"], "cpu": found["cpu_seconds"], "peak": found["peak_bytes"]}


def events_drain(root: Path, broker: KafkaBroker) -> Found:
    """One drain of the broker's hub: likewise."""
    with tempfile.TemporaryDirectory(prefix="bench-compare-lake-") as home:
        work = {"lake": f"file://{home}/lake", "client": broker.client_settings()}
        environment = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW_CONN_EVENT_HUB_DEFAULT": json.dumps(broker.connection(HUB)),
        }
        options = ("--here", "drain", "--work", json.dumps(work))
        found = found_by("bench_events", *options, root=root, environment=environment)
    return {"records": found["records"], "cpu": found["cpu"], "peak": found["peak_bytes"]}


def small_drain(root: Path, messages: Path) -> Found:
    """One process of drains of few records: likewise, of the best drain after the first."""
    found = run_small_drains(root, messages)
    return {"records": found["rows"], "cpu": found["warm_cpu"], "peak": found["peak_bytes"]}


def in_turns(other: Path, turns: int, drain: Callable[[Path], Found]) -> dict[str, Any]:
    """Records a CPU-second and peak memory of both sides, and their ratios."""
    runs: dict[str, list[Found]] = {"this": [], "other": []}
    for turn in range(turns):
        sides = [("this", ROOT), ("other", other)]
        for name, root in sides if turn % 2 else reversed(sides):
            runs[name].append(drain(root))
    speed = {name: runs[name][0]["records"] / min(run["cpu"] for run in runs[name]) for name in runs}
    peak = {name: median(run["peak"] for run in runs[name]) for name in runs}
    return {
        "per_cpu_second": {name: round(each) for name, each in speed.items()},
        "peak_bytes": peak,
        "speed": round(speed["this"] / speed["other"], 3),
        "memory": round(peak["this"] / peak["other"], 3),
    }


def measure(other: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All cases: alerts, small drains, then the tables of events where a broker can run."""
    cases = {"alerts": in_turns(other, given.turns, lambda root: alerts_drain(root, given.alerts))}
    with tempfile.TemporaryDirectory(prefix="bench-compare-messages-") as folder:
        messages = Path(folder) / "messages"
        messages.write_bytes(b"\n".join(EventRecords(None).messages(1_000)))
        cases["small drains"] = in_turns(other, given.turns, lambda root: small_drain(root, messages))
    if reason := missing_tools():
        print(f"events are left out: {reason}")
        return cases
    with tempfile.TemporaryDirectory(prefix="bench-compare-broker-") as folder:
        broker = KafkaBroker(Path(folder) / "broker", fast=True)
        try:
            broker.start()
            for table in TABLES:
                with filled_hub(broker, EventRecords(table), given.events):
                    cases[table] = in_turns(other, given.turns, lambda root: events_drain(root, broker))
        finally:
            broker.delete()
    return cases


def checks_of(cases: Mapping[str, Any]) -> list[Check]:
    """Both ratios of every case; all of them bind."""
    speeds = [
        Check(
            f"{name}: at least {LEAST_SPEED} of the records a CPU-second ({case['speed']})",
            case["speed"] >= LEAST_SPEED,
            True,
        )
        for name, case in cases.items()
    ]
    peaks = [
        Check(
            f"{name}: at most {MOST_MEMORY} of the memory ({case['memory']})",
            case["memory"] <= MOST_MEMORY,
            True,
        )
        for name, case in cases.items()
    ]
    return speeds + peaks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("revision", help="the commit to compare with")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--alerts", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in machine().items()), flush=True)
    with checkout(given.revision) as other:
        cases = measure(other, given)
    print_table(
        ("drain of", "this, a CPU s", "other", "ratio", "this, MB", "other", "ratio"),
        [
            (
                name,
                *(f"{case['per_cpu_second'][side]:,}" for side in ("this", "other")),
                case["speed"],
                *(f"{case['peak_bytes'][side] / 1e6:,.0f}" for side in ("this", "other")),
                case["memory"],
            )
            for name, case in cases.items()
        ],
    )
    checks = checks_of(cases)
    print_checks(checks)
    save(given.json, {"revision": given.revision, "cases": cases}, checks)
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
