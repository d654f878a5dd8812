"""Fields that a function derives from records, row by row; and items that are read by their kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.engine.reader import RecordReader
from airflow_provider_defender.ecs.fields import nested_schema
from airflow_provider_defender.ecs.tables.graph.shape import alert_shape
from tests.unit.ecs.helpers.graph_records import EVIDENCE_TYPES, alert, full

TIME = "2026-03-02T08:15:30.1466667Z"
_ITEM = ecs.Shape(
    {"kind": "string", "name": "string", "size": "long", "more": "json"},
    {"kind": "@kind"},
    tag="kind",
    variants={
        "file": ecs.Shape({"name": "string", "size": "long", "more": "json"}),
        "user": ecs.Shape({"NAME": "string"}),
    },
)
_SHAPE = ecs.Shape(
    {"id": "string", "created": "time", "updated": "string", "details": "json", "items": ecs.ListOf(_ITEM)}
)
_FIELDS = ("user.name", "file.size", "process.start", "related.user")


def mapping(function: Callable[..., Sequence[Any]], *, parsed: bool = False) -> ecs.Mapping:
    """A mapping of records with items, whose rows get what the function returns."""
    return ecs.Mapping(
        source="toy",
        dataset="toys",
        shape=_SHAPE,
        container="toy",
        times=("created",),
        version="updated",
        items="items",
        copies={"event.id": "id"},
        derived=ecs.Derived(
            _FIELDS, function, "A note.", parsed=parsed, known={"kind": frozenset({"file", "user"})}
        ),
    )


def record(identifier: str, *items: Any, **properties: Any) -> bytes:
    data = {"id": identifier, "created": TIME, "updated": "1", "items": list(items), **properties}
    return json.dumps(data).encode()


def mapped(
    function: Callable[..., Sequence[Any]], *records: bytes, parsed: bool = False
) -> ecs.MappedRecords:
    return ecs.map_records(mapping(function, parsed=parsed), records)


def names(_: dict[str, Any], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"user.name": item.get("name")} for item in items]


def column(result: ecs.MappedRecords, root: str, leaf: str) -> list[Any]:
    return result.tables["toys"].column(root).combine_chunks().field(leaf).to_pylist()  # type: ignore[no-any-return]


FILE = {"@kind": "file", "name": "a", "size": 7}
USER = {"@kind": "user", "NAME": "b"}


@pytest.mark.parametrize("parsed", [False, True])
def test_rows_get_the_fields_of_their_items(parsed: bool) -> None:
    records = [record("1", FILE, USER), record("2"), record("3", {**FILE, "Name": "c", "name": None})]
    result = mapped(names, *records, parsed=parsed)
    assert column(result, "user", "name") == ["a", "b", None, "c"]
    assert column(result, "toy", "items")[1]["name"] == "b", "a variant's spelling may differ in case"


def test_fields_follow_their_records_when_some_are_rejected_or_read_again() -> None:
    records = [
        record("1", FILE),
        record("", {**FILE, "name": "rejected"}),
        record("2", {**FILE, "name": "b"}, created="2026-13-02T08:15:30Z", Created=TIME),
        record("3", {**FILE, "name": "c"}, USER, other=1),
    ]
    result = mapped(names, *records)
    assert column(result, "event", "id") == ["1", "2", "3", "3"]
    assert column(result, "user", "name") == ["a", "b", "c", "b"]
    assert len(result.rejects) == 1


def test_a_function_that_fails_stops_nothing_and_is_counted() -> None:
    def fail(data: dict[str, Any], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if data["id"] == "1":
            raise KeyError("a defect")
        return [] if data["id"] == "2" else [{"user.name": "x"}]

    result = mapped(fail, record("1", FILE, USER), record("2"), record("3"))
    assert column(result, "user", "name") == [None, None, None, "x"]
    assert result.type_mismatches == {"(derived fields: KeyError)": 2, "(derived fields: number of rows)": 1}


def test_values_that_do_not_fit_are_dropped_and_counted() -> None:
    values = [
        {"user.name": 5, "file.size": "x", "process.start": "now", "related.user": ["a"], "event.kind": "x"},
        {"user.name": "\ud800", "file.size": 7, "process.start": 10, "related.user": []},
    ]
    result = mapped(lambda data, items: values, record("1", FILE, USER))
    assert column(result, "user", "name") == [None, "\ufffd"]
    assert column(result, "file", "size") == [None, 7]
    assert [str(each) for each in column(result, "process", "start")] == [
        "None",
        "1970-01-01 00:00:00.000001+00:00",
    ]
    assert column(result, "related", "user") == [["a"], None]
    assert set(result.type_mismatches) == {
        "(derived field user.name)",
        "(derived field file.size)",
        "(derived field event.kind: not declared)",
    }


def test_parts_that_rows_share_land_on_each_row() -> None:
    shared = {"user.name": "a"}

    def rows(data: dict[str, Any], items: list[dict[str, Any]]) -> list[tuple[dict[str, Any], ...]]:
        return [(shared, {"file.size": number}) for number, _ in enumerate(items)]

    result = mapped(rows, record("1", FILE, USER), record("2"))
    assert column(result, "user", "name") == ["a", "a", "a"]
    assert column(result, "file", "size") == [0, 1, 0]


def test_kinds_that_are_not_known_are_counted_and_land() -> None:
    result = mapped(names, record("1", {"@kind": "new", "name": "n"}, {"name": "none"}))
    assert column(result, "user", "name") == ["n", "none"]
    assert [each["kind"] for each in column(result, "toy", "items")] == ["new", None]
    assert result.unmapped_fields == {"items.kind=new": 1}


def test_the_schema_has_the_derived_fields() -> None:
    schema = mapping(names).own_schema()
    assert (
        schema.field("process").type
        == nested_schema({"process.start": pa.timestamp("us", "UTC")}).field(0).type
    )


@pytest.mark.parametrize("name", EVIDENCE_TYPES)
def test_full_evidence_of_each_type_is_read_strictly(name: str) -> None:
    reader = RecordReader(alert_shape(), "evidence")
    _, odd = reader.read(json.dumps(alert(full(name))).encode())
    assert odd is None
