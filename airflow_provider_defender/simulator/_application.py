"""What answers a request, whatever brought it: routing, faults, the log of requests."""

from __future__ import annotations

import collections
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

from airflow_provider_defender.simulator._alerts_api import AlertsApi
from airflow_provider_defender.simulator._control import Control
from airflow_provider_defender.simulator._entra import EntraId
from airflow_provider_defender.simulator._faults import Fault, Faults, error_answer
from airflow_provider_defender.simulator._imds import InstanceMetadata
from airflow_provider_defender.simulator._messages import Answer, Request

__all__ = ["Application", "LoggedRequest", "RequestLog"]

_LOG_LENGTH = 100_000


@dataclass(frozen=True)
class LoggedRequest:
    """A request that was answered. Never holds secrets or tokens: neither headers nor bodies are kept.

    `client_id` is the application whose token the API accepted; `fault` the kind of fault that happened.
    """

    method: str
    path: str
    query: str
    status: int
    client_id: str | None = None
    fault: str | None = None


class RequestLog(Sequence[LoggedRequest]):
    """The requests answered so far, oldest first; the last 100,000 of them."""

    def __init__(self) -> None:
        self._entries: collections.deque[LoggedRequest] = collections.deque(maxlen=_LOG_LENGTH)
        self._lock = threading.Lock()

    def add(self, entry: LoggedRequest) -> None:
        """Write a request down."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._entries.clear()

    def to(self, part: str) -> list[LoggedRequest]:
        """The requests whose path contains `part`."""
        return [entry for entry in self.all() if part in entry.path]

    def all(self) -> list[LoggedRequest]:
        """A copy of the whole log."""
        with self._lock:
            return list(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> LoggedRequest: ...

    @overload
    def __getitem__(self, index: slice) -> list[LoggedRequest]: ...

    def __getitem__(self, index: int | slice) -> LoggedRequest | list[LoggedRequest]:
        return self.all()[index]


class Application:
    """The services behind the two ports. Answers one request at a time, from any thread."""

    def __init__(
        self, entra: EntraId, alerts: AlertsApi, metadata: InstanceMetadata, faults: Faults, control: Control
    ) -> None:
        self.requests = RequestLog()
        self._entra = entra
        self._alerts = alerts
        self._metadata = metadata
        self._faults = faults
        self._control = control

    def answer(self, request: Request) -> Answer:
        """The answer, with the fault that is due. Control paths have no faults and are not logged."""
        if self._control.owns(request):
            return self._control.answer(request)
        fault = self._faults.due(request, self._alerts.page_number(request))
        claims = self._alerts.claims(request) if self._alerts.owns(request) else None
        answer = fault.replacement(request) if fault else None
        if answer is None:
            answer = self._true_answer(request, claims, fault)
        if fault is not None:
            fault.spoil(answer)
        answer.headers.setdefault("Date", self._alerts.tenant.date_header())
        client_id = str(claims["appid"]) if claims else None
        kind = fault.kind if fault else None
        entry = LoggedRequest(request.method, request.path, request.query, answer.status, client_id, kind)
        self.requests.add(entry)
        return answer

    def _true_answer(self, request: Request, claims: dict[str, Any] | None, fault: Fault | None) -> Answer:
        if not request.secure:
            return self._metadata.answer(request)
        if self._alerts.owns(request):
            return self._alerts.answer(request, claims, fault)
        return self._entra.answer(request) or error_answer(404, "NotFound", "Resource not found.")
