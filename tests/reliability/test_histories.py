"""P5: the last version of every alert lands, once, however the tenant lives while it is read.

A history is a tenant's life over several polls with pages of two rows (see `histories`); new alerts enter
with the lowest ids.

Sixty of them run in `make test`, the others with the tests that take minutes. Hook, drain, lake and the
bookkeeping of versions are real in all 300 histories; every tenth goes through the
whole operator, every thirtieth with the real mapping. The others land each alert as a narrow table: to map
and write 500 columns for every few rows is nine tenths of the time and has no part in what is tested here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.hooks import DefenderEndpointHook
from airflow_provider_defender.simulator import Page, Request, Simulator, Tenant
from airflow_provider_defender.sources.endpoint_alerts import EndpointAlerts
from airflow_provider_defender.timestamps import format_ticks, parse_ticks
from tests.helpers.airflow import LakeFolder, connect, land
from tests.helpers.breadth import first_in_make_test
from tests.reliability import histories
from tests.reliability.histories import (
    CHUNK,
    HISTORIES,
    HOUR,
    NAIVE_HISTORIES,
    OVERLAP,
    Poll,
    check_watermark,
    offline_simulator,
    overlapped,
    play,
)
from tests.reliability.support import (
    NarrowMapper,
    assert_last_versions_landed,
    assert_log_is_sound,
    last_versions,
)

IN_MAKE_TEST = 60


@pytest.fixture
def offline(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    return offline_simulator(simulator, monkeypatch, DefenderEndpointHook)


# The right way ------------------------------------------------------------------------------------


def operator_polls(simulator: Simulator, lake: Path, monkeypatch: pytest.MonkeyPatch) -> Poll:
    connect(simulator, monkeypatch)

    def poll() -> None:
        began = simulator.tenant.now_ticks()
        summary = land(LakeFolder(lake), overlap=OVERLAP)
        check_watermark(summary["watermark_before"], summary["watermark_after"], began)

    return poll


def drain_polls(simulator: Simulator, lake: Path, monkeypatch: pytest.MonkeyPatch) -> Poll:
    connect(simulator, monkeypatch)
    hook = DefenderEndpointHook(sleep=simulator.elapse)
    return histories.drain_polls(simulator, lake, lambda usual: EndpointAlerts(hook=hook, **usual))


@pytest.mark.parametrize("first", first_in_make_test(range(0, HISTORIES, CHUNK), IN_MAKE_TEST // CHUNK))
def test_the_last_version_of_every_alert_lands_once(
    offline: Simulator, fast_folder: Path, first: int
) -> None:
    landed = 0
    for seed in range(first, first + CHUNK):
        polls = operator_polls if seed % 10 == 0 else drain_polls
        lake = fast_folder / str(seed)
        with pytest.MonkeyPatch.context() as patch:
            if seed % 30:
                patch.setattr(ecs, "RecordMapper", NarrowMapper)
            tenant = play(offline, seed, partial(polls, lake=lake, monkeypatch=patch))
        assert_last_versions_landed(tenant, lake)
        assert_log_is_sound(lake)
        landed += len(last_versions(tenant))
    assert landed > CHUNK * 8


# The obvious ways, in the first hundred of the same histories -------------------------------------


class NaivePolls:
    """Reads pages as the operator does, but decides by itself what to ask for and how far it has come."""

    def __init__(self, simulator: Simulator, condition: Callable[[int, int], str], *, capped: bool) -> None:
        self._simulator = simulator
        self._condition = condition
        self._capped = capped
        self._headers = {"authorization": f"Bearer {simulator.access_token()}"}
        self._watermark = 0
        self.read: set[tuple[str, str]] = set()

    def __call__(self) -> None:
        began = self._simulator.tenant.now_ticks()
        query = f"$filter={quote_plus(self._condition(self._watermark, began))}"
        newest = self._watermark
        while query:
            answer = self._simulator.answer(Request("GET", "/api/alerts", query, self._headers))
            page = json.loads(b"".join(answer.body))
            self.read |= {(row["id"], row["lastUpdateTime"]) for row in page["value"]}
            newest = max([newest, *(parse_ticks(row["lastUpdateTime"]) or 0 for row in page["value"])])
            query = page.get("@odata.nextLink", "?").partition("?")[2]
        self._watermark = max(self._watermark, min(newest, began) if self._capped else newest)


def lost_histories(
    simulator: Simulator, condition: Callable[[int, int], str], *, capped: bool = False
) -> int:
    """In how many of the first hundred histories some alert's last version was never read."""
    lost = 0
    for seed in range(NAIVE_HISTORIES):
        made: list[NaivePolls] = []

        def begin(simulator: Simulator, made: list[NaivePolls] = made) -> NaivePolls:
            made.append(NaivePolls(simulator, condition, capped=capped))
            return made[0]

        tenant = play(simulator, seed, begin)
        lost += bool(last_versions(tenant) - made[0].read)
    return lost


