"""Hub partitions and offsets of rows."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.lake.offsets.columns import OffsetSpans, rows_outside
from airflow_provider_defender.lake.offsets.ranges import union
from airflow_provider_defender.landing import OFFSET_COLUMNS, REJECT_OFFSET_COLUMNS
from tests.unit.lake.offsets.support import events, hub_rejects, members, pieces


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 25)), max_size=30), pieces, pieces)
def test_rows_outside_of_ranges(
    rows: list[tuple[int, int]], one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    ranges = {0: union(one), 2: union(other), 7: ((0, 100),)}
    gone = {partition: members(ranges[partition]) for partition in (0, 2)}
    kept = [row for row in rows if row[1] not in gone.get(row[0], ())]
    assert rows_outside(events(rows), OFFSET_COLUMNS, ranges).equals(events(kept))
    chunks = [hub_rejects(rows[:3]), hub_rejects(rows[3:])]
    found = rows_outside(pa.concat_tables(chunks), REJECT_OFFSET_COLUMNS, ranges)
    assert list(zip(found["partition"].to_pylist(), found["offset"].to_pylist(), strict=True)) == kept


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(0, 25)), max_size=30),
    st.booleans(),
)
def test_spans_of_offsets(rows: list[tuple[str, int, int]], encoded: bool) -> None:
    spans = OffsetSpans()
    expected: dict[str, dict[int, tuple[int, int]]] = {}
    for path, partition, offset in rows:
        table = hub_rejects([(partition, offset)])
        if encoded:
            column = table["partition"].combine_chunks().dictionary_encode()
            table = table.set_column(2, "partition", column)
        spans.add(path, REJECT_OFFSET_COLUMNS, table)
        file = expected.setdefault(path, {})
        first, last = file.get(partition, (offset, offset))
        file[partition] = (min(first, offset), max(last, offset))
    assert {path: spans.pop(path) for path in expected} == expected


def test_spans_of_slices_and_of_many_rows() -> None:
    spans = OffsetSpans()
    table = events([(partition, offset) for partition in range(2) for offset in range(40_000)])
    spans.add("a", OFFSET_COLUMNS, table.slice(10, 10))
    for start in (60_000, 30_000, 5_000):
        spans.add("a", OFFSET_COLUMNS, table.slice(start, 30_000))
    spans.add("b", OFFSET_COLUMNS, table.slice(1, 3))
    assert spans.pop("b") == {0: (1, 3)}
    spans.add("a", OFFSET_COLUMNS, table.slice(2, 1))
    assert spans.pop("a") == {0: (2, 39_999), 1: (0, 39_999)}


def test_rows_without_an_offset_are_an_error() -> None:
    table = hub_rejects([(0, 1)]).set_column(3, "offset", pa.array([None], pa.int64()))
    with pytest.raises(ValueError, match="without partition or offset"):
        OffsetSpans().add("a", REJECT_OFFSET_COLUMNS, table)
    with pytest.raises(ValueError, match="without partition or offset"):
        rows_outside(table, REJECT_OFFSET_COLUMNS, {0: ((0, 1),)})


def test_spans_load_no_engine_of_arrow() -> None:
    program = (
        "import sys, pyarrow as pa\n"
        "from airflow_provider_defender.lake.offsets.columns import OffsetSpans\n"
        "from airflow_provider_defender.landing import REJECT_OFFSET_COLUMNS\n"
        "OffsetSpans().add('a', REJECT_OFFSET_COLUMNS, pa.table({'partition': [0, 1], 'offset': [5, 6]}))\n"
        "assert 'pyarrow.acero' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
