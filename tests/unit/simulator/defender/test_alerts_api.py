"""`/api/alerts`: access, pages, query options, headers, single alerts."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from airflow_provider_defender.simulator import Page, Simulator, Tenant
from tests.unit.simulator.answers import error
from tests.unit.simulator.conftest import Client

# -- who may ask


def test_no_token(simulator: Simulator, client: Client) -> None:
    assert error(client.session.get(f"{simulator.url}/api/alerts", timeout=30)) == (401, "Unauthorized")
    assert error(client.get(token="not.a.token")) == (401, "Unauthorized")


def test_token_for_another_resource(client: Client) -> None:
    token = client.token_reply(scope="https://graph.microsoft.com/.default").json()["access_token"]
    assert error(client.get(token=token)) == (401, "Unauthorized")


def test_token_of_another_tenant(client: Client) -> None:
    with Simulator("other", tenant=Tenant("other", alerts=0)) as other:
        assert error(client.get(token=Client(other).token)) == (401, "Unauthorized")


def test_token_that_has_run_out(simulator: Simulator, client: Client) -> None:
    assert client.get().status_code == 200
    simulator.elapse(3600)
    assert error(client.get()) == (401, "Unauthorized")
    assert client.get(token=client.new_token()).status_code == 200


def test_missing_role(client: Client) -> None:
    reply = client.get(token=client.new_token("no role"))
    assert error(reply) == (403, "Forbidden")
    assert reply.json()["error"]["message"] == (
        "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, "
        "application roles: ."
    )
    other = client.get(token=client.new_token("other role")).json()["error"]["message"]
    assert other.endswith("application roles: Machine.Read.All.")


# -- what an alert looks like

KEYS = (
    "id incidentId investigationId assignedTo severity status classification determination "
    "investigationState detectionSource detectorId category threatFamilyName title description "
    "alertCreationTime firstEventTime lastEventTime lastUpdateTime resolvedTime machineId computerDnsName "
    "rbacGroupName aadTenantId threatName mitreTechniques relatedUser loggedOnUsers comments domains evidence"
)
ITEM_KEYS = (
    "entityType evidenceCreationTime sha1 sha256 fileName filePath processId processCommandLine "
    "processCreationTime parentProcessId parentProcessCreationTime parentProcessFileName "
    "parentProcessFilePath ipAddress url registryKey registryHive registryValueType registryValue "
    "registryValueName accountName domainName userSid aadUserId userPrincipalName detectionStatus"
)


def test_keys_come_in_the_order_of_the_wire(simulator: Simulator, client: Client) -> None:
    alert = simulator.tenant.add_alert(evidence=2)
    simulator.tenant.comment(alert.alert_id, "x")
    simulator.tenant.add_evidence(alert.alert_id)
    row = client.get(params={"$expand": "evidence"}).json()["value"][0]
    assert list(row) == KEYS.split()
    assert len(row["evidence"]) == 3
    assert all(list(item) == ITEM_KEYS.split() for item in row["evidence"])


def test_evidence_only_when_asked_for(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alert(evidence=2)
    bare, full = (
        client.get().json()["value"][0],
        client.get(params={"$expand": "evidence"}).json()["value"][0],
    )
    assert bare["evidence"] == []
    assert len(full["evidence"]) == 2
    assert {**full, "evidence": []} == bare


def test_headers(simulator: Simulator, client: Client) -> None:
    reply = client.get(headers={"Accept-Encoding": "identity"})
    assert reply.headers["Content-Type"] == (
        "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8"
    )
    assert reply.headers["OData-Version"] == "4.0"
    assert reply.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Encoding" not in reply.headers
    assert reply.headers["Date"] == "Fri, 09 Jan 2026 08:00:00 GMT"
    assert client.get(headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"
    simulator.advance(timedelta(hours=1))
    assert client.get().headers["Date"] == "Fri, 09 Jan 2026 09:00:00 GMT"


@pytest.mark.parametrize("path", ["/api/alerts", "/api/v1.0/alerts"])
def test_next_link_leads_through_all_rows(simulator: Simulator, client: Client, path: str) -> None:
    simulator.tenant.add_alerts(12, over=timedelta(hours=1))
    reply = client.get(
        path, params={"$filter": "lastUpdateTime ge 2020-07-20T00:00:00Z", "$expand": "evidence"}
    )
    pages = [reply.json()]
    while link := pages[-1].get("@odata.nextLink"):
        assert link.startswith(f"{simulator.url}{path}?")
        assert " " not in link
        pages.append(client.get(link).json())
    ids = [row["id"] for page in pages for row in page["value"]]
    assert [len(page["value"]) for page in pages] == [5, 5, 2]
    assert ids == sorted(version.alert_id for version in simulator.tenant.alerts)
    assert all(row["evidence"] or row["title"] for page in pages for row in page["value"])
    assert pages[0]["@odata.context"] == f"{simulator.url}{path.removesuffix('alerts')}$metadata#Alerts"
    assert list(pages[0])[-1] == "@odata.nextLink"


def test_rows_come_in_the_order_of_their_ids(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(60, over=timedelta(days=3))
    simulator.tenant.add_alert(id="da5")
    ids = [row["id"] for row in client.drain()]
    assert len(ids) == 61
    assert ids == sorted(ids)


def test_a_full_last_page_has_no_next_link(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(10)
    second = client.get(client.get().json()["@odata.nextLink"]).json()
    assert len(second["value"]) == 5
    assert "@odata.nextLink" not in second


def test_next_link_looks_as_on_the_wire(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(6)
    link = client.get(
        params={"$expand": "evidence", "$filter": "lastUpdateTime ge 2020-07-20T00:00:00Z"}
    ).json()["@odata.nextLink"]
    query = "$expand=evidence&$filter=lastUpdateTime+ge+2020-07-20T00:00:00Z&$skip=5"
    assert link == f"{simulator.url}/api/alerts?{query}"


def test_next_link_keeps_odd_letters(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(7)
    text = "assignedTo eq 'a+b&c=d#e ü%25' or status eq 'New'"
    assert len(client.drain(**{"$filter": text})) == 7


def test_top_and_skip(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(12, over=timedelta(hours=1))
    everything = [row["id"] for row in client.drain()]
    reply = client.get(params={"$top": "7", "$skip": "3"}).json()
    assert [row["id"] for row in reply["value"]] == everything[3:10]
    assert "@odata.nextLink" not in reply
    assert client.ids(**{"$top": "0"}) == []
    assert client.ids(**{"$skip": "100"}) == []
    assert client.get(params={"$top": "10000"}).status_code == 200


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"$top": "10001"}, "BadRequest"),
        ({"$top": "-1"}, "ODataError"),
        ({"$skip": "x"}, "ODataError"),
        ({"$expand": "comments"}, "ODataError"),
        ({"$select": "id"}, "ODataError"),
        ({"$filter": ""}, "ODataError"),
        ({"$filter": "lastUpdateTime ge '2026-01-09T00:00:00Z'"}, "ODataError"),
        ({"$orderby": "title asc"}, "ODataError"),
    ],
)
def test_bad_requests(client: Client, params: dict[str, str], code: str) -> None:
    assert error(client.get(params=params)) == (400, code)


def test_orderby_is_honoured_ignored_or_refused(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(5, over=timedelta(hours=1))
    order = {"$orderby": "lastUpdateTime desc"}
    by_id = client.ids()
    by_time = [
        row["id"] for row in sorted(client.drain(), key=lambda row: row["lastUpdateTime"], reverse=True)
    ]
    assert by_time != by_id
    assert client.ids(**order) == by_time
    simulator.api.orderby = "ignore"
    assert client.ids(**order) == by_id
    simulator.api.orderby = "refuse"
    assert error(client.get(params=order)) == (400, "ODataError")


def test_count(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(7)
    assert client.get(params={"$count": "true"}).json()["@odata.count"] == 7


def test_single_alert(simulator: Simulator, client: Client) -> None:
    alert = simulator.tenant.add_alert(evidence=1)
    body = client.get(f"/api/alerts/{alert.alert_id}", params={"$expand": "evidence"}).json()
    assert body.pop("@odata.context").endswith("$metadata#Alerts/$entity")
    assert body == alert.body
    assert client.get(f"/api/v1.0/alerts/{alert.alert_id}").json()["evidence"] == []
    assert error(client.get("/api/alerts/da0_0")) == (404, "ResourceNotFound")


def test_other_paths_and_methods(simulator: Simulator, client: Client) -> None:
    assert error(client.get("/api/machines"))[0] == 404
    headers = {"Authorization": f"Bearer {client.token}"}
    assert client.session.post(f"{simulator.url}/api/alerts", headers=headers, timeout=30).status_code == 405
    assert client.get("/").status_code == 404


# -- between pages


def test_hooks_see_pages_and_their_changes_count(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(12, over=timedelta(hours=1))
    everything = tuple(client.ids(**{"$top": "100"}))
    seen: list[Page] = []
    simulator.after_page = seen.append
    client.drain()
    assert [page.number for page in seen] == [0, 1, 2]
    assert all((*page.read, *page.rows, *page.unread) == everything for page in seen)
    assert [len(page.rows) for page in seen] == [5, 5, 2]


def test_before_page_changes_are_in_the_page(simulator: Simulator, client: Client) -> None:
    alert = simulator.tenant.add_alert()

    def resolve(page: Page) -> None:
        simulator.tenant.resolve(alert.alert_id)

    simulator.before_page = resolve
    assert client.get().json()["value"][0]["status"] == "Resolved"


def test_with_an_upper_bound_an_update_makes_paging_skip_a_row(simulator: Simulator, client: Client) -> None:
    """The trap itself: a row that leaves the window shifts the others, and one is never read."""
    simulator.tenant.add_alerts(12, over=timedelta(hours=1))
    everything = set(client.ids(**{"$top": "100"}))
    now = simulator.tenant.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    simulator.advance(timedelta(minutes=1))

    def touch_a_row_already_read(page: Page) -> None:
        if page.number == 0:
            simulator.tenant.update(page.rows[0], assignedTo="x")

    simulator.after_page = touch_a_row_already_read
    assert len(everything - {r["id"] for r in client.drain(**{"$filter": f"lastUpdateTime le {now}"})}) == 1
    simulator.tenant.add_alert(id="0_1")
    assert everything <= {row["id"] for row in client.drain()}


def test_stirring_does_all_of_the_hard_things() -> None:
    with Simulator(tenant=Tenant(3, alerts=0), page_size=5, calls_per_minute=None) as simulator:
        client = Client(simulator)
        simulator.tenant.add_alerts(60, over=timedelta(hours=1))
        lowest = min(version.alert_id for version in simulator.tenant.alerts)
        done: set[str] = set()

        def stir(page: Page) -> None:
            written = len(simulator.tenant.versions)
            simulator.stir(page)
            changes = simulator.tenant.versions[written:]
            times = [version.update_time for version in changes]
            done.update("several at one time" for time in times if times.count(time) > 1)
            done.update("a low id" for version in changes if version.alert_id < lowest)
            done.update("a read row" for v in changes if v.alert_id in (*page.read, *page.rows))
            done.update("an unread row" for v in changes if v.alert_id in page.unread)

        simulator.after_page = stir
        client.drain()
        assert done == {"several at one time", "a low id", "a read row", "an unread row"}


def test_a_hook_can_use_the_simulator_itself(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alerts(3)
    inner = []

    def ask(page: Page) -> None:
        simulator.after_page = None
        inner.append(client.ids())

    simulator.after_page = ask
    assert client.ids() == inner[0]


def test_rows_are_utf8(simulator: Simulator, client: Client) -> None:
    simulator.tenant.add_alert(title="🚨 تنبيه")
    assert client.get().json()["value"][0]["title"] == "🚨 تنبيه"
    assert json.loads(client.get().content)["value"]
