"""A REST API with tokens, roles, a quota and pages, as Microsoft's are: what its services have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote_plus

import msgspec

from airflow_provider_defender.simulator.server.messages import Answer, Request, error_answer
from airflow_provider_defender.simulator.server.quota import Quota
from airflow_provider_defender.simulator.server.service import Service, Surroundings, TokenRefusedError

__all__ = ["BadRequestError", "Page", "PageHook", "RestService", "Window", "whole_number"]

_JSON = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8"
_ROWS_IN_PART = 64
_PLAIN = "$:/'(),"  # what a nextLink leaves unescaped in values
_Row = TypeVar("_Row")


class BadRequestError(Exception):
    """A request that is answered with 400: a code and a text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def whole_number(options: Mapping[str, str], name: str) -> int | None:
    """The number that a query option holds, None where it is not given.

    Raises BadRequestError when it is not a whole number.
    """
    if name not in options:
        return None
    text = options[name].strip()
    if not (text.isascii() and text.isdigit()):
        raise BadRequestError("ODataError", f"Invalid value '{text}' for {name} query option found.")
    return int(text)


@dataclass(frozen=True)
class Window:
    """Which rows of a list a request asks for; `top` is None when the service decides how many."""

    skip: int
    top: int | None
    page_size: int

    @classmethod
    def of(cls, request: Request, page_size: int) -> Window:
        """From `$skip` and `$top`.

        Raises BadRequestError when one is not a whole number.
        """
        options = request.parameters()
        top = whole_number(options, "$top")
        return cls(whole_number(options, "$skip") or 0, top, page_size)

    @property
    def size(self) -> int:
        """How many rows at most."""
        return self.page_size if self.top is None else self.top

    @property
    def end(self) -> int:
        """The number of the first row of the next page."""
        return self.skip + self.size

    @property
    def page(self) -> int:
        """Which page it is, from 0."""
        return self.skip // max(1, self.top or self.page_size)


@dataclass(frozen=True)
class Page:
    """A served page: its number in the drain (from 0), and the ids before, in and after it.

    `read` are the ids of earlier pages, `rows` of this one, `unread` of later ones, as the API sees them now.
    `path` says which list of which API it is of.
    """

    number: int
    filter: str
    read: tuple[str, ...]
    rows: tuple[str, ...]
    unread: tuple[str, ...]
    path: str = ""


PageHook = Callable[[Page], object]


def _encoded(record: Any) -> bytes:
    return record if isinstance(record, bytes) else msgspec.json.encode(record)


