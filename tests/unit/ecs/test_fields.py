"""The columns against ECS 9.4.0's own list (`data/ecs-9.4.0.csv`, from elastic/ecs, see its notice)."""

from __future__ import annotations

import csv

import pyarrow as pa
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.categories import EXPECTED_TYPES
from airflow_provider_defender.ecs.fields import (
    SEED_FIELDS,
    field_type,
    leaf_fields,
    nested_columns,
    nested_fields,
    nested_schema,
    null_column,
)
from tests.unit.ecs.helpers.alert_records import DATA

with (DATA / "ecs-9.4.0.csv").open(newline="") as lines:
    ECS = {line["field"]: line for line in csv.DictReader(lines)}

FITTING = {
    pa.string(): {"keyword", "wildcard", "match_only_text", "constant_keyword", "ip"},
    pa.timestamp("us", tz="UTC"): {"date"},
    pa.int64(): {"long", "integer"},
    pa.float64(): {"float", "scaled_float", "double"},
    pa.bool_(): {"boolean"},
}
COLUMNS = {
    name: arrow_type
    for name, arrow_type in leaf_fields(ecs.schema("alerts")).items()
    if not name.startswith(("microsoft.", "landing.")) and name not in SEED_FIELDS
}


@pytest.mark.parametrize("name", COLUMNS)
def test_column_is_an_ecs_field_of_fitting_type(name: str) -> None:
    arrow_type = COLUMNS[name]
    assert name in ECS
    is_list = pa.types.is_list(arrow_type)
    assert is_list == (ECS[name]["normalize"] == "array")
    assert ECS[name]["type"] in FITTING[arrow_type.value_type if is_list else arrow_type]


def test_seed_fields_are_those_that_ecs_lacks() -> None:
    assert not SEED_FIELDS.keys() & ECS.keys()


def test_schema_has_room_for_graph() -> None:
    graph = ecs.schema("alerts").field("microsoft").type.field("graph_security").type
    names = {field.name for field in graph}
    assert {
        "id",
        "tenantId",
        "incidentId",
        "mitreTechniques",
        "additionalData",
        "evidence",
        "unmapped",
    } <= names
    evidence = graph.field("evidence").type
    types = {field.name: field.type for field in evidence}
    assert len(evidence) == 234
    assert len({name.lower() for name in types}) == len(types)
    assert types["odata_type"] == pa.string()
    assert types["roles"] == pa.list_(pa.string())
    assert types["createdDateTime"] == pa.timestamp("us", tz="UTC")
    assert types["attachmentsCount"] == pa.int64()
    assert types["isPrivileged"] == pa.bool_()
    assert types["fileDetails"] == pa.string(), "nested objects are JSON text"
    assert types["appId"] == pa.string(), "a name with several types is a string"
    assert types["verdict"] == pa.string(), "enums are strings"


def test_graph_is_null_for_endpoint_alerts() -> None:
    from tests.unit.ecs.helpers.alert_records import ALERT, map_alerts

    microsoft = map_alerts(ALERT).tables["alerts"].column("microsoft").combine_chunks()
    assert microsoft.field("graph_security").null_count == 1


def test_expected_types_are_a_subset_of_ecs_types() -> None:
    allowed = {"access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "end"}
    allowed |= {"error", "group", "indicator", "info", "installation", "protocol", "start", "user"}
    assert all(types <= allowed for types in EXPECTED_TYPES.values())


def test_nested_schema_and_leaf_fields_are_opposites() -> None:
    leaves = {"a.b.c": pa.string(), "a.d": pa.list_(pa.int64()), "e": pa.bool_(), "a.b.f": pa.float64()}
    schema = nested_schema(leaves)
    assert schema.names == ["a", "e"]
    assert leaf_fields(schema) == leaves


def test_nested_columns_fill_what_is_not_given_with_nulls() -> None:
    schema = nested_schema({"a.b": pa.string(), "a.c": pa.int64(), "d.e": pa.string()})
    columns = nested_columns(nested_fields(schema), {"a.b": pa.array(["x", None])}, 2)
    assert columns[0].to_pylist() == [{"b": "x", "c": None}, {"b": None, "c": None}]
    assert columns[1].to_pylist() == [None, None]


@pytest.mark.parametrize("length", [0, 1, 4096, 4097, 10_000])
def test_null_column_has_the_length_asked_for(length: int) -> None:
    column = null_column(pa.struct([pa.field("a", pa.string())]), length)
    assert len(column) == column.null_count == length


def test_unknown_field_is_refused() -> None:
    with pytest.raises(KeyError):
        field_type("event.nonsense")
