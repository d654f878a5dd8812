"""When Airflow tries a failed task again, and that no fault of our own hides behind an older Airflow."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from airflow_provider_defender import compat
from airflow_provider_defender.exceptions import ServiceUnavailable, Throttled
from airflow_provider_defender.operators._retry import with_retry_policy

needs_policies = pytest.mark.skipif(
    not compat.has_retry_policies(), reason="this Airflow (before 3.3) has no retry policies"
)


def test_operators_get_our_retry_policy_where_airflow_has_policies() -> None:
    given = with_retry_policy({"task_id": "land"})
    assert ("retry_policy" in given) is compat.has_retry_policies()
    assert given["task_id"] == "land"


@pytest.mark.parametrize("given", [{"retry_policy": None}, {"default_args": {"retry_policy": "own"}}])
def test_a_retry_policy_of_the_users_stays(given: dict[str, object]) -> None:
    assert with_retry_policy(given) == given


@needs_policies
def test_our_retry_policy_keeps_retry_after() -> None:
    policy = with_retry_policy({})["retry_policy"]
    assert policy.evaluate(Throttled("slow down", 1740), 1, 3).retry_delay == timedelta(seconds=1740)
    assert policy.evaluate(ServiceUnavailable("gone"), 1, 3).retry_delay is None


@needs_policies
def test_a_fault_in_our_retry_policy_is_not_taken_for_an_older_airflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "airflow_provider_defender.operators._retry_policy", None)
    with pytest.raises(ImportError):
        with_retry_policy({})
