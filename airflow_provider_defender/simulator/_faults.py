"""Faults to switch on, for a path, a page or the n-th request; once, several times or until switched off."""

from __future__ import annotations

import fnmatch
import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import msgspec

from airflow_provider_defender.simulator._aadsts import aadsts_answer
from airflow_provider_defender.simulator._messages import Answer, Ending, Request

__all__ = ["ALERTS", "TOKEN", "Fault", "Faults", "error_answer"]

#: The path pattern of the alerts API, of every version.
ALERTS = "/api/*alerts"
#: The path pattern of the token endpoint.
TOKEN = "/*/oauth2/v2.0/token"  # noqa: S105 - a path

Kind = Literal[
    "answer",
    "truncated",
    "cut",
    "reset",
    "silent",
    "slow",
    "next_link",
    "revoke",
    "throttle",
    "aadsts",
    "wire",
    "large",
]
_MEBIBYTE = b" " * (1 << 20)
_HTML = (
    "<!DOCTYPE html><html><head><title>Service unavailable</title></head>"
    "<body><h1>Our services aren't available right now</h1></body></html>"
)


@dataclass
class Fault:
    """What goes wrong, and when.

    * `path`: a pattern as in file names; `method`: only this one.
    * `page`: only this page of a drain (the first is 0); `nth`: only the n-th matching request (from 1),
      counted from when the fault was switched on.
    * `times`: how often it happens, None until it is switched off.

    The kinds: `answer` (status, headers and body as given), `truncated` (half of the body, ended properly),
    `cut` (half of the body, then a reset), `reset` (before the first byte), `silent` (no answer at all),
    `slow` (`seconds` late), `next_link` (`link` in place of the page's own: "same", "first" or a URL),
    `revoke` (401, and the token stays refused), `throttle` (429 for `seconds`, `hour` for the hourly text),
    `aadsts` (Entra ID's error `code`), `wire` (`body`, a character a byte, is all that is sent, from the
    status line on, one byte each `seconds` if any are given), `large` (`status` with a body of `size` MiB,
    which packs to a thousandth).
    """

    kind: Kind
    path: str = ALERTS
    method: str | None = None
    page: int | None = None
    nth: int | None = None
    times: int | None = 1
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    seconds: float = 0.0
    hour: bool = False
    link: str = "same"
    code: int = 0
    size: int = 0
    matched: int = 0
    happened: int = 0

    def due(self, request: Request, page: int | None) -> bool:
        """Count a request; whether the fault happens to it."""
        if self.times is not None and self.happened >= self.times:
            return False
        if self.method is not None and self.method != request.method:
            return False
        if not fnmatch.fnmatchcase(request.path, self.path):
            return False
        if self.page is not None and self.page != page:
            return False
        self.matched += 1
        if self.nth is not None and self.matched != self.nth:
            return False
        self.happened += 1
        return True

    def spoil(self, answer: Answer) -> None:
        """Make a true answer a faulty one, for the kinds that do so."""
        if self.kind == "slow":
            answer.delay += self.seconds
        elif self.kind in ("truncated", "cut", "reset", "silent"):
            answer.ending = Ending(self.kind)

    def replacement(self, request: Request) -> Answer | None:
        """The answer that stands in place of the true one, for the kinds that have it."""
        if self.kind == "aadsts":
            return aadsts_answer(self.code, correlation_id=request.headers.get("client-request-id"))
        if self.kind == "answer":
            return Answer(
                self.status, {"Content-Type": "application/json", **self.headers}, [self.body.encode()]
            )
        if self.kind == "large":
            return Answer(self.status, {"Content-Type": "application/json"}, [_MEBIBYTE] * self.size)
        if self.kind == "wire":
            return Answer(body=[self.body.encode("latin-1")], ending=Ending.WIRE, pause=self.seconds)
        return None


