"""Arrow arrays of objects and lists from blocks of Python values, which need not be kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..fields import null_column
from .raw import all_absent, scalar_column
from .shapes import ColumnType, ListOf, Shape, raw_type
from .strict import JSON_TYPES, strict_type

__all__ = ["Blocks", "column_blocks", "raw_fields", "transpose"]

_OWN_ARRAYS = ("identifier", *JSON_TYPES)
"""Types of values that Arrow does not convert by itself, not even in a list."""

_NO_OBJECT = type(None)
_NOTHING = Shape({})


class Blocks(Protocol):
    """One property's values, block by block."""

    @property
    def is_filled(self) -> bool:
        """Whether any value may be other than null."""

    def add(self, values: Sequence[Any]) -> None:
        """Add the values of some more objects, as the strict class holds them."""

    def array(self) -> pa.Array:
        """All values, of type `raw_type`."""


def column_blocks(column_type: ColumnType) -> Blocks:
    """An empty column of that type."""
    if isinstance(column_type, Shape):
        return _Variants(column_type) if column_type.variants else _Objects(column_type)
    if isinstance(column_type, ListOf):
        item = column_type.item
        return (
            _Lists(column_type) if not isinstance(item, str) or item in _OWN_ARRAYS else _Scalars(column_type)
        )
    return _Scalars(column_type)


def transpose(objects: Sequence[Any], width: int) -> list[Sequence[Any]]:
    """The values of each property, in the shape's order; behind them what it has no column for."""
    if not objects:
        return [()] * width
    return list(zip(*map(msgspec.structs.astuple, objects), strict=False))


@lru_cache(maxsize=1024)
def raw_fields(shape: Shape) -> list[pa.Field]:
    """The fields of `raw_type`."""
    return list(raw_type(shape))


@lru_cache(maxsize=256)
def _raw_types(shape: Shape) -> list[tuple[str, pa.DataType]]:
    return [(name, raw_type(column_type)) for name, column_type in shape.properties.items()]


def _concatenated(arrays: Sequence[pa.Array]) -> pa.Array:
    return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)


class _Scalars:
    """Values that are no objects, or lists of such. Blocks without any value are only counted."""

    def __init__(self, column_type: ColumnType) -> None:
        self._type = column_type
        self._arrays: list[pa.Array] = []
        self._nulls = 0

    @property
    def is_filled(self) -> bool:
        return bool(self._arrays)

    def add(self, values: Sequence[Any]) -> None:
        array = None if all_absent(self._type, values) else scalar_column(self._type, values)
        if array is None or array.null_count == len(array):
            self.add_nulls(len(values))
            return
        self._keep_nulls()
        self._arrays.append(array)

    def add_nulls(self, number: int) -> None:
        """Add this many nulls."""
        self._nulls += number

    def _keep_nulls(self) -> None:
        if self._nulls:
            self._arrays.append(null_column(raw_type(self._type), self._nulls))
            self._nulls = 0

    def array(self) -> pa.Array:
        if not self._arrays:
            return null_column(raw_type(self._type), self._nulls)
        self._keep_nulls()
        return _concatenated(self._arrays)


class _Lists:
    """Lists, of objects for example."""

    is_filled = True

    def __init__(self, column_type: ListOf) -> None:
        self._type = raw_type(column_type)
        self._items = column_blocks(column_type.item)
        self._offsets: list[int | None] = []
        self._end = 0

    def add(self, values: Sequence[Any]) -> None:
        for value in values:
            self._offsets.append(None if value is None else self._end)
            self._end += len(value or ())
        self._items.add(list(chain.from_iterable(value for value in values if value)))

    def array(self) -> pa.Array:
        offsets = pa.array([*self._offsets, self._end], pa.int32())
        return pa.ListArray.from_arrays(offsets, self._items.array(), type=self._type)


class _Objects:
    """Objects of one strict class; some may be None."""

    is_filled = True

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._missing = _Scalars("boolean")
        self.columns = {name: column_blocks(each) for name, each in shape.properties.items()}

    def add(self, values: Sequence[Any]) -> None:
        if None in values:
            self._missing.add([True if value is None else None for value in values])
            empty = strict_type(self._shape)()
            values = [empty if value is None else value for value in values]
        else:
            self._missing.add_nulls(len(values))
        # Behind the properties stands what the strict class reads besides, such as annotations.
        for column, own in zip(self.columns.values(), transpose(values, len(self.columns)), strict=False):
            column.add(own)

    def array(self) -> pa.Array:
        arrays = [column.array() for column in self.columns.values()]
        mask = self._missing.array().is_valid() if self._missing.is_filled else None
        return pa.StructArray.from_arrays(arrays, fields=raw_fields(self._shape), mask=mask)


