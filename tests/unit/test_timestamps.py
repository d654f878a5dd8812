"""Update times keep all of their seven digits."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.timestamps import (
    datetime_to_ticks,
    format_ticks,
    parse_iso_8601,
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


# As people write them ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("2026-11-22", "2026-11-22T00:00:00.0000000Z"),
        ("20261122", "2026-11-22T00:00:00.0000000Z"),
        ("2026-W47-7", "2026-11-22T00:00:00.0000000Z"),
        ("2026W477", "2026-11-22T00:00:00.0000000Z"),
        ("2026-326", "2026-11-22T00:00:00.0000000Z"),
        ("2026-11-22T10", "2026-11-22T10:00:00.0000000Z"),
        ("2026-11-22T10:00", "2026-11-22T10:00:00.0000000Z"),
        ("2026-11-22T10:00Z", "2026-11-22T10:00:00.0000000Z"),
        ("2026-11-22t10:00z", "2026-11-22T10:00:00.0000000Z"),
        ("2026-11-22 10:00+01", "2026-11-22T09:00:00.0000000Z"),
        ("2026-11-22T10:00+01:00", "2026-11-22T09:00:00.0000000Z"),
        ("2026-11-22T10:00-0530", "2026-11-22T15:30:00.0000000Z"),
        ("2026-11-22T10:00\u221205:30", "2026-11-22T15:30:00.0000000Z"),
        ("2026-11-22 10:00:00 +00:00", "2026-11-22T10:00:00.0000000Z"),
        ("20261122T100000Z", "2026-11-22T10:00:00.0000000Z"),
        ("20261122T1000", "2026-11-22T10:00:00.0000000Z"),
        ("2026-W47-7T10:00:00,123456789+00:53:28", "2026-11-22T09:06:32.1234567Z"),
        ("2026-11-22T24:00", "2026-11-23T00:00:00.0000000Z"),
    ],
)
def test_iso_8601_is_read_in_every_form(text: str, full: str) -> None:
    ticks = parse_iso_8601(text)
    assert ticks is not None
    assert format_ticks(ticks) == full


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "now",
            "2026",
            "2026-11",
            "2026-W47",
            "2026-1122",
            "202611-22",
            "2026-366",
            "2026-000",
            "2026-13-01",
        ),
        *("1764460800", "11/22/2026", "22.11.2026", "2026-11-22T", "2026-11-22T24:01", "2026-11-22T10:60"),
        *(
            "2026-11-22T10:0000",
            "2026-11-22T1000:00",
            "2026-11-22T10:00+24:00",
            "2026-11-22T10:00 Europe/Berlin",
        ),
        *(
            "T10:00",
            "10:00",
            "2026-W54-1",
            "2026-W10-8",
            "٢٠٢٦-11-22",
            "2026-11-22\n",
            "2026-11-22T10:00:00.Z",
        ),
    ],
)
def test_what_says_no_moment_is_none(text: str) -> None:
    assert parse_iso_8601(text) is None


ZONES: st.SearchStrategy[tzinfo | None] = st.one_of(
    st.none(),
    st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds))),
)
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)  # type: ignore[arg-type] # its stub knows of no mixture


def as_dates(moment: datetime) -> list[str]:
    year, week, weekday = moment.isocalendar()
    return [
        f"{moment:%Y-%m-%d}".rjust(10, "0"),
        f"{moment:%Y%m%d}".rjust(8, "0"),
        f"{year:04}-W{week:02}-{weekday}",
        f"{year:04}W{week:02}{weekday}",
        f"{moment.year:04}-{moment:%j}",
    ]


@given(MOMENTS, st.data())
def test_every_iso_text_of_a_datetime_is_that_datetime(moment: datetime, data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from(["hours", "minutes", "seconds", "milliseconds", "microseconds"]))
    day, _, time = moment.isoformat(timespec=spec).partition("T")
    if data.draw(st.booleans()):
        time = time.replace(":", "")
    if data.draw(st.booleans()):
        time = time.replace(".", ",")
    text = data.draw(st.sampled_from([day, *as_dates(moment)])) + data.draw(st.sampled_from("T t")) + time
    expected = datetime.fromisoformat(moment.isoformat(timespec="microseconds"))
    cut: dict[str, Any] = {
        "hours": {"minute": 0, "second": 0, "microsecond": 0},
        "minutes": {"second": 0, "microsecond": 0},
        "seconds": {"microsecond": 0},
        "milliseconds": {"microsecond": moment.microsecond // 1000 * 1000},
        "microseconds": {},
    }[spec]
    ticks = parse_iso_8601(text)
    assert ticks == datetime_to_ticks(expected.replace(**cut)), text


@given(st.text() | st.text("0123456789-+:.,WTZ "))
def test_no_text_of_a_person_raises(text: str) -> None:
    parse_iso_8601(text)
