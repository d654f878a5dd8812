"""Which window a run reads: explicit bounds, then a backfill's interval, then the watermark."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.operators._window import Window, parse_moment, resolve_window

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
DAY = datetime(2026, 11, 20, tzinfo=timezone.utc)


def resolve(run_type: str = "scheduled", **given: Any) -> Window:
    context = {"dag_run": SimpleNamespace(run_type=run_type), **given.pop("context", {})}
    arguments = {"since": None, "until": None, "by": "created", "partition_span": None, **given}
    return resolve_window(context, now=NOW, **arguments)


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


def test_a_partitioned_backfill_run_reads_its_partition() -> None:
    window = resolve("backfill", context={"partition_date": DAY}, partition_span=timedelta(hours=6))
    assert window.bounds == (DAY, DAY + timedelta(hours=6))


def test_a_partition_of_unknown_length_fails_and_names_the_parameter() -> None:
    with pytest.raises(ConfigurationError, match="partition_span"):
        resolve("backfill", context={"partition_date": DAY})


def test_explicit_bounds_win_over_a_backfills_interval() -> None:
    window = resolve("backfill", since="2026-11-01", until="2026-11-02T06:00:00Z", context=interval(DAY, NOW))
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
    ],
)
def test_contradictions_are_named(bounds: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        resolve(**bounds)


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


def test_airflows_own_datetimes_become_plain_ones() -> None:
    bounds = interval(pendulum.datetime(2026, 11, 20), pendulum.datetime(2026, 11, 21))
    window = resolve("backfill", context=bounds)
    assert [type(moment) for moment in window.bounds or ()] == [datetime, datetime]
