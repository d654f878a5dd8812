"""The datasets: the package's mappings, and each dataset's schema and partitioning."""

from __future__ import annotations

import pyarrow as pa

from airflow_provider_defender.landing import Partitioning

from ..mapping import Mapping
from .alerts import alerts_schema
from .defender_for_cloud import DEFENDER_FOR_CLOUD
from .endpoint_alerts import ENDPOINT_ALERTS
from .graph.alerts import GRAPH_ALERTS
from .graph.incidents import GRAPH_INCIDENTS
from .streaming import AZURE_MONITOR, STREAMING_TABLES, UNKNOWN_TABLE

__all__ = ["ALERTS", "EVENTS", "MAPPINGS", "partitioning_of", "schema_of", "usual_partitioning"]

ALERTS = "alerts"
"""The dataset that several sources share; its schema does not follow from one mapping."""
EVENTS = "events/"
"""The prefix of the names of hub datasets."""

MAPPINGS: tuple[Mapping, ...] = (
    ENDPOINT_ALERTS,
    GRAPH_ALERTS,
    GRAPH_INCIDENTS,
    *STREAMING_TABLES,
    UNKNOWN_TABLE,
    *DEFENDER_FOR_CLOUD,
    AZURE_MONITOR,
)
"""The mappings of this package."""


def schema_of(mapping: Mapping) -> pa.Schema:
    """The schema of the dataset that a mapping fills."""
    return alerts_schema() if mapping.dataset == ALERTS else mapping.own_schema()


def partitioning_of(mapping: Mapping) -> Partitioning:
    """The partitioning of the dataset that a mapping fills: the mapping's own, or the default."""
    return mapping.partitioning or usual_partitioning(mapping.dataset)


def usual_partitioning(dataset: str) -> Partitioning:
    """The default: by hour for events, of which there are many; by day for everything else."""
    return Partitioning.HOUR if dataset.startswith(EVENTS) else Partitioning.DAY
