"""Access tokens: keys, roles, resources, lifetimes."""

from __future__ import annotations

import jwt
import pytest

from airflow_provider_defender.simulator import Simulator
from tests.unit.simulator.answers import MDE, codes, roles
from tests.unit.simulator.conftest import Client


def test_tokens_verify_against_the_published_keys(simulator: Simulator, client: Client) -> None:
    url = f"{simulator.url}/{simulator.tenant_id}/discovery/v2.0/keys"
    keys = jwt.PyJWKSet.from_dict(client.session.get(url, timeout=30).json())
    key = keys[jwt.get_unverified_header(client.token)["kid"]]
    claims = jwt.decode(client.token, key.key, algorithms=["RS256"], audience=MDE)
    assert claims["tid"] == simulator.tenant_id
    assert claims["appid"] == simulator.client_id
    assert claims["roles"] == ["Alert.Read.All"]


def test_roles_are_those_of_the_resource(client: Client) -> None:
    graph = client.token_reply(scope="https://graph.microsoft.com/.default").json()["access_token"]
    assert roles(graph) == ["SecurityAlert.Read.All", "SecurityIncident.Read.All"]
    hub = client.token_reply(scope="https://ns.servicebus.windows.net/.default").json()["access_token"]
    assert roles(hub) is None


@pytest.mark.parametrize("host", ["ns.servicebus.windows.net", "localhost", "localhost:9093", "127.0.0.1"])
def test_tokens_for_a_namespace(simulator: Simulator, client: Client, host: str) -> None:
    reply = client.token_reply(scope=f"https://{host}/.default")
    claims = jwt.decode(reply.json()["access_token"], options={"verify_signature": False})
    assert claims["aud"] == f"https://{host}"


def test_a_namespace_of_ones_own_must_be_registered(simulator: Simulator, client: Client) -> None:
    assert codes(client.token_reply(scope="https://kafka.example/.default")) == [500011]
    simulator.apps.add_namespace("kafka.example")
    assert client.token_reply(scope="https://kafka.example/.default").status_code == 200


def test_token_without_role_is_issued(client: Client) -> None:
    assert roles(client.new_token("no role")) is None


def test_lifetime_and_refresh_in(simulator: Simulator, client: Client) -> None:
    simulator.entra.token_seconds, simulator.entra.refresh_in = 200, 100
    body = client.token_reply().json()
    assert (body["expires_in"], body["refresh_in"]) == (200, 100)
    simulator.apps["reader"].token_seconds = 60
    assert client.token_reply().json()["expires_in"] == 60
