"""Identity and time of raw records, for paging: all else in them stays unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from airflow_provider_defender.hooks._rest.records import as_dict
from airflow_provider_defender.timestamps import parse_ticks

__all__ = ["Key", "Mark", "MarkReader"]

Key = tuple[str, str]
"""A version of a record: its identity, and its update time as sent."""

_NAMES = ("identity", "time", "updated")


class Mark(NamedTuple):
    """What tells a record from others. `time` is that of the queried property, in ticks; None if unknown."""

    key: Key
    time: int | None


class MarkReader:
    """Reads the marks of records whose properties have these names."""

    def __init__(self, identity: str, time: str, updated: str) -> None:
        self._properties = dict(zip(_NAMES, (identity, time, updated), strict=True))
        # Not a member for each name: msgspec refuses two that are read from the same property.
        members = {prop: name for name, prop in self._properties.items()}
        struct = msgspec.defstruct(
            "Members",
            [(name, Any, None) for name in members.values()],
            rename={name: prop for prop, name in members.items()},
        )
        self._decoder = msgspec.json.Decoder(struct)
        self._attributes = [members[prop] for prop in self._properties.values()]

    def marks(self, records: Sequence[msgspec.Raw]) -> list[Mark]:
        """The mark of each record; one that is no JSON is identified by its bytes."""
        return [self._mark(record) for record in records]

    def _mark(self, record: msgspec.Raw) -> Mark:
        try:
            members = self._decoder.decode(record)
            values = [getattr(members, name) for name in self._attributes]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            values = self._tolerantly(record)
        if values[0] is None or values[1] is None:
            values = self._tolerantly(record)
        identity, time, updated = values
        if identity is None or identity == "":
            key = ("", sha256(record).hexdigest())
        else:
            key = (str(identity), str(updated))
        return Mark(key, parse_ticks(time) if isinstance(time, str) else None)

    def _tolerantly(self, record: msgspec.Raw) -> list[Any]:
        """The values of a record that is no strict JSON, or spells its properties in another case."""
        try:
            members: Mapping[str, Any] = as_dict(record)
        except ValueError:
            return [None] * len(_NAMES)
        lower = {name.lower(): value for name, value in members.items()}
        return [members.get(prop, lower.get(prop.lower())) for prop in self._properties.values()]
