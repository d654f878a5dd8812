"""What answers a request, whatever brought it: routing, faults, the log of requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from airflow_provider_defender.simulator.server.control import Control
from airflow_provider_defender.simulator.server.faults import Faults, replacement, spoil
from airflow_provider_defender.simulator.server.log import LoggedRequest, RequestLog
from airflow_provider_defender.simulator.server.messages import Answer, Request, error_answer
from airflow_provider_defender.simulator.server.service import Service, Services

__all__ = ["Application"]


class Application:
    """The services behind the two ports. May be asked from any thread.

    `date` gives the `Date` header of answers that have none.
    """

    def __init__(
        self, services: Services, faults: Faults, log: RequestLog, control: Control, date: Callable[[], str]
    ) -> None:
        self._services = services
        self._faults = faults
        self._log = log
        self._control = control
        self._date = date

    def answer(self, request: Request) -> Answer:
        """The answer, with the fault that is due. Control paths have no faults and are not logged."""
        if self._control.owns(request):
            return self._control.answer(request)
        service = self._services.find(request)
        if service is not None:
            request = replace(request, page=service.page(request), claims=service.claims(request))
        request = replace(request, fault=self._faults.due(request))
        answer = self._answer_with_fault(service, request)
        answer.headers.setdefault("Date", self._date())
        self._note(request, answer)
        return answer

    def _answer_with_fault(self, service: Service | None, request: Request) -> Answer:
        answer = replacement(request.fault) if request.fault else None
        answer = answer or _true_answer(service, request)
        if request.fault is not None:
            spoil(answer, request.fault)
        return answer

    def _note(self, request: Request, answer: Answer) -> None:
        client_id = str(request.claims["appid"]) if request.claims else None
        effect = request.fault.effect if request.fault else None
        self._log.add(
            LoggedRequest(request.method, request.path, request.query, answer.status, client_id, effect)
        )


def _true_answer(service: Service | None, request: Request) -> Answer:
    if service is None:
        return error_answer(404, "NotFound", "Resource not found.")
    return service.handle(request)
