"""Microsoft's timestamp texts, kept exact: 0 to 7 fraction digits, in UTC, counted in ticks of 100 ns.

`datetime` only holds microseconds, so a watermark converted to it would move by up to 900 ns, and
an alert could be missed. Everything that compares update times therefore uses ticks.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

__all__ = [
    "TICKS_PER_SECOND",
    "datetime_to_ticks",
    "format_ticks",
    "moment_to_ticks",
    "parse_iso_8601",
    "parse_ticks",
    "ticks_to_datetime",
]

TICKS_PER_SECOND = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(Z|z|[+-]\d\d:?\d\d)?\Z", re.ASCII
)
_HOURS, _MINUTES = 24, 60  # of a day, and of an hour; a minute has as many seconds
_ISO_DATE = re.compile(
    r"(?P<year>\d{4})(?:(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"|(?P<week_dash>-?)W(?P<week>\d\d)(?P=week_dash)(?P<weekday>\d)"
    r"|-(?P<day_of_year>\d{3}))\Z",
    re.ASCII,
)
_ISO_TIME = re.compile(
    r"(?P<hour>\d\d)"
    r"(?:(?P<colon>:?)(?P<minute>\d\d)(?:(?P=colon)(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r"(?: ?(?P<zone>[Zz]|(?P<sign>[+\-\u2212])"
    r"(?P<hours>\d\d)(?::?(?P<minutes>\d\d)(?::?(?P<seconds>\d\d))?)?))?\Z",
    re.ASCII,
)


def parse_ticks(text: str) -> int | None:
    """Ticks of 100 ns since 1970-01-01 UTC, or None if `text` is not a timestamp.

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
    """Seconds from 1970 to the start of a day; None if there is no such day."""
    try:
        return (date.fromisoformat(day) - _EPOCH.date()).days * 86_400
    except ValueError:
        return None


def moment_to_ticks(value: datetime | date | str) -> int | None:
    """Ticks of a time as a person gives it: a datetime, a date (its midnight) or an ISO 8601 text.

    No time zone means UTC. None if a text is no time.
    """
    if isinstance(value, datetime):
        return datetime_to_ticks(value)
    if isinstance(value, date):
        return datetime_to_ticks(datetime.combine(value, time()))
    return parse_iso_8601(value.strip())


def parse_iso_8601(text: str) -> int | None:
    """Ticks of an ISO 8601 date, or date and time, as a person writes it; None if it is neither.

    Accepts all forms that give a complete moment: calendar, week and ordinal dates (`2026-11-22`,
    `2026-W47-7`, `2026-326`), extended and basic (`20261122T1000`), a time to the hour, minute, second or a
    fraction of it, and `Z` or an offset. A date alone means its midnight; no time zone means UTC. As RFC 3339
    allows, a space may replace the `T`. A date without its day (`2026-11`) is no complete moment.
    """
    day, separator, time = re.fullmatch(r"([^T ]*)([T ]?)(.*)", text.replace("t", "T"), re.DOTALL).groups()  # type: ignore[union-attr]
    seconds = _iso_day(day)
    if seconds is None or bool(separator) != bool(time):
        return None
    ticks = seconds * TICKS_PER_SECOND
    if not separator:
        return ticks
    found = _ISO_TIME.match(time)
    within = _iso_time(found) if found else None
    return None if within is None else ticks + within


def _iso_day(text: str) -> int | None:
    """Seconds from 1970 to the start of a day, in any ISO 8601 form."""
    found = _ISO_DATE.match(text)
    if found is None:
        return None
    year = int(found["year"])
    try:
        if found["week"]:
            day = date.fromisocalendar(year, int(found["week"]), int(found["weekday"]))
        elif found["day_of_year"]:
            day = date(year, 1, 1) + timedelta(days=int(found["day_of_year"]) - 1)
        else:
            day = date(year, int(found["month"]), int(found["day"]))
    except (ValueError, OverflowError):
        return None
    # Day 000, or 366 in a year of 365 days, belongs to another year.
    same_year = not found["day_of_year"] or day.year == year
    return (day - _EPOCH.date()).days * 86_400 if same_year else None


def _iso_time(found: re.Match[str]) -> int | None:
    """Ticks from midnight UTC to a time of day; None if a part is out of range."""
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    fraction = int((found["fraction"] or "")[:7].ljust(7, "0"))
    midnight = hour == _HOURS and not (minute or second or fraction)  # the day's end, as ISO 8601 allows
    offset = [int(found[part] or 0) for part in ("hours", "minutes", "seconds")]
    smaller = max(minute, second, *offset[1:])
    if (hour >= _HOURS and not midnight) or smaller >= _MINUTES or offset[0] >= _HOURS:
        return None
    east = -1 if found["sign"] in ("-", "\u2212") else 1
    seconds = hour * 3600 + minute * 60 + second
    seconds -= east * (offset[0] * 3600 + offset[1] * 60 + offset[2])
    return seconds * TICKS_PER_SECOND + fraction


def format_ticks(ticks: int) -> str:
    """The text with all seven fraction digits and `Z`, as in OData filters and the lake's commits."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    moment = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{moment.isoformat()}.{fraction:07d}Z"


def datetime_to_ticks(moment: datetime) -> int:
    """Ticks of a `datetime`; one without a zone is taken as UTC."""
    # Not by subtraction: Airflow passes pendulum datetimes, whose differences cannot be divided.
    return timegm(moment.utctimetuple()) * TICKS_PER_SECOND + moment.microsecond * 10


def ticks_to_datetime(ticks: int) -> datetime:
    """The UTC `datetime`, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ticks // 10)
