"""The items of many records as columns, for functions that derive fields from whole columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..fields import positions
from .shapes import ColumnType, ListOf, Shape, raw_type
from .strict import JSON_TYPES, NULL_JSON, strict_type
from .typed import Columns
from .values import dynamic_value

__all__ = ["ColumnPart", "ItemColumns", "JsonObjects", "Spread", "distinct", "json_objects", "merged"]

_UNIT = "\x1f"
_is_unclear = re.compile(r"true\Z|false\Z|-|[0-9]+[.eE][0-9eE+-]*\Z").match
"""Whether a text may have been a boolean or a number with a sign or fraction: functions tell these apart."""


class ColumnPart(NamedTuple):
    """Fields of some rows, as columns.

    Attributes:
        rows: the numbers of the rows, as int32, each once; None: all rows, in order.
        fields: ECS field → array with one value for each of these rows.
    """

    rows: pa.Array | None
    fields: dict[str, pa.Array]


class Spread(NamedTuple):
    """What a function has derived for some rows.

    Attributes:
        fields: ECS field → array with one value a row.
        named: ECS field → for each row, whether the function has named it, be it without a value; only
            fields that were asked for, and that it has named at all.
        failed: for each row, whether the function raised an exception or could not be used; None if for none.
    """

    fields: dict[str, pa.Array]
    named: dict[str, pa.Array]
    failed: pa.Array | None


class _ToArrays(Protocol):
    def __call__(self, rows: Sequence[dict[str, Any]], indices: pa.Array) -> dict[str, pa.Array]: ...


class ItemColumns:
    """The properties of all rows of some records: what `Derived.columnar` gets.

    Args:
        items: the property that holds the items; None if each record is one row.
        shape: the records' shape.
        raw: the records as `RecordReader.gather` returns them.
        columns: the same, typed.
        to_arrays: makes columns of fields.
    """

    def __init__(
        self, items: str | None, shape: Shape, raw: pa.StructArray, columns: Columns, to_arrays: _ToArrays
    ) -> None:
        self._columns = columns
        self._to_arrays = to_arrays
        self._raw = raw if items is None else raw.field(items).values
        kind = shape if items is None else shape.properties[items]
        kind = kind.item if isinstance(kind, ListOf) else kind
        self._kinds: Mapping[str, ColumnType] = kind.properties if isinstance(kind, Shape) else {}
        self._prefix = "" if items is None else f"{items}."
        self.length = len(columns.parents)
        self.parents: pa.Array = columns.parents
        """The number of each row's record."""

    def sent(self, name: str) -> pa.Array:
        """A property of all items as sent: times as texts, JSON as its text."""
        return self._raw.field(name)

    def typed(self, name: str) -> pa.Array:
        """A property of all items in its type, as it lands."""
        return (self._columns.item if self._prefix else self._columns.record)[self._prefix + name]

    def ticks(self, name: str) -> pa.Array:
        """A time of all items in units of 100 ns since 1970."""
        return self._columns.ticks[self._prefix + name]

    def of_record(self, name: str) -> pa.Array:
        """A property of the records: one value a record, not a row."""
        return self._columns.record[name]

    def columns_of(self, rows: Sequence[dict[str, Any]], indices: pa.Array) -> dict[str, pa.Array]:
        """Field → array with the value of these rows (their fields) at each index."""
        return self._to_arrays(rows, indices)

    def derive(
        self,
        rows: pa.Array,
        names: Iterable[str],
        function: Callable[[dict[str, Any]], dict[str, Any]],
        *,
        named: Sequence[str] = (),
    ) -> Spread:
        """The fields of some rows from a function on single items, called once for all equal items.

        Args:
            rows: the numbers of the rows.
            names: the properties that the function reads. It must depend on nothing else.
            function: takes an item with these properties, as `Derived.function` does that gets records not
                parsed, and returns its fields.
            named: the fields to ask for in `Spread.named`.
        """
        columns = {name: self.sent(name).take(rows) for name in names}
        columns = {name: column for name, column in columns.items() if column.null_count < len(column)}
        indices, firsts = distinct(len(rows), list(columns.values()))
        values = [_values(self._kinds[name], column.take(firsts)) for name, column in columns.items()]
        found: list[dict[str, Any]] = []
        failed: list[bool] = []
        for each in zip(*values, strict=True) if values else [()] * len(firsts):
            fields = None if _UNCLEAR in each else _called(function, dict(zip(columns, each, strict=True)))
            failed.append(fields is None)
            found.append(fields or {})
        return Spread(
            self.columns_of(found, indices),
            {name: pa.array(flags, pa.bool_()).take(indices) for name, flags in _named(found, named)},
            pa.array(failed, pa.bool_()).take(indices) if any(failed) else None,
        )


def _named(rows: Sequence[dict[str, Any]], names: Iterable[str]) -> Iterator[tuple[str, list[bool]]]:
    for name in names:
        flags = [name in fields for fields in rows]
        if any(flags):
            yield name, flags


def _called(
    function: Callable[[dict[str, Any]], dict[str, Any]], item: dict[str, Any]
) -> dict[str, Any] | None:
    try:
        return function(item)
    except Exception:  # a defect, which the way row by row counts
        return None


class _Unclear:
    """A value that cannot be told from its text in the column."""


_UNCLEAR = _Unclear()


