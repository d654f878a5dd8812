"""From records to raw columns: strict and fast where a record is as documented, else tolerant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from ._shapes import Kind, ListOf, Shape, raw_type
from ._values import ABSENT_TEXTS, UNFIT, UnreadableError, clean_text, convert, parse_object, parse_value
from .fields import null_column

__all__ = ["Leftovers", "OddCounts", "RecordReader", "read_tolerantly", "strict_type"]

_ABSENT_JSON = {b"null", b'""', b'"-"', b'"N/A"'}
_NULL_JSON = msgspec.Raw(b"null")
_NO_ITEMS = (None,)
_decode_strings = msgspec.json.Decoder(list[str]).decode
_MOST_PATHS = 1000
_LONGEST_PATH = 256
_OFTEN, _MOST_EXTRAS = 5, 50
"""How often a property without a column has to come to be read strictly, and of how many that is true."""
_LONGEST_NAME = 128
_OPENING = ("{", ord("{"))
_QUOTE = ord('"')
_ABSENT = {b"null", *ABSENT_TEXTS}
_LONGEST_ABSENT = max(map(len, _ABSENT))

_STRICT_TYPES: dict[str, Any] = {
    "string": str,
    "identifier": int | str,
    "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "double": float,
    "boolean": bool,
    "time": str,
    "json": msgspec.Raw,
    "dynamic": msgspec.Raw,
}
_RAW_KINDS = ("json", "dynamic")


@lru_cache(maxsize=1024)
def strict_type(shape: Shape, others: bool = False, extras: tuple[str, ...] = ()) -> type[msgspec.Struct]:
    """A class that msgspec decodes an object of exactly this shape into; anything else raises.

    `others`: other properties are passed over. `extras`: further properties, as raw JSON, behind the others.
    """
    fields: list[Any] = []
    for number, kind in enumerate(shape.properties.values()):
        fields.append((f"p{number}", _strict_annotation(kind), _NULL_JSON if kind in _RAW_KINDS else None))
    fields += [(f"x{number}", msgspec.Raw, None) for number in range(len(extras))]
    spelling = {f"p{number}": name for number, name in enumerate(shape.properties)}
    spelling.update((f"x{number}", name) for number, name in enumerate(extras))
    return msgspec.defstruct(
        "Strict", fields, rename=spelling, forbid_unknown_fields=not others, gc=False, eq=False
    )


def _strict_annotation(kind: Kind) -> Any:
    if kind in _RAW_KINDS:
        return msgspec.Raw
    return _strict_value(kind) | None


def _strict_value(kind: Kind) -> Any:
    """The type without None: a null among a list's items is left to the tolerant way, which drops it."""
    if isinstance(kind, Shape):
        return strict_type(kind)
    if isinstance(kind, ListOf):
        return list[_strict_value(kind.item)]  # type: ignore[misc]
    return _STRICT_TYPES[kind]


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
    def add(counter: Counter[str], path: str, times: int = 1) -> None:
        """So many more; beyond 1,000 different paths the others share one entry, and long ones are cut."""
        path = clean_text(path[:_LONGEST_PATH])
        counter[path if path in counter or len(counter) < _MOST_PATHS else "(others)"] += times


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


