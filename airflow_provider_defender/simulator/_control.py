"""`/_simulator`: the simulator's own paths, for scripts in other processes. No token is asked for.

| request | does |
|---|---|
| `GET /_simulator` | what there is: URLs, tenant, clock, counts |
| `POST /_simulator/advance` `{"seconds": 3600}` | let the tenant's time pass |
| `POST /_simulator/elapse` `{"seconds": 60}` | let the services' time pass: tokens run out, quotas fill up |
| `POST /_simulator/alerts` `{"count": 3, "evidence": 2, "over_seconds": 0, "changes": {}}` | new alerts |
| `POST /_simulator/changes` `{"ids": ["…"], "changes": {"status": "Resolved"}}` | one bulk update |
| `GET /_simulator/truth` | the ground truth: every version of every alert; `?records=1`: with its text |
| `GET`, `POST`, `DELETE /_simulator/faults` | the faults switched on; switch one on; switch all off |
| `GET /_simulator/requests` | the requests answered so far |
| `GET /_simulator/events` | with `--events`: the hub, and the truth about the events sent so far |
| `POST /_simulator/events` `{"records": 1000, "over_seconds": 30, "oddities": ["tombstone"]}` | send events |
| `POST /_simulator/events` `{"odd": 0.01, "repeats": 0.03}` | from now on, so many are odd, come again |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_defender.simulator._messages import Answer, Request, json_answer
from airflow_provider_defender.simulator._versions import Version, wire_time

if TYPE_CHECKING:
    from airflow_provider_defender.simulator._simulator import Simulator

__all__ = ["Control"]

_ROOT = "/_simulator"


class _Seconds(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


class _NewAlerts(msgspec.Struct, forbid_unknown_fields=True):
    count: int = 1
    evidence: int | None = None
    over_seconds: float = 0.0
    changes: dict[str, Any] = {}


class _NewEvents(msgspec.Struct, forbid_unknown_fields=True):
    records: int = 0
    over_seconds: float = 0.0
    oddities: list[str] = []
    odd: float | None = None
    repeats: float | None = None


class _Changes(msgspec.Struct, forbid_unknown_fields=True):
    ids: list[str]
    changes: dict[str, Any]


class Control:
    """Answers the control paths for one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._routes: dict[tuple[str, str], Callable[[Request], object]] = {
            ("GET", ""): lambda request: simulator.state(),
            ("POST", "/advance"): self._advance,
            ("POST", "/elapse"): self._elapse,
            ("POST", "/alerts"): self._add_alerts,
            ("POST", "/changes"): self._change,
            ("GET", "/truth"): self._truth,
            ("GET", "/faults"): lambda request: {"faults": simulator.faults.listed()},
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): self._clear_faults,
            ("GET", "/requests"): self._requests,
            ("GET", "/events"): lambda request: simulator.exporter.state(),
            ("POST", "/events"): self._send_events,
        }

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

    def _advance(self, request: Request) -> object:
        order = msgspec.json.decode(request.body, type=_Seconds)
        written = self._simulator.tenant.advance(timedelta(seconds=order.seconds))
        return {"written": written, **self._simulator.state()}

    def _elapse(self, request: Request) -> object:
        order = msgspec.json.decode(request.body, type=_Seconds)
        self._simulator.elapse(order.seconds)
        return self._simulator.state()

    def _add_alerts(self, request: Request) -> object:
        order = msgspec.json.decode(request.body or b"{}", type=_NewAlerts)
        tenant, over = self._simulator.tenant, timedelta(seconds=order.over_seconds)
        versions = tenant.add_alerts(order.count, evidence=order.evidence, over=over)
        if order.changes:
            tenant.update_many([version.alert_id for version in versions], **order.changes)
        return {"ids": [version.alert_id for version in versions]}

    def _change(self, request: Request) -> object:
        order = msgspec.json.decode(request.body, type=_Changes)
        versions = self._simulator.tenant.update_many(order.ids, **order.changes)
        return {"lastUpdateTime": versions[0].update_time if versions else None, "changed": len(versions)}

    def _truth(self, request: Request) -> object:
        tenant, records = self._simulator.tenant, request.parameters().get("records") == "1"
        return {
            "now": wire_time(tenant.now_ticks()),
            "versions": [_described(version, records) for version in tenant.versions],
        }

    def _add_fault(self, request: Request) -> object:
        self._simulator.faults.add_json(request.body)
        return {"faults": self._simulator.faults.listed()}

    def _clear_faults(self, request: Request) -> object:
        self._simulator.faults.clear()
        return {"faults": []}

    def _send_events(self, request: Request) -> object:
        order = msgspec.json.decode(request.body or b"{}", type=_NewEvents)
        exporter = self._simulator.exporter
        exporter.set_shares(odd=order.odd, repeats=order.repeats)
        if order.over_seconds > 0:
            exporter.send(0, oddities=order.oddities)
            exporter.send_over(order.records, order.over_seconds)
        else:
            exporter.send(order.records, oddities=order.oddities)
        return exporter.state()

    def _requests(self, request: Request) -> object:
        return {"requests": [asdict(entry) for entry in self._simulator.requests.all()]}


def _described(version: Version, record: bool) -> dict[str, Any]:
    description = {
        "id": version.alert_id,
        "number": version.number,
        "lastUpdateTime": version.update_time,
        "visibleFrom": wire_time(version.visible_ticks),
        "superseded": version.superseded,
    }
    return {**description, "record": version.rendered().decode("utf-8", "replace")} if record else description
