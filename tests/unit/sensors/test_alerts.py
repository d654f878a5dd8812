"""The sensor: one cheap call, true when something was updated beyond the watermark."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.exceptions import ConfigurationError, CredentialError, HostUnreachable
from airflow_provider_defender.sensors import DefenderAlertSensor
from airflow_provider_defender.simulator import Simulator
from tests.helpers.airflow import INJECTED, LakeFolder, connect, context, land


def poke(lake: LakeFolder, **arguments: Any) -> bool:
    return DefenderAlertSensor(task_id="wait", lake=lake.uri, **{**INJECTED, **arguments}).poke(context())  # type: ignore[arg-type]


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


@pytest.mark.parametrize("source", ["graph_alerts", "auto"])
def test_alerts_of_all_products_are_waited_for(simulator: Simulator, lake: LakeFolder, source: str) -> None:
    assert not poke(lake, source=source)
    simulator.graph.portal.add_alert("microsoftDefenderForIdentity")
    simulator.tenant.advance(timedelta(minutes=1))
    assert poke(lake, source=source)
    assert not poke(lake)  # the Endpoint API has no such alerts
    land(lake, source=source)
    assert not poke(lake, source=source)


def test_graph_is_asked_from_where_the_endpoint_api_stands(simulator: Simulator, lake: LakeFolder) -> None:
    land(lake)
    simulator.tenant.advance(timedelta(hours=1))
    simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(days=3))
    assert poke(lake, source="graph_alerts")


def test_auto_says_only_once_what_it_reads(
    simulator: Simulator,
    lake: LakeFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    application = simulator.apps["endpoint reader"]
    connect(simulator, monkeypatch, login=application.client_id, password=application.add_secret())
    sensor = DefenderAlertSensor(task_id="wait", lake=lake.uri, source="auto", **INJECTED)
    for _ in range(3):
        sensor.poke(context())  # type: ignore[arg-type]
    assert capsys.readouterr().out.count("docs/move_to_graph.md") == 1


@pytest.mark.parametrize(
    "arguments", [{"source": "graph"}, {"service_source": "microsoftSentinel"}, {"severity": "grave"}]
)
def test_parameters_are_checked_before_any_request(
    simulator: Simulator, lake: LakeFolder, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        poke(lake, **arguments)
    assert not simulator.requests.all()


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


def test_all_pokes_of_a_slot_use_one_token(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_defender.hooks._entra.tokens.mask", masked.append)
    sensor = DefenderAlertSensor(task_id="wait", lake=lake.uri, mode="poke", poke_interval=0, **INJECTED)
    for _ in range(20):
        assert not sensor.poke(context())  # type: ignore[arg-type]
    simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(minutes=1))
    sensor.execute({})
    paths = [request.path for request in simulator.requests.all()]
    assert len([path for path in paths if path.startswith("/api/")]) == 21
    assert len([path for path in paths if path.endswith("/token")]) == len(masked) == 1


def test_an_outage_is_waited_out_at_the_next_poke_and_not_in_place(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.faults.server_error(503, times=None)
    assert not poke(lake)
    assert len([call for call in simulator.requests.all() if call.path.startswith("/api/")]) <= 3
    simulator.faults.clear()
    simulator.tenant.add_alert()
    assert poke(lake)


def test_a_host_that_was_never_reached_is_a_wrong_one_at_the_third_poke(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(simulator, monkeypatch, host="127.0.0.1", port=1)
    sensor = DefenderAlertSensor(task_id="wait", lake=lake.uri, mode="poke", poke_interval=0, **INJECTED)
    with pytest.raises(HostUnreachable):
        sensor.execute(context())  # type: ignore[arg-type]
    assert sensor._failures == 3


def test_a_host_that_the_lake_knows_has_an_outage(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.tenant.add_alert()
    land(lake)
    connect(simulator, monkeypatch, host="127.0.0.1", port=1)
    sensor = DefenderAlertSensor(task_id="wait", lake=lake.uri, **INJECTED)
    assert [sensor.poke(context(task_reschedule_count=2)) for _ in range(4)] == [False] * 4  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"source": "endpoint_alert"}, "Did you mean 'endpoint_alerts'?"),
        ({"initial_lookback": 1}, "lookback=1"),
    ],
)
def test_wrong_parameters_are_named(
    simulator: Simulator, lake: LakeFolder, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        poke(lake, **arguments)
    assert len(simulator.requests) == 0


def test_an_empty_lake_parameter_is_named(simulator: Simulator, lake: LakeFolder) -> None:
    lake.uri = ""
    with pytest.raises(ConfigurationError, match="lake is empty"):
        poke(lake)


def test_a_sensor_gives_its_slot_back_by_default() -> None:
    assert DefenderAlertSensor(task_id="wait", lake="file:///lake").reschedule
