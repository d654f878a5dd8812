"""Operators: read a source, map it to ECS, land it in the lake."""

from __future__ import annotations

from airflow_provider_defender.operators.alerts import DefenderAlertsToParquetOperator
from airflow_provider_defender.operators.event_hub import (
    EventHubPartitionsOperator,
    EventHubToParquetOperator,
)

__all__ = ["DefenderAlertsToParquetOperator", "EventHubPartitionsOperator", "EventHubToParquetOperator"]
