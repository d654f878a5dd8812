"""The fixtures that tests of operators and sensors share."""

from __future__ import annotations

from tests.helpers.airflow import lake, run_clock, running_simulator, simulator
from tests.helpers.event_hubs import event_lake, hub

__all__ = ["event_lake", "hub", "lake", "run_clock", "running_simulator", "simulator"]
