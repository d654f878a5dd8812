"""Sets of offsets as ranges, beside Python's own sets."""

from __future__ import annotations

import pytest
from hypothesis import given

from airflow_provider_defender.lake.offsets.ranges import common, holds, union, without
from tests.unit.lake.offsets.support import members, pieces


@given(pieces, pieces)
def test_ranges_are_sets(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    first, second = union(one), union(other)
    assert members(first) == members(tuple(one))
    assert members(union(one, other)) == members(first) | members(second)
    assert members(without(first, second)) == members(first) - members(second)
    assert members(common(first, second)) == members(first) & members(second)
    assert [offset for offset in range(30) if holds(first, offset)] == sorted(members(first))
    for ranges in (first, union(one, other), without(first, second), common(first, second)):
        assert all(start < end for start, end in ranges)
    for ranges in (first, union(one, other)):
        ends = [end for _, end in ranges[:-1]]
        assert all(end < start for end, (start, _) in zip(ends, ranges[1:], strict=True)), "they touch"


@pytest.mark.parametrize("ranges", [(5, 4), (-1, 3)])
def test_no_ranges(ranges: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is no range of offsets"):
        union([ranges])
