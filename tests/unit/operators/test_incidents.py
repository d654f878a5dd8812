"""Incidents of Microsoft Graph, landed by the operator: each update a version, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import ConfigurationError, PermissionMissing, TryAgain
from airflow_provider_defender.operators import DefenderIncidentsToParquetOperator
from airflow_provider_defender.simulator import Page, Simulator
from tests.helpers.airflow import LakeFolder, connect, context, incidents_operator

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
GRAPH_INCIDENTS = "/v1.0/security/incidents"
ORDERINGS = ("honour", "ignore", "refuse")


@pytest.fixture
def incidents(lake: LakeFolder) -> LakeFolder:
    return LakeFolder(lake.path, "incidents")


@pytest.fixture(autouse=True)
def undisturbed(simulator: Simulator) -> Iterator[None]:
    yield
    simulator.graph.after_page = None


def drain(lake: LakeFolder, given: Any = None, **arguments: Any) -> dict[str, Any]:
    return incidents_operator(lake, **arguments).execute(given or context())  # type: ignore[arg-type]


def add_incidents(simulator: Simulator, count: int, *, apart: timedelta = MINUTE) -> list[str]:
    """Incidents of one alert each, updated some time apart; their ids."""
    ids = [str(900 + number) for number in range(count)]
    for incident_id in ids:
        simulator.graph.portal.add_alert("microsoftDefenderForOffice365", incident=incident_id)
        simulator.tenant.advance(apart)
    return ids


def assert_all_landed_once(simulator: Simulator, lake: LakeFolder) -> None:
    landed = lake.landed()
    expected = {each.row_id: each.update_time for each in simulator.graph.portal.incidents}
    missing = {key: version for key, version in expected.items() if version not in landed.get(key, set())}
    assert missing == {}
    assert {row: count for row, count in lake.versions().items() if count > 1} == {}


def test_an_incident_lands_with_the_ids_of_its_alerts_and_again_with_each_update(
    simulator: Simulator, incidents: LakeFolder
) -> None:
    [incident_id] = add_incidents(simulator, 1)
    given = context()
    first = drain(incidents, given)
    assert (first["source"], first["versions"], first["rows"]) == ("graph_incidents", 1, 1)
    event = given["outlet_events"][defender_asset("defender_default", "incidents")]
    assert (event.extra["rows"], event.extra["source"]) == (1, "graph_incidents")
    simulator.graph.portal.comment_incident(incident_id, "look again")
    simulator.tenant.advance(MINUTE)
    simulator.graph.portal.close_incident(incident_id)
    simulator.tenant.advance(MINUTE)
    drain(incidents)
    [incident] = simulator.graph.portal.incidents
    rows = incidents.rows().select(["landing", "microsoft"]).to_pylist()
    own = {row["landing"]["version"]: row["microsoft"]["graph_security"] for row in rows}
    assert len(own) == 2
    latest = own[incident.update_time]
    assert [alert["id"] for alert in latest["alerts"]] == list(incident.members)
    assert (latest["status"], latest["comments"][-1]["comment"]) == ("resolved", "look again")


def test_a_merged_incident_stays_with_a_redirect(simulator: Simulator, incidents: LakeFolder) -> None:
    source, target = add_incidents(simulator, 2)
    drain(incidents)
    simulator.graph.portal.merge(source, target)
    simulator.tenant.advance(MINUTE)
    drain(incidents)
    assert_all_landed_once(simulator, incidents)
    rows = incidents.rows().select(["landing", "microsoft"]).to_pylist()
    redirects = {
        row["landing"]["key"].partition("/")[2]: row["microsoft"]["graph_security"]["redirectIncidentId"]
        for row in sorted(rows, key=lambda row: row["landing"]["version"])
    }
    assert redirects == {source: target, target: None}


@pytest.mark.parametrize("orderby", ORDERINGS)
@pytest.mark.parametrize("expand_fails", [False, True])
def test_all_land_once_however_graph_answers(
    simulator: Simulator, incidents: LakeFolder, orderby: Any, expand_fails: bool
) -> None:
    simulator.graph.incident_orderby, simulator.graph.expand_fails = orderby, expand_fails
    simulator.page_size = simulator.graph.incident_top = 2
    ids = add_incidents(simulator, 5)
    assert drain(incidents)["versions"] == 5
    simulator.tenant.advance(20 * MINUTE)
    simulator.graph.portal.tag_incident(ids[0], "reviewed")
    simulator.tenant.advance(MINUTE)
    assert drain(incidents)["versions"] == 1
    assert_all_landed_once(simulator, incidents)
    rows = incidents.rows().select(["microsoft"]).to_pylist()
    assert all(row["microsoft"]["graph_security"]["alerts"] for row in rows)


@pytest.mark.parametrize("orderby", ORDERINGS)
@pytest.mark.parametrize("ends", ["time", "outage"])
def test_a_drain_that_ends_early_is_made_up_for_by_the_next(
    simulator: Simulator, incidents: LakeFolder, orderby: Any, ends: str
) -> None:
    simulator.graph.incident_orderby = orderby
    simulator.page_size = simulator.graph.incident_top = 2
    add_incidents(simulator, 7)
    count = 0

    def note(page: Page) -> None:
        nonlocal count
        count += page.path == GRAPH_INCIDENTS
        if ends == "outage" and count == 3:
            simulator.faults.server_error(503, path=GRAPH_INCIDENTS, times=None)

    simulator.graph.after_page = note
    clock = Clock(now=lambda: simulator.tenant.now(), monotonic=lambda: float(count))
    if ends == "time":
        cut = drain(incidents, clock=clock, max_duration=timedelta(seconds=2))
        assert cut["complete"] is False
    else:
        with pytest.raises(TryAgain):
            drain(incidents)
    simulator.graph.after_page = None
    simulator.faults.clear()
    [commit] = incidents.records()
    assert 0 < commit["counts"]["landed"] < 7
    assert (commit["position"]["watermark"] is not None) == (orderby == "honour")
    simulator.tenant.advance(48 * HOUR)
    drain(incidents)
    assert_all_landed_once(simulator, incidents)


def test_without_their_alerts_they_land_all_the_same(simulator: Simulator, incidents: LakeFolder) -> None:
    add_incidents(simulator, 2)
    assert drain(incidents, expand_alerts=False)["versions"] == 2
    paths = {request.path for request in simulator.requests.all() if request.path.startswith("/v1.0/")}
    assert paths == {GRAPH_INCIDENTS}
    assert not any("expand" in request.query for request in simulator.requests.all())


def test_a_backfill_reads_by_creation_time(simulator: Simulator, incidents: LakeFolder) -> None:
    add_incidents(simulator, 4, apart=HOUR)
    bounds = {"since": "2026-11-20T12:30:00Z", "until": "2026-11-20T14:30:00Z"}
    for expected in (2, 0):
        summary = drain(incidents, **bounds)
        assert (summary["versions"], summary["watermark_after"]) == (expected, None)


def test_filters_narrow_what_lands(simulator: Simulator, incidents: LakeFolder) -> None:
    first, _ = add_incidents(simulator, 2)
    simulator.graph.portal.close_incident(first)
    simulator.tenant.advance(MINUTE)
    assert drain(incidents, status="active")["versions"] == 1
    assert incidents.records()[-1]["position"]["filters"] == {"status": ["active"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"status": "open"}, "'open' is not a status"),
        ({"severity": ["sever"]}, "'sever' is not a severity"),
        ({"by": "seen"}, "by='seen'"),
        ({"overlap": timedelta(-1)}, "overlap="),
    ],
)
def test_parameters_are_checked_before_any_work(
    simulator: Simulator, incidents: LakeFolder, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        drain(incidents, **arguments)
    assert not simulator.requests.all()


def test_the_role_for_incidents_is_named_if_it_is_missing(
    simulator: Simulator, incidents: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = simulator.apps["graph alert reader"]
    connect(simulator, monkeypatch, login=application.client_id, password=application.add_secret())
    with pytest.raises(PermissionMissing, match=r"SecurityIncident\.Read\.All"):
        drain(incidents)


def test_it_declares_its_asset(lake: LakeFolder) -> None:
    operator = DefenderIncidentsToParquetOperator(task_id="land", lake=lake.uri)
    assert operator.outlets == operator.inlets == [defender_asset("defender_default", "incidents")]
