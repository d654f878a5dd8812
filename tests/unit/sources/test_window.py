"""How a moment is given, and how a window is told."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.sources.window import Window, parse_moment

DAY = datetime(2026, 11, 20, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("None", None),
        ("2026-11-20", DAY),
        ("2026-11-20T00:00:00", DAY),
        ("2026-11-20T02:00:00+02:00", DAY),
        ("2026-11-20 00:00:00+00:00", DAY),
        (" 2026-11-20T00:00 ", DAY),
        ("2026-11-20T00:00Z", DAY),
        ("2026-11-20T01:00+01:00", DAY),
        ("2026-W47-5", DAY),
        (date(2026, 11, 20), DAY),
        (datetime(2026, 11, 20), DAY),
        (datetime(2026, 11, 20, 2, tzinfo=timezone(timedelta(hours=2))), DAY),
        (pendulum.datetime(2026, 11, 20, 1, tz="Europe/Berlin"), DAY),
    ],
)
def test_times_are_read_in_every_form_that_airflow_renders(value: Any, expected: datetime | None) -> None:
    moment = parse_moment("since", value)
    assert moment == expected
    assert moment is None or type(moment) is datetime


@pytest.mark.parametrize(
    "value", [1764460800, 17.5, True, b"2026-11-20", ["2026-11-20"], {"a": 1}, DAY.timetz(), timedelta(1)]
)
def test_what_is_no_text_and_no_time_is_named_with_its_type(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"since=.* is of type {type(value).__name__}"):
        parse_moment("since", value)


@pytest.mark.parametrize(
    "value",
    [
        *("0001-01-01T00:00+05:00", "9999-12-31T23:59-10:00", "9999-12-31T24:00"),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    ],
)
def test_what_utc_has_no_year_for_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="outside the years"):
        parse_moment("until", value)


# Windows ----------------------------------------------------------------------------------------


def test_a_window_without_bounds_goes_on_from_the_position() -> None:
    window = Window("watermark")
    assert window.incremental
    assert str(window) == "from the watermark on, by update time"
    assert str(Window("position", basis="enqueued")) == "from the position on, by offset"
    assert window.describe() == {"origin": "watermark", "by": "updated", "since": None, "until": None}


def test_a_window_with_bounds_says_them() -> None:
    window = Window("backfill partition", (DAY, DAY + timedelta(days=1)), "created")
    assert not window.incremental
    assert "2026-11-20T00:00:00+00:00 to 2026-11-21T00:00:00+00:00" in str(window)
    assert window.describe()["until"] == "2026-11-21T00:00:00+00:00"
