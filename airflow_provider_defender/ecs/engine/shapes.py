"""What a source's JSON objects look like, as data: one description for parsing, schema and docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, TypeAlias

import pyarrow as pa

from ..fields import TIMESTAMP

__all__ = ["ColumnType", "ListOf", "Scalar", "Shape", "arrow_type", "in_order", "raw_type"]

Scalar = Literal["string", "identifier", "long", "double", "boolean", "time", "json", "dynamic"]
"""Types of values: `identifier` is a number on the wire and a string in the lake; `time` is one of
Microsoft's timestamp texts; `json` keeps any JSON value as its text; so does `dynamic`, but a string is kept
as what it says, which for Microsoft's dynamic columns is mostly JSON itself."""


@dataclass(frozen=True, eq=False)
class ListOf:
    """A list whose items are all of one type."""

    item: ColumnType


@dataclass(frozen=True, eq=False)
class Shape:
    """An object: its property names in the source's spelling, and their types.

    Names are matched exactly first, then without regard to case.

    Attributes:
        properties: name → type.
        wire: name → its spelling in the data, for properties whose column has another name.
        partial: whether other properties are passed over, instead of going to `unmapped`. Names then are
            matched exactly in records that are as documented.
        tag: the property, if any, whose value says which of `variants` an object is.
        variants: value of the tag → the shape of such objects: some of the properties, without the tag.
            Objects of that shape are read faster. Their names may be spelled otherwise than in the whole
            shape, if only in case.
        constants: properties that say nothing, because each of them always has this value, if it is there:
            the `@odata.type` of an object that can be of one type only. They are passed over.
        annotations: properties of the wire's own, such as `alerts@odata.context`, that are read fast, and go
            to `unmapped`. Only of a record, not of objects inside it.
    """

    properties: Mapping[str, ColumnType]
    wire: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False
    tag: str | None = None
    variants: Mapping[str, Shape] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    annotations: tuple[str, ...] = ()
    by_lower_case: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        spellings = {spelling.lower(): name for name, spelling in self.wire.items()}
        names = {name.lower(): name for name in self.properties}
        object.__setattr__(self, "by_lower_case", {**names, **spellings})


@lru_cache(maxsize=256)
def in_order(shape: Shape, names: tuple[str, ...]) -> Shape:
    """The same shape with these properties first."""
    order = dict.fromkeys([*names, *shape.properties])
    return replace(shape, properties={name: shape.properties[name] for name in order})


ColumnType: TypeAlias = "Scalar | ListOf | Shape"

_ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "identifier": pa.string(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "time": TIMESTAMP,
    "json": pa.string(),
    "dynamic": pa.string(),
}


def arrow_type(column_type: ColumnType) -> pa.DataType:
    """The Arrow type in which values of that type land."""
    if isinstance(column_type, Shape):
        return pa.struct(
            [pa.field(name, arrow_type(child)) for name, child in column_type.properties.items()]
        )
    if isinstance(column_type, ListOf):
        return pa.list_(arrow_type(column_type.item))
    return _ARROW_TYPES[column_type]


def raw_type(column_type: ColumnType) -> pa.DataType:
    """The Arrow type in which values of that type are read: that of landing, but times are their texts."""
    if isinstance(column_type, Shape):
        return pa.struct([pa.field(name, raw_type(child)) for name, child in column_type.properties.items()])
    if isinstance(column_type, ListOf):
        return pa.list_(raw_type(column_type.item))
    return pa.string() if column_type == "time" else _ARROW_TYPES[column_type]
