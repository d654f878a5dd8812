"""The columns that every table of alerts or incidents has.

Source: Microsoft Learn, "alert resource type" and "incident resource type" of Microsoft Graph's security API.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._rest.arrow import ColumnType

__all__ = ["ALERT_COLUMNS", "INCIDENT_COLUMNS"]

_ALERT_TEXTS = (
    "id",
    "providerAlertId",
    "incidentId",
    "title",
    "description",
    "severity",
    "status",
    "category",
    "classification",
    "determination",
    "serviceSource",
    "detectionSource",
    "productName",
    "detectorId",
    "tenantId",
    "assignedTo",
    "investigationState",
    "actorDisplayName",
    "threatDisplayName",
    "threatFamilyName",
    "alertPolicyId",
    "recommendedActions",
    "alertWebUrl",
    "incidentWebUrl",
)
_ALERT_TIMES = (
    "createdDateTime",
    "firstActivityDateTime",
    "lastActivityDateTime",
    "lastUpdateDateTime",
    "resolvedDateTime",
)
_INCIDENT_TEXTS = (
    "id",
    "displayName",
    "description",
    "summary",
    "severity",
    "status",
    "classification",
    "determination",
    "assignedTo",
    "tenantId",
    "redirectIncidentId",
    "resolvingComment",
    "lastModifiedBy",
    "incidentWebUrl",
)
_INCIDENT_TIMES = ("createdDateTime", "lastUpdateDateTime")


def _columns(texts: tuple[str, ...], times: tuple[str, ...]) -> Mapping[str, ColumnType]:
    return MappingProxyType({**dict.fromkeys(texts, "text"), **dict.fromkeys(times, "time")})


ALERT_COLUMNS = _columns(_ALERT_TEXTS, _ALERT_TIMES)
"""Name → type. Identifiers are text."""
INCIDENT_COLUMNS = _columns(_INCIDENT_TEXTS, _INCIDENT_TIMES)
"""Name → type. Identifiers are text."""
