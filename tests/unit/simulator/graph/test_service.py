"""`/v1.0/security` as a client sees it: lists, single records, query options, pages, roles, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlsplit

import pytest

from airflow_provider_defender.simulator import Page, Request, Simulator, Tenant
from airflow_provider_defender.simulator.server.messages import Answer

GRAPH = "https://graph.microsoft.com"
ALERTS = "/v1.0/security/alerts_v2"
INCIDENTS = "/v1.0/security/incidents"


class Graph:
    """Requests to a simulator's Graph without a network."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def ask(
        self, path: str = ALERTS, app: str = "reader", prefer: str | None = None, **options: object
    ) -> Answer:
        query = "&".join(f"${name}={quote_plus(str(value))}" for name, value in options.items())
        return self.follow(path, query, app, prefer)

    def follow(self, path: str, query: str, app: str = "reader", prefer: str | None = None) -> Answer:
        token = self.simulator.access_token(app, GRAPH)
        headers = {"authorization": f"Bearer {token}", **({"prefer": prefer} if prefer else {})}
        return self.simulator.answer(Request("GET", path, query, headers))

    def get(self, path: str = ALERTS, **options: Any) -> dict[str, Any]:
        answer = self.ask(path, **options)
        assert answer.status == 200, answer.body
        return body(answer)

    def ids(self, path: str = ALERTS, **options: Any) -> list[str]:
        return [row["id"] for row in self.get(path, **options)["value"]]

    def pages(self, path: str = ALERTS, **options: Any) -> list[list[str]]:
        """The ids of each page, following the links."""
        page = self.get(path, **options)
        found = [[row["id"] for row in page["value"]]]
        while "@odata.nextLink" in page:
            link = urlsplit(page["@odata.nextLink"])
            page = body(self.follow(link.path, link.query))
            found.append([row["id"] for row in page["value"]])
        return found


def body(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b"".join(answer.body))
    return found


def error(answer: Answer) -> tuple[int, str, str]:
    """Status, code and text of an error of Graph."""
    found: Mapping[str, Any] = body(answer)["error"]
    assert {"date", "request-id", "client-request-id"} <= found["innerError"].keys()
    return answer.status, found["code"], found["message"]


@pytest.fixture
def graph() -> Graph:
    """A tenant on which nobody works but the test."""
    tenant = Tenant(7, alerts=0)
    return Graph(Simulator(tenant=tenant, page_size=5, calls_per_minute=None, calls_per_hour=None))


@pytest.fixture
def tenant(graph: Graph) -> Tenant:
    return graph.simulator.tenant


def test_an_endpoint_alert_has_the_same_id_times_and_versions_in_both_apis(
    graph: Graph, tenant: Tenant
) -> None:
    version = tenant.add_alert()
    mine, theirs = version.body, graph.get()["value"][0]
    assert theirs["id"] == theirs["providerAlertId"] == mine["id"]
    pairs = {
        "createdDateTime": "alertCreationTime",
        "lastUpdateDateTime": "lastUpdateTime",
        "firstActivityDateTime": "firstEventTime",
        "lastActivityDateTime": "lastEventTime",
        "resolvedDateTime": "resolvedTime",
        "title": "title",
        "threatDisplayName": "threatName",
        "tenantId": "aadTenantId",
    }
    assert {name: theirs[name] for name in pairs} == {name: mine[other] for name, other in pairs.items()}
    assert theirs["incidentId"] == str(mine["incidentId"])


def test_a_late_version_of_an_endpoint_alert_is_late_in_both(graph: Graph, tenant: Tenant) -> None:
    alert_id = tenant.add_alert().alert_id
    tenant.update(alert_id, visible_after=timedelta(minutes=2), status="Resolved")
    assert graph.get()["value"][0]["status"] == "new"
    tenant.advance(timedelta(minutes=2))
    assert graph.get()["value"][0]["status"] == "resolved"


def test_what_graph_does_not_return(graph: Graph, tenant: Tenant) -> None:
    tenant.add_alert(incidentId=None)
    tenant.add_raw(b'{"id":"x"}')
    assert graph.ids() == []


def test_the_newest_update_comes_first(graph: Graph, tenant: Tenant) -> None:
    ids = []
    for _ in range(3):
        ids.append(tenant.add_alert().alert_id)
        tenant.advance(timedelta(seconds=1))
    assert graph.ids() == ids[::-1]
    tenant.comment(ids[0], "again")
    assert graph.ids()[0] == ids[0]


@pytest.mark.parametrize("switch", ["honour", "ignore", "refuse"])
def test_ordering(graph: Graph, tenant: Tenant, switch: Any) -> None:
    ids = []
    for _ in range(3):
        ids.append(tenant.add_alert().alert_id)
        tenant.advance(timedelta(seconds=1))
    graph.simulator.graph.orderby = switch
    answer = graph.ask(orderby="lastUpdateDateTime asc")
    if switch == "refuse":
        assert error(answer)[:2] == (400, "BadRequest")
    else:
        found = [row["id"] for row in body(answer)["value"]]
        assert found == (ids if switch == "honour" else ids[::-1])


