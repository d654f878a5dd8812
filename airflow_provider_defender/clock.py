"""The clock of runs, which tests can replace."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

__all__ = ["Clock"]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Clock:
    """The machine's clock, or a test's own.

    Args:
        now: returns the current time, as an aware datetime in UTC.
        monotonic: returns seconds that never go back, counted from an arbitrary moment.
        sleep: waits for a number of seconds.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