class RestService(Service):
    """A REST API for applications with a token.

    What derives from it names itself and answers `respond`:

        class Tickets(RestService):
            name, prefix = "tickets", "/api/tickets"

            def __init__(self) -> None:
                self.records: list[dict[str, object]] = []

            def respond(self, request: Request) -> Answer:
                return self.page_of(request, self.records)

    * `prefix`: the path of its list, and the beginning of all its paths.
    * `resources`: whose tokens it accepts (without any: every token of the tenant); `roles`: the application
      roles of which a token needs one (without any: none is needed).
    * `page_size`: rows a page when the request has no `$top`.
    * `before_page` is called with a `Page` before it is read, `after_page` when it is ready; for lists that
      are answered by `list_of`.
    * `faults`: `revoke`, `throttle` and `next_link`, see `Fault`.
    """

    prefix: str
    roles: tuple[str, ...] = ()
    role_separator = ","
    page_size: int = 10_000
    before_page: PageHook | None = None
    after_page: PageHook | None = None
    faults = MappingProxyType({"next_link": None, "revoke": None, "throttle": None})

    def connect(self, surroundings: Surroundings) -> None:
        """Take links, clock, quota and the verification of tokens from a simulator."""
        self.surroundings = surroundings

    @property
    def quota(self) -> Quota:
        """How often an application may call; one for all REST APIs of a simulator, counted for each API."""
        return self.surroundings.quota

    def owns(self, request: Request) -> bool:
        """Whether the path is the prefix, or below it."""
        return f"{request.path}/".startswith(f"{self.prefix.rstrip('/')}/")

    def lists(self, request: Request) -> bool:
        """Whether the request is for a page of records."""
        return request.path.rstrip("/") == self.prefix.rstrip("/")

    def page(self, request: Request) -> int | None:
        """Which page of a drain a request asks for, from 0; None when it does not ask for a page."""
        if not self.lists(request):
            return None
        try:
            return self.window(request).page
        except BadRequestError:
            return None

    def respond(self, request: Request) -> Answer:
        """The answer to a request that may be answered.

        Raises BadRequestError for what is answered with 400.
        """
        raise NotImplementedError

    def handle(self, request: Request) -> Answer:
        """Refuse what has no token, no role or no quota left; answer the rest."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        try:
            return self.respond(request)
        except BadRequestError as error:
            return self.error(request, 400, error.code, str(error))

    def error(
        self,
        request: Request,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """An error as this API writes it."""
        return error_answer(status, code, message, headers)

    # -- who may ask

    def claims(self, request: Request) -> Mapping[str, Any] | None:
        """The claims of the request's token, None when it has no token that is accepted."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return self.surroundings.tokens.verify(token.strip(), frozenset(self.resources))
        except TokenRefusedError:
            return None

    def _refusal(self, request: Request) -> Answer | None:
        claims = request.claims
        if claims is not None and request.has_fault("revoke"):
            self.surroundings.tokens.revoke(claims)
            claims = None
        if claims is None:
            text = "Invalid or expired authorization header."
            return self.error(request, 401, "Unauthorized", text)
        return self._missing_role(request, claims) or self._over_quota(request, claims["appid"])

    def roles_for(self, request: Request) -> tuple[str, ...]:
        """The application roles of which a token needs one for this request; without any, none is needed."""
        return self.roles

    def _missing_role(self, request: Request, claims: Mapping[str, Any]) -> Answer | None:
        granted, needed = claims.get("roles", []), self.roles_for(request)
        if not needed or set(needed) & set(granted):
            return None
        message = (
            f"Missing application roles. API required roles: {self.role_separator.join(needed)}, "
            f"application roles: {self.role_separator.join(granted)}."
        )
        return self.error(request, 403, "Forbidden", message)

    def _over_quota(self, request: Request, client_id: str) -> Answer | None:
        quota, caller = self.quota, f"{self.name}/{client_id}"
        if request.fault is not None and request.has_fault("throttle"):
            quota.block(caller, request.fault.seconds, hour=request.fault.hour)
        exceeded = quota.refusal(caller)
        if exceeded is None:
            return None
        seconds, text = exceeded
        return self.error(request, 429, "429", text, {"Retry-After": str(seconds)})

    # -- answers

    def ok(self, parts: list[bytes]) -> Answer:
        """An answer with OData's headers; the body in parts."""
        return Answer(200, {"Content-Type": _JSON, "OData-Version": "4.0"}, parts)

    def context(self, request: Request) -> str:
        """What stands in `@odata.context` of a list."""
        return f"{request.origin(self.surroundings.url)}/$metadata#{self.name}"

    def window(self, request: Request) -> Window:
        """Which rows of a list a request asks for.

        Raises BadRequestError for what the API refuses.
        """
        return Window.of(request, self.page_size)

    def positioned(self, options: Mapping[str, str], position: int) -> dict[str, str]:
        """The query options of a link to the rows from `position` on."""
        return {**{name: value for name, value in options.items() if name != "$skip"}, "$skip": str(position)}

    def list_of(
        self,
        request: Request,
        select: Callable[[], Sequence[_Row]],
        *,
        name: Callable[[_Row], str],
        encode: Callable[[_Row], bytes] = _encoded,
        count: bool = False,
    ) -> Answer:
        """`page_of` the rows that `select` finds, between the calls of `before_page` and `after_page`.

        `select` is called after `before_page`, whose changes are therefore in the page; `name` gives the id
        of a row.

        Raises BadRequestError as `window` does.
        """
        window = self.window(request)
        if self.before_page is not None:
            self.before_page(_seen(request, window, [name(row) for row in select()]))
        rows = select()
        answer = self.page_of(request, rows, encode=encode, count=count)
        if self.after_page is not None:
            self.after_page(_seen(request, window, [name(row) for row in rows]))
        return answer

    def page_of(
        self,
        request: Request,
        rows: Sequence[_Row],
        *,
        encode: Callable[[_Row], bytes] = _encoded,
        count: bool = False,
    ) -> Answer:
        """The page of `rows` that the request asks for, with a link to the next one.

        `encode` makes JSON of a row; by default, bytes stay as they are. With `count`, `@odata.count` says
        how many rows there are. As at Microsoft, an answer to a request with `$top` has no link.

        Raises BadRequestError when `$skip` or `$top` is not a whole number.
        """
        window = self.window(request)
        head = f'{{"@odata.context":"{self.context(request)}",'
        if count:
            head += f'"@odata.count":{len(rows)},'
        parts = [f'{head}"value":['.encode(), *_parts(rows[window.skip : window.end], encode), b"]"]
        link = self._link(request, window, more=window.top is None and window.end < len(rows))
        if link is not None:
            parts.append(b',"@odata.nextLink":' + msgspec.json.encode(link))
        answer = self.ok([*parts, b"}"])
        answer.headers["Date"] = self.surroundings.date()  # the page holds nothing that happens from here on
        return answer

    def _link(self, request: Request, window: Window, *, more: bool) -> str | None:
        """The absolute URL of the next page, or what a fault puts in its place."""
        wanted = request.fault.link if request.fault and request.has_fault("next_link") else None
        if wanted not in (None, "same", "first"):
            return wanted
        if wanted is None and not more:
            return None
        position = {None: window.end, "same": window.skip, "first": 0}[wanted]
        options = self.positioned(request.parameters(), position)
        text = "&".join(f"{name}={quote_plus(value, safe=_PLAIN)}" for name, value in options.items())
        return f"{request.origin(self.surroundings.url)}{request.path}?{text}"


def _seen(request: Request, window: Window, ids: Sequence[str]) -> Page:
    read, rows, unread = ids[: window.skip], ids[window.skip : window.end], ids[window.end :]
    text = request.parameters().get("$filter", "")
    return Page(window.page, text, tuple(read), tuple(rows), tuple(unread), request.path)


def _parts(rows: Sequence[_Row], encode: Callable[[_Row], bytes]) -> list[bytes]:
    """The rows as JSON list items, some dozens in each part."""
    parts = []
    for start in range(0, len(rows), _ROWS_IN_PART):
        part = b",".join(map(encode, rows[start : start + _ROWS_IN_PART]))
        parts.append(part if start == 0 else b"," + part)
    return parts
