"""The Streaming API's tables, one mapping each, and what else comes through an event hub."""

from __future__ import annotations

from ...mapping import ENVELOPE, Mapping, Shape
from .alerts import ALERT_TABLES
from .azure_monitor import AZURE_MONITOR
from .cloud import CLOUD_TABLES
from .email import EMAIL_TABLES
from .endpoint import ENDPOINT_TABLES
from .identity import IDENTITY_TABLES
from .table import CONTAINER, MODULE, common_constants

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
