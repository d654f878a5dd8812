"""The types of Graph's security records: what properties they have, and which members their enumerations.

`types.json` holds them; source: Microsoft Graph's CSDL, v1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

__all__ = [
    "ALERT",
    "ENUMERATIONS",
    "EVIDENCE",
    "INCIDENT",
    "PREFIX",
    "properties_of",
    "without_future_members",
]

#: What stands in `@odata.type` before a type's name.
PREFIX = "#microsoft.graph.security."
_FUTURE = "unknownFutureValue"


class _Types(msgspec.Struct, forbid_unknown_fields=True):
    about: str
    records: dict[str, dict[str, str]]
    evidence: dict[str, dict[str, str]]
    values: dict[str, dict[str, str]]
    enumerations: dict[str, list[str]]


_TYPES = msgspec.json.decode(Path(__file__).with_name("types.json").read_bytes(), type=_Types)
_BASE = _TYPES.evidence.pop("alertEvidence")
#: Property → type of an alert, and of an incident (with `alerts`, which only `$expand` shows).
ALERT: Mapping[str, str] = MappingProxyType(_TYPES.records["alert"])
INCIDENT: Mapping[str, str] = MappingProxyType(_TYPES.records["incident"])
#: Type of evidence → its own properties with their types; all have those of `alertEvidence` too.
EVIDENCE: Mapping[str, Mapping[str, str]] = MappingProxyType(_TYPES.evidence)
#: Enumeration → its members; those after `unknownFutureValue` are sent only to who asks for them.
ENUMERATIONS: Mapping[str, list[str]] = MappingProxyType(_TYPES.enumerations)
_STRUCTURES = {**_TYPES.records, **_TYPES.values}
_ALWAYS = {name: frozenset(members[: members.index(_FUTURE)]) for name, members in ENUMERATIONS.items()}


def properties_of(type_name: str) -> Mapping[str, str]:
    """Property → type of any type but enumerations: a record, evidence (with its base), a nested object.

    Empty for a type that is open, simple or unknown.
    """
    if type_name == "alertEvidence":
        return _BASE
    if type_name in EVIDENCE:
        return {**_BASE, **EVIDENCE[type_name]}
    return _STRUCTURES.get(type_name, {})


def without_future_members(value: Any, type_name: str) -> Any:
    """A record as Graph sends it without `Prefer: include-unknown-enum-members`.

    Members that were added after `unknownFutureValue`, and those that no enumeration has, are sent as that.
    """
    if type_name.startswith("Collection(") and isinstance(value, list):
        return [without_future_members(item, type_name[11:-1]) for item in value]
    if type_name in _ALWAYS and isinstance(value, str):
        return value if value in _ALWAYS[type_name] else _FUTURE
    if isinstance(value, dict):
        named = value.get("@odata.type")
        own = named.removeprefix(PREFIX) if isinstance(named, str) else type_name
        properties = properties_of(own) or properties_of(type_name)
        return {name: without_future_members(item, properties.get(name, "")) for name, item in value.items()}
    return value
