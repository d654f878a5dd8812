"""Parsing of times that users pass to the hooks' methods."""

from __future__ import annotations

from datetime import date, datetime

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.timestamps import moment_to_ticks, ticks_to_datetime

__all__ = ["Moment", "read_moment"]

Moment = datetime | date | str
"""A time: a datetime, a date (its midnight) or a text in ISO 8601. Without a zone it is UTC."""


def read_moment(name: str, value: Moment) -> int:
    """Ticks of 100 ns since 1970 UTC. Raises `ConfigurationError` if `value` is no time."""
    try:
        ticks = moment_to_ticks(value) if isinstance(value, (date, str)) else None
        if ticks is not None:
            ticks_to_datetime(ticks)
    except OverflowError:
        raise ConfigurationError(f"{name}={value!r} lies outside the years 1 to 9999 in UTC.") from None
    if ticks is None:
        raise ConfigurationError(
            f"{name}={value!r} is not a time: give a datetime, a date, or a text in ISO 8601 such as "
            "2026-11-22T10:00:00Z."
        )
    return ticks
