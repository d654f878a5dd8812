"""Sets of offsets as ranges `(start, end)`, the end exclusive: sorted, disjoint, not adjacent, not empty."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

__all__ = ["Ranges", "common", "holds", "union", "without"]

Ranges = tuple[tuple[int, int], ...]


def union(*sets: Iterable[tuple[int, int]]) -> Ranges:
    """All offsets of some ranges in any order; adjacent ranges become one, empty ones are dropped.

    Raises `ValueError` for a range that ends before it starts, or starts below 0.
    """
    found: list[tuple[int, int]] = []
    for start, end in sorted(each for ranges in sets for each in ranges):
        if not 0 <= start <= end:
            raise ValueError(f"({start}, {end}) is no range of offsets")
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return tuple(found)


def without(ranges: Ranges, taken: Ranges) -> Ranges:
    """The offsets of `ranges` that are not in `taken`."""
    left = []
    place = 0
    for start, end in ranges:
        while place < len(taken) and taken[place][1] <= start:
            place += 1
        begin, following = start, place
        while following < len(taken) and taken[following][0] < end:
            if begin < taken[following][0]:
                left.append((begin, taken[following][0]))
            begin = taken[following][1]
            following += 1
        if begin < end:
            left.append((begin, end))
    return tuple(left)


def common(one: Ranges, other: Ranges) -> Ranges:
    """The offsets that are in both."""
    return without(one, without(one, other))


def holds(ranges: Ranges, offset: int) -> bool:
    """Whether an offset is in the ranges."""
    place = bisect_right(ranges, (offset, float("inf"))) - 1
    return place >= 0 and offset < ranges[place][1]
