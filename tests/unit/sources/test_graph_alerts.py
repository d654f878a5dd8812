"""Alerts of Microsoft Graph, landed by the operator: nothing lost or doubled, however a drain ends.

The simulator honours, ignores or refuses Graph's undocumented order; its pages have two alerts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

import pytest

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import StopAndLook, TryAgain
from airflow_provider_defender.simulator import Page, Simulator
from airflow_provider_defender.timestamps import parse_ticks
from tests.helpers.airflow import LakeFolder, context, land
from tests.helpers.breadth import first_in_make_test

Ordering = Literal["honour", "ignore", "refuse"]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
GRAPH_ALERTS = "/v1.0/security/alerts_v2"
ORDERINGS: tuple[Ordering, ...] = ("honour", "ignore", "refuse")


@pytest.fixture(autouse=True)
def pages_of_two(simulator: Simulator) -> Iterator[None]:
    simulator.page_size = 2
    simulator.graph.largest_top = 2
    yield
    simulator.graph.after_page = None


def drain(lake: LakeFolder, **arguments: Any) -> dict[str, Any]:
    return land(lake, source="graph_alerts", **arguments)


class Pages:
    """A clock that counts pages: with `max_duration=n seconds`, a drain ends after n of them."""

    def __init__(self, simulator: Simulator) -> None:
        self.count = 0
        self._simulator = simulator
        simulator.graph.after_page = self.note
        self.clock = Clock(now=lambda: simulator.tenant.now(), monotonic=lambda: float(self.count))

    def note(self, page: Page) -> None:
        self.count += 1


def watermark(summary: dict[str, Any]) -> int | None:
    text = summary["watermark_after"]
    return None if text is None else parse_ticks(text)


def update_times(simulator: Simulator) -> list[int]:
    """The update times of all alerts that Graph returns, in ticks, ascending."""
    times = (alert.update_ticks for alert in simulator.graph.portal.alerts)
    return sorted(time for time in times if time is not None)


def assert_all_landed_once(simulator: Simulator, lake: LakeFolder) -> None:
    landed = lake.landed()
    expected = {alert.row_id: alert.update_time for alert in simulator.graph.portal.alerts}
    missing = {key: version for key, version in expected.items() if version not in landed.get(key, set())}
    assert missing == {}
    assert {row: count for row, count in lake.versions().items() if count > 1} == {}


@pytest.mark.parametrize("orderby", ORDERINGS)
def test_alerts_land_once_and_later_only_what_changed(
    simulator: Simulator, lake: LakeFolder, orderby: Ordering
) -> None:
    simulator.graph.orderby = orderby
    alerts = simulator.tenant.add_alerts(7, evidence=2, over=5 * HOUR)
    first = drain(lake)
    assert (first["source"], first["versions"], first["complete"]) == ("graph_alerts", 7, True)
    newest = update_times(simulator)[-1]
    assert watermark(first) == min(newest, simulator.tenant.now_ticks())
    simulator.tenant.advance(30 * MINUTE)
    simulator.tenant.update_many([alert.alert_id for alert in alerts[:3]], status="Resolved")
    second = drain(lake)
    assert (second["versions"], watermark(second)) == (3, simulator.tenant.now_ticks())
    assert_all_landed_once(simulator, lake)


@pytest.mark.parametrize(("orderby", "moves"), [("honour", True), ("ignore", False), ("refuse", False)])
@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_drain_that_is_cut_off_keeps_what_it_has_read_where_pages_ascend(
    simulator: Simulator, lake: LakeFolder, orderby: Ordering, moves: bool, pages: int
) -> None:
    simulator.graph.orderby = orderby
    simulator.tenant.add_alerts(9, evidence=1, over=20 * HOUR)
    limit = Pages(simulator)
    cut = drain(lake, clock=limit.clock, max_duration=timedelta(seconds=pages))
    assert cut["complete"] is False
    assert (watermark(cut) is not None) == moves
    if moves:
        assert watermark(cut) == update_times(simulator)[cut["versions"] - 1]
    rest = drain(lake)
    assert (rest["complete"], cut["versions"] + rest["versions"]) == (True, 9)
    assert_all_landed_once(simulator, lake)


@pytest.mark.parametrize("orderby", ORDERINGS)
def test_a_drain_that_an_outage_ends_keeps_what_it_has_read(
    simulator: Simulator, lake: LakeFolder, orderby: Ordering
) -> None:
    simulator.graph.orderby = orderby
    simulator.tenant.add_alerts(9, evidence=1, over=20 * HOUR)
    limit = Pages(simulator)

    def break_down(page: Page) -> None:
        limit.note(page)
        if limit.count == 3:
            simulator.faults.server_error(503, path=GRAPH_ALERTS, times=None)

    simulator.graph.after_page = break_down
    with pytest.raises(TryAgain):
        drain(lake)
    simulator.graph.after_page = None
    simulator.faults.clear()
    [commit] = lake.records()
    assert 0 < commit["counts"]["landed"] < 9
    assert (commit["position"]["watermark"] is not None) == (orderby == "honour")
    simulator.tenant.advance(48 * HOUR)  # nobody looked for two days
    drain(lake)
    assert_all_landed_once(simulator, lake)


@pytest.mark.parametrize("orderby", ORDERINGS)
@pytest.mark.parametrize("seed", first_in_make_test(range(2)))
def test_whatever_happens_while_pages_are_read(
    simulator: Simulator, lake: LakeFolder, orderby: Ordering, seed: int
) -> None:
    """Alerts change, and become visible late; drains end at random pages; the watermark keeps its bounds."""
    draw = random.Random(f"{orderby} {seed}")
    simulator.graph.orderby = orderby
    tenant = simulator.tenant
    tenant.add_alerts(6, evidence=1, over=3 * HOUR)
    before: int | None = None
    for _ in range(5):
        tenant.add_alert(evidence=1, visible_after=timedelta(minutes=draw.randrange(10)))
        began = tenant.now_ticks()
        after = disturbed_drain(simulator, lake, draw)
        assert before is None or (after is not None and before <= after)
        assert after is None or after <= began
        before = after
        tenant.advance(timedelta(minutes=draw.randrange(5)))
    simulator.graph.after_page = None
    tenant.advance(10 * MINUTE)  # all that is late is visible now
    drain(lake)
    assert_all_landed_once(simulator, lake)


def disturbed_drain(simulator: Simulator, lake: LakeFolder, draw: random.Random) -> int | None:
    """A drain that may be cut off, while the tenant changes after each page; the watermark after it."""
    limit, tenant = Pages(simulator), simulator.tenant

    def stir(page: Page) -> None:
        limit.note(page)
        tenant.advance(timedelta(seconds=draw.randrange(200)))
        tenant.stir((*page.read, *page.rows), page.unread)

    simulator.graph.after_page = stir
    seconds = timedelta(seconds=draw.choice([1, 2, 4, 1000]))
    with suppress(StopAndLook):  # cut off within the overlap, with nothing new
        drain(lake, clock=limit.clock, max_duration=seconds)
    text = lake.records()[-1]["position"]["watermark"]
    return None if text is None else parse_ticks(text)


@pytest.mark.parametrize("orderby", ORDERINGS)
def test_a_backfill_reads_by_creation_time_and_moves_nothing(
    simulator: Simulator, lake: LakeFolder, orderby: Ordering
) -> None:
    simulator.graph.orderby = orderby
    simulator.tenant.add_alerts(10, evidence=1, over=10 * HOUR)
    bounds = {"since": "2026-11-20T04:30:00Z", "until": "2026-11-20T08:30:00Z"}
    for expected in (4, 0):
        summary = drain(lake, **bounds)
        assert (summary["versions"], summary["watermark_after"]) == (expected, None)
    drain(lake)
    assert_all_landed_once(simulator, lake)


def test_a_window_can_be_read_by_update_time(simulator: Simulator, lake: LakeFolder) -> None:
    alerts = simulator.tenant.add_alerts(4, over=4 * HOUR)
    simulator.tenant.advance(HOUR)
    simulator.tenant.comment(alerts[0].alert_id, "late")
    bounds = {"since": "2026-11-20T12:30:00Z", "until": "2026-11-20T13:30:00Z"}
    assert drain(lake, **bounds)["versions"] == 0
    assert drain(lake, **bounds, by="updated")["versions"] == 1


def test_filters_narrow_what_lands_in_the_spelling_of_either_api(
    simulator: Simulator, lake: LakeFolder
) -> None:
    for severity in ("High", "Medium", "Low"):
        simulator.tenant.add_alert(severity=severity)
    assert drain(lake, severity=["High", "medium"])["versions"] == 2
    [commit] = lake.records()
    assert commit["position"]["filters"] == {"severity": ["high", "medium"]}


def test_a_product_can_be_picked(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alert()
    assert drain(lake, service_source="microsoftDefenderForIdentity")["versions"] == 0
    simulator.tenant.advance(MINUTE)
    simulator.tenant.add_alert()
    assert drain(lake, service_source="microsoftDefenderForEndpoint")["versions"] == 2


def test_two_sources_share_the_dataset_and_mirror_watermarks_of_their_own(
    simulator: Simulator, lake: LakeFolder
) -> None:
    class Store(dict[str, Any]):
        def __getitem__(self, asset: Any) -> Any:
            return type("State", (), {"set": lambda _, key, value: self.update({key: value})})()

    simulator.tenant.add_alerts(3, over=HOUR)
    store = Store()
    for source in ("endpoint_alerts", "graph_alerts"):
        land(lake, context(asset_state_store=store), source=source)
    assert store.keys() == {"endpoint_alerts-watermark", "graph_alerts-watermark"}
    keys = [row["landing"]["key"] for row in lake.rows().select(["landing"]).to_pylist()]
    assert len(set(keys)) == 3
    assert {row["landing"]["source"] for row in lake.rows().select(["landing"]).to_pylist()} == {
        "endpoint_alerts",
        "graph_alerts",
    }
