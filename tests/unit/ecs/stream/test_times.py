"""Which of three clocks a row's time is from: the record's, the envelope's or the broker's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from tests.unit.ecs.helpers.hub_messages import (
    ASSESSMENT,
    CLOUD_ALERT,
    SIGN_IN,
    landed,
    logon,
    message,
    origins,
    text,
)

UTC = timezone.utc
NOW = datetime(2026, 11, 22, 10, 30, 17, 123456, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
SECONDS_AS_MILLISECONDS = datetime(1970, 1, 21, 16, 0, tzinfo=UTC)
YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def stamp(
    value: bytes, broker: datetime | int | None, ingested: datetime | None = NOW
) -> tuple[datetime, str]:
    """`@timestamp` and `landing.time_origin` of the one row of a message that the broker took at a time."""
    enqueued = pa.array([broker], pa.timestamp("us", tz="UTC"))
    beside = origins(1).set_column(4, "enqueued", enqueued)
    mapped = ecs.map_records("event_hub", [value], origins=beside, ingested=ingested)
    assert mapped.rejects.num_rows == 0
    (table,) = mapped.tables.values()
    (row,) = table.to_pylist()
    return row["@timestamp"], row["landing"]["time_origin"]


def streamed(
    record: datetime | None, envelope: datetime | None, broker: datetime | int | None
) -> tuple[datetime, str]:
    return stamp(message(logon(Timestamp=written(record)) | {"time": written(envelope)}), broker)


@pytest.mark.parametrize("wrong", [NOW + 2 * DAY, NOW - 401 * DAY, YEAR_ONE])
def test_one_wrong_clock_among_many_is_seen(wrong: datetime) -> None:
    times = [NOW - MINUTE, wrong, NOW - 2 * MINUTE]
    value = message(*(logon(Timestamp=written(each)) | {"time": written(NOW)} for each in times))
    beside = origins(1).set_column(4, "enqueued", pa.array([NOW], pa.timestamp("us", tz="UTC")))
    mapped = ecs.map_records("event_hub", [value], origins=beside, ingested=NOW)
    (table,) = mapped.tables.values()
    rows = table.to_pylist()
    assert [row["landing"]["time_origin"] for row in rows] == ["record", "envelope", "record"]
    assert [row["@timestamp"] for row in rows] == [times[0], NOW, times[2]]


@pytest.mark.parametrize(
    "broker",
    [
        SECONDS_AS_MILLISECONDS,
        YEAR_ONE,
        datetime(2009, 12, 31, tzinfo=UTC),
        NOW - 500 * DAY,
        NOW - DAY - 3 * MINUTE,
        NOW + 3 * DAY,
        NOW + 500 * DAY,
        datetime(9999, 1, 1, tzinfo=UTC),
        1_790_000_000_000_000_000,
        None,
    ],
    ids=str,
)
def test_record_and_envelope_together_beat_the_broker(broker: datetime | int | None) -> None:
    assert streamed(NOW - 2 * MINUTE, NOW - MINUTE, broker) == (NOW - 2 * MINUTE, "record")
    assert streamed(None, NOW - MINUTE, SECONDS_AS_MILLISECONDS) == (NOW - MINUTE, "envelope")


@pytest.mark.parametrize(
    "envelope", [YEAR_ONE, SECONDS_AS_MILLISECONDS, NOW - 500 * DAY, NOW - 3 * DAY, NOW + 3 * DAY], ids=str
)
def test_record_and_broker_together_beat_the_envelope(envelope: datetime) -> None:
    assert streamed(NOW - MINUTE, envelope, NOW) == (NOW - MINUTE, "record")


@pytest.mark.parametrize("broker", [NOW, None, SECONDS_AS_MILLISECONDS], ids=str)
@pytest.mark.parametrize("record", [YEAR_ONE, NOW - 500 * DAY, NOW + 3 * DAY], ids=str)
def test_envelope_and_broker_together_beat_the_record(record: datetime, broker: datetime | None) -> None:
    assert streamed(record, NOW - MINUTE, broker) == (NOW - MINUTE, "envelope")


def test_a_clock_of_before_2010_makes_no_other_wrong() -> None:
    assert streamed(NOW, YEAR_ONE, None) == (NOW, "record")
    assert streamed(NOW, YEAR_ONE, SECONDS_AS_MILLISECONDS) == (NOW, "record")


def test_a_poor_time_is_better_than_none() -> None:
    assert streamed(None, None, SECONDS_AS_MILLISECONDS) == (SECONDS_AS_MILLISECONDS, "broker")
    assert streamed(None, YEAR_ONE, None) == (YEAR_ONE, "envelope")
    assert streamed(None, YEAR_ONE, NOW) == (NOW, "broker")


@pytest.mark.parametrize("broker", [SECONDS_AS_MILLISECONDS, NOW - 500 * DAY, NOW + 500 * DAY], ids=str)
@pytest.mark.parametrize(
    "record",
    [
        CLOUD_ALERT | {"TimeGenerated": written(NOW)},
        SIGN_IN | {"time": written(NOW)},
        ASSESSMENT | {"properties": ASSESSMENT["properties"] | {"timeGenerated": written(NOW)}},
    ],
    ids=["alert", "log", "assessment"],
)
def test_messages_without_an_envelope(record: dict[str, Any], broker: datetime) -> None:
    """The run's start is the second clock: a service wrote the record, and before it was read."""
    value = message(record) if "category" in record else text(record)
    assert stamp(value, broker) == (NOW, "record")


