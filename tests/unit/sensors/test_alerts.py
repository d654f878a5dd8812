"""The sensor: one cheap call, true when something was updated beyond the watermark."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.exceptions import ConfigurationError, CredentialError
from airflow_provider_defender.sensors import DefenderAlertSensor
from airflow_provider_defender.simulator import Simulator
from tests.unit.airflow_fixtures import LakeFolder, connect, context, land


def poke(lake: LakeFolder, **arguments: Any) -> bool:
    return DefenderAlertSensor(task_id="wait", lake=lake.uri, **arguments).poke(context())  # type: ignore[arg-type]


def test_without_a_watermark_the_look_back_counts(simulator: Simulator, lake: LakeFolder) -> None:
    assert not poke(lake)
    simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(hours=2))
    assert poke(lake)
    assert not poke(lake, initial_lookback=timedelta(hours=1))


def test_what_has_landed_is_not_waited_for(simulator: Simulator, lake: LakeFolder) -> None:
    alert = simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(minutes=1))
    land(lake)
    assert not poke(lake)
    simulator.tenant.comment(alert.alert_id, "look again")
    assert poke(lake)


def test_filters_narrow_what_is_waited_for(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alert(severity="Low")
    assert not poke(lake, severity=["High", "Medium"])
    assert poke(lake, severity="Low")


def test_a_poke_is_one_cheap_call_and_changes_nothing(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(30)
    poke(lake)
    [call] = [request for request in simulator.requests.all() if request.path.startswith("/api/")]
    assert "$top=1" in call.query
    assert "expand" not in call.query
    assert not lake.path.exists()


def test_throttling_is_waited_out(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alert()
    simulator.faults.throttle(1740, hour=True)
    assert not poke(lake)
    simulator.elapse(1800)
    assert poke(lake)


def test_a_wrong_secret_fails_at_once(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(simulator, monkeypatch, password="wrong")
    with pytest.raises(CredentialError, match="AADSTS7000215"):
        poke(lake)


def test_an_empty_lake_parameter_is_named(simulator: Simulator, lake: LakeFolder) -> None:
    lake.uri = ""
    with pytest.raises(ConfigurationError, match="lake is empty"):
        poke(lake)


def test_a_sensor_gives_its_slot_back_by_default() -> None:
    assert DefenderAlertSensor(task_id="wait", lake="file:///lake").reschedule
