"""The log of requests."""

from __future__ import annotations

from airflow_provider_defender.simulator import Simulator
from tests.unit.simulator.conftest import Client


def test_requests_are_logged_without_secrets(simulator: Simulator, client: Client) -> None:
    client.get(params={"$top": "1"})
    entries = simulator.requests.all()
    assert entries[-1].client_id == simulator.client_id
    assert (entries[-1].method, entries[-1].path, entries[-1].query) == ("GET", "/api/alerts", "%24top=1")
    assert entries[0].path.endswith("/oauth2/v2.0/token")
    text = repr(entries)
    assert simulator.client_secret not in text
    assert client.token not in text
