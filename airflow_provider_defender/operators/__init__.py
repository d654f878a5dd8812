"""Operators: read a source, map it to ECS, land it in the lake."""

from __future__ import annotations

from airflow_provider_defender.operators.alerts import DefenderAlertsToParquetOperator

__all__ = ["DefenderAlertsToParquetOperator"]
