"""The columns that the lake reads back exist where ecs writes them."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest

from airflow_provider_defender import ecs, landing
from airflow_provider_defender.ecs.fields import leaf_fields

TEXTS = dict.fromkeys((*landing.VERSION_COLUMNS, *landing.REJECT_VERSION_COLUMNS), pa.string())
NUMBERS = {
    "landing.kafka.partition": pa.int32(),
    "landing.kafka.offset": pa.int64(),
    "partition": pa.int32(),
    "offset": pa.int64(),
}


def assert_has(schema: pa.Schema, columns: tuple[str, ...]) -> None:
    known = leaf_fields(schema)
    assert {name: known.get(name) for name in columns} == {
        name: {**TEXTS, **NUMBERS}[name] for name in columns
    }


@pytest.mark.parametrize("mapping", ecs.registered(), ids=lambda mapping: mapping.source)
def test_every_dataset_has_the_columns_that_the_lake_reads(mapping: ecs.Mapping) -> None:
    assert_has(ecs.schema(mapping.dataset), (*landing.VERSION_COLUMNS, *landing.OFFSET_COLUMNS))
    assert ecs.schema(mapping.dataset).field("landing").type == landing.LANDING_TYPE


@pytest.mark.parametrize("mapping", ecs.registered(), ids=lambda mapping: mapping.source)
def test_every_dataset_has_the_time_of_the_version(mapping: ecs.Mapping) -> None:
    known = leaf_fields(ecs.schema(mapping.dataset))
    assert known["landing.updated"] == landing.TIMESTAMP


def test_rejects_have_the_columns_that_the_lake_reads() -> None:
    assert_has(landing.REJECTS_SCHEMA, landing.REJECT_VERSION_COLUMNS)
    assert_has(landing.HUB_REJECTS_SCHEMA, (*landing.REJECT_VERSION_COLUMNS, *landing.REJECT_OFFSET_COLUMNS))


def test_what_is_mapped_has_these_schemas() -> None:
    assert ecs.map_records("endpoint_alerts", [b"{}"]).rejects.schema == landing.REJECTS_SCHEMA
    assert ecs.map_records("event_hub", [b"{}"]).rejects.schema == landing.HUB_REJECTS_SCHEMA


def test_partitionings_are_named_as_folders_are() -> None:
    assert [each.value for each in landing.Partitioning] == ["day", "hour"]


def test_it_is_a_leaf() -> None:
    imported = {
        value.__name__ for value in vars(landing).values() if isinstance(value, type(sys)) and value is not pa
    }
    assert not imported
