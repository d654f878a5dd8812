"""Which window a run reads: explicit bounds, then a backfill's interval, then the watermark."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise
from types import SimpleNamespace
from typing import Any

import airflow.sdk
import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.operators._window import resolve_window
from airflow_provider_defender.sources.window import Window, parse_moment
from airflow_provider_defender.timetables import CronDataIntervalTimetable

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
DAY = datetime(2026, 11, 20, tzinfo=timezone.utc)
LOGGER = logging.getLogger(__name__)


def resolve(run_type: str = "scheduled", **given: Any) -> Window:
    context = {"dag_run": SimpleNamespace(run_type=run_type), **given.pop("context", {})}
    arguments = {"since": None, "until": None, "by": "created", "run_partition_span": None, **given}
    return resolve_window(context, now=arguments.pop("now", NOW), logger=LOGGER, **arguments)


def interval(start: datetime, end: datetime) -> dict[str, datetime]:
    return {"data_interval_start": start, "data_interval_end": end}


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "asset_triggered", "asset_materialization"])
def test_runs_that_are_no_backfill_go_on_from_the_watermark(run_type: str) -> None:
    window = resolve(run_type, context=interval(DAY, DAY + timedelta(days=1)))
    assert window.incremental
    assert window.origin == "watermark"


def test_a_backfill_run_reads_its_data_interval_by_creation_time() -> None:
    window = resolve("backfill", context=interval(DAY, DAY + timedelta(days=1)))
    assert (window.bounds, window.basis) == ((DAY, DAY + timedelta(days=1)), "created")
    assert not window.incremental


def test_airflow_gives_the_run_type_as_an_enum() -> None:
    class RunType:
        value = "backfill"

    context = {"dag_run": SimpleNamespace(run_type=RunType()), **interval(DAY, NOW)}
    assert resolve(context=context).origin == "backfill data interval"


@pytest.mark.parametrize("given", [{}, interval(DAY, DAY)])
def test_a_backfill_run_without_an_interval_fails_and_names_the_cure(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="CronDataIntervalTimetable"):
        resolve("backfill", context=given)


def test_a_partition_of_unknown_length_fails_and_names_the_parameter() -> None:
    for span in (None, timedelta(0)):
        with pytest.raises(ConfigurationError, match="Give the operator run_partition_span"):
            resolve("backfill", context={"partition_date": DAY}, run_partition_span=span)


def test_a_partition_that_only_its_span_bounds_is_read_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    window = resolve("backfill", context={"partition_date": DAY}, run_partition_span=timedelta(hours=6))
    assert window.bounds == (DAY, DAY + timedelta(hours=6))
    assert "Make sure that no partition is longer than run_partition_span" in caplog.text


@pytest.mark.parametrize("given", [interval(DAY, NOW), interval(DAY, DAY), {"partition_date": DAY}])
def test_explicit_bounds_are_refused_in_a_backfill_run(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="since is given, but this is a backfill run"):
        resolve("backfill", since="2026-11-01", context=given, run_partition_span=timedelta(days=1))


def test_a_backfills_own_interval_may_be_given_as_well() -> None:
    window = resolve("backfill", since=DAY.isoformat(), until=NOW, context=interval(DAY, NOW))
    assert window.bounds == (DAY, NOW)


def test_explicit_bounds_of_other_runs_are_the_window() -> None:
    window = resolve("manual", since="2026-11-01", until="2026-11-02T06:00:00Z", context=interval(DAY, NOW))
    start, end = datetime(2026, 11, 1, tzinfo=timezone.utc), datetime(2026, 11, 2, 6, tzinfo=timezone.utc)
    assert window.bounds == (start, end)


def test_since_alone_reads_up_to_now() -> None:
    assert resolve(since="2026-11-21T00:00:00Z").bounds == (DAY + timedelta(days=1), NOW)


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        ({"until": "2026-11-01"}, "needs since"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "must lie before"),
        ({"since": "2026-11-01", "until": "2026-11-01"}, "must lie before"),
        ({"since": "yesterday"}, "since='yesterday' is not a time"),
        ({"since": "2026-11-01", "until": "11/02/2026"}, "until='11/02/2026' is not a time"),
        ({"since": NOW}, "must lie before"),
    ],
)
def test_contradictions_are_named(bounds: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        resolve(**bounds)


def test_airflows_own_datetimes_become_plain_ones() -> None:
    bounds = interval(pendulum.datetime(2026, 11, 20), pendulum.datetime(2026, 11, 21))
    window = resolve("backfill", context=bounds)
    assert [type(moment) for moment in window.bounds or ()] == [datetime, datetime]


# The present --------------------------------------------------------------------------------------


def test_a_window_in_the_future_is_refused() -> None:
    later = NOW + timedelta(seconds=1)
    cases: list[dict[str, Any]] = [{"since": later}, {"since": later, "until": later + timedelta(days=1)}]
    for bounds in cases:
        with pytest.raises(ConfigurationError, match="there is nothing to read yet"):
            resolve(**bounds)
    with pytest.raises(ConfigurationError, match="there is nothing to read yet"):
        resolve("backfill", context=interval(later, later + timedelta(days=1)))


def test_a_window_that_is_not_over_is_told(caplog: pytest.LogCaptureFixture) -> None:
    window = resolve(since=DAY, until=NOW + timedelta(days=1))
    assert window.bounds == (DAY, NOW + timedelta(days=1))
    assert "ends in the future" in caplog.text
    caplog.clear()
    resolve(since=DAY)
    assert caplog.text == ""


def test_a_manual_runs_interval_or_partition_is_not_used_and_that_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    assert resolve("manual", context=interval(DAY, NOW)).incremental
    assert "This manual run's data interval, 2026-11-20T00:00:00+00:00 to" in caplog.text
    assert "trigger a run with since and until" in caplog.text
    caplog.clear()
    assert resolve("manual", context={"partition_key": "2026-11-20"}).incremental
    assert "partition 2026-11-20 is not used" in caplog.text
    caplog.clear()
    resolve("manual")
    resolve("manual", context=interval(DAY, DAY))
    resolve("scheduled", context=interval(DAY, NOW))
    resolve("manual", since=DAY, context=interval(DAY, NOW))
    assert caplog.text == ""


# What a timetable's runs leave out: nothing -------------------------------------------------------


partitioned = pytest.mark.skipif(
    not hasattr(airflow.sdk, "CronPartitionTimetable"),
    reason="this Airflow (before 3.2) has no run partitions",
)
LATER = datetime(2031, 1, 1, tzinfo=timezone.utc)


def dag_with(timetable: Any) -> Any:
    return airflow.sdk.DAG("land", schedule=timetable, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc))


def core(timetable: Any) -> Any:
    """The scheduler's own."""
    if hasattr(timetable, "next_dagrun_info"):
        return timetable
    from airflow.serialization.encoders import coerce_to_core_timetable

    return coerce_to_core_timetable(timetable)


