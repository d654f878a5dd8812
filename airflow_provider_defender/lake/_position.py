"""Where a source stands after a commit: the part of a record that the next run goes on from.

A record names the kind of its position: `"rest"` here, `"hub"` in `_hub`. A kind is a class with `parse`,
`dump` and `moved_from`, plus a change class with `apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.lake._hub import HubPosition
from airflow_provider_defender.lake._keys import KEYS, TIMELESS, bound_for, joined, since, ticks_of
from airflow_provider_defender.timestamps import TICKS_PER_SECOND, format_ticks, parse_ticks

if TYPE_CHECKING:
    from typing_extensions import Self, TypeVar
else:
    from typing import TypeVar

__all__ = [
    "KEYS_LIMIT",
    "Change",
    "P",
    "Position",
    "RestChange",
    "RestPosition",
    "Watermark",
    "parse_position",
]

KEYS_LIMIT = 100_000
"""Most keys that a record names."""


@dataclass(frozen=True)
class Watermark:
    """How far a drain that read its source to the end moves the log.

    `ticks`: the update time up to which the source was read, in ticks of 100 ns since 1970.
    `overlap`: how far below it the next drain will read again.
    """

    ticks: int
    overlap: timedelta = timedelta(minutes=15)

    @property
    def overlap_start(self) -> int:
        """Ticks from which on the next drain will read."""
        return self.ticks - self.overlap // timedelta(microseconds=1) * (TICKS_PER_SECOND // 1_000_000)


@dataclass(frozen=True)
class RestPosition:
    """Where a REST source and tenant stands.

    `watermark`: ticks up to which the log is complete, None before the first whole drain.
    `filters`: the filters for which it is.
    `keys`: versions landed or rejected, as a table of key, version and ticks.
    `keys_from`: ticks from which on `keys` names every such version; None: it does nowhere, so a drain
    must look into the partitions themselves.
    `keys_capped`: whether the overlap held more versions than a record names.
    """

    watermark: int | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    keys: pa.Table = field(default_factory=KEYS.empty_table)
    keys_from: int | None = None
    keys_capped: bool = False

    @property
    def watermark_text(self) -> str | None:
        """The watermark as the API writes it, with all seven fraction digits."""
        return _text(self.watermark)

    def moved_from(self, before: RestPosition) -> bool:
        """Whether this position stands elsewhere than `before`, whatever keys they name."""
        return (before.watermark, before.filters) != (self.watermark, self.filters)

    def dump(self) -> dict[str, Any]:
        """The position as JSON values."""
        return {
            "type": "rest",
            "watermark": self.watermark_text,
            "filters": dict(self.filters),
            "keys_from": _text(self.keys_from),
            "keys_capped": self.keys_capped,
            "keys": {name: self.keys[name].to_pylist() for name in ("key", "version")},
        }

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> RestPosition:
        """The position from JSON values; raises `KeyError`, `TypeError`, `ValueError` where they are none."""
        key, version = values["keys"]["key"], values["keys"]["version"]
        columns = [
            pa.array(key, pa.string()),
            pa.array(version, pa.string()),
            pa.array([ticks_of(text) for text in version], pa.int64()),
        ]
        return cls(
            watermark=_ticks(values["watermark"]),
            filters=values["filters"],
            keys=pa.table(columns, schema=KEYS),
            keys_from=_ticks(values["keys_from"]),
            keys_capped=values["keys_capped"],
        )


class Position(Protocol):
    """What the kinds of positions have in common."""

    def moved_from(self, before: Self) -> bool:
        """Whether this position stands elsewhere than `before`, so that a record has to say so."""
        ...

    def dump(self) -> dict[str, Any]:
        """The position as JSON values."""
        ...


if TYPE_CHECKING:
    P = TypeVar("P", bound=Position, default=RestPosition)
else:  # the default is for type checkers only
    P = TypeVar("P", bound=Position)


class Change(Protocol[P]):
    """What one run adds to a position of its kind."""

    def apply(self, position: P, *, rebased: bool) -> P:
        """The position after this change; `rebased` where other commits came between read and commit."""
        ...


def parse_position(values: Mapping[str, Any]) -> RestPosition | HubPosition:
    """The position of a record; raises `KeyError`, `TypeError`, `ValueError` where none is known here."""
    if values["type"] == "rest":
        return RestPosition.parse(values)
    if values["type"] == "hub":
        return HubPosition.parse(values)
    raise ValueError(f"position of type {values['type']!r} is not known to this release")


@dataclass(frozen=True)
class RestChange:
    """What one run adds to the position of its log, whatever that is by the time of its commit.

    `read`: the versions that the run has read, landed or not; `read_complete_from`: the ticks from which
    on `read` names all of them (None: all). `since`: the update time from which on a drain has read its
    source (None: from the beginning). `advance` is None for runs that leave the watermark where it is.
    """

    read: pa.Table
    read_complete_from: int | None = None
    since: int | None = None
    advance: Watermark | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, position: RestPosition, *, rebased: bool) -> RestPosition:
        """The position after this change; `rebased` where other commits came between read and commit."""
        after = position if self.advance is None else self._advanced(position, self.advance, rebased)
        if after.watermark is None or after.keys_from is None:
            return RestPosition(after.watermark, after.filters)
        return self._with_read(after, after.keys_from)

    def _advanced(self, position: RestPosition, advance: Watermark, rebased: bool) -> RestPosition:
        """`position` moved to where the drain has read, with the old keys that the next one can meet."""
        if position.watermark is not None and position.watermark > advance.ticks:
            advance = replace(advance, ticks=position.watermark)
        start = max(advance.overlap_start, self.since or advance.overlap_start)
        keys_from: int | None = start
        if rebased:  # others have landed what this drain could not compare with; their keys name it from here
            keys_from = None if position.keys_from is None else max(start, position.keys_from)
        old = position.keys
        if not rebased:  # a version without an update time that this whole drain did not meet stays away
            old = old.filter(pc.less(old["ticks"], TIMELESS))
        return RestPosition(advance.ticks, self.filters, old, keys_from)

    def _with_read(self, position: RestPosition, start: int) -> RestPosition:
        """`position` with the versions read, from `start` on, within the limit."""
        keys_from = max(start, self.read_complete_from or start)
        keys = _merged(since(position.keys, keys_from), since(self.read, keys_from))
        bound = bound_for(keys["ticks"], KEYS_LIMIT)
        if bound is not None:
            keys_from, keys = bound, since(keys, bound)
        capped = position.keys_capped or keys_from > start
        if keys_from >= TIMELESS:
            return RestPosition(position.watermark, position.filters, keys_capped=True)
        return RestPosition(position.watermark, position.filters, keys, keys_from, capped)


def _merged(old: pa.Table, read: pa.Table) -> pa.Table:
    """Both without repeats; neither has any of its own."""
    if old.num_rows and read.num_rows:
        again = pc.is_in(_texts(old), value_set=_texts(read))
        old = old.filter(pc.invert(again))
    return pa.concat_tables([old, read])


def _texts(keys: pa.Table) -> pa.Array:
    return joined(keys["key"], keys["version"]).cast(pa.string())


def _text(ticks: int | None) -> str | None:
    return None if ticks is None else format_ticks(ticks)


def _ticks(text: str | None) -> int | None:
    if text is None:
        return None
    ticks = parse_ticks(text)
    if ticks is None:
        raise ValueError(f"{text!r} is not a timestamp")
    return ticks
