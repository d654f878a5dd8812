"""The columns that every table of alerts has (Microsoft Learn, "Alert resource type")."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._rest.arrow import ColumnType

__all__ = ["ALERT_COLUMNS"]

_TEXTS = (
    "id",
    "incidentId",
    "investigationId",
    "assignedTo",
    "severity",
    "status",
    "classification",
    "determination",
    "investigationState",
    "detectionSource",
    "detectorId",
    "category",
    "threatFamilyName",
    "threatName",
    "title",
    "description",
    "machineId",
    "computerDnsName",
    "rbacGroupName",
    "aadTenantId",
)
_TIMES = ("alertCreationTime", "firstEventTime", "lastEventTime", "lastUpdateTime", "resolvedTime")

ALERT_COLUMNS: Mapping[str, ColumnType] = MappingProxyType(
    {**dict.fromkeys(_TEXTS, "text"), **dict.fromkeys(_TIMES, "time")}
)
"""Name → type. Identifiers are text, though the API writes some of them as numbers."""
