"""The little that differs between Airflow 3.1, 3.2 and 3.3."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

try:  # 3.2 and newer; light
    from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
except ImportError:  # 3.1
    from airflow.exceptions import AirflowFailException, AirflowNotFoundException  # type: ignore[no-redef,attr-defined,unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from logging import Logger

    from airflow.sdk import Asset, CronDataIntervalTimetable, ObjectStoragePath
    from structlog.typing import FilteringBoundLogger

__all__ = [
    "AirflowFailException",
    "AirflowNotFoundException",
    "CronDataIntervalTimetable",
    "airflow_option",
    "connection_id",
    "emit_asset_event",
    "gauge",
    "mirror_state",
    "push_result",
    "with_retry_policy",
]

_log = logging.getLogger(__name__)


def airflow_option(section: str, name: str) -> str:
    """Return an Airflow option's text, empty where it is not set. Read late: DAG parsing needs none."""
    try:  # 3.2 and newer
        from airflow.sdk.configuration import conf
    except ImportError:  # 3.1
        from airflow.configuration import conf  # type: ignore[assignment,unused-ignore]

    return str(conf.get(section, name, fallback="") or "")


def __getattr__(name: str) -> Any:
    """`CronDataIntervalTimetable`, a cron schedule with real data intervals, loaded when asked for."""
    if name != "CronDataIntervalTimetable":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:  # 3.2 and newer; light
        from airflow.sdk import CronDataIntervalTimetable
    except ImportError:  # 3.1
        from airflow.timetables.interval import (  # type: ignore[assignment]
            CronDataIntervalTimetable,
        )
    return CronDataIntervalTimetable


def with_retry_policy(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Operator arguments, with a policy that retries when the API's `Retry-After` says so (3.3 and newer).

    Older Airflow retries after the task's `retry_delay`. A policy given by the user, directly or in the
    DAG's `default_args`, stays.
    """
    if "retry_policy" in kwargs or "retry_policy" in (kwargs.get("default_args") or {}):
        return kwargs
    import airflow.sdk

    if not hasattr(airflow.sdk, "RetryPolicy"):
        return kwargs
    from airflow_provider_defender._retry import DefenderRetryPolicy

    return {**kwargs, "retry_policy": DefenderRetryPolicy()}


def connection_id(path: ObjectStoragePath) -> str | None:
    """The ID of the connection that an object storage path names before its `@`; None where it names none."""
    found = (
        path.conn_id if hasattr(path, "conn_id") else path.storage_options.get("conn_id")
    )  # 3.1 has no such
    return str(found) if found else None


def emit_asset_event(
    context: Mapping[str, Any],
    asset: Asset,
    extra: dict[str, Any],
    partition_keys: Sequence[str] = (),
) -> None:
    """Attach `extra` to the asset event that Airflow records when the task succeeds.

    With `partition_keys`, Airflow 3.3 and newer records one event for each key instead; older ones record
    the single event.
    """
    events = context.get("outlet_events")
    if events is None:
        return  # nobody to tell: `execute` was called by hand
    event = events[asset]
    event.extra.update(extra)
    if partition_keys and hasattr(event, "add_partitions"):
        event.add_partitions(list(partition_keys))


def mirror_state(
    context: Mapping[str, Any], asset: Asset, values: Mapping[str, Any], logger: Logger | FilteringBoundLogger
) -> None:
    """Show where a source stands in Airflow's asset page (3.3 and newer): JSON values by name.

    Only a mirror: the lake decides. The last writer of a name wins, so tasks that run side by side must have
    names of their own.
    """
    store = context.get("asset_state_store")
    if store is None:
        return
    try:
        for name, value in values.items():
            store[asset].set(name, value)
    except Exception as error:  # the data has landed: a mirror must not fail the task
        logger.warning("%s could not be mirrored to Airflow's asset state: %s", ", ".join(values), error)


def push_result(context: Mapping[str, Any], value: Any) -> None:
    """Give XCom the result of a task that is about to fail."""
    task_instance = context.get("ti")
    if task_instance is not None:
        task_instance.xcom_push(key="return_value", value=value)


def gauge(name: str, value: float) -> None:
    """Report a metric to wherever Airflow sends its own; nothing where that is not set up."""
    try:
        _stats().gauge(name, value)
    except Exception as error:  # the data has landed: a metric must not fail the task
        _log.warning("Metric %s could not be reported: %s", name, error)


def _stats() -> Any:
    try:  # 3.2 and newer
        from airflow.sdk.observability.stats import Stats
    except ImportError:  # 3.1
        from airflow.stats import Stats  # type: ignore[no-redef,import-not-found,unused-ignore]
    return Stats
