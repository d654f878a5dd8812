"""What goes between the part that answers requests and the part that speaks HTTP."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import msgspec

__all__ = ["Answer", "Ending", "Request", "json_answer"]


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
    """A request as it came: header names in lower case, `query` without the question mark."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    secure: bool = True

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
