"""Faults of Microsoft Graph by name."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_defender.simulator.server.fault import Fault
from airflow_provider_defender.simulator.server.faults import Faults

__all__ = ["GRAPH", "GRAPH_ALERTS", "GRAPH_INCIDENTS", "GraphFaults"]

#: Path patterns: everything under `/v1.0/security`, the list of alerts, the list of incidents.
GRAPH = "/v1.0/security/*"
GRAPH_ALERTS = "/v1.0/security/alerts_v2"
GRAPH_INCIDENTS = "/v1.0/security/incidents"
_INNER = {
    "date": "2026-01-09T08:00:00",
    "request-id": "7f1e6c1a-1f0e-4f0f-9a52-8d7c2b6f0b11",
    "client-request-id": "7f1e6c1a-1f0e-4f0f-9a52-8d7c2b6f0b11",
}


class GraphFaults(Faults):
    """Faults with those that only Microsoft Graph has."""

    def graph_error(
        self, status: int, code: str, message: str, *, retry_after: int | None = None, **when: Any
    ) -> Fault:
        """An error body as Graph writes it, by default of any of its security paths."""
        inner = {"code": str(status), **_INNER} if status == 429 else _INNER
        body = json.dumps({"error": {"code": code, "message": message, "innerError": inner}})
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return self.status(status, body, headers, **{"path": GRAPH, **when})

    def missing_graph_role(self, **when: Any) -> Fault:
        """403, as when the administrator has not granted the application's role."""
        message = (
            "Missing application roles. API required roles: SecurityAlert.Read.All, "
            "SecurityAlert.ReadWrite.All, application roles: ."
        )
        return self.graph_error(403, "Forbidden", message, **when)

    def gateway_timeout(self, **when: Any) -> Fault:
        """504, as for a list that takes Graph too long."""
        return self.graph_error(504, "UnknownError", "", **when)

    def throttled_without_header(self, **when: Any) -> Fault:
        """429 that does not say how long to wait."""
        return self.graph_error(429, "TooManyRequests", "Too many requests.", **when)
