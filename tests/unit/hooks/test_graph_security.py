"""Alerts and incidents of Microsoft Graph, against the simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import parse_qs

import pytest

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    PermissionMissing,
    ServiceUnavailable,
    Throttled,
    UnexpectedHost,
)
from airflow_provider_defender.hooks import (
    DefenderEndpointHook,
    GraphAlertFilter,
    GraphIncidentFilter,
    GraphSecurityHook,
    Page,
    graph_security,
)
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.simulator.graph.service import GraphApi
from airflow_provider_defender.timestamps import parse_ticks
from tests.unit.hooks.conftest import Connect, Watch

ALERTS = "/v1.0/security/alerts_v2"
INCIDENTS = "/v1.0/security/incidents"
Order = Literal["honour", "ignore", "refuse"]


@pytest.fixture
def graph(simulator: Simulator) -> Iterator[GraphApi]:
    """The service, whose habits are as usual again afterwards."""
    usual = {name: value for name, value in vars(simulator.graph).items() if not name.startswith("_")}
    simulator.api.quota.per_minute = None
    yield simulator.graph
    for name, value in usual.items():
        setattr(simulator.graph, name, value)


@pytest.fixture
def hook(connect: Connect, watch: Watch, graph: GraphApi) -> GraphSecurityHook:
    many = {"calls_per_minute": 10_000, "calls_per_hour": 100_000}
    return GraphSecurityHook(connect("defender_default", **many), sleep=watch.sleep)


def records(pages: Iterator[Page]) -> list[dict[str, Any]]:
    return [json.loads(bytes(record)) for page in pages for record in page.records]


def versions(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["id"], each["lastUpdateDateTime"]) for each in found]


def shown(graph: GraphApi, kind: str) -> set[str]:
    """The ids that the service shows."""
    return {row.row_id for row in graph.portal.select(kind, "", None)}


def alerts_by_incident(hook: GraphSecurityHook) -> dict[str, dict[str, Any]]:
    return {each["id"]: {alert["id"]: alert for alert in each["alerts"]} for each in hook.incidents()}


def queries(simulator: Simulator, path: str = ALERTS) -> list[dict[str, list[str]]]:
    return [parse_qs(request.query) for request in simulator.requests.to(path)]


# -- alerts


def test_all_alerts_come_once_in_the_order_of_their_update(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi
) -> None:
    graph.largest_top = 30
    pages = list(hook.alert_pages(by="updated", since=0))
    found = records(iter(pages))
    assert {each["id"] for each in found} == shown(graph, "alert")
    assert len(set(versions(found))) == len(found) > 80
    times = [parse_ticks(each["lastUpdateDateTime"]) or 0 for each in found]
    assert times == sorted(times)
    assert pages[-1].complete_until == times[-1]
    first = queries(simulator)[0]
    assert first["$filter"] == ["lastUpdateDateTime ge 1970-01-01T00:00:00.0000000Z"]
    assert first["$orderby"] == ["lastUpdateDateTime asc"]
    assert first["$top"] == ["1000"]


@pytest.mark.parametrize("order", ["honour", "ignore", "refuse"])
def test_alerts_come_whatever_the_order(hook: GraphSecurityHook, graph: GraphApi, order: Order) -> None:
    graph.orderby = order
    graph.largest_top = 17
    for by in ("created", "updated"):
        found = records(hook.alert_pages(by=by, since=0))
        assert {each["id"] for each in found} == shown(graph, "alert")


def test_new_products_are_named(hook: GraphSecurityHook) -> None:
    """Without the header, they would all be unknownFutureValue."""
    sources = {each["serviceSource"] for each in hook.alerts()}
    assert "unknownFutureValue" not in sources
    assert "microsoftDefenderForCloud" in sources


def test_a_window_of_creation_times(hook: GraphSecurityHook) -> None:
    times = sorted(each["createdDateTime"] for each in hook.alerts(by="created"))
    found = [each["createdDateTime"] for each in hook.alerts(by="created", since=times[10], until=times[40])]
    assert found == [each for each in times if times[10] <= each < times[40]]


def test_filters_take_the_names_of_both_apis(hook: GraphSecurityHook) -> None:
    everything = list(hook.alerts())
    found = list(hook.alerts(severity=["High", "UnSpecified"], service_source="MICROSOFTDEFENDERFORENDPOINT"))
    assert found == [
        each
        for each in everything
        if each["severity"] in ("high", "unknown") and each["serviceSource"] == "microsoftDefenderForEndpoint"
    ]
    assert found


def test_tables_have_the_documented_columns(hook: GraphSecurityHook) -> None:
    alerts, incidents = hook.alerts_table(), hook.incidents_table(alerts=False)
    assert str(alerts.schema.field("lastUpdateDateTime").type) == "timestamp[us, tz=UTC]"
    assert {"id", "providerAlertId", "evidence", "serviceSource"} <= set(alerts.column_names)
    assert {"id", "displayName", "redirectIncidentId"} <= set(incidents.column_names)
    assert hook.alerts_table(since="2100-01-01").num_rows == 0


# -- incidents


def test_incidents_come_with_their_alerts(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi
) -> None:
    found = records(hook.incident_pages(by="updated", since=0))
    assert {each["id"] for each in found} == shown(graph, "incident")
    assert any(each["alerts"] for each in found)
    assert all(alert["incidentId"] == each["id"] for each in found for alert in each["alerts"])
    tops = [each["$top"] for each in queries(simulator, INCIDENTS)]
    assert tops == [["10"], ["20"], ["40"], ["50"], ["50"]]  # as they turn out to be small
    assert all("$expand" in each for each in queries(simulator, INCIDENTS))
    plain = records(hook.incident_pages(by="updated", since=0, expand_alerts=False))
    assert not any("alerts" in each for each in plain)


@pytest.mark.parametrize("order", ["honour", "refuse"])
def test_alerts_are_read_one_by_one_where_lists_cannot_include_them(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi, watch: Watch, order: Order
) -> None:
    graph.incident_orderby = order
    wanted = alerts_by_incident(hook)
    graph.expand_fails = True
    simulator.requests.clear()
    for _ in range(2):
        assert alerts_by_incident(hook) == wanted
    expanded = [each for each in queries(simulator, INCIDENTS) if "$expand" in each]
    assert len(expanded) == 4  # and never again by this hook
    assert sum(watch.waits) < 15
    assert watch.text.count("Incidents cannot be listed with their alerts") == 1


def test_the_bytes_of_an_incident_and_its_alerts_stay(hook: GraphSecurityHook, graph: GraphApi) -> None:
    graph.expand_fails = True
    plain = [
        bytes(each)
        for page in hook.incident_pages(by="updated", since=0, expand_alerts=False)
        for each in page.records
    ]
    joined = [bytes(each) for page in hook.incident_pages(by="updated", since=0) for each in page.records]
    for before, after in zip(plain, joined, strict=True):
        assert after.startswith(before.rstrip()[:-1] + b',"alerts":[')
        assert after.endswith(b"]}")


def test_an_incident_without_readable_alerts_comes_without(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi, watch: Watch
) -> None:
    graph.expand_fails = True
    broken = sorted(shown(graph, "incident"))[0]
    simulator.faults.status(404, "{}", path=f"{INCIDENTS}/{broken}/alerts", times=None)
    found = {each["id"]: each for each in hook.incidents()}
    assert found.keys() == shown(graph, "incident")
    assert [name for name, each in found.items() if "alerts" not in each] == [broken]
    assert "1 incident came without all alerts: join alerts on their incidentId." in watch.text


def test_other_outages_are_no_reason_to_stop(
    hook: GraphSecurityHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.gateway_timeout(times=3)
    assert list(hook.incidents())
    assert "cannot be listed with their alerts" not in watch.text
    simulator.faults.gateway_timeout(times=None)
    with pytest.raises(ServiceUnavailable, match="HTTP 504 UnknownError"):
        list(hook.incidents())


@pytest.mark.parametrize("links", ["followed", "refused"])
def test_a_list_of_alerts_that_was_cut_off_is_not_taken_for_whole(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi, watch: Watch, links: str
) -> None:
    wanted = alerts_by_incident(hook)
    many = [name for name, alerts in wanted.items() if len(alerts) > 2]
    assert len(many) > 3
    graph.largest_expanded = 2
    if links == "refused":
        simulator.faults.status(404, "{}", path=f"{INCIDENTS}/{many[0]}/alerts", times=None)
    simulator.requests.clear()
    found = list(hook.incidents())
    read = {each["id"]: {alert["id"]: alert for alert in each["alerts"]} for each in found}
    if links == "refused":
        cut, whole = read.pop(many[0]), wanted[many[0]]
        assert cut == {name: whole[name] for name in cut}
        assert len(cut) == 2
    assert read == {name: alerts for name, alerts in wanted.items() if name in read}
    assert [each["id"] for each in found if "alerts@odata.nextLink" in each] == (
        many[:1] if links == "refused" else []
    )
    assert ("1 incident came without all alerts" in watch.text) == (links == "refused")
    asked = [request.path for request in simulator.requests if request.path.endswith("/alerts")]
    assert asked == [f"{INCIDENTS}/{name}/alerts" for name in wanted if name in many]


def test_an_outage_costs_no_incident_its_alerts(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi, watch: Watch
) -> None:
    """While nothing else answers either, the read ends; it does not go on without alerts."""
    graph.expand_fails = True
    several = sorted(shown(graph, "incident"))
    simulator.faults.gateway_timeout(path=f"{INCIDENTS}/{several[5]}*", times=None)
    found: list[dict[str, Any]] = []
    with pytest.raises(ServiceUnavailable, match="HTTP 504"):
        found.extend(hook.incidents())
    assert all("alerts" in incident for incident in found)
    assert "came without" not in watch.text


def test_alerts_of_one_incident_that_fail_stop_nothing(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi
) -> None:
    graph.expand_fails = True
    broken = sorted(shown(graph, "incident"))[0]
    simulator.faults.gateway_timeout(path=f"{INCIDENTS}/{broken}/alerts", times=None)
    found = {each["id"]: each for each in hook.incidents()}
    assert found.keys() == shown(graph, "incident")
    assert [name for name, each in found.items() if "alerts" not in each] == [broken]


@pytest.mark.parametrize("expand_fails", [False, True])
def test_pages_of_incidents_with_many_alerts_are_small(
    hook: GraphSecurityHook,
    simulator: Simulator,
    graph: GraphApi,
    monkeypatch: pytest.MonkeyPatch,
    expand_fails: bool,
) -> None:
    wanted = alerts_by_incident(hook)
    monkeypatch.setattr(graph_security, "_EXPANDED_PAGE_BYTES", 20_000)
    graph.expand_fails = expand_fails
    pages = []
    reached = 0
    for page in GraphSecurityHook(hook.defender_conn_id).incident_pages(by="updated", since=0):
        assert (page.complete_until or reached) >= reached
        reached = page.complete_until or reached
        pages.append(page)
    sizes = [sum(len(bytes(each)) for each in page.records) for page in pages]
    largest = max(len(bytes(each)) for page in pages for each in page.records)
    assert max(sizes[1:]) < 20_000 + 3 * largest < sum(sizes) / 3
    assert pages[-1].last
    assert not any(page.last for page in pages[:-1])
    found = records(iter(pages))
    assert {each["id"]: {alert["id"]: alert for alert in each["alerts"]} for each in found} == wanted


@pytest.mark.parametrize(("large", "tops"), [(1, ["10", "2", "4"]), (2, ["10", "2", "50"])])
def test_a_page_too_large_is_asked_for_with_fewer_incidents(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi, watch: Watch, large: int, tops: list[str]
) -> None:
    """And with none of their alerts, if even the fewest are too many."""
    wanted = alerts_by_incident(GraphSecurityHook(hook.defender_conn_id))
    simulator.faults.large(300, path=INCIDENTS, times=large)
    simulator.requests.clear()
    assert alerts_by_incident(hook) == wanted
    assert [each["$top"][0] for each in queries(simulator, INCIDENTS) if "$top" in each][:3] == tops
    assert ("cannot be listed with their alerts" in watch.text) == (large == 2)


# -- what goes wrong


def test_a_throttle_without_a_time_is_waited_for(
    hook: GraphSecurityHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.throttled_without_header(times=3)
    assert list(hook.alerts())
    assert watch.waits == [5.0, 10.0, 20.0]
    simulator.faults.throttled_without_header(times=None)
    with pytest.raises(Throttled):
        list(hook.alerts())


@pytest.mark.parametrize(
    ("app", "path", "role"),
    [
        ("endpoint reader", ALERTS, "SecurityAlert.Read.All"),
        ("graph alert reader", INCIDENTS, "SecurityIncident.Read.All"),
    ],
)
def test_a_missing_role_is_named(
    app: str, path: str, role: str, connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    owner = simulator.apps[app]
    connect("defender_default", login=owner.client_id, password=owner.client_secret)
    hook = GraphSecurityHook(sleep=watch.sleep)
    with pytest.raises(PermissionMissing, match=f"lacks the role {role} or ") as caught:
        list(hook.alerts() if path == ALERTS else hook.incidents())
    watch.shown.append(str(caught.value))
    assert "as an application permission of Microsoft Graph" in str(caught.value)


def test_a_role_is_named_even_if_the_api_does_not(hook: GraphSecurityHook, simulator: Simulator) -> None:
    simulator.faults.graph_error(403, "Forbidden", "No.", path=INCIDENTS)
    with pytest.raises(PermissionMissing, match=r"needs the role SecurityIncident\.Read\.All or "):
        list(hook.incidents())


def test_a_link_to_another_host_is_not_followed(
    hook: GraphSecurityHook, simulator: Simulator, graph: GraphApi
) -> None:
    graph.largest_top = 30
    simulator.faults.foreign_next_link("https://evil.example/v1.0/security/alerts_v2", path=ALERTS)
    with pytest.raises(UnexpectedHost, match=r"leads to evil\.example"):
        list(hook.alerts())


@pytest.mark.parametrize("arguments", [{"by": "seen"}, {"until": 0}])
def test_wrong_arguments_are_told_at_once(hook: GraphSecurityHook, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        hook.alert_pages(**{"by": "updated", "since": 0, **arguments})
    with pytest.raises(ConfigurationError, match="is not a status of Microsoft Graph"):
        hook.incidents(status="new")


def test_china_has_no_alerts_by_graph(connect: Connect) -> None:
    with pytest.raises(ConfigurationError, match="no alerts and incidents in the China cloud"):
        list(GraphSecurityHook(connect("defender_default", cloud="china")).alerts())


# -- sensors


def test_whether_something_was_updated_is_one_request(hook: GraphSecurityHook, simulator: Simulator) -> None:
    newest = max(parse_ticks(each["lastUpdateDateTime"]) or 0 for each in hook.alerts())
    simulator.requests.clear()
    assert hook.has_alert_updated_since(newest - 1)
    assert not hook.has_alert_updated_since(newest)
    assert len(queries(simulator)) == 2
    assert hook.has_incident_updated_since(0)
    assert hook.has_incident_updated_since(0, GraphIncidentFilter(status="active"))
    assert not hook.has_alert_updated_since(newest - 1, GraphAlertFilter(service_source="microsoftThreat"))


def test_a_filter_that_the_api_cannot_apply_is_applied_here(hook: GraphSecurityHook) -> None:
    alerts = list(hook.alerts())
    last = [parse_ticks(each["lastUpdateDateTime"]) or 0 for each in alerts[-20:]]
    category = alerts[-1]["category"]
    assert hook.has_alert_updated_since(last[0], GraphAlertFilter(category=category.upper()))
    assert not hook.has_alert_updated_since(last[0], GraphAlertFilter(category="Nothing"))


# -- the Test button


def test_the_button_says_the_same_for_both_hooks(hook: GraphSecurityHook, watch: Watch) -> None:
    good, message = hook.test_connection()
    assert good
    assert DefenderEndpointHook().test_connection()[1].count(" yes, the role ") == 3
    for sentence in (
        "Alerts by Microsoft Graph: yes, the role SecurityAlert.Read.All is granted",
        "Incidents by Microsoft Graph: yes, the role SecurityIncident.Read.All is granted",
        "Alerts by the Endpoint API: yes, the role Alert.Read.All is granted",
    ):
        assert sentence in message
    watch.shown.append(message)


@pytest.mark.parametrize(
    ("app", "works", "missing"),
    [
        (
            "endpoint reader",
            ["Alerts by the Endpoint API"],
            ["SecurityAlert.Read.All", "SecurityIncident.Read.All"],
        ),
        (
            "graph alert reader",
            ["Alerts by Microsoft Graph"],
            ["SecurityIncident.Read.All", "Alert.Read.All"],
        ),
        ("no role", [], ["SecurityAlert.Read.All", "SecurityIncident.Read.All", "Alert.Read.All"]),
    ],
)
def test_the_button_names_what_is_missing_for_each_use(
    app: str, works: list[str], missing: list[str], connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    owner = simulator.apps[app]
    connect("defender_default", login=owner.client_id, password=owner.client_secret)
    good, message = GraphSecurityHook(sleep=watch.sleep).test_connection()
    watch.shown.append(message)
    assert good is bool(works)
    assert all(f"{each}: yes, the role " in message for each in works)
    assert all(f"lacks the role {each} " in message for each in missing)
    assert message.count("Connection 'defender_default'") == 0
    assert [
        message.count(f"{each}: got a token for application") for each in ("Microsoft Graph", "Defender")
    ] == [1, 1]


def test_a_wrong_secret_is_told_once(connect: Connect, watch: Watch) -> None:
    connect("defender_default", password="wrong-secret-value")
    good, message = GraphSecurityHook(sleep=watch.sleep).test_connection()
    assert not good
    assert message.count("the client secret is wrong") == 1
