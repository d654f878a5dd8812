"""From records to typed columns: strict and fast where a record is as documented, else tolerant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ._shapes import Kind, ListOf, Shape, arrow_type
from ._values import ABSENT_TEXTS, UNFIT, clean_text, convert, parse_object, ticks_of
from .fields import TIMESTAMP

__all__ = ["Columns", "Leftovers", "OddCounts", "RecordReader", "read_tolerantly", "strict_type"]

_LONGEST_ABSENT = max(map(len, ABSENT_TEXTS))
_ABSENT = pa.array(ABSENT_TEXTS)
_ABSENT_JSON = {b"null", b'""', b'"-"', b'"N/A"'}
_NULL_JSON = msgspec.Raw(b"null")
_SHORTEST_TIME, _LONGEST_TIME = len("2026-01-01T00:00:00Z"), len("2026-01-01T00:00:00.123456789Z")
_MOST_PATHS = 1000

_STRICT_TYPES: dict[str, Any] = {
    "string": str,
    "identifier": int | str,
    "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "double": float,
    "boolean": bool,
    "time": str,
}


@lru_cache(maxsize=1024)
def strict_type(shape: Shape) -> type[msgspec.Struct]:
    """A class that msgspec decodes an object of exactly this shape into; anything else raises."""
    fields: list[Any] = []
    for number, kind in enumerate(shape.properties.values()):
        fields.append((f"p{number}", _strict_annotation(kind), _NULL_JSON if kind == "json" else None))
    spelling = {f"p{number}": name for number, name in enumerate(shape.properties)}
    return msgspec.defstruct("Strict", fields, rename=spelling, forbid_unknown_fields=True, gc=False)


def _strict_annotation(kind: Kind) -> Any:
    if kind == "json":
        return msgspec.Raw
    return _strict_value(kind) | None


def _strict_value(kind: Kind) -> Any:
    """The type without None: a null among a list's items is left to the tolerant way, which drops it."""
    if isinstance(kind, Shape):
        return strict_type(kind)
    if isinstance(kind, ListOf):
        return list[_strict_value(kind.item)]  # type: ignore[misc]
    return msgspec.Raw if kind == "json" else _STRICT_TYPES[kind]


@dataclass
class Leftovers:
    """What a record has beyond its typed columns, as parsed JSON: of the record, and of each of its items."""

    record: dict[str, Any] = field(default_factory=dict)
    items: dict[int, Any] = field(default_factory=dict)


@dataclass
class OddCounts:
    """How often which property held a value that does not fit, or is not known at all."""

    unfit: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def add(counter: Counter[str], path: str) -> None:
        """One more; beyond 1,000 different paths the others share one entry."""
        path = clean_text(path)
        counter[path if path in counter or len(counter) < _MOST_PATHS else "(others)"] += 1


class _TolerantReader:
    """Reads one parsed object into the strict class, and keeps what does not fit."""

    def __init__(self, items: str | None, counts: OddCounts) -> None:
        self._items = items
        self._counts = counts
        self.item_leftovers: dict[int, Any] = {}

    def read(self, shape: Shape, data: dict[str, Any], leftovers: dict[str, Any], path: str = "") -> Any:
        values: dict[str, Any] = {}
        properties = shape.properties
        others = []
        for key, value in data.items():
            if key in properties:
                values[key] = self._value(properties[key], key, value, leftovers, path + key)
            else:
                others.append(key)
        for key in others:
            name = shape.by_lower_case.get(key.lower())
            if name is None:
                leftovers[key] = data[key]
                self._counts.add(self._counts.unknown, path + key)
            elif values.get(name) is None:
                values[name] = self._value(properties[name], key, data[key], leftovers, path + name)
            elif data[key] is not None and data[key] != data.get(name):
                leftovers[key] = data[key]
        return strict_type(shape)(*map(values.get, properties))

    def _value(self, kind: Kind, key: str, value: Any, leftovers: dict[str, Any], path: str) -> Any:
        if isinstance(kind, ListOf):
            result = self._list(kind.item, key, value, leftovers, path)
        elif isinstance(kind, Shape):
            result = self._object(kind, key, value, leftovers, path)
        else:
            result = convert(kind, value)
        if result is UNFIT:
            leftovers[key] = value
            self._counts.add(self._counts.unfit, path)
            return None
        return result

    def _object(self, shape: Shape, key: str, value: Any, leftovers: dict[str, Any], path: str) -> Any:
        if not isinstance(value, dict):
            return convert("string", value) and UNFIT
        rest: dict[str, Any] = {}
        result = self.read(shape, value, rest, f"{path}.")
        if rest:
            leftovers[key] = rest
        return result

    def _list(self, item_kind: Kind, key: str, value: Any, leftovers: dict[str, Any], path: str) -> Any:
        if not isinstance(value, list):
            if isinstance(value, dict) or isinstance(item_kind, Shape):
                return None if value in (None, *ABSENT_TEXTS) else UNFIT
            value = [value] if convert("string", value) is not None else None
            if value is None:
                return None
        result: list[Any] = []
        rest: dict[str, Any] = {}
        is_items = path == self._items
        for place, item in enumerate(value):
            if item is None:
                continue
            number = str(place)
            read = self._value(item_kind, number, item, rest, path)
            if is_items and number in rest:
                self.item_leftovers[len(result)] = rest.pop(number)
            if read is not None or is_items:
                result.append(read)
        if rest:
            leftovers[key] = rest
        return result


