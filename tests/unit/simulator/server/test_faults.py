"""Each fault as real clients see it, and when it happens."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_defender.simulator import TOKEN, Fault, Simulator, Version
from tests.unit.simulator.conftest import Client


@pytest.fixture
def rows(simulator: Simulator) -> list[Version]:
    return simulator.tenant.add_alerts(12)


def test_status_body_and_headers(simulator: Simulator, client: Client) -> None:
    simulator.faults.status(418, '{"a":1}', {"X-Odd": "yes"})
    reply = client.get()
    assert (reply.status_code, reply.json(), reply.headers["X-Odd"]) == (418, {"a": 1}, "yes")
    assert client.get().status_code == 200, "once only"


@pytest.mark.parametrize("status", [200, 502])
def test_html(simulator: Simulator, client: Client, status: int) -> None:
    simulator.faults.html(status)
    reply = client.get()
    assert reply.status_code == status
    assert reply.headers["Content-Type"].startswith("text/html")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        reply.json()


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_cut(simulator: Simulator, client: Client, rows: list[Version], encoding: str) -> None:
    simulator.faults.cut()
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        client.get(headers={"Accept-Encoding": encoding})
    assert client.get().status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_truncated(simulator: Simulator, client: Client, rows: list[Version], encoding: str) -> None:
    whole = client.get().content
    simulator.faults.truncated()
    half = client.get(headers={"Accept-Encoding": encoding})
    assert half.status_code == 200
    assert half.content == whole[: len(whole) // 2]


def test_reset(simulator: Simulator, client: Client) -> None:
    simulator.faults.reset()
    with pytest.raises(requests.exceptions.ConnectionError):
        client.get()


def test_silent(simulator: Simulator, client: Client) -> None:
    simulator.faults.silent()
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.session.get(
            f"{simulator.url}/api/alerts", headers={"Authorization": f"Bearer {client.token}"}, timeout=0.2
        )


def test_slow(simulator: Simulator, client: Client) -> None:
    simulator.faults.slow(0.3)
    assert client.get().elapsed.total_seconds() >= 0.3
    assert client.get().status_code == 200


def test_wire(simulator: Simulator, client: Client) -> None:
    simulator.faults.wire("HTTP/1.1 203 Odd\r\nContent-Length: 9\r\n\r\nabc", times=2)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get()
    reply = client.get(stream=True)
    assert (reply.status_code, reply.reason, reply.raw.read1(3)) == (203, "Odd", b"abc")
    assert client.get().status_code == 200


def test_wire_byte_by_byte(simulator: Simulator, client: Client) -> None:
    text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    simulator.faults.wire(text, seconds=0.002)
    reply = client.get()
    assert reply.text == "abc"
    assert reply.elapsed.total_seconds() > 0.002 * (len(text) - 10)


def test_large(simulator: Simulator, client: Client) -> None:
    simulator.faults.large(3, status=503)
    reply = client.get()
    assert (reply.status_code, reply.content) == (503, b" " * (3 << 20))
    simulator.faults.large(3)
    assert len(client.get(stream=True).raw.read(decode_content=False)) < 20_000


def test_repeating_next_link(simulator: Simulator, client: Client, rows: list[Version]) -> None:
    simulator.faults.repeating_next_link(page=1)
    first = client.get().json()
    second = client.get(first["@odata.nextLink"]).json()
    assert second["@odata.nextLink"] == first["@odata.nextLink"]
    again = client.get(second["@odata.nextLink"]).json()
    assert again == second


def test_back_to_the_first_page(simulator: Simulator, client: Client, rows: list[Version]) -> None:
    simulator.faults.add(Fault("next_link", link="first", page=1))
    second = client.get(client.get().json()["@odata.nextLink"]).json()
    assert second["@odata.nextLink"].endswith("$skip=0")


def test_foreign_next_link(simulator: Simulator, client: Client, rows: list[Version]) -> None:
    simulator.faults.foreign_next_link()
    assert client.get().json()["@odata.nextLink"].startswith("https://attacker.example/")


def test_expired_token_in_mid_drain(simulator: Simulator, client: Client, rows: list[Version]) -> None:
    simulator.faults.expired_token(page=1)
    link = client.get().json()["@odata.nextLink"]
    assert [client.get(link).status_code for _ in range(2)] == [401, 401], "the same token stays refused"
    assert client.get().status_code == 401
    assert client.get(link, token=client.new_token()).status_code == 200


def test_missing_role(simulator: Simulator, client: Client) -> None:
    simulator.faults.missing_role()
    reply = client.get()
    assert reply.status_code == 403
    assert "Missing application roles" in reply.json()["error"]["message"]


@pytest.mark.parametrize(("hour", "text"), [(False, "100 per 00:01:00"), (True, "1500 per 01:00:00")])
def test_throttle(simulator: Simulator, client: Client, hour: bool, text: str) -> None:
    simulator.faults.throttle(26, hour=hour)
    reply = client.get()
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "26")
    assert text in reply.json()["error"]["message"]
    simulator.elapse(20)
    assert client.get().status_code == 429
    simulator.elapse(6)
    assert client.get().status_code == 200


@pytest.mark.parametrize("status", [500, 503])
def test_server_errors(simulator: Simulator, client: Client, status: int) -> None:
    simulator.faults.server_error(status, times=2)
    assert [client.get().status_code for _ in range(3)] == [status, status, 200]


@pytest.mark.parametrize(
    ("code", "status"),
    [(90055, 429), (90024, 503), (50196, 400), (90038, 400), (53003, 400), (7000222, 401), (4711, 400)],
)
def test_aadsts(simulator: Simulator, client: Client, code: int, status: int) -> None:
    simulator.faults.aadsts(code)
    reply = client.token_reply()
    assert reply.status_code == status
    assert reply.json()["error_codes"] == [code]
    assert reply.headers.get("Retry-After") == ("60" if status == 429 else None)
    assert client.token_reply().status_code == 200


def test_faults_at_the_token_endpoint_and_in_discovery(simulator: Simulator, client: Client) -> None:
    simulator.faults.html(502, path=TOKEN)
    assert client.token_reply().status_code == 502
    simulator.faults.aadsts(90002, path="*/openid-configuration")
    url = f"{simulator.url}/{simulator.tenant_id}/v2.0/.well-known/openid-configuration"
    assert client.session.get(url, timeout=30).status_code == 400
    simulator.faults.status(404, path="/metadata/*")
    assert requests.get(f"{simulator.imds_url}/metadata/identity/oauth2/token", timeout=30).status_code == 404


def test_by_page(simulator: Simulator, client: Client, rows: list[Version]) -> None:
    simulator.faults.server_error(page=2)
    first = client.get()
    second = client.get(first.json()["@odata.nextLink"])
    third = client.get(second.json()["@odata.nextLink"])
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 500]


def test_by_page_with_top(simulator: Simulator, client: Client, rows: list[Version]) -> None:
    simulator.faults.server_error(page=2)
    status = [client.get(params={"$top": "3", "$skip": str(skip)}).status_code for skip in (0, 3, 6, 9)]
    assert status == [200, 200, 500, 200]


def test_by_number_of_the_request(simulator: Simulator, client: Client) -> None:
    simulator.faults.server_error(nth=3)
    assert [client.get().status_code for _ in range(4)] == [200, 200, 500, 200]


def test_until_switched_off(simulator: Simulator, client: Client) -> None:
    fault = simulator.faults.server_error(times=None)
    assert [client.get().status_code for _ in range(3)] == [500, 500, 500]
    assert fault.happened == 3
    simulator.faults.remove(fault)
    assert client.get().status_code == 200
    simulator.faults.server_error(times=None)
    simulator.faults.clear()
    assert client.get().status_code == 200


def test_one_after_the_other(simulator: Simulator, client: Client) -> None:
    simulator.faults.server_error(500)
    simulator.faults.server_error(503)
    assert [client.get().status_code for _ in range(3)] == [500, 503, 200]


def test_the_log_names_the_fault(simulator: Simulator, client: Client) -> None:
    simulator.faults.server_error()
    client.get()
    assert simulator.requests.to("/api/alerts")[-1].fault == "answer"
