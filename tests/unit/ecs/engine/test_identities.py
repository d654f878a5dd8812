"""Identities: the same as those of rows and rejects, from one look, with what a filter needs."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from airflow_provider_defender.timestamps import parse_ticks
from tests.unit.ecs.helpers.alert_records import ALERT, ORIGINS, TENANT, alert, record

FILTERED = ("severity", "status", "category")
BROKEN = b'{"id":"\xff"'
TORN = record(ALERT)[:-1]


def identity(data: Any, **options: Any) -> ecs.Identity:
    [found] = ecs.identities("endpoint_alerts", [data], **{"tenant": TENANT, **options})
    return found


def test_key_version_and_time_as_sent() -> None:
    found = identity(record(alert(lastUpdateTime="2021-01-26T20:33:59.1234567Z")))
    assert found.key == f"{TENANT}/{ALERT['id']}"
    assert found.version == "2021-01-26T20:33:59.1234567Z"
    assert found.updated == parse_ticks(found.version) == 16116932391234567
    assert found.properties == ()


@pytest.mark.parametrize("update", [None, "", "-", "later", 5, {"a": 1}])
def test_a_version_that_is_no_time_has_no_ticks(update: Any) -> None:
    found = identity(record(alert(lastUpdateTime=update)))
    assert found.updated is None
    assert found.version


USUAL = ("2021-01-26T20:33:59.1234567Z", "2021-01-26T20:33:59Z", "2021-01-26 20:33:59.1")
UNUSUAL = ("1601-01-01T00:00:00Z", "2300-01-01T00:00:00.1234567Z", "2021-01-26T20:33:59+01:00", "later", None)


@pytest.mark.parametrize("updates", [USUAL, (*USUAL, *UNUSUAL), UNUSUAL, (None,), ()])
def test_the_ticks_of_many_are_those_of_each(updates: tuple[str | None, ...]) -> None:
    records = [record(alert(id=f"a{n}", lastUpdateTime=update)) for n, update in enumerate(updates)]
    found = ecs.identities("endpoint_alerts", records, tenant=TENANT)
    assert [each.updated for each in found] == [parse_ticks(update or "") for update in updates]
    assert found == [identity(each) for each in records]


def test_a_record_is_read_from_any_buffer() -> None:
    raw = [record(ALERT), BROKEN, record(alert(severity=None, Severity="High"))]
    expected = [identity(each, properties=FILTERED) for each in raw]
    for kind in (bytearray, memoryview, msgspec.Raw):
        assert [identity(kind(each), properties=FILTERED) for each in raw] == expected


def test_what_cannot_be_read_is_known_by_its_bytes() -> None:
    for data in (BROKEN, TORN, b"[]", b"", record(alert(id=None))):
        found = identity(data, properties=FILTERED)
        assert found[:3] == (f"reject:{hashlib.sha256(data).hexdigest()}", "", None)
    assert identity(TORN, properties=FILTERED).properties == (None, None, None)


def test_without_a_tenant_the_record_names_it() -> None:
    assert identity(record(ALERT), tenant=None).key.startswith(ALERT["aadTenantId"].lower())
    assert identity(record(alert(aadTenantId=None)), tenant=None).key == ALERT["id"]


def test_a_tenant_has_one_spelling() -> None:
    assert identity(record(ALERT), tenant=TENANT.upper()) == identity(record(ALERT))


# Properties


def test_properties_in_the_order_asked_for() -> None:
    data = record(alert(severity="Low", status="New", category="Malware"))
    assert identity(data, properties=FILTERED).properties == ("Low", "New", "Malware")
    assert identity(data, properties=("category", "severity")).properties == ("Malware", "Low")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"severity": " High\n"}, "High"),
        ({"severity": "N/A"}, None),
        ({"severity": ""}, None),
        ({"severity": " - "}, None),
        ({"severity": 5}, None),
        ({"severity": ["High"]}, None),
        ({"severity": None}, None),
        ({"severity": None, "SEVERITY": "Low"}, "Low"),
        ({"severity": 5, "Severity": "-", "SEVERITY": "Low"}, "Low"),
        ({"severity": "High", "Severity": "Low"}, "High"),
        ({"severity": "High", "id": 17}, "High"),
        ({"severity": "High", "lastUpdateTime": None}, "High"),
        ({"severity": "High", "title": "\ud83d"}, None),
        ({"severity": "\ud83d"}, None),
    ],
)
def test_a_property_is_a_text_under_any_spelling_or_none(changes: dict[str, Any], text: str | None) -> None:
    found = identity(record(alert(**changes)), properties=["severity"])
    assert found.properties == (text,)


def test_a_property_that_is_no_text_changes_nothing_else() -> None:
    odd = record(alert(severity=[1], status={"a": 1}, category=None))
    assert identity(odd, properties=FILTERED)[:3] == identity(odd)[:3]
    assert identity(odd, properties=FILTERED).properties == (None, None, None)


_texts = (
    st.none() | st.sampled_from(["", "-", " High ", "Low", "\u00e9"]) | st.integers() | st.lists(st.text())
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["id", "ID", "lastUpdateTime", "LASTUPDATETIME", "severity"]), _texts))
def test_properties_do_not_change_identities(changes: dict[str, Any]) -> None:
    data = record(alert(**changes))
    assert identity(data, properties=FILTERED)[:3] == identity(data)[:3]


# Known identities


def mixed() -> list[bytes]:
    plain = [record(alert(id=str(number))) for number in range(2600)]
    odd = [record(alert(id=17)), record(alert(lastUpdateTime=None)), BROKEN, record({"id": "timeless"})]
    return [*plain[:7], *odd, *plain[7:]]


def test_with_known_identities_rows_and_rejects_are_the_same() -> None:
    records = mixed()
    known = ecs.identities("endpoint_alerts", records, tenant=TENANT, properties=FILTERED)
    found = list(ecs.map_batches("endpoint_alerts", records, origins=ORIGINS))
    again = list(ecs.map_batches("endpoint_alerts", records, origins=ORIGINS, identities=iter(known)))
    assert len(found) == len(again)
    for one, other in zip(found, again, strict=True):
        assert one.tables == other.tables
        assert one.rejects == other.rejects
    landing = pa.concat_tables([part.tables["alerts"] for part in again]).column("landing").to_pylist()
    rejects = pa.concat_tables([part.rejects for part in again]).to_pylist()
    firsts = [(row["key"], row["version"]) for row in landing if row["item"] == 0]
    assert sorted([*firsts, *((row["key"], row["version"]) for row in rejects)]) == sorted(
        each[:2] for each in known
    )


def test_known_identities_are_used_and_not_found_again() -> None:
    records = [record(ALERT), BROKEN]
    known = [ecs.Identity("mine", "1"), ecs.Identity("broken", "2")]
    [part] = ecs.map_batches("endpoint_alerts", records, origins=ORIGINS, identities=known)
    landing = part.tables["alerts"].column("landing").to_pylist()
    assert {(row["key"], row["version"]) for row in landing} == {("mine", "1")}
    assert [(row["key"], row["version"]) for row in part.rejects.to_pylist()] == [("broken", "2")]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_record_without_its_identity_is_an_error(count: int) -> None:
    known = [ecs.Identity("a", "1")] * count
    with pytest.raises(ValueError, match=r"zip\(\)"):
        list(ecs.map_batches("endpoint_alerts", [record(ALERT)] * 2, origins=ORIGINS, identities=known))


# One protocol for both ways


def drained(mapper: ecs.Mapper, *batches: list[bytes]) -> list[ecs.MappedRecords]:
    parts = [part for batch in batches for part in mapper.map(batch, ORIGINS)]
    return [*parts, *mapper.finish()]


def test_a_record_mapper_gives_each_batch_at_once() -> None:
    mapper = ecs.RecordMapper("endpoint_alerts")
    first = list(mapper.map([record(alert(id="a", newField=1)), BROKEN], ORIGINS))
    second = list(mapper.map([record(alert(id="b"))], ORIGINS))
    assert list(mapper.finish()) == []
    assert [part.records for part in (*first, *second)] == [2, 1]
    assert [part.unmapped_fields for part in (*first, *second)] == [{"newField": 1}, {}]
    assert first[0].rejects.column("record_index").to_pylist() == [1]
    whole = ecs.map_records("endpoint_alerts", [record(alert(id="b"))], origins=ORIGINS)
    assert second[0].tables == whole.tables


def test_both_mappers_are_drained_alike() -> None:
    rest = drained(ecs.RecordMapper("endpoint_alerts"), [record(ALERT)], [])
    hub = drained(ecs.EventMapper(), [b'{"records":[{}]}'], [b"no record"])
    assert [part.records for part in rest] == [1]
    assert sum(part.records for part in hub) == 2
