"""The control paths, as a script in another process uses them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_defender.simulator import Simulator, Tenant
from tests.unit.simulator.conftest import Client


def test_state(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(3)
    state = client.control("GET").json()
    assert (state["url"], state["alerts"], state["seed"]) == (simulator.url, 3, 7)
    assert simulator.client_secret not in json.dumps(state)


def test_advance(simulator: Simulator, client: Client) -> None:
    before = simulator.tenant.now()
    body = client.control("POST", "/advance", {"seconds": 90}).json()
    assert (simulator.tenant.now() - before).total_seconds() == 90
    assert body["now"] == "2026-01-09T08:01:30Z"


def test_elapse(simulator: Simulator, client: Client) -> None:
    assert client.control("POST", "/elapse", {"seconds": 4000}).status_code == 200
    assert client.get().status_code == 401


def test_new_alerts_and_changes(simulator: Simulator, client: Client) -> None:
    ids = client.control(
        "POST", "/alerts", {"count": 3, "evidence": 2, "changes": {"severity": "High"}}
    ).json()["ids"]
    assert sorted(ids) == client.ids("severity eq 'High'")
    changed = client.control("POST", "/changes", {"ids": ids, "changes": {"status": "Resolved"}}).json()
    assert changed["changed"] == 3
    assert {row["lastUpdateTime"] for row in client.drain()} == {changed["lastUpdateTime"]}
    assert len(client.ids("status eq 'Resolved'")) == 3


def test_truth(simulator: Simulator, client: Client) -> None:
    alert = simulator.tenant.add_alert()
    simulator.tenant.resolve(alert.alert_id)
    truth = client.control("GET", "/truth").json()
    assert [version["number"] for version in truth["versions"]] == [1, 2]
    assert truth["versions"][0]["lastUpdateTime"] == alert.update_time
    assert "record" not in truth["versions"][0]
    records = client.control("GET", "/truth?records=1").json()["versions"]
    assert records[0]["record"].encode() == alert.rendered()


def test_events() -> None:
    with Simulator(tenant=Tenant(7, alerts=3), events=True, event_partitions=2) as simulator:
        client = Client(simulator)
        order = {"records": 40, "oddities": ["tombstone"]}
        sent = client.control("POST", "/events", order).json()
        assert (sent["records"], sent["broken"], sent["partitions"]) == (40, {"tombstone": 1}, 2)
        assert client.control("GET", "/events").json() == sent
        odd = client.control("POST", "/events", {"odd": 1, "records": 3}).json()
        assert sum(odd["odd"].values()) == odd["messages"] - sent["messages"] + 1
        wrong = client.control("POST", "/events", {"oddities": ["dream"]})
        assert (wrong.status_code, wrong.json()) == (404, {"error": "There is no 'dream'"})


def test_an_attack() -> None:
    """All sources tell of it: its alerts are there, its events in the hub."""
    with Simulator(tenant=Tenant(7, alerts=0), events=True, event_partitions=2) as simulator:
        client = Client(simulator)
        told = client.control("POST", "/attack").json()
        assert sorted(told["alerts"]) == ["mail", "movement", "script", "sign-in"]
        assert told["user"].endswith("@contoso.example")
        sent = client.control("GET", "/events").json()
        assert sent["records"] == sent["messages"] == told["events"] > 50
        again = client.control("POST", "/attack")
        assert again.status_code == 400
        assert "already" in again.json()["error"]


def test_events_of_a_simulator_without_hub(client: Client) -> None:
    refused = client.control("POST", "/events", {"records": 1})
    assert refused.status_code == 400
    assert "--events" in refused.json()["error"]


def test_faults(simulator: Simulator, client: Client) -> None:
    reply = client.control("POST", "/faults", {"effect": "answer", "status": 503, "times": None})
    assert reply.json()["faults"][0]["status"] == 503
    assert client.get().status_code == 503
    assert client.control("GET", "/faults").json()["faults"][0]["happened"] == 1
    client.control("DELETE", "/faults")
    assert client.get().status_code == 200


def test_requests(simulator: Simulator, client: Client) -> None:
    client.get()
    assert client.control("GET", "/requests").json()["requests"][-1]["path"] == "/api/alerts"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("POST", "/advance", {"second": 1}, 400),
        ("POST", "/advance", {"seconds": "soon"}, 400),
        ("POST", "/advance", {"seconds": -1}, 400),
        ("POST", "/faults", {"effect": "explode"}, 400),
        ("POST", "/changes", {"ids": ["nobody"], "changes": {}}, 404),
    ],
)
def test_mistakes_are_explained(
    client: Client, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    reply = client.control(method, path, body)
    assert reply.status_code == status
    assert reply.json()["error"]
