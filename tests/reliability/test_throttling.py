"""P11: quotas and outages slow a drain down, or put it off; they lose nothing."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from airflow_provider_defender.exceptions import ServiceUnavailable, Throttled
from airflow_provider_defender.hooks import DefenderEndpointHook
from airflow_provider_defender.simulator import Simulator, Tenant
from tests.helpers.airflow import INJECTED, START, LakeFolder, connect, land
from tests.reliability.support import assert_last_versions_landed, assert_log_is_sound, landed_rows, records

HOUR = timedelta(hours=1)


class Waits:
    """Lets the services' time pass instead of ours, and remembers for how long."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.seconds: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._simulator.elapse(seconds)


@pytest.fixture
def waits(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sixty alerts in twenty pages, on which work goes on while they are read."""
    simulator.tenant = Tenant(3, alerts=60, history=20 * HOUR, start=START)
    simulator.page_size = 3
    simulator.after_page = simulator.stir
    waits = Waits(simulator)
    hook = partial(DefenderEndpointHook, sleep=waits.sleep, clock=simulator.clock.seconds)
    monkeypatch.setitem(INJECTED, "hook", hook)
    connect(simulator, monkeypatch)
    yield waits
    simulator.api.quota.per_minute = simulator.api.quota.per_hour = None
    simulator.elapse(-sum(waits.seconds))


def finish(simulator: Simulator, lake: LakeFolder) -> dict[str, Any]:
    """A last run, while nobody disturbs."""
    simulator.after_page = None
    simulator.tenant.advance(timedelta(minutes=6))
    summary = land(lake)
    assert summary["complete"] is True
    assert_last_versions_landed(simulator.tenant, lake.path)
    assert_log_is_sound(lake.path)
    return summary


def refused(simulator: Simulator) -> int:
    return sum(request.status == 429 for request in simulator.requests.to("/api/alerts"))


def test_below_the_quota_of_a_minute_a_drain_keeps_its_own_pace(
    simulator: Simulator, lake: LakeFolder, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.api.quota.per_minute = 6  # one more, as calls take a different time to arrive
    connect(simulator, monkeypatch, calls_per_minute=5)
    summary = land(lake)
    assert summary["complete"] is True
    assert refused(simulator) == 0
    assert sum(waits.seconds) > 120
    assert max(waits.seconds) <= 60
    simulator.elapse(60)
    finish(simulator, lake)
    simulator.elapse(-60)


def test_a_quota_that_others_use_up_is_waited_for(
    simulator: Simulator, lake: LakeFolder, waits: Waits
) -> None:
    for page in (2, 5, 9):
        simulator.faults.throttle(26, page=page)
    summary = land(lake)
    assert summary["complete"] is True
    assert refused(simulator) == 3
    assert sorted(waits.seconds) == [26, 26, 26]
    finish(simulator, lake)


def test_a_minute_quota_puts_a_drain_off_and_the_next_one_goes_on(
    simulator: Simulator, lake: LakeFolder, waits: Waits
) -> None:
    simulator.api.quota.per_minute = 4
    with pytest.raises(Throttled) as throttled:
        land(lake)
    assert 30 < throttled.value.retry_after <= 60
    assert waits.seconds == []
    first = {alert_id for alert_id, _, _ in landed_rows(lake.path)}
    assert len(first) >= 4
    assert records(lake.path)[-1]["position"]["watermark"] is None
    simulator.api.quota.per_minute = None
    simulator.elapse(throttled.value.retry_after)
    summary = land(lake)
    assert summary["versions"] < summary["records"]
    finish(simulator, lake)
    simulator.elapse(-throttled.value.retry_after)


def test_a_long_retry_after_lands_what_was_read_and_leaves_the_watermark(
    simulator: Simulator, lake: LakeFolder, waits: Waits
) -> None:
    land(lake)
    before = records(lake.path)[-1]["position"]["watermark"]
    simulator.tenant.advance(HOUR)
    known = len(landed_rows(lake.path))
    simulator.faults.throttle(1740, hour=True, page=1)
    with pytest.raises(Throttled) as throttled:
        land(lake)
    assert throttled.value.retry_after == 1740
    assert waits.seconds == []
    assert len(landed_rows(lake.path)) > known
    assert records(lake.path)[-1]["position"]["watermark"] == before
    simulator.elapse(1740)
    finish(simulator, lake)
    simulator.elapse(-1740)


def test_outages_between_all_pages_heal_in_place(
    simulator: Simulator, lake: LakeFolder, waits: Waits
) -> None:
    faults = simulator.faults
    faults.server_error(503, page=1, times=2)
    faults.html(502, page=2)
    faults.html(200, page=3)
    faults.cut(page=4)
    faults.truncated(page=5)
    faults.reset(page=6)
    faults.expired_token(page=7)
    summary = land(lake)
    assert summary["complete"] is True
    assert len(waits.seconds) == 7
    finish(simulator, lake)


def test_an_outage_that_does_not_end_is_left_to_airflow_within_a_quarter_of_an_hour(
    simulator: Simulator, lake: LakeFolder, waits: Waits
) -> None:
    simulator.faults.server_error(503, page=3, times=None)
    with pytest.raises(ServiceUnavailable):
        land(lake)
    assert sum(waits.seconds) <= 900
    assert len(landed_rows(lake.path)) > 0
    simulator.faults.clear()
    finish(simulator, lake)