def partitions(timetable: Any, start: datetime, until: datetime) -> list[Window]:
    """The windows of the runs of a backfill over these dates."""
    dag = dag_with(timetable)
    infos = core(timetable).iter_partition_dagrun_infos(earliest=start, latest=until)
    return [
        resolve("backfill", now=LATER, context={"dag": dag, "partition_date": info.partition_date})
        for info in infos
    ]


def intervals(timetable: Any, start: datetime) -> Iterator[Window]:
    """The windows of the runs of a backfill, with the data intervals that Airflow's scheduler makes."""
    from airflow.timetables.base import TimeRestriction

    info, dag = None, dag_with(timetable)
    while True:
        info = core(timetable).next_dagrun_info(
            last_automated_data_interval=info.data_interval if info else None,
            restriction=TimeRestriction(pendulum.instance(start), None, catchup=True),
        )
        given = interval(info.data_interval.start, info.data_interval.end)
        yield resolve("backfill", now=LATER, context={"dag": dag, **given})


def assert_tiled(windows: list[Window]) -> None:
    bounds = [window.bounds for window in windows if window.bounds is not None]
    assert len(bounds) == len(windows)
    assert [after[0] for after in bounds[1:]] == [before[1] for before in bounds[:-1]]
    assert all(start < end for start, end in bounds)


def cron_partitions(cron: str, zone: str) -> Any:
    return airflow.sdk.CronPartitionTimetable(cron, timezone=zone, run_offset=-1)


