"""`/v1.0/security` of Microsoft Graph: `alerts_v2` and `incidents`, with their quirks as switches."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from airflow_provider_defender.simulator.graph.control import control_routes, portal_state
from airflow_provider_defender.simulator.graph.portal import Portal
from airflow_provider_defender.simulator.graph.versions import TIMES, VALUES, RecordVersion
from airflow_provider_defender.simulator.server import odata
from airflow_provider_defender.simulator.server.messages import Answer, Request, json_answer
from airflow_provider_defender.simulator.server.odata import FilterError, Properties
from airflow_provider_defender.simulator.server.rest import BadRequestError, RestService, Window, whole_number
from airflow_provider_defender.simulator.server.service import Handler, Route

__all__ = ["ALERT_ROLES", "INCIDENT_ROLES", "RESOURCES", "GraphApi"]

Ordering = Literal["honour", "ignore", "refuse"]

ALERT_ROLES = ("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All")
INCIDENT_ROLES = ("SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All")
_ROLES = frozenset({*ALERT_ROLES, *INCIDENT_ROLES, "ThreatHunting.Read.All"})
#: Names by which tokens for Microsoft Graph can be had, with the application roles that exist there.
RESOURCES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "https://graph.microsoft.com": _ROLES,
        "https://graph.microsoft.us": _ROLES,
        "https://dod-graph.microsoft.us": _ROLES,
    }
)
_PATH = re.compile(r"/v1\.0/security/(?P<list>alerts_v2|incidents)(/(?P<id>[^/]+))?(?P<alerts>/alerts)?/?\Z")
_TYPES = {"alerts_v2": "alert", "incidents": "incident"}
_OPTIONS = frozenset({"$filter", "$top", "$skip", "$skiptoken", "$orderby", "$count"})
_FILTERS = {
    "alert": Properties("microsoft.graph.security.alert", times=TIMES, values=VALUES),
    "incident": Properties(
        "microsoft.graph.security.incident", times=TIMES, values=VALUES - {"serviceSource"}
    ),
}
_UNKNOWN_MEMBERS = "include-unknown-enum-members"
_SWITCHES = (
    "page_size",
    "orderby",
    "incident_orderby",
    "largest_top",
    "incident_top",
    "largest_skip",
    "link_form",
    "retry_after",
    "expand_fails",
    "largest_expanded",
)
_CODES = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "Forbidden",
    404: "ResourceNotFound",
    429: "TooManyRequests",
    500: "InternalServerError",
}


@dataclass(frozen=True)
class _Query:
    """What a request asks for: `type` of the records, those of one incident only, how they are shown."""

    type: str
    incident: str | None
    expand: bool
    future: bool


class GraphApi(RestService):
    """The API for one tenant, as `simulator.graph`, with switches for what is undocumented.

    * `orderby`, `incident_orderby`: how `$orderby` is treated, which is undocumented.
    * `page_size`: rows a page without `$top`; `largest_top` and `incident_top`: the most that `$top` gives.
      More is cut down for alerts, and refused for incidents.
    * `largest_skip`: a `$skip` above it is refused (None: none is). `link_form`: the option that links use.
    * `retry_after`: whether 429 says how long to wait.
    * `expand_fails`: whether lists of incidents with `$expand=alerts` answer 500, as in large tenants.
    * `largest_expanded`: the most alerts that an incident in such a list has; `alerts@odata.nextLink` leads
      to the others (None: it has all).
    """

    name = "graph"
    prefix = "/v1.0/security"
    hosts = frozenset({"graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us"})
    resources = RESOURCES
    role_separator = ", "

    def __init__(self, portal: Callable[[], Portal], page_size: int) -> None:
        self._portal = portal
        self.page_size = page_size
        self.orderby: Ordering = "honour"
        self.incident_orderby: Ordering = "honour"
        self.largest_top = 1_000
        self.incident_top = 50
        self.largest_skip: int | None = 500
        self.link_form: Literal["$skiptoken", "$skip"] = "$skiptoken"
        self.retry_after = True
        self.expand_fails = False
        self.largest_expanded: int | None = None

    def copy_switches(self, other: GraphApi) -> None:
        """Answer as another one does."""
        for name in _SWITCHES:
            setattr(self, name, getattr(other, name))

    @property
    def portal(self) -> Portal:
        """What the API shows: alerts of all products, and incidents, to be looked at and changed."""
        return self._portal()

    def lists(self, request: Request) -> bool:
        """Whether the request is for a page of records."""
        match = _PATH.match(request.path)
        return match is not None and (match["id"] is None or match["alerts"] is not None)

    def roles_for(self, request: Request) -> tuple[str, ...]:
        """The roles for alerts, or for incidents."""
        return INCIDENT_ROLES if request.path.startswith(f"{self.prefix}/incidents") else ALERT_ROLES

    def routes(self) -> Mapping[Route, Handler]:
        """Control paths for new alerts, changes and the ground truth."""
        return control_routes(self._portal)

    def state(self) -> Mapping[str, Any]:
        """How many alerts and incidents Graph shows, and how it answers."""
        return {"graph": {**portal_state(self.portal), "page_size": self.page_size, "orderby": self.orderby}}

    # -- requests

    def respond(self, request: Request) -> Answer:
        """A page of alerts or incidents, or a single one."""
        match = _PATH.match(request.path)
        if match is None or (match["alerts"] and match["list"] != "incidents"):
            return self.error(request, 404, "", "Resource not found for the segment.")
        if request.method != "GET":
            return self.error(request, 405, "MethodNotAllowed", "Only GET is simulated.")
        type_name, row_id = _TYPES[match["list"]], unquote(match["id"]) if match["id"] else None
        if row_id is not None and not match["alerts"]:
            return self._single(request, type_name, row_id)
        if row_id is not None and self.portal.visible("incident", row_id) is None:
            return self._missing(request, row_id)
        type_name = "alert" if row_id is not None else type_name
        return self._list(request, self._query(request, type_name, row_id))

    def _missing(self, request: Request, row_id: str) -> Answer:
        return self.error(request, 404, "", f"The requested resource '{row_id}' was not found.")

    def _single(self, request: Request, type_name: str, row_id: str) -> Answer:
        query = self._query(request, type_name, None)
        version = self.portal.visible(type_name, row_id)
        if version is None:
            return self._missing(request, row_id)
        head = f'{{"@odata.context":"{self.context(request)}/$entity",'.encode()
        answer = self.ok([head, self._encode(request, query, version).lstrip()[1:]])
        return self._noted(answer, query)

    def _list(self, request: Request, query: _Query) -> Answer:
        if query.expand and self.expand_fails:
            return self.error(request, 500, "", "An internal server error has occurred.")
        options = request.parameters()
        matches, order = self._filter(query, options), self._order(query, options.get("$orderby", ""))
        answer = self.list_of(
            request,
            lambda: self._rows(query, options.get("$filter", ""), matches, order),
            name=lambda row: row.row_id,
            encode=lambda row: self._encode(request, query, row),
            count=options.get("$count") == "true",
        )
        return self._noted(answer, query)

    def _rows(
        self,
        query: _Query,
        label: str,
        matches: Callable[[RecordVersion], bool] | None,
        order: tuple[str, bool] | None,
    ) -> Sequence[RecordVersion]:
        rows = self.portal.select(query.type, label, matches)
        if query.incident is not None:
            incident = self.portal.visible("incident", query.incident)
            members = set(incident.members) if incident is not None else set()
            rows = [row for row in rows if row.row_id in members]
        switch = self.orderby if query.type == "alert" else self.incident_orderby
        if order is None or switch == "ignore":
            order = ("lastUpdateDateTime", True)
        name, descending = order
        rows.sort(key=lambda row: _sort_key(row.fields.get(name)), reverse=descending)
        return rows

    def _noted(self, answer: Answer, query: _Query) -> Answer:
        if query.future:
            answer.headers["Preference-Applied"] = _UNKNOWN_MEMBERS
        return answer

    # -- records

    def _encode(self, request: Request, query: _Query, version: RecordVersion) -> bytes:
        record = version.rendered(query.future)
        if not query.expand:
            return record
        rows = list(self.portal.members(version))
        path = f"security/incidents('{version.row_id}')/alerts"
        annotations = {"alerts@odata.context": f"{self._root(request)}/$metadata#{path}"}
        most = self.largest_expanded
        if most is not None and len(rows) > most:
            rows.sort(key=lambda row: _sort_key(row.fields.get("lastUpdateDateTime")), reverse=True)
            rows = rows[:most]
            rest = f"security/incidents/{version.row_id}/alerts?$skiptoken={_token(most)}"
            annotations["alerts@odata.nextLink"] = f"{self._root(request)}/{rest}"
        members = [row.rendered(query.future) for row in rows]
        added = msgspec.json.encode(annotations)[1:-1]
        return record.rstrip()[:-1] + b"," + added + b',"alerts":[' + b",".join(members) + b"]}"

    def _root(self, request: Request) -> str:
        return f"{request.origin(self.surroundings.url)}/v1.0"

    def context(self, request: Request) -> str:
        """The value of `@odata.context`."""
        path = request.path.removeprefix(f"{self.prefix}/").strip("/")
        name, _, rest = path.partition("/")
        if rest.endswith("/alerts"):
            name = f"incidents('{rest.removesuffix('/alerts')}')/alerts"
        return f"{self._root(request)}/$metadata#security/{name}"

    # -- query options

    def _query(self, request: Request, type_name: str, incident: str | None) -> _Query:
        allowed = _OPTIONS | ({"$expand"} if type_name == "incident" else set())
        options = request.parameters()
        for name in options:
            if name.startswith("$") and name not in allowed:
                raise BadRequestError("", f"Query option '{name}' is not allowed.")
        expand = options.get("$expand", "")
        if expand not in ("", "alerts"):
            raise BadRequestError("", f"Could not find a property named '{expand}' on type '{type_name}'.")
        wanted = {part.strip().lower() for part in request.headers.get("prefer", "").split(",")}
        return _Query(type_name, incident, expand == "alerts", _UNKNOWN_MEMBERS in wanted)

    def _filter(self, query: _Query, options: Mapping[str, str]) -> Callable[[RecordVersion], bool] | None:
        if "$filter" not in options:
            return None
        try:
            return odata.compile_filter(options["$filter"], _FILTERS[query.type])
        except FilterError as error:
            raise BadRequestError("", f"Invalid filter clause: {error}") from error

    def _order(self, query: _Query, text: str) -> tuple[str, bool] | None:
        switch = self.orderby if query.type == "alert" else self.incident_orderby
        if not text:
            return None
        name, _, direction = text.strip().partition(" ")
        properties = _FILTERS[query.type]
        known = name in properties.times or name in properties.values
        if switch == "refuse" or not known or direction not in ("", "asc", "desc"):
            raise BadRequestError("", f"The query option '$orderby={text}' is not supported.")
        return name, direction == "desc"

    def window(self, request: Request) -> Window:
        """Which records a request asks for: `$top` cut down or refused, `$skip` or the place in a link."""
        options = request.parameters()
        top, skip = whole_number(options, "$top"), whole_number(options, "$skip") or 0
        incidents = request.path.rstrip("/").endswith("/incidents")
        limit = self.incident_top if incidents else self.largest_top
        if incidents and top is not None and top > limit:
            raise BadRequestError(
                "",
                f"The limit of '{limit}' for Top query has been exceeded. "
                f"The value from the incoming request is '{top}'.",
            )
        if self.largest_skip is not None and skip > self.largest_skip:
            raise BadRequestError(
                "",
                f"The limit of '{self.largest_skip}' for Skip query has been exceeded. "
                f"The value from the incoming request is '{skip}'.",
            )
        if "$skiptoken" in options:
            skip = _place(options["$skiptoken"])
        return Window(skip, None, min(self.page_size if top is None else top, limit))

    def positioned(self, options: Mapping[str, str], position: int) -> dict[str, str]:
        """The query options of a link, in the form that `link_form` says."""
        rest = {name: value for name, value in options.items() if name not in ("$skip", "$skiptoken")}
        place = str(position) if self.link_form == "$skip" else _token(position)
        return {**rest, self.link_form: place}

    # -- errors

    def error(
        self,
        request: Request,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """An error as Microsoft Graph writes it, with `innerError`."""
        inner = {
            "date": self.portal.tenant.now().isoformat()[:19],
            "request-id": str(uuid.uuid4()),
            "client-request-id": request.headers.get("client-request-id", str(uuid.uuid4())),
        }
        if status == 429:
            inner = {"code": "429", **inner}
        given = {} if status == 429 and not self.retry_after else dict(headers or {})
        body = {"error": {"code": _CODES.get(status, code), "message": message, "innerError": inner}}
        return json_answer(status, body, given)


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"position={position}".encode()).rstrip(b"=").decode()


def _place(token: str) -> int:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        return int(text.removeprefix("position="))
    except ValueError as error:
        raise BadRequestError("", "The skip token is not valid.") from error


def _sort_key(value: Any) -> tuple[bool, str, Any]:
    """Nulls first; values of different types (raw records) apart from each other."""
    return (value is not None, type(value).__name__, value)
