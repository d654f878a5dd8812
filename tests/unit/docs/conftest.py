"""The fixtures of operators and sensors; the documentation's examples run on what they land."""

from __future__ import annotations

from tests.helpers.airflow import lake, run_clock, running_simulator, simulator
from tests.helpers.event_hubs import event_lake, hub

from .lakes import landed, made, views

__all__ = [
    "event_lake",
    "hub",
    "lake",
    "landed",
    "made",
    "run_clock",
    "running_simulator",
    "simulator",
    "views",
]
