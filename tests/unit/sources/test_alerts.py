"""The choice between the sources of alerts, their filters, and how one follows the other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.exceptions import ConfigurationError, CredentialError, PermissionMissing
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.sources.alerts import AlertSources
from tests.helpers.airflow import LakeFolder, connect, land

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def as_app(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the connection's application have other roles."""
    application = simulator.apps[name]
    connect(simulator, monkeypatch, login=application.client_id, password=application.add_secret())


# Auto ---------------------------------------------------------------------------------------------


def test_auto_reads_graph_where_the_application_has_its_role(
    simulator: Simulator, lake: LakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator.tenant.add_alert()
    assert land(lake, source="auto")["source"] == "graph_alerts"
    assert "source='auto' reads graph_alerts: the application has the role" in capsys.readouterr().out
    assert land(lake, source="auto")["source"] == "graph_alerts"
    assert "source='auto' reads graph_alerts: the lake has the log graph_alerts-" in capsys.readouterr().out


def test_auto_reads_the_endpoint_api_without_that_role_and_names_the_page_of_the_move(
    simulator: Simulator,
    lake: LakeFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    as_app(simulator, monkeypatch, "endpoint reader")
    simulator.tenant.add_alert()
    assert land(lake, source="auto")["source"] == "endpoint_alerts"
    said = capsys.readouterr().out
    for words in ("lacks the role SecurityAlert.Read.All", "docs/move_to_graph.md", "2027-02-01"):
        assert words in said


def test_auto_never_goes_back_from_graph(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that was lost is an error, and not a reason to read less."""
    simulator.tenant.add_alert()
    land(lake, source="auto")
    as_app(simulator, monkeypatch, "endpoint reader")
    with pytest.raises(PermissionMissing):
        land(lake, source="auto")


def test_auto_takes_a_wrong_secret_for_no_missing_role(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(simulator, monkeypatch, password="wrong")
    with pytest.raises(CredentialError):
        land(lake, source="auto")


def test_auto_reads_the_endpoint_api_where_graph_cannot_be_used(
    simulator: Simulator, lake: LakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    from functools import partial

    from airflow_provider_defender.hooks import DefenderEndpointHook

    def no_graph(conn_id: str) -> Any:
        raise ConfigurationError("this cloud has no Graph")

    simulator.tenant.add_alert()
    hooks = {
        "graph_alerts": no_graph,
        "endpoint_alerts": partial(DefenderEndpointHook, sleep=simulator.elapse),
    }
    assert land(lake, source="auto", hook=hooks)["source"] == "endpoint_alerts"
    assert "Microsoft Graph cannot be used: this cloud has no Graph" in capsys.readouterr().out


def test_auto_says_of_a_missing_connection_that_it_is_missing(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_DEFENDER_DEFAULT")
    with pytest.raises(ConfigurationError, match="does not exist"):
        land(lake, source="auto")


# The switch ---------------------------------------------------------------------------------------


def test_the_first_drain_of_graph_begins_where_the_endpoint_api_stands(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(5, over=5 * HOUR)
    land(lake, source="endpoint_alerts")
    stands = lake.records()[-1]["position"]["watermark"]
    simulator.tenant.advance(HOUR)
    late = simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(days=5))  # longer than any look-back
    land(lake, source="graph_alerts")
    assert late.alert_id in lake.landed()
    read_from = [each["window"]["read_from"] for each in lake.records() if "graph" in each["log"]]
    assert read_from == ["2026-11-20T11:45:00.0000000Z"]
    assert stands == "2026-11-20T12:00:00.0000000Z"


def test_a_first_drain_of_the_endpoint_api_that_was_cut_off_is_followed_too(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.page_size = 2
    alerts = simulator.tenant.add_alerts(6, over=20 * HOUR)
    land(lake, source="endpoint_alerts", max_duration=timedelta(0))
    simulator.tenant.advance(timedelta(days=2))
    land(lake, source="graph_alerts")
    assert lake.landed().keys() >= {alert.alert_id for alert in alerts}


def test_a_lake_without_the_endpoint_api_begins_at_the_look_back(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(10, over=10 * HOUR)
    land(lake, source="endpoint_alerts", since="2026-11-01", until="2026-11-02")  # a backfill only
    assert land(lake, source="graph_alerts", initial_lookback=5 * HOUR)["versions"] == 6


def test_backfills_of_graph_do_not_make_the_first_drain_forget_the_endpoint_api(
    simulator: Simulator, lake: LakeFolder
) -> None:
    land(lake, source="endpoint_alerts")
    alert = simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(days=5))
    land(lake, source="graph_alerts", since="2026-11-01", until="2026-11-02")
    land(lake, source="graph_alerts")
    assert alert.alert_id in lake.landed()


# Filters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["endpoint_alerts", "auto"])
def test_a_product_is_a_filter_of_graph_only(source: str) -> None:
    with pytest.raises(ConfigurationError, match="needs source='graph_alerts'"):
        AlertSources(source=source, service_source=["microsoftDefenderForIdentity"])
    AlertSources(source=source, service_source="")  # a template that renders to nothing


@pytest.mark.parametrize(
    ("source", "valid"), [("endpoint_alerts", False), ("graph_alerts", True), ("auto", False)]
)
def test_a_value_must_be_valid_for_each_api_that_may_be_read(source: str, valid: bool) -> None:
    AlertSources(source=source, severity="UnSpecified", status="new")
    if valid:
        AlertSources(source=source, severity="unknown")
        return
    with pytest.raises(ConfigurationError, match="'unknown' is not a severity"):
        AlertSources(source=source, severity="unknown")