class RecordReader:
    """Reads records of one shape; `items` names the property that holds a list of objects, one a row.

    `others`: other properties than the shape's are passed over, and so is what does not fit.
    `inside`: keys that are wanted of the JSON objects in properties of kind `dynamic`: `gather` gives them as
    columns `property.key`, behind those of the shape, and `gathered` is the shape of all.
    """

    def __init__(
        self,
        shape: Shape,
        items: str | None = None,
        *,
        others: bool = False,
        inside: Mapping[str, Shape] | None = None,
    ) -> None:
        self.shape = shape
        self.items = items
        self.counts = OddCounts()
        self._others = others
        self._extras: tuple[str, ...] = ()
        self._met: Counter[str] = Counter()
        self._decode = msgspec.json.Decoder(strict_type(shape, others)).decode
        self._is_raw = others or _has_json(shape)
        self._inside = {name: _InsideReader(keys) for name, keys in (inside or {}).items()}
        keys_inside = {
            f"{name}.{key}": kind
            for name, keys in (inside or {}).items()
            for key, kind in keys.properties.items()
        }
        self.gathered = Shape({**shape.properties, **keys_inside}) if keys_inside else shape

    def read(self, record: bytes) -> tuple[Any, Leftovers | None]:
        """The record as an object of the strict class, with its leftovers where it is odd.

        Raises:
            UnreadableError: it is not a JSON object in UTF-8.
        """
        try:
            result = self._decode(record)
            if self._is_raw and not record.isascii():
                record.decode()  # msgspec does not look into texts that it keeps raw
            return result, None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self.reread(record)

    def reread(self, record: bytes) -> tuple[Any, Leftovers]:
        """The same without the strict attempt. If others are passed over, the leftovers are the record."""
        data = parse_object(record)
        if self._others:
            result, _ = read_tolerantly(self.shape, self.items, data, OddCounts())
            return result, Leftovers(data)
        return read_tolerantly(self.shape, self.items, data, self.counts)

    def has_met(self, others: Iterable[str]) -> bool:
        """Note properties beside the shape's; whether it is worth while to `learn` those met so far."""
        if len(self._met) >= _MOST_PATHS or len(self._extras) >= _MOST_EXTRAS:
            return False
        self._met.update(name for name in others if self._is_column(name))
        return any(self._met[name] >= _OFTEN and name not in self._extras for name in others)

    def _is_column(self, name: str) -> bool:
        """Whether it looks like a column's name, and is none that the shape has."""
        is_name = len(name) <= _LONGEST_NAME and name.isascii() and name.isidentifier()
        return is_name and name.lower() not in self.shape.by_lower_case

    def learn(self) -> None:
        """Read the properties met often strictly, too: their values are what `extra_values` gives."""
        often = (name for name, count in self._met.items() if count >= _OFTEN and name not in self._extras)
        self._extras = (*self._extras, *often)[:_MOST_EXTRAS]
        self._decode = msgspec.json.Decoder(strict_type(self.shape, extras=self._extras)).decode
        self._is_raw = True

    def extra_values(self, objects: Sequence[Any]) -> Iterator[tuple[int, str, Any]]:
        """Number of the object, name and value of properties that were learned, which count as unknown."""
        for number, name in enumerate(self._extras):
            for place, each in enumerate(objects):
                value = getattr(each, f"x{number}", None)
                if value is not None:
                    self.counts.add(self.counts.unknown, name)
                    yield place, name, _parsed(value)

    def gather(self, objects: Sequence[Any]) -> pa.StructArray:
        """Objects that `read` has returned as one Arrow array, so that they need not be kept.

        Its type is `raw_type` of `gathered`. A record without items has one item that is null.
        """
        children: list[pa.Array] = []
        inside: list[pa.Array] = []
        properties = self.shape.properties
        columns = _transpose(objects, len(properties))  # and learned ones, if all objects have room for these
        for (name, kind), values in zip(properties.items(), columns, strict=False):
            if name == self.items:
                children.append(_raw_column(kind, [value or _NO_ITEMS for value in values]))
            elif name in self._inside:
                texts = _dynamic_texts(values)
                children.append(pa.array(texts, pa.string()))
                inside += self._inside[name].columns(texts)
            else:
                children.append(_raw_column(kind, values))
        return pa.StructArray.from_arrays(children + inside, fields=_raw_fields(self.gathered))


