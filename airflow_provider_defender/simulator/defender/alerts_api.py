"""`/api/alerts` of Defender for Endpoint: the query options, pages and single alerts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import unquote

from airflow_provider_defender.simulator.defender.control import control_routes, tenant_state
from airflow_provider_defender.simulator.defender.odata import FilterError, compile_filter
from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.defender.versions import FILTER_TIMES, FILTER_VALUES, Version
from airflow_provider_defender.simulator.server.messages import Answer, Request, error_answer
from airflow_provider_defender.simulator.server.rest import (
    BadRequestError,
    Page,
    PageHook,
    RestService,
    Window,
)
from airflow_provider_defender.simulator.server.service import Handler, Route

__all__ = ["RESOURCES", "AlertsApi", "Page", "PageHook"]

_PATH = re.compile(r"/api/(v1\.0/)?alerts(/(?P<id>[^/]+))?/?\Z")
_MOST_ROWS = 10_000
_OPTIONS = frozenset({"$filter", "$top", "$skip", "$expand", "$orderby", "$count"})
_RESOURCE_ROLES = frozenset(
    {
        "Alert.Read.All",
        "Alert.ReadWrite.All",
        "Machine.Read.All",
        "Machine.ReadWrite.All",
        "Vulnerability.Read.All",
        "Ti.ReadWrite",
        "Ti.ReadWrite.All",
        "AdvancedQuery.Read.All",
        "User.Read.All",
        "Score.Read.All",
        "Software.Read.All",
        "SecurityRecommendation.Read.All",
    }
)
#: Names by which tokens for Defender for Endpoint can be had, with the application roles that exist there.
RESOURCES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "https://api.securitycenter.microsoft.com": _RESOURCE_ROLES,
        "https://securitycenter.onmicrosoft.com/windowsatpservice": _RESOURCE_ROLES,
        "https://api-gcc.securitycenter.microsoft.us": _RESOURCE_ROLES,
        "https://api-gov.securitycenter.microsoft.us": _RESOURCE_ROLES,
    }
)


@dataclass(frozen=True)
class _Query:
    filter: str
    matches: Callable[[Version], bool] | None
    evidence: bool
    order: tuple[str, bool] | None
    count: bool


class AlertsApi(RestService):
    """The API for one tenant. `orderby` decides how the undocumented `$orderby` is treated."""

    name = "alerts"
    prefix = "/api"
    hosts = frozenset(
        {
            "api.security.microsoft.com",
            "api.securitycenter.microsoft.com",
            "api-gcc.securitycenter.microsoft.us",
            "api-gov.securitycenter.microsoft.us",
        }
    )
    resources = RESOURCES
    roles = ("Alert.Read.All", "Alert.ReadWrite.All")

    def __init__(self, tenant: Tenant, page_size: int) -> None:
        self.tenant = tenant
        self.page_size = page_size
        self.orderby: Literal["honour", "ignore", "refuse"] = "honour"

    def lists(self, request: Request) -> bool:
        """Whether the request is for a page of alerts."""
        match = _PATH.match(request.path)
        return match is not None and match["id"] is None

    def routes(self) -> Mapping[Route, Handler]:
        """Control paths for new alerts, changes and the ground truth."""
        return control_routes(self.tenant)

    def state(self) -> Mapping[str, Any]:
        """The tenant's clock and counts, and the rows per page."""
        return {**tenant_state(self.tenant), "page_size": self.page_size}

    def respond(self, request: Request) -> Answer:
        """A page of alerts, or a single one."""
        match = _PATH.match(request.path)
        if match is None:
            return error_answer(404, "NotFound", "Resource not found.")
        if request.method != "GET":
            return error_answer(405, "InvalidInput", "The requested resource does not support this method.")
        if match["id"] is not None:
            return self._single(request, unquote(match["id"]))
        return self._list(request)

    def context(self, request: Request) -> str:
        """The value of `@odata.context`, for the API version that was requested."""
        root = "/api/v1.0" if request.path.startswith("/api/v1.0/") else "/api"
        return f"{request.origin(self.surroundings.url)}{root}/$metadata#Alerts"

    # -- the answers

    def _single(self, request: Request, alert_id: str) -> Answer:
        query = self._query(request)
        version = self.tenant.visible(alert_id)
        if version is None:
            return error_answer(404, "ResourceNotFound", f"Alert {alert_id} was not found.")
        context = f'{{"@odata.context":"{self.context(request)}/$entity",'.encode()
        return self.ok([context, version.rendered(query.evidence).lstrip()[1:]])

    def _list(self, request: Request) -> Answer:
        query = self._query(request)
        return self.list_of(
            request,
            lambda: self._rows(query),
            name=lambda row: row.alert_id,
            encode=lambda row: row.rendered(query.evidence),
            count=query.count,
        )

    def _rows(self, query: _Query) -> list[Version]:
        rows = self.tenant.select(query.filter, query.matches)
        if query.order is not None and self.orderby == "honour":
            name, descending = query.order
            rows.sort(key=lambda row: _sort_key(row.fields.get(name)), reverse=descending)
        return rows

    # -- the query options

    def _query(self, request: Request) -> _Query:
        options = request.parameters()
        for name in options:
            if name.startswith("$") and name not in _OPTIONS:
                raise BadRequestError("ODataError", f"The query option '{name}' is not supported.")
        matches = _filter(options)
        self.window(request)
        evidence = _expands_evidence(options.get("$expand", ""))
        order = self._order(options.get("$orderby", ""))
        return _Query(options.get("$filter", ""), matches, evidence, order, options.get("$count") == "true")

    def window(self, request: Request) -> Window:
        """Which alerts a request asks for; refuses a `$top` above 10,000."""
        window = super().window(request)
        if window.top is not None and window.top > _MOST_ROWS:
            raise BadRequestError("BadRequest", "$top query option exceeds the limit.")
        return window

    def _order(self, text: str) -> tuple[str, bool] | None:
        if not text:
            return None
        name, _, direction = text.strip().partition(" ")
        known = name in FILTER_TIMES or name in FILTER_VALUES
        if self.orderby == "refuse" or not known or direction not in ("", "asc", "desc"):
            raise BadRequestError("ODataError", f"The query option '$orderby={text}' is not supported.")
        return name, direction == "desc"


def _filter(options: Mapping[str, str]) -> Callable[[Version], bool] | None:
    try:
        return compile_filter(options["$filter"]) if "$filter" in options else None
    except FilterError as error:
        raise BadRequestError("ODataError", f"Invalid OData query. {error}") from error


def _expands_evidence(text: str) -> bool:
    if text not in ("", "evidence"):
        raise BadRequestError("ODataError", f"Could not find a property named '{text}' on type 'Alert'.")
    return text != ""


def _sort_key(value: Any) -> tuple[bool, str, Any]:
    """Nulls first; values of different types (raw records) apart from each other."""
    return (value is not None, type(value).__name__, value)
