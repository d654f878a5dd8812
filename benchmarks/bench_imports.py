"""What importing the example DAG costs Airflow's DAG processor, beside a DAG without tasks.

    python -m benchmarks.bench_imports [--runs 9] [--json results.json]

Each file is executed in fresh processes, in turns, after `airflow.sdk` has been imported as the DAG processor
has it. Times are the medians of CPU seconds of executing the file. "Modules" are those that the file added.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Check, machine, print_checks, print_table, save

DAG_FILE = Path(__file__).parent.parent / "dags" / "defender_alerts.py"
BARE = "from airflow.sdk import DAG\n\nwith DAG(dag_id='bare'):\n    pass\n"
HEAVY = ("pyarrow", "msal", "requests", "confluent_kafka")
GOAL_SECONDS = 0.1
CHILD = """
import json, runpy, sys, time
from airflow.sdk import DAG
before = set(sys.modules)
start = time.process_time()
runpy.run_path(sys.argv[1])
spent = time.process_time() - start
print(json.dumps([spent, sorted(set(sys.modules) - before), [m for m in sys.argv[2:] if m in sys.modules]]))
"""


def execute(path: Path, home: str) -> tuple[float, list[str], list[str]]:
    """CPU seconds, the modules that came in, and the heavy ones in memory after one import."""
    environment = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", CHILD, str(path), *HEAVY]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    seconds, modules, heavy = json.loads(done.stdout.splitlines()[-1])
    return seconds, modules, heavy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-imports-") as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        files = {"bare DAG": bare, DAG_FILE.name: DAG_FILE}
        for path in files.values():
            execute(path, folder)  # compiles what is not compiled yet
        runs = [{name: execute(path, folder) for name, path in files.items()} for _ in range(given.runs)]
    for name in files:
        spent = [run[name][0] for run in runs]
        results[name] = {
            "median_seconds": median(spent),
            "most_seconds": max(spent),
            "modules": len(runs[-1][name][1]),
            "heavy": runs[-1][name][2],
        }
    rows = [
        (
            name,
            f"{each['median_seconds'] * 1e3:.0f} ms",
            f"{each['most_seconds'] * 1e3:.0f} ms",
            each["modules"],
            ", ".join(each["heavy"]) or "none",
        )
        for name, each in results.items()
    ]
    print_table(("file", "median", "most", "modules", f"of {', '.join(HEAVY)}"), rows)
    bare_result, ours = results.values()
    extra = ours["median_seconds"] - bare_result["median_seconds"]
    own_heavy = set(ours["heavy"]) - set(bare_result["heavy"])
    checks = [
        Check("the DAG loads none of them that a bare DAG does not", not own_heavy, True),
        Check(f"at most {GOAL_SECONDS} s above a bare DAG ({extra:.3f} s)", extra <= GOAL_SECONDS, False),
    ]
    print_checks(checks)
    save(given.json, {"files": results, "runs": given.runs, "load": machine()["load"]}, checks)


if __name__ == "__main__":
    main()
