"""What goes between the part that answers requests and the part that speaks HTTP."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from airflow_provider_defender.simulator.server.fault import Fault

__all__ = ["Answer", "Ending", "Request", "error_answer", "error_body", "json_answer"]


class Ending(str, enum.Enum):
    """How an answer's body ends on the wire."""

    WHOLE = "whole"
    TRUNCATED = "truncated"
    """Half of the body, ended as if it were all of it."""
    CUT = "cut"
    """Half of the body, then the connection is reset."""
    RESET = "reset"
    """The connection is reset before the first byte."""
    SILENT = "silent"
    """No byte is sent; the connection stays open until the client goes or the simulator stops."""
    WIRE = "wire"
    """The body is all that is sent, status line and headers included; then the connection is closed."""


@dataclass(frozen=True)
class Request:
    """A request as it came: header names in lower case, `query` without the question mark.

    The simulator adds `page` (of a drain, from 0; None when no page of records is asked for), `claims` (of
    the token, None without one that the service accepts) and `fault` (which happens to this request).
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    secure: bool = True
    page: int | None = None
    claims: Mapping[str, Any] | None = None
    fault: Fault | None = None

    @property
    def host(self) -> str:
        """The name by which the client reached us, in lower case and without the port."""
        return (urlsplit(f"//{self.headers.get('host', '')}").hostname or "").lower()

    def has_fault(self, effect: str) -> bool:
        """Whether a fault with this effect happens to the request."""
        return self.fault is not None and self.fault.effect == effect

    def origin(self, default: str) -> str:
        """Scheme, host and port by which the client reached us, for links that it is to follow."""
        host = self.headers.get("host")
        return f"{'https' if self.secure else 'http'}://{host}" if host else default

    def parameters(self) -> dict[str, str]:
        """The query's parameters, decoded; of a repeated one, the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """The fields of a form body, decoded."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass
class Answer:
    """An answer before it is compressed and sent: the body in parts, so that a large page is never copied."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: list[bytes] = field(default_factory=list)
    delay: float = 0.0
    """Seconds to wait before the first byte."""
    ending: Ending = Ending.WHOLE
    pause: float = 0.0
    """Seconds after each byte, with the ending `WIRE`."""


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer whose body is `body` as JSON."""
    return Answer(
        status,
        {"Content-Type": "application/json; charset=utf-8", **(headers or {})},
        [msgspec.json.encode(body)],
    )


def error_body(code: str, message: str) -> dict[str, Any]:
    """An error as Microsoft's REST APIs write it; `target` is what one quotes to support."""
    return {"error": {"code": code, "message": message, "target": str(uuid.uuid4())}}


def error_answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with an error of a REST API."""
    return json_answer(status, error_body(code, message), headers)
