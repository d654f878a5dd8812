"""`/api/alerts` of Defender for Endpoint: who may ask, the query options, pages and single alerts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote_plus, unquote

import msgspec

from airflow_provider_defender.simulator._entra import DEFENDER_AUDIENCES, EntraId, TokenRefusedError
from airflow_provider_defender.simulator._faults import Fault, error_answer
from airflow_provider_defender.simulator._messages import Answer, Request
from airflow_provider_defender.simulator._odata import FilterError, compile_filter
from airflow_provider_defender.simulator._quota import Quota
from airflow_provider_defender.simulator._tenant import Tenant
from airflow_provider_defender.simulator._versions import FILTER_TIMES, FILTER_VALUES, Version

__all__ = ["AlertsApi", "Page", "PageHook"]

_PATH = re.compile(r"/api/(v1\.0/)?alerts(/(?P<id>[^/]+))?/?\Z")
_MOST_ROWS = 10_000
_ROLES = ("Alert.Read.All", "Alert.ReadWrite.All")
_OPTIONS = frozenset({"$filter", "$top", "$skip", "$expand", "$orderby", "$count"})
_JSON = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8"
_ROWS_IN_PART = 64
_PLAIN = "$:/'(),"  # what a nextLink leaves unescaped in values


@dataclass(frozen=True)
class Page:
    """A page that is served: its number in the drain (from 0) and the ids on either side of it.

    `read` are the ids of earlier pages, `rows` of this one, `unread` of later ones: as the API sees them now.
    """

    number: int
    filter: str
    read: tuple[str, ...]
    rows: tuple[str, ...]
    unread: tuple[str, ...]


PageHook = Callable[[Page], object]


class _BadRequestError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class _Query:
    filter: str
    matches: Callable[[Version], bool] | None
    top: int | None
    skip: int
    evidence: bool
    order: tuple[str, bool] | None
    count: bool

    def page_number(self, page_size: int) -> int:
        return self.skip // max(1, self.top or page_size)


class AlertsApi:
    """The API. `orderby` says what becomes of the undocumented `$orderby`."""

    def __init__(self, tenant: Tenant, entra: EntraId, quota: Quota, base_url: str, page_size: int) -> None:
        self.tenant = tenant
        self.page_size = page_size
        self.orderby: Literal["honour", "ignore", "refuse"] = "honour"
        self.before_page: PageHook | None = None
        self.after_page: PageHook | None = None
        self.quota = quota
        self._entra = entra
        self._base_url = base_url

    @staticmethod
    def owns(request: Request) -> bool:
        """Whether this API answers the request."""
        return request.path.startswith("/api/")

    def page_number(self, request: Request) -> int | None:
        """Which page of a drain a request asks for, from 0; None when it does not ask for a page."""
        match = _PATH.match(request.path)
        if match is None or match["id"] is not None:
            return None
        parameters = request.parameters()
        skip, top = parameters.get("$skip", "0"), parameters.get("$top", "")
        rows = int(top) if top.isdigit() and int(top) > 0 else self.page_size
        return int(skip) // rows if skip.isdigit() else None

    def answer(self, request: Request, claims: Mapping[str, Any] | None, fault: Fault | None) -> Answer:
        """The answer to a request of somebody with these claims (see `claims`)."""
        refusal = self._refusal(claims, fault)
        if refusal is not None:
            return refusal
        match = _PATH.match(request.path)
        if match is None:
            return error_answer(404, "NotFound", "Resource not found.")
        if request.method != "GET":
            return error_answer(405, "InvalidInput", "The requested resource does not support this method.")
        try:
            if match["id"] is not None:
                return self._single(request, unquote(match["id"]))
            return self._list(request, fault.link if fault and fault.kind == "next_link" else None)
        except _BadRequestError as error:
            return error_answer(400, error.code, str(error))

    def claims(self, request: Request) -> dict[str, Any] | None:
        """The claims of the request's token, None when it has no token that is accepted."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return self._entra.verify(token.strip(), DEFENDER_AUDIENCES)
        except TokenRefusedError:
            return None

    def _refusal(self, claims: Mapping[str, Any] | None, fault: Fault | None) -> Answer | None:
        if claims is not None and fault is not None and fault.kind == "revoke":
            self._entra.revoke(claims)
            claims = None
        if claims is None:
            return error_answer(401, "Unauthorized", "Invalid or expired authorization header.")
        roles = claims.get("roles", [])
        if not set(_ROLES) & set(roles):
            message = (
                f"Missing application roles. API required roles: {','.join(_ROLES)}, "
                f"application roles: {','.join(roles)}."
            )
            return error_answer(403, "Forbidden", message)
        client_id = claims["appid"]
        if fault is not None and fault.kind == "throttle":
            self.quota.block(client_id, fault.seconds, hour=fault.hour)
        if exceeded := self.quota.refusal(client_id):
            seconds, text = exceeded
            return error_answer(429, "429", text, {"Retry-After": str(seconds)})
        return None

    # -- the answers

    def _single(self, request: Request, alert_id: str) -> Answer:
        query = self._query(request)
        version = self.tenant.visible(alert_id)
        if version is None:
            return error_answer(404, "ResourceNotFound", f"Alert {alert_id} was not found.")
        context = f'{{"@odata.context":"{self._context(request)}/$entity",'.encode()
        return self._ok([context, version.rendered(query.evidence).lstrip()[1:]])

    def _list(self, request: Request, link: str | None) -> Answer:
        query = self._query(request)
        number = query.page_number(self.page_size)
        size = self.page_size if query.top is None else query.top
        if self.before_page is not None:
            self.before_page(_page(number, query, self._rows(query), size))
        matching = self._rows(query)
        rows = matching[query.skip : query.skip + size]
        head = f'{{"@odata.context":"{self._context(request)}",'
        if query.count:
            head += f'"@odata.count":{len(matching)},'
        parts = [f'{head}"value":['.encode(), *_parts(rows, query.evidence), b"]"]
        more = query.top is None and query.skip + size < len(matching)
        if more or link is not None:
            target = self._next_link(request, query, link, query.skip + size)
            parts.append(b',"@odata.nextLink":' + msgspec.json.encode(target))
        parts.append(b"}")
        answer = self._ok(parts)
        answer.headers["Date"] = self.tenant.date_header()  # the page holds nothing that happens from here on
        if self.after_page is not None:
            self.after_page(_page(number, query, matching, size))
        return answer

    def _rows(self, query: _Query) -> list[Version]:
        rows = self.tenant.select(query.filter, query.matches)
        if query.order is not None and self.orderby == "honour":
            name, descending = query.order
            rows.sort(key=lambda row: _sort_key(row.fields.get(name)), reverse=descending)
        return rows

    def _ok(self, parts: list[bytes]) -> Answer:
        return Answer(200, {"Content-Type": _JSON, "OData-Version": "4.0"}, parts)

    def _context(self, request: Request) -> str:
        root = "/api/v1.0" if request.path.startswith("/api/v1.0/") else "/api"
        return f"{request.origin(self._base_url)}{root}/$metadata#Alerts"

    def _next_link(self, request: Request, query: _Query, link: str | None, skip: int) -> str:
        """The absolute URL of the next page, or what a fault puts in its place."""
        if link not in (None, "same", "first"):
            return str(link)
        position = {None: skip, "same": query.skip, "first": 0}[link]
        options = {name: value for name, value in request.parameters().items() if name != "$skip"}
        options["$skip"] = str(position)
        text = "&".join(f"{name}={quote_plus(value, safe=_PLAIN)}" for name, value in options.items())
        return f"{request.origin(self._base_url)}{request.path}?{text}"

    # -- the query options

    def _query(self, request: Request) -> _Query:
        options = request.parameters()
        for name in options:
            if name.startswith("$") and name not in _OPTIONS:
                raise _BadRequestError("ODataError", f"The query option '{name}' is not supported.")
        text = options.get("$filter", "")
        try:
            matches = compile_filter(text) if "$filter" in options else None
        except FilterError as error:
            raise _BadRequestError("ODataError", f"Invalid OData query. {error}") from error
        top = _whole_number(options, "$top")
        if top is not None and top > _MOST_ROWS:
            raise _BadRequestError("BadRequest", "$top query option exceeds the limit.")
        expand = options.get("$expand", "")
        if expand not in ("", "evidence"):
            raise _BadRequestError(
                "ODataError", f"Could not find a property named '{expand}' on type 'Alert'."
            )
        order = self._order(options.get("$orderby", ""))
        count = options.get("$count") == "true"
        return _Query(text, matches, top, _whole_number(options, "$skip") or 0, expand != "", order, count)

    def _order(self, text: str) -> tuple[str, bool] | None:
        if not text:
            return None
        name, _, direction = text.strip().partition(" ")
        known = name in FILTER_TIMES or name in FILTER_VALUES
        if self.orderby == "refuse" or not known or direction not in ("", "asc", "desc"):
            raise _BadRequestError("ODataError", f"The query option '$orderby={text}' is not supported.")
        return name, direction == "desc"


def _parts(rows: list[Version], evidence: bool) -> list[bytes]:
    """The rows as JSON list items, some dozens in each part."""
    parts = []
    for start in range(0, len(rows), _ROWS_IN_PART):
        part = b",".join(row.rendered(evidence) for row in rows[start : start + _ROWS_IN_PART])
        parts.append(part if start == 0 else b"," + part)
    return parts


def _page(number: int, query: _Query, matching: list[Version], size: int) -> Page:
    ids = [version.alert_id for version in matching]
    end = query.skip + size
    return Page(
        number, query.filter, tuple(ids[: query.skip]), tuple(ids[query.skip : end]), tuple(ids[end:])
    )


def _whole_number(options: Mapping[str, str], name: str) -> int | None:
    if name not in options:
        return None
    text = options[name].strip()
    if not (text.isascii() and text.isdigit()):
        raise _BadRequestError("ODataError", f"Invalid value '{text}' for {name} query option found.")
    return int(text)


def _sort_key(value: Any) -> tuple[bool, str, Any]:
    """Nulls first; values of different types (raw records) apart from each other."""
    return (value is not None, type(value).__name__, value)
