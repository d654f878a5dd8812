"""Faults to switch on, for a path, a page or the n-th request; once, several times or until switched off."""

from __future__ import annotations

import fnmatch
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from airflow_provider_defender.simulator.server.fault import EFFECTS, Fault
from airflow_provider_defender.simulator.server.messages import Answer, Ending, Request, error_body

__all__ = ["Faults", "replacement", "spoil"]

_MEBIBYTE = b" " * (1 << 20)
_JSON = {"Content-Type": "application/json"}
_HTML = (
    "<!DOCTYPE html><html><head><title>Service unavailable</title></head>"
    "<body><h1>Our services aren't available right now</h1></body></html>"
)


def _matches(fault: Fault, request: Request) -> bool:
    if fault.method not in (None, request.method):
        return False
    if fault.path is None:
        return request.page is not None and fault.page in (None, request.page)
    return fnmatch.fnmatchcase(request.path, fault.path) and fault.page in (None, request.page)


def _is_due(fault: Fault, request: Request) -> bool:
    """Count a request; whether the fault happens to it."""
    if fault.times is not None and fault.happened >= fault.times:
        return False
    if not _matches(fault, request):
        return False
    fault.matched += 1
    if fault.nth not in (None, fault.matched):
        return False
    fault.happened += 1
    return True


def spoil(answer: Answer, fault: Fault) -> None:
    """Make a true answer a faulty one, for the effects that do so."""
    if fault.effect == "slow":
        answer.delay += fault.seconds
    elif fault.effect in ("truncated", "cut", "reset", "silent"):
        answer.ending = Ending(fault.effect)


def replacement(fault: Fault) -> Answer | None:
    """The answer that stands in place of the true one, for the effects that have it."""
    if fault.effect == "answer":
        return Answer(fault.status, {**_JSON, **fault.headers}, [fault.body.encode()])
    if fault.effect == "large":
        return Answer(fault.status, dict(_JSON), [_MEBIBYTE] * fault.size)
    if fault.effect == "wire":
        return Answer(body=[fault.body.encode("latin-1")], ending=Ending.WIRE, pause=fault.seconds)
    return None


class Faults:
    """The faults that are switched on. The methods named for a fault switch it on, by default once."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._paths: dict[str, str | None] = dict.fromkeys(EFFECTS)
        self._lock = threading.Lock()

    def learn(self, effects: Mapping[str, str | None]) -> None:
        """Allow the effects of a service, each with the path pattern that it is for by default."""
        self._paths.update(effects)

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on; where several fit a request, the one switched on first happens.

        Raises ValueError for an effect that neither the server nor a service has.
        """
        if fault.effect not in self._paths:
            known = ", ".join(sorted(self._paths))
            raise ValueError(f"There is no fault with the effect {fault.effect!r}. Use one of: {known}.")
        with self._lock:
            fault.path = fault.path or self._paths[fault.effect]
            self._faults.append(fault)
        return fault

    def add_json(self, text: bytes | str) -> Fault:
        """Switch on a fault that is written as a JSON object with the fields of `Fault`.

        Raises msgspec.ValidationError when it is not one, ValueError for an unknown effect.
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

    def due(self, request: Request) -> Fault | None:
        """The fault that happens to a request, if any."""
        with self._lock:
            return next((fault for fault in self._faults if _is_due(fault, request)), None)

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
        """An error body as Microsoft's REST APIs write it."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return self.status(status, json.dumps(error_body(code, message)), headers, **when)

    def server_error(self, status: int = 500, **when: Any) -> Fault:
        """500 or 503."""
        code = "InternalServerError" if status == 500 else "ServiceUnavailable"
        return self.error(status, code, "Internal server error.", **when)

    def html(self, status: int = 502, **when: Any) -> Fault:
        """A proxy's HTML page; with status 200 it pretends to be the answer."""
        return self.status(status, _HTML, {"Content-Type": "text/html; charset=utf-8"}, **when)

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
