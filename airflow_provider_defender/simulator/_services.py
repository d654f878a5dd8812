"""The table of services: what a simulator serves. A service is one module and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from airflow_provider_defender.simulator.defender.alerts_api import AlertsApi
from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.entra.directory import IDENTITY_RESOURCE
from airflow_provider_defender.simulator.entra.identity import EntraId
from airflow_provider_defender.simulator.entra.imds import InstanceMetadata
from airflow_provider_defender.simulator.graph.portal import Portal
from airflow_provider_defender.simulator.graph.service import GraphApi
from airflow_provider_defender.simulator.hub.service import EventHubService
from airflow_provider_defender.simulator.server.clock import ServiceClock
from airflow_provider_defender.simulator.server.service import Service

__all__ = ["SERVICES", "Parts"]


@dataclass(frozen=True)
class Parts:
    """The parts that the services of a tenant share."""

    tenant: Tenant
    entra: EntraId
    hub: EventHubService
    clock: ServiceClock
    page_size: int


def _metadata(parts: Parts) -> InstanceMetadata:
    service = InstanceMetadata(parts.entra, parts.clock)
    applications = parts.entra.directory
    service.system = applications["system identity"]
    service.assigned[IDENTITY_RESOURCE] = applications["assigned identity"]
    return service


#: Name → factory of the service, in the order in which services are asked whether they own a request.
SERVICES: Mapping[str, Callable[[Parts], Service]] = MappingProxyType(
    {
        "entra": lambda parts: parts.entra,
        "imds": _metadata,
        "alerts": lambda parts: AlertsApi(parts.tenant, parts.page_size),
        "graph": lambda parts: GraphApi(lambda: Portal.of(parts.tenant), parts.page_size),
        "event_hub": lambda parts: parts.hub,
    }
)
