"""Operators: land sources in the lake, keep the lake in good order, keep open tables over it."""

from __future__ import annotations

from airflow_provider_defender.operators.alerts import DefenderAlertsToParquetOperator
from airflow_provider_defender.operators.event_hub import (
    EventHubPartitionsOperator,
    EventHubToParquetOperator,
)
from airflow_provider_defender.operators.iceberg import IcebergTableOperator
from airflow_provider_defender.operators.incidents import DefenderIncidentsToParquetOperator
from airflow_provider_defender.operators.maintenance import (
    LakeCompactionOperator,
    LakeRetentionOperator,
    LakeSweepOperator,
)
from airflow_provider_defender.operators.tables import DeltaTableOperator

__all__ = [
    "DefenderAlertsToParquetOperator",
    "DefenderIncidentsToParquetOperator",
    "DeltaTableOperator",
    "EventHubPartitionsOperator",
    "EventHubToParquetOperator",
    "IcebergTableOperator",
    "LakeCompactionOperator",
    "LakeRetentionOperator",
    "LakeSweepOperator",
]
