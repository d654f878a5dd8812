"""Functions called once for each different combination of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .short import column_of, is_short

__all__ = [
    "by_distinct",
    "by_distinct_pair",
]

_BETWEEN = "\x00\x1f"


def by_distinct(
    function: Callable[..., tuple[Any, ...]], types: Sequence[pa.DataType], *columns: pa.Array
) -> tuple[pa.Array, ...]:
    """Call a function once for each different combination of values, and spread its results over the rows.

    Args:
        function: takes one Python value per column (None for null), returns one value per output.
        types: the outputs' Arrow types.
        columns: the inputs; lists of strings are passed as lists.
    """
    if is_short(columns[0]):
        return _by_row(function, types, columns)
    indices, combinations = _distinct(columns[0])
    combinations = [(value,) for value in combinations]
    for column in columns[1:]:
        more, values = _distinct(column)
        code = pc.add(pc.multiply(indices, len(values)), more).dictionary_encode()
        indices = code.indices.cast(pa.int64())
        pairs = (divmod(pair, len(values)) for pair in code.dictionary.to_pylist())
        combinations = [(*combinations[first], values[second]) for first, second in pairs]
    outputs = list(zip(*(function(*combination) for combination in combinations), strict=False)) or [
        ()
    ] * len(types)
    return tuple(
        pa.array(output, arrow_type).take(indices) for output, arrow_type in zip(outputs, types, strict=False)
    )


def _by_row(
    function: Callable[..., tuple[Any, ...]], types: Sequence[pa.DataType], columns: Sequence[pa.Array]
) -> tuple[pa.Array, ...]:
    """The same, row by row."""
    has_lists = any(pa.types.is_list(column.type) for column in columns)
    known: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    found = []
    for row in zip(*map(_values, columns), strict=True):
        if row not in known:
            arguments = [list(value) if isinstance(value, tuple) else value for value in row]
            known[row] = function(*(arguments if has_lists else row))
        found.append(known[row])
    outputs = list(zip(*found, strict=True)) or [()] * len(types)
    return tuple(column_of(output, arrow_type) for output, arrow_type in zip(outputs, types, strict=False))


def _values(column: pa.Array) -> list[Any]:
    """The values, with lists as tuples; None for a list with a null in it."""
    values: list[Any] = column.to_pylist()
    return _keys(values) if pa.types.is_list(column.type) else values


def _keys(lists: list[list[str] | None]) -> list[tuple[str, ...] | None]:
    return [None if each is None or None in each else tuple(each) for each in lists]


def _distinct(column: pa.Array) -> tuple[pa.Array, list[Any]]:
    """For each row, the index of its value among the distinct values, the last of which is None."""
    is_list = pa.types.is_list(column.type)
    if is_list and pc.any(pc.match_substring(column.flatten(), _BETWEEN)).as_py():
        return _distinct_lists(column.to_pylist())
    encoded = (pc.binary_join(column, _BETWEEN) if is_list else column).dictionary_encode()
    values = encoded.dictionary.to_pylist()
    if is_list:
        if "" in values:
            return _distinct_lists(column.to_pylist())
        values = [value.split(_BETWEEN) for value in values]
    return pc.fill_null(encoded.indices.cast(pa.int64()), len(values)), [*values, None]


def _distinct_lists(lists: list[list[str] | None]) -> tuple[pa.Array, list[Any]]:
    """The same for empty lists, and for texts that are empty or hold what otherwise stands between texts."""
    keys = _keys(lists)
    places = {key: place for place, key in enumerate(dict.fromkeys(key for key in keys if key is not None))}
    indices = [len(places) if key is None else places[key] for key in keys]
    return pa.array(indices, pa.int64()), [*map(list, places), None]


def by_distinct_pair(
    function: Callable[[pa.Array, pa.Array], tuple[pa.Array, ...]], first: pa.Array, second: pa.Array
) -> tuple[pa.Array, ...]:
    """Call a function on two columns with their different pairs of values, and spread its results.

    Where most values of the first column differ, the function gets the columns as they are.
    """
    ones = first.dictionary_encode()
    if 2 * len(ones.dictionary) > len(first):
        return function(first, second)
    others = second.dictionary_encode()
    count = len(others.dictionary) + 1
    code = pc.add(
        pc.multiply(pc.fill_null(ones.indices.cast(pa.int64()), len(ones.dictionary)), count),
        pc.fill_null(others.indices.cast(pa.int64()), count - 1),
    ).dictionary_encode()
    one = pc.divide(code.dictionary, count)
    other = pc.subtract(code.dictionary, pc.multiply(one, count))
    results = function(_values_at(ones.dictionary, one), _values_at(others.dictionary, other))
    return tuple(result.take(code.indices) for result in results)


def _values_at(values: pa.Array, places: pa.Array) -> pa.Array:
    """The values at these places; null at the place behind the last."""
    return pa.concat_arrays([values, pa.nulls(1, values.type)]).take(places)
