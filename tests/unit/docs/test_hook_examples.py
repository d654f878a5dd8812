"""The examples that call hooks in a `@task`, run against the simulator and a broker."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.hooks import DefenderEndpointHook
from airflow_provider_defender.simulator import Simulator, Tenant
from tests.helpers.airflow import START
from tests.unit.hooks._kafka.kafka_cluster import mock_cluster

from .pages import blocks

[EXAMPLE] = [block for block in blocks() if block.run == "task"]


@pytest.fixture(scope="module")
def tasks() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(EXAMPLE.text, names)
    return {name: value.function for name, value in names.items() if hasattr(value, "function")}


def test_alerts(tasks: dict[str, Any], simulator: Simulator) -> None:
    simulator.tenant = Tenant(7, alerts=100, history=timedelta(days=5), start=START + timedelta(days=3))
    every = [*DefenderEndpointHook().alerts()]
    today = [each for each in every if each["alertCreationTime"] >= "2026-11-22"]
    assert tasks["high_alerts"]() == [each["title"] for each in today if each["severity"] == "High"] != []
    assert tasks["alerts_by_category"]() == Counter(each["category"] for each in every)
    assert tasks["alert"](every[0]["id"])["evidence"] == every[0]["evidence"]


def test_events(tasks: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"time": "t", "category": "AdvancedHunting-DeviceInfo", "properties": {}}
    with mock_cluster() as cluster:
        cluster.create("defender")
        cluster.send("defender", json.dumps({"records": [record]}).encode())
        extra = {"event_hub": "defender", "security_protocol": "PLAINTEXT"}
        fields = {"conn_type": "event_hub", "host": "127.0.0.1", "port": cluster.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_EVENT_HUB_DEFAULT", json.dumps(fields))
        assert tasks["newest_tables"]() == ["DeviceInfo"]
