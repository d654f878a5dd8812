"""A run of the operator that lands 50 alerts, outside Airflow, beside a script written by hand.

    python -m benchmarks.bench_operator [--runs 5] [--json results.json]

The simulator serves the alerts from another process. Each run is a fresh process with an empty lake. For the
operator, `execute` is timed after its module was imported as the DAG processor or a worker does, and after
Airflow has found its storage backends, which imports every provider that has one: connection, token, alerts,
mapping, files, commit, and the libraries that this imports. It is called twice, with a second empty lake, to
show what remains without the imports. The script gets a token and the alerts with requests
and msal, maps them like `handwritten.py` and writes one Parquet file; there the imports are timed, too.
Times are medians, of wall clock and of CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from benchmarks.report import Check, found_by, machine, print_checks, print_table, save

ALERTS = 50
GOAL_SECONDS = 0.5
SCOPE = "https://api.securitycenter.microsoft.com/.default"


class Outlets:
    """Takes what the operator attaches to its asset's event."""

    def __getitem__(self, asset: Any) -> Any:
        return SimpleNamespace(extra={}, add_partitions=lambda keys: None)


def by_operator(folder: Path) -> dict[str, Any]:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.operators.alerts import DefenderAlertsToParquetOperator

    def find_storage() -> None:
        _ = ObjectStoragePath(folder.as_uri()).fs

    def run(lake: str) -> None:
        operator = DefenderAlertsToParquetOperator(
            task_id="land", lake=(folder / lake).as_uri(), initial_lookback=timedelta(days=7)
        )
        given: Any = {"dag_run": SimpleNamespace(run_type="scheduled"), "outlet_events": Outlets()}
        summary = operator.execute(given)
        if summary["records"] < ALERTS:
            raise RuntimeError(f"only {summary['records']} alerts came")

    return {
        "Airflow's storage": timed(find_storage),
        "first": timed(lambda: run("first")),
        "second": timed(lambda: run("second")),
    }


def by_script(folder: Path) -> dict[str, Any]:
    def run() -> None:
        import msal
        import pyarrow.parquet as pq
        import requests

        from benchmarks import handwritten

        at = json.loads(os.environ["SIMULATOR"])
        authority = msal.ConfidentialClientApplication(
            at["client_id"],
            client_credential=at["client_secret"],
            authority=f"{at['url']}/{at['tenant_id']}",
            instance_discovery=False,
            verify=at["ca_bundle"],
        )
        token = authority.acquire_token_for_client([SCOPE])["access_token"]
        answer = requests.get(
            f"{at['url']}/api/alerts",
            params={"$expand": "evidence"},
            headers={"Authorization": f"Bearer {token}"},
            verify=at["ca_bundle"],
            timeout=60,
        )
        answer.raise_for_status()
        records = [json.dumps(alert).encode() for alert in answer.json()["value"]]
        if len(records) < ALERTS:
            raise RuntimeError(f"only {len(records)} alerts came")
        table = handwritten.table_of(records, at["tenant_id"])
        pq.write_table(table, folder / "alerts.parquet", compression="zstd")

    return {"first": timed(run)}


def timed(run: Callable[[], None]) -> dict[str, float]:
    """Seconds of wall clock and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {"operator": by_operator, "by hand": by_script}


@contextmanager
def simulator(folder: Path) -> Iterator[dict[str, Any]]:
    """The simulator in a process of its own, and what it says about itself."""
    ready = folder / "ready.json"
    options = ["--port", "0", "--alerts", str(ALERTS), "--days", "1", "--alerts-per-day", "1"]
    options += ["--ready-file", str(ready), "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "airflow_provider_defender.simulator", *options])
    try:
        while not ready.exists():
            if process.poll() is not None:
                raise RuntimeError("the simulator did not start")
            time.sleep(0.05)
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait()


def in_a_process(way: str, at: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-operator-") as home:
        environment = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_DEFENDER_DEFAULT": json.dumps(at["connections"]["defender_default"]),
            "SIMULATOR": json.dumps(at),
        }
        if way == "by hand":  # msal's session prefers this one to the bundle it is given
            environment["REQUESTS_CA_BUNDLE"] = at["ca_bundle"]
        return found_by("bench_operator", "--here", way, environment=environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        with tempfile.TemporaryDirectory(prefix="bench-operator-lake-") as folder:
            print(json.dumps(WAYS[given.here](Path(folder))))
        return
    with tempfile.TemporaryDirectory(prefix="bench-operator-") as name, simulator(Path(name)) as at:
        runs = [{way: in_a_process(way, at) for way in WAYS} for _ in range(given.runs)]
    results = {
        f"{way}: {each}": {clock: median(run[way][each][clock] for run in runs) for clock in ("wall", "cpu")}
        for way in WAYS
        for each in runs[0][way]
    }
    rows = [
        (name, *(f"{seconds * 1e3:.0f} ms" for seconds in each.values())) for name, each in results.items()
    ]
    print_table((f"{ALERTS} alerts", "wall clock", "CPU"), rows)
    spent = results["operator: first"]["cpu"]
    checks = [
        Check(f"a first run takes less than {GOAL_SECONDS} CPU s ({spent:.2f})", spent < GOAL_SECONDS, False)
    ]
    print_checks(checks)
    save(given.json, {"runs": given.runs, "load": machine()["load"], "medians": results}, checks)


if __name__ == "__main__":
    main()