class _Variants:
    """Objects of a shape with variants; some may be None.

    Until the end, each class has its own columns only. A property's column then is put together from those of
    the classes that have a value of it: most properties of a wide shape have none.
    """

    is_filled = True

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._classes: dict[type, _Class] = {}
        self._numbers: list[pa.Array] = []

    def add(self, values: Sequence[Any]) -> None:
        groups: defaultdict[type, list[Any]] = defaultdict(list)
        for value in values:
            groups[type(value)].append(value)
        for kind, group in groups.items():
            if kind not in self._classes:
                self._classes[kind] = _Class(self._shape, kind)
            self._classes[kind].add(group)
        numbers = {kind: number for number, kind in enumerate(self._classes)}
        self._numbers.append(pa.array([numbers[type(value)] for value in values], pa.int32()))

    def array(self) -> pa.Array:
        numbers = _concatenated(self._numbers) if self._numbers else pa.array([], pa.int32())
        order = _Order(numbers, [each.length for each in self._classes.values()])
        columns: defaultdict[str, dict[int, pa.Array]] = defaultdict(dict)
        for number, each in enumerate(self._classes.values()):
            for name, column in each.arrays():
                columns[name][number] = column
        children = [
            order.together(columns[name]) if name in columns else null_column(arrow_type, len(numbers))
            for name, arrow_type in _raw_types(self._shape)
        ]
        classes = list(self._classes)
        mask = pc.equal(numbers, classes.index(_NO_OBJECT)) if _NO_OBJECT in classes else None
        return pa.StructArray.from_arrays(children, fields=raw_fields(self._shape), mask=mask)


class _Class:
    """The objects of one class: of a variant, of the whole shape, or Nones, which have no columns."""

    def __init__(self, shape: Shape, kind: type) -> None:
        tag = None if kind is _NO_OBJECT else kind.__struct_config__.tag  # type: ignore[attr-defined]
        self.length = 0
        self._objects = _Objects(
            _NOTHING if kind is _NO_OBJECT else shape if tag is None else shape.variants[tag]
        )
        self._tag = (shape.tag, tag)
        self._names = shape.by_lower_case if tag is not None else {}

    def add(self, objects: Sequence[Any]) -> None:
        self.length += len(objects)
        if self._objects.columns:
            self._objects.add(objects)

    def arrays(self) -> Iterator[tuple[str, pa.Array]]:
        """The columns with any value, by the names in the whole shape."""
        name, value = self._tag
        if name is not None and value is not None:
            yield name, pa.repeat(value, self.length)
        for own, column in self._objects.columns.items():
            if column.is_filled:
                yield self._names.get(own.lower(), own), column.array()


class _Order:
    """The order of objects that are held class by class.

    Args:
        numbers: the number of each object's class.
        lengths: how many objects each class has.
    """

    def __init__(self, numbers: pa.Array, lengths: Sequence[int]) -> None:
        self._numbers = numbers
        self._lengths = lengths
        self._starts = list(accumulate(lengths, initial=0))
        places = [pc.indices_nonzero(pc.equal(numbers, number)) for number in range(len(lengths))]
        self._places = pc.array_sort_indices(pa.concat_arrays(places)).cast(pa.int64()) if places else numbers
        self._indices: dict[tuple[int, ...], pa.Array] = {}
        self._spans: dict[int, tuple[pa.Array, pa.Array]] = {}

    def together(self, columns: Mapping[int, pa.Array]) -> pa.Array:
        """One column from those of some classes, by number; null for the objects of the other classes."""
        if len(self._lengths) == 1:
            return columns[0]
        if len(columns) == 1:
            ((number, column),) = columns.items()
            if pa.types.is_string(column.type):
                return self._spread(number, column)
        return _concatenated(list(columns.values())).take(self._indices_in(tuple(columns)))

    def _spread(self, number: int, texts: pa.Array) -> pa.Array:
        """The texts of one class on all objects, not copied: the others have empty spans in between."""
        is_own, begins = self._spans_of(number)
        if texts.null_count:
            is_own = pc.fill_null(texts.is_valid().take(self._indices_in((number,))), False)
        validity = pa.concat_arrays([is_own]).buffers()[1]
        _, offsets, data = texts.buffers()
        own = pa.Array.from_buffers(pa.int32(), len(texts) + 1, [None, offsets], offset=texts.offset)
        buffers = [validity, own.take(begins).buffers()[1], data or pa.py_buffer(b"")]
        return pa.Array.from_buffers(pa.string(), len(self._numbers), buffers)

    def _spans_of(self, number: int) -> tuple[pa.Array, pa.Array]:
        """For each object, whether it is of this class, and how many of the class come before; last, all."""
        if number not in self._spans:
            is_own = pc.equal(self._numbers, number)
            until = pc.cumulative_sum(is_own.cast(pa.int32()))
            self._spans[number] = is_own, pa.concat_arrays([pa.array([0], pa.int32()), until])
        return self._spans[number]

    def _indices_in(self, classes: tuple[int, ...]) -> pa.Array:
        """Each object's place if these classes' objects only are held one class after the other."""
        if classes not in self._indices:
            shifts: list[int | None] = [None] * len(self._lengths)
            end = 0
            for number in classes:
                shifts[number] = end - self._starts[number]
                end += self._lengths[number]
            self._indices[classes] = pc.add(self._places, pa.array(shifts, pa.int64()).take(self._numbers))
        return self._indices[classes]
