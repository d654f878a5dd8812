"""`make demo`: the shipped DAGs in a real Airflow, against the simulator."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import requests

from airflow_provider_defender._example_dags import copy_example_dags
from airflow_provider_defender._plural import counted
from airflow_provider_defender.simulator._airflow import LocalAirflow, LocalAirflowError
from airflow_provider_defender.simulator._demo_events import EventRuns, LandedEvents
from airflow_provider_defender.simulator._demo_output import say, seconds_since_start, step, table
from airflow_provider_defender.simulator._demo_queries import LakeQueries

_DAG = "defender_alerts"
_TASK = "land_alerts"
_EVENTS_DAG = "defender_events"
#: Events that wait in the hub at the start, come during the first runs, and come after them.
_WAITING, _DURING, _AFTER = 400, 300, 300
_STREAM_SECONDS = 6
_ODDITIES = ("cut off", "tombstone", "hostile category", "broken element")
#: What differs from the shipped DAGs: daily runs (so that a backfill over three days is three), and retries
#: that do not wait, for a machine that is too busy for Airflow.
_CHANGES = {
    "defender_alerts.py": {'"*/15 * * * *"': '"@daily"', "timedelta(minutes=5)": "timedelta(seconds=2)"},
    "defender_events.py": {'"*/15 * * * *"': '"@daily"', "timedelta(minutes=1)": "timedelta(seconds=2)"},
}


class _Tenant:
    """The simulator in a process of its own, as a user would start it."""

    def __init__(self, folder: Path) -> None:
        self._ready_file = folder / "ready.json"
        self._log = folder / "simulator.log"
        folder.mkdir(parents=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-m", "airflow_provider_defender.simulator", "--port", "0", "--quiet"),
                    *("--alerts", "300", "--days", "6", "--ready-file", str(self._ready_file)),
                    *("--events", "--events-per-minute", "0", "--partitions", "2"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> _Tenant:
        deadline = time.monotonic() + 60
        while not self._ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise LocalAirflowError(f"The simulator did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)
        self.facts: dict[str, Any] = json.loads(self._ready_file.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def environment(self) -> dict[str, str]:
        """The connections that the DAGs use."""
        connections = self.facts["connections"]
        return {
            f"AIRFLOW_CONN_{name.upper()}": json.dumps(connections[name])
            for name in ("defender_default", "event_hub_default")
        }

    def advance(self, span: timedelta) -> None:
        """Let time pass in the tenant."""
        self._control("POST", "/advance", {"seconds": span.total_seconds()})

    def send_events(self, records: int, seconds: float = 0, oddities: Sequence[str] = ()) -> None:
        """Let the exporter send events, at once or spread over the coming seconds."""
        self._control(
            "POST", "/events", {"records": records, "over_seconds": seconds, "oddities": list(oddities)}
        )

    def events(self) -> dict[str, Any]:
        """What the exporter has sent."""
        return self._control("GET", "/events")

    def _control(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                f"{self.facts['url']}/_simulator{path}",
                json=body,
                verify=self.facts["ca_bundle"],
                timeout=30,
            )
        answer.raise_for_status()
        decoded: dict[str, Any] = answer.json()
        return decoded


# The DAG ------------------------------------------------------------------------------------------


def _copy_dags(folder: Path) -> None:
    for path, _ in copy_example_dags(folder):
        text = path.read_text("utf-8")
        for shipped, here in _CHANGES[path.name].items():
            if shipped not in text:
                raise LocalAirflowError(f"{path.name} no longer holds {shipped}, which the demo changes.")
            text = text.replace(shipped, here)
        path.write_text(text, "utf-8")


# What is shown ------------------------------------------------------------------------------------


def _show_run(name: str, summary: dict[str, Any]) -> None:
    say(
        f"    {name}: {counted(summary['records'], 'alert')} read, {summary['versions']} of them new, "
        f"landed as {counted(summary['rows'], 'row')} in {counted(summary['files'], 'file')}"
    )
    before, after = summary["watermark_before"], summary["watermark_after"]
    if before != after:
        say(f"    {' ' * len(name)}  watermark {before or 'not set'} → {after}")
    else:
        say(f"    {' ' * len(name)}  watermark stays at {after}")


def _show_partitions(lake: Path) -> None:
    import pyarrow.parquet as pq

    rows = []
    for partition in sorted((lake / "alerts").glob("date=*")):
        files = sorted(partition.glob("*.parquet"))
        counted = sum(pq.read_metadata(file).num_rows for file in files)
        size = sum(file.stat().st_size for file in files)
        rows.append((f"alerts/{partition.name}", len(files), counted, f"{size / 1000:.0f} kB"))
    table(("partition", "files", "rows", "size"), rows)


def _show_alerts(lake: Path) -> None:
    import pyarrow.parquet as pq

    newest = sorted((lake / "alerts").glob("date=*/*.parquet"))[-1]
    rows = pq.read_table(newest, partitioning=None).slice(0, 3).to_pylist()
    shown = [
        (
            f"{row['@timestamp']:%Y-%m-%d %H:%M:%S}",
            row["event"]["severity"],
            row["message"],
            row["host"]["name"],
            row["user"]["name"],
            row["process"]["name"] or row["file"]["name"],
        )
        for row in rows
    ]
    table(("@timestamp", "event.severity", "message", "host.name", "user.name", "process/file.name"), shown)


# The story ----------------------------------------------------------------------------------------


def _play(folder: Path, lake: Path) -> None:
    step("A simulated Microsoft tenant starts: Entra ID, the alerts API, and an event hub.")
    with _Tenant(folder / "simulator") as tenant:
        facts = tenant.facts
        say(f"    tenant {facts['tenant_id']}: {facts['alerts']} alerts of the last six days")
        step("Airflow starts in a temporary home. That takes about half a minute.")
        _copy_dags(folder / "dags")
        environment = {**tenant.environment, "AIRFLOW_VAR_DEFENDER_LAKE": lake.as_uri()}
        with LocalAirflow(folder / "airflow", folder / "dags", environment, progress=_progress) as airflow:
            runs = _run_dags(airflow, tenant)
        truth = tenant.events()
    step("Airflow and the tenant are stopped. The alerts in the lake, one row per evidence item:\n")
    _show_partitions(lake)
    say()
    _show_alerts(lake)
    _show_events(lake, runs, truth)
    _show_query(lake, truth)
    say(f"\nDone in {seconds_since_start():.0f} seconds. The lake is kept in {os.path.relpath(lake)}.")


def _progress(text: str) -> None:
    say(f"    {text} …")


def _show_query(lake: Path, truth: dict[str, Any]) -> None:
    queries = LakeQueries(Path(os.path.relpath(lake)))
    if not queries.can_run:
        say("\n    To query the lake: pip install duckdb, then follow the page about the lake.")
        return
    queries.check_events(truth["rows"])
    say("\n    Which programs ran where alerts are worst? Alerts and events in one query:\n")
    queries.show_worst_hosts()
    say("\n    The views latest_alerts and events are part of the package. To print them:")
    say(f"    {os.path.relpath(sys.executable)} -m airflow_provider_defender sql")


def _run_dags(airflow: LocalAirflow, tenant: _Tenant) -> EventRuns:
    """Alerts and events side by side, as in any Airflow; the events stream in all the while."""
    events = EventRuns(airflow)
    tenant.send_events(_WAITING, oddities=_ODDITIES)
    step("The DAGs are unpaused: alerts of the last 24 hours, and the events that wait in the hub.")
    airflow.unpause(_DAG)
    airflow.unpause(_EVENTS_DAG)
    tenant.send_events(_DURING, seconds=_STREAM_SECONDS)
    [scheduled] = airflow.wait_for_runs(_DAG, "scheduled", 1)
    _show_run("alerts", airflow.result(_DAG, scheduled["dag_run_id"], _TASK))
    [scheduled] = airflow.wait_for_runs(_EVENTS_DAG, "scheduled", 1)
    events.show(scheduled["dag_run_id"])
    tenant.advance(timedelta(hours=2))
    step("Two hours pass in the tenant: alerts come, change, are resolved; events go on streaming in.")
    tenant.send_events(_AFTER, seconds=_STREAM_SECONDS / 2)
    airflow.trigger(_DAG)
    _wait_for_stream(tenant)
    airflow.trigger(_EVENTS_DAG)
    [manual] = airflow.wait_for_runs(_DAG, "manual", 1)
    _show_run("alerts", airflow.result(_DAG, manual["dag_run_id"], _TASK))
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    first, last = today - timedelta(days=4), today - timedelta(days=2)
    airflow.backfill(_DAG, first.isoformat(), last.isoformat())
    [manual] = airflow.wait_for_runs(_EVENTS_DAG, "manual", 1)
    events.show(manual["dag_run_id"])
    step(f"A backfill fills three earlier days of alerts, {first:%d %B} to {last:%d %B}.")
    for run in airflow.wait_for_runs(_DAG, "backfill", 3):
        _show_run(run["data_interval_start"][:10], airflow.result(_DAG, run["dag_run_id"], _TASK))
    return events


def _wait_for_stream(tenant: _Tenant) -> None:
    deadline = time.monotonic() + 60
    while (state := tenant.events())["pending"]:
        if state["failure"] or time.monotonic() > deadline:
            raise LocalAirflowError(f"The events did not stream in: {state['failure'] or 'too slow'}")
        time.sleep(0.2)


def _show_events(lake: Path, runs: EventRuns, truth: dict[str, Any]) -> None:
    landed = LandedEvents.read(lake)
    say("\n    The events in the lake, by table, and how far each partition of the hub has been read:\n")
    landed.show_tables()
    say()
    runs.show_offsets()
    say()
    landed.show_rows()
    say()
    landed.check(truth, runs.dropped)


def _prepare(lake: Path) -> None:
    """An empty folder for the lake; only an earlier demo's is deleted."""
    if lake.exists() and any(lake.iterdir()):
        if not (lake / "_defender").is_dir():
            raise LocalAirflowError(f"{lake} is no lake of an earlier demo. Name another folder with --lake.")
        shutil.rmtree(lake)
    lake.mkdir(parents=True, exist_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_defender.simulator.demo", description=__doc__
    )
    parser.add_argument(
        "--lake",
        type=Path,
        default=Path("build/demo-lake"),
        help="where the lake is made (default: %(default)s)",
    )
    lake = parser.parse_args(arguments).lake.resolve()
    with tempfile.TemporaryDirectory(prefix="defender-demo-") as folder:
        try:
            _prepare(lake)
            _play(Path(folder), lake)
        except LocalAirflowError as error:
            say(f"\nThe demo failed. {error}")
            return 1
        except KeyboardInterrupt:
            say("\nStopped.")
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
