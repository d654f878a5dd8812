"""Sensors: wait until a source holds something that the lake does not."""

from __future__ import annotations

from airflow_provider_defender.sensors.alerts import DefenderAlertSensor

__all__ = ["DefenderAlertSensor"]
