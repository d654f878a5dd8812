"""The control paths of a tenant's alerts: new ones, changes, and the truth about them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.defender.versions import Version, wire_time
from airflow_provider_defender.simulator.server.messages import Request
from airflow_provider_defender.simulator.server.service import Handler, Route

__all__ = ["control_routes", "tenant_state"]


class _NewAlerts(msgspec.Struct, forbid_unknown_fields=True):
    count: int = 1
    evidence: int | None = None
    over_seconds: float = 0.0
    changes: dict[str, Any] = {}


class _Changes(msgspec.Struct, forbid_unknown_fields=True):
    ids: list[str]
    changes: dict[str, Any]


def control_routes(tenant: Tenant) -> Mapping[Route, Handler]:
    """The control paths for one tenant."""
    return {
        ("POST", "/alerts"): lambda request: _add_alerts(tenant, request),
        ("POST", "/changes"): lambda request: _change(tenant, request),
        ("GET", "/truth"): lambda request: _truth(tenant, request),
    }


def tenant_state(tenant: Tenant) -> Mapping[str, Any]:
    """Seed, clock and counts of a tenant."""
    return {
        "seed": tenant.seed,
        "now": wire_time(tenant.now_ticks()),
        "alerts": len(tenant.alerts),
        "versions": len(tenant.versions),
    }


def _add_alerts(tenant: Tenant, request: Request) -> object:
    order = msgspec.json.decode(request.body or b"{}", type=_NewAlerts)
    over = timedelta(seconds=order.over_seconds)
    versions = tenant.add_alerts(order.count, evidence=order.evidence, over=over)
    ids = [version.alert_id for version in versions]
    if order.changes:
        tenant.update_many(ids, **order.changes)
    return {"ids": ids}


def _change(tenant: Tenant, request: Request) -> object:
    order = msgspec.json.decode(request.body, type=_Changes)
    versions = tenant.update_many(order.ids, **order.changes)
    return {"lastUpdateTime": versions[0].update_time if versions else None, "changed": len(versions)}


def _truth(tenant: Tenant, request: Request) -> object:
    with_records = request.parameters().get("records") == "1"
    return {
        "now": wire_time(tenant.now_ticks()),
        "versions": [_described(version, with_records) for version in tenant.versions],
    }


def _described(version: Version, with_record: bool) -> dict[str, Any]:
    description = {
        "id": version.alert_id,
        "number": version.number,
        "lastUpdateTime": version.update_time,
        "visibleFrom": wire_time(version.visible_ticks),
        "superseded": version.superseded,
    }
    record = {"record": version.rendered().decode("utf-8", "replace")} if with_record else {}
    return {**description, **record}
