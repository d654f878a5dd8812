"""The clock of runs: the machine's, unless a test gives its own."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow_provider_defender.clock import Clock


def test_without_arguments_it_is_the_machines_clock_in_utc() -> None:
    before = datetime.now(timezone.utc)
    now = Clock().now()
    assert before <= now <= datetime.now(timezone.utc)
    assert now.utcoffset() == timedelta(0)


def test_seconds_never_go_back_and_a_wait_takes_at_least_its_time() -> None:
    clock = Clock()
    begun = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - begun >= 0.01


def test_each_part_can_be_replaced_by_itself() -> None:
    slept: list[float] = []
    clock = Clock(sleep=slept.append)
    clock.sleep(3600)
    assert slept == [3600]
    assert clock.now().tzinfo is timezone.utc
