"""The event hub of a simulator."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_defender.simulator import Simulator, Tenant


def test_a_simulator_without_events_has_no_hub() -> None:
    with Simulator(tenant=Tenant(7, alerts=0)) as simulator:
        assert "event_hub_default" not in simulator.connections()
        with pytest.raises(RuntimeError, match="events=True"):
            _ = simulator.exporter


def test_confluent_kafka_is_loaded_with_the_hub_only() -> None:
    code = (
        "import sys\n"
        "from airflow_provider_defender.simulator import Simulator\n"
        "with Simulator() as s: s.connections()\n"
        "assert 'confluent_kafka' not in sys.modules\n"
        "with Simulator(events=True) as s: s.connections()\n"
        "assert 'confluent_kafka' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