@pytest.mark.parametrize("form", ["$skiptoken", "$skip"])
def test_links_lead_through_all_pages(graph: Graph, tenant: Tenant, form: Any) -> None:
    ids = {version.alert_id for version in tenant.add_alerts(12)}
    graph.simulator.graph.link_form = form
    pages = graph.pages()
    assert [len(page) for page in pages] == [5, 5, 2]
    assert {row for page in pages for row in page} == ids
    pages = graph.pages(top=4)
    assert [len(page) for page in pages] == [4, 4, 4]


def test_a_large_top_is_cut_down_for_alerts_and_refused_for_incidents(graph: Graph, tenant: Tenant) -> None:
    tenant.add_alerts(12)
    graph.simulator.graph.largest_top = 3
    assert [len(page) for page in graph.pages(top=1000)] == [3, 3, 3, 3]
    status, code, text = error(graph.ask(INCIDENTS, top=51))
    assert (status, code) == (400, "BadRequest")
    assert text.startswith("The limit of '50' for Top query has been exceeded.")


def test_a_large_skip_is_refused(graph: Graph) -> None:
    assert graph.ids(skip=500) == []
    assert error(graph.ask(skip=501))[:2] == (400, "BadRequest")
    graph.simulator.graph.largest_skip = None
    assert graph.ids(skip=501) == []


@pytest.mark.parametrize(
    "text",
    [
        "severity eq 'high'",
        "serviceSource eq 'microsoftDefenderForEndpoint' and status ne 'resolved'",
        "lastUpdateDateTime ge 2026-01-09T08:00:00.0000000Z",
        "createdDateTime gt 2026-01-01T00:00:00Z and createdDateTime lt 2026-02-01T00:00:00Z",
        "assignedTo eq 'ana@contoso.example' or classification eq 'truePositive'",
        "determination eq 'malware'",
    ],
)
def test_documented_filters(graph: Graph, tenant: Tenant, text: str) -> None:
    wanted = tenant.add_alert(
        severity="High",
        assignedTo="ana@contoso.example",
        determination="Malware",
        alertCreationTime="2026-01-09T07:00:00Z",
    )
    assert graph.ids(filter=text) == [wanted.alert_id]


@pytest.mark.parametrize(
    "text",
    [
        "title eq 'x'",
        "lastUpdateDateTime ge '2026-01-09T08:00:00Z'",
        "severity eq",
        "evidence/any(e: e/ipAddress eq '203.0.113.1')",
        "incidentId eq '7587'",
    ],
)
def test_other_filters_are_refused(graph: Graph, text: str) -> None:
    assert error(graph.ask(filter=text))[:2] == (400, "BadRequest")


def test_incidents_have_no_service_source_to_filter_by(graph: Graph) -> None:
    text = "serviceSource eq 'microsoftSentinel'"
    assert graph.ids(filter=text) == []
    assert error(graph.ask(INCIDENTS, filter=text))[:2] == (400, "BadRequest")
    assert graph.ids(INCIDENTS, filter="status eq 'active'") == []


def test_other_options_are_refused(graph: Graph) -> None:
    for name in ("select", "search", "expand"):
        assert error(graph.ask(**{name: "evidence"}))[:2] == (400, "BadRequest")
    assert error(graph.ask(INCIDENTS, expand="comments"))[:2] == (400, "BadRequest")


def test_count(graph: Graph, tenant: Tenant) -> None:
    tenant.add_alerts(7)
    assert graph.get(count="true")["@odata.count"] == 7


def test_single_records(graph: Graph, tenant: Tenant) -> None:
    alert = tenant.add_alert()
    found = graph.get(f"{ALERTS}/{alert.alert_id}")
    root = f"{graph.simulator.url}/v1.0/$metadata#security"
    assert found["@odata.context"] == f"{root}/alerts_v2/$entity"
    incident = graph.get(f"{INCIDENTS}/{found['incidentId']}")
    assert incident["@odata.context"] == f"{root}/incidents/$entity"
    assert "alerts" not in incident
    assert error(graph.ask(f"{ALERTS}/none"))[:2] == (404, "ResourceNotFound")
    assert error(graph.ask(f"{INCIDENTS}/0/alerts"))[:2] == (404, "ResourceNotFound")


