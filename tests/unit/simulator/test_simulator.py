"""The simulator as a whole."""

from __future__ import annotations

import subprocess
import sys

from airflow_provider_defender.simulator import Simulator, Tenant
from tests.unit.simulator.conftest import Client


def test_another_tenant_in_its_place(simulator: Simulator, client: Client) -> None:
    old = simulator.tenant_id
    simulator.tenant = Tenant("next", alerts=3)
    assert simulator.tenant_id != old
    assert client.get().status_code == 401
    assert len(Client(simulator).ids()) == 3


def test_connections(simulator: Simulator) -> None:
    connection = simulator.connections()["defender_default"]
    assert connection["conn_type"] == "defender"
    assert f"https://{connection['host']}:{connection['port']}" == simulator.url
    assert connection["extra"]["tenant_id"] == simulator.tenant_id
    assert connection["extra"]["cloud"] == "custom"


def test_nothing_else_in_the_package_imports_it() -> None:
    code = (
        "import sys, airflow_provider_defender, airflow_provider_defender.timestamps as t;"
        "assert not [m for m in sys.modules if 'simulator' in m]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
