"""`/api/alerts`: access, pages, query options, headers, single alerts, quotas."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from airflow_provider_defender.simulator import Simulator, Tenant
from tests.unit.simulator.conftest import Client

# -- who may ask


def error(reply):
    body = reply.json()["error"]
    assert set(body) == {"code", "message", "target"}
    assert len(body["target"]) == 36
    return reply.status_code, body["code"]


def test_no_token(simulator, client):
    assert error(client.session.get(f"{simulator.url}/api/alerts", timeout=30)) == (401, "Unauthorized")
    assert error(client.get(token="not.a.token")) == (401, "Unauthorized")


def test_token_for_another_resource(client):
    token = client.token_reply(scope="https://graph.microsoft.com/.default").json()["access_token"]
    assert error(client.get(token=token)) == (401, "Unauthorized")


def test_token_of_another_tenant(client):
    with Simulator("other", tenant=Tenant("other", alerts=0)) as other:
        assert error(client.get(token=Client(other).token)) == (401, "Unauthorized")


def test_token_that_has_run_out(simulator, client):
    assert client.get().status_code == 200
    simulator.elapse(3600)
    assert error(client.get()) == (401, "Unauthorized")
    assert client.get(token=client.new_token()).status_code == 200


def test_missing_role(client):
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


def test_keys_come_in_the_order_of_the_wire(simulator, client):
    alert = simulator.tenant.add_alert(evidence=2)
    simulator.tenant.comment(alert.alert_id, "x")
    simulator.tenant.add_evidence(alert.alert_id)
    row = client.get(params={"$expand": "evidence"}).json()["value"][0]
    assert list(row) == KEYS.split()
    assert len(row["evidence"]) == 3
    assert all(list(item) == ITEM_KEYS.split() for item in row["evidence"])


def test_evidence_only_when_asked_for(simulator, client):
    simulator.tenant.add_alert(evidence=2)
    bare, full = (
        client.get().json()["value"][0],
        client.get(params={"$expand": "evidence"}).json()["value"][0],
    )
    assert bare["evidence"] == []
    assert len(full["evidence"]) == 2
    assert {**full, "evidence": []} == bare


def test_headers(simulator, client):
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
def test_next_link_leads_through_all_rows(simulator, client, path):
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


def test_rows_come_in_the_order_of_their_ids(simulator, client):
    simulator.tenant.add_alerts(60, over=timedelta(days=3))
    simulator.tenant.add_alert(id="da5")
    ids = [row["id"] for row in client.drain()]
    assert len(ids) == 61
    assert ids == sorted(ids)


def test_a_full_last_page_has_no_next_link(simulator, client):
    simulator.tenant.add_alerts(10)
    second = client.get(client.get().json()["@odata.nextLink"]).json()
    assert len(second["value"]) == 5
    assert "@odata.nextLink" not in second


def test_next_link_looks_as_on_the_wire(simulator, client):
    simulator.tenant.add_alerts(6)
    link = client.get(
        params={"$expand": "evidence", "$filter": "lastUpdateTime ge 2020-07-20T00:00:00Z"}
    ).json()["@odata.nextLink"]
    query = "$expand=evidence&$filter=lastUpdateTime+ge+2020-07-20T00:00:00Z&$skip=5"
    assert link == f"{simulator.url}/api/alerts?{query}"


def test_next_link_keeps_odd_letters(simulator, client):
    simulator.tenant.add_alerts(7)
    text = "assignedTo eq 'a+b&c=d#e ü%25' or status eq 'New'"
    assert len(client.drain(**{"$filter": text})) == 7


def test_top_and_skip(simulator, client):
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
def test_bad_requests(client, params, code):
    assert error(client.get(params=params)) == (400, code)


def test_orderby_is_honoured_ignored_or_refused(simulator, client):
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


def test_count(simulator, client):
    simulator.tenant.add_alerts(7)
    assert client.get(params={"$count": "true"}).json()["@odata.count"] == 7


def test_single_alert(simulator, client):
    alert = simulator.tenant.add_alert(evidence=1)
    body = client.get(f"/api/alerts/{alert.alert_id}", params={"$expand": "evidence"}).json()
    assert body.pop("@odata.context").endswith("$metadata#Alerts/$entity")
    assert body == alert.body
    assert client.get(f"/api/v1.0/alerts/{alert.alert_id}").json()["evidence"] == []
    assert error(client.get("/api/alerts/da0_0")) == (404, "ResourceNotFound")


def test_other_paths_and_methods(simulator, client):
    assert error(client.get("/api/machines"))[0] == 404
    headers = {"Authorization": f"Bearer {client.token}"}
    assert client.session.post(f"{simulator.url}/api/alerts", headers=headers, timeout=30).status_code == 405
    assert client.get("/").status_code == 404


# -- quotas


def test_minute_quota_refuses_until_retry_after_has_passed(simulator, client):
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


def test_hour_quota(simulator, client):
    simulator.api.quota.per_hour = 2
    client.get()
    client.get()
    simulator.elapse(120)
    refused = client.get()
    assert refused.json()["error"]["message"] == "API calls quota exceeded! maximum allowed 2 per 01:00:00"
    assert 3300 < int(refused.headers["Retry-After"]) <= 3480
    simulator.elapse(int(refused.headers["Retry-After"]))
    assert client.get(token=client.new_token()).status_code == 200


def test_quota_is_each_applications_own(simulator, client):
    simulator.api.quota.per_minute = 1
    simulator.apps.register("second")
    client.get()
    assert client.get().status_code == 429
    assert client.get(token=client.new_token("second")).status_code == 200


def test_documented_quotas_are_the_default():
    with Simulator(tenant=Tenant(alerts=0)) as simulator:
        quota = simulator.api.quota
        assert (quota.per_minute, quota.per_hour, simulator.page_size) == (100, 1_500, 10_000)


# -- between pages


def test_hooks_see_pages_and_their_changes_count(simulator, client):
    simulator.tenant.add_alerts(12, over=timedelta(hours=1))
    everything = tuple(client.ids(**{"$top": "100"}))
    seen = []
    simulator.after_page = seen.append
    client.drain()
    assert [page.number for page in seen] == [0, 1, 2]
    assert all((*page.read, *page.rows, *page.unread) == everything for page in seen)
    assert [len(page.rows) for page in seen] == [5, 5, 2]


def test_before_page_changes_are_in_the_page(simulator, client):
    alert = simulator.tenant.add_alert()

    def resolve(page):
        simulator.tenant.resolve(alert.alert_id)

    simulator.before_page = resolve
    assert client.get().json()["value"][0]["status"] == "Resolved"


def test_with_an_upper_bound_an_update_makes_paging_skip_a_row(simulator, client):
    """The trap itself: a row that leaves the window shifts the others, and one is never read."""
    simulator.tenant.add_alerts(12, over=timedelta(hours=1))
    everything = set(client.ids(**{"$top": "100"}))
    now = simulator.tenant.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    simulator.advance(timedelta(minutes=1))

    def touch_a_row_already_read(page):
        if page.number == 0:
            simulator.tenant.update(page.rows[0], assignedTo="x")

    simulator.after_page = touch_a_row_already_read
    assert len(everything - {r["id"] for r in client.drain(**{"$filter": f"lastUpdateTime le {now}"})}) == 1
    simulator.tenant.add_alert(id="0_1")
    assert everything <= {row["id"] for row in client.drain()}


def test_stirring_does_all_of_the_hard_things():
    with Simulator(tenant=Tenant(3, alerts=0), page_size=5, calls_per_minute=None) as simulator:
        client = Client(simulator)
        simulator.tenant.add_alerts(60, over=timedelta(hours=1))
        lowest = min(version.alert_id for version in simulator.tenant.alerts)
        done = set()

        def stir(page):
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


def test_a_hook_can_use_the_simulator_itself(simulator, client):
    simulator.tenant.add_alerts(3)
    inner = []

    def ask(page):
        simulator.after_page = None
        inner.append(client.ids())

    simulator.after_page = ask
    assert client.ids() == inner[0]


# -- the server


def test_many_side_by_side_and_nothing_left_over():
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


def test_stopping_does_not_wait_for_hanging_requests():
    simulator = Simulator(tenant=Tenant(alerts=0))
    simulator.start()
    client = Client(simulator)
    simulator.faults.silent()
    failures = []

    def hang():
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


def test_state_folder_keeps_the_authority(tmp_path):
    with Simulator(tenant=Tenant(alerts=0), state_folder=tmp_path) as first:
        authority = (tmp_path / "ca.pem").read_bytes()
    with Simulator(tenant=Tenant(alerts=0), state_folder=tmp_path) as second:
        assert (tmp_path / "ca.pem").read_bytes() == authority
        assert Client(second).get().status_code == 200
    assert first.ca_bundle == second.ca_bundle
    with Simulator(tenant=Tenant(alerts=0), state_folder=tmp_path, names=["simulator.test"]) as third:
        assert (tmp_path / "ca.pem").read_bytes() != authority
        assert Client(third).get().status_code == 200


def test_a_port_in_use_is_an_error(simulator):
    with pytest.raises(OSError, match="use"):
        Simulator(tenant=Tenant(alerts=0), port=int(simulator.url.rpartition(":")[2]))


def test_requests_are_logged_without_secrets(simulator, client):
    client.get(params={"$top": "1"})
    entries = simulator.requests.all()
    assert entries[-1].client_id == simulator.client_id
    assert (entries[-1].method, entries[-1].path, entries[-1].query) == ("GET", "/api/alerts", "%24top=1")
    assert entries[0].path.endswith("/oauth2/v2.0/token")
    text = repr(entries)
    assert simulator.client_secret not in text
    assert client.token not in text


def test_another_tenant_in_its_place(simulator, client):
    old = simulator.tenant_id
    simulator.tenant = Tenant("next", alerts=3)
    assert simulator.tenant_id != old
    assert client.get().status_code == 401
    assert len(Client(simulator).ids()) == 3


def test_rows_are_utf8(simulator, client):
    simulator.tenant.add_alert(title="🚨 تنبيه")
    assert client.get().json()["value"][0]["title"] == "🚨 تنبيه"
    assert json.loads(client.get().content)["value"]
