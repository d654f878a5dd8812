"""What a DAG's timetable says of the time after a run: read in a task, at run time only.

Tasks hold the timetable as it was written; what comes next only the scheduler's counterpart knows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

__all__ = ["next_interval_start", "next_partition_start"]

_FURTHEST_ZONE = timedelta(hours=15)
"""Airflow reads the clock of bounds in UTC as local time; no zone is further from it."""
_FURTHEST = timedelta(days=3660)
"""No partition is longer: 29 February, the rarest day that cron knows, comes back within eight years."""


def _core_timetable(dag: Any) -> Any:
    """The DAG's timetable as Airflow's scheduler has it, which knows what comes next; None without a DAG."""
    timetable = getattr(dag, "timetable", None)
    if timetable is None or hasattr(timetable, "next_dagrun_info"):
        return timetable  # 3.1, or one of the user's own
    from airflow.serialization.encoders import coerce_to_core_timetable  # 3.2 and newer

    return coerce_to_core_timetable(timetable)


def next_partition_start(dag: Any, start: datetime) -> datetime | None:
    """Where the partition after the one that begins at `start` begins, by the DAG's timetable.

    None where the timetable does not list its partitions. By the way of Airflow's own backfills, so what they
    make of changes of the clock, months and weeks holds here.
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
    """Where the data interval after this one begins, by the DAG's timetable; None where none follows."""
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