class _InsideReader:
    """Reads some keys of JSON objects that stand in a column, and nothing of what is none or does not fit."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._nothing = strict_type(shape)()
        self._decode = msgspec.json.Decoder(strict_type(shape, others=True)).decode

    def columns(self, texts: Sequence[str | bytes | None]) -> list[pa.Array]:
        """A column for each key, from texts that are in UTF-8."""
        objects = [self._read(text) if text else self._nothing for text in texts]
        values = _transpose(objects, len(self._shape.properties))
        return [
            _raw_column(kind, column)
            for kind, column in zip(self._shape.properties.values(), values, strict=True)
        ]

    def _read(self, text: str | bytes) -> Any:
        if text[0] not in _OPENING:
            return self._nothing
        try:
            return self._decode(text)
        except (msgspec.MsgspecError, RecursionError):
            pass
        try:
            data = parse_object(text.encode() if isinstance(text, str) else text)
        except UnreadableError:
            return self._nothing
        return read_tolerantly(self._shape, None, data, OddCounts())[0]


def _parsed(value: msgspec.Raw) -> Any:
    """What a value says that was kept raw; its text where it is nested too deeply to be parsed."""
    text = bytes(value)
    try:
        return parse_value(text)
    except UnreadableError:
        return text.decode()


def _has_json(kind: Kind) -> bool:
    if isinstance(kind, Shape):
        return any(map(_has_json, kind.properties.values()))
    return _has_json(kind.item) if isinstance(kind, ListOf) else kind in _RAW_KINDS


def _transpose(objects: Sequence[Any], width: int) -> list[Sequence[Any]]:
    if not objects:
        return [()] * width
    return list(zip(*map(msgspec.structs.astuple, objects), strict=False))


def _raw_object(shape: Shape, objects: Sequence[Any]) -> pa.StructArray:
    """Objects of the strict class, of which some may be None."""
    mask = None
    if None in objects:
        mask = pa.array([each is None for each in objects], pa.bool_())
        empty = strict_type(shape)()
        objects = [empty if each is None else each for each in objects]
    columns = zip(shape.properties.values(), _transpose(objects, len(shape.properties)), strict=True)
    children = [_raw_column(kind, values) for kind, values in columns]
    return pa.StructArray.from_arrays(children, fields=_raw_fields(shape), mask=mask)


@lru_cache(maxsize=1024)
def _raw_fields(shape: Shape) -> list[pa.Field]:
    return list(raw_type(shape))


def _raw_column(kind: Kind, values: Sequence[Any]) -> pa.Array:
    if isinstance(kind, Shape):
        return _raw_object(kind, values)
    if isinstance(kind, ListOf):
        return _raw_list(kind, values)
    if values and values[0] is None and values.count(None) == len(values):
        return null_column(raw_type(kind), len(values))
    if kind == "identifier":
        return _identifiers(values)
    if kind == "json":
        return pa.array([_raw_text(value) for value in values], pa.string())
    if kind == "dynamic":
        return pa.array(_dynamic_texts(values), pa.string())
    return pa.array(values, raw_type(kind))


def _raw_list(kind: ListOf, values: Sequence[Any]) -> pa.ListArray:
    if not isinstance(kind.item, (Shape, ListOf)) and kind.item not in ("identifier", *_RAW_KINDS):
        return pa.array(values, raw_type(kind))
    offsets: list[int | None] = []
    end = 0
    for value in values:
        offsets.append(None if value is None else end)
        end += len(value or ())
    offsets.append(end)
    flat = list(chain.from_iterable(value for value in values if value))
    child = _raw_column(kind.item, flat)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), child, type=raw_type(kind))


def _identifiers(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.int64()).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _dynamic_texts(values: Sequence[Any]) -> list[str | bytes | None]:
    """Texts of JSON values: of strings, which are decoded all at once, what they say."""
    if not values or (values[0] is _NULL_JSON and values.count(_NULL_JSON) == len(values)):
        return [None] * len(values)
    try:
        texts: list[Any] = list(map(bytes, values))
    except TypeError:  # some records were read tolerantly
        return [_dynamic_text(value) for value in values]
    strings = [text for text in texts if text[0] == _QUOTE]
    if strings:
        decoded = iter(_decode_strings(b"[" + b",".join(strings) + b"]"))
        texts = [next(decoded) if text[0] == _QUOTE else text for text in texts]
    return [None if len(text) <= _LONGEST_ABSENT and text in _ABSENT else text for text in texts]


def _dynamic_text(value: Any) -> str | bytes | None:
    if isinstance(value, str) or value is None:
        return value
    return _dynamic_texts((value,))[0]


def _raw_text(value: Any) -> str | None:
    if isinstance(value, str) or value is None:
        return value
    raw = bytes(value)
    return None if raw in _ABSENT_JSON else raw.decode()
