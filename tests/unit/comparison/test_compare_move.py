"""The move from the Endpoint API to Graph as the documentation describes it, with the operators."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from typing import Any

import duckdb
import pytest

from airflow_provider_defender.__main__ import main
from airflow_provider_defender.comparison import Reason, TenantComparison, compare_sources
from airflow_provider_defender.simulator import Portal, Simulator, Tenant
from tests.helpers.airflow import START, LakeFolder, lake, land, run_clock, running_simulator, simulator

__all__ = ["lake", "run_clock", "running_simulator", "simulator"]

DAYS = timedelta(days=3)


def new_tenant(simulator: Simulator, **options: Any) -> Tenant:
    simulator.tenant = Tenant(7, alerts=40, history=DAYS, start=START, late_share=0.0, **options)
    return simulator.tenant


def tune(tenant: Tenant) -> None:
    """Let the Endpoint API say of suppressed alerts that they are."""
    tenant.update_many(sorted(tenant.tuned), investigationState="SuppressedAlert")


def compared(lake: LakeFolder) -> TenantComparison:
    [found] = compare_sources(lake.path).tenants
    return found


def latest(lake: LakeFolder) -> list[tuple[str, str, str]]:
    """Key, source and version of each alert that the view shows."""
    connection = duckdb.connect()
    connection.execute(resources.files("airflow_provider_defender.lake").joinpath("views.sql").read_text())
    columns = "landing.key, landing.source, landing.version"
    return connection.execute(
        f"select {columns} from latest_alerts('{lake.path}') where landing.item = 0"
    ).fetchall()


class Moving:
    """A tenant with alerts that only one API shows, whose lake both sources have landed in."""

    def __init__(self, simulator: Simulator, lake: LakeFolder) -> None:
        self.tenant = tenant = new_tenant(simulator, tuned_share=0.2)
        self.portal = Portal.of(tenant)
        self.lake = lake
        tenant.add_alert(incidentId=None, title="Of no incident")
        land(lake, initial_lookback=DAYS)
        tenant.advance(timedelta(hours=6))
        tune(tenant)
        land(lake, source="graph_alerts", initial_lookback=timedelta(minutes=1))
        land(lake)

    @property
    def endpoint(self) -> set[str]:
        return {version.alert_id for version in self.tenant.alerts}

    @property
    def graph(self) -> set[str]:
        return {version.alert_id for version in self.portal.alerts}

    def land_history(self) -> None:
        land(self.lake, source="graph_alerts", since=(START - DAYS).isoformat())


@pytest.fixture
def moving(simulator: Simulator, lake: LakeFolder) -> Moving:
    return Moving(simulator, lake)


def test_graph_begins_below_the_watermark_of_the_endpoint_log_however_short_its_look_back(
    moving: Moving,
) -> None:
    found = compared(moving.lake)
    assert (found.unexplained, found.gap) == (0, None)
    assert found.endpoint.alone[Reason.STANDALONE] == 1
    assert found.endpoint.alone[Reason.SUPPRESSED] == len(moving.endpoint - moving.graph) - 1 > 3
    assert found.graph.alone.keys() == {Reason.OTHER_PRODUCT}


def test_every_difference_is_explained_once_graph_has_its_history(
    moving: Moving, capsys: pytest.CaptureFixture[str]
) -> None:
    moving.land_history()
    found = compared(moving.lake)
    suppressed = len(moving.endpoint - moving.graph) - 1
    assert found.endpoint.alone == {Reason.STANDALONE: 1, Reason.SUPPRESSED: suppressed}
    assert found.graph.alone == {Reason.OTHER_PRODUCT: len(moving.graph - moving.endpoint)}
    assert (found.both, found.different) == (len(moving.endpoint & moving.graph), {})
    assert main(["compare-sources", str(moving.lake.path)]) == 0
    assert capsys.readouterr().out.endswith("Every difference is expected.\n")


def test_nothing_is_lost_and_nothing_shown_twice_once_the_endpoint_api_is_off(moving: Moving) -> None:
    moving.land_history()
    moving.tenant.advance(timedelta(hours=6))
    both = moving.endpoint & moving.graph
    moving.tenant.update_many(sorted(both)[:3], status="Resolved")
    moving.tenant.advance(timedelta(minutes=1))
    only_endpoint = {key.partition("/")[2] for key, *_ in latest(moving.lake)} - moving.graph
    land(moving.lake, source="graph_alerts")
    states = latest(moving.lake)
    shown = {key.partition("/")[2]: (source, version) for key, source, version in states}
    assert len(states) == len(shown)
    from_graph = {alert.alert_id: ("graph_alerts", alert.update_time) for alert in moving.portal.alerts}
    assert from_graph.items() <= shown.items()
    assert only_endpoint <= shown.keys()
    found = compared(moving.lake)
    assert found.unexplained == 0
    assert found.different.keys() == {Reason.NOT_READ}


def test_an_alert_that_graph_did_not_return_is_found(simulator: Simulator, lake: LakeFolder) -> None:
    """As if Graph had dropped an alert of the Endpoint API without a reason that we know."""
    tenant = new_tenant(simulator, tuned_share=0.0)
    lost = tenant.alerts[0].alert_id
    tenant.tuned.add(lost)
    land(lake, initial_lookback=DAYS)
    tenant.advance(timedelta(hours=6))
    land(lake, source="graph_alerts")
    land(lake, source="graph_alerts", since=(START - DAYS).isoformat())
    found = compared(lake)
    assert [each.key.rpartition("/")[2] for each in found.listed if not each.reason.is_expected] == [lost]
