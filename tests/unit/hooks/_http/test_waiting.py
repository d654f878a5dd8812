from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.exceptions import HostUnreachable, ServiceUnavailable, Throttled
from airflow_provider_defender.hooks._http.rate_limiter import RateLimiter
from airflow_provider_defender.hooks._http.waiting import (
    NO_WAITING,
    WaitLimits,
    Waits,
    backoff,
    parse_retry_after,
)

_NOW = datetime(2026, 1, 9, 12, tzinfo=timezone.utc)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def _waits(clock: Clock, limits: WaitLimits | None = None, **options: Any) -> Waits:
    return Waits(
        logging.getLogger(__name__),
        sleep=clock.sleep,
        jitter=lambda: 0.5,
        limits=limits or WaitLimits(),
        clock=clock,
        **options,
    )


def _for_ever(act: Callable[[], None]) -> None:
    for _ in range(1000):
        act()


# -- Retry-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("26", 26.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        (format_datetime(_NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(_NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("99999999", 86_400.0),
        (format_datetime(_NOW + timedelta(days=400), usegmt=True), 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_read(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, _NOW) == seconds


@given(st.text() | st.integers().map(str) | st.floats().map(str))
def test_no_retry_after_raises_or_asks_for_more_than_a_day(text: str) -> None:
    seconds = parse_retry_after(text, _NOW)
    assert seconds is None or 0.0 <= seconds <= 86_400.0


@given(st.integers(0, 86_400))
def test_a_date_means_the_same_as_seconds(seconds: int) -> None:
    date = format_datetime(_NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(date, _NOW) == parse_retry_after(str(seconds), _NOW) == seconds


# -- backoff


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_grows_and_is_capped(failures: int, jitter: float) -> None:
    seconds = backoff(failures, jitter)
    assert 0.5 <= seconds <= 30.0
    assert seconds <= backoff(failures + 1, jitter)


# -- pacing


@given(
    st.lists(st.tuples(st.integers(1, 20), st.floats(1.0, 500.0)), min_size=1, max_size=3),
    st.lists(st.floats(0.0, 60.0), max_size=100),
)
def test_no_window_ever_holds_more_calls_than_allowed(
    limits: list[tuple[int, float]], gaps: list[float]
) -> None:
    clock = Clock()
    limiter = RateLimiter(limits, clock)
    calls: list[float] = []
    for gap in gaps:
        clock.now += gap
        clock.now += limiter.delay()
        limiter.note()
        calls.append(clock.now)
    for count, seconds in limits:
        for first, beyond in zip(calls, calls[count:], strict=False):
            assert beyond - first >= seconds - 1e-6


def test_a_call_that_fits_does_not_wait() -> None:
    clock = Clock()
    limiter = RateLimiter([(100, 60.0), (1500, 3600.0)], clock)
    for _ in range(100):
        assert limiter.delay() == 0.0
        limiter.note()
    assert limiter.delay() == 60.0
    clock.now += 45
    assert limiter.delay() == 15.0


def test_a_full_minute_is_waited_for_and_a_full_hour_is_airflows() -> None:
    clock = Clock()
    waits = _waits(clock)
    limiter = RateLimiter([(2, 60.0), (4, 3600.0)], clock)
    for _ in range(4):
        waits.for_quota(limiter)
    assert clock.waits == [60.0]
    with pytest.raises(Throttled, match="calls_per_hour") as caught:
        waits.for_quota(limiter)
    assert caught.value.retry_after == 3540.0


# -- tries


def test_an_outage_is_tried_eight_times_and_then_given_to_airflow() -> None:
    clock = Clock()
    tries = _waits(clock).tries("the API")
    for _ in range(7):
        tries.outage("HTTP 503")
    with pytest.raises(
        ServiceUnavailable, match=r"the API gave no whole answer in 8 tries; the last one: HTTP 503"
    ):
        tries.outage("HTTP 503")
    assert clock.waits == [0.75, 1.5, 3.0, 6.0, 12.0, 22.5, 22.5]


def test_throttles_do_not_use_up_the_tries_of_an_outage() -> None:
    clock = Clock()
    tries = _waits(clock).tries("the API")
    for _ in range(10):
        tries.throttled("HTTP 429", 26.0)
    for _ in range(7):
        tries.outage("HTTP 503")
    with pytest.raises(ServiceUnavailable, match="in 8 tries"):
        tries.outage("HTTP 503")


def test_a_retry_after_of_an_outage_is_kept_within_the_limit() -> None:
    clock = Clock()
    tries = _waits(clock).tries("the API")
    tries.outage("HTTP 503", 20.0)
    tries.outage("HTTP 503", 500.0)
    assert clock.waits == [20.0, 30.0]


def test_a_throttle_is_waited_for_as_asked() -> None:
    clock = Clock()
    waits = _waits(clock)
    waits.tries("the API").throttled("HTTP 429", 26.0)
    assert clock.waits == [26.0]
    assert waits.retries == 1


def test_a_long_throttle_is_airflows() -> None:
    clock = Clock()
    with pytest.raises(Throttled) as caught:
        _waits(clock).tries("the API").throttled("HTTP 429", 31.0)
    assert caught.value.retry_after == 31.0
    assert clock.waits == []


def test_a_throttle_without_a_time_waits_longer_each_time() -> None:
    clock = Clock()
    tries = _waits(clock).tries("the API")
    for _ in range(5):
        tries.throttled("HTTP 429", None)
    assert clock.waits == [5.0, 10.0, 20.0, 30.0, 30.0]


def test_all_waits_of_a_drain_end_after_a_quarter_of_an_hour() -> None:
    clock = Clock()
    waits = _waits(clock)
    for _ in range(36):
        waits.tries("the API").throttled("HTTP 429", 25.0)
    with pytest.raises(Throttled):
        waits.tries("the API").throttled("HTTP 429", 25.0)
    assert sum(clock.waits) == waits.waited_seconds == 900.0


def test_a_service_that_asks_for_no_wait_is_not_called_without_end() -> None:
    clock = Clock()
    tries = _waits(clock).tries("the API")
    with contextlib.suppress(Throttled):
        for _ in range(1000):
            tries.throttled("HTTP 429", 0.0)
    assert len(clock.waits) < 50


@pytest.mark.parametrize("retry_after", [None, 0.0, 5.0])
def test_a_connection_test_waits_for_nothing(retry_after: float | None) -> None:
    clock = Clock()
    with pytest.raises(Throttled):
        _waits(clock, NO_WAITING).tries("the API").throttled("HTTP 429", retry_after)
    with pytest.raises(ServiceUnavailable, match="1 try;"):
        _waits(clock, NO_WAITING).tries("the API").outage("HTTP 503")
    assert clock.waits == []


def test_requests_that_bring_nothing_use_up_the_quarter_of_an_hour_too() -> None:
    """Each hangs for a minute: the eight tries of a page would fit, those of many pages do not."""
    clock = Clock()
    waits = _waits(clock)

    def hang() -> None:
        tries = waits.tries("the API")
        tries.begin()
        clock.now += 60
        tries.outage("no answer in time")

    with pytest.raises(ServiceUnavailable):
        _for_ever(hang)
    assert waits.waited_seconds + waits.lost_seconds == pytest.approx(clock.now - 1000)
    assert 800 < clock.now - 1000 <= 960


def test_a_request_counts_once_and_a_good_one_does_not() -> None:
    clock = Clock()
    waits = _waits(clock)
    tries = waits.tries("the API")
    tries.begin()
    clock.now += 60
    tries.outage("HTTP 503")
    tries.throttled("HTTP 429", 1.0)
    tries.begin()
    clock.now += 500
    assert waits.lost_seconds == 60


def test_nothing_is_waited_for_beyond_the_drains_end() -> None:
    clock = Clock()
    waits = _waits(clock, left=20.0)
    waits.tries("the API").throttled("HTTP 429", 15.0)
    with pytest.raises(Throttled):
        waits.tries("the API").throttled("HTTP 429", 6.0)
    tries = waits.tries("the API")
    tries.outage("HTTP 503")
    tries.outage("HTTP 503")
    with pytest.raises(ServiceUnavailable, match="in 3 tries"):
        tries.outage("HTTP 503")
    assert sum(clock.waits) < 20


def test_a_page_asked_for_before_the_drains_end_has_the_time_of_one_answer() -> None:
    clock = Clock()
    waits = _waits(clock, left=1000.0)
    assert waits.latest_answer == 2000.0
    clock.now = 1990.0
    waits.begin_page()
    assert waits.latest_answer == 1990.0 + 300.0
    assert _waits(clock).latest_answer == float("inf")


def test_the_rate_is_kept_also_near_the_drains_end() -> None:
    """It is below a minute, and no failure: the page that follows is taken, and the drain ends."""
    clock = Clock()
    waits = _waits(clock, left=10.0)
    limiter = RateLimiter([(1, 60.0)], clock)
    waits.for_quota(limiter)
    waits.for_quota(limiter)
    assert clock.waits == [60.0]


@pytest.mark.parametrize("seconds", [0.0, 3.0, 60.0])
def test_a_host_that_was_never_reached_is_tried_for_about_ten_seconds(seconds: float) -> None:
    clock = Clock()
    tries = _waits(clock).tries("the API")

    def refuse() -> None:
        tries.begin()
        clock.now += seconds
        tries.unreached(HostUnreachable("refused"))

    with pytest.raises(HostUnreachable, match="refused"):
        _for_ever(refuse)
    assert clock.now - 1000 <= 10 + seconds
    assert len(clock.waits) == {0.0: 3, 3.0: 2, 60.0: 0}[seconds]


def test_a_connection_test_makes_one_contact() -> None:
    clock = Clock()
    with pytest.raises(HostUnreachable):
        _waits(clock, NO_WAITING).tries("the API").unreached(HostUnreachable("refused"))
    assert clock.waits == []


def test_what_is_waited_for_is_said_in_short_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _waits(Clock()).tries("Connection 'defender_default': the API at api.security.microsoft.com").outage(
        "x" * 90
    )
    assert caplog.messages == [
        "Waiting 0.8 s before try 2 of 8.",
        "Connection 'defender_default': the API at api.security.microsoft.com",
        "x" * 90,
    ]
