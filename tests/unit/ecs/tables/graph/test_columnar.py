"""Fields from whole columns are exactly those that the functions of evidence types give item by item."""

from __future__ import annotations

import copy
import dataclasses
import json
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.tables.graph.alert import Alert
from airflow_provider_defender.ecs.tables.graph.alerts import GRAPH_ALERTS
from airflow_provider_defender.ecs.tables.graph.columnar import ROW_BY_ROW, read_by
from airflow_provider_defender.ecs.tables.graph.evidence import EVIDENCE
from airflow_provider_defender.simulator.graph.evidence.samples import evidence_sample
from airflow_provider_defender.simulator.server.draw import Draw
from benchmarks.graph_generator import GraphAlertGenerator
from tests.golden import cases
from tests.unit.ecs.helpers.graph_records import ALERT, EVIDENCE_TYPES, PREFIX, full
from tests.unit.ecs.tables.graph.test_hostile import _full as whole_item
from tests.unit.ecs.tables.graph.test_rows import mutated

assert GRAPH_ALERTS.derived is not None
ROW_WISE = dataclasses.replace(GRAPH_ALERTS, derived=dataclasses.replace(GRAPH_ALERTS.derived, columnar=None))
NOW = datetime(2026, 3, 2, tzinfo=timezone.utc)


def check(records: Sequence[Any]) -> pa.Table:
    """The rows of these alerts, which must be the same both ways, with the same counts."""
    sent = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
    ours, reference = (ecs.map_records(each, sent, ingested=NOW) for each in (GRAPH_ALERTS, ROW_WISE))
    rows, expected = (each.tables["alerts"] for each in (ours, reference))
    if not rows.equals(expected):
        for row, wanted in zip(rows.to_pylist(), expected.to_pylist(), strict=True):
            assert row == wanted
    assert rows.equals(expected)
    assert ours.type_mismatches == reference.type_mismatches
    assert ours.unmapped_fields == reference.unmapped_fields
    return rows


def alert(number: int, evidence: Sequence[Any], **changes: Any) -> dict[str, Any]:
    return {**ALERT, "id": f"da{number}", "evidence": list(evidence), **changes}


def golden_records() -> Iterator[dict[str, Any]]:
    """The records of all golden cases, and each evidence item of a case in an alert of its own."""
    for number, path in enumerate(cases.paths(filters=["graph_alerts/"])):
        case = cases.read(path)
        if "/evidence/" not in path.as_posix():
            if "record" in case:
                yield case["record"]
            continue
        changes = case.get("alert", {})
        items = [case["record"], *changes.get("evidence", ())]
        yield {**alert(number, ()), **changes, "evidence": items}


def test_golden_cases() -> None:
    records = list(golden_records())
    assert len(records) > 100
    check(records)


@pytest.mark.parametrize("seed", range(4))
def test_samples_of_the_simulator(seed: int) -> None:
    draw = Draw(seed)
    items = [evidence_sample(name, draw) for name in EVIDENCE_TYPES]
    draw.shuffle(items)
    check([alert(number, items[number::5]) for number in range(5)])


def test_many_alerts() -> None:
    rows = check(list(GraphAlertGenerator(odd=0.05).records(600)))
    assert len(rows) == 2400


