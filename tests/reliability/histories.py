"""A tenant's life over several polls, and the ways to read it: what histories of all sources share.

Between any two pages up to four minutes pass, rows read already and rows not read yet are updated, alone or
several at one update time, new rows enter, and a quarter of all writes becomes visible up to four minutes
late.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import StopAndLook, TryAgain
from airflow_provider_defender.ingest.run import Run
from airflow_provider_defender.ingest.stages import DrainClock, Stages
from airflow_provider_defender.simulator import Page, Simulator, Tenant
from airflow_provider_defender.sources.rest import RestSource
from airflow_provider_defender.sources.source import Limits, open_log
from airflow_provider_defender.sources.window import Window
from airflow_provider_defender.timestamps import format_ticks, parse_ticks
from tests.reliability.support import opened, without_network

HISTORIES = 300
NAIVE_HISTORIES = 100
CHUNK = 30
POLLS = 5
OVERLAP = timedelta(minutes=5)
LATEST = timedelta(minutes=4)
HOUR = timedelta(hours=1)
TENANT_ID, SECRET = "6f3a874c-af07-455e-867d-f7c6f5d5e7f6", "sim~the same"
"""The same in all histories: Airflow's masker keeps those of every connection, and slows down."""

QUIET = logging.getLogger("tests.quiet")


class Poll(Protocol):
    """One look at the API, as a run or a naive script takes it."""

    def __call__(self) -> None: ...


Begin = Callable[[Simulator], Poll]


class Disturbance:
    """What happens after each page but in the last poll."""

    def __init__(self, tenant: Tenant, draw: random.Random) -> None:
        self.tenant = tenant
        self.draw = draw

    def begin(self) -> None:
        """A poll begins."""

    def __call__(self, page: Page) -> None:
        """A page is ready."""
        self.tenant.advance(timedelta(seconds=self.draw.randrange(240)))
        self.tenant.stir((*page.read, *page.rows), page.unread)

    def end(self) -> None:
        """A poll is over."""


def play(
    simulator: Simulator,
    seed: int,
    begin: Begin,
    *,
    services: Sequence[str] = ("api",),
    disturbance: Callable[[Tenant, random.Random], Disturbance] = Disturbance,
) -> Tenant:
    """Live through one history; the last of its polls sees everything, undisturbed.

    `services`: the simulator's services whose pages are disturbed.
    """
    draw = random.Random(seed)
    tenant = Tenant(seed, tenant_id=TENANT_ID, alerts=6, history=3 * HOUR, late_share=0.25, latest=LATEST)
    simulator.tenant = tenant
    simulator.apps["reader"].add_secret(SECRET)
    simulator.page_size = 2
    disturbed = disturbance(tenant, draw)
    poll = begin(simulator)
    for number in range(POLLS):
        is_last = number == POLLS - 1
        for service in services:
            getattr(simulator, service).after_page = None if is_last else disturbed
        if not is_last:
            disturbed.begin()
        poll()
        if not is_last:
            disturbed.end()
            tenant.advance(timedelta(seconds=draw.randrange(600)))
        if number == POLLS - 2:
            tenant.advance(LATEST)
    return tenant


def offline_simulator(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, *hooks: type[Any]) -> Simulator:
    """The simulator without a network, read by hooks that do not log what they wait for."""
    without_network(monkeypatch, simulator)
    for hook in hooks:
        monkeypatch.setattr(hook, "log", QUIET)
    QUIET.setLevel(logging.ERROR)
    return simulator


# The right way ------------------------------------------------------------------------------------


def drain_polls(
    simulator: Simulator,
    lake: Path,
    source: Callable[[dict[str, Any]], RestSource],
    new_clock: Callable[[], DrainClock] = DrainClock,
) -> Poll:
    """Polls that drain a source as the operators do; `source` makes it of the arguments that all have.

    `new_clock`: the clock of the next drain. What ends a poll early is no error of the history.
    """
    made = source({"overlap": OVERLAP, "clock": Clock(now=lambda: simulator.tenant.now()), "logger": QUIET})
    opened_lake = opened(lake)
    log = open_log(made, opened_lake)

    def poll() -> None:
        began, before = simulator.tenant.now_ticks(), log.head().position
        clock = new_clock()
        run = Run(
            source=made,
            lake=opened_lake,
            window=Window("watermark"),
            limits=Limits(clock),
            stages=Stages(clock, QUIET),
            started=simulator.tenant.now(),
        )
        with suppress(TryAgain, StopAndLook):
            run.execute()
        check_watermark(before.watermark_text, log.head().position.watermark_text, began)

    return poll


def check_watermark(before: str | None, after: str | None, began: int) -> None:
    """P4: the watermark never goes back, and never passes the drain's start."""
    if after is None:
        assert before is None
        return
    ticks = parse_ticks(after)
    assert ticks is not None
    assert (parse_ticks(before or "") or 0) <= ticks <= began


def overlapped(watermark: int) -> str:
    """The time from which on a poll with an overlap reads again."""
    return format_ticks(max(0, watermark - OVERLAP // timedelta(microseconds=1) * 10))
