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
from airflow_provider_defender.simulator.demo.airflow import LocalAirflow, LocalAirflowError
from airflow_provider_defender.simulator.demo.alerts import check_landed, show_partitions, show_run
from airflow_provider_defender.simulator.demo.events import EventRuns, LandedEvents
from airflow_provider_defender.simulator.demo.output import say, seconds_since_start, step
from airflow_provider_defender.simulator.demo.queries import LakeQueries
from airflow_provider_defender.timestamps import datetime_to_ticks

_DAG = "defender_alerts"
_TASK = "land_alerts"
_INCIDENTS_DAG = "defender_incidents"
_INCIDENTS_TASK = "land_incidents"
_EVENTS_DAG = "defender_events"
#: How far back the first runs read for certain: their look-back is a day, from when they begin.
_LOOKED_BACK = timedelta(hours=23)
#: Events that wait in the hub at the start, arrive during the first runs, and arrive after them.
_WAITING, _DURING, _AFTER = 400, 300, 300
_STREAM_SECONDS = 6
_ODDITIES = ("cut off", "tombstone", "hostile category", "broken element")
#: What differs from the shipped DAGs: daily runs (so that a backfill over three days is three), and retries
#: that do not wait, for a machine that is too busy for Airflow.
_CHANGES = {
    "defender_alerts.py": {'"*/15 * * * *"': '"@daily"', "timedelta(minutes=5)": "timedelta(seconds=2)"},
    "defender_incidents.py": {'"*/15 * * * *"': '"@daily"', "timedelta(minutes=5)": "timedelta(seconds=2)"},
    "defender_events.py": {'"*/15 * * * *"': '"@daily"', "timedelta(minutes=1)": "timedelta(seconds=2)"},
    "defender_lake.py": {},
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

    def attack(self) -> dict[str, Any]:
        """Let the attack be noticed of which all sources tell; its user, and what tells of it."""
        return self._control("POST", "/attack")

    def truth(self) -> dict[str, Any]:
        """Every version of every alert and incident that Microsoft Graph shows."""
        return self._control("GET", "/graph/truth")

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


# The story ----------------------------------------------------------------------------------------


def _play(folder: Path, lake: Path) -> None:
    step("A simulated Microsoft tenant starts: Entra ID, Microsoft Graph, and an event hub.")
    with _Tenant(folder / "simulator") as tenant:
        facts = tenant.facts
        shown = facts["graph"]
        say(
            f"    tenant {facts['tenant_id']}: {shown['alerts']} alerts of all products and "
            f"{shown['incidents']} incidents of the last six days"
        )
        step("Airflow starts in a temporary home. That takes about half a minute.")
        _copy_dags(folder / "dags")
        environment = {**tenant.environment, "AIRFLOW_VAR_DEFENDER_LAKE": lake.as_uri()}
        with LocalAirflow(folder / "airflow", folder / "dags", environment, progress=_progress) as airflow:
            runs = _Runs(airflow, tenant)
            runs.play()
        truth = tenant.events()
    step("Airflow and the tenant are stopped. In the lake, an alert has a row for each evidence item:\n")
    show_partitions(lake)
    say()
    check_landed(lake, runs.truth, runs.since, runs.watermarks)
    _show_events(lake, runs.events, truth)
    _show_queries(lake, truth)
    say(f"\nDone in {seconds_since_start():.0f} seconds. The lake is kept in {os.path.relpath(lake)}.")


def _progress(text: str) -> None:
    say(f"    {text} …")


def _show_queries(lake: Path, truth: dict[str, Any]) -> None:
    queries = LakeQueries(Path(os.path.relpath(lake)))
    if not queries.can_run:
        say("\n    To query the lake: pip install duckdb, then follow the page about the lake.")
        return
    queries.check_events(truth["rows"])
    say("\n    Alerts of all products in one query, and of each product the one that names most:\n")
    queries.show_products()
    say("\n    An incident with its alerts:\n")
    queries.show_incident()
    say("\n    Which programs ran where alerts are worst? Alerts and events in one query:\n")
    queries.show_worst_hosts()
    say("\n    The views latest_alerts, latest_incidents and events are part of the package. To print them:")
    say(f"    {os.path.relpath(sys.executable)} -m airflow_provider_defender sql")


class _Runs:
    """The runs of all DAGs, in parallel as in any Airflow, while events stream in."""

    def __init__(self, airflow: LocalAirflow, tenant: _Tenant) -> None:
        self._airflow = airflow
        self._tenant = tenant
        self.events = EventRuns(airflow)
        self.watermarks: dict[str, str] = {}
        self.truth: dict[str, Any] = {}
        self.since = 0

    def play(self) -> None:
        """Scheduled runs, then manual ones two hours later, then a backfill."""
        self._first_runs()
        self._tenant.advance(timedelta(hours=2))
        step("Two hours pass in the tenant: alerts come, change, are resolved; events go on streaming in.")
        self._second_runs()

    def _first_runs(self) -> None:
        airflow, tenant = self._airflow, self._tenant
        tenant.send_events(_WAITING, oddities=_ODDITIES)
        attack = tenant.attack()
        say(
            f"    An attack on {attack['user']} is noticed: {attack['events']} of the events and "
            f"{len(attack['alerts'])} alerts tell of it."
        )
        step("The DAGs are unpaused: alerts and incidents of a day from Graph, and events of the hub.")
        self.since = datetime_to_ticks(datetime.now(timezone.utc) - _LOOKED_BACK)
        for dag in (_DAG, _EVENTS_DAG, _INCIDENTS_DAG):
            airflow.unpause(dag)
        tenant.send_events(_DURING, seconds=_STREAM_SECONDS)
        self._show_alerts("scheduled")
        self._show_incidents("scheduled")
        [scheduled] = airflow.wait_for_runs(_EVENTS_DAG, "scheduled", 1)
        self.events.show(scheduled["dag_run_id"])

    def _second_runs(self) -> None:
        airflow, tenant = self._airflow, self._tenant
        tenant.send_events(_AFTER, seconds=_STREAM_SECONDS / 2)
        airflow.trigger(_DAG)
        airflow.trigger(_INCIDENTS_DAG)
        _wait_for_stream(tenant)
        airflow.trigger(_EVENTS_DAG)
        self._show_alerts("manual")
        today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        first, last = today - timedelta(days=4), today - timedelta(days=2)
        airflow.backfill(_DAG, first.isoformat(), last.isoformat())
        self._show_incidents("manual")
        self.truth = tenant.truth()
        [manual] = airflow.wait_for_runs(_EVENTS_DAG, "manual", 1)
        self.events.show(manual["dag_run_id"])
        step(f"A backfill fills three earlier days of alerts, {first:%d %B} to {last:%d %B}.")
        for run in airflow.wait_for_runs(_DAG, "backfill", 3):
            summary = airflow.result(_DAG, run["dag_run_id"], _TASK)
            show_run("alert", run["data_interval_start"][:10], summary)

    def _show_alerts(self, run_type: str) -> None:
        self._show("alerts", _DAG, _TASK, run_type)

    def _show_incidents(self, run_type: str) -> None:
        self._show("incidents", _INCIDENTS_DAG, _INCIDENTS_TASK, run_type)

    def _show(self, name: str, dag: str, task: str, run_type: str) -> None:
        [run] = self._airflow.wait_for_runs(dag, run_type, 1)
        summary = self._airflow.result(dag, run["dag_run_id"], task)
        show_run(name.removesuffix("s"), name, summary)
        self.watermarks[name] = summary["watermark_after"]


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
