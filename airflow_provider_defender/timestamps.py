"""Microsoft's timestamp texts, kept exact: 0 to 7 fraction digits, in UTC, counted in ticks of 100 ns.

`datetime` holds microseconds only, so a watermark that went through it would move by up to 900 ns and
an alert could be passed over. Everything that compares update times therefore uses ticks.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

__all__ = ["TICKS_PER_SECOND", "datetime_to_ticks", "format_ticks", "parse_ticks", "ticks_to_datetime"]

TICKS_PER_SECOND = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(Z|z|[+-]\d\d:?\d\d)?\Z", re.ASCII
)


def parse_ticks(text: str) -> int | None:
    """Ticks of 100 ns since 1970-01-01 UTC, or None where `text` is not a timestamp.

    A text without a zone is UTC. Digits beyond the seventh are cut off.
    """
    match = _TEXT.match(text)
    if match is None:
        return None
    day, hour, minute, second, fraction, zone = match.groups()
    seconds = _seconds_before(day)
    if seconds is None or hour > "23" or minute > "59" or second > "59":
        return None
    ticks = (seconds + int(hour) * 3600 + int(minute) * 60 + int(second)) * TICKS_PER_SECOND
    if fraction:
        ticks += int(fraction[:7].ljust(7, "0"))
    if zone and zone not in "Zz":
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        ticks -= (minutes if zone[0] == "+" else -minutes) * 60 * TICKS_PER_SECOND
    return ticks


@lru_cache(maxsize=1024)
def _seconds_before(day: str) -> int | None:
    """Seconds from 1970 to the start of a day; None where there is no such day."""
    try:
        return (date.fromisoformat(day) - _EPOCH.date()).days * 86_400
    except ValueError:
        return None


def format_ticks(ticks: int) -> str:
    """The text with all seven fraction digits and `Z`, as OData filters and the lake's records use it."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    moment = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{moment.isoformat()}.{fraction:07d}Z"


def datetime_to_ticks(moment: datetime) -> int:
    """Ticks of a `datetime`; one without a zone is taken as UTC."""
    # Not by subtraction: Airflow gives pendulum's datetimes, whose differences cannot be divided.
    return timegm(moment.utctimetuple()) * TICKS_PER_SECOND + moment.microsecond * 10


def ticks_to_datetime(ticks: int) -> datetime:
    """The UTC `datetime`, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ticks // 10)
