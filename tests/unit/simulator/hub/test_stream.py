"""The stream of events: its shape on the wire, its mix, its determinism, and the truth that it keeps."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeAlias

import msgspec
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.simulator import DEFAULT_START, Tenant
from airflow_provider_defender.simulator.events import (
    FEEDS,
    ODDITIES,
    STREAMING_TABLES,
    UNKNOWN_TABLE,
    EventStream,
)
from airflow_provider_defender.simulator.hub.rows import streaming_tables
from airflow_provider_defender.timestamps import datetime_to_ticks
from tests.unit.simulator.answers import ticks

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,7}))?Z\Z")
EXPORT_TYPES = {
    "Microsoft.Security/assessments": "DefenderForCloudAssessments",
    "Microsoft.Security/assessments/subAssessments": "DefenderForCloudSubAssessments",
    "Microsoft.Security/secureScores": "DefenderForCloudScores",
}


def fraction(text: str) -> str:
    """The fraction digits of a time; empty without a point."""
    found = TIME.match(text)
    assert found is not None, text
    return found[1] or ""


Record: TypeAlias = "dict[str, Any]"


def dataset(record: Record) -> str:
    """The dataset of a readable record, by the rules of the router."""
    if "SystemAlertId" in record:
        return "DefenderForCloudAlerts"
    if "category" not in record:
        return EXPORT_TYPES[record["type"]]
    prefix, _, table = record["category"].partition("-")
    return table if prefix == "AdvancedHunting" else "AzureMonitor"


def whole(messages: list[bytes | None]) -> list[bytes]:
    """The messages of a stream without tombstones."""
    present = [message for message in messages if message is not None]
    assert len(present) == len(messages)
    return present


def records_of(messages: list[bytes]) -> Iterator[Record]:
    """All records of well-formed messages: (raw properties or None, decoded record)."""
    for message in messages:
        body = json.loads(message)
        yield from body.get("records", [body])


def streaming_records(messages: list[bytes]) -> list[Record]:
    return [record for record in records_of(messages) if "Publish" in record.values()]


@pytest.fixture(scope="module")
def stream() -> EventStream:
    return EventStream(5)


@pytest.fixture(scope="module")
def messages(stream: EventStream) -> list[bytes]:
    return whole(stream.messages(500))


@pytest.fixture(scope="module")
def streamed(messages: list[bytes]) -> list[Record]:
    return streaming_records(messages)


# -- determinism


def test_same_seed_same_bytes() -> None:
    assert EventStream(5).messages(50) == EventStream(5).messages(50)
    assert EventStream(5).messages(50) != EventStream(6).messages(50)


def test_same_bytes_in_another_process() -> None:
    code = (
        "from airflow_provider_defender.simulator.events import EventStream; import hashlib;"
        "print(hashlib.sha256(b'\\n'.join(EventStream(5).messages(50))).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": salt}, capture_output=True, check=True
        ).stdout
        for salt in ("1", "2")
    }
    assert len(printed) == 1
    assert printed != {b""}


def test_messages_do_not_depend_on_how_many_are_asked_for_at_a_time(messages: list[bytes]) -> None:
    pieces = EventStream(5)
    assert [message for _ in range(10) for message in pieces.messages(8)] == messages[:80]


# -- the wire


def test_the_first_records_have_one_of_everything() -> None:
    stream = EventStream(11)
    stream.records(3 * len(FEEDS))
    assert set(stream.truth.rows) == set(FEEDS)
    assert len(STREAMING_TABLES) == 31
    assert UNKNOWN_TABLE not in STREAMING_TABLES


def test_messages_are_small_json_without_a_mark(messages: list[bytes]) -> None:
    for message in messages:
        assert len(message) < 1_000_000
        assert message.startswith((b'{"records":[', b'{"'))
        assert message.endswith(b"}")
        message.decode("utf-8")


def test_messages_hold_one_or_more_records(messages: list[bytes]) -> None:
    sizes = Counter(len(body.get("records", [0])) for body in map(json.loads, messages))
    assert 0.3 < sizes[1] / len(messages) < 0.6
    assert max(sizes) > 20


def test_envelopes_have_the_orders_of_captured_records(streamed: list[Record]) -> None:
    orders = Counter(tuple(record) for record in streamed)
    full = ("time", "tenantId", "operationName", "category", "_TimeReceivedBySvc", "properties", "Tenant")
    without = tuple(key for key in full if key != "_TimeReceivedBySvc")
    assert set(orders) == {full, without, without[:-1], full[:-1]}
    assert 0.75 < orders[full] / len(streamed) < 0.86
    assert 0.09 < orders[without] / len(streamed) < 0.16


def test_envelope_times_have_seven_digits_and_stand_in_order(streamed: list[Record]) -> None:
    for record in streamed:
        assert len(fraction(record["time"])) == 7
        if "_TimeReceivedBySvc" in record:
            assert len(fraction(record["_TimeReceivedBySvc"])) == 7
            assert record["_TimeReceivedBySvc"] <= record["time"]
    times = [record["time"] for record in streamed]
    assert times == sorted(times)
    assert {record["tenantId"] for record in streamed} == {Tenant(5).tenant_id}


def test_event_times_have_the_digits_of_captured_records(streamed: list[Record]) -> None:
    texts = [record["properties"]["Timestamp"] for record in streamed if "Timestamp" in record["properties"]]
    digits = Counter(len(fraction(text)) for text in texts)
    assert set(digits) == {0, 3, 4, 5, 6, 7}
    for number, captured in {0: 17, 3: 11, 6: 23, 7: 43}.items():
        assert abs(digits[number] / len(texts) - captured / 96) < 0.05


def test_events_are_exported_minutes_later(streamed: list[Record]) -> None:
    lags = sorted(
        (ticks(record["time"]) - ticks(record["properties"]["Timestamp"])) / 10**7
        for record in streamed
        if "Timestamp" in record["properties"] and not record["category"].endswith("Summaries")
    )
    assert 100 < lags[len(lags) // 2] < 190
    assert 500 < lags[len(lags) * 9 // 10] < 1_000
    assert lags[0] < 27  # a clock that is fast
    assert lags[-1] > 1_200  # an alert that is late


def test_rows_have_the_columns_of_their_table_in_wire_order(streamed: list[Record]) -> None:
    for record in streamed:
        table = record["category"].partition("-")[2]
        if table in STREAMING_TABLES:
            order = [c for c in streaming_tables()[table].types if c in record["properties"]]
            assert list(record["properties"]) == order


_JSON_TYPES = {
    "string": (str,),
    "text": (str,),
    "datetime": (str,),
    "integer": (int, str),
    "bool": (bool, int, str),
    "dynamic": (dict, list, str),
}
#: Wire values that are not of the documented type, as captured.
_NUMBERS_IN_TEXT_COLUMNS = {"ReportId", "ParentProcessId", "AccountTenantId"}


def test_values_are_of_their_kind_on_the_wire() -> None:
    seen: dict[tuple[str, str], Counter[str]] = {}
    tenant = Tenant(6, alerts=20)
    streams = [EventStream(6, tenant=tenant, feeds=[table]) for table in STREAMING_TABLES]
    messages = [message for stream in streams for message in whole(stream.records(80))]
    for record in streaming_records(messages):
        table = record["category"].partition("-")[2]
        for column, value in record["properties"].items():
            expected = streaming_tables()[table].types[column]
            counts = seen.setdefault((table, column), Counter())
            if value is None or value == "":
                counts["absent"] += 1
                continue
            assert isinstance(value, _JSON_TYPES[expected]) or column in _NUMBERS_IN_TEXT_COLUMNS, (
                table,
                column,
            )
            if expected == "text" and value != "":
                json.loads(value)
            if expected == "datetime":
                assert TIME.match(value), (table, column, value)
            counts[type(value).__name__] += 1
    columns = {(t, c) for t, table in streaming_tables().items() for c in table.types}
    assert columns == set(seen)


def test_odd_spellings_and_types_of_the_wire_are_there(streamed: list[Record]) -> None:
    rows: dict[str, list[Record]] = {}
    for record in streamed:
        rows.setdefault(record["category"].partition("-")[2], []).append(record["properties"])
    assert all("MachineGroup" in row for row in rows["DeviceProcessEvents"])
    assert all("ISP" in row and "Isp" not in row for row in rows["CloudAppEvents"])
    assert all("ThreadSubType" in row for row in rows["MessageEvents"])
    assert all("ThreadTypes" in row for row in rows["MessagePostDeliveryEvents"])
    assert all(isinstance(row["ReportId"], int) for row in rows["DeviceFileEvents"])
    assert all(isinstance(row["ReportId"], str) for row in rows["EmailEvents"])
    assert all("Timestamp" not in row for row in rows["CallActivityEvents"])
    fields = [row["AdditionalFields"] for row in rows["IdentityLogonEvents"] if row["AdditionalFields"]]
    assert all(isinstance(each, dict) and "TO.DEVICE" in each for each in fields)
    texts = [row["AdditionalFields"] for row in rows["DeviceEvents"]]
    assert all(text is None or isinstance(text, str) for text in texts)
    assert any(text == "" for text in texts)
    assert any(isinstance(json.loads(text), dict) for text in texts if text)
    for row in rows["AlertEvidence"]:
        assert json.loads(row["AdditionalFields"])["$id"] == "1"
    hashes = Counter(row["SHA256"] for row in rows["DeviceEvents"])
    assert hashes[None] > hashes[""] > 0


def test_events_tell_of_the_same_tenant() -> None:
    tenant = Tenant(9, alerts=25)
    ids = {version.alert_id for version in tenant.alerts}
    devices = {device.machine_id: device.name for device in tenant.population.devices}
    for record in streaming_records(whole(EventStream(9, tenant=tenant).messages(300))):
        row = record["properties"]
        assert record["tenantId"] == tenant.tenant_id
        if "AlertId" in row:
            assert row["AlertId"] in ids
        elif record["category"].startswith("AdvancedHunting-Device"):
            assert devices[row["DeviceId"]] == row["DeviceName"]


def test_columns_of_a_row_agree(streamed: list[Record]) -> None:
    for record in streamed:
        row = record["properties"]
        if row.get("InitiatingProcessRemoteSessionIP"):
            assert row.get("IsInitiatingProcessRemoteSession") in (True, None)
        if row.get("FolderPath") and row.get("FileName") and record["category"].endswith("ImageLoadEvents"):
            assert row["FolderPath"].endswith(row["FileName"])
        if row.get("ProcessCreationTime"):
            assert ticks(row["ProcessCreationTime"]) < ticks(record["time"])
        if row.get("AttackTechniques"):
            assert all(
                re.fullmatch(r".+ \(T\d{4}(\.\d{3})?\)", t) for t in json.loads(row["AttackTechniques"])
            )
        if record["category"].endswith("CloudProcessEvents") and row.get("FolderPath"):
            assert row["FolderPath"].startswith("/")


def test_continuous_export_is_one_object_a_message_with_references_inside() -> None:
    stream = EventStream(3, feeds=["DefenderForCloudAlerts", "DefenderForCloudScores"])
    bodies = [json.loads(message) for message in whole(stream.messages(20))]
    assert {dataset(body) for body in bodies} == set(stream.truth.rows)
    alert = next(body for body in bodies if "SystemAlertId" in body)
    known = {entity["$id"] for entity in alert["Entities"]}
    referred = {v["$ref"] for e in alert["Entities"] for v in e.values() if isinstance(v, dict)}
    assert referred
    assert referred <= known


def test_recommendations_and_findings_say_what_happened_to_them_under_both_names() -> None:
    own = {
        "DefenderForCloudAssessments": "assessmentEventDataEnrichment",
        "DefenderForCloudSubAssessments": "subAssessmentEventDataEnrichment",
    }
    stream = EventStream(3, feeds=list(own))
    bodies = [json.loads(message) for message in whole(stream.messages(20))]
    assert {dataset(body) for body in bodies} == set(own)
    for body in bodies:
        said = body[own[dataset(body)]]
        assert said["action"] in ("Insert", "Delete")
        assert said.items() <= body["securityEventDataEnrichment"].items()


@pytest.mark.parametrize("feed", ["DefenderForCloudAlerts", *EXPORT_TYPES.values()])
def test_continuous_export_maps_without_a_rest(feed: str) -> None:
    mapped = ecs.map_records("event_hub", EventStream(3, feeds=[feed]).messages(20))
    assert not mapped.type_mismatches
    rows = mapped.tables[f"events/{feed}"].to_pylist()
    assert all(row["event"]["action"] for row in rows)
    assert [row["microsoft"]["defender_for_cloud"]["unmapped"] for row in rows] == [None] * len(rows)


# -- the truth


class _Raw(msgspec.Struct):
    category: str
    properties: msgspec.Raw = msgspec.Raw(b"")


class _Message(msgspec.Struct):
    records: list[_Raw] = []


def test_the_truth_is_what_was_sent(stream: EventStream, messages: list[bytes]) -> None:
    rows = Counter(map(dataset, records_of(messages)))
    raws = [each for message in messages for each in msgspec.json.decode(message, type=_Message).records]
    hunted = [(r.category, bytes(r.properties)) for r in raws if r.category.startswith("AdvancedHunting-")]
    repeats = len(hunted) - len(set(hunted))
    truth = stream.truth
    assert truth.messages == len(messages)
    assert truth.records == sum(rows.values()) == sum(truth.rows.values()) + truth.duplicates
    assert truth.duplicates == repeats
    assert 0.02 < truth.duplicates / truth.records < 0.045
    assert truth.broken == {}
    distinct = Counter(category.partition("-")[2] for category, _ in set(hunted))
    others = {name: count for name, count in rows.items() if name not in distinct}
    assert truth.rows == {**distinct, **others}


def test_repeats_come_in_a_new_envelope(messages: list[bytes]) -> None:
    envelopes: dict[tuple[str, str], list[str]] = {}
    for message in messages:
        for record in streaming_records([message]):
            key = (record["category"], json.dumps(record["properties"]))
            envelopes.setdefault(key, []).append(record["time"])
    again = [times for times in envelopes.values() if len(times) > 1]
    assert again
    assert sum(len(times) == len(set(times)) for times in again) / len(again) > 0.95


def test_records_that_are_alike_by_chance_are_repeats() -> None:
    stream = EventStream(5, tenant=Tenant(5, alerts=1), feeds=["AlertInfo"], duplicates=0)
    rows = {json.dumps(record["properties"]) for record in streaming_records(whole(stream.messages(300)))}
    assert stream.truth.rows == {"AlertInfo": len(rows)}
    assert stream.truth.duplicates > 0


def test_no_repeats_when_switched_off() -> None:
    stream = EventStream(5, duplicates=0, feeds=["DeviceProcessEvents"])
    stream.records(500)
    assert stream.truth.duplicates == 0
    assert stream.truth.rows == {"DeviceProcessEvents": 500}


def test_records_gives_the_number_asked_for() -> None:
    for wanted in (1, 7, 250):
        stream = EventStream(5)
        stream.records(wanted)
        stream.records(wanted)
        assert stream.truth.records == 2 * wanted


def test_a_fixed_number_of_records_a_message() -> None:
    messages = EventStream(5, feeds=["EmailEvents"], records_a_message=7).messages(5)
    assert [len(json.loads(message)["records"]) for message in whole(messages)] == [7] * 5


def test_a_feed_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="No such feeds: DeviceDreams"):
        EventStream(5, feeds=["DeviceInfo", "DeviceDreams"])


def test_time_goes_on_with_the_caller() -> None:
    stream = EventStream(5)
    stream.messages(3)
    later = DEFAULT_START + timedelta(hours=5)
    stream.advance_to(later)
    stream.advance_to(DEFAULT_START)
    record = streaming_records(whole(stream.messages(5)))[0]
    assert ticks(record["time"]) >= datetime_to_ticks(later)


# -- oddities


@pytest.mark.parametrize("name", ODDITIES)
def test_oddities_are_counted_as_what_they_are(name: str) -> None:
    stream = EventStream(5)
    value = stream.oddity(name)
    truth = stream.truth
    assert truth.messages == 1
    assert truth.odd == {name: 1}
    assert truth.broken in ({}, {name: 1})
    assert truth.records + sum(truth.broken.values()) > 0
    if truth.broken and not truth.rows:
        assert readable(value) == []
    elif not truth.broken:
        assert Counter(readable(value)) == truth.rows


def readable(value: bytes | None) -> list[str]:
    """Datasets of the records that a tolerant reader finds, with exact names of tables."""
    try:
        bodies = [json.loads(line) for line in (value or b"").decode().split("\n") if line]
    except ValueError:
        return []
    found = []
    for body in bodies:
        listed = body.get("records", [body]) if isinstance(body, dict) else body
        for record in listed if isinstance(listed, list) else []:
            table = str(record.get("category", "")).partition("-")[2]
            found += [known for known in STREAMING_TABLES if known.lower() == table.lower()]
    return found


def test_a_share_of_odd_messages() -> None:
    stream = EventStream(5, odd=0.2, records_a_message=1)
    messages = stream.messages(500)
    assert len(messages) == stream.truth.messages == 500
    assert 60 < sum(stream.truth.odd.values()) < 140
    assert set(stream.truth.odd) == set(ODDITIES)
    assert None in messages


def test_shares_can_be_changed_on_the_way() -> None:
    stream = EventStream(5, feeds=["DeviceEvents"], duplicates=0)
    stream.records(300)
    assert stream.truth.duplicates == 0
    stream.duplicates = 0.5
    stream.records(300)
    assert 100 < stream.truth.duplicates < 200
    stream.duplicates, stream.odd = 0.0, 1.0
    before = stream.truth.messages
    stream.messages(10)
    assert sum(stream.truth.odd.values()) == stream.truth.messages - before == 10
