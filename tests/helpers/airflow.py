"""A simulated tenant, an Airflow connection to it, and a lake in a temporary folder."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.hooks import DefenderEndpointHook, GraphSecurityHook
from airflow_provider_defender.operators.alerts import DefenderAlertsToParquetOperator
from airflow_provider_defender.operators.incidents import DefenderIncidentsToParquetOperator
from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.simulator.graph.service import GraphApi

START = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
"""Where a test's tenant stands."""
_MOMENT = max(datetime.now(timezone.utc), START + timedelta(days=11)) + timedelta(days=3)
LATER = Clock(now=lambda: _MOMENT)
"""When all that a test has landed is older than a day: commits bear the machine's time."""
INJECTED: dict[str, Any] = {}
"""What the running test gives operators and sensors of alerts in the place of their own: hook and clock."""

asks_for_connections = pytest.mark.skipif(
    metadata.version("apache-airflow").startswith("3.1."),
    reason="Airflow 3.1 finds missing connections in tasks only",
)


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(calls_per_minute=None, calls_per_hour=None) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """The simulator as if new: a tenant without alerts whose clock stands at `START`."""
    running_simulator.faults.clear()
    running_simulator.tenant = Tenant(7, alerts=0, start=START)
    running_simulator.page_size = 10_000
    running_simulator.graph.copy_switches(GraphApi(lambda: running_simulator.graph.portal, 10_000))
    running_simulator.before_page = running_simulator.after_page = None
    connect(running_simulator, monkeypatch)
    running_simulator.requests.clear()
    return running_simulator


def connect(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Point the connection `defender_default` at the simulator; `changes` replace fields or extras."""
    connection = simulator.connections()["defender_default"]
    extra = {**connection["extra"], "calls_per_minute": 1_000_000, "calls_per_hour": 1_000_000}
    for name, value in changes.items():
        (connection if name in ("host", "port", "login", "password") else extra)[name] = value
    monkeypatch.setenv("AIRFLOW_CONN_DEFENDER_DEFAULT", json.dumps({**connection, "extra": extra}))


class Outlets:
    """Stands for Airflow's outlet events: it holds what the operator attaches to its asset's event."""

    def __init__(self) -> None:
        self.events: dict[str, Any] = {}

    def __getitem__(self, asset: Any) -> Any:
        if asset.uri not in self.events:
            event = SimpleNamespace(extra={}, partition_keys=set())
            event.add_partitions = event.partition_keys.update
            self.events[asset.uri] = event
        return self.events[asset.uri]


def context(run_type: str = "scheduled", **values: Any) -> dict[str, Any]:
    """An Airflow context as a task of such a run sees it."""
    return {"dag_run": SimpleNamespace(run_type=run_type), "outlet_events": Outlets(), **values}


class LakeFolder:
    """A lake on disk, with what tests ask of it."""

    def __init__(self, path: Path, dataset: str = "alerts") -> None:
        self.path = path
        self.uri = path.as_uri()
        self.dataset = dataset

    def files(self) -> list[Path]:
        """What a plain reader of `*.parquet` finds in the dataset."""
        return sorted((self.path / self.dataset).glob("date=*/**/*.parquet"))

    def rows(self) -> pa.Table:
        return pa.concat_tables([pq.read_table(file, partitioning=None) for file in self.files()])

    def versions(self) -> Counter[tuple[str, str, int]]:
        """How often each row stands in the lake, by alert id, version and item."""
        rows = self.rows()["landing"].combine_chunks() if self.files() else pa.array([], pa.struct([]))
        return Counter(
            (row["key"].partition("/")[2], row["version"], row["item"]) for row in rows.to_pylist()
        )

    def landed(self) -> dict[str, set[str]]:
        """Alert id → versions."""
        found: dict[str, set[str]] = defaultdict(set)
        for alert_id, version, _ in self.versions():
            found[alert_id].add(version)
        return dict(found)

    def rejects(self) -> pa.Table:
        return pa.concat_tables(
            pq.read_table(file, partitioning=None)
            for file in sorted(self.path.glob("_defender/*/quarantine/**/*.parquet"))
        )

    def records(self) -> list[dict[str, Any]]:
        """The commits, oldest first."""
        return [json.loads(path.read_text()) for path in sorted(self.path.glob("_defender/*/commits/*.json"))]


@pytest.fixture
def lake(tmp_path: Path) -> LakeFolder:
    return LakeFolder(tmp_path / "lake")


def alerts_operator(lake: LakeFolder, **arguments: Any) -> DefenderAlertsToParquetOperator:
    """The operator, with the test's own hook and clock."""
    return DefenderAlertsToParquetOperator(task_id="land", lake=lake.uri, **{**INJECTED, **arguments})


def land(lake: LakeFolder, given: Mapping[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """Run the operator as one task of a scheduled run, or in the context `given`; its summary."""
    return alerts_operator(lake, **arguments).execute(given or context())  # type: ignore[arg-type]


def incidents_operator(lake: LakeFolder, **arguments: Any) -> DefenderIncidentsToParquetOperator:
    """The operator of incidents, likewise."""
    given = {**INJECTED, "hook": INJECTED["hook"]["graph_alerts"], **arguments}
    return DefenderIncidentsToParquetOperator(task_id="land", lake=lake.uri, **given)


def land_incidents(
    lake: LakeFolder, given: Mapping[str, Any] | None = None, **arguments: Any
) -> dict[str, Any]:
    """Run the operator of incidents, as `land` runs that of alerts."""
    return incidents_operator(lake, **arguments).execute(given or context())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def run_clock(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Runs start when the tenant's clock says so, and waits let the services' time pass instead of ours."""
    if "simulator" not in request.fixturenames:
        return
    simulator: Simulator = request.getfixturevalue("simulator")

    monkeypatch.setitem(INJECTED, "clock", Clock(now=lambda: simulator.tenant.now()))
    hooks = {"endpoint_alerts": DefenderEndpointHook, "graph_alerts": GraphSecurityHook}
    waiting = {source: partial(hook, sleep=simulator.elapse) for source, hook in hooks.items()}
    monkeypatch.setitem(INJECTED, "hook", waiting)
