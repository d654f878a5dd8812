"""Reading records into raw columns: strictly and fast if a record is as documented, else tolerantly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa

from .blocks import Blocks, column_blocks, raw_fields, transpose
from .raw import dynamic_texts
from .shapes import ColumnType, Shape
from .strict import has_json, strict_type
from .tolerant import MOST_PATHS, Unmapped, UnmappedCounts, read_tolerantly
from .values import UnreadableError, parse_object, parse_value

__all__ = ["RecordReader"]

_NO_ITEMS = (None,)
_OFTEN, _MOST_EXTRAS = 5, 50
"""How often a property without a column must occur to be read strictly, and how many such there can be."""
_LONGEST_NAME = 128
_OPENING = ("{", ord("{"))


class RecordReader:
    """Reads records of one shape.

    Args:
        shape: the properties to read.
        items: the property that holds a list of objects, each of which becomes a row.
        others: whether to ignore properties outside the shape, and values that do not fit.
        inside: keys to read from the JSON objects in properties of type `dynamic`. `gather` returns them as
            columns `property.key` after those of the shape, with texts in them that may mean that there is no
            value; `gathered` is the shape of all.

    `decode` reads a record that is as documented, apart from annotations, and raises if it is not.
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
        self.counts = UnmappedCounts()
        self._others = others
        self._extras: tuple[str, ...] = ()
        self._annotations = () if others else shape.annotations
        self._met: Counter[str] = Counter()
        self.decode = msgspec.json.Decoder(strict_type(shape, others)).decode
        self._is_raw = others or has_json(shape)
        self._inside = {name: _InsideReader(keys) for name, keys in (inside or {}).items()}
        self.gathered = _with_keys_inside(shape, inside or {})

    def read(self, record: bytes) -> tuple[Any, Unmapped | None]:
        """Return the record as an object of the strict class; if it is odd, also what has no column.

        Raises:
            UnreadableError: it is not a JSON object in UTF-8.
        """
        try:
            result = self.decode(record)
            if self._is_raw and not record.isascii():
                record.decode()  # msgspec does not check texts that it keeps raw
            return result, self._annotations_of(result) if self._annotations else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self.reread(record)

    def _annotations_of(self, read: Any) -> Unmapped | None:
        """The annotations of a record that was read strictly."""
        found = {
            name: _parsed(value)
            for number, name in enumerate(self._annotations)
            if (value := getattr(read, f"a{number}")) is not None
        }
        return Unmapped(found) if found else None

    def reread(self, record: bytes) -> tuple[Any, Unmapped]:
        """Like `read`, without the strict attempt. With `others`, `Unmapped` is the whole record."""
        data = parse_object(record)
        if self._others:
            result, _ = read_tolerantly(self.shape, self.items, data, UnmappedCounts())
            return result, Unmapped(data)
        return read_tolerantly(self.shape, self.items, data, self.counts)

    def has_met(self, others: Iterable[str]) -> bool:
        """Count properties outside the shape. Returns whether it is worthwhile to `learn` some of them."""
        if len(self._met) >= MOST_PATHS or len(self._extras) >= _MOST_EXTRAS:
            return False
        self._met.update(name for name in others if self._is_column(name))
        return any(self._met[name] >= _OFTEN and name not in self._extras for name in others)

    def _is_column(self, name: str) -> bool:
        """Whether it looks like a column's name that is not in the shape."""
        is_name = len(name) <= _LONGEST_NAME and name.isascii() and name.isidentifier()
        return is_name and name.lower() not in self.shape.by_lower_case

    def learn(self) -> None:
        """From now on, read frequent properties strictly, too; `extra_values` returns their values."""
        often = (name for name, count in self._met.items() if count >= _OFTEN and name not in self._extras)
        self._extras = (*self._extras, *often)[:_MOST_EXTRAS]
        self.decode = msgspec.json.Decoder(strict_type(self.shape, extras=self._extras)).decode
        self._is_raw = True

    def extra_values(self, objects: Sequence[Any]) -> Iterator[tuple[int, str, Any]]:
        """Yield object number, name and value of the learned properties, which have no column."""
        for number, name in enumerate(self._extras):
            for place, each in enumerate(objects):
                value = getattr(each, f"x{number}", None)
                if value is not None:
                    self.counts.add(self.counts.unmapped, name)
                    yield place, name, _parsed(value)

    def gather(self, objects: Sequence[Any]) -> pa.StructArray:
        """Return objects from `read` as one Arrow array, so that they need not be kept.

        Its type is `raw_type(gathered)`. A record without items has one null item.
        """
        gathering = self.gathering()
        gathering.add(objects)
        return gathering.array()

    def gathering(self) -> Gathering:
        """Start to gather objects block by block."""
        return Gathering(self.shape, self.items, self._inside, raw_fields(self.gathered))


