"""Command lines as their arguments."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.ecs import columns
from airflow_provider_defender.ecs.columns import short

LINES = st.lists(st.none() | st.text(' \t"\\ab\x1e\x1fé\u2003', max_size=12), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a b  c", ["a", "b", "c"]),
        ('"a b" c', ["a b", "c"]),
        ('a "" b', ["a", "", "b"]),
        (r"a \"b\" c", ["a", '"b"', "c"]),
        (r"C:\a\b.exe /x", [r"C:\a\b.exe", "/x"]),
        (" \t", None),
        ("", None),
        ("x" * 200_000, None),
        ("é" * 70_000, None),
        (None, None),
    ],
)
def test_arguments(line: Any, expected: Any) -> None:
    words, count = columns.arguments(pa.array([line], pa.string()))
    assert words.to_pylist() == [expected]
    assert count.to_pylist() == [None if expected is None else len(expected)]


@settings(deadline=None)
@given(LINES)
def test_short_and_long_columns_have_the_same_arguments(lines: list[str | None]) -> None:
    column = pa.array(lines, pa.string())
    found = []
    for length in (len(lines), -1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(short, "SHORT", length)
            found.append(columns.arguments(column))
    assert [each.to_pylist() for each in found[0]] == [each.to_pylist() for each in found[1]]
