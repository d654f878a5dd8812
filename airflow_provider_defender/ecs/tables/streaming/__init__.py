"""The Streaming API's tables, one mapping each, and what else comes through an event hub."""

from __future__ import annotations

from ...mapping import ENVELOPE, Mapping, Shape
from ._table import CONTAINER, MODULE, common_constants
from .alerts import ALERT_TABLES
from .cloud import CLOUD_TABLES
from .email import EMAIL_TABLES
from .endpoint import ENDPOINT_TABLES
from .identity import IDENTITY_TABLES

__all__ = ["AZURE_MONITOR", "STREAMING_TABLES", "UNKNOWN_TABLE"]

STREAMING_TABLES: tuple[Mapping, ...] = (
    *ALERT_TABLES,
    *CLOUD_TABLES,
    *ENDPOINT_TABLES,
    *EMAIL_TABLES,
    *IDENTITY_TABLES,
)
"""The mappings of all tables whose columns are known."""

_TIMES = ("Timestamp", "ActivityTimestamp", "TimeGenerated")

UNKNOWN_TABLE = Mapping(
    source="event_hub/Unknown",
    dataset="events/Unknown",
    shape=Shape(dict.fromkeys(_TIMES, "time")),
    container=CONTAINER,
    times=_TIMES,
    constants={**common_constants(MODULE, "unknown", "defender_xdr"), "event.kind": "event"},
    copies={"organization.id": "envelope.tenantId"},
    envelope=ENVELOPE,
    typed=False,
)
"""The mapping of tables whose columns are not known: the whole row stands in `unmapped`."""

AZURE_MONITOR = Mapping(
    source="event_hub/AzureMonitor",
    dataset="events/AzureMonitor",
    shape=Shape(
        {
            "time": "time",
            "resourceId": "string",
            "tenantId": "string",
            "category": "string",
            "operationName": "string",
            "operationVersion": "string",
            "resultType": "identifier",
            "resultSignature": "identifier",
            "resultDescription": "string",
            "durationMs": "identifier",
            "callerIpAddress": "string",
            "correlationId": "string",
            "level": "identifier",
            "location": "string",
            "identity": "dynamic",
            "properties": "dynamic",
        }
    ),
    container="microsoft.azure_monitor",
    times=("time",),
    tenant="tenantId",
    constants={
        "data_stream.dataset": "azure_monitor.log",
        "data_stream.namespace": "default",
        "data_stream.type": "logs",
        "event.dataset": "azure_monitor.log",
        "event.kind": "event",
        "event.module": "azure_monitor",
        "event.timezone": "UTC",
        "observer.vendor": "Microsoft",
        "tags": ["azure-monitor", "forwarded"],
    },
    copies={"event.provider": "category", "organization.id": "tenantId"},
)
"""Azure Monitor's diagnostic records (sign-ins, audit logs): the common columns, the rest as it came."""
