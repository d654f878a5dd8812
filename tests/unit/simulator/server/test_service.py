"""Services: one of a test's own beside Microsoft's, and which of them answers a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from airflow_provider_defender.simulator import (
    Answer,
    Fault,
    Request,
    RestService,
    Service,
    Simulator,
    Tenant,
    json_answer,
)
from airflow_provider_defender.simulator.server.service import Handler, Route
from tests.unit.simulator.conftest import Client
from tests.unit.simulator.toy import AUDIENCE, Tickets


@pytest.fixture
def tickets() -> Tickets:
    return Tickets()


@pytest.fixture
def simulator(tickets: Tickets) -> Iterator[Simulator]:
    """A simulator with tickets beside Microsoft's services."""
    with Simulator(tenant=Tenant(7, alerts=2), services=[tickets]) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Client:
    """A client with a token for tickets."""
    client = Client(simulator)
    client.token = client.token_reply(scope=f"{AUDIENCE}/.default").json()["access_token"]
    return client


@pytest.fixture
def records(tickets: Tickets) -> list[dict[str, object]]:
    tickets.records = [{"id": str(number), "updated": f"2026-01-0{number}"} for number in range(1, 6)]
    return tickets.records


def drain(client: Client, url: str) -> list[list[dict[str, object]]]:
    """The pages of a list, following nextLink to the end."""
    pages = []
    while url:
        body = client.get(url).json()
        pages.append(body["value"])
        url = body.get("@odata.nextLink", "")
    return pages


def test_its_records_come_in_pages(client: Client, records: list[dict[str, object]]) -> None:
    assert drain(client, "/api/tickets") == [records[:2], records[2:4], records[4:]]
    assert drain(client, "/api/tickets?updatedSince=2026-01-03") == [records[2:4], records[4:]]
    assert client.get("/api/tickets?$skip=1&$top=3").json()["value"] == records[1:4]


def test_the_other_services_are_there_as_well(
    simulator: Simulator, client: Client, records: list[dict[str, object]]
) -> None:
    token = client.new_token()
    assert len(client.get(token=token).json()["value"]) == 2
    assert [entry.path for entry in simulator.requests][-1] == "/api/alerts"


def test_only_a_token_for_it_is_accepted(client: Client) -> None:
    assert client.get("/api/tickets", token=client.new_token()).status_code == 401
    assert client.session.get(f"{client.simulator.url}/api/tickets", timeout=30).status_code == 401
    assert client.get("/api/alerts").status_code == 401, "its own token is for nothing else"


def test_a_role_is_needed(client: Client) -> None:
    token = client.token_reply("no role", scope=f"{AUDIENCE}/.default").json()["access_token"]
    reply = client.get("/api/tickets", token=token)
    assert reply.status_code == 403
    assert "API required roles: Ticket.Read, application roles: ." in reply.json()["error"]["message"]


def test_what_it_refuses_is_answered_in_the_form_of_the_apis(client: Client) -> None:
    reply = client.get("/api/tickets?$skip=x")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "ODataError")


def test_its_quota_is_its_own(simulator: Simulator, client: Client, records: list[dict[str, object]]) -> None:
    simulator.api.quota.per_minute = 2
    assert [client.get("/api/tickets").status_code for _ in range(3)] == [200, 200, 429]
    assert client.get(token=client.new_token()).status_code == 200


def test_faults_happen_to_it(simulator: Simulator, client: Client, records: list[dict[str, object]]) -> None:
    simulator.faults.server_error(503, page=1)
    assert client.get("/api/tickets").status_code == 200
    assert client.get("/api/tickets?$skip=2").status_code == 503
    simulator.faults.throttle(26)
    assert client.get("/api/tickets").headers["Retry-After"] == "26"
    simulator.elapse(26)
    simulator.faults.expired_token()
    assert [client.get("/api/tickets").status_code for _ in range(2)] == [401, 401]


