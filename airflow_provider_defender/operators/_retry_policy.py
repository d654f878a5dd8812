"""Retry when the service wants to be asked again (Airflow 3.3 and newer)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import RetryDecision, RetryPolicy

from airflow_provider_defender.exceptions import Throttled

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["DefenderRetryPolicy"]


class DefenderRetryPolicy(RetryPolicy):
    """Give the worker slot back while the API throttles, and retry when its `Retry-After` has passed.

    Other errors take the task's own `retry_delay`. The task's `retries` still bound how often.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Decide by the error (Airflow calls this in the worker, where the task failed)."""
        if isinstance(exception, Throttled):
            delay = timedelta(seconds=exception.retry_after)
            return RetryDecision.retry(delay=delay, reason="the API asked to wait")
        return RetryDecision.default()
