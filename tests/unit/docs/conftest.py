"""The fixtures of operators and sensors; the documentation's examples run on what they land."""

from __future__ import annotations

from tests.unit.airflow_fixtures import lake, run_clock, running_simulator, simulator

__all__ = ["lake", "run_clock", "running_simulator", "simulator"]
