"""Waiting in place: pacing below the quota, `Retry-After`, and backoff, each with a bound.

Pure but for the clock and the sleep that are handed in, so tests wait for nothing.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Protocol

from airflow_provider_defender.exceptions import HostUnreachable, ServiceUnavailable, Throttled

__all__ = [
    "LONGEST_ANSWER",
    "NO_WAITING",
    "Pace",
    "Tries",
    "WaitLimits",
    "Waits",
    "backoff",
    "parse_retry_after",
]

LONGEST_ANSWER = 300.0
"""Seconds until an answer of the API must be whole."""

_FIRST_CONTACT = 10.0
_LONGEST_RETRY_AFTER = 24 * 3600.0
_DEFAULT_RETRY_AFTER = 30.0
_LONGEST_PACING = 60.0
_LONGEST_BACKOFF = 30.0


class Log(Protocol):
    """The part of a logger that is used here."""

    def info(self, message: str, /, *values: object) -> None:
        """Log at level INFO."""

    def warning(self, message: str, /, *values: object) -> None:
        """Log at level WARNING."""


@dataclass(frozen=True)
class WaitLimits:
    """How long we wait in place: tries of one request, seconds of one `Retry-After`, seconds in all.

    The seconds in all count waits, and requests that brought no whole answer.
    """

    tries: int = 8
    single_seconds: float = 30.0
    total_seconds: float = 900.0


NO_WAITING = WaitLimits(tries=1, single_seconds=0.0, total_seconds=0.0)


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait by a `Retry-After` header (whole seconds or an HTTP date), or None without one.

    `now` is the moment on the *service's* clock, as its dates count from there. At most a day.
    """
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"\d{1,18}(\.\d*)?", text, re.ASCII):
        return min(float(text), _LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def backoff(failures: int, jitter: float) -> float:
    """Seconds before the next try after `failures` (1, 2, …): doubling, at most 30; `jitter` in [0, 1)."""
    return min(_LONGEST_BACKOFF, 2.0 ** min(failures - 1, 16)) * (0.5 + jitter / 2)


class Pace:
    """Keeps our own calls within quotas such as 100 a minute and 1,500 an hour (sliding windows)."""

    def __init__(self, limits: Iterable[tuple[int, float]], clock: Callable[[], float]) -> None:
        self._limits = tuple(limits)
        self._clock = clock
        self._calls: deque[float] = deque(maxlen=max(count for count, _ in self._limits))

    def delay(self) -> float:
        """Seconds until one more call fits into every window; 0.0 when it fits now."""
        now = self._clock()
        waits = [
            self._calls[-count] + seconds - now
            for count, seconds in self._limits
            if len(self._calls) >= count
        ]
        return max([0.0, *waits])

    def note(self) -> None:
        """Count a call that is made now."""
        self._calls.append(self._clock())


class Waits:
    """The waits of one drain: sleeps within the limits, then raises what Airflow should do next.

    Args:
        log: says what is waited for.
        sleep: waits for seconds.
        jitter: a number in [0, 1) for each backoff.
        limits: how long to wait in place.
        clock: monotonic seconds.
        left: seconds that the drain has from now on. None: as many as it needs.
        reached_before: whether the hosts have answered earlier runs. Then a refused connection is an outage
            from the start, and not likely a wrong host.
    """

    def __init__(
        self,
        log: Log,
        *,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
        limits: WaitLimits = WaitLimits(),
        clock: Callable[[], float] = time.monotonic,
        left: float | None = None,
        reached_before: bool = False,
    ) -> None:
        self.limits = limits
        self.reached_before = reached_before
        self.waited_seconds = 0.0
        """Seconds slept."""
        self.lost_seconds = 0.0
        """Seconds of requests that brought no whole answer."""
        self.retries = 0
        self._log = log
        self._sleep = sleep
        self._jitter = jitter
        self._clock = clock
        self._page_begun = clock()
        self._end = float("inf") if left is None else self._page_begun + left

    def tries(self, what: str) -> Tries:
        """The tries of one request; `what` names it in messages."""
        return Tries(self, what)

    def begin_page(self) -> None:
        """Note that a page is asked for from now on."""
        self._page_begun = self._clock()

    @property
    def latest_answer(self) -> float:
        """The moment of the clock by which answers must have come.

        It is the drain's end; a page that was begun before has the time of one answer.
        """
        return max(self._end, self._page_begun + LONGEST_ANSWER)

    def pace(self, pace: Pace) -> None:
        """Wait until the pace allows one more call, and count it. Raises `Throttled` beyond a minute."""
        delay = pace.delay()
        if delay > 0:
            if delay > _LONGEST_PACING or not self._within_limits(delay):
                raise Throttled(
                    "Our own budget of API calls is used up (connection fields calls_per_minute and "
                    f"calls_per_hour): the next call may go out in {delay:.0f} s.",
                    retry_after=delay,
                )
            self._wait(delay, "to keep below the API's quota")
        pace.note()

    def _within_limits(self, seconds: float) -> bool:
        return self.waited_seconds + self.lost_seconds + seconds <= self.limits.total_seconds

    def _fits(self, seconds: float) -> bool:
        return self._within_limits(seconds) and self._clock() + seconds <= self._end

    def _wait(self, seconds: float, purpose: str, *details: str) -> None:
        self._log.info("Waiting %.1f s %s.", seconds, purpose)
        for detail in details:
            self._log.info("%s", detail)
        self.waited_seconds += seconds
        self._sleep(seconds)


class Tries:
    """The tries of one request."""

    def __init__(self, waits: Waits, what: str) -> None:
        self._waits = waits
        self._what = what
        self._outages = 0
        self._throttles = 0
        self._contacts = 0
        self._contact_seconds = 0.0
        self._begun: float | None = None

    def begin(self) -> None:
        """Note that a request goes out now: if it brings no whole answer, its time counts as waiting."""
        self._begun = self._waits._clock()

    def outage(self, seen: str, retry_after: float | None = None) -> None:
        """Wait before the next try after a failure that may heal; raises `ServiceUnavailable` at the end."""
        self._lose()
        self._outages += 1
        waits = self._waits
        seconds = backoff(self._outages, waits._jitter())
        if retry_after is not None:
            seconds = min(max(seconds, retry_after), waits.limits.single_seconds)
        if self._outages >= waits.limits.tries or not waits._fits(seconds):
            tries = "1 try" if self._outages == 1 else f"{self._outages} tries"
            raise ServiceUnavailable(
                f"{self._what} gave no whole answer in {tries}; the last one: {seen}"
            ) from None
        waits.retries += 1
        waits._wait(seconds, f"before try {self._outages + 1} of {waits.limits.tries}", self._what, seen)

    def throttled(self, seen: str, retry_after: float | None) -> None:
        """Wait as the service asks; raises `Throttled` where that is longer than we wait in place."""
        self._lose()
        self._throttles += 1
        waits = self._waits
        asked = _DEFAULT_RETRY_AFTER if retry_after is None else retry_after
        # A service that keeps asking for no wait at all must not be called without end.
        seconds = max(asked, min(backoff(self._throttles, 1.0), waits.limits.single_seconds))
        if asked > waits.limits.single_seconds or waits.limits == NO_WAITING or not waits._fits(seconds):
            raise Throttled(
                f"{self._what} is throttled ({seen}): it asks to wait {asked:.0f} s, after "
                f"{waits.waited_seconds:.0f} s of waiting in this run.",
                retry_after=asked,
            ) from None
        waits.retries += 1
        waits._wait(seconds, "as the service asks", f"{self._what} is throttled", seen)

    def unreached(self, final: HostUnreachable) -> None:
        """Wait before the next try of a host that was never reached; raises `final` after about 10 s."""
        self._contacts += 1
        waits = self._waits
        seconds = backoff(self._contacts, waits._jitter())
        self._contact_seconds += self._lose() + seconds
        if self._contact_seconds > _FIRST_CONTACT or waits.limits == NO_WAITING or not waits._fits(seconds):
            raise final from None
        waits.retries += 1
        waits._wait(seconds, f"before try {self._contacts + 1}", str(final))

    def _lose(self) -> float:
        """Count the time of the request that has failed; return it."""
        lost = 0.0 if self._begun is None else max(0.0, self._waits._clock() - self._begun)
        self._begun = None
        self._waits.lost_seconds += lost
        return lost
