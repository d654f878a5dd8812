"""The control paths of a portal: new alerts, changes, merged incidents, and the truth about all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from airflow_provider_defender.simulator.defender.versions import wire_time
from airflow_provider_defender.simulator.graph.portal import Portal
from airflow_provider_defender.simulator.graph.versions import RecordVersion
from airflow_provider_defender.simulator.server.messages import Request
from airflow_provider_defender.simulator.server.service import Handler, Route

__all__ = ["control_routes", "portal_state"]


class _NewAlerts(msgspec.Struct, forbid_unknown_fields=True):
    count: int = 1
    product: str | None = None
    evidence: list[str | dict[str, Any]] | None = None
    incident: str | None = None
    changes: dict[str, Any] = {}


class _Changes(msgspec.Struct, forbid_unknown_fields=True):
    changes: dict[str, Any]
    ids: list[str] = []
    incidents: list[str] = []


class _Merge(msgspec.Struct, forbid_unknown_fields=True):
    source: str
    target: str


def control_routes(portal: Callable[[], Portal]) -> Mapping[Route, Handler]:
    """The control paths for one tenant's portal."""
    return {
        ("POST", "/graph/alerts"): lambda request: _add(portal(), request),
        ("POST", "/graph/changes"): lambda request: _change(portal(), request),
        ("POST", "/graph/merge"): lambda request: _merge(portal(), request),
        ("GET", "/graph/truth"): lambda request: _truth(portal(), request),
    }


def portal_state(portal: Portal) -> Mapping[str, Any]:
    """Counts of a portal."""
    return {
        "alerts": len(portal.alerts),
        "alert_versions": len(portal.alert_versions),
        "incidents": len(portal.incidents),
        "incident_versions": len(portal.incident_versions),
    }


def _add(portal: Portal, request: Request) -> object:
    order = msgspec.json.decode(request.body or b"{}", type=_NewAlerts)
    versions = [
        portal.add_alert(order.product, evidence=order.evidence, incident=order.incident, **order.changes)
        for _ in range(order.count)
    ]
    return {"ids": [version.row_id for version in versions]}


def _change(portal: Portal, request: Request) -> object:
    """Change alerts, or incidents; all with one update time."""
    order = msgspec.json.decode(request.body, type=_Changes)
    versions = [
        *portal.edit(order.ids, lambda record: record.update(order.changes)),
        *portal.update_incidents(order.incidents, **order.changes),
    ]
    return {"lastUpdateDateTime": versions[0].update_time if versions else None, "changed": len(versions)}


def _merge(portal: Portal, request: Request) -> object:
    order = msgspec.json.decode(request.body, type=_Merge)
    return {"incidents": [_described(version, False) for version in portal.merge(order.source, order.target)]}


def _truth(portal: Portal, request: Request) -> object:
    with_records = request.parameters().get("records") == "1"
    return {
        "now": wire_time(portal.tenant.now_ticks()),
        "alerts": [_described(version, with_records) for version in portal.alert_versions],
        "incidents": [_described(version, with_records) for version in portal.incident_versions],
    }


def _described(version: RecordVersion, with_record: bool) -> dict[str, Any]:
    description: dict[str, Any] = {
        "id": version.row_id,
        "number": version.number,
        "lastUpdateDateTime": version.update_time,
        "visibleFrom": wire_time(version.visible_ticks),
        "superseded": version.superseded,
    }
    if version.type == "incident":
        description["alerts"] = list(version.members)
    if with_record:
        description["record"] = version.rendered().decode("utf-8", "replace")
    return description