def read_tolerantly(
    shape: Shape, items: str | None, data: dict[str, Any], counts: OddCounts
) -> tuple[Any, Leftovers]:
    """An object of the strict class with whatever fits, and the rest."""
    reader = _TolerantReader(items, counts)
    leftovers = Leftovers()
    result = reader.read(shape, data, leftovers.record)
    leftovers.items = reader.item_leftovers
    return result, leftovers


@dataclass
class Columns:
    """The typed columns of some records.

    `record` has one value a record, `item` one a row, both by dotted property name; `ticks` has the times as
    counts of 100 ns. `parents` is each row's record, `numbers` its place among the record's rows, and
    `has_item` is None when every row has an item.
    """

    length: int
    record: dict[str, pa.Array]
    item: dict[str, pa.Array]
    ticks: dict[str, pa.Array]
    parents: pa.Array
    numbers: pa.Array
    has_item: pa.Array | None
    unfit: set[int]


class RecordReader:
    """Reads records of one shape; `items` names the property that holds a list of objects, one a row."""

    def __init__(self, shape: Shape, items: str | None = None) -> None:
        self.shape = shape
        self.items = items
        self.counts = OddCounts()
        self._decode = msgspec.json.Decoder(strict_type(shape)).decode
        self._has_json = _has_json(shape)

    def read(self, record: bytes) -> tuple[Any, Leftovers | None]:
        """The record as an object of the strict class, with its leftovers where it is odd.

        Raises:
            UnreadableError: it is not a JSON object in UTF-8.
        """
        try:
            result = self._decode(record)
            if self._has_json:
                record.decode()  # msgspec does not look into texts that it keeps raw
            return result, None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self.reread(record)

    def reread(self, record: bytes) -> tuple[Any, Leftovers]:
        """The same without the strict attempt."""
        return read_tolerantly(self.shape, self.items, parse_object(record), self.counts)

    def columns(self, objects: Sequence[Any]) -> Columns:
        """The typed columns of objects that `read` has returned."""
        builder = _Builder()
        record: dict[str, pa.Array] = {}
        properties = dict(self.shape.properties)
        item_kind = properties.pop(self.items, None) if self.items else None
        values = _transpose(objects, len(self.shape.properties))
        by_name = dict(zip(self.shape.properties, values, strict=False))
        for name, kind in properties.items():
            record[name] = builder.column(kind, by_name[name], None, name, record)
        item: dict[str, pa.Array] = {}
        rows: list[Any] | None = None
        has_item = None
        if isinstance(item_kind, ListOf) and isinstance(item_kind.item, Shape) and self.items:
            rows, offsets, has_item = _explode(by_name[self.items], strict_type(item_kind.item)())
            parents = pc.list_parent_indices(pa.ListArray.from_arrays(offsets, pa.nulls(len(rows)))).cast(
                pa.int32()
            )
            owners = (
                parents.to_pylist()
                if any(kind == "time" for kind in item_kind.item.properties.values())
                else None
            )
            builder.object_columns(item_kind.item, rows, owners, f"{self.items}.", item)
        else:
            offsets = pa.array(range(len(objects) + 1), pa.int32())
            parents = offsets.slice(0, len(objects))
        starts = offsets.take(parents)
        numbers = pc.subtract(pa.array(range(len(parents)), pa.int32()), starts)
        return Columns(len(objects), record, item, builder.ticks, parents, numbers, has_item, builder.unfit)


def _has_json(kind: Kind) -> bool:
    if isinstance(kind, Shape):
        return any(map(_has_json, kind.properties.values()))
    return _has_json(kind.item) if isinstance(kind, ListOf) else kind == "json"


def _explode(lists: Iterable[list[Any] | None], empty: Any) -> tuple[list[Any], pa.Array, pa.Array | None]:
    """All items in one list, where each list begins, which are real; a list without items gets `empty`."""
    rows: list[Any] = []
    offsets = [0]
    for items in lists:
        if items:
            rows.extend(items)
        else:
            rows.append(None)
        offsets.append(len(rows))
    if None not in rows:
        return rows, pa.array(offsets, pa.int32()), None
    has_item = pa.array([row is not None for row in rows])
    return [empty if row is None else row for row in rows], pa.array(offsets, pa.int32()), has_item


def _transpose(objects: Sequence[Any], width: int) -> list[Sequence[Any]]:
    if not objects:
        return [()] * width
    return list(zip(*map(msgspec.structs.astuple, objects), strict=False))


