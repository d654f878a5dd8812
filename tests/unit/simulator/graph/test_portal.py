"""The portal: what lives in it by itself, and what a test does to it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from airflow_provider_defender.simulator import Portal, RecordVersion, Request, Simulator, Tenant

WEEK = timedelta(days=7)


def history(portal: Portal) -> list[tuple[Any, ...]]:
    return [
        (version.row_id, version.number, version.visible_ticks, version.members, version.rendered())
        for version in (*portal.alert_versions, *portal.incident_versions)
    ]


def endpoint_history(tenant: Tenant) -> list[tuple[Any, ...]]:
    return [(v.alert_id, v.number, v.visible_ticks, v.rendered()) for v in tenant.versions]


@pytest.fixture(scope="module")
def lived() -> Portal:
    """A portal in which 150 endpoint alerts have arrived, and the others."""
    return Portal.of(Tenant(7, alerts=150))


@pytest.fixture
def portal() -> Portal:
    """A portal on which nobody works but the test."""
    return Portal.of(Tenant(7, alerts=0))


# -- by itself


def test_the_same_seed_gives_the_same_history_however_time_is_divided() -> None:
    at_once, in_steps, late = (Tenant(3, alerts=40) for _ in range(3))
    first = Portal.of(at_once)
    second = Portal.of(in_steps)
    at_once.advance(timedelta(days=1))
    for _ in range(24):
        in_steps.advance(timedelta(hours=1))
    late.advance(timedelta(days=1))
    assert history(first) == history(second) == history(Portal.of(late))


def test_the_portal_changes_nothing_for_the_alerts_api() -> None:
    alone, beside = Tenant(3, alerts=40), Tenant(3, alerts=40)
    Portal.of(beside)
    for tenant in (alone, beside):
        tenant.advance(timedelta(days=2))
    assert endpoint_history(alone) == endpoint_history(beside)


def test_alerts_of_every_product_arrive(lived: Portal) -> None:
    sources = Counter(version.fields["serviceSource"] for version in lived.alerts)
    assert len(sources) == 14
    assert sources["microsoftDefenderForEndpoint"] > 100


def test_tuned_alerts_are_shown_by_defender_for_endpoint_only(lived: Portal) -> None:
    tenant = lived.tenant
    endpoint = {version.alert_id for version in tenant.alerts}
    graph = {version.row_id for version in lived.alerts}
    assert tenant.tuned
    assert endpoint - graph == tenant.tuned & endpoint


def test_incidents_grow_merge_and_close(lived: Portal) -> None:
    incidents = lived.incidents
    statuses = Counter(version.fields["status"] for version in incidents)
    assert {"active", "inProgress", "resolved", "redirected"} <= statuses.keys()
    assert max(len(version.members) for version in incidents) > 2
    ids = {version.row_id for version in incidents}
    for version in incidents:
        target = version.fields["redirectIncidentId"]
        assert (target is not None) == (version.fields["status"] == "redirected")
        assert target is None or (target in ids and not version.members)
    mixed = [v for v in incidents if len({m.fields["serviceSource"] for m in lived.members(v)}) > 1]
    assert mixed


def test_every_alert_is_in_the_incident_that_it_names(lived: Portal) -> None:
    members = {alert: version.row_id for version in lived.incidents for alert in version.members}
    late = 0
    for version in lived.alerts:
        if members.get(version.row_id) != version.fields["incidentId"]:
            late += 1
    assert late <= 2, "only what became known within the last minutes"


def test_every_change_moves_the_update_time(lived: Portal) -> None:
    for versions in (lived.alert_versions, lived.incident_versions):
        last: dict[str, RecordVersion] = {}
        for version in versions:
            if version.row_id in last:
                before = last[version.row_id]
                assert (version.number, version.update_ticks) > (before.number, before.update_ticks)
                assert version.update_ticks != before.update_ticks
            last[version.row_id] = version


def test_there_are_ties_and_late_versions(lived: Portal) -> None:
    endpoint = {version.alert_id for version in lived.tenant.versions}
    others = [version for version in lived.alert_versions if version.row_id not in endpoint]
    for versions in (others, lived.incident_versions):
        times = Counter(version.update_time for version in versions)
        assert times.most_common(1)[0][1] > 1
        late = [v for v in versions if v.update_ticks and v.visible_ticks > v.update_ticks + 10_000_000]
        assert late


def test_odd_things_happen_now_and_then() -> None:
    texts = [v.rendered().decode() for v in Portal.of(Tenant(5, alerts=400)).alert_versions]
    for sign in (
        "quantumLinkEvidence",
        "microsoftDefenderForQuantum",
        "\ufffd",
        '"createdBy":',
        "createdByDisplayName",
    ):
        assert any(sign in text for text in texts), sign


# -- by a test


def test_an_alert_with_chosen_evidence(portal: Portal) -> None:
    own = {"@odata.type": "#microsoft.graph.security.urlEvidence", "url": "https://a.example"}
    version = portal.add_alert(
        "dataLossPrevention", evidence=["ipEvidence", own], incident="77", severity="low"
    )
    body = version.body
    assert body["serviceSource"] == "dataLossPrevention"
    assert body["id"] == f"dl{body['providerAlertId']}"
    assert (body["severity"], body["incidentId"]) == ("low", "77")
    assert body["evidence"][0]["@odata.type"].endswith(".ipEvidence")
    assert body["evidence"][1] == own
    assert [v.row_id for v in portal.incidents] == ["77"]
    with pytest.raises(KeyError):
        portal.add_alert("microsoftDefenderForToasters")
    with pytest.raises(ValueError, match="already"):
        portal.add_alert(id=version.row_id)


def test_a_late_change(portal: Portal) -> None:
    alert_id = portal.add_alert().row_id
    portal.update(alert_id, visible_after=timedelta(minutes=3), status="resolved")
    assert [v.fields["status"] for v in portal.alerts] == ["new"]
    portal.tenant.advance(timedelta(minutes=3))
    assert [v.fields["status"] for v in portal.alerts] == ["resolved"]


def test_an_endpoint_alert_changes_by_its_tenant(portal: Portal) -> None:
    alert_id = portal.tenant.add_alert().alert_id
    with pytest.raises(ValueError, match=r"Tenant\.edit"):
        portal.update(alert_id, status="resolved")
    portal.tenant.resolve(alert_id)
    assert portal.alerts[0].fields["determination"] == "malware"


def test_an_incident_is_closed_when_all_its_alerts_are(portal: Portal) -> None:
    first = portal.add_alert(incident="5").row_id
    second = portal.tenant.add_alert(incidentId=5).alert_id
    portal.update(first, status="resolved")
    assert portal.incidents[0].fields["status"] == "active"
    portal.tenant.resolve(second)
    [incident] = portal.incidents
    assert incident.fields["status"] == "resolved"
    assert incident.members == (first, second)


def test_work_on_an_incident(portal: Portal) -> None:
    portal.add_alert(incident="5")
    portal.comment_incident("5", "schau an")
    portal.tag_incident("5", "Ost")
    portal.update_incidents(["5"], assignedTo="ana@contoso.example")
    portal.close_incident("5")
    body = portal.incidents[0].body
    assert body["comments"][0]["comment"] == "schau an"
    assert (body["customTags"], body["assignedTo"]) == (["Ost"], "ana@contoso.example")
    assert (body["status"], body["classification"]) == ("resolved", "truePositive")
    assert len({v.update_time for v in portal.incident_versions}) == 5


def test_a_merge_moves_alerts_in_both_apis(portal: Portal) -> None:
    other = portal.add_alert(incident="5").row_id
    endpoint = portal.tenant.add_alert(incidentId=5).alert_id
    target = portal.add_alert(incident="6").row_id
    portal.merge("5", "6")
    five, six = portal.incidents
    assert (five.fields["status"], five.fields["redirectIncidentId"]) == ("redirected", "6")
    assert (five.members, set(six.members)) == ((), {other, endpoint, target})
    assert {v.fields["incidentId"] for v in portal.alerts} == {"6"}
    assert portal.tenant.visible(endpoint).fields["incidentId"] == 6  # type: ignore[union-attr]


def test_stirring_touches_alerts_and_incidents(portal: Portal) -> None:
    ids = [portal.add_alert().row_id for _ in range(6)]
    incidents = [v.row_id for v in portal.incidents]
    before = len(portal.alert_versions), len(portal.incident_versions)
    for _ in range(10):
        portal.tenant.advance(timedelta(seconds=1))
        portal.tenant.stir([*ids[:3], *incidents[:2]], [*ids[3:], *incidents[2:]])
    touched = {v.row_id for v in portal.alert_versions[before[0] :]}
    assert touched & set(ids[:3])
    assert touched & set(ids[3:])
    assert touched - set(ids)
    assert {v.row_id for v in portal.incident_versions[before[1] :]} & set(incidents)


@pytest.mark.parametrize("type_name", ["alert", "incident"])
def test_oddities_are_sent_as_they_are(portal: Portal, type_name: str) -> None:
    written = portal.add_oddities(type_name)
    assert len(written) > (1_000 if type_name == "alert" else 100)
    shown = {v.row_id: v.rendered() for v in portal.select(type_name)}
    for name, version in written.items():
        assert shown[version.row_id] == version.rendered(), name
    for name in ("all null", "unknown values", "severity: object"):
        assert json.loads(written[name].rendered())["id"] == written[name].row_id


def test_control_paths() -> None:
    simulator = Simulator(tenant=Tenant(7, alerts=0))

    def control(path: str, body: Any = None) -> Any:
        method = "GET" if body is None else "POST"
        answer = simulator.answer(
            Request(method, f"/_simulator/graph/{path}", "", {}, msgspec.json.encode(body))
        )
        assert answer.status == 200, answer.body
        return msgspec.json.decode(b"".join(answer.body))

    order = {"count": 2, "product": "microsoftSentinel", "evidence": ["ipEvidence"], "incident": "5"}
    ids = control("alerts", order)["ids"]
    control("alerts", {"incident": "6"})
    assert control("changes", {"ids": ids, "changes": {"status": "inProgress"}})["changed"] == 2
    assert control("changes", {"incidents": ["6"], "changes": {"status": "inProgress"}})["changed"] == 1
    control("merge", {"source": "5", "target": "6"})
    truth = control("truth")
    assert [alert["number"] for alert in truth["alerts"]] == [1, 1, 1, 2, 2, 3, 3]
    newest = {incident["id"]: incident["alerts"] for incident in truth["incidents"]}
    assert (newest["5"], set(ids) <= set(newest["6"])) == ([], True)


def test_the_counts_are_in_the_state() -> None:
    simulator = Simulator(tenant=Tenant(7, alerts=0))
    simulator.graph.portal.add_alert()
    assert simulator.state()["graph"]["alerts"] == 1