def test_links_of_faults(simulator: Simulator, client: Client, records: list[dict[str, object]]) -> None:
    simulator.faults.repeating_next_link()
    assert client.get("/api/tickets").json()["@odata.nextLink"].endswith("/api/tickets?$skip=0")
    simulator.faults.clear()
    simulator.faults.foreign_next_link("https://attacker.example/")
    assert client.get("/api/tickets").json()["@odata.nextLink"] == "https://attacker.example/"


def test_it_stays_when_the_tenant_is_replaced(
    simulator: Simulator, tickets: Tickets, records: list[dict[str, object]]
) -> None:
    simulator.tenant = Tenant("other", alerts=0)
    client = Client(simulator)
    token = client.token_reply(scope=f"{AUDIENCE}/.default").json()["access_token"]
    assert client.get("/api/tickets", token=token).json()["value"] == records[:2]


class Everything(RestService):
    """Takes any token of the tenant, and answers below its path, too."""

    name, prefix = "everything", "/everything"

    def respond(self, request: Request) -> Answer:
        return json_answer(200, {"path": request.path})


def test_without_resources_and_roles_any_token_does() -> None:
    with Simulator(tenant=Tenant(7, alerts=0), services=[Everything()]) as simulator:
        client = Client(simulator)
        assert client.get("/everything/below").json() == {"path": "/everything/below"}
        assert client.get("/everything-else").status_code == 404
        token = client.new_token("no role")
        assert client.get("/everything", token=token).status_code == 200
        assert client.get("/everything", token="no.token").status_code == 401


class Hosted(Service):
    """One that is known by a host alone, and has a fault, a control path and a state of its own."""

    name = "hosted"
    hosts = frozenset({"hosted.example"})
    faults = MappingProxyType({"hiccup": "/hosted/*"})

    def owns(self, request: Request) -> bool:
        return request.host == "hosted.example"

    def handle(self, request: Request) -> Answer:
        return json_answer(500 if request.has_fault("hiccup") else 200, {"service": self.name})

    def routes(self) -> Mapping[Route, Handler]:
        return {("GET", "/hosted"): lambda request: {"method": request.method}}

    def state(self) -> dict[str, Any]:
        return {"hosted": "yes"}


@pytest.fixture
def hosted() -> Iterator[Simulator]:
    simulator = Simulator(tenant=Tenant(7, alerts=0), services=[Hosted()])
    yield simulator
    simulator.stop()


def ask(simulator: Simulator, path: str, host: str) -> tuple[int, bytes]:
    answer = simulator.answer(Request("GET", path, headers={"host": host}))
    return answer.status, b"".join(answer.body)


def test_a_host_leads_to_its_service_alone(hosted: Simulator) -> None:
    keys = f"/{hosted.tenant_id}/discovery/v2.0/keys"
    assert ask(hosted, keys, "HOSTED.example:8443") == (200, b'{"service":"hosted"}')
    assert b'"keys"' in ask(hosted, keys, "login.microsoftonline.com")[1]
    assert ask(hosted, keys, "api.securitycenter.microsoft.com")[0] == 404
    assert b'"keys"' in ask(hosted, keys, "localhost:8443")[1]


def test_a_fault_of_its_own(hosted: Simulator) -> None:
    fault = hosted.faults.add(Fault("hiccup"))
    assert fault.path == "/hosted/*"
    assert ask(hosted, "/elsewhere", "hosted.example")[0] == 200
    assert [ask(hosted, "/hosted/x", "hosted.example")[0] for _ in range(2)] == [500, 200]
    with pytest.raises(ValueError, match=r"no fault with the effect 'sulk'\. Use one of: .*hiccup, large"):
        hosted.faults.add(Fault("sulk"))


def test_a_control_path_and_a_state_of_its_own(hosted: Simulator) -> None:
    assert ask(hosted, "/_simulator/hosted", "localhost") == (200, b'{"method":"GET"}')
    assert b'"hosted":"yes"' in ask(hosted, "/_simulator", "localhost")[1]


def test_two_services_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two services are named alerts"):
        Simulator(tenant=Tenant(7, alerts=0), services=[type("Second", (Everything,), {"name": "alerts"})()])
