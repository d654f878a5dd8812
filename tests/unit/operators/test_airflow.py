"""What a task tells Airflow: it tolerates a bare context, and that a metric cannot be reported."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_defender import compat
from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.operators import _airflow


def test_a_metric_that_cannot_be_reported_is_told_and_fails_no_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _airflow.gauge("defender.test", 1.0)
    assert "could not be reported" not in caplog.text

    def broken() -> None:
        raise ImportError("no such backend")

    monkeypatch.setattr(compat, "stats", broken)
    with caplog.at_level(logging.WARNING):
        _airflow.gauge("defender.test", 1.0)
    assert "Metric defender.test could not be reported: no such backend" in caplog.text


def test_a_bare_context_has_nobody_to_tell() -> None:
    asset = defender_asset("defender_default", "alerts")
    _airflow.emit_asset_event({}, asset, {"rows": 1}, ["2026-11-20T00:00:00"])
    _airflow.mirror_state({}, asset, {"watermark": "now"}, logging.getLogger(__name__))
    _airflow.push_result({}, {"rows": 1})
