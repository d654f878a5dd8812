"""What a source's JSON objects look like, as data: one description for parsing, schema and docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

import pyarrow as pa

from .fields import TIMESTAMP

__all__ = ["Kind", "ListOf", "Scalar", "Shape", "arrow_type", "in_order", "raw_type"]

Scalar = Literal["string", "identifier", "long", "double", "boolean", "time", "json", "dynamic"]
"""Kinds of values: `identifier` is a number on the wire and a string in the lake; `time` is one of
Microsoft's timestamp texts; `json` keeps any JSON value as its text; so does `dynamic`, but a string is kept
as what it says, which for Microsoft's dynamic columns is mostly JSON itself."""


@dataclass(frozen=True, eq=False)
class ListOf:
    """A list whose items are all of one kind."""

    item: Kind


@dataclass(frozen=True, eq=False)
class Shape:
    """An object: its property names in the source's spelling, and their kinds.

    Names are matched exactly first, then without regard to case.
    """

    properties: Mapping[str, Kind]
    by_lower_case: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_lower_case", {name.lower(): name for name in self.properties})


@lru_cache(maxsize=256)
def in_order(shape: Shape, names: tuple[str, ...]) -> Shape:
    """The same shape with these properties first."""
    return Shape({name: shape.properties[name] for name in dict.fromkeys([*names, *shape.properties])})


Kind: TypeAlias = "Scalar | ListOf | Shape"

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


def arrow_type(kind: Kind) -> pa.DataType:
    """The Arrow type in which values of `kind` land."""
    if isinstance(kind, Shape):
        return pa.struct([pa.field(name, arrow_type(child)) for name, child in kind.properties.items()])
    if isinstance(kind, ListOf):
        return pa.list_(arrow_type(kind.item))
    return _ARROW_TYPES[kind]


def raw_type(kind: Kind) -> pa.DataType:
    """The Arrow type in which values of `kind` are read: that of landing, but times are their texts."""
    if isinstance(kind, Shape):
        return pa.struct([pa.field(name, raw_type(child)) for name, child in kind.properties.items()])
    if isinstance(kind, ListOf):
        return pa.list_(raw_type(kind.item))
    return pa.string() if kind == "time" else _ARROW_TYPES[kind]
