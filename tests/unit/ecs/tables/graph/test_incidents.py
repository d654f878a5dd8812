"""Incidents of Graph: their own columns, what is gathered from their alerts, and what is left to `alerts`."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.categories import EXPECTED_TYPES
from airflow_provider_defender.ecs.tables.graph.incidents import GRAPH_INCIDENTS
from airflow_provider_defender.simulator import Portal, Tenant
from airflow_provider_defender.simulator.graph import types
from tests.unit.ecs.helpers.alert_records import ORIGINS, TENANT, flat, record, without_nulls

PREFIX = "#microsoft.graph.security."

DEVICE = {
    "@odata.type": f"{PREFIX}deviceEvidence",
    "mdeDeviceId": "9f5a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2",
    "deviceDnsName": "WS-17.contoso.example",
    "hostName": "ws-17",
    "lastIpAddress": "10.20.30.40",
}
PROCESS = {
    "@odata.type": f"{PREFIX}processEvidence",
    "processId": 4711,
    "mdeDeviceId": DEVICE["mdeDeviceId"],
    "imageFile": {"fileName": "tool.exe", "filePath": "C:\\Temp", "sha256": "ab" * 32},
    "userAccount": {"accountName": "jane", "domainName": "CONTOSO", "userSid": "S-1-5-21-1-2-3-1104"},
}
REGISTRY = {
    "@odata.type": f"{PREFIX}registryValueEvidence",
    "registryHive": "HKEY_LOCAL_MACHINE",
    "registryKey": "SOFTWARE\\Contoso",
    "registryValueName": "Run",
}
USER = {
    "@odata.type": f"{PREFIX}userEvidence",
    "userAccount": {"accountName": "john", "userPrincipalName": "john@contoso.example"},
}
ENDPOINT_ALERT: dict[str, Any] = {
    "@odata.type": f"{PREFIX}alert",
    "id": "da637551227677560813_-961444813",
    "providerAlertId": "da637551227677560813_-961444813",
    "incidentId": "28282",
    "status": "new",
    "severity": "high",
    "serviceSource": "microsoftDefenderForEndpoint",
    "detectionSource": "antivirus",
    "tenantId": TENANT,
    "title": "Suspicious execution of a tool",
    "category": "Execution",
    "mitreTechniques": ["T1059.001", "T1204"],
    "threatFamilyName": "Kekeo",
    "createdDateTime": "2026-11-20T09:00:00.1234567Z",
    "lastUpdateDateTime": "2026-11-20T09:30:00.7654321Z",
    "firstActivityDateTime": "2026-11-20T08:00:00.5Z",
    "lastActivityDateTime": "2026-11-20T08:45:00Z",
    "evidence": [DEVICE, PROCESS, REGISTRY],
}
IDENTITY_ALERT: dict[str, Any] = {
    "id": "ad0c4b8e2d",
    "providerAlertId": "0c4b8e2d",
    "status": "inProgress",
    "severity": "low",
    "serviceSource": "azureAdIdentityProtection",
    "title": "Unfamiliar sign-in properties",
    "category": "InitialAccess",
    "categories": ["CredentialAccess"],
    "mitreTechniques": ["T1059.001"],
    "createdDateTime": "2026-11-20T07:00:00Z",
    "lastUpdateDateTime": "2026-11-20T07:10:00Z",
    "firstActivityDateTime": "2026-11-20T06:59:59.9999999Z",
    "lastActivityDateTime": "2026-11-20T07:00:00Z",
    "evidence": [USER],
}
INCIDENT: dict[str, Any] = {
    "id": "28282",
    "tenantId": TENANT,
    "status": "inProgress",
    "incidentWebUrl": f"https://security.microsoft.com/incidents/28282?tid={TENANT}",
    "redirectIncidentId": None,
    "displayName": "Multi-stage incident on one endpoint",
    "createdDateTime": "2026-11-20T09:01:00.1234567Z",
    "lastUpdateDateTime": "2026-11-20T10:02:00.0000001Z",
    "assignedTo": "analyst@contoso.example",
    "classification": "truePositive",
    "determination": "multiStagedAttack",
    "severity": "medium",
    "priorityScore": 85,
    "customTags": ["Demo"],
    "tags": ["Old spelling"],
    "systemTags": ["Defender Experts"],
    "comments": [
        {"comment": "Seen", "createdByDisplayName": "Analyst", "createdDateTime": "2026-11-20T10:01:00Z"},
        {"comment": "Done", "createdBy": "analyst", "createdTime": "2026-11-20T10:02:00Z"},
    ],
    "description": "An attack in several stages.",
    "lastModifiedBy": "analyst@contoso.example",
    "resolvingComment": None,
    "summary": "A tool was run.",
    "alerts": [ENDPOINT_ALERT, IDENTITY_ALERT],
}


def map_incidents(*incidents: Any, **options: Any) -> ecs.MappedRecords:
    records = [each if isinstance(each, bytes) else record(each) for each in incidents]
    mapped = ecs.map_records("graph_incidents", records, origins=ORIGINS, **options)
    table = mapped.tables["incidents"]
    assert table.schema == ecs.schema("incidents")
    table.validate(full=True)
    assert len(table) + len(mapped.rejects) == len(records)
    return mapped


def row(incident: Any, **options: Any) -> dict[str, Any]:
    [found] = map_incidents(incident, **options).tables["incidents"].to_pylist()
    return without_nulls(found)  # type: ignore[no-any-return]


def fields(**changes: Any) -> dict[str, Any]:
    return flat(row({**INCIDENT, **changes}))


def own(mapped_row: dict[str, Any]) -> dict[str, Any]:
    return mapped_row["microsoft"]["graph_security"]  # type: ignore[no-any-return]


# Its own properties


def test_every_property_has_a_column() -> None:
    """But for `alerts`, whose bodies land in the dataset `alerts`."""
    known = {*types.INCIDENT, "id"}
    columns = {field.name for field in GRAPH_INCIDENTS.container_type}
    assert known <= columns
    assert columns - known == {"tags", "alertIds", "unmapped"}


def test_every_property_lands_as_it_was_sent() -> None:
    mapped = map_incidents(INCIDENT)
    landed = own(row(INCIDENT))
    sent = {name: value for name, value in INCIDENT.items() if value is not None and name != "alerts"}
    sent["createdDateTime"] = "2026-11-20T09:01:00.123456Z"
    sent["lastUpdateDateTime"] = "2026-11-20T10:02:00Z"
    assert {name: value for name, value in landed.items() if name not in ("alerts", "alertIds")} == sent
    assert (mapped.type_mismatches, mapped.unmapped_fields) == ({}, {})


def test_of_its_alerts_it_has_ids_and_state() -> None:
    landed = own(row(INCIDENT))
    assert landed["alertIds"] == [ENDPOINT_ALERT["id"], IDENTITY_ALERT["id"]]
    assert landed["alerts"][0] == {
        "id": "da637551227677560813_-961444813",
        "providerAlertId": "da637551227677560813_-961444813",
        "serviceSource": "microsoftDefenderForEndpoint",
        "severity": "high",
        "status": "new",
        "title": "Suspicious execution of a tool",
        "createdDateTime": "2026-11-20T09:00:00.123456Z",
        "lastUpdateDateTime": "2026-11-20T09:30:00.765432Z",
    }
    assert landed["alerts"][1]["status"] == "inProgress"


def test_the_bodies_of_its_alerts_are_in_the_original_only() -> None:
    mapped = row({**INCIDENT, "novel": 1})
    assert json.loads(mapped["event"]["original"])["alerts"] == INCIDENT["alerts"]
    assert json.loads(own(mapped)["unmapped"]) == {"novel": 1}
    without = json.dumps(row(INCIDENT, keep_original=False))
    assert "tool.exe" not in without
    assert "ab" * 32 in without  # in related.hash


def test_what_has_no_column_is_unmapped_and_counted() -> None:
    changed = {
        **INCIDENT,
        "recommendedActions": "Isolate",
        "priorityScore": "very",
        "alerts": [{**ENDPOINT_ALERT, "title": {"odd": 1}}, "no alert"],
    }
    mapped = map_incidents(changed)
    found = own(row(changed))
    assert json.loads(found["unmapped"]) == {
        "recommendedActions": "Isolate",
        "priorityScore": "very",
        "alerts": {"0": {"title": {"odd": 1}}, "1": "no alert"},
    }
    assert found["alertIds"] == [ENDPOINT_ALERT["id"]]
    assert mapped.type_mismatches == {"priorityScore": 1, "alerts.title": 1, "alerts": 1}
    assert mapped.unmapped_fields == {"recommendedActions": 1}


def test_ids_are_texts_even_if_sent_as_numbers() -> None:
    found = fields(id=28282, redirectIncidentId=28290)
    assert found["event.id"] == found["microsoft.graph_security.id"] == "28282"
    assert found["landing.key"] == f"{TENANT}/28282"
    assert found["microsoft.graph_security.redirectIncidentId"] == "28290"


def test_a_redirected_incident_names_the_other() -> None:
    found = fields(status="redirected", redirectIncidentId="28290", alerts=[])
    assert found["microsoft.graph_security.status"] == "redirected"
    assert found["microsoft.graph_security.redirectIncidentId"] == "28290"
    assert found["microsoft.graph_security.alertIds"] == []


def test_landing() -> None:
    assert row(INCIDENT)["landing"] == {
        "source": "graph_incidents",
        "log": f"graph_incidents-{TENANT}",
        "tenant": TENANT,
        "key": f"{TENANT}/28282",
        "version": "2026-11-20T10:02:00.0000001Z",
        "updated": "2026-11-20T10:02:00Z",
        "item": 0,
        "time_origin": "record",
    }


def test_an_alert_of_the_incident_has_the_key_of_the_dataset_alerts() -> None:
    """The documented join: `<tenant>/<id>`."""
    [alert] = (
        ecs.map_records("graph_alerts", [record(IDENTITY_ALERT)], origins=ORIGINS)
        .tables["alerts"]
        .to_pylist()
    )
    landed = row(INCIDENT)
    assert alert["landing"]["key"] == f"{landed['landing']['tenant']}/{own(landed)['alertIds'][1]}"


# ECS


def test_ecs_fields_of_the_incident() -> None:
    found = fields()
    expected = {
        "@timestamp": "2026-11-20T09:01:00.123456Z",
        "message": "Multi-stage incident on one endpoint",
        "event.kind": "alert",
        "event.id": "28282",
        "event.url": INCIDENT["incidentWebUrl"],
        "event.created": "2026-11-20T09:01:00.123456Z",
        "event.severity": 3,
        "event.risk_score": 47.0,
        "event.provider": "microsoft365Defender",
        "event.module": "microsoft_graph_security",
        "event.dataset": "microsoft_graph_security.incident",
        "data_stream.dataset": "microsoft_graph_security.incident",
        "observer.product": "Defender XDR",
        "cloud.account.id": TENANT,
    }
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("severity", "number", "risk"),
    [("unknown", 0, None), ("informational", 1, 21), ("LOW", 2, 21), ("high", 4, 73), ("novel", None, None)],
)
def test_severity(severity: str, number: int | None, risk: float | None) -> None:
    found = fields(severity=severity)
    assert (found.get("event.severity"), found.get("event.risk_score")) == (number, risk)


def test_start_and_end_are_those_of_the_attack() -> None:
    found = fields()
    assert found["event.start"] == "2026-11-20T06:59:59.999999Z"
    assert found["event.end"] == "2026-11-20T08:45:00Z"
    assert found["event.duration"] == 6_300_000_000_100  # from all seven digits


def test_times_that_are_none_do_not_count() -> None:
    alerts = [{**ENDPOINT_ALERT, "firstActivityDateTime": "soon", "lastActivityDateTime": 5}, IDENTITY_ALERT]
    found = fields(alerts=alerts)
    assert found["event.end"] == "2026-11-20T07:00:00Z"
    backwards = {**IDENTITY_ALERT, "lastActivityDateTime": "2025-01-01T00:00:00Z"}
    assert "event.duration" not in fields(alerts=[backwards])
    longest = {**IDENTITY_ALERT, "firstActivityDateTime": "0001-01-01T00:00:00Z"}
    assert "event.duration" not in fields(alerts=[longest])


def test_what_its_alerts_name_is_gathered_once() -> None:
    found = fields(alerts=[ENDPOINT_ALERT, IDENTITY_ALERT, ENDPOINT_ALERT])
    assert set(found["related.user"]) >= {"jane", "S-1-5-21-1-2-3-1104", "john", "john@contoso.example"}
    assert "ws-17.contoso.example" in found["related.hosts"]
    assert "10.20.30.40" in found["related.ip"]
    assert found["related.hash"] == ["ab" * 32]
    for name in ("related.user", "related.hosts", "related.ip"):
        assert len(found[name]) == len(set(found[name]))


def test_it_gathers_what_the_rows_of_its_alerts_have() -> None:
    alerts = [ENDPOINT_ALERT, IDENTITY_ALERT]
    rows = ecs.map_records("graph_alerts", list(map(record, alerts)), origins=ORIGINS).tables["alerts"]
    gathered: dict[str, set[str]] = {}
    for each in rows.column("related").to_pylist():
        for name, values in each.items():
            gathered.setdefault(f"related.{name}", set()).update(values or ())
    found = fields()
    assert {name: set(found.get(name, ())) for name in gathered} == gathered


def test_analysts_are_no_users_of_the_incident() -> None:
    found = fields()
    assert not [name for name in found if name.startswith("user.")]
    users = " ".join(found["related.user"]).lower()
    assert "analyst" not in users


def test_tactics_and_techniques_of_all_alerts() -> None:
    found = fields()
    assert found["threat.tactic.id"] == ["TA0002", "TA0001", "TA0006"]
    assert found["threat.tactic.name"] == ["Execution", "Initial Access", "Credential Access"]
    assert found["threat.technique.id"] == ["T1059", "T1204"]
    assert found["threat.technique.subtechnique.id"] == ["T1059.001"]


def test_the_malware_where_there_is_only_one() -> None:
    assert fields()["threat.software.name"] == "Kekeo"
    other = {**IDENTITY_ALERT, "threatFamilyName": "Emotet"}
    assert "threat.software.name" not in fields(alerts=[ENDPOINT_ALERT, other])


def test_categories_are_those_of_the_alerts_that_go_with_info() -> None:
    found = fields()
    assert found["event.category"][0] == "intrusion_detection"
    assert set(found["event.category"]) >= {"intrusion_detection", "host", "process", "authentication"}
    assert "registry" not in found["event.category"]
    assert found["event.type"] == ["info"]


@pytest.mark.parametrize("status", ["active", "resolved", "redirected", "awaitingAction", None])
@pytest.mark.parametrize("category", ["Malware", "Execution", "Phishing", None])
def test_ecs_expects_the_type_with_each_category(status: str | None, category: str | None) -> None:
    alerts = [{**ENDPOINT_ALERT, "category": category, "status": status}, IDENTITY_ALERT]
    found = fields(status=status, alerts=alerts)
    assert found["event.type"] == ["info"]
    assert [name for name in found["event.category"] if "info" not in EXPECTED_TYPES[name]] == []


# Without alerts


@pytest.mark.parametrize("alerts", [None, "", [], "absent"])
def test_without_its_alerts_it_lands_with_what_it_has(alerts: Any) -> None:
    incident = {**INCIDENT, "alerts": alerts}
    if alerts == "absent":
        del incident["alerts"]
    found = flat(row(incident))
    assert found["event.category"] == ["intrusion_detection"]
    assert found["event.type"] == ["info"]
    assert not [name for name in found if name.startswith(("related.", "threat.tactic", "event.start"))]
    known = found.get("microsoft.graph_security.alertIds")
    assert known == ([] if alerts == [] else None)
    assert map_incidents(incident).type_mismatches == {}


def test_an_incident_without_an_id_or_a_time_is_rejected() -> None:
    timeless = {**INCIDENT, "createdDateTime": None, "lastUpdateDateTime": "never"}
    mapped = map_incidents({**INCIDENT, "id": None}, timeless, INCIDENT, b"{")
    errors = mapped.rejects.column("error").to_pylist()
    assert errors[:2] == ["id is missing", "none of createdDateTime, lastUpdateDateTime is a time"]
    assert len(mapped.tables["incidents"]) == 1


def test_one_too_large_says_so_and_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_defender.ecs.engine.bounds.MAX_RECORD_BYTES", 2_000)
    monkeypatch.setattr("airflow_provider_defender.ecs.engine.bounds._KEPT_BYTES", 500)
    [reject] = map_incidents(INCIDENT).rejects.to_pylist()
    assert reject["error"].startswith(f"too large: {len(record(INCIDENT)):,} bytes, a record may have 2,000;")
    assert reject["bytes"] == record(INCIDENT)[:500]


# All products


def test_incidents_of_all_products_fit_their_columns() -> None:
    """Those of a tenant of the simulator, each with its alerts: nothing odd, and nothing lost on the way."""
    portal = Portal.of(Tenant(11, alerts=150, start=datetime(2026, 11, 20, 12, tzinfo=timezone.utc)))
    incidents = portal.incidents
    records = [
        {**incident.body, "alerts": [alert.body for alert in portal.members(incident)]}
        for incident in incidents
    ]
    mapped = map_incidents(*records)
    assert mapped.type_mismatches == {}
    assert mapped.unmapped_fields.keys() <= {"comments.@odata.type"}
    for sent, landed in zip(records, mapped.tables["incidents"].to_pylist(), strict=True):
        assert own(landed)["alertIds"] == [alert["id"] for alert in sent["alerts"]]
        assert json.loads(landed["event"]["original"]) == sent
    products = {alert["serviceSource"] for sent in records for alert in sent["alerts"]}
    assert len(products) > 5


# Odd values

_odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.lists(st.none() | st.integers() | st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, child in inner for each in _paths(child, (*path, key)))]


PLACES = [path for path in _paths(INCIDENT) if path and path != ("id",)]


@given(st.sampled_from(PLACES), _odd)
@settings(max_examples=200, deadline=None)
def test_no_odd_value_stops_it_and_none_is_lost(path: tuple[Any, ...], value: Any) -> None:
    incident = json.loads(json.dumps(INCIDENT))
    holder = incident
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    mapped = map_incidents(incident)
    if len(mapped.rejects):
        assert path[0] in ("createdDateTime", "lastUpdateDateTime")
        return
    [landed] = mapped.tables["incidents"].to_pylist()
    assert json.loads(landed["event"]["original"]) == incident
    assert "derived" not in " ".join(mapped.type_mismatches)
    assert landed["event"]["category"][0] == "intrusion_detection"
