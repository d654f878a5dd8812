"""A local Entra ID, Defender for Endpoint alerts API and instance metadata service, to test DAGs against.

In a test:

    from airflow_provider_defender.simulator import Simulator

    with Simulator(seed=7, page_size=100) as simulator:
        simulator.tenant.add_alert(severity="High")
        simulator.faults.cut(page=1)
        …                                   # run your DAG against simulator.connections()

From a shell: `python -m airflow_provider_defender.simulator --help`.

Nothing else in this package uses it. It is faithful to what is publicly known of the services; where that
ends, the docstrings say so.
"""

from __future__ import annotations

from airflow_provider_defender.simulator._alerts_api import Page
from airflow_provider_defender.simulator._application import LoggedRequest
from airflow_provider_defender.simulator._certificates import KeyPair
from airflow_provider_defender.simulator._directory import Application, Directory, FederatedCredential
from airflow_provider_defender.simulator._faults import ALERTS, TOKEN, Fault, Faults
from airflow_provider_defender.simulator._messages import Answer, Request
from airflow_provider_defender.simulator._simulator import Simulator
from airflow_provider_defender.simulator._tenant import DEFAULT_START, Tenant
from airflow_provider_defender.simulator._versions import Version

__all__ = [
    "ALERTS",
    "DEFAULT_START",
    "TOKEN",
    "Answer",
    "Application",
    "Directory",
    "Fault",
    "Faults",
    "FederatedCredential",
    "KeyPair",
    "LoggedRequest",
    "Page",
    "Request",
    "Simulator",
    "Tenant",
    "Version",
]
