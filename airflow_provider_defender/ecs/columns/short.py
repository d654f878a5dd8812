"""Short columns, for which a call to Arrow costs more than the same work on Python's values."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import Any

import pyarrow as pa

from ..fields import null_column

__all__ = ["SHORT", "column_of", "each_value", "is_short"]

SHORT = 200
"""Values up to which a column is short: where both ways cost about the same."""


def is_short(column: Sized) -> bool:
    """Whether to work on Python's values."""
    return len(column) <= SHORT


def column_of(values: Sequence[Any], arrow_type: pa.DataType) -> pa.Array:
    """The values as a column, which costs next to nothing if there are only nulls."""
    if values.count(None) == len(values):
        return null_column(arrow_type, len(values))
    return pa.array(values, arrow_type)


def each_value(function: Callable[[Any], Any], column: pa.Array) -> pa.Array:
    """What a function gives for each value that is not null; the same array if that changes none."""
    values = column.to_pylist()
    found = [None if value is None else function(value) for value in values]
    return column if found == values else column_of(found, column.type)
