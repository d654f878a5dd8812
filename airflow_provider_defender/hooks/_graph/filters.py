"""Filters of alerts and incidents of Microsoft Graph.

Source: Microsoft Learn, "alert resource type" and "incident resource type" (values of the enumerations),
"List alerts_v2" and "List incidents" (properties by which the API filters).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from airflow_provider_defender.categories import ALERT_CATEGORIES, OTHER_CATEGORIES
from airflow_provider_defender.hooks._rest.filters import ValueFilter, free_texts, known_texts

__all__ = ["TIMES", "GraphAlertFilter", "GraphIncidentFilter"]

TIMES = {"created": "createdDateTime", "updated": "lastUpdateDateTime"}
"""The property of each time of an alert or incident."""
SEVERITIES = ("unknown", "informational", "low", "medium", "high")
ALERT_STATUSES = ("unknown", "new", "inProgress", "resolved")
INCIDENT_STATUSES = ("active", "inProgress", "resolved", "redirected", "awaitingAction")
SERVICE_SOURCES = (
    "azureAdIdentityProtection",
    "dataLossPrevention",
    "microsoft365Defender",
    "microsoftAppGovernance",
    "microsoftDefenderForCloud",
    "microsoftDefenderForCloudApps",
    "microsoftDefenderForEndpoint",
    "microsoftDefenderForIdentity",
    "microsoftDefenderForOffice365",
    "microsoftInsiderRiskManagement",
    "microsoftSecurityForAI",
    "microsoftSentinel",
    "microsoftThreatIntelligence",
    "unknown",
)
_API = "Microsoft Graph"
_ENDPOINT_SEVERITIES = {"unspecified": "unknown"}
"""The Endpoint API's names, in lower case, where they differ in more than case."""


@dataclass(frozen=True, init=False)
class GraphAlertFilter(ValueFilter):
    """A filter of Graph's alerts; an empty part lets all pass.

    `severity` and `status` take Graph's values and those of the Endpoint API (`New`, `UnSpecified`), in any
    case, and store Graph's spelling; an unknown value raises `ConfigurationError`. `category` and
    `service_source` are free text, since Microsoft adds to them (`warnings` reports values that may be
    misspelt). Values are sorted and without duplicates, so equal filters compare as equal.
    """

    documented: ClassVar[Mapping[str, Collection[str]]] = {
        "category": (*ALERT_CATEGORIES, *OTHER_CATEGORIES),
        "serviceSource": SERVICE_SOURCES,
    }
    unfilterable: ClassVar[frozenset[str]] = frozenset({"category"})

    severity: tuple[str, ...]
    status: tuple[str, ...]
    category: tuple[str, ...]
    service_source: tuple[str, ...]

    def __init__(
        self,
        severity: Collection[str] | str | None = None,
        status: Collection[str] | str | None = None,
        category: Collection[str] | str | None = None,
        service_source: Collection[str] | str | None = None,
    ) -> None:
        known = {name.lower(): name for name in SERVICE_SOURCES}
        sources = (known.get(text.lower(), text) for text in free_texts("service_source", service_source))
        object.__setattr__(
            self, "severity", known_texts("severity", severity, SEVERITIES, _API, _ENDPOINT_SEVERITIES)
        )
        object.__setattr__(self, "status", known_texts("status", status, ALERT_STATUSES, _API))
        object.__setattr__(self, "category", free_texts("category", category))
        object.__setattr__(self, "service_source", tuple(sorted(set(sources))))

    def as_dict(self) -> Mapping[str, list[str]]:
        """The parts that are not empty, by Graph's property, for the log's position."""
        parts = {
            "severity": self.severity,
            "status": self.status,
            "category": self.category,
            "serviceSource": self.service_source,
        }
        return {name: list(values) for name, values in parts.items() if values}


@dataclass(frozen=True, init=False)
class GraphIncidentFilter(ValueFilter):
    """A filter of Graph's incidents by severity and status, as `GraphAlertFilter`."""

    noun: ClassVar[str] = "incident"

    severity: tuple[str, ...]
    status: tuple[str, ...]

    def __init__(
        self,
        severity: Collection[str] | str | None = None,
        status: Collection[str] | str | None = None,
    ) -> None:
        object.__setattr__(
            self, "severity", known_texts("severity", severity, SEVERITIES, _API, _ENDPOINT_SEVERITIES)
        )
        object.__setattr__(self, "status", known_texts("status", status, INCIDENT_STATUSES, _API))

    def as_dict(self) -> Mapping[str, list[str]]:
        """The parts that are not empty, for the log's position."""
        parts = {"severity": self.severity, "status": self.status}
        return {name: list(values) for name, values in parts.items() if values}
