"""The window of a run, and parsing of moments given by users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.timestamps import moment_to_ticks, ticks_to_datetime

__all__ = ["Basis", "Window", "parse_moment"]

Basis = Literal["created", "updated", "enqueued"]
_AS_ISO_8601 = (
    "Write it as ISO 8601, for example 2026-11-22T00:00:00Z or 2026-11-22; for now, leave until empty."
)


@dataclass(frozen=True)
class Window:
    """The window that one run reads.

    `bounds` are start (inclusive) and end (exclusive) in UTC, of the time that `basis` names. Without bounds,
    it is an incremental drain, from the log's watermark (for a hub: its position) to the source's current
    end. `origin` says where the window comes from, for people.
    """

    origin: str
    bounds: tuple[datetime, datetime] | None = None
    basis: Basis = "updated"

    @property
    def incremental(self) -> bool:
        """Whether this run continues from the watermark or position, and may advance it."""
        return self.bounds is None

    def __str__(self) -> str:
        if self.bounds is None:
            return f"from the {self.origin} on, by {'offset' if self.basis == 'enqueued' else 'update time'}"
        since, until = self.bounds
        return f"{since.isoformat()} to {until.isoformat()} ({self.origin}), by time {self.basis}"

    def describe(self) -> dict[str, str | None]:
        """The window as in the lake's commit and the operator's summary."""
        since, until = self.bounds or (None, None)
        return {
            "origin": self.origin,
            "by": self.basis,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        }


def parse_moment(name: str, value: Any) -> datetime | None:
    """Parse a parameter that is a time: ISO 8601 text, a date, or a datetime. No time zone means UTC.

    An empty text and `"None"` (how a template renders an absent value) are None.

    Raises:
        ConfigurationError: the value is no time, or outside the years 1 to 9999 in UTC.
    """
    if value is None or (isinstance(value, str) and value.strip() in ("", "None")):
        return None
    if not isinstance(value, (date, str)):
        raise ConfigurationError(f"{name}={value!r} is of type {type(value).__name__}. {_AS_ISO_8601}")
    try:
        ticks = moment_to_ticks(value)
        if ticks is None:
            raise ConfigurationError(f"{name}={value!r} is not a time. {_AS_ISO_8601}")
        return ticks_to_datetime(ticks)  # a plain datetime, also from Airflow's pendulum
    except OverflowError:
        raise ConfigurationError(f"{name}={value!r} lies outside the years 1 to 9999 in UTC.") from None