def test_the_alerts_of_an_incident_in_three_ways(graph: Graph, tenant: Tenant) -> None:
    ids = [tenant.add_alert(incidentId=9).alert_id for _ in range(3)]
    [incident] = graph.get(INCIDENTS, expand="alerts")["value"]
    assert [alert["id"] for alert in incident["alerts"]] == ids
    assert [alert["id"] for alert in graph.get(f"{INCIDENTS}/9", expand="alerts")["alerts"]] == ids
    assert sorted(graph.ids(f"{INCIDENTS}/9/alerts")) == sorted(ids)
    graph.simulator.graph.largest_expanded = 2
    [incident] = graph.get(INCIDENTS, expand="alerts")["value"]
    link = urlsplit(incident["alerts@odata.nextLink"])
    rest = body(graph.follow(link.path, link.query))["value"]
    assert sorted(alert["id"] for alert in incident["alerts"] + rest) == sorted(ids)
    assert len(rest) == 1
    graph.simulator.graph.expand_fails = True
    assert error(graph.ask(INCIDENTS, expand="alerts"))[:2] == (500, "InternalServerError")
    assert graph.ids(INCIDENTS) == ["9"]
    assert sorted(graph.ids(f"{INCIDENTS}/9/alerts")) == sorted(ids)


def test_roles(graph: Graph) -> None:
    assert graph.ids(INCIDENTS, app="reader") == []
    status, code, text = error(graph.ask(app="endpoint reader"))
    assert (status, code) == (403, "Forbidden")
    assert text == (
        "Missing application roles. API required roles: SecurityAlert.Read.All, "
        "SecurityAlert.ReadWrite.All, application roles: ."
    )
    assert graph.ids(app="graph alert reader") == []
    status, code, text = error(graph.ask(INCIDENTS, app="graph alert reader"))
    assert (status, code) == (403, "Forbidden")
    assert text.endswith("application roles: SecurityAlert.Read.All.")


def test_a_token_for_another_audience_is_refused(graph: Graph) -> None:
    token = graph.simulator.access_token()
    answer = graph.simulator.answer(Request("GET", ALERTS, "", {"authorization": f"Bearer {token}"}))
    assert error(answer)[:2] == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize("header", [True, False])
def test_throttling_with_and_without_a_header(graph: Graph, header: bool) -> None:
    graph.simulator.graph.retry_after = header
    graph.simulator.faults.throttle(30)
    answer = graph.ask()
    assert error(answer)[:2] == (429, "TooManyRequests")
    assert ("Retry-After" in answer.headers) is header


def test_faults_by_name(graph: Graph) -> None:
    faults = graph.simulator.faults
    for switch_on, status in (
        (faults.gateway_timeout, 504),
        (faults.missing_graph_role, 403),
        (faults.throttled_without_header, 429),
        (faults.expired_token, 401),
    ):
        switch_on()
        assert graph.ask().status == status
        assert graph.ask().status == 200


def test_hooks_around_a_page(graph: Graph, tenant: Tenant) -> None:
    tenant.add_alerts(7)
    seen: list[Page] = []
    graph.simulator.graph.after_page = seen.append
    graph.simulator.graph.before_page = lambda page: tenant.add_alert() if not seen else None
    graph.pages()
    assert [(page.path, page.number, len(page.read), len(page.rows), len(page.unread)) for page in seen] == [
        (ALERTS, 0, 0, 5, 3),
        (ALERTS, 1, 5, 3, 0),
    ]


def test_stirring_changes_the_pages_of_graph(graph: Graph, tenant: Tenant) -> None:
    tenant.add_alerts(12)
    before = len(graph.simulator.graph.portal.alert_versions)
    graph.simulator.graph.after_page = graph.simulator.stir
    graph.pages()
    assert len(graph.simulator.graph.portal.alert_versions) > before


def test_members_of_the_future_only_for_who_asks(graph: Graph) -> None:
    portal = graph.simulator.graph.portal
    portal.add_alert(
        "microsoftSentinel",
        evidence=[{"@odata.type": "#microsoft.graph.security.ipEvidence", "remediationStatus": "active"}],
        incident="5",
        detectionSource="nrtAlerts",
    )
    portal.update_incidents(["5"], status="awaitingAction")
    future, unknown = "include-unknown-enum-members", "unknownFutureValue"
    plain, asked = graph.ask(), graph.ask(prefer=future)
    assert asked.headers["Preference-Applied"] == future
    assert "Preference-Applied" not in plain.headers
    [one], [other] = body(plain)["value"], body(asked)["value"]
    assert (one["serviceSource"], one["detectionSource"]) == (unknown, unknown)
    assert one["evidence"][0]["remediationStatus"] == unknown
    assert (other["serviceSource"], other["detectionSource"]) == ("microsoftSentinel", "nrtAlerts")
    assert other["evidence"][0]["remediationStatus"] == "active"
    assert one["severity"] == other["severity"] != unknown
    assert body(graph.ask(INCIDENTS))["value"][0]["status"] == unknown
    [incident] = body(graph.ask(INCIDENTS, prefer=future, expand="alerts"))["value"]
    assert incident["status"] == "awaitingAction"
    assert incident["alerts"] == [other]


def test_switches_survive_another_tenant(graph: Graph) -> None:
    graph.simulator.graph.orderby, graph.simulator.graph.largest_top = "refuse", 3
    graph.simulator.tenant = Tenant(8, alerts=0)
    assert (graph.simulator.graph.orderby, graph.simulator.graph.largest_top) == ("refuse", 3)
    assert graph.simulator.graph.portal.tenant is graph.simulator.tenant
