"""Faults of the alerts API by name."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.server.fault import Fault
from airflow_provider_defender.simulator.server.faults import Faults

__all__ = ["ALERTS", "DefenderFaults"]

#: The path pattern of the alerts API, of every version.
ALERTS = "/api/*alerts"


class DefenderFaults(Faults):
    """Faults with those that only the alerts API has."""

    def missing_role(self, **when: Any) -> Fault:
        """403, as when the administrator has not granted the application's role."""
        message = (
            "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, "
            "application roles: ."
        )
        return self.error(403, "Forbidden", message, **when)
