"""Sensors: wait until a source has something that the lake does not."""

from __future__ import annotations

from airflow_provider_defender.sensors.alerts import DefenderAlertSensor
from airflow_provider_defender.sensors.event_hub import EventHubSensor
from airflow_provider_defender.sensors.incidents import DefenderIncidentSensor

__all__ = ["DefenderAlertSensor", "DefenderIncidentSensor", "EventHubSensor"]
