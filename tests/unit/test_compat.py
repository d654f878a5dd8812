"""What differs between Airflow versions, and that no fault of our own hides behind it."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta

import airflow.sdk
import pytest

from airflow_provider_defender import compat
from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.exceptions import ServiceUnavailable, Throttled

has_policies = hasattr(airflow.sdk, "RetryPolicy")


def test_operators_get_our_retry_policy_where_airflow_has_policies() -> None:
    given = compat.with_retry_policy({"task_id": "land"})
    assert ("retry_policy" in given) is has_policies
    assert given["task_id"] == "land"


@pytest.mark.parametrize("given", [{"retry_policy": None}, {"default_args": {"retry_policy": "own"}}])
def test_a_retry_policy_of_the_users_stays(given: dict[str, object]) -> None:
    assert compat.with_retry_policy(given) == given


@pytest.mark.skipif(not has_policies, reason="this Airflow has no retry policies")
def test_our_retry_policy_keeps_retry_after() -> None:
    policy = compat.with_retry_policy({})["retry_policy"]
    assert policy.evaluate(Throttled("slow down", 1740), 1, 3).retry_delay == timedelta(seconds=1740)
    assert policy.evaluate(ServiceUnavailable("gone"), 1, 3).retry_delay is None


@pytest.mark.skipif(not has_policies, reason="this Airflow has no retry policies")
def test_a_fault_in_our_retry_policy_is_not_taken_for_an_older_airflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "airflow_provider_defender._retry", None)
    with pytest.raises(ImportError):
        compat.with_retry_policy({})


def test_a_metric_that_cannot_be_reported_is_told_and_fails_no_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compat.gauge("defender.test", 1.0)
    assert "could not be reported" not in caplog.text

    def broken() -> None:
        raise ImportError("no such backend")

    monkeypatch.setattr(compat, "_stats", broken)
    with caplog.at_level(logging.WARNING):
        compat.gauge("defender.test", 1.0)
    assert "Metric defender.test could not be reported: no such backend" in caplog.text


def test_a_bare_context_has_nobody_to_tell() -> None:
    asset = defender_asset("defender_default", "alerts")
    compat.emit_asset_event({}, asset, {"rows": 1}, ["2026-11-20T00:00:00"])
    compat.mirror_state({}, asset, {"watermark": "now"}, logging.getLogger(__name__))
    compat.push_result({}, {"rows": 1})
