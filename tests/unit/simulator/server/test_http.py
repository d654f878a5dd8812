"""The server: many clients at once, starting, stopping."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests

from airflow_provider_defender.simulator import Simulator, Tenant
from tests.unit.simulator.conftest import Client


def test_many_side_by_side_and_nothing_left_over() -> None:
    before = set(threading.enumerate())
    with Simulator(1, tenant=Tenant(1, alerts=0)) as one, Simulator(2, tenant=Tenant(2, alerts=0)) as two:
        assert one.url != two.url
        assert Client(one).get().status_code == Client(two).get().status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.Session().get(f"{one.url}/", verify=two.ca_bundle, timeout=30)
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(30)  # a worker thread that was told to stop needs a moment
    assert not [thread for thread in left if thread.is_alive()]
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(one.imds_url, timeout=30)
    assert not Path(one.ca_bundle).exists()


def test_stopping_does_not_wait_for_hanging_requests() -> None:
    simulator = Simulator(tenant=Tenant(alerts=0))
    simulator.start()
    client = Client(simulator)
    simulator.faults.silent()
    failures = []

    def hang() -> None:
        try:
            client.get()
        except requests.exceptions.ConnectionError as raised:
            failures.append(raised)

    thread = threading.Thread(target=hang)
    thread.start()
    while not simulator.requests.to("/api/alerts"):
        thread.join(0.01)
    simulator.stop()
    thread.join(30)
    assert failures


def test_a_port_in_use_is_an_error(simulator: Simulator) -> None:
    with pytest.raises(OSError, match="use"):
        Simulator(tenant=Tenant(alerts=0), port=int(simulator.url.rpartition(":")[2]))
