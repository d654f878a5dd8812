"""Faults of Entra ID by name."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.server.fault import Fault
from airflow_provider_defender.simulator.server.faults import Faults

__all__ = ["TOKEN", "EntraFaults"]

#: The path pattern of the token endpoint.
TOKEN = "/*/oauth2/v2.0/token"  # noqa: S105 - a path


class EntraFaults(Faults):
    """Faults with those that only Entra ID has."""

    def aadsts(self, code: int, **when: Any) -> Fault:
        """An error of Entra ID's token endpoint, by its AADSTS number."""
        return self.add(Fault("aadsts", code=code, **when))
