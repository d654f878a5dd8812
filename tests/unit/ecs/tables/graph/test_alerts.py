"""Alerts of Microsoft Graph: rows, containers and odd records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.engine.reader import RecordReader
from airflow_provider_defender.ecs.tables.graph.alerts import GRAPH_ALERTS
from airflow_provider_defender.ecs.tables.graph.incidents import GRAPH_INCIDENTS

TENANT = "a839b112-1253-6432-9bf6-94542403f21c"
DEVICE = {
    "@odata.type": "#microsoft.graph.security.deviceEvidence",
    "mdeDeviceId": "m1",
    "deviceDnsName": "PC.contoso.com",
    "osPlatform": "Windows11",
    "ipInterfaces": ["10.0.0.1", "::ffff:10.0.0.2", "fe80::1%3"],
}
PROCESS = {
    "@odata.type": "#microsoft.graph.security.processEvidence",
    "mdeDeviceId": "m1",
    "processId": 4711,
    "imageFile": {"fileName": "rundll32.exe", "filePath": "C:\\Windows"},
    "userAccount": {"accountName": "jane", "userSid": "S-1-5-21-1"},
}


def alert(*evidence: Any, **properties: Any) -> dict[str, Any]:
    """An alert with these items of evidence."""
    return {
        "id": "da1",
        "tenantId": TENANT,
        "createdDateTime": "2026-11-01T10:00:00.1234567Z",
        "lastUpdateDateTime": "2026-11-01T11:00:00.1234567Z",
        "serviceSource": "microsoftDefenderForEndpoint",
        "status": "new",
        "evidence": list(evidence),
        **properties,
    }


def mapped(*alerts: dict[str, Any]) -> ecs.MappedRecords:
    """The result of mapping alerts."""
    return ecs.map_records("graph_alerts", [json.dumps(each).encode() for each in alerts])


def rows(*alerts: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of alerts, none of which is rejected."""
    result = mapped(*alerts)
    assert not result.rejects.to_pylist()
    return result.tables["alerts"].to_pylist()  # type: ignore[no-any-return]


def test_each_item_is_a_row_and_a_device_id_becomes_the_host() -> None:
    device, process = rows(alert(DEVICE, PROCESS))
    assert device["host"]["name"] == process["host"]["name"] == "pc.contoso.com"
    assert process["host"]["ip"] == ["10.0.0.1", "10.0.0.2", "fe80::1"]
    assert process["process"]["executable"] == "C:\\Windows\\rundll32.exe"
    assert process["user"]["id"] == "S-1-5-21-1"
    evidence = process["microsoft"]["graph_security"]["evidence"]
    assert evidence["odata_type"] == "#microsoft.graph.security.processEvidence"
    assert json.loads(evidence["userAccount"]) == PROCESS["userAccount"]
    assert [row["landing"]["item"] for row in (device, process)] == [0, 1]


def test_unknown_type_lands_whole_and_is_counted() -> None:
    result = mapped(
        alert({"@odata.type": "#microsoft.graph.security.newEvidence", "foo": {"a": 1}, "url": "u"})
    )
    (row,) = result.tables["alerts"].to_pylist()
    container = row["microsoft"]["graph_security"]
    assert container["evidence"]["url"] == "u"
    assert json.loads(container["unmapped"]) == {"evidence": {"foo": {"a": 1}}}
    assert result.unmapped_fields == {
        "evidence.foo": 1,
        "evidence.odata_type=#microsoft.graph.security.newEvidence": 1,
    }


def test_evidence_that_is_no_object_keeps_its_row() -> None:
    result = mapped(alert(DEVICE, None, 5, "x", PROCESS))
    table = result.tables["alerts"].to_pylist()
    assert [row["host"]["name"] for row in table] == ["pc.contoso.com", None, None, "pc.contoso.com"]
    assert [row["microsoft"]["graph_security"]["unmapped"] for row in table] == [
        None,
        '{"evidence":5}',
        '{"evidence":"x"}',
        None,
    ]
    others: list[Any] = ["x", {"a": 1}, None, []]
    for odd in others:
        assert len(rows({**alert(), "evidence": odd})) == 1


ANNOTATED = {
    "@odata.type": "#microsoft.graph.security.alert",
    "evidence@odata.context": "https://graph.microsoft.com/v1.0/$metadata#evidence",
    "comments": [{"@odata.type": "#microsoft.graph.security.alertComment", "comment": "Seen."}],
}


def test_annotations_of_odata_are_neither_counted_nor_lost() -> None:
    result = mapped(alert(DEVICE, **ANNOTATED))
    assert (result.unmapped_fields, result.type_mismatches) == ({}, {})
    (row,) = result.tables["alerts"].to_pylist()
    container = row["microsoft"]["graph_security"]
    assert json.loads(container["unmapped"]) == {
        "evidence@odata.context": ANNOTATED["evidence@odata.context"]
    }
    assert [each["comment"] for each in container["comments"]] == ["Seen."]


@pytest.mark.parametrize("mapping", [GRAPH_ALERTS, GRAPH_INCIDENTS], ids=lambda mapping: mapping.source)
def test_annotations_of_odata_do_not_slow_down(mapping: ecs.Mapping, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = "incident" if mapping is GRAPH_INCIDENTS else "alert"
    annotations = {**ANNOTATED, "@odata.type": f"#microsoft.graph.security.{kind}"}
    if mapping is GRAPH_INCIDENTS:
        annotations["alerts@odata.context"] = annotations.pop("evidence@odata.context")
    reader = RecordReader(mapping.shape, mapping.items)
    monkeypatch.setattr(reader, "reread", None)  # the slow way
    _, rest = reader.read(json.dumps({"id": "1", **annotations}).encode())
    assert rest is not None
    assert rest.record == {name: text for name, text in annotations.items() if name.endswith("context")}


def test_an_object_of_another_type_says_so() -> None:
    result = mapped(alert(DEVICE, **{"@odata.type": "#microsoft.graph.security.newAlert"}))
    (row,) = result.tables["alerts"].to_pylist()
    unmapped = json.loads(row["microsoft"]["graph_security"]["unmapped"])
    assert unmapped == {"@odata.type": "#microsoft.graph.security.newAlert"}


def test_a_cut_list_is_counted() -> None:
    """A link says that there is more than what was sent."""
    name = "evidence@odata.nextLink"
    result = mapped(alert(DEVICE, **{name: "https://graph.microsoft.com/v1.0/more"}))
    assert result.unmapped_fields == {name: 1}


def test_a_type_without_its_sign_is_known() -> None:
    item = {**DEVICE, "@odata.type": "microsoft.graph.security.deviceEvidence"}
    result = mapped(alert(item))
    (row,) = result.tables["alerts"].to_pylist()
    assert row["host"]["name"] == "pc.contoso.com"
    assert result.unmapped_fields == {}
