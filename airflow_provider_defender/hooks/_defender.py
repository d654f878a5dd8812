"""What connections of type `defender` are for."""

from __future__ import annotations

from airflow_provider_defender.hooks._endpoint.api import ENDPOINT_API
from airflow_provider_defender.hooks._graph.api import GRAPH_ALERTS, GRAPH_INCIDENTS

__all__ = ["USES"]

USES = (GRAPH_ALERTS, GRAPH_INCIDENTS, ENDPOINT_API)
"""The APIs that such a connection may read, each with roles of its own; none of them is needed by all."""
