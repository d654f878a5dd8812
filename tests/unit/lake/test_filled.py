"""Choosing rows of wide tables."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.lake.filled import FilledColumns
from airflow_provider_defender.lake.parquet import partitions
from airflow_provider_defender.landing import Partitioning

INNER = pa.struct({"n": pa.int64(), "texts": pa.list_(pa.string()), "nothing": pa.list_(pa.string())})
TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "inner": INNER,
    "many": pa.list_(INNER),
    "flag": pa.bool_(),
    "void": pa.struct([]),
    "nothing": pa.struct({"text": pa.string(), "inner": INNER}),
}
INNER_VALUES = st.none() | st.fixed_dictionaries(
    {"n": st.none() | st.integers(0, 9), "texts": st.none() | st.lists(st.sampled_from("ab"), max_size=2)}
)
ROWS = st.fixed_dictionaries(
    {
        "text": st.none() | st.sampled_from(["", "a", "long text"]),
        "inner": INNER_VALUES,
        "many": st.none() | st.lists(INNER_VALUES, max_size=2),
        "flag": st.none() | st.booleans(),
        "void": st.none() | st.just({}),
        "is_chosen": st.booleans(),
    }
)


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, pa.schema(TYPES))


@given(st.lists(ROWS, min_size=1, max_size=8).filter(lambda rows: any(row["is_chosen"] for row in rows)))
def test_any_rows_are_those_of_a_filter(rows: list[dict[str, Any]]) -> None:
    given = batch([{}, *rows]).slice(1)
    mask = pa.array([row["is_chosen"] for row in rows])
    chosen = FilledColumns(given).chosen(mask)
    chosen.validate(full=True)
    assert chosen.equals(given.filter(mask))


@pytest.mark.parametrize("places", [[1, 2], [0, 3]])
def test_only_columns_with_values_are_copied(places: list[int]) -> None:
    rows = batch([{"text": "a", "inner": {"n": number}} for number in range(4)])
    chosen = FilledColumns(rows).chosen(pa.array([number in places for number in range(4)]))
    for name, is_shared in (("text", False), ("nothing", True), ("many", True)):
        shared = addresses(chosen.column(name)) & addresses(rows.column(name))
        assert bool(shared) is is_shared
    inner, whole = chosen.column("inner"), rows.column("inner")
    assert not addresses(inner.field("n")) & addresses(whole.field("n"))
    assert addresses(inner.field("texts")) <= addresses(whole.field("texts"))


def addresses(column: pa.Array) -> set[int]:
    return {buffer.address for buffer in column.buffers() if buffer is not None and buffer.size}


def test_partitions_of_a_table_whose_columns_are_chunked_differently() -> None:
    start = datetime(2026, 11, 22, tzinfo=timezone.utc)
    days = [start + timedelta(days=number % 3) for number in range(10)]
    times = pa.array(days, pa.timestamp("us", "UTC"))
    numbers = pa.array(range(10))
    table = pa.table(
        {
            "@timestamp": pa.chunked_array([times[:4], times[4:4], times[4:]]),
            "n": pa.chunked_array([numbers[:7], numbers[7:]]),
        }
    )
    found = dict(partitions("alerts", table, Partitioning.DAY))
    assert {folder: rows["n"].to_pylist() for folder, rows in found.items()} == {
        "alerts/date=2026-11-22": [0, 3, 6, 9],
        "alerts/date=2026-11-23": [1, 4, 7],
        "alerts/date=2026-11-24": [2, 5, 8],
    }
    assert all(rows.schema.equals(table.schema) for rows in found.values())
