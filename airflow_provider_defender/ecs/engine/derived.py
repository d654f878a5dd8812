"""Columns of the ECS fields that a mapping derives from parsed records, row by row."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from .. import mapping as mappings
from ..fields import TIMESTAMP, field_type, null_column
from .items import ColumnPart, ItemColumns, merged
from .shapes import ListOf, Shape
from .strict import JSON_TYPES, named_values, strict_type
from .tolerant import UnmappedCounts, read_tolerantly
from .typed import Columns
from .values import UnreadableError, clean_text, dynamic_value, parse_object, parse_value

__all__ = ["DerivedReader"]

_TICKS_PER_MICROSECOND = 10
_RECORDS = 256
"""Records whose fields are held as Python objects at once."""
_MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)


class DerivedReader:
    """Derives the fields of `Mapping.derived` for all rows of some records.

    Whatever a record holds, nothing is raised: what a function cannot derive is absent, and counted.
    """

    def __init__(self, mapping: mappings.Mapping, counts: UnmappedCounts) -> None:
        if mapping.derived is None:
            raise ValueError(f"mapping of {mapping.source} derives nothing")
        self._derived = mapping.derived
        self._shape = mapping.shape
        self._items = mapping.items
        self._counts = counts
        self._types = {name: field_type(name) for name in mapping.derived.fields}
        names = list(mapping.shape.properties)
        self._items_name = f"p{names.index(mapping.items)}" if mapping.items is not None else None
        column_type = mapping.shape.properties.get(mapping.items or "")
        item = column_type.item if isinstance(column_type, ListOf) else None
        self._item_shape = item if isinstance(item, Shape) else None
        self._decode = msgspec.json.Decoder(strict_type(mapping.shape)).decode

    def columns(
        self, raw: pa.StructArray, columns: Columns, records: Sequence[bytes], odd: Container[int]
    ) -> dict[str, pa.Array]:
        """Field → array with one entry per row, for fields that any row has; counts unknown values.

        Args:
            raw: the records as `RecordReader.gather` returns them.
            columns: their typed columns.
            records: their bytes.
            odd: the numbers of the records that were read tolerantly.
        """
        self._count_unknown(columns)
        length = len(columns.parents)
        parts: list[ColumnPart] = []
        rest = None
        if self._derived.columnar is not None:
            items = ItemColumns(self._items, self._shape, raw, columns, self._spread)
            parts, rest = self._derived.columnar(items)
        parts += self._row_by_row(
            columns, records, odd, rest, {name for part in parts for name in part.fields}
        )
        found = merged(length, parts)
        return {name: column for name, column in found.items() if column.null_count < length}

    def _count_unknown(self, columns: Columns) -> None:
        for name, known in self._derived.known.items():
            column = columns.item.get(f"{self._items}.{name}")
            for each in pc.value_counts(column).to_pylist() if column is not None else ():
                if each["values"] is not None and each["values"] not in known:
                    path = f"{self._items}.{name}={each['values']}"
                    self._counts.add(self._counts.unmapped, path, each["counts"])

    def _row_by_row(
        self,
        columns: Columns,
        records: Sequence[bytes],
        odd: Container[int],
        wanted: pa.Array | None,
        names: Iterable[str],
    ) -> Iterator[ColumnPart]:
        """The fields of the wanted rows (None: of all); each part has columns of all these names.

        Some records at a time, so that only their fields are in memory as Python objects.
        """
        numbers = range(len(records)) if wanted is None else columns.parents.take(wanted).unique().to_pylist()
        if not len(numbers):
            return
        counts = pc.value_counts(columns.parents).field("counts").to_pylist()
        starts = list(accumulate(counts, initial=0))
        only = None if wanted is None else set(wanted.to_pylist())
        for start in range(0, len(numbers), _RECORDS):
            rows: dict[int, mappings.DerivedRow] = {}
            for number in numbers[start : start + _RECORDS]:
                found = self._rows(records[number], counts[number], number in odd)
                rows.update(enumerate(found, starts[number]))
            if only is not None:
                rows = {row: fields for row, fields in rows.items() if row in only}
            arrays = self._arrays(list(rows.values()))
            missing = {
                name: null_column(self._types[name], len(rows)) for name in names if name not in arrays
            }
            yield ColumnPart(pa.array(rows, pa.int32()), {**missing, **arrays})

    def _rows(self, record: bytes, length: int, is_odd: bool) -> Sequence[mappings.DerivedRow]:
        """The fields of a record's rows."""
        try:
            data = self._parsed(record) if self._derived.parsed else self._as_read(self._read(record, is_odd))
            rows = self._derived.function(data, self._items_of(data))
        except UnreadableError as error:
            rows, cause = (), str(error)
        except Exception as error:  # a defect of the function, which must not stop the record from landing
            rows, cause = (), type(error).__name__
        else:
            cause = "number of rows"
        if len(rows) == length:
            return rows
        self._counts.add(self._counts.mismatches, f"(derived fields: {cause})", length)
        return [{}] * length

    def _read(self, record: bytes, is_odd: bool) -> Any:
        """The record once more as it was read for its columns, which has been counted then."""
        if is_odd:
            return read_tolerantly(self._shape, self._items, parse_object(record), UnmappedCounts())[0]
        return self._decode(record)

    def _as_read(self, read: Any) -> dict[str, Any]:
        """The record as read by its shape, with values of JSON that are still raw."""
        data = _with_json(self._shape, named_values(self._shape, read))
        values = data.get(self._items or "")
        shape = self._item_shape
        if values and shape is not None:
            data[self._items or ""] = [
                {} if value is None else _item_values(shape, value) for value in values
            ]
        return data

    def _parsed(self, record: bytes) -> dict[str, Any]:
        """The record as sent, parsed."""
        data = _in_spelling(self._shape, parse_object(record))
        shape, values = self._item_shape, data.get(self._items or "")
        if shape is not None and isinstance(values, list):
            items = [_in_spelling(shape, value) if isinstance(value, dict) else value for value in values]
            data = {**data, self._items or "": items}
        return data

    def _items_of(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """The items as the rows have them: without nulls; an empty object for what is none."""
        values = data.get(self._items) if self._items is not None else None
        items = [value for value in values if value is not None] if isinstance(values, list) else []
        return [value if isinstance(value, dict) else {} for value in items] or [{}]

    def _arrays(self, rows: Sequence[mappings.DerivedRow]) -> dict[str, pa.Array]:
        return {name: self._array(name, values) for name, values in self._lists(rows).items()}

    def _spread(self, rows: Sequence[mappings.Fields], indices: pa.Array) -> dict[str, pa.Array]:
        """The columns of rows that each have the fields with their index."""
        arrays = {}
        for name, values in self._lists(rows).items():
            try:
                arrays[name] = self._fitting_array(name, values).take(indices)
            except _MISFITS:
                arrays[name] = self._array(name, [values[place] for place in indices.to_pylist()])
        return arrays

    def _lists(self, rows: Sequence[mappings.DerivedRow]) -> dict[str, list[Any]]:
        """Declared field → its value of each row."""
        found: dict[str, list[Any]] = {}
        for part, places in _places_by_part(rows):
            for name, value in part.items():
                if value is None:
                    continue
                column = found.get(name)
                if column is None:
                    column = found[name] = [None] * len(rows)
                for place in places:
                    column[place] = value
        for name in [name for name in found if name not in self._types]:
            self._counts.add(self._counts.mismatches, f"(derived field {name}: not declared)", len(rows))
            del found[name]
        return found

    def _array(self, name: str, values: list[Any]) -> pa.Array:
        try:
            return self._fitting_array(name, values)
        except _MISFITS:
            arrow_type = self._types[name]
            plain = pa.int64() if arrow_type == TIMESTAMP else arrow_type
            return self._fitting_array(name, list(self._fitting(name, values, plain)))

    def _fitting_array(self, name: str, values: list[Any]) -> pa.Array:
        arrow_type = self._types[name]
        if arrow_type == TIMESTAMP:
            ticks = [value // _TICKS_PER_MICROSECOND if type(value) is int else None for value in values]
            return pa.array(ticks, pa.int64()).cast(TIMESTAMP)
        if pa.types.is_list(arrow_type):
            values = [value or None for value in values]
        return pa.array(values, arrow_type)

    def _fitting(self, name: str, values: Sequence[Any], arrow_type: pa.DataType) -> Iterator[Any]:
        """The values that fit; texts without lone surrogates, which UTF-8 cannot encode."""
        for value in values:
            clean = _clean(value)
            try:
                pa.scalar(clean, arrow_type)
            except _MISFITS:
                self._counts.add(self._counts.mismatches, f"(derived field {name})")
                yield None
            else:
                yield clean


def _places_by_part(
    rows: Sequence[mappings.DerivedRow],
) -> Iterable[tuple[mappings.Fields, list[int]]]:
    """Each part of the rows once, with the places of the rows that have it."""
    found: dict[int, tuple[mappings.Fields, list[int]]] = {}
    for place, row in enumerate(rows):
        for part in row if isinstance(row, tuple) else (row,):
            known = found.get(id(part))
            if known is None:
                found[id(part)] = (part, [place])
            else:
                known[1].append(place)
    return found.values()


@lru_cache(maxsize=256)
def _spellings(shape: Shape) -> frozenset[str]:
    return frozenset(shape.wire.get(name, name) for name in shape.properties)


def _in_spelling(shape: Shape, data: dict[str, Any]) -> dict[str, Any]:
    """The same object with the keys that the shape knows in its spelling; an exact spelling counts first."""
    exact = _spellings(shape)
    if exact.issuperset(data):
        return data
    result = {key: value for key, value in data.items() if key in exact}
    for key, value in data.items():
        name = shape.by_lower_case.get(key.lower())
        spelling = key if name is None else shape.wire.get(name, name)
        if result.get(spelling) is None:
            result[spelling] = value
    return result


@lru_cache(maxsize=256)
def _json_names(shape: Shape) -> tuple[tuple[str, bool], ...]:
    """The properties whose values stay JSON, and whether their strings are what they say."""
    return tuple(
        (shape.wire.get(name, name), kind == "dynamic")
        for name, kind in shape.properties.items()
        if kind in JSON_TYPES
    )


def _with_json(shape: Shape, data: dict[str, Any]) -> dict[str, Any]:
    """The values of an object that was perhaps read tolerantly, which turns JSON to texts: parsed again."""
    for name, is_dynamic in _json_names(shape):
        value = data[name]
        if is_dynamic:
            data[name] = _dynamic(value)
        elif type(value) is str:
            try:
                data[name] = parse_value(value.encode())
            except UnreadableError:
                data[name] = None
    return data


def _dynamic(value: Any) -> Any:
    """The value of a property of type `dynamic`: what its text says, if it is one."""
    if type(value) is msgspec.Raw:
        data = bytes(value)
        return dynamic_value(parse_value(data)) if data[:2] in (b'"[', b'"{') else value
    return dynamic_value(value) if type(value) is str else value


def _item_values(shape: Shape, value: msgspec.Struct) -> dict[str, Any]:
    values = named_values(shape, value)
    if type(value).__struct_config__.tag is None:
        return _with_json(shape, values)
    for name, is_dynamic in _json_names(shape):
        if is_dynamic and name in values:
            values[name] = _dynamic(values[name])
    return values


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    return [_clean(each) for each in value] if isinstance(value, list) else value
