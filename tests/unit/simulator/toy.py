"""A REST service that is not Microsoft's: what one writes to bring an API of one's own into the simulator."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from airflow_provider_defender.simulator import Answer, Request, RestService

AUDIENCE = "https://tickets.example"


class Tickets(RestService):
    """`/api/tickets`: tickets by update time, two a page, for tokens with the role `Ticket.Read`."""

    name, prefix = "tickets", "/api/tickets"
    resources = MappingProxyType({AUDIENCE: frozenset({"Ticket.Read"})})
    roles = ("Ticket.Read",)
    page_size = 2

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def respond(self, request: Request) -> Answer:
        since = request.parameters().get("updatedSince", "")
        return self.page_of(request, [record for record in self.records if record["updated"] >= since])
