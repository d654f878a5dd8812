"""The event hub as a service of the simulator: it answers no HTTP, but has control paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.hub.embedded import EmbeddedHub
from airflow_provider_defender.simulator.hub.exporter import EventExporter
from airflow_provider_defender.simulator.server.messages import Request
from airflow_provider_defender.simulator.server.service import Handler, Route, Service

__all__ = ["EventHubService"]


class _NewEvents(msgspec.Struct, forbid_unknown_fields=True):
    records: int = 0
    over_seconds: float = 0.0
    oddities: list[str] = []
    odd: float | None = None
    duplicates: float | None = None


class EventHubService(Service):
    """The embedded hub and its exporter, which begin when they are first asked for.

    `tenant` gives the tenant whose events are sent; without `partitions` there is no hub.
    """

    name = "event_hub"

    def __init__(self, tenant: Callable[[], Tenant], partitions: int) -> None:
        self._tenant = tenant
        self._partitions = partitions
        self._exporter: EventExporter | None = None

    @property
    def enabled(self) -> bool:
        """Whether the simulator was made with events."""
        return self._partitions > 0

    @property
    def exporter(self) -> EventExporter:
        """What sends the tenant's events into the hub.

        Raises RuntimeError for a simulator without events, EmbeddedHubError when the hub cannot start.
        """
        if not self.enabled:
            raise RuntimeError("This simulator has no event hub: make it with events=True (--events).")
        if self._exporter is None:
            self._exporter = EventExporter(self._tenant(), EmbeddedHub(), partitions=self._partitions)
        return self._exporter

    def stop(self) -> None:
        """End exporter and hub, if they have begun."""
        if self._exporter is not None:
            self._exporter.stop()
            self._exporter.namespace.stop()

    def connections(self) -> dict[str, dict[str, Any]]:
        """The Airflow connection to the hub, by its id; none without a hub."""
        return {"event_hub_default": self.exporter.connection()} if self.enabled else {}

    def routes(self) -> Mapping[Route, Handler]:
        """Control paths that send events and tell the truth about them."""
        return {("GET", "/events"): lambda request: self.exporter.state(), ("POST", "/events"): self._send}

    def _send(self, request: Request) -> object:
        order = msgspec.json.decode(request.body or b"{}", type=_NewEvents)
        exporter = self.exporter
        exporter.set_shares(odd=order.odd, duplicates=order.duplicates)
        at_once = 0 if order.over_seconds > 0 else order.records
        exporter.send(at_once, oddities=order.oddities)
        if order.over_seconds > 0:
            exporter.send_over(order.records, order.over_seconds)
        return exporter.state()
