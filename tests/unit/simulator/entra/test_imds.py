"""Tokens for managed identities."""

from __future__ import annotations

import msal
import pytest
import requests

from airflow_provider_defender.simulator import Simulator
from tests.unit.simulator.answers import MDE
from tests.unit.simulator.conftest import Client


def test_managed_identity(simulator: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds_url)
    identity = msal.SystemAssignedManagedIdentity()
    reply = msal.ManagedIdentityClient(identity, http_client=requests.Session()).acquire_token_for_client(
        resource=MDE
    )
    assert reply["expires_in"] == 86399
    assert client.get(token=reply["access_token"]).status_code == 200


@pytest.mark.parametrize("by", ["client_id", "object_id", "resource_id"])
def test_user_assigned_identity(
    simulator: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds_url)
    application = simulator.apps["assigned identity"]
    resource_id = next(iter(simulator.imds.assigned))
    value = {
        "client_id": application.client_id,
        "object_id": application.object_id,
        "resource_id": resource_id,
    }
    identity = msal.UserAssignedManagedIdentity(**{by: value[by]})
    token = msal.ManagedIdentityClient(identity, http_client=requests.Session()).acquire_token_for_client(
        resource=MDE
    )["access_token"]
    assert client.get(token=token).status_code == 200
    assert client.simulator.requests.all()[-1].client_id == application.client_id


@pytest.mark.parametrize(
    ("headers", "query", "status", "error"),
    [
        ({}, f"api-version=2018-02-01&resource={MDE}", 400, "invalid_request"),
        ({"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}, f"api-version=1&resource={MDE}", 400, None),
        ({"Metadata": "true"}, f"resource={MDE}", 400, "invalid_request"),
        ({"Metadata": "true"}, "api-version=2018-02-01", 400, "invalid_request"),
        ({"Metadata": "true"}, f"api-version=1&resource={MDE}&client_id=nobody", 400, "invalid_request"),
        ({"Metadata": "true"}, "api-version=1&resource=https://nope.example", 400, "invalid_resource"),
    ],
)
def test_imds_refusals(
    simulator: Simulator, headers: dict[str, str], query: str, status: int, error: str | None
) -> None:
    url = f"{simulator.imds_url}/metadata/identity/oauth2/token?{query}"
    reply = requests.get(url, headers=headers, timeout=30)
    assert reply.status_code == status
    assert error is None or reply.json()["error"] == error


def test_the_plain_port_serves_nothing_else(simulator: Simulator) -> None:
    assert requests.get(f"{simulator.imds_url}/api/alerts", timeout=30).status_code == 404
    token = f"{simulator.imds_url}/{simulator.tenant_id}/oauth2/v2.0/token"
    assert requests.post(token, data={}, timeout=30).status_code == 404
