"""The shape of Microsoft Graph's alerts, and the struct that the `alerts` dataset has for them.

The properties are in `graph_security.json`, taken from Microsoft's metadata of Graph v1.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa

from ...engine.shapes import ColumnType, ListOf, Shape, arrow_type

__all__ = [
    "COMMENT",
    "EVIDENCE_TYPES",
    "TYPE_PREFIX",
    "alert_shape",
    "annotations_of",
    "evidence_properties",
    "graph_security_type",
]

TYPE_PREFIX = "#microsoft.graph.security."
"""What the names of evidence types begin with in `@odata.type`."""

COMMENT = Shape(
    {
        "comment": "string",
        "createdBy": "string",
        "createdByDisplayName": "string",
        "createdDateTime": "time",
        "createdTime": "time",
    },
    constants={"@odata.type": f"{TYPE_PREFIX}alertComment"},
)
"""A comment of an analyst, in both spellings: that of the metadata, and that of the pages' examples."""

_DATA: dict[str, Any] = json.loads(files(__package__).joinpath("graph_security.json").read_text("utf-8"))

EVIDENCE_TYPES: tuple[str, ...] = tuple(_DATA["evidence_types"])
"""The names of Microsoft's evidence types, and of their base `alertEvidence`, without the prefix."""


def _kind(text: str) -> ColumnType:
    inner = text.removeprefix("list<").removesuffix(">")
    return ListOf(inner) if inner != text else text  # type: ignore[arg-type,return-value]


def _properties(properties: Mapping[str, str]) -> dict[str, ColumnType]:
    return {name: _kind(text) for name, text in properties.items()}


def _own_properties() -> dict[str, list[str]]:
    """Evidence type → all its properties in its own spelling."""
    types: dict[str, list[str]] = _DATA["evidence_types"]
    base = types["alertEvidence"]
    return {name: list(dict.fromkeys([*base, *names])) for name, names in types.items()}


def annotations_of(*lists: str) -> tuple[str, ...]:
    """What OData may write beside the properties of a record with these lists."""
    own = ("@odata.context", "@odata.etag", "@odata.id")
    return (*own, *(f"{name}@odata.{kind}" for name in lists for kind in ("context", "count", "type")))


def evidence_properties(name: str) -> tuple[str, ...]:
    """The properties of an evidence type, without those of every type, as `alert_shape` spells them."""
    spelled = {property_name.lower(): property_name for property_name in _DATA["evidence"]}
    return tuple(spelled[own.lower()] for own in _DATA["evidence_types"][name])


@cache
def alert_shape() -> Shape:
    """An alert: its own properties, and the union of those of all evidence types for `evidence`."""
    properties = _properties(_DATA["evidence"])
    whole = Shape(properties, {"odata_type": "@odata.type"})
    variants = {
        f"{TYPE_PREFIX}{name}": Shape({own: properties[whole.by_lower_case[own.lower()]] for own in names})
        for name, names in _own_properties().items()
    }
    evidence = Shape(properties, whole.wire, tag="odata_type", variants=variants)
    comments = {"comments": ListOf(COMMENT)}
    return Shape(
        {**_properties(_DATA["alert"]), **comments, "evidence": ListOf(evidence)},
        constants={"@odata.type": f"{TYPE_PREFIX}alert"},
        annotations=annotations_of("comments", "evidence"),
    )


@cache
def graph_security_type() -> pa.DataType:
    """`microsoft.graph_security`: an alert's properties, `evidence` (the row's item) and `unmapped`."""
    properties = dict(alert_shape().properties)
    evidence = properties.pop("evidence")
    item = evidence.item if isinstance(evidence, ListOf) else evidence
    return arrow_type(Shape({**properties, "evidence": item, "unmapped": "json"}))
