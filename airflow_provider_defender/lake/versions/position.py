"""Where a REST source stands after a commit: the watermark, and the versions known above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.lake.log.position import registered
from airflow_provider_defender.lake.versions.keys import KEYS, TIMELESS, bound_for, joined, since, ticks_of
from airflow_provider_defender.timestamps import TICKS_PER_SECOND, format_ticks, parse_ticks

__all__ = ["BEGINNING", "KEYS_LIMIT", "VersionsChange", "VersionsPosition", "Watermark"]

KEYS_LIMIT = 100_000
"""The most keys that a commit lists."""

BEGINNING = -62_135_596_800 * TICKS_PER_SECOND
"""Year 1, where a drain that reads all of its source begins."""


class _Keys(msgspec.Struct):
    key: list[str]
    version: list[str]


class _Shape(msgspec.Struct):
    """The types of the values of such a position in a commit."""

    watermark: str | None
    filters: dict[str, Any]
    begun_from: str | None
    keys: _Keys
    keys_from: str | None
    keys_capped: bool


@dataclass(frozen=True)
class Watermark:
    """How far a drain moves the log.

    `ticks`: the update time up to which the source was read, in ticks of 100 ns since 1970.
    `overlap`: how far below it the next drain will read again.
    `complete`: whether the drain read its source to the end. If not, it has read all that was updated before
    `ticks`, and of the rest perhaps some.
    """

    ticks: int
    overlap: timedelta = timedelta(minutes=15)
    complete: bool = True

    @property
    def overlap_start(self) -> int:
        """The ticks from which on the next drain will read."""
        return self.ticks - self.overlap // timedelta(microseconds=1) * (TICKS_PER_SECOND // 1_000_000)


@registered
@dataclass(frozen=True)
class VersionsPosition:
    """Where a REST source stands, for one tenant. All times are update times, in ticks of 100 ns since 1970.

    Attributes:
        watermark: the time up to which the log is complete; None before a drain has reached one.
        filters: the filters for which it is complete, as JSON values.
        keys: versions landed or rejected, as a table with the schema `keys.KEYS`: key, version, ticks.
        keys_from: the time from which on `keys` lists every such version; None: it never does, so a drain
            must look into the partitions themselves.
        keys_capped: whether the overlap held more versions than a commit lists.
        begun_from: the earliest start of a drain that was cut off before the first watermark, since what it
            was to read must still be read; None if there was none, or once there is a watermark.
    """

    tag: ClassVar[str] = "versions"

    watermark: int | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    keys: pa.Table = field(default_factory=KEYS.empty_table)
    keys_from: int | None = None
    keys_capped: bool = False
    begun_from: int | None = None

    @property
    def watermark_text(self) -> str | None:
        """The watermark as the API writes it, with all seven fraction digits."""
        return _text(self.watermark)

    def moved_from(self, before: VersionsPosition) -> bool:
        """Whether watermark or filters differ from those of `before`; the keys do not matter."""
        return (before.watermark, before.filters) != (self.watermark, self.filters)

    def dump(self) -> dict[str, Any]:
        """The position as JSON values."""
        return {
            "watermark": self.watermark_text,
            "filters": dict(self.filters),
            "begun_from": _text(self.begun_from),
            "keys_from": _text(self.keys_from),
            "keys_capped": self.keys_capped,
            "keys": {name: self.keys[name].to_pylist() for name in ("key", "version")},
        }

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> VersionsPosition:
        """The position from JSON values. Raises `ValueError` if they are not valid."""
        msgspec.convert(values, _Shape)
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
            begun_from=_ticks(values["begun_from"]),
        )


@dataclass(frozen=True)
class VersionsChange:
    """What one run adds to the position of its log, whatever that is at the time of its commit.

    Attributes:
        read: the versions that the run has read, landed or not, as a table with the schema `keys.KEYS`.
        read_complete_from: the ticks from which on `read` lists all of them; None: it lists all.
        since: the update time, in ticks, from which on a drain has read its source; None: from the beginning.
        advance: the new watermark; None for runs that leave it where it is.
        filters: the run's filters, as JSON values.
        cut_off: whether this is a drain that did not read its source to the end.
        first: whether the log had no commit when the run began.
    """

    read: pa.Table
    read_complete_from: int | None = None
    since: int | None = None
    advance: Watermark | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    cut_off: bool = False
    first: bool = False

    def apply(self, position: VersionsPosition, *, rebased: bool) -> VersionsPosition:
        """The position after this change; `rebased`: other commits came between reading and committing."""
        after = position if self.advance is None else self._advanced(position, self.advance, rebased)
        if after.watermark is None:
            return VersionsPosition(filters=after.filters, begun_from=self._begun_from(after.begun_from))
        if after.keys_from is None:
            return VersionsPosition(after.watermark, after.filters)
        return self._with_read(after, after.keys_from)

    def _begun_from(self, before: int | None) -> int | None:
        """The earliest moment that a drain without a watermark began from, this one included."""
        if not self.cut_off:
            return before
        began = BEGINNING if self.since is None else self.since
        return began if before is None else min(before, began)

    def _advanced(self, position: VersionsPosition, advance: Watermark, rebased: bool) -> VersionsPosition:
        """`position` moved to where the drain has read, with the old keys that the next drain can meet."""
        if position.watermark is not None and position.watermark > advance.ticks:
            advance = replace(advance, ticks=position.watermark)
        start = max(advance.overlap_start, self.since or advance.overlap_start)
        keys_from: int | None = start
        if rebased or (self.cut_off and not self.first):
            # Others, or earlier runs, have landed versions that this drain did not meet: their keys tell.
            keys_from = None if position.keys_from is None else max(start, position.keys_from)
        old = position.keys
        if not rebased and not self.cut_off:  # forget versions without an update time that it did not meet
            old = old.filter(pc.less(old["ticks"], TIMELESS))
        return VersionsPosition(advance.ticks, self.filters, old, keys_from)

    def _with_read(self, position: VersionsPosition, start: int) -> VersionsPosition:
        """`position` with the versions read, from `start` on, within the limit."""
        keys_from = max(start, self.read_complete_from or start)
        keys = _merged(since(position.keys, keys_from), since(self.read, keys_from))
        bound = bound_for(keys["ticks"], KEYS_LIMIT)
        if bound is not None:
            keys_from, keys = bound, since(keys, bound)
        capped = position.keys_capped or keys_from > start
        if keys_from >= TIMELESS:
            return VersionsPosition(position.watermark, position.filters, keys_capped=True)
        return VersionsPosition(position.watermark, position.filters, keys, keys_from, capped)


def _merged(old: pa.Table, read: pa.Table) -> pa.Table:
    """Both without duplicates; neither has any of its own."""
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
