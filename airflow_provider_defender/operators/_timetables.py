"""Where a DAG's next data interval or run partition begins, by its timetable. For use in a running task.

A task holds the timetable as the DAG's author wrote it; only the scheduler's counterpart of it can compute
what comes next.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

__all__ = ["next_interval_start", "next_partition_start"]

_FURTHEST_ZONE = timedelta(hours=15)
"""Airflow takes UTC bounds for local time; no time zone is further from UTC than this."""
_FURTHEST = timedelta(days=3660)
"""No partition is longer: 29 February, the rarest day that cron can name, recurs within eight years."""


def _core_timetable(dag: Any) -> Any:
    """Return the scheduler's counterpart of the DAG's timetable; None without a DAG."""
    timetable = getattr(dag, "timetable", None)
    if timetable is None or hasattr(timetable, "next_dagrun_info"):
        return timetable  # 3.1, or a custom timetable
    from airflow.serialization.encoders import coerce_to_core_timetable  # 3.2 and newer

    return coerce_to_core_timetable(timetable)


def next_partition_start(dag: Any, start: datetime) -> datetime | None:
    """Where the run partition after the one at `start` begins, by the DAG's timetable.

    None if the timetable does not list its partitions. Computed as Airflow's own backfills do, so daylight
    saving time, months and weeks are treated alike.
    """
    timetable = _core_timetable(dag)
    if not getattr(timetable, "partitioned", False):
        return None
    try:
        infos = timetable.iter_partition_dagrun_infos(
            earliest=start - _FURTHEST_ZONE, latest=start + _FURTHEST
        )
        return next((info.partition_date for info in infos if info.partition_date > start), None)
    except NotImplementedError:
        return None


def next_interval_start(dag: Any, start: datetime, end: datetime) -> datetime | None:
    """Where the data interval after this one begins, by the DAG's timetable; None if none follows."""
    timetable = _core_timetable(dag)
    if timetable is None or getattr(timetable, "partitioned", False):
        return None
    import pendulum
    from airflow.timetables.base import DataInterval, TimeRestriction

    try:
        following = timetable.next_dagrun_info(
            last_automated_data_interval=DataInterval(pendulum.instance(start), pendulum.instance(end)),
            restriction=TimeRestriction(earliest=None, latest=None, catchup=True),
        )
    except NotImplementedError:
        return None
    return None if following is None else following.data_interval.start
