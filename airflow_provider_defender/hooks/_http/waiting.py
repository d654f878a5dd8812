"""Waiting in place: for the quota, for `Retry-After`, and with backoff, each with a limit.

Clock and sleep are passed in, so tests need not wait.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from airflow_provider_defender.exceptions import HostUnreachable, ServiceUnavailable, Throttled
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._http.rate_limiter import RateLimiter

__all__ = [
    "LONGEST_ANSWER",
    "NO_WAITING",
    "Tries",
    "WaitLimits",
    "Waits",
    "backoff",
    "parse_retry_after",
]

LONGEST_ANSWER = 300.0
"""Seconds within which a response of the API must be complete."""

_FIRST_CONTACT = 10.0
_LONGEST_RETRY_AFTER = 24 * 3600.0
_FIRST_THROTTLE = 5.0
_LONGEST_WAIT_FOR_QUOTA = 60.0
_LONGEST_BACKOFF = 30.0


@dataclass(frozen=True)
class WaitLimits:
    """The limits of waiting in place: tries of one request, seconds of one `Retry-After`, seconds in all.

    The seconds in all include waits and failed requests.
    """

    tries: int = 8
    single_seconds: float = 30.0
    total_seconds: float = 900.0


NO_WAITING = WaitLimits(tries=1, single_seconds=0.0, total_seconds=0.0)


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """The seconds of a `Retry-After` header (whole seconds or an HTTP date), at most a day; None without one.

    `now` is the time by the *service's* clock, to which its dates refer.
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


class Waits:
    """The waits of one drain: sleeps within the limits, then raises what Airflow should do next.

    Args:
        log: logs what it waits for.
        sleep: waits for seconds.
        jitter: returns a random number in [0, 1) for each backoff.
        limits: how long to wait in place.
        clock: monotonic seconds.
        left: the seconds that the drain has left; None: unlimited.
        reached_before: whether the hosts have answered earlier runs. Then a refused connection is an outage
            from the start, and not probably a wrong host.
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
        """Seconds of failed requests."""
        self.retries = 0
        self._log = log
        self._sleep = sleep
        self._jitter = jitter
        self._clock = clock
        self._page_begun = clock()
        self._end = float("inf") if left is None else self._page_begun + left

    def tries(self, what: str, most: int | None = None) -> Tries:
        """The tries of one request; `what` names it in messages, `most` limits them further."""
        return Tries(self, what, min(self.limits.tries, most or self.limits.tries))

    def begin_page(self) -> None:
        """Note that a page is requested from now on."""
        self._page_begun = self._clock()

    @property
    def latest_answer(self) -> float:
        """The moment of the clock at which responses must be complete.

        It is the drain's end; a page that was requested before has the time of one response.
        """
        return max(self._end, self._page_begun + LONGEST_ANSWER)

    def for_quota(self, limiter: RateLimiter) -> None:
        """Wait until the limiter allows one more call, and count it. `Throttled` beyond a minute."""
        delay = limiter.delay()
        if delay > 0:
            if delay > _LONGEST_WAIT_FOR_QUOTA or not self._within_limits(delay):
                raise Throttled(
                    "Our own budget of API calls is used up (connection fields calls_per_minute and "
                    f"calls_per_hour): the next call may go out in {delay:.0f} s.",
                    retry_after=delay,
                )
            self._wait(delay, "to keep below the API's quota")
        limiter.note()

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

    def __init__(self, waits: Waits, what: str, most: int) -> None:
        self._waits = waits
        self._what = what
        self._most = most
        self._outages = 0
        self._throttles = 0
        self._contacts = 0
        self._contact_seconds = 0.0
        self._begun: float | None = None

    def begin(self) -> None:
        """Note that a request is sent now: if it fails, its time counts as waiting."""
        self._begun = self._waits._clock()

    def outage(self, seen: str, retry_after: float | None = None) -> None:
        """Wait before a retry after a transient failure; raises `ServiceUnavailable` after the last try."""
        self._lose()
        self._outages += 1
        waits = self._waits
        seconds = backoff(self._outages, waits._jitter())
        if retry_after is not None:
            seconds = min(max(seconds, retry_after), waits.limits.single_seconds)
        if self._outages >= self._most or not waits._fits(seconds):
            tries = "1 try" if self._outages == 1 else f"{self._outages} tries"
            raise ServiceUnavailable(
                f"{self._what} gave no whole answer in {tries}; the last one: {seen}"
            ) from None
        waits.retries += 1
        waits._wait(seconds, f"before try {self._outages + 1} of {self._most}", self._what, seen)

    def throttled(self, seen: str, retry_after: float | None) -> None:
        """Wait as the service asks; raises `Throttled` if that is longer than the limits allow.

        If the service names no time, as Graph may, the wait grows from 5 to 30 s.
        """
        self._lose()
        self._throttles += 1
        waits = self._waits
        unnamed = min(_LONGEST_BACKOFF, _FIRST_THROTTLE * 2.0 ** min(self._throttles - 1, 16))
        asked = unnamed if retry_after is None else retry_after
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
        """Wait before retrying a host that was never reached; raises `final` after about 10 s."""
        self._contacts += 1
        waits = self._waits
        seconds = backoff(self._contacts, waits._jitter())
        self._contact_seconds += self._lose() + seconds
        if self._contact_seconds > _FIRST_CONTACT or waits.limits == NO_WAITING or not waits._fits(seconds):
            raise final from None
        waits.retries += 1
        waits._wait(seconds, f"before try {self._contacts + 1}", str(final))

    def _lose(self) -> float:
        """Count the time of the failed request, and return it."""
        lost = 0.0 if self._begun is None else max(0.0, self._waits._clock() - self._begun)
        self._begun = None
        self._waits.lost_seconds += lost
        return lost
