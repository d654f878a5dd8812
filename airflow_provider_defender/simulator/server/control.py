"""`/_simulator`: the simulator's own paths, for scripts in other processes. No token is asked for.

| request | does |
|---|---|
| `GET /_simulator` | what there is: URLs, tenant, clock, counts |
| `POST /_simulator/advance` `{"seconds": 3600}` | let the tenant's time pass |
| `POST /_simulator/elapse` `{"seconds": 60}` | let the services' time pass: tokens run out, quotas fill up |
| `POST /_simulator/attack` | an attack that all alerts and events tell alike, once |
| `POST /_simulator/alerts` `{"count": 3, "evidence": 2, "over_seconds": 0, "changes": {}}` | new alerts |
| `POST /_simulator/changes` `{"ids": ["…"], "changes": {"status": "Resolved"}}` | one bulk update |
| `GET /_simulator/truth` | the ground truth: every version of every alert; `?records=1`: with its text |
| `POST /_simulator/graph/alerts` `{"product": "microsoftSentinel", "evidence": ["ipEvidence"]}` | a new one |
| `POST /_simulator/graph/changes` `{"incidents": ["7587"], "changes": {"status": "resolved"}}` | or `ids` |
| `POST /_simulator/graph/merge` `{"source": "1000001", "target": "7587"}` | merge an incident into another |
| `GET /_simulator/graph/truth` | every version of every alert and incident that Graph shows |
| `GET`, `POST`, `DELETE /_simulator/faults` | the faults switched on; switch one on; switch all off |
| `GET /_simulator/requests` | the requests answered so far |
| `GET /_simulator/events` | with `--events`: the hub, and the truth about the events sent so far |
| `POST /_simulator/events` `{"records": 1000, "over_seconds": 30, "oddities": ["tombstone"]}` | send events |
| `POST /_simulator/events` `{"odd": 0.01, "duplicates": 0.03}` | so many odd, so many twice, from now on |

Each service brings its own routes (`Service.routes`); those for faults and the log are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import msgspec

from airflow_provider_defender.simulator.server.faults import Faults
from airflow_provider_defender.simulator.server.log import RequestLog
from airflow_provider_defender.simulator.server.messages import Answer, Request, json_answer
from airflow_provider_defender.simulator.server.service import Handler, Route

__all__ = ["Control", "fault_routes", "log_routes", "seconds_of"]

_ROOT = "/_simulator"


class _Seconds(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


def seconds_of(request: Request) -> float:
    """The number that the body `{"seconds": …}` holds.

    Raises msgspec.DecodeError when it is not such a body.
    """
    return msgspec.json.decode(request.body, type=_Seconds).seconds


def fault_routes(faults: Faults) -> Mapping[Route, Handler]:
    """The control paths that list faults and switch them on and off."""

    def listed(request: Request) -> object:
        return {"faults": faults.listed()}

    def add(request: Request) -> object:
        faults.add_json(request.body)
        return listed(request)

    def clear(request: Request) -> object:
        faults.clear()
        return listed(request)

    return {("GET", "/faults"): listed, ("POST", "/faults"): add, ("DELETE", "/faults"): clear}


def log_routes(log: RequestLog) -> Mapping[Route, Handler]:
    """The control path that lists the requests answered so far."""
    return {("GET", "/requests"): lambda request: {"requests": [asdict(entry) for entry in log.all()]}}


class Control:
    """Answers the control paths; `routes` maps method and path below `/_simulator` to what is done."""

    def __init__(self, routes: Mapping[Route, Handler]) -> None:
        self._routes = routes

    @staticmethod
    def owns(request: Request) -> bool:
        """Whether the request is for a control path."""
        return request.path == _ROOT or request.path.startswith(f"{_ROOT}/")

    def answer(self, request: Request) -> Answer:
        """Do what the request asks for; 400 and 404 say in words what is wrong."""
        route = self._routes.get((request.method, request.path[len(_ROOT) :].rstrip("/")))
        if route is None:
            return json_answer(404, {"error": f"There is no {request.method} {request.path}"})
        try:
            return json_answer(200, route(request))
        except (msgspec.DecodeError, ValueError, TypeError, RuntimeError) as error:
            return json_answer(400, {"error": str(error)})
        except KeyError as error:
            return json_answer(404, {"error": f"There is no {error}"})