def test_a_services_time_to_come_is_its_wrong_clock() -> None:
    alert = text(CLOUD_ALERT | {"TimeGenerated": written(NOW + 30 * DAY)})
    assert stamp(alert, NOW - MINUTE) == (NOW - MINUTE, "broker")
    assert stamp(alert, NOW - MINUTE, ingested=None) == (NOW - MINUTE, "broker")


moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda each: each.replace(tzinfo=UTC))
near_now = st.integers(-1000 * 86400, 1000 * 86400).map(lambda seconds: NOW + timedelta(seconds=seconds))
any_clock = st.none() | moments | near_now
soon = st.integers(0, 40_000).map(lambda seconds: timedelta(seconds=seconds))


@settings(deadline=None)
@given(wrong=any_clock, which=st.integers(0, 2), waited=st.tuples(soon, soon))
def test_two_clocks_overrule_the_third(
    wrong: datetime | None, which: int, waited: tuple[timedelta, timedelta]
) -> None:
    """One clock of three may say anything: the time is that of a clock that is right, or agrees with them."""
    clocks: list[datetime | None] = [NOW - sum(waited, timedelta()), NOW - waited[1], NOW]
    right = list(clocks)
    clocks[which] = wrong
    time, origin = streamed(*clocks)
    if which:
        assert (time, origin) == (right[0], "record")
    elif origin == "record":
        assert time == wrong
        assert NOW - 401 * DAY < time < NOW + 2 * DAY
    else:
        assert (time, origin) == (right[1], "envelope")


@settings(deadline=None)
@given(clocks=st.tuples(any_clock, any_clock, any_clock))
def test_any_clocks_land_with_a_time_that_one_of_them_says(
    clocks: tuple[datetime | None, datetime | None, datetime | None],
) -> None:
    record, envelope, broker = clocks
    value = message(logon(Timestamp=written(record)) | {"time": written(envelope)})
    beside = origins(1).set_column(4, "enqueued", pa.array([broker], pa.timestamp("us", tz="UTC")))
    mapped = ecs.map_records("event_hub", [value], origins=beside, ingested=NOW)
    assert mapped.rejects.num_rows == (clocks == (None, None, None))
    for table in mapped.tables.values():
        for row in table.to_pylist():
            said = {"record": record, "envelope": envelope, "broker": broker}
            assert row["@timestamp"] == said[row["landing"]["time_origin"]]
    assert len(landed(mapped)) == 1 or clocks == (None, None, None)
