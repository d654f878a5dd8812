"""Records as an Arrow table: one column per property, whatever its values are.

Loads pyarrow, so it is imported only when a table is requested.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from airflow_provider_defender.timestamps import parse_ticks

__all__ = ["ColumnType", "records_table"]

ColumnType = Literal["text", "time", "boolean", "integer", "number"]
_EXACT = 2**53
_LARGEST = 2**63
_TYPES: Mapping[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "time": pa.timestamp("us", "UTC"),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
}


def records_table(records: Iterable[Mapping[str, Any]], known: Mapping[str, ColumnType]) -> pa.Table:
    """A table with the `known` columns, and one for each other property in the order of appearance.

    Other properties are boolean, integer, number or text, depending on their values. Lists and objects are
    JSON text. If a value does not fit its column's type, the whole column is text.
    """
    rows = list(records)
    names = dict.fromkeys([*known, *(name for row in rows for name in row)])
    columns = {name: _column([row.get(name) for row in rows], known.get(name)) for name in names}
    return pa.table(columns)


def _column(values: Sequence[Any], wanted: ColumnType | None) -> pa.Array:
    candidates: tuple[ColumnType, ...] = (wanted,) if wanted else ("boolean", "integer", "number")
    if wanted or any(value is not None for value in values):
        for name in candidates:
            try:
                converted = [None if value is None else _CONVERT[name](value) for value in values]
            except (TypeError, ValueError):
                continue
            return pa.array(converted, _TYPES[name])
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode()  # half of a character has no UTF-8


def _time(value: Any) -> int:
    ticks = parse_ticks(value)  # a TypeError where it is no text
    if ticks is None:
        raise ValueError
    return ticks // 10


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not -_LARGEST <= value < _LARGEST:
        raise ValueError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if isinstance(value, int) and abs(value) > _EXACT:
        raise ValueError
    return float(value)


_CONVERT: Mapping[ColumnType, Callable[[Any], Any]] = {
    "text": _text,
    "time": _time,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
}