class _Builder:
    """Builds arrays, and collects the records (`unfit`) that hold a time which is none."""

    def __init__(self) -> None:
        self.unfit: set[int] = set()
        self.ticks: dict[str, pa.Array] = {}

    def object_columns(
        self,
        shape: Shape,
        objects: Sequence[Any],
        owners: Sequence[int] | None,
        prefix: str,
        into: dict[str, pa.Array],
    ) -> list[pa.Array]:
        arrays = []
        columns = _transpose(objects, len(shape.properties))
        for (name, kind), values in zip(shape.properties.items(), columns, strict=True):
            array = self.column(kind, values, owners, prefix + name, into)
            into[prefix + name] = array
            arrays.append(array)
        return arrays

    def column(
        self,
        kind: Kind,
        values: Sequence[Any],
        owners: Sequence[int] | None,
        name: str,
        into: dict[str, pa.Array],
    ) -> pa.Array:
        if isinstance(kind, Shape):
            present = [value is not None for value in values]
            empty = strict_type(kind)()
            objects = [empty if value is None else value for value in values]
            children = self.object_columns(kind, objects, owners, f"{name}.", into)
            mask = None if all(present) else pc.invert(pa.array(present, pa.bool_()))
            return pa.StructArray.from_arrays(children, fields=list(arrow_type(kind)), mask=mask)
        if isinstance(kind, ListOf):
            return self._list_column(kind, values, owners, name)
        if kind == "time":
            return self._time_column(values, owners, name)
        if kind == "identifier":
            return _identifier_column(values)
        if kind == "json":
            return pa.array([_raw_text(value) for value in values], pa.string())
        if kind == "string":
            return _text_column(values)
        return pa.array(values, arrow_type(kind))

    def _list_column(
        self, kind: ListOf, values: Sequence[Any], owners: Sequence[int] | None, name: str
    ) -> pa.Array:
        if kind.item == "string":
            return _text_list_column(values)
        offsets: list[int | None] = []
        end = 0
        for value in values:
            offsets.append(None if value is None else end)
            end += len(value or ())
        offsets.append(end)
        flat = list(chain.from_iterable(value for value in values if value))
        flat_owners = [
            number if owners is None else owners[number]
            for number, value in enumerate(values)
            for _ in range(len(value or ()))
        ]
        child = self.column(kind.item, flat, flat_owners, name, {})
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), child).cast(arrow_type(kind))

    def _time_column(self, values: Sequence[Any], owners: Sequence[int] | None, name: str) -> pa.Array:
        texts = _text_column(values)
        nanoseconds = _parse_common_times(texts)
        if nanoseconds is not None:
            self.ticks[name] = pc.divide(nanoseconds, 100)
            return pc.divide(nanoseconds, 1000).cast(TIMESTAMP)
        known: dict[Any, int | None] = {None: None}
        ticks = []
        for number, text in enumerate(texts.to_pylist()):
            if text not in known:
                known[text] = ticks_of(text)
            if known[text] is None and text is not None:
                self.unfit.add(number if owners is None else owners[number])
            ticks.append(known[text])
        self.ticks[name] = pa.array(ticks, pa.int64())
        return pa.array([None if tick is None else tick // 10 for tick in ticks], pa.int64()).cast(TIMESTAMP)


def _parse_common_times(texts: pa.Array) -> pa.Array | None:
    """Nanoseconds since 1970 where all texts end in Z and lie between 1970 and 2262; else None."""
    if texts.null_count == len(texts):
        return texts.cast(pa.int64())
    lengths = pc.min_max(pc.binary_length(texts))
    if lengths["min"].as_py() < _SHORTEST_TIME or lengths["max"].as_py() > _LONGEST_TIME:
        return None
    if not pc.all(pc.ends_with(texts, "Z")).as_py():
        return None
    try:
        nanoseconds = texts.cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return nanoseconds if pc.min(nanoseconds).as_py() >= 0 else None


def _text_column(values: Sequence[Any]) -> pa.Array:
    column = pa.array(values, pa.string())
    return pc.if_else(pc.is_in(column, _ABSENT), None, column) if _may_hold_absent(column) else column


def _may_hold_absent(column: pa.Array) -> bool:
    if column.null_count == len(column):
        return False
    return bool(pc.min(pc.binary_length(column)).as_py() <= _LONGEST_ABSENT)


def _text_list_column(values: Sequence[Any]) -> pa.Array:
    column = pa.array(values, pa.list_(pa.string()))
    if _may_hold_absent(column.values) and pc.any(pc.is_in(column.values, _ABSENT)).as_py():
        kept = [value and [text for text in value if text not in ABSENT_TEXTS] for value in values]
        return pa.array(kept, pa.list_(pa.string()))
    return column


def _identifier_column(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.int64()).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _text_column([None if value is None else str(value) for value in values])


def _raw_text(value: Any) -> str | None:
    if isinstance(value, str) or value is None:
        return value
    raw = bytes(value)
    return None if raw in _ABSENT_JSON else raw.decode()