@partitioned
@pytest.mark.parametrize(
    ("cron", "zone", "start", "hours"),
    [
        ("0 0 * * *", "Europe/Berlin", "2026-10-24T22:00Z", 25),
        ("0 0 * * *", "Europe/Berlin", "2026-03-28T23:00Z", 23),
        ("0 0 * * *", "America/New_York", "2026-11-01T04:00Z", 25),
        ("0 * * * *", "Europe/Berlin", "2026-10-25T01:00Z", 1),
        ("0 0 1 * *", "UTC", "2026-02-01", 28 * 24),
        ("0 0 1 * *", "Europe/Berlin", "2026-09-30T22:00Z", 31 * 24 + 1),
        ("0 0 * * 1", "Europe/Berlin", "2026-10-18T22:00Z", 7 * 24 + 1),
        ("0 0 * * 1-5", "UTC", "2026-11-20", 3 * 24),
        ("0 0 29 2 *", "UTC", "2024-02-29", (3 * 365 + 366) * 24),
    ],
)
@pytest.mark.parametrize("span", [None, timedelta(days=1)])
def test_a_partition_ends_where_the_timetables_next_one_begins(
    cron: str, zone: str, start: str, hours: int, span: timedelta | None, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"dag": dag_with(cron_partitions(cron, zone)), "partition_date": parse_moment("start", start)}
    window = resolve("backfill", now=LATER, context=given, run_partition_span=span)
    assert window.bounds is not None
    assert window.bounds[1] - window.bounds[0] == timedelta(hours=hours)
    differs = span is not None and span != timedelta(hours=hours)
    assert ("run_partition_span=1 day, 0:00:00 is not used" in caplog.text) is differs


CRONS = st.sampled_from(
    [
        *("0 0 * * *", "30 2 * * *", "0 * * * *", "*/20 * * * *", "*/30 1-3 * * *", "15 */2 * * *"),
        *("0 0 1 * *", "0 6 * * 1", "0 0 * * 1-5", "0 12 15,31 * *"),
    ]
)
CLOCKS = st.sampled_from(
    [
        *("UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe"),
        *("Asia/Kolkata", "Pacific/Apia"),
    ]
)
CHANGES = st.sampled_from(
    [*((2026, month, 1) for month in (3, 4, 9, 10, 11)), (2026, 3, 28), (2026, 10, 24), (2026, 10, 31)]
)


@partitioned
@settings(max_examples=15, deadline=None)
@given(CRONS, CLOCKS, CHANGES, st.integers(0, 72))
def test_the_partitions_of_a_backfill_leave_nothing_out_and_read_nothing_twice(
    cron: str, zone: str, day: tuple[int, int, int], hours: int
) -> None:
    start = pendulum.datetime(*day).add(hours=hours)
    often = "/" in cron or cron == "0 * * * *"
    assert_tiled(partitions(cron_partitions(cron, zone), start, start.add(days=1 if often else 35)))


@settings(max_examples=15, deadline=None)
@given(CRONS, CLOCKS, CHANGES)
def test_the_data_intervals_of_a_backfill_leave_nothing_out_and_read_nothing_twice(
    cron: str, zone: str, day: tuple[int, int, int]
) -> None:
    timetable = CronDataIntervalTimetable(cron, timezone=zone)
    assert_tiled(list(islice(intervals(timetable, datetime(*day, tzinfo=timezone.utc)), 30)))


@pytest.mark.parametrize("cron", ["0 0 * * *", "0 0 * * 1-5"])
def test_intervals_of_a_fixed_length_are_read_up_to_the_next(
    cron: str, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.timetables.trigger import CronTriggerTimetable as Core

    sdk = getattr(airflow.sdk, "CronTriggerTimetable", Core)
    timetable = sdk(cron, timezone="Europe/Berlin", interval=timedelta(days=1))
    assert_tiled(list(islice(intervals(timetable, datetime(2026, 10, 19, tzinfo=timezone.utc)), 12)))
    assert "the next one begins at 2026-10-2" in caplog.text
    spring = intervals(timetable, datetime(2026, 3, 23, tzinfo=timezone.utc))
    bounds = [window.bounds or (NOW, NOW) for window in islice(spring, 12)]
    assert all(after[0] <= before[1] for before, after in pairwise(bounds))


def test_a_timetable_of_ones_own_that_lists_no_partitions_needs_the_span() -> None:
    class Own:
        partitioned = True

        def next_dagrun_info(self, **_: Any) -> None: ...

        def iter_partition_dagrun_infos(self, **_: Any) -> Iterator[Any]:
            raise NotImplementedError

    given = {"dag": SimpleNamespace(timetable=Own()), "partition_date": DAY}
    with pytest.raises(ConfigurationError, match="run_partition_span"):
        resolve("backfill", context=given)
    window = resolve("backfill", context=given, run_partition_span=timedelta(days=1))
    assert window.bounds == (DAY, DAY + timedelta(days=1))
