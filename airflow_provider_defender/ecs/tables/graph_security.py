"""Microsoft Graph's alerts as a struct: room in the `alerts` dataset from its first file on.

The properties stand in `graph_security.json`, taken from Microsoft's metadata of Graph v1.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa

from .._shapes import Kind, ListOf, Shape, arrow_type

__all__ = ["graph_security_type"]

_COMMENT = Shape(
    {
        "comment": "string",
        "createdBy": "string",
        "createdByDisplayName": "string",
        "createdDateTime": "time",
        "createdTime": "time",
    }
)


def _kind(text: str) -> Kind:
    inner = text.removeprefix("list<").removesuffix(">")
    return ListOf(inner) if inner != text else text  # type: ignore[arg-type,return-value]


def _shape(properties: Mapping[str, str]) -> dict[str, Kind]:
    return {name: _kind(text) for name, text in properties.items()}


@cache
def graph_security_type() -> pa.DataType:
    """`microsoft.graph_security`: an alert's properties, `evidence` (the row's item) and `unmapped`."""
    data: dict[str, Any] = json.loads(files(__package__).joinpath("graph_security.json").read_text("utf-8"))
    properties = {
        **_shape(data["alert"]),
        "comments": ListOf(_COMMENT),
        "evidence": Shape(_shape(data["evidence"])),
    }
    return arrow_type(Shape({**properties, "unmapped": "json"}))
