"""Landing from Microsoft Graph, and what its alerts and incidents must be like in the lake afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from airflow_provider_defender.simulator import Page, Portal, Simulator, Tenant
from tests.helpers.airflow import LakeFolder, land, land_incidents
from tests.reliability.support import (
    PortalAlerts,
    PortalIncidents,
    assert_each_version_is_whole_and_single,
    assert_last_versions_landed,
    assert_log_is_sound,
    assert_only_committed_rows_are_seen,
    rows_in,
)

__all__ = ["KINDS", "Kind", "fill", "from_page"]


@dataclass(frozen=True)
class Kind:
    """A source of Graph's: its list, its dataset, what it shows, and a run of its operator."""

    source: str
    dataset: str
    path: str
    shown: Callable[[Tenant], PortalAlerts | PortalIncidents]
    run: Callable[..., dict[str, Any]]

    def files(self, lake: Path) -> list[Path]:
        """The data files in the dataset."""
        return sorted(lake.glob(f"{self.dataset}/date=*/**/*.parquet"))

    def check(self, tenant: Tenant, lake: Path) -> None:
        """P1, P3, P4 after any run."""
        assert_only_committed_rows_are_seen(lake)
        assert_each_version_is_whole_and_single(self.shown(tenant), rows_in(self.files(lake)))
        if self.files(lake):
            assert_log_is_sound(lake, f"{self.source}-*", self.dataset)

    def check_end(self, tenant: Tenant, lake: Path, *, refused: bool = False) -> None:
        """Also P5, after a complete run; and incidents have all their alerts.

        `refused`: Graph may have refused the list of an incident's alerts. Then it has all of them, or none.
        """
        self.check(tenant, lake)
        assert_last_versions_landed(self.shown(tenant), lake, f"{self.dataset}/date=*/**/*.parquet")
        if self.dataset == "incidents":
            _check_members(tenant, self.files(lake), refused)


def _check_members(tenant: Tenant, files: list[Path], refused: bool) -> None:
    landed: dict[tuple[str, str | None], list[str]] = {}
    for file in files:
        for row in pq.read_table(file, columns=["landing", "microsoft"], partitioning=None).to_pylist():
            key = (row["landing"]["key"].partition("/")[2], row["landing"]["version"])
            alerts = row["microsoft"]["graph_security"]["alerts"] or []
            landed[key] = sorted(alert["id"] for alert in alerts)
    for incident in Portal.of(tenant).incidents:
        found, members = landed[incident.row_id, incident.update_time], sorted(incident.members)
        assert found == members or (refused and not found)


def _graph_alerts(lake: LakeFolder, given: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return land(lake, given, source="graph_alerts", **options)


KINDS = {
    "alerts": Kind("graph_alerts", "alerts", "/v1.0/security/alerts_v2", PortalAlerts, _graph_alerts),
    "incidents": Kind(
        "graph_incidents", "incidents", "/v1.0/security/incidents", PortalIncidents, land_incidents
    ),
}


def fill(tenant: Tenant, count: int = 12, over: timedelta = timedelta(hours=20)) -> None:
    """Alerts of all products with their incidents, some of which are changed afterwards."""
    portal = Portal.of(tenant)
    found = portal.add_alerts(count, over=over)
    tenant.add_alerts(count // 3, evidence=2, over=over)
    products = [alert.row_id for alert in found]
    portal.edit(products[::3], lambda alert: alert.update(status="resolved"))
    tenant.advance(timedelta(minutes=1))


def from_page(simulator: Simulator, number: int, begin: Callable[[], Any]) -> None:
    """Call `begin` once so many pages of Graph's have been served."""
    left = [number]

    def after(page: Page) -> None:
        left[0] -= 1
        if left[0] == 0:
            begin()

    simulator.graph.after_page = after
