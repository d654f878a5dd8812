"""`python -m benchmarks` (or `make bench`): every benchmark, each beside a baseline of the same run.

Figures depend on the machine and on what else it does: they are printed with the load, and missing a goal
that is a figure fails nothing. Ratios within the run do: the exit status is 1 if one is missed. All results
go to `build/bench.json`. `--quick` takes a tenth of the alerts, for a first look.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bench_memory import GOAL_BYTES
from benchmarks.report import Check, machine, print_checks
from tests.kafka_broker import missing_tools

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "build" / "bench.json"


def run(name: str, *options: str) -> dict[str, Any]:
    """One benchmark in a process of its own: its results."""
    print(f"\n== {name.removeprefix('bench_')} ==", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "results.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", *options, "--json", str(path)]
        subprocess.run(command, check=True, cwd=ROOT)
        found: dict[str, Any] = json.loads(path.read_text())
    return found


def memory(counts: list[str]) -> dict[str, Any]:
    """The memory benchmark, with its check."""
    found = run("bench_memory", "--alerts", *counts)
    growth = found["growth_bytes"]
    check = Check(
        f"memory of {int(counts[1]):,} alerts is within 100 MB of that of {int(counts[0]):,} "
        f"({growth / 1e6:.0f} MB)",
        growth <= GOAL_BYTES,
        True,
    )
    return {**found, "checks": [check._asdict()]}


def events(options: list[str]) -> dict[str, Any]:
    """The benchmark with a real broker, where one can run."""
    if reason := missing_tools():
        print(f"\n== events ==\nleft out: {reason}")
        return {}
    return {"events": run("bench_events", *options)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    results = {
        "imports": run("bench_imports", "--runs", "3" if quick else "9"),
        "operator": run("bench_operator", "--runs", "3" if quick else "7"),
        "mapping": run("bench_mapping", *(["--quick"] if quick else [])),
        "event mapping": run("bench_event_mapping", *(["--quick"] if quick else [])),
        **events(["--quick"] if quick else []),
        "compaction": run("bench_compaction", *(["--quick"] if quick else [])),
        "commits": run("bench_commits", *(["--quick"] if quick else [])),
        "peers": run("bench_peers", *(["--quick"] if quick else [])),
        "small drains": run("bench_small_drains", "--turns", "2" if quick else "5"),
        "verify": run("bench_verify", *(["--quick"] if quick else [])),
        "log": run("bench_log", *(["--quick"] if quick else [])),
        "memory": memory(["10000", "100000" if quick else "1000000"]),
        "event memory": run("bench_event_memory", "--events", "100000", "200000" if quick else "1000000"),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    checks = [Check(**check) for each in results.values() for check in each["checks"]]
    print("\n== all ==")
    print_checks(checks)
    print(f"Results: {RESULTS.relative_to(ROOT)}")
    return 0 if all(check.holds for check in checks if check.binds) else 1


if __name__ == "__main__":
    sys.exit(main())
