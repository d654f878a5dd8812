"""The `alerts` dataset: one schema for the alerts of Defender for Endpoint and of Microsoft Graph."""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from airflow_provider_defender.landing import LANDING_TYPE

from ..fields import ECS_FIELDS, SEED_FIELDS, field_type, nested_schema
from .endpoint_alerts import ENDPOINT_ALERTS
from .graph.shape import graph_security_type

__all__ = ["alerts_schema"]


@cache
def alerts_schema() -> pa.Schema:
    """The schema: all ECS and seed fields that either source can fill, both containers, and `landing`."""
    leaves = {name: field_type(name) for name in [*ECS_FIELDS, *SEED_FIELDS]}
    return nested_schema(
        {
            **leaves,
            "microsoft.defender_endpoint": ENDPOINT_ALERTS.container_type,
            "microsoft.graph_security": graph_security_type(),
            "landing": LANDING_TYPE,
        }
    )
