"""The simulator's two clocks: the tenant's, which the tests or the wall move, and the services' own."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from email.utils import format_datetime

from airflow_provider_defender.timestamps import TICKS_PER_SECOND, datetime_to_ticks, ticks_to_datetime

__all__ = ["ServiceClock", "TenantClock", "to_ticks"]


def to_ticks(span: timedelta) -> int:
    """A span of time in ticks of 100 ns."""
    return span // timedelta(microseconds=1) * 10


class TenantClock:
    """When it is in the tenant, in ticks of 100 ns; gives update times and the `Date` header.

    It stands still until `advance`, or with `running` goes on with real time from `start`.
    """

    def __init__(self, start: datetime, *, running: bool = False) -> None:
        self._base = datetime_to_ticks(start)
        self._running = running
        self._started = time.monotonic()

    def ticks(self) -> int:
        """Now, in ticks since 1970."""
        if not self._running:
            return self._base
        return self._base + int((time.monotonic() - self._started) * TICKS_PER_SECOND)

    def advance(self, ticks: int) -> None:
        """Set the clock forward; it never goes back."""
        if ticks < 0:
            raise ValueError("The tenant's clock cannot go back")
        self._base += ticks

    def date_header(self) -> str:
        """Now, as HTTP's `Date` header (whole seconds, cut)."""
        return format_datetime(ticks_to_datetime(self.ticks()), usegmt=True)


class ServiceClock:
    """The clock of tokens and quotas: real time, plus what a test says has passed."""

    def __init__(self) -> None:
        self._shift = 0.0

    def seconds(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._shift

    def elapse(self, seconds: float) -> None:
        """Let time pass without waiting: tokens run out, quotas fill up again."""
        self._shift += seconds
