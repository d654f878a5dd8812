"""Update times keep all of their seven digits."""

from __future__ import annotations

from datetime import datetime, timezone

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.timestamps import (
    datetime_to_ticks,
    format_ticks,
    parse_ticks,
    ticks_to_datetime,
)

TICKS = st.integers(min_value=0, max_value=parse_ticks("9999-12-31T23:59:59.9999999Z") or 0)


@pytest.mark.parametrize(
    ("trimmed", "full"),
    [
        ("2021-01-26T20:33:59Z", "2021-01-26T20:33:59.0000000Z"),
        ("2021-01-26T20:33:59.2Z", "2021-01-26T20:33:59.2000000Z"),
        ("2020-07-20T10:53:50.19Z", "2020-07-20T10:53:50.1900000Z"),
        ("2021-01-26T20:33:57.7220239Z", "2021-01-26T20:33:57.7220239Z"),
        ("2021-01-26T20:33:57.722023987Z", "2021-01-26T20:33:57.7220239Z"),
        ("2024-12-04T13:38:20.360851", "2024-12-04T13:38:20.3608510Z"),
        ("2020-12-30 14:17:26.5", "2020-12-30T14:17:26.5000000Z"),
        ("2021-01-26T20:33:59+02:00", "2021-01-26T18:33:59.0000000Z"),
        ("2021-01-26T20:33:59-0130", "2021-01-26T22:03:59.0000000Z"),
    ],
)
def test_every_spelling_seen_on_the_wire_is_read(trimmed: str, full: str) -> None:
    ticks = parse_ticks(trimmed)
    assert ticks is not None
    assert format_ticks(ticks) == full


@pytest.mark.parametrize(
    "text", ["", "soon", "2021-13-01T00:00:00Z", "2021-02-30T00:00:00Z", "20210126", "٢٠٢١-01-01T00:00:00Z"]
)
def test_other_texts_are_no_timestamps(text: str) -> None:
    assert parse_ticks(text) is None


@given(TICKS)
def test_text_and_ticks_agree_both_ways(ticks: int) -> None:
    assert parse_ticks(format_ticks(ticks)) == ticks


@given(TICKS, TICKS)
def test_full_texts_sort_as_their_ticks_do(one: int, other: int) -> None:
    assert (format_ticks(one) < format_ticks(other)) == (one < other)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(timezone.utc)))
def test_a_datetime_survives_the_way_through_ticks(moment: datetime) -> None:
    assert ticks_to_datetime(datetime_to_ticks(moment)) == moment


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse_ticks(text)


def test_airflows_own_datetimes_are_read() -> None:
    moment = pendulum.datetime(2026, 11, 20, 1, 2, 3, 456789, tz="Europe/Berlin")
    assert format_ticks(datetime_to_ticks(moment)) == "2026-11-20T00:02:03.4567890Z"