class Gathering:
    """Objects from `RecordReader.read`, gathered block by block into one Arrow array."""

    def __init__(
        self,
        shape: Shape,
        items: str | None,
        inside: Mapping[str, _InsideReader],
        fields: Sequence[pa.Field],
    ) -> None:
        self._items = items
        self._inside = inside
        self._fields = fields
        self._columns = {
            name: column_blocks("string" if name in inside else each)
            for name, each in shape.properties.items()
        }
        self._columns_inside = {name: reader.blocks() for name, reader in inside.items()}

    def add(self, objects: Sequence[Any]) -> None:
        """Add objects, which need not be kept."""
        values_of = transpose(
            objects, len(self._columns)
        )  # and learned ones, if all objects have room for these
        for (name, column), values in zip(self._columns.items(), values_of, strict=False):
            if name == self._items:
                column.add([value or _NO_ITEMS for value in values])
            elif name in self._inside:
                texts = dynamic_texts(values)
                self._inside[name].read(texts, self._columns_inside[name])
                column.add(texts)
            else:
                column.add(values)

    def array(self) -> pa.StructArray:
        """All objects, as `RecordReader.gather` returns them."""
        columns = [*self._columns.values(), *chain.from_iterable(self._columns_inside.values())]
        return pa.StructArray.from_arrays([column.array() for column in columns], fields=self._fields)


def _with_keys_inside(shape: Shape, inside: Mapping[str, Shape]) -> Shape:
    """The shape with the properties `property.key` after its own."""
    keys = {
        f"{name}.{key}": column_type
        for name, shape_inside in inside.items()
        for key, column_type in shape_inside.properties.items()
    }
    return replace(shape, properties={**shape.properties, **keys}) if keys else shape


class _InsideReader:
    """Reads some keys of JSON objects in a column; ignores other values and those that do not fit.

    In most tables all values of type `dynamic` are texts. As long as that is so, they are decoded as such.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._texts = _with_texts(shape)
        text_type = strict_type(self._texts, others=True)
        self._only_texts = True
        self._no_texts = text_type()
        self._decode_texts = msgspec.json.Decoder(text_type).decode
        self._nothing = strict_type(shape)()
        self._decode = msgspec.json.Decoder(strict_type(shape, others=True)).decode

    def blocks(self) -> list[Blocks]:
        """A column for each key."""
        return [column_blocks(each) for each in self._texts.properties.values()]

    def read(self, texts: Sequence[str | bytes | None], into: Sequence[Blocks]) -> None:
        """Add the values of each key in texts in UTF-8."""
        objects = self._read_texts(texts) if self._only_texts else None
        is_raw = objects is None
        if objects is None:
            objects = [self._read(text) if text else self._nothing for text in texts]
        types = self._shape.properties.values()
        for column_type, column, values in zip(types, into, transpose(objects, len(into)), strict=True):
            column.add(dynamic_texts(values) if is_raw and column_type == "dynamic" else values)

    def _read_texts(self, texts: Sequence[str | bytes | None]) -> list[Any] | None:
        """All objects, with texts as their dynamic values; None if some have other values."""
        decode, nothing = self._decode_texts, self._no_texts
        try:
            return [decode(text) if text and text[0] in _OPENING else nothing for text in texts]
        except (msgspec.MsgspecError, RecursionError):
            self._only_texts = False
            return None

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
        return read_tolerantly(self._shape, None, data, UnmappedCounts())[0]


@lru_cache(maxsize=64)
def _with_texts(shape: Shape) -> Shape:
    """The shape with texts instead of values of type `dynamic`."""
    texts: dict[str, ColumnType] = {
        name: "string" if each == "dynamic" else each for name, each in shape.properties.items()
    }
    return replace(shape, properties=texts)


def _parsed(value: msgspec.Raw) -> Any:
    """Parse a raw value; its text if it is nested too deeply to be parsed."""
    text = bytes(value)
    try:
        return parse_value(text)
    except UnreadableError:
        return text.decode()
