"""The lake on which the documentation's examples run: a tenant with an attack, landed by the operators."""

from __future__ import annotations

import shutil
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_provider_defender.simulator import Portal, Simulator, Tenant
from airflow_provider_defender.simulator.attack.story import Attack
from airflow_provider_defender.simulator.events import EventStream
from tests.helpers.airflow import START, LakeFolder, context, incidents_operator, land
from tests.helpers.event_hubs import EventLake, MemoryHub, drain


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made") / "lake")


class Made:
    """A tenant and its lake, landed once: from the Endpoint API with changed alerts, odd values and a reject.

    Then from Graph, with the alerts of all products, some of which have changed since.
    """

    def __init__(self, path: Path) -> None:
        self.lake = LakeFolder(path)
        self.tenant: Tenant | None = None
        self.attack: Attack | None = None

    def shown_by(self, simulator: Simulator) -> None:
        """Let the simulator show the tenant as it is after both commits."""
        if self.tenant is not None:
            simulator.tenant = self.tenant
            return
        simulator.tenant = tenant = Tenant(
            7, alerts=100, history=timedelta(days=5), start=START, late_share=0.0
        )
        self.attack = Attack(tenant)
        land(self.lake, initial_lookback=timedelta(days=5))
        incidents_operator(self.lake, initial_lookback=timedelta(days=5)).execute(context())  # type: ignore[arg-type]
        tenant.update_many([alert.alert_id for alert in tenant.alerts[:9]], status="Resolved")
        tenant.add_alert(severity="High", evidence=2, somethingNew=1, firstEventTime="yesterday")
        tenant.add_raw(b'{"id":null,"severity":"High"}')
        merge_incidents(tenant)
        tenant.advance(timedelta(minutes=1))
        assert land(self.lake)["rejects"] == 1
        land(self.lake, source="graph_alerts", initial_lookback=timedelta(days=5))
        changed = [alert.row_id for alert in Portal.of(tenant).alerts if not tenant.visible(alert.row_id)][:9]
        Portal.of(tenant).edit(changed, lambda alert: alert.update(status="resolved"))
        tenant.update_many([alert.alert_id for alert in tenant.alerts[9:12]], status="Resolved")
        tenant.advance(timedelta(minutes=1))
        land(self.lake, source="graph_alerts")
        incidents_operator(self.lake).execute(context())  # type: ignore[arg-type]
        self.tenant = tenant


def merge_incidents(tenant: Tenant) -> None:
    """Merge the first incident into the second, and that into the third."""
    portal = Portal.of(tenant)
    one, two, three = (incident.row_id for incident in portal.incidents[:3])
    for source, target in ((one, two), (two, three)):
        tenant.advance(timedelta(seconds=10))
        portal.merge(source, target)


@pytest.fixture
def landed(simulator: Simulator, lake: LakeFolder, made: Made, monkeypatch: pytest.MonkeyPatch) -> LakeFolder:
    """A copy of the lake, in the current folder."""
    made.shown_by(simulator)
    shutil.copytree(made.lake.path, lake.path)
    monkeypatch.chdir(lake.path.parent)
    return lake


def land_events(made: Made, hub: MemoryHub, lake: EventLake, hour: int) -> None:
    """Two drains of a hub at this hour: all tables, duplicates, odd messages, and the attack."""
    assert made.tenant is not None
    assert made.attack is not None
    tenant, told = made.tenant, [(event.table, event.properties, event.at) for event in made.attack.events]
    hub.now = hub.now.replace(hour=hour, minute=20)
    stream = EventStream(7, tenant=tenant, start=hub.now, duplicates=0.2, odd=0.05)
    for number, value in enumerate(stream.messages(150)):
        hub.send(value, number % 2)
        if number == 99:
            drain(lake)
    for number, value in enumerate(stream.told(told)):
        hub.send(value, number % 2)
    assert drain(lake)["rejects"]


@pytest.fixture
def views() -> duckdb.DuckDBPyConnection:
    """DuckDB with the views that the package ships."""
    connection = duckdb.connect()
    connection.execute(resources.files("airflow_provider_defender.lake").joinpath("views.sql").read_text())
    return connection


def query(text: str, connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Run the statements and return the last one's rows."""
    rows: list[tuple[Any, ...]] = []
    for statement in duckdb.extract_statements(text):
        rows = connection.execute(statement).fetchall()
    return rows
