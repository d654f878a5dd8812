"""The fixtures of operators and sensors; the documentation's examples run on what they land."""

from __future__ import annotations

from tests.unit.airflow_fixtures import lake, run_clock, running_simulator, simulator
from tests.unit.event_fixtures import event_lake, hub

__all__ = ["event_lake", "hub", "lake", "run_clock", "running_simulator", "simulator"]
