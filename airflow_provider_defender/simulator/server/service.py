"""What a service is: the one interface by which the server, the faults and the control paths know services.

A service is one module (or package) and one entry in the simulator's table of services. Most are REST APIs
and take the rest from `rest.RestService`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, overload

from airflow_provider_defender.simulator.server.clock import ServiceClock
from airflow_provider_defender.simulator.server.messages import Answer, Request, error_answer
from airflow_provider_defender.simulator.server.quota import Quota

__all__ = ["Handler", "Route", "Service", "Services", "Surroundings", "TokenRefusedError", "TokenVerifier"]

#: Method and path below `/_simulator` of a control path.
Route = tuple[str, str]
#: Does what a control request asks for, and returns what is answered as JSON.
Handler = Callable[[Request], object]


class TokenRefusedError(Exception):
    """An access token that a service does not accept; the text says why."""


class TokenVerifier(Protocol):
    """Who issues the tokens that services accept."""

    def verify(self, token: str, audiences: frozenset[str]) -> dict[str, Any]:
        """The claims of a token for one of `audiences`; without any, for whatever it was issued.

        Raises TokenRefusedError when it is not accepted.
        """

    def revoke(self, claims: Mapping[str, Any]) -> None:
        """Refuse the token with these claims from now on."""


@dataclass(frozen=True)
class Surroundings:
    """What the simulator gives to each of its services.

    `url` is the base of links, `date` gives the tenant's time as HTTP's `Date` header has it.
    """

    url: str
    clock: ServiceClock
    quota: Quota
    tokens: TokenVerifier
    date: Callable[[], str]


class Service(Protocol):
    """One simulated service. A class that derives from this has only to say what differs.

    * `name`: what it is called, once in a simulator.
    * `hosts`: the names by which it is known outside, in lower case. A request to one of them goes to no
      other service; requests to the simulator's own address go to the first service that owns them.
    * `secure`: whether it is at the TLS port, else at the plain one.
    * `faults`: the effects of faults that it has itself, each with the path pattern that such a fault is for
      by default (None: requests for a page of records). `Request.fault` says which one is due.
    * `resources`: what Entra ID issues tokens for, with the application roles that exist there.
    """

    name: str
    hosts: frozenset[str] = frozenset()
    secure: bool = True
    faults: Mapping[str, str | None] = MappingProxyType({})
    resources: Mapping[str, frozenset[str]] = MappingProxyType({})

    def connect(self, surroundings: Surroundings) -> None:
        """Become part of a simulator; once more when its tenant is replaced."""
        return

    def owns(self, request: Request) -> bool:
        """Whether the service answers the request."""
        return False

    def page(self, request: Request) -> int | None:
        """Which page of a drain the request asks for, from 0; None when it does not ask for a page."""
        return None

    def claims(self, request: Request) -> Mapping[str, Any] | None:
        """The claims of the request's token, None without one that is accepted."""
        return None

    def handle(self, request: Request) -> Answer:
        """The answer to a request that the service owns."""
        return error_answer(404, "NotFound", "Resource not found.")

    def routes(self) -> Mapping[Route, Handler]:
        """Control paths below `/_simulator`, by method and path."""
        return {}

    def state(self) -> Mapping[str, Any]:
        """What `GET /_simulator` tells of the service; no secrets."""
        return {}


class Services(Sequence[Service]):
    """A simulator's services, in the order in which they are asked whether a request is theirs.

    Raises ValueError when two have the same name.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        names = [service.name for service in services]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Two services are named {', '.join(twice)}. Give each a name of its own.")
        self._services = tuple(services)

    def find(self, request: Request) -> Service | None:
        """The service that answers a request, if there is one."""
        at_host = [service for service in self if request.host in service.hosts]
        fitting = (service for service in at_host or self if service.secure == request.secure)
        return next((service for service in fitting if service.owns(request)), None)

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    @overload
    def __getitem__(self, index: int) -> Service: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Service, ...]: ...

    def __getitem__(self, index: int | slice) -> Service | tuple[Service, ...]:
        return self._services[index]
