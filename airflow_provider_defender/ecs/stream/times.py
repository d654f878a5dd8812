"""Choosing the clock of a row's time: the record's, the envelope's or the broker's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.landing import TIMESTAMP

from ..columns import only_where
from ..engine.rows import constant_column

__all__ = ["NEWEST_TEXT", "OLDEST", "OLDEST_TEXT", "Clocks", "timestamps"]

OLDEST = pa.scalar(datetime(2010, 1, 1, tzinfo=timezone.utc), TIMESTAMP)
OLDEST_TEXT, NEWEST_TEXT = "2010", "3"
"""Nothing was exported before this: year 1 and 1970 are defaults of clocks and programs without a time."""
_MOST_BEFORE = pa.scalar(timedelta(days=400), pa.duration("us"))
_MOST_AFTER = pa.scalar(timedelta(days=1), pa.duration("us"))


@dataclass(frozen=True)
class Clocks:
    """The times of records by clock, and the start of the run that reads them.

    `enveloped`: whether such records have an envelope at all.
    """

    record: pa.Array
    envelope: pa.Array
    broker: pa.Array
    ingested: datetime | None
    enveloped: bool


def timestamps(clocks: Clocks) -> tuple[pa.Array, pa.Array]:
    """`@timestamp` and its clock: the record's, or else the envelope's, or else the broker's.

    A record's time that is over 400 days before the envelope's (or the broker's, if there is no envelope), or
    a day after it, comes from a wrong clock; likewise an envelope's time compared with the broker's. But two
    clocks that agree overrule the third (`_without_late_broker`, `_without_late_envelope`). Old times that
    agree with each other are right: they belong to an archive that was sent again.
    """
    if _is_usual(clocks):
        return clocks.record, constant_column("record", pa.string(), len(clocks.record))
    written = clocks.envelope
    broker = _without_late_broker(clocks)
    sent = _without_late_envelope(_possible(written), clocks.record, broker)
    envelope = _near(sent, broker)
    usable = _usable(clocks.record, sent, envelope, broker)
    if not usable.null_count:
        return usable, constant_column("record", pa.string(), len(usable))
    # A doubtful time is better than none.
    known = pc.coalesce(envelope, only_where(pc.is_null(broker), written))
    origins = pc.if_else(pc.is_valid(known), "envelope", "broker")
    names = pc.if_else(pc.is_valid(usable), "record", origins)
    return pc.coalesce(usable, known, broker, clocks.broker), names


def _is_usual(clocks: Clocks) -> bool:
    """Whether all records' times are near all the others, so that no clock can be wrong: a quick look."""
    if clocks.record.null_count or not len(clocks.record):
        return False
    first, last = _bounds(clocks.record)
    others = [_bounds(column) for column in (clocks.envelope, clocks.broker) if not _is_null(column)]
    if clocks.ingested is not None and not _is_null(clocks.broker):
        latest = pa.scalar(clocks.ingested, TIMESTAMP).value + _MOST_AFTER.value
        if others[-1][1] > latest:
            return False
    return all(
        start >= OLDEST.value and last <= start + _MOST_AFTER.value and first >= end - _MOST_BEFORE.value
        for start, end in others
    )


def _is_null(column: pa.Array) -> bool:
    return bool(column.null_count == len(column))


def _bounds(times: pa.Array) -> tuple[int, int]:
    """The first and the last time, in microseconds since 1970."""
    bounds = pc.min_max(times)
    return bounds["min"].value, bounds["max"].value


def _usable(record: pa.Array, sent: pa.Array, envelope: pa.Array, broker: pa.Array) -> pa.Array:
    """The records' times if they are near the others, as they are in an archive."""
    usable = _near(record, pc.coalesce(envelope, broker))
    if usable.null_count > record.null_count:
        archived = pc.fill_null(pc.less(sent, broker), False)
        usable = pc.coalesce(usable, only_where(archived, _near(record, sent)))
    return usable


def _near(times: pa.Array, others: pa.Array) -> pa.Array:
    """The times; null if one is over 400 days before the other, or a day after it."""
    early = pc.less(times, pc.subtract(others, _MOST_BEFORE))
    late = pc.greater(times, pc.add(others, _MOST_AFTER))
    wrong = pc.or_(pc.fill_null(early, False), pc.fill_null(late, False))
    return pc.if_else(wrong, pa.scalar(None, TIMESTAMP), times)


def _possible(times: pa.Array, ingested: datetime | None = None) -> pa.Array:
    """The times; null before 2010, when nothing was exported, and over a day after the run's start."""
    possible = pc.greater_equal(times, OLDEST)
    if ingested is not None:
        possible = pc.and_(
            possible, pc.less_equal(times, pc.add(pa.scalar(ingested, TIMESTAMP), _MOST_AFTER))
        )
    return times if pc.all(possible).as_py() else only_where(possible, times)


def _is_behind(times: pa.Array, *others: pa.Array | pa.Scalar) -> pa.Array:
    """Whether a time is over a day before each of the others."""
    late = pc.add(times, _MOST_AFTER)
    behind = [pc.fill_null(pc.less(late, other), False) for other in others]
    return reduce(pc.and_, behind)


def _without_late_broker(clocks: Clocks) -> pa.Array:
    """The broker's times; null if its clock is over a day behind two others that agree.

    These are the record's and the envelope's or, for records without an envelope, the record's and the run's:
    the record was written before we read it.
    """
    record, sent = clocks.record, _possible(clocks.envelope)
    broker = _possible(clocks.broker, clocks.ingested)
    behind = _is_behind(broker, record, sent)
    if pc.any(behind).as_py():
        behind = pc.and_(behind, pc.is_valid(_near(record, sent)))
    if clocks.ingested is not None and not clocks.enveloped:
        latest = pc.add(pa.scalar(clocks.ingested, TIMESTAMP), _MOST_AFTER)
        read_later = pc.fill_null(pc.less_equal(record, latest), False)
        behind = pc.or_(behind, pc.and_(_is_behind(broker, record), read_later))
    return only_where(pc.invert(behind), broker)


def _without_late_envelope(sent: pa.Array, record: pa.Array, broker: pa.Array) -> pa.Array:
    """The envelope's times; null if over a day behind record and broker, which agree within a day."""
    behind = _is_behind(sent, record, broker)
    if not pc.any(behind).as_py():
        return sent
    apart = pc.or_(_is_behind(record, broker), _is_behind(broker, record))
    return only_where(pc.or_(pc.invert(behind), apart), sent)
