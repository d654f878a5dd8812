"""What all evidence has, and how evidence stands within other evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.types import PREFIX

__all__ = ["Evidence", "Maker", "evidence", "inner"]

Evidence = dict[str, Any]
#: Makes a type's own properties, all of them.
Maker = Callable[[Cast], dict[str, Any]]


def evidence(
    type_name: str,
    created: str,
    *,
    verdict: str = "unknown",
    remediation: str = "none",
    details: str | None = None,
    roles: Sequence[str] = (),
    detailed: Sequence[str] = (),
    tags: Sequence[str] = (),
    **own: Any,
) -> Evidence:
    """An evidence item: its type, the properties of all evidence, then its own."""
    return {
        "@odata.type": f"{PREFIX}{type_name}",
        "createdDateTime": created,
        "verdict": verdict,
        "remediationStatus": remediation,
        "remediationStatusDetails": details,
        "roles": list(roles),
        "detailedRoles": list(detailed),
        "tags": list(tags),
        **own,
    }


def inner(type_name: str, cast: Cast, own: dict[str, Any]) -> Evidence:
    """Evidence that is a property of other evidence."""
    return evidence(type_name, cast.time(), **own)
