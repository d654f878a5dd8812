"""Sensors: wait until a source holds something that the lake does not."""

from __future__ import annotations

from airflow_provider_defender.sensors.alerts import DefenderAlertSensor
from airflow_provider_defender.sensors.event_hub import EventHubSensor

__all__ = ["DefenderAlertSensor", "EventHubSensor"]
