"""The leaf columns of schemas."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.lake import columns
from airflow_provider_defender.lake.columns import leaf_count, make_layout

FLAT, NESTED = (pa.schema([("a", each)]) for each in (pa.int64(), pa.struct([("b", pa.int64())])))


def test_leaves_have_the_names_that_they_have_in_parquet() -> None:
    deep = pa.list_(pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]))
    schema = pa.schema([("a", pa.string()), ("b", deep)])
    assert make_layout(schema).names == ("a", "b.list.element.x", "b.list.element.y.list.element")
    assert leaf_count(schema) == 3


def test_schemas_of_the_same_names_are_told_apart() -> None:
    assert [make_layout(schema).names for schema in (FLAT, NESTED)] == [("a",), ("a.b",)]


def test_threads_do_not_take_the_layout_of_another_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_layout(NESTED)

    class Shared(list[Any]):
        def append(self, layout: Any) -> None:
            super().append(layout)
            super().append(other)

    monkeypatch.setitem(columns._layouts, ("a",), Shared())
    assert make_layout(FLAT).schema == FLAT
