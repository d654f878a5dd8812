"""Entra ID's endpoints: refusals, discovery, Basic authentication."""

from __future__ import annotations

from typing import Any

import msal
import pytest
import requests

from airflow_provider_defender.simulator import Simulator
from tests.unit.simulator.answers import MDE, codes
from tests.unit.simulator.conftest import AskToken, Client

# -- what can be wrong


@pytest.mark.parametrize(
    ("app", "form", "status", "code"),
    [
        ("reader", {"client_secret": "wrong"}, 401, 7000215),
        ("reader", {"client_secret": None}, 401, 7000216),
        ("expired secret", {}, 401, 7000222),
        ("disabled", {}, 401, 7000112),
        ("reader", {"client_id": "00001111-aaaa-2222-bbbb-3333cccc4444"}, 400, 700016),
        ("reader", {"scope": f"{MDE}/Alert.Read.All"}, 400, 1002012),
        ("reader", {"scope": "https://api.example/.default"}, 400, 500011),
        ("reader", {"scope": f"{MDE}/.default https://graph.microsoft.com/.default"}, 400, 700022),
        ("reader", {"scope": "openid"}, 400, 70011),
        ("reader", {"scope": None}, 400, 900144),
        ("reader", {"grant_type": None}, 400, 900144),
        ("reader", {"grant_type": "password"}, 400, 70003),
        ("reader", {"tenant": "nope.onmicrosoft.com"}, 400, 90002),
        ("reader", {"tenant": "00001111-aaaa-2222-bbbb-3333cccc4444"}, 400, 90002),
        ("reader", {"tenant": "not a tenant"}, 400, 900023),
    ],
)
def test_token_errors(client: Client, app: str, form: dict[str, Any], status: int, code: int) -> None:
    reply = client.token_reply(app=app, **form)
    assert reply.status_code == status
    assert codes(reply) == [code]
    text = reply.json()["error_description"]
    assert text.startswith(f"AADSTS{code}: ")
    assert "\r\nTrace ID: " in text
    assert "\r\nTimestamp: " in text
    assert "<" not in text  # every gap of the text is filled
    assert reply.json()["error_uri"].endswith(f"code={code}")


def test_basic_authentication(simulator: Simulator, client: Client) -> None:
    form: dict[str, Any] = {"client_id": None, "client_secret": None}
    good = client.token_reply(auth=(simulator.client_id, simulator.client_secret), **form)
    assert good.status_code == 200
    assert codes(client.token_reply(auth=(simulator.client_id, "wrong"), **form)) == [7000215]


def test_correlation_id_of_the_client_comes_back(simulator: Simulator, client: Client) -> None:
    url = f"{simulator.url}/{simulator.tenant_id}/oauth2/v2.0/token"
    reply = client.session.post(url, data={}, headers={"client-request-id": "abc"}, timeout=30)
    assert reply.json()["correlation_id"] == "abc"


def test_the_second_secret_works_beside_the_first(simulator: Simulator, client: Client) -> None:
    first = simulator.client_secret
    second = simulator.apps["reader"].add_secret()
    assert client.token_reply(client_secret=first).status_code == 200
    assert client.token_reply(client_secret=second).status_code == 200


# -- discovery and tokens


@pytest.mark.parametrize("infix", ["", "/v2.0"])
@pytest.mark.parametrize("named", ["id", "domain"])
def test_openid_configuration(simulator: Simulator, client: Client, infix: str, named: str) -> None:
    name = simulator.tenant_id if named == "id" else simulator.tenant.domain
    url = f"{simulator.url}/{name}{infix}/.well-known/openid-configuration"
    body = client.session.get(url, timeout=30).json()
    assert body["issuer"] == f"{simulator.url}/{simulator.tenant_id}/v2.0"
    assert body["token_endpoint"] == f"{simulator.url}/{simulator.tenant_id}/oauth2/v2.0/token"
    assert body["authorization_endpoint"]


def test_a_client_that_came_by_another_name_is_led_on_by_it(
    simulator: Simulator, msal_token: AskToken, client: Client
) -> None:
    url = simulator.url.replace("127.0.0.1", "localhost")
    pair = simulator.apps["reader"].add_certificate()
    credential = {"private_key": pair.private_key_pem, "thumbprint": pair.thumbprint}
    reply = msal_token(credential, authority=f"{url}/{simulator.tenant_id}")
    simulator.tenant.add_alerts(6)
    page = client.get(f"{url}/api/alerts", token=reply["access_token"]).json()
    assert page["@odata.nextLink"].startswith(f"{url}/api/alerts?")


def test_unknown_tenant_fails_in_msal_constructor(simulator: Simulator, msal_token: AskToken) -> None:
    with pytest.raises(ValueError, match=r"(?i)tenant|authority"):
        msal_token("x", authority=f"{simulator.url}/00001111-aaaa-2222-bbbb-3333cccc4444")


def test_oidc_authority(simulator: Simulator) -> None:
    session = requests.Session()
    session.trust_env, session.verify = False, simulator.ca_bundle
    application = msal.ConfidentialClientApplication(
        simulator.client_id,
        oidc_authority=f"{simulator.url}/{simulator.tenant_id}/v2.0",
        client_credential=simulator.client_secret,
        http_client=session,
    )
    assert "access_token" in application.acquire_token_for_client([f"{MDE}/.default"])


def test_instance_discovery(simulator: Simulator, client: Client) -> None:
    url = f"{simulator.url}/common/discovery/instance"
    endpoint = f"https://127.0.0.1/{simulator.tenant_id}/oauth2/v2.0/authorize"
    known = client.session.get(url, params={"authorization_endpoint": endpoint}, timeout=30).json()
    assert client.session.get(known["tenant_discovery_endpoint"], timeout=30).status_code == 200
    foreign = {"authorization_endpoint": "https://login.evil.example/x/oauth2/v2.0/authorize"}
    refused = client.session.get(url, params=foreign, timeout=30)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_instance")
