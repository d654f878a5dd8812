"""The stages of a run, with time that the tests make up."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.hooks import DefenderEndpointHook
from airflow_provider_defender.ingest.run import Outcome, Run
from airflow_provider_defender.ingest.stages import LONGEST, DrainClock, Stages
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.sources.endpoint_alerts import EndpointAlerts
from airflow_provider_defender.sources.rest_figures import RestFigures
from airflow_provider_defender.sources.source import Limits, Read, Result
from airflow_provider_defender.sources.window import Window
from airflow_provider_defender.stores.opening import opened_lake
from tests.helpers.airflow import LakeFolder


class MadeUpTime:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.sampled_from(["reading", "mapping"]), st.floats(0, 1e4)), max_size=40))
def test_time_is_up_when_the_limit_has_passed_however_it_was_spent(steps: list[tuple[str, float]]) -> None:
    now = MadeUpTime()
    clock = DrainClock(timedelta(hours=2), now=now)
    for stage, seconds in steps:
        with clock.stage(stage):
            now.now += seconds
        clock.report_is_due()
        spent = now.now - 1000
        assert clock.elapsed == spent
        assert clock.is_over == (spent >= 7200)
        assert clock.left == max(0.0, 7200 - spent)
    assert sum(clock.seconds.values()) == pytest.approx(clock.elapsed)


@pytest.mark.parametrize("limit", [None, timedelta(days=3)])
def test_no_drain_reads_for_longer_than_a_lake_takes_its_commit(limit: timedelta | None) -> None:
    now = MadeUpTime()
    clock = DrainClock(limit, now=now)
    now.now += LONGEST.total_seconds()
    assert clock.is_over


def test_progress_is_reported_once_in_a_while() -> None:
    now = MadeUpTime()
    clock = DrainClock(now=now)
    due = []
    for _ in range(60):
        now.now += 1
        due.append(clock.report_is_due())
    assert due.count(True) == 4


class PacedStages(Stages):
    """Stages of a run in which each page takes so many seconds, from its request until it has landed."""

    def __init__(self, clock: DrainClock, now: MadeUpTime, seconds_a_page: float) -> None:
        super().__init__(clock, logging.getLogger("tests.stages"))
        self._now = now
        self._seconds_a_page = seconds_a_page

    def report(self, read: Read[Any, Any], result: Result) -> None:
        self._now.now += self._seconds_a_page
        super().report(read, result)


def drain(lake: LakeFolder, stages: Stages, simulator: Simulator) -> Outcome[RestFigures]:
    source = EndpointAlerts(
        hook=DefenderEndpointHook(sleep=simulator.elapse), clock=Clock(now=lambda: simulator.tenant.now())
    )
    return Run(
        source=source,
        lake=opened_lake(lake.uri),
        window=Window("watermark"),
        limits=Limits(stages.clock),
        stages=stages,
        started=simulator.tenant.now(),
    ).execute()


@pytest.mark.parametrize(("seconds_a_page", "pages"), [(10.0, 40), (30.0, 21)])
def test_a_drain_reads_for_as_long_as_it_may_and_says_for_how_long(
    simulator: Simulator,
    lake: LakeFolder,
    caplog: pytest.LogCaptureFixture,
    seconds_a_page: float,
    pages: int,
) -> None:
    """It once counted its reports as time spent, and ended after seconds (400 s were 10 minutes).

    The page that is read ahead when the time is over still lands.
    """
    now = MadeUpTime()
    simulator.tenant.add_alerts(40, over=timedelta(hours=20), evidence=1)
    simulator.page_size = 1
    stages = PacedStages(DrainClock(timedelta(minutes=10), now=now), now, seconds_a_page)
    with caplog.at_level(logging.INFO, "tests.stages"):
        outcome = drain(lake, stages, simulator)
    assert (outcome.result.new, outcome.read.complete) == (pages, pages == 40)
    texts = [record.getMessage() for record in caplog.records]
    found = [match for text in texts if (match := re.match(r"Page (\d+): .*, (\d+) s$", text))]
    assert found
    assert [int(each[2]) for each in found] == [int(each[1]) * seconds_a_page for each in found]
