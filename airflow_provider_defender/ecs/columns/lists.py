"""Lists of several columns' values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ..fields import null_column, positions
from .short import column_of, is_short

__all__ = [
    "collect",
]

_TEXTS = pa.list_(pa.string())
_VECTORISED_LIST = 4


def collect(*columns: pa.Array) -> pa.Array:
    """Lists of all columns' values (strings or lists of strings), in order, without duplicates or nulls.

    Null where there is no value at all.
    """
    if is_short(columns[0]):
        return _collect_slowly(columns)
    scalars: list[pa.Array] = []
    for column in columns:
        if not pa.types.is_list(column.type):
            scalars.append(column)
        elif (longest := pc.max(pc.list_value_length(column)).as_py() or 0) <= _VECTORISED_LIST:
            scalars.extend(_list_positions(column, longest))
        else:
            return _collect_slowly(columns)
    scalars = [column for column in scalars if column.null_count < len(column)]
    if not scalars:
        return null_column(_TEXTS, len(columns[0]))
    kept = [_is_new(scalars[:end], column) for end, column in enumerate(scalars)]
    if len(scalars) == 1:
        return _lists(kept[0].cast(pa.int32()), scalars[0].drop_null())
    counts = kept[0].cast(pa.int32())
    for each in kept[1:]:
        counts = pc.add(counts, each.cast(pa.int32()))
    by_row = _positions_by_row(len(counts), len(scalars))
    chosen = by_row.filter(pa.concat_arrays(kept).take(by_row))
    return _lists(counts, pa.concat_arrays(scalars).take(chosen))


def _lists(counts: pa.Array, values: pa.Array) -> pa.Array:
    """The values in lists of these lengths; null instead of an empty list."""
    ends = pc.cumulative_sum(counts)
    starts = pc.if_else(pc.equal(counts, 0), pa.scalar(None, pa.int32()), pc.subtract(ends, counts))
    return pa.ListArray.from_arrays(pa.concat_arrays([starts, pa.array([len(values)], pa.int32())]), values)


def _positions_by_row(rows: int, columns: int) -> pa.Array:
    """The positions of the values of concatenated columns, row by row."""
    count = rows * columns
    numbers = positions(count)
    row = pc.divide(numbers, pa.scalar(columns, pa.int32()))
    column = pc.subtract(numbers, pc.multiply(row, pa.scalar(columns, pa.int32())))
    return pc.add(row, pc.multiply(column, pa.scalar(rows, pa.int32())))


def _list_positions(column: pa.Array, longest: int) -> list[pa.Array]:
    padded = pc.list_slice(column, 0, longest, return_fixed_size_list=True) if longest else None
    if padded is None:
        return []
    return [pc.list_element(padded, position) for position in range(longest)]


def _is_new(earlier: Sequence[pa.Array], column: pa.Array) -> pa.Array:
    """Whether there is a value that differs from those of the earlier columns."""
    is_new = column.is_valid()
    for other in earlier:
        same = pc.equal(column, other)
        if pc.any(same).as_py():
            is_new = pc.and_not(is_new, pc.fill_null(same, False))
    return is_new


def _collect_slowly(columns: Sequence[pa.Array]) -> pa.Array:
    filled = [column for column in columns if column.null_count < len(column)]
    if not filled:
        return null_column(_TEXTS, len(columns[0]))
    has_lists = any(pa.types.is_list(column.type) for column in filled)
    rows = []
    for values in zip(*(column.to_pylist() for column in filled), strict=True):
        found = dict.fromkeys(_flat(values) if has_lists else values)
        found.pop(None, None)
        rows.append(list(found) or None)
    return column_of(rows, _TEXTS)


def _flat(values: Iterable[str | list[str | None] | None]) -> Iterator[str | None]:
    for value in values:
        yield from value if isinstance(value, list) else (value,)
