"""What differs between Airflow 3.1, 3.2 and 3.3. A leaf: it imports nothing of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:  # 3.2 and newer; light
    from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException
except ImportError:  # 3.1
    from airflow.exceptions import (  # type: ignore[no-redef,attr-defined,unused-ignore]
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSkipException,
    )

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow.sdk import ObjectStoragePath

__all__ = [
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSkipException",
    "add_run_partitions",
    "airflow_option",
    "asset_states",
    "connection_id",
    "cron_data_interval_timetable",
    "has_retry_policies",
    "stats",
]


def airflow_option(section: str, name: str) -> str:
    """Return an Airflow option's text, empty if it is not set. Imports late: DAG parsing needs no options."""
    try:  # 3.2 and newer
        from airflow.sdk.configuration import conf
    except ImportError:  # 3.1
        from airflow.configuration import conf  # type: ignore[assignment,unused-ignore]

    return str(conf.get(section, name, fallback="") or "")


def cron_data_interval_timetable() -> Any:
    """Return Airflow's class for a cron schedule with real data intervals."""
    try:  # 3.2 and newer; light
        from airflow.sdk import CronDataIntervalTimetable
    except ImportError:  # 3.1
        from airflow.timetables.interval import (  # type: ignore[assignment]
            CronDataIntervalTimetable,
        )
    return CronDataIntervalTimetable


def has_retry_policies() -> bool:
    """Whether a task can choose its retry delay by the error (3.3 and newer)."""
    import airflow.sdk

    return hasattr(airflow.sdk, "RetryPolicy")


def connection_id(path: ObjectStoragePath) -> str | None:
    """The ID of the connection that an object storage path names before its `@`; None if it names none."""
    found = (
        path.conn_id if hasattr(path, "conn_id") else path.storage_options.get("conn_id")
    )  # 3.1 has no such
    return str(found) if found else None


def add_run_partitions(event: Any, keys: Iterable[str]) -> None:
    """Let Airflow record one asset event for each partition key (3.3 and newer; older ones record one)."""
    if hasattr(event, "add_partitions"):
        event.add_partitions(list(keys))


def asset_states(context: Mapping[str, Any]) -> Any:
    """Airflow's store of asset states, by asset (3.3 and newer); None on older versions."""
    return context.get("asset_state_store")


def stats() -> Any:
    """Airflow's client for metrics."""
    try:  # 3.2 and newer
        from airflow.sdk.observability.stats import Stats
    except ImportError:  # 3.1
        from airflow.stats import Stats  # type: ignore[no-redef,import-not-found,unused-ignore]
    return Stats
