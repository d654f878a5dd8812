"""The quotas of the alerts API, by minute and hour."""

from __future__ import annotations

from airflow_provider_defender.simulator import Simulator, Tenant
from tests.unit.simulator.conftest import Client


def test_minute_quota_refuses_until_retry_after_has_passed(simulator: Simulator, client: Client) -> None:
    simulator.api.quota.per_minute = 3
    assert [client.get().status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get()
    assert refused.json()["error"]["code"] == "429"
    assert refused.json()["error"]["message"] == "API calls quota exceeded! maximum allowed 3 per 00:01:00"
    wait = int(refused.headers["Retry-After"])
    assert 0 < wait <= 60
    simulator.elapse(wait / 2)
    assert client.get().status_code == 429
    simulator.elapse(wait / 2 + 1)
    assert client.get().status_code == 200


def test_hour_quota(simulator: Simulator, client: Client) -> None:
    simulator.api.quota.per_hour = 2
    client.get()
    client.get()
    simulator.elapse(120)
    refused = client.get()
    assert refused.json()["error"]["message"] == "API calls quota exceeded! maximum allowed 2 per 01:00:00"
    assert 3300 < int(refused.headers["Retry-After"]) <= 3480
    simulator.elapse(int(refused.headers["Retry-After"]))
    assert client.get(token=client.new_token()).status_code == 200


def test_quota_is_each_applications_own(simulator: Simulator, client: Client) -> None:
    simulator.api.quota.per_minute = 1
    simulator.apps.register("second")
    client.get()
    assert client.get().status_code == 429
    assert client.get(token=client.new_token("second")).status_code == 200


def test_documented_quotas_are_the_default() -> None:
    with Simulator(tenant=Tenant(alerts=0)) as simulator:
        quota = simulator.api.quota
        assert (quota.per_minute, quota.per_hour, simulator.page_size) == (100, 1_500, 10_000)
