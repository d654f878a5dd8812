"""Timetables for DAGs with backfills, importable from here on every supported Airflow version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_defender import compat

if TYPE_CHECKING:
    from airflow.sdk import CronDataIntervalTimetable

__all__ = ["CronDataIntervalTimetable"]


def __getattr__(name: str) -> Any:
    """`CronDataIntervalTimetable`: a cron schedule whose runs have real data intervals, as backfills need.

    Loaded on first use: on Airflow 3.1 its module loads the scheduler's code.
    """
    if name != "CronDataIntervalTimetable":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return compat.cron_data_interval_timetable()