class Faults:
    """The faults that are switched on. The methods named for a fault switch it on, by default once."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on; where several fit a request, the one switched on first happens."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def add_json(self, text: bytes | str) -> Fault:
        """Switch on a fault that is written as a JSON object with the fields of `Fault`.

        Raises msgspec.ValidationError when it is not one.
        """
        return self.add(msgspec.json.decode(text, type=Fault))

    def remove(self, fault: Fault) -> None:
        """Switch a fault off; one that is off already stays so."""
        with self._lock:
            self._faults = [other for other in self._faults if other is not fault]

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._faults = []

    def due(self, request: Request, page: int | None) -> Fault | None:
        """The fault that happens to a request, if any."""
        with self._lock:
            return next((fault for fault in self._faults if fault.due(request, page)), None)

    def listed(self) -> list[dict[str, Any]]:
        """All faults switched on, with how often each has matched and happened."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    # -- by name

    def status(
        self, status: int, body: str = "", headers: Mapping[str, str] | None = None, **when: Any
    ) -> Fault:
        """Any status, body and headers."""
        return self.add(Fault("answer", status=status, body=body, headers=headers or {}, **when))

    def error(
        self, status: int, code: str, message: str, *, retry_after: int | None = None, **when: Any
    ) -> Fault:
        """An error body as the Defender API writes it."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return self.status(status, json.dumps(_error_body(code, message)), headers, **when)

    def server_error(self, status: int = 500, **when: Any) -> Fault:
        """500 or 503."""
        code = "InternalServerError" if status == 500 else "ServiceUnavailable"
        return self.error(status, code, "Internal server error.", **when)

    def html(self, status: int = 502, **when: Any) -> Fault:
        """A proxy's HTML page; with status 200 it pretends to be the answer."""
        return self.status(status, _HTML, {"Content-Type": "text/html; charset=utf-8"}, **when)

    def missing_role(self, **when: Any) -> Fault:
        """403, as when the administrator has not granted the application's role."""
        message = (
            "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, "
            "application roles: ."
        )
        return self.error(403, "Forbidden", message, **when)

    def expired_token(self, **when: Any) -> Fault:
        """401, and the token of that request stays refused; a new token is accepted."""
        return self.add(Fault("revoke", **when))

    def throttle(self, seconds: float = 26, *, hour: bool = False, **when: Any) -> Fault:
        """429 with Retry-After, for all of the application's calls until that time has passed."""
        return self.add(Fault("throttle", seconds=seconds, hour=hour, **when))

    def truncated(self, **when: Any) -> Fault:
        """Half of the body, ended as if it were whole."""
        return self.add(Fault("truncated", **when))

    def cut(self, **when: Any) -> Fault:
        """Half of the body, then the connection is reset."""
        return self.add(Fault("cut", **when))

    def reset(self, **when: Any) -> Fault:
        """The connection is reset before the first byte."""
        return self.add(Fault("reset", **when))

    def silent(self, **when: Any) -> Fault:
        """No answer; the connection stays open."""
        return self.add(Fault("silent", **when))

    def slow(self, seconds: float, **when: Any) -> Fault:
        """A true answer, late."""
        return self.add(Fault("slow", seconds=seconds, **when))

    def wire(self, text: str, *, seconds: float = 0.0, **when: Any) -> Fault:
        """These very bytes (a character each) as the whole answer, at once or one each `seconds`."""
        return self.add(Fault("wire", body=text, seconds=seconds, **when))

    def large(self, mebibytes: int, status: int = 200, **when: Any) -> Fault:
        """An answer that unpacks to that many MiB."""
        return self.add(Fault("large", size=mebibytes, status=status, **when))

    def repeating_next_link(self, **when: Any) -> Fault:
        """A page whose nextLink leads to itself, for as long as it is asked for."""
        return self.add(Fault("next_link", link="same", **{"times": None, **when}))

    def foreign_next_link(
        self, url: str = "https://attacker.example/api/alerts?$skip=1", **when: Any
    ) -> Fault:
        """A page whose nextLink leads to somebody else's host."""
        return self.add(Fault("next_link", link=url, **when))

    def aadsts(self, code: int, **when: Any) -> Fault:
        """An error of Entra ID's token endpoint, by its AADSTS number."""
        return self.add(Fault("aadsts", code=code, **{"path": TOKEN, **when}))


def _error_body(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "target": str(uuid.uuid4())}}


def error_answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error of the Defender API; `target` is what one quotes to support."""
    body = json.dumps(_error_body(code, message)).encode()
    return Answer(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, [body])