@given(st.integers(0, 2**32), st.lists(st.sampled_from(EVIDENCE_TYPES), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_items_with_odd_values(seed: int, names: list[str]) -> None:
    draw = random.Random(seed)
    items = [item_of(name, draw) for name in names]
    count = draw.randint(1, 4)
    check([alert(number, items[number::count], **drawn_changes(draw)) for number in range(count)])


OF_MACHINES = [name for name in EVIDENCE_TYPES if "mdeDeviceId" in json.dumps(full(name))]
OF_MACHINES += ["userEvidence", "ipEvidence", "urlEvidence"]


@given(st.integers(0, 2**32), st.lists(st.sampled_from(OF_MACHINES), min_size=1, max_size=30))
@settings(max_examples=25, deadline=None)
def test_items_of_machines_with_odd_values(seed: int, names: list[str]) -> None:
    draw = random.Random(seed)
    items = [item_of(name, draw) for name in names]
    count = draw.randint(1, 3)
    check([alert(number, items[number::count]) for number in range(count)])


def item_of(name: str, draw: random.Random) -> dict[str, Any]:
    """A full item, perhaps with odd values, of one of few machines."""
    item = full(name)
    item["@odata.type"] = draw.choice(
        [PREFIX + name] * 8 + [name.upper(), "microsoft.graph.security." + name]
    )
    if draw.random() < 0.6:
        item = mutated(item, draw)
    else:
        item["roles"] = draw.choice([[], ["attacked"], ["source"], ["Destination"]])
    if draw.random() < 0.8:  # accounts with events are derived row by row
        put(item, "resourceAccessEvents", [])
    if draw.random() < 0.8:
        put(item, "mdeDeviceId", draw.choice(["m1", "m2", "00m3", " m4", "-", "N/A", None]))
    return item


def put(item: Any, name: str, value: Any) -> None:
    """Replace a property's value, also inside the item."""
    for key, inner in item.items() if isinstance(item, dict) else ():
        if key == name:
            item[key] = value
        else:
            for each in inner if isinstance(inner, list) else [inner]:
                put(each, name, value)


def drawn_changes(draw: random.Random) -> dict[str, Any]:
    return {
        "serviceSource": draw.choice(["microsoftDefenderForEndpoint", "microsoftSentinel", None, "-"]),
        "category": draw.choice(["Malware", "InitialAccess", "phishing", " ", None]),
        "status": draw.choice(["new", "resolved", None]),
        "threatFamilyName": draw.choice(["Emotet", "null", None]),
        "tenantId": draw.choice([ALERT["tenantId"], "00000000-0000-0000-0000-000000000000", None]),
    }


def test_an_alert_without_evidence_and_items_that_are_none() -> None:
    user = full("userEvidence")
    odd: list[Any] = [
        None,
        5,
        "text",
        {},
        [],
        {"@odata.type": 7},
        {**user, "@odata.type": "#x.quantumEvidence"},
    ]
    check([alert(1, []), alert(2, odd), alert(3, [user, None]), {**ALERT, "evidence": None}])


def test_the_host_is_that_of_the_first_device_of_the_same_alert_with_the_id() -> None:
    device, file = full("deviceEvidence"), full("fileEvidence")
    first, second, other = (
        {**device, "mdeDeviceId": "m", "hostName": name, "deviceDnsName": name} for name in "abc"
    )
    item = {**file, "mdeDeviceId": "m"}
    unknown = {**file, "mdeDeviceId": "n"}
    rows = check([alert(1, [item, first, second, unknown]), alert(2, [other, item]), alert(3, [item])])
    hosts = rows.column("host").combine_chunks()
    assert hosts.field("name").to_pylist() == ["a", "a", "b", None, "c", "c", None]
    assert hosts.field("id").to_pylist() == ["m", "m", "m", "n", "m", "m", "m"]


@pytest.mark.parametrize(
    "text", ['["a.example"]', '{"a": 1}', "[2001:db8::1]:443", "[", "true", "-1", "1.5", "5"]
)
@pytest.mark.parametrize("extra", [{}, {"unknown": 1}])
def test_texts_that_look_like_json(text: str, extra: dict[str, Any]) -> None:
    items = [
        {**full("ipEvidence"), "ipAddress": text, "location": text, **extra},
        {**full("analyzedMessageEvidence"), "urls": text, **extra},
        {**full("cloudApplicationEvidence"), "appId": text, "saasAppId": None, **extra},
        {**full("oauthApplicationEvidence"), "appId": text, "objectId": None, **extra},
    ]
    values = [json.loads(json.dumps(items)), copy.deepcopy(items)]
    for each in values[1]:
        for key in ("ipAddress", "appId", "urls"):
            if each.get(key) == text:
                each[key] = json.loads(text) if text not in ("[", "[2001:db8::1]:443") else [text]
    rows = check([alert(number, each) for number, each in enumerate(values)])
    if text == "[2001:db8::1]:443":
        assert rows.column("related").combine_chunks().field("ip")[0].as_py() == ["2001:db8::1"]


@pytest.mark.parametrize("name", sorted(EVIDENCE.keys() - ROW_BY_ROW))
def test_functions_read_no_other_properties(name: str) -> None:
    """Whatever of an item is there: where one property is missing, a function may read another."""
    read: set[str] = set()

    class Watched(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            read.add(key)
            return super().get(key, default)

    item, draw = whole_item(name), random.Random(name)
    for share in (1.0, 0.0, *(draw.random() for _ in range(100))):
        some = {key: value for key, value in item.items() if draw.random() < share}
        EVIDENCE[name](Watched(some), Alert({}, []))
    assert read & item.keys() <= {*read_by(name), "mdeDeviceId"}


def test_values_that_count_only_sometimes() -> None:
    process, user = full("processEvidence"), full("userEvidence")
    process["userAccount"]["resourceAccessEvents"] = []
    device, file = ({**full(name), "mdeDeviceId": "m"} for name in ("deviceEvidence", "fileEvidence"))
    account = {**user["userAccount"], "resourceAccessEvents": [], "userPrincipalName": "jane"}
    items = [
        {**process, "processId": 0, "parentProcessId": 0},
        {**process, "processId": 0, "imageFile": {"sha1": "a"}, "parentProcessId": -1},
        {**process, "userAccount": account},
        {**user, "userAccount": account},
        {**user, "userAccount": {**account, "userSid": None}, "roles": ["attacked"]},
        {**user, "userAccount": {**account, "userSid": "-", "AzureAdUserId": "x"}},
        {**file, "fileDetails": {"fileName": "a:b", "filePath": "C:\\", "sha256": "g" * 64, "fileSize": -1}},
    ]
    named = {
        **device,
        "deviceDnsName": "192.0.2.9",
        "hostName": None,
        "loggedOnUsers": [{"accountName": "-"}],
    }
    rows = check(
        [alert(1, items), alert(2, [named, file]), alert(3, [device, {**device, "mdeDeviceId": None}])]
    )
    assert rows.column("process").combine_chunks().field("pid").to_pylist()[:2] == [None, None]
    assert rows.column("user").combine_chunks().field("email").to_pylist()[2:4] == [None, None]
    assert "192.0.2.9" in rows.column("related").combine_chunks().field("ip")[8].as_py()
