"""The description of a REST API, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from airflow_provider_defender.clouds import ApiHosts, Cloud
from airflow_provider_defender.hooks._rest.errors import ErrorRule

__all__ = ["RestApi"]


@dataclass(frozen=True, eq=False)
class RestApi:
    """A REST API of Microsoft's with pages: a list `value`, and a link `@odata.nextLink`."""

    name: str
    """Its name in messages."""
    hosts: Callable[[Cloud], ApiHosts]
    """Its hosts, scope and host families in a cloud."""
    test_path: str
    """A cheap path, with its query, that needs the roles; used by the Test button."""
    roles: tuple[str, ...]
    """Application roles, any of which gives access; the first is the one to grant."""
    purpose: str
    """What the roles are for, in the result of the Test button."""
    errors: tuple[ErrorRule, ...] = ()
    """Its table of errors: the first row that matches a response counts."""
    calls_per_minute: int = 100
    """Requests per minute, unless the connection limits them."""
    calls_per_hour: int = 1500
    """Requests per hour, unless the connection limits them."""
    absent: str = "there is no such API in this cloud"
    """The message for a cloud without this API."""
    absent_from: frozenset[str] = frozenset()
    """Clouds without this API, though its hosts exist there."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of each request, besides token and user agent."""
    members: frozenset[str] = frozenset()
    """Members that its pages may have besides `value`, the link, `@odata.context` and `@odata.count`."""