def test_reading_what_is_newer_than_the_newest_loses_rows(offline: Simulator) -> None:
    assert lost_histories(offline, lambda w, now: f"lastUpdateTime gt {format_ticks(w)}") > 75


@pytest.mark.integration
def test_reading_from_the_newest_on_loses_rows(offline: Simulator) -> None:
    assert lost_histories(offline, lambda w, now: f"lastUpdateTime ge {format_ticks(w)}") > 75


@pytest.mark.integration
def test_an_overlap_alone_without_the_cap_at_the_start_of_the_drain_loses_rows(offline: Simulator) -> None:
    assert lost_histories(offline, lambda w, now: f"lastUpdateTime ge {overlapped(w)}") > 25


@pytest.mark.integration
def test_an_upper_bound_at_the_start_of_the_drain_loses_rows(offline: Simulator) -> None:
    def condition(watermark: int, now: int) -> str:
        return f"lastUpdateTime ge {overlapped(watermark)} and lastUpdateTime le {format_ticks(now)}"

    assert lost_histories(offline, condition, capped=True) > 20


@pytest.mark.integration
def test_the_cap_without_an_overlap_loses_what_becomes_visible_late(offline: Simulator) -> None:
    lost = lost_histories(offline, lambda w, now: f"lastUpdateTime ge {format_ticks(w)}", capped=True)
    assert lost > 4


# Ties ---------------------------------------------------------------------------------------------


def test_ten_thousand_alerts_on_one_timestamp(
    offline: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them are updated at once while they are read, which gives those one timestamp again."""
    offline.tenant = tenant = Tenant(7, alerts=0)
    connect(offline, monkeypatch)
    offline.page_size = 2_500
    alerts = tenant.add_alerts(10_000, evidence=1)

    def update(page: Page) -> None:
        if page.number == 1:
            tenant.advance(timedelta(minutes=30))
            tenant.update_many([alert.alert_id for alert in alerts[::2]], status="InProgress")

    offline.after_page = update
    first = land(lake)
    assert first["records"] == 10_000
    assert parse_ticks(first["watermark_after"]) == alerts[0].update_ticks
    offline.after_page = None
    tenant.advance(HOUR)
    second = land(lake)
    assert second["records"] == 10_000
    assert len({version.update_time for version in tenant.alerts}) == 2
    assert_last_versions_landed(tenant, lake.path)
    third = land(lake)
    assert (third["records"], third["versions"], third["commit"]) == (5_000, 0, None)


def test_what_ties_with_the_watermark_lands_even_without_an_overlap(
    offline: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline.tenant = tenant = Tenant(7, alerts=0)
    connect(offline, monkeypatch)
    seen, late = tenant.add_alert(), tenant.add_alert(visible_after=timedelta(seconds=1))
    summary = land(lake, overlap=timedelta(0))
    assert parse_ticks(summary["watermark_after"]) == seen.update_ticks == late.update_ticks
    tenant.advance(timedelta(seconds=2))
    assert land(lake, overlap=timedelta(0))["versions"] == 1
    assert_last_versions_landed(tenant, lake.path)
