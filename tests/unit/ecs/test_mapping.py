"""Mappings of one's own, and the tables that document all mappings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs import document, registry
from airflow_provider_defender.ecs.fields import leaf_fields
from tests.unit.ecs.helpers.alert_records import ALERT, record

LOGONS = ecs.Mapping(
    source="my_logons",
    dataset="events/MyLogons",
    shape=ecs.Shape(
        {
            "Id": "identifier",
            "Time": "time",
            "Account": "string",
            "Failed": "boolean",
            "Port": "long",
            "Score": "double",
            "Details": "json",
            "Addresses": ecs.ListOf("string"),
            "Times": ecs.ListOf("time"),
            "Numbers": ecs.ListOf("long"),
        }
    ),
    container="microsoft.my_logons",
    times=("Time",),
    key="Id",
    version="Time",
    constants={"event.kind": "event", "event.category": ["authentication"]},
    copies={"user.name": "Account", "source.port": "Port", "event.created": "Time"},
    computed=[
        ecs.Computed(
            ("event.outcome",),
            ("Failed",),
            lambda failed: pc.if_else(failed, "failure", "success"),
            "By whether it failed.",
        )
    ],
)


@pytest.fixture(autouse=True)
def _registry_as_before() -> Iterator[None]:
    before = dict(registry._MAPPINGS)
    yield
    registry._MAPPINGS.clear()
    registry._MAPPINGS.update(before)


def map_logons(*logons: Any) -> ecs.MappedRecords:
    return ecs.map_records(LOGONS, [record(each) for each in logons])


LOGON = {
    "Id": 7,
    "Time": "2026-11-01T00:00:00.1Z",
    "Account": "elias",
    "Failed": True,
    "Port": 443,
    "Score": 0.5,
    "Details": {"FROM.DEVICE": "WIN", "n": [1]},
    "Addresses": ["::1"],
    "Times": ["2026-11-01T00:00:00Z", "2026-11-01T00:00:00"],
    "Numbers": [1, 2],
}


def test_a_table_of_ones_own() -> None:
    mapped = map_logons(
        LOGON, {**LOGON, "Failed": "0", "Port": "80", "details": "{}", "Details": None, "Times": None}
    )
    table = mapped.tables["events/MyLogons"]
    assert table.schema == ecs.schema(LOGONS)
    first, second = table.to_pylist()
    assert first["event"]["outcome"] == "failure"
    assert (second["event"]["outcome"], second["source"]["port"]) == ("success", 80)
    own = first["microsoft"]["my_logons"]
    assert own["Id"] == "7"
    assert own["Details"] == '{"FROM.DEVICE":"WIN","n":[1]}'
    assert [time.isoformat() for time in own["Times"]] == ["2026-11-01T00:00:00+00:00"] * 2
    assert (own["Numbers"], own["Score"], own["Addresses"]) == ([1, 2], 0.5, ["::1"])
    assert second["microsoft"]["my_logons"]["Details"] == '"{}"'
    assert second["microsoft"]["my_logons"]["Times"] is None
    assert first["landing"]["key"] == "7"
    assert first["landing"]["item"] == 0


CASES = replace(
    LOGONS,
    source="my_cases",
    dataset="cases",
    shape=ecs.Shape(
        {
            "Id": "string",
            "Time": "time",
            "logons": ecs.ListOf(ecs.Shape({"Id": "string", "Port": "long", "At": "time"}, partial=True)),
        }
    ),
    copies={"event.id": "Id"},
    computed=[],
    added={"logonIds": "logons.Id", "ports": "logons.Port"},
)


def case(**changes: Any) -> dict[str, Any]:
    mapped = ecs.map_records(CASES, [record({"Id": "c", "Time": LOGON["Time"], **changes})])
    mapped.tables["cases"].validate(full=True)
    [row] = mapped.tables["cases"].to_pylist()
    return {**row["microsoft"]["my_logons"], "counts": (mapped.type_mismatches, mapped.unmapped_fields)}


def test_of_a_partial_shape_the_other_properties_are_passed_over() -> None:
    logons = [{"Id": "a", "Port": 1, "more": {"deep": ["ä"]}}, {"Id": "b", "At": "2026-11-01T00:00:00Z"}]
    for odd in ({}, {"x": 1}, {"TIME": 5}):  # the fast way, and the tolerant one
        found = case(logons=logons, **odd)
        assert [(each["Id"], each["Port"]) for each in found["logons"]] == [("a", 1), ("b", None)]
        assert "more" not in (found["unmapped"] or "")
        assert found["counts"] == ({}, {"x": 1} if "x" in odd else {})


def test_what_does_not_fit_in_a_partial_shape_is_unmapped() -> None:
    found = case(logons=[{"Id": "a", "Port": "many", "more": 1}, 5, None, {"Id": "b"}])
    assert [each["Id"] for each in found["logons"]] == ["a", "b"]
    assert json.loads(found["unmapped"]) == {"logons": {"0": {"Port": "many"}, "1": 5}}
    assert found["counts"] == ({"logons.Port": 1, "logons": 1}, {})


def test_what_is_passed_over_must_be_utf_8() -> None:
    data = b'{"Id":"c","Time":"2026-11-01T00:00:00Z","logons":[{"Id":"a","more":"\xff"}]}'
    assert ecs.map_records(CASES, [data]).rejects.column("error").to_pylist() == ["not UTF-8 at byte 68"]


@pytest.mark.parametrize(
    ("logons", "ids", "ports"),
    [
        ([{"Id": "a", "Port": 1}, {"Id": "b"}], ["a", "b"], [1, None]),
        ([], [], []),
        (None, None, None),
    ],
)
def test_an_added_column_repeats_what_a_list_holds(logons: Any, ids: Any, ports: Any) -> None:
    found = case(logons=logons)
    assert (found["logonIds"], found["ports"]) == (ids, ports)
    own = ecs.schema(CASES).field("microsoft").type.field("my_logons").type
    assert own.field("logonIds").type == pa.list_(pa.string())
    assert own.field("ports").type == pa.list_(pa.int64())


def test_an_added_column_of_several_records() -> None:
    cases = [{"Id": f"{n}", "Time": LOGON["Time"], "logons": [{"Id": f"{n}"}] * n} for n in range(4)]
    cases.insert(2, {"Id": "none", "Time": LOGON["Time"]})
    records = list(map(record, cases))
    table = ecs.map_records(CASES, records).tables["cases"]
    ids = [row["my_logons"]["logonIds"] for row in table.column("microsoft").to_pylist()]
    assert ids == [[], ["1"], None, ["2", "2"], ["3", "3", "3"]]


@pytest.mark.parametrize("odd", [b'{"Details":"\xff"}', b"{"])
def test_bytes_that_are_no_json_text_are_rejected_here_too(odd: bytes) -> None:
    data = record(LOGON)[:-1] + b"," + odd[1:]
    assert ecs.map_records(LOGONS, [data]).rejects.num_rows == 1


def test_list_items_that_do_not_fit() -> None:
    mapped = map_logons({**LOGON, "Times": ["soon", "2026-11-01T00:00:00Z"], "Numbers": [1, "2", "x", None]})
    own = mapped.tables["events/MyLogons"].to_pylist()[0]["microsoft"]["my_logons"]
    assert len(own["Times"]) == 1
    assert own["Numbers"] == [1, 2]
    assert own["unmapped"] == '{"Times":{"0":"soon"},"Numbers":{"2":"x"}}'


def test_registered_by_name() -> None:
    ecs.register(LOGONS)
    assert ecs.find_mapping("my_logons") is LOGONS
    assert ecs.schema("events/MyLogons") == ecs.schema(LOGONS)
    assert ecs.map_records("my_logons", [record(LOGON)]).tables["events/MyLogons"].num_rows == 1
    assert "my_logons" in {each.source for each in ecs.registered()}


def test_a_changed_mapping_of_alerts_in_the_same_schema() -> None:
    base = ecs.find_mapping("endpoint_alerts")
    mine = replace(base, copies={**base.copies, "group.name": "rbacGroupName"})
    ecs.register(mine)
    table = ecs.map_records("endpoint_alerts", [record(ALERT)]).tables["alerts"]
    assert table.schema == ecs.schema("alerts")
    assert table.column("group").to_pylist() == [{"id": None, "name": "A"}]


def test_a_field_that_the_dataset_does_not_have_is_refused() -> None:
    base = ecs.find_mapping("endpoint_alerts")
    with pytest.raises(ValueError, match=r"not in dataset alerts: http\.request\.referrer"):
        ecs.register(replace(base, copies={**base.copies, "http.request.referrer": "title"}))


def test_the_table_says_what_a_derived_field_is_derived_from() -> None:
    derived = ecs.Derived(("event.outcome",), lambda data, items: [{}] * len(items), "By luck.")
    for inputs, expected in (((), ""), (("Failed", "Account"), "Failed, Account")):
        mine = replace(LOGONS, computed=[], derived=replace(derived, inputs=inputs))
        [found] = [each for each in document.mapping_table(mine) if each.field == "event.outcome"]
        assert (found.source, found.how, found.note) == (expected, "derived", "By luck.")


def test_a_field_that_is_filled_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"filled twice: event\.outcome"):
        ecs.register(replace(LOGONS, copies={**LOGONS.copies, "event.outcome": "Account"}))


def test_two_schemas_for_one_dataset_are_refused() -> None:
    ecs.register(LOGONS)
    with pytest.raises(ValueError, match="already has another schema"):
        ecs.register(replace(LOGONS, source="others", copies={"user.name": "Account"}))


def test_partitioning_is_by_hour_for_events_and_by_day_for_all_else() -> None:
    assert ecs.partitioning("alerts") is ecs.Partitioning.DAY
    for mapping in ecs.registered():
        expected = "hour" if mapping.dataset.startswith("events/") else "day"
        assert ecs.partitioning(mapping.dataset).value == expected
    assert ecs.partitioning("events/TableOfTomorrow") is ecs.Partitioning.HOUR
    with pytest.raises(ValueError, match="no dataset 'nonsense'"):
        ecs.partitioning("nonsense")


def test_a_mapping_of_ones_own_brings_its_partitioning() -> None:
    ecs.register(replace(LOGONS, source="daily", dataset="events/Daily", partitioning=ecs.Partitioning.DAY))
    ecs.register(replace(LOGONS, source="hourly", dataset="hourly", partitioning=ecs.Partitioning.HOUR))
    ecs.register(replace(LOGONS, source="plain", dataset="plain"))
    found = [ecs.partitioning(name).value for name in ("events/Daily", "hourly", "plain")]
    assert found == ["day", "hour", "day"]


def test_two_partitionings_of_one_dataset_are_refused() -> None:
    ecs.register(LOGONS)
    with pytest.raises(ValueError, match="events/MyLogons is already partitioned by hour, not by day"):
        ecs.register(replace(LOGONS, source="others", partitioning=ecs.Partitioning.DAY))


def test_unknown_dataset() -> None:
    with pytest.raises(ValueError, match="no dataset 'nonsense'"):
        ecs.schema("nonsense")


def test_mapping_table_has_every_field_of_the_dataset() -> None:
    rows = document.mapping_table("endpoint_alerts")
    names = [
        name for name in leaf_fields(ecs.schema("alerts")) if not name.startswith(("microsoft.", "landing."))
    ]
    assert [row.field for row in rows] == names
    by_name = {row.field: row for row in rows}
    assert by_name["event.id"][1:4] == ("keyword", "id", "copied")
    assert by_name["event.category"].type == "keyword (list)"
    assert by_name["event.duration"].source == "firstEventTime, lastEventTime"
    assert by_name["tags"].source == "microsoft-defender-endpoint, forwarded"
    assert by_name["email.subject"].how == "unfilled"
    assert all(row.note for row in rows if row.how == "computed")


def test_filled_fields_of_the_table_are_those_that_get_values() -> None:
    rows = document.mapping_table("endpoint_alerts")
    assert {row.field for row in rows if row.how != "unfilled"} == set(
        ecs.find_mapping("endpoint_alerts").fields
    )


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    document.main(["endpoint_alerts"])
    text = capsys.readouterr().out
    assert "| event.id | keyword | id | copied |" in text
    assert "### Deviations from the seed" in text
    assert "| file.path | filePath | directory, separator, name |" in text
    ecs.register(LOGONS)
    document.main([])
    assert "## my_logons → events/MyLogons" in capsys.readouterr().out


def test_container_type_follows_the_shape() -> None:
    assert LOGONS.container_type.field("Details").type == pa.string()
    assert LOGONS.container_type.field("unmapped").type == pa.string()
