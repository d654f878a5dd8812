"""The fixtures that tests of operators and sensors share."""

from __future__ import annotations

from tests.unit.airflow_fixtures import lake, run_clock, running_simulator, simulator

__all__ = ["lake", "run_clock", "running_simulator", "simulator"]
