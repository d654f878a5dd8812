"""Reports of a task to Airflow: asset events, asset state, XCom, metrics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_defender import compat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from logging import Logger

    from airflow.sdk import Asset
    from structlog.typing import FilteringBoundLogger

__all__ = ["emit_asset_event", "gauge", "mirror_state", "push_result"]

_log = logging.getLogger(__name__)


def emit_asset_event(
    context: Mapping[str, Any],
    asset: Asset,
    extra: dict[str, Any],
    run_partitions: Sequence[str] = (),
) -> None:
    """Attach `extra` to the asset event that Airflow records when the task succeeds.

    With the keys of `run_partitions`, Airflow 3.3 and newer records one event for each key instead; older
    ones record the single event.
    """
    events = context.get("outlet_events")
    if events is None:
        return  # `execute` was called by hand
    event = events[asset]
    event.extra.update(extra)
    if run_partitions:
        compat.add_run_partitions(event, run_partitions)


def mirror_state(
    context: Mapping[str, Any], asset: Asset, values: Mapping[str, Any], logger: Logger | FilteringBoundLogger
) -> None:
    """Show a source's position on Airflow's asset page (3.3 and newer): JSON values by name.

    This is only a mirror: the lake decides. The last writer of a name wins, so tasks that run in parallel
    must use different names.
    """
    store = compat.asset_states(context)
    if store is None:
        return
    try:
        for name, value in values.items():
            store[asset].set(name, value)
    except Exception as error:  # the data has landed: a mirror must not fail the task
        logger.warning("%s could not be mirrored to Airflow's asset state: %s", ", ".join(values), error)


def push_result(context: Mapping[str, Any], value: Any) -> None:
    """Push the result of a task that is about to fail to XCom."""
    task_instance = context.get("ti")
    if task_instance is not None:
        task_instance.xcom_push(key="return_value", value=value)


def gauge(name: str, value: float) -> None:
    """Report a metric through Airflow's own metrics; does nothing if they are not set up."""
    try:
        compat.stats().gauge(name, value)
    except Exception as error:  # the data has landed: a metric must not fail the task
        _log.warning("Metric %s could not be reported: %s", name, error)
