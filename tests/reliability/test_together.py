"""P1, P3 and P6: runs at the same time, backfills that overlap, and the same backfill again."""

from __future__ import annotations

import json
import random
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.exceptions import ConflictingRun
from airflow_provider_defender.lake import lake as lake_module
from airflow_provider_defender.simulator import Page, Simulator, Tenant
from tests.helpers.airflow import START, LakeFolder, connect, land
from tests.helpers.breadth import first_in_make_test
from tests.reliability.support import (
    NarrowMapper,
    assert_last_versions_landed,
    assert_log_is_sound,
    landed_rows,
    last_versions,
    plain_reader,
    records,
)
from tests.reliability.test_killed import FORK, Stepped

HOUR = timedelta(hours=1)
IN_MAKE_TEST = 4
"""Random orders of runs; the others run with the tests that take minutes."""
BACKFILL = {"since": START - 48 * HOUR, "until": START + 48 * HOUR}


# Processes at the same time -----------------------------------------------------------------------


class Racer:
    """A process that runs the operator once, and waits for the others right before it commits."""

    def __init__(self, lake: Path, line: Any, arguments: dict[str, Any]) -> None:
        self._result, sender = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=self._work, args=(lake, line, arguments, sender))
        self.process.start()

    def _work(self, lake: Path, line: Any, arguments: dict[str, Any], sender: Any) -> None:
        waited: list[bool] = []

        def step(name: str) -> None:
            if name == "create" and not waited:
                waited.append(True)
                line.wait(60)

        original = lake_module._open_storage
        lake_module._open_storage = lambda *given: Stepped(original(*given), step)
        try:
            sender.send(("landed", land(LakeFolder(lake), **arguments)["versions"]))
        except ConflictingRun as error:
            sender.send(("conflict", str(error)))

    def outcome(self) -> tuple[str, Any]:
        assert self._result.poll(60)
        found: tuple[str, Any] = self._result.recv()
        self.process.join(60)
        assert self.process.exitcode == 0
        return found


def race(simulator: Simulator, lake: Path) -> list[tuple[str, Any]]:
    """Two live drains and a backfill that read the same and commit at the same moment; their outcomes."""
    line, reading = FORK.Barrier(3), threading.Barrier(3)

    def together(page: Page) -> None:
        if page.number == 0:
            reading.wait(60)

    simulator.before_page = together
    racers = [Racer(lake, line, arguments) for arguments in ({}, {}, BACKFILL)]
    outcomes = [racer.outcome() for racer in racers]
    simulator.before_page = None
    return outcomes


def test_two_drains_and_a_backfill_at_once_neither_lose_nor_double(
    simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.tenant = tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch)
    simulator.page_size = 5
    lake = fast_folder / "lake"
    with plain_reader(lake) as passes:
        for number in range(4):
            alerts = tenant.add_alerts(8, evidence=2, over=10 * HOUR if number == 0 else HOUR)
            tenant.update_many([alert.alert_id for alert in alerts[:3]], status="InProgress")
            tenant.advance(timedelta(minutes=30))
            watermark = records(lake)[-1]["position"]["watermark"] if records(lake) else None
            first, second, backfill = race(simulator, lake)
            assert sorted([first[0], second[0]]) == ["conflict", "landed"]
            assert backfill[0] == "landed"
            assert records(lake)[-1]["position"]["watermark"] != watermark
            assert_log_is_sound(lake)
            assert_last_versions_landed(tenant, lake)
    assert passes[-1] > 0
    versions = len(last_versions(tenant))
    assert land(LakeFolder(lake))["versions"] == 0
    assert len(last_versions(tenant)) == versions


def test_two_drains_that_leave_the_watermark_where_it_is_land_one_after_the_other(
    simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late rows below the watermark: both drains land, the second one what the first has not."""
    simulator.tenant = tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch)
    lake = fast_folder / "lake"
    late = tenant.add_alert(visible_after=timedelta(minutes=5))
    tenant.advance(timedelta(seconds=10))
    tenant.add_alert()
    tenant.advance(timedelta(seconds=10))
    land(LakeFolder(lake))
    tenant.advance(timedelta(minutes=6))
    outcomes = race(simulator, lake)
    assert [kind for kind, _ in outcomes] == ["landed"] * 3
    assert sum(versions for _, versions in outcomes) >= 1
    assert_log_is_sound(lake)
    assert_last_versions_landed(tenant, lake)
    assert late.alert_id in {alert_id for alert_id, _, _ in landed_rows(lake)}


# Backfills ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", first_in_make_test(range(12), IN_MAKE_TEST))
def test_backfills_and_live_drains_in_any_order_neither_lose_nor_double(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)
    if seed % 6:
        monkeypatch.setattr(ecs, "RecordMapper", NarrowMapper)
    simulator.tenant = tenant = Tenant(seed, alerts=14, history=40 * HOUR, start=START)
    connect(simulator, monkeypatch)
    simulator.page_size = 6
    for _ in range(5):
        simulator.after_page = simulator.stir if draw.random() < 0.5 else None
        if draw.random() < 0.5:
            land(lake)
        else:
            land(lake, **a_window(draw))
        tenant.advance(timedelta(minutes=draw.randrange(200)))
        assert_log_is_sound(lake.path)
    simulator.after_page = None
    tenant.advance(timedelta(minutes=6))
    land(lake)
    land(lake, since=START - 48 * HOUR, until=tenant.now())
    assert_last_versions_landed(tenant, lake.path)
    before = records(lake.path)
    again = land(lake, since=START - 48 * HOUR, until=tenant.now())
    assert (again["versions"], again["rows"], again["files"], again["commit"]) == (0, 0, 0, None)
    assert json.dumps(records(lake.path)) == json.dumps(before)


def a_window(draw: random.Random) -> dict[str, Any]:
    since = START - draw.randrange(48) * HOUR
    by = draw.choice(["created", "updated"])
    return {"since": since, "until": since + draw.randrange(1, 30) * HOUR, "by": by}