def _values(kind: ColumnType, column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if kind not in JSON_TYPES:
        return values
    if kind == "json":
        return [None if value is None else msgspec.Raw(value.encode()) for value in values]
    return [
        value if value is None else _UNCLEAR if _is_unclear(value) else dynamic_value(value)
        for value in values
    ]


class JsonObjects(NamedTuple):
    """The different objects of a column of JSON, or those in its different lists.

    Attributes:
        values: property → array with one value an object, as read: times are texts, JSON is its text.
        offsets: of lists, where each begins among the objects, and where the last one ends.
        indices: for each row the number of its object or list; null if it has none.
        odd: for each row, whether it has something else than such an object or list; None if none has.
    """

    values: dict[str, pa.Array]
    offsets: pa.Array
    indices: pa.Array
    odd: pa.Array | None

    def on_rows(self, fields: dict[str, pa.Array]) -> dict[str, pa.Array]:
        """Fields with one value for each object or list, on the rows."""
        return {name: column.take(self.indices) for name, column in fields.items()}


def json_objects(column: pa.Array, shape: Shape, *, lists: bool = False) -> JsonObjects:
    """Read a column of JSON objects, or of lists of them, strictly.

    A property that the shape does not name, or a value of another type, makes the whole value odd.

    Args:
        column: the texts.
        shape: the objects; none of their properties is an object or list, but in JSON.
        lists: whether the texts are lists of objects.
    """
    encoded = column.dictionary_encode()
    texts: list[str] = encoded.dictionary.to_pylist()
    found = _read_strictly(texts, shape, lists)
    is_odd = [each is None for each in found]
    odd = pc.fill_null(pa.array(is_odd, pa.bool_()).take(encoded.indices), False) if any(is_odd) else None
    inside = [each or () if lists else (each or strict_type(shape)(),) for each in found]
    offsets = pa.array(accumulate(map(len, inside), initial=0), pa.int32())
    rows = list(map(msgspec.structs.astuple, chain.from_iterable(inside)))
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(shape.properties)
    values = {
        name: _json_column(kind, column)
        for (name, kind), column in zip(shape.properties.items(), columns, strict=True)
    }
    return JsonObjects(values, offsets, encoded.indices, odd)


def _json_column(kind: ColumnType, values: Sequence[Any]) -> pa.Array:
    if kind in JSON_TYPES:
        values = [None if value is NULL_JSON else bytes(value) for value in values]
        values = [None if value == b"null" else value for value in values]
    return pa.array(values, raw_type(kind))


def _read_strictly(texts: Sequence[str], shape: Shape, lists: bool) -> Sequence[Any]:
    """What JSON texts hold, None for odd ones. All are read at once, unless one is odd."""
    one, all_of_them = _decoders(shape, lists)
    try:
        found: list[Any] = all_of_them("[" + ",".join(texts) + "]")
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        found = []
    return found if len(found) == len(texts) else [_read_one(one, text) for text in texts]


def _read_one(decode: Callable[[str], Any], text: str) -> Any:
    try:
        return decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None


@lru_cache(maxsize=64)
def _decoders(shape: Shape, lists: bool) -> tuple[Callable[[str], Any], Callable[[str], list[Any]]]:
    kind: Any = strict_type(shape)
    kind = list[kind] if lists else kind
    return msgspec.json.Decoder(kind).decode, msgspec.json.Decoder(list[kind]).decode


def distinct(length: int, columns: Sequence[pa.Array]) -> tuple[pa.Array, pa.Array]:
    """For each row the number of its combination of values, and for each combination its first row."""
    numbers = None
    for column in columns:
        codes, count = _codes(column)
        if numbers is not None:
            codes, _ = _codes(pc.add(pc.multiply(numbers, count), codes))
        numbers = codes
    if numbers is None:
        return pa.array([0] * length, pa.int32()), pa.array([0] if length else [], pa.int32())
    count = 0 if not length else pc.max(numbers).as_py() + 1
    firsts = pc.index_in(positions(count).cast(pa.int64()), value_set=numbers)
    return numbers.cast(pa.int32()), firsts


def _codes(column: pa.Array) -> tuple[pa.Array, int]:
    """A number for each different value, in the order in which these come, and how many there are."""
    if pa.types.is_list(column.type):
        values = column.flatten()
        if values.null_count or pc.any(pc.match_substring(values, _UNIT)).as_py():
            return positions(len(column)).cast(pa.int64()), len(column)
        lengths = pc.list_value_length(column).cast(pa.string())
        column = pc.binary_join_element_wise(lengths, pc.binary_join(column, _UNIT), _UNIT)
    encoded = column.dictionary_encode(null_encoding="encode")
    return encoded.indices.cast(pa.int64()), len(encoded.dictionary)


def merged(length: int, parts: Sequence[ColumnPart]) -> dict[str, pa.Array]:
    """Field → array with one value a row; of several parts that have it on a row, the last one counts."""
    by_field: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        for name in part.fields:
            by_field.setdefault(name, []).append(number)
    every = positions(length)
    places: dict[tuple[int, ...], pa.Array] = {}
    found = {}
    for name, numbers in by_field.items():
        last = parts[numbers[-1]]
        if last.rows is None:
            found[name] = last.fields[name]
            continue
        key = tuple(reversed(numbers))
        if key not in places:
            rows = (parts[number].rows for number in key)
            joined = pa.concat_arrays([every if each is None else each for each in rows])
            places[key] = pc.index_in(every, value_set=joined)
        arrays = [parts[number].fields[name] for number in key]
        found[name] = (pa.concat_arrays(arrays) if len(arrays) > 1 else arrays[0]).take(places[key])
    return found
