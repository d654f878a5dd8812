"""A simulator of Microsoft's services for one tenant, for testing DAGs: Entra ID, alerts, Graph, event hub.

In a test:

    from airflow_provider_defender.simulator import Simulator

    with Simulator(seed=7, page_size=100) as simulator:
        simulator.tenant.add_alert(severity="High")
        simulator.faults.cut(page=1)
        …                                   # run your DAG against simulator.connections()

From a shell: `python -m airflow_provider_defender.simulator --help`.

It is an extra: `pip install "airflow-provider-defender[simulator]"`. Nothing else in this package uses it. It
follows what is publicly known about the services; the docstrings say where that ends.

Inside, `server` knows no service by name; `entra`, `defender`, `graph` and `hub` are the services (`graph`
shows the alerts of `defender`'s tenant beside those of other products, `hub` sends its events); `_services`
is the table of services; `attack` is one attack that all of them tell alike; `demo` runs a real Airflow
against them.
"""

from __future__ import annotations

from airflow_provider_defender.simulator import _extra  # noqa: F401 - says what to install, before others fail
from airflow_provider_defender.simulator._simulator import Faults, Simulator
from airflow_provider_defender.simulator.defender.faults import ALERTS
from airflow_provider_defender.simulator.defender.tenant import DEFAULT_START, Tenant
from airflow_provider_defender.simulator.defender.versions import Version
from airflow_provider_defender.simulator.entra.certificates import KeyPair
from airflow_provider_defender.simulator.entra.directory import Application, Directory, FederatedCredential
from airflow_provider_defender.simulator.entra.faults import TOKEN
from airflow_provider_defender.simulator.graph.faults import GRAPH, GRAPH_ALERTS, GRAPH_INCIDENTS
from airflow_provider_defender.simulator.graph.portal import Portal
from airflow_provider_defender.simulator.graph.versions import RecordVersion
from airflow_provider_defender.simulator.server.fault import Fault
from airflow_provider_defender.simulator.server.log import LoggedRequest
from airflow_provider_defender.simulator.server.messages import Answer, Request, error_answer, json_answer
from airflow_provider_defender.simulator.server.rest import BadRequestError, Page, RestService
from airflow_provider_defender.simulator.server.service import Service

__all__ = [
    "ALERTS",
    "DEFAULT_START",
    "GRAPH",
    "GRAPH_ALERTS",
    "GRAPH_INCIDENTS",
    "TOKEN",
    "Answer",
    "Application",
    "BadRequestError",
    "Directory",
    "Fault",
    "Faults",
    "FederatedCredential",
    "KeyPair",
    "LoggedRequest",
    "Page",
    "Portal",
    "RecordVersion",
    "Request",
    "RestService",
    "Service",
    "Simulator",
    "Tenant",
    "Version",
    "error_answer",
    "json_answer",
]
