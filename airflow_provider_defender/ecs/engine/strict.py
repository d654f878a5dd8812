"""Classes that msgspec decodes objects of a shape into: strict, and fast for it."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, Union

import msgspec

from .shapes import ColumnType, ListOf, Shape

__all__ = ["JSON_TYPES", "NULL_JSON", "has_json", "named_values", "strict_type"]

NULL_JSON = msgspec.Raw(b"null")
JSON_TYPES = ("json", "dynamic")
"""Types of columns whose values stay JSON."""

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


@lru_cache(maxsize=1024)
def strict_type(
    shape: Shape,
    others: bool = False,
    extras: tuple[str, ...] = (),
    tag: tuple[str, str] | None = None,
) -> type[msgspec.Struct]:
    """A class that msgspec decodes an object of exactly this shape into; anything else raises.

    `others`: other properties are passed over, as they are in a partial shape. `extras`: further properties,
    as raw JSON, behind the others. `tag`: the name and value of a property that all objects have.
    """
    fields: list[Any] = [
        (f"p{number}", _strict_annotation(column_type), NULL_JSON if column_type in JSON_TYPES else None)
        for number, column_type in enumerate(shape.properties.values())
    ]
    fields += [(f"x{number}", msgspec.Raw, None) for number in range(len(extras))]
    fields += [(f"a{number}", msgspec.Raw, None) for number in range(len(shape.annotations))]
    fields += [(f"c{number}", Literal[value], value) for number, value in enumerate(shape.constants.values())]
    spelling = {f"p{number}": shape.wire.get(name, name) for number, name in enumerate(shape.properties)}
    for letter, names in (("x", extras), ("a", shape.annotations), ("c", shape.constants)):
        spelling.update((f"{letter}{number}", name) for number, name in enumerate(names))
    forbid = not (others or shape.partial)
    name, value = tag or (None, None)
    return msgspec.defstruct(
        "Strict",
        fields,
        rename=spelling,
        forbid_unknown_fields=forbid,
        tag_field=name,
        tag=value,
        gc=False,
        eq=False,
    )


def _strict_annotation(column_type: ColumnType) -> Any:
    if column_type in JSON_TYPES:
        return msgspec.Raw
    return _strict_value(column_type) | None


def _strict_value(column_type: ColumnType) -> Any:
    """The type without None: a null among a list's items is left to the tolerant way, which drops it."""
    if isinstance(column_type, Shape):
        variants = (_variant_type(column_type, value) for value in column_type.variants)
        return Union[tuple(variants)] if column_type.variants else strict_type(column_type)  # noqa: UP007
    if isinstance(column_type, ListOf):
        return list[_strict_value(column_type.item)]  # type: ignore[misc]
    return _STRICT_TYPES[column_type]


def _variant_type(shape: Shape, value: str) -> type[msgspec.Struct]:
    """The class of a shape's objects whose tag has this value."""
    tag = shape.wire.get(shape.tag or "", shape.tag or "")
    return strict_type(shape.variants[value], tag=(tag, value))


@lru_cache(maxsize=4096)
def _names(kind: type[msgspec.Struct], shape: Shape) -> tuple[str, ...]:
    tag = kind.__struct_config__.tag
    if tag is None:
        return tuple(shape.wire.get(name, name) for name in shape.properties)
    return (
        str(kind.__struct_config__.tag_field),
        *(shape.by_lower_case[name.lower()] for name in kind.__struct_encode_fields__),
    )


def named_values(shape: Shape, value: msgspec.Struct) -> dict[str, Any]:
    """The values of an object of the strict class, or of a variant, by the names in its shape."""
    kind = type(value)
    names, values = _names(kind, shape), msgspec.structs.astuple(value)
    tag = kind.__struct_config__.tag
    return dict(zip(names, values if tag is None else (tag, *values), strict=False))


def has_json(column_type: ColumnType) -> bool:
    """Whether some of its values stay JSON or are passed over: msgspec does not look into them."""
    if isinstance(column_type, Shape):
        return column_type.partial or any(map(has_json, column_type.properties.values()))
    return has_json(column_type.item) if isinstance(column_type, ListOf) else column_type in JSON_TYPES
