"""The fixtures that tests of operators and sensors share."""

from __future__ import annotations

from tests.unit.airflow_fixtures import lake, run_clock, running_simulator, simulator
from tests.unit.event_fixtures import event_lake, hub

__all__ = ["event_lake", "hub", "lake", "run_clock", "running_simulator", "simulator"]
