"""The retry policy of the operators, on Airflow versions that support one."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender import compat

__all__ = ["with_retry_policy"]


def with_retry_policy(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Add a retry policy that honours the API's `Retry-After` to operator arguments (3.3 and newer).

    Older Airflow versions retry after the task's `retry_delay`. A policy that the user gives, directly or in
    the DAG's `default_args`, stays.
    """
    if "retry_policy" in kwargs or "retry_policy" in (kwargs.get("default_args") or {}):
        return kwargs
    if not compat.has_retry_policies():
        return kwargs
    from airflow_provider_defender.operators._retry_policy import DefenderRetryPolicy

    return {**kwargs, "retry_policy": DefenderRetryPolicy()}
