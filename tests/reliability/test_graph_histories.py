"""P1, P4, P5 for Microsoft Graph: every alert's last version lands, once, however Graph answers.

The histories are those of the Endpoint API (see `histories`), with alerts of all products. In a third of them
Graph sorts as asked, in a third it refuses to, in a third it does not although asked. Links have either form.
Half of the polls are cut off after a random page, by the time limit or by an outage; the last one never is.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.comparison import compare_sources
from airflow_provider_defender.hooks import DefenderEndpointHook, GraphSecurityHook
from airflow_provider_defender.ingest.stages import DrainClock
from airflow_provider_defender.simulator import Page, Request, Simulator, Tenant
from airflow_provider_defender.sources.alerts import AlertHooks, AlertSources
from airflow_provider_defender.sources.endpoint_alerts import EndpointAlerts
from airflow_provider_defender.sources.graph_alerts import GraphAlerts
from airflow_provider_defender.sources.graph_incidents import GraphIncidents
from airflow_provider_defender.sources.rest import RestSource
from airflow_provider_defender.timestamps import format_ticks, parse_ticks
from tests.helpers.airflow import connect
from tests.reliability.histories import (
    HISTORIES,
    TENANT_ID,
    Disturbance,
    Poll,
    drain_polls,
    offline_simulator,
    overlapped,
    play,
)
from tests.reliability.support import (
    NarrowMapper,
    PortalAlerts,
    PortalIncidents,
    Shown,
    assert_each_version_is_whole_and_single,
    assert_last_versions_landed,
    assert_log_is_sound,
    landed_rows,
    last_versions,
    opened,
    rows_in,
)

ORDERINGS = ("honour", "refuse", "ignore")
PATHS = ("/v1.0/security/*", "/api/alerts*")
LIMIT = timedelta(hours=1)
CHUNK = 20
IN_MAKE_TEST = 20
"""The others run with the tests that take minutes."""
GRAPH_NAIVE = 20
MOVES = 12


@pytest.fixture
def offline(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    return offline_simulator(simulator, monkeypatch, DefenderEndpointHook, GraphSecurityHook)


# Histories ----------------------------------------------------------------------------------------


class GraphDisturbance(Disturbance):
    """Also ends half of the polls after a random page: `cut_off` tells how."""

    def __init__(self, tenant: Tenant, draw: random.Random, simulator: Simulator, *, cuts: bool) -> None:
        super().__init__(tenant, draw)
        self._simulator = simulator
        self._cuts = cuts
        self._seen: list[str] = []
        self._pages_left = 0
        self.cut_off = ""
        self.times = 0

    def begin(self) -> None:
        self._seen = []
        self._pages_left = self.draw.randrange(1, 7) if self._cuts and self.draw.random() < 0.5 else 0
        self.cut_off = ""

    def __call__(self, page: Page) -> None:
        if page.path.endswith("/alerts") and page.path.startswith("/v1.0"):
            return  # of one incident: as many new ones would come as are read, so that no read would end
        self._seen += page.rows  # pages in order each begin anew, so `page.read` is empty
        self.tenant.advance(timedelta(seconds=self.draw.randrange(240)))
        self.tenant.stir(dict.fromkeys((*page.read, *self._seen)), page.unread)
        self._pages_left -= 1
        if self._pages_left == 0:
            self.times += 1
            self.cut_off = self.draw.choice(("time", "outage"))
            if self.cut_off == "outage":
                for path in PATHS:
                    self._simulator.faults.gateway_timeout(path=path, times=None)

    def end(self) -> None:
        self._simulator.faults.clear()
        self.cut_off = ""

    def clock(self) -> DrainClock:
        """The clock of a drain, which is over once it is cut off."""
        return DrainClock(LIMIT, now=lambda: 7200.0 if self.cut_off == "time" else 0.0)


class History:
    """One history of a tenant as Graph shows it; `disturbance` is there once it is played."""

    def __init__(
        self, simulator: Simulator, seed: int, *, ordering: str | None = None, cuts: bool = True
    ) -> None:
        self._simulator = simulator
        self.seed = seed
        self._cuts = cuts
        self.ordering = ordering or ORDERINGS[seed % 3]
        self.disturbance: GraphDisturbance | None = None

    def play(self, begin: Callable[[Simulator, History], Poll]) -> Tenant:
        return play(
            self._simulator,
            self.seed,
            partial(self._begin, begin),
            services=("api", "graph"),
            disturbance=self._disturb,
        )

    def _disturb(self, tenant: Tenant, draw: random.Random) -> GraphDisturbance:
        self.disturbance = GraphDisturbance(tenant, draw, self._simulator, cuts=self._cuts)
        return self.disturbance

    def _begin(self, begin: Callable[[Simulator, History], Poll], simulator: Simulator) -> Poll:
        graph = simulator.graph
        graph.orderby = graph.incident_orderby = self.ordering  # type: ignore[assignment]
        graph.largest_top = graph.incident_top = 2
        graph.link_form = "$skip" if self.seed % 2 else "$skiptoken"
        return begin(simulator, self)

    def clock(self) -> DrainClock:
        assert self.disturbance is not None
        return self.disturbance.clock()


# The right way ------------------------------------------------------------------------------------


def graph_polls(simulator: Simulator, history: History, lake: Path, monkeypatch: pytest.MonkeyPatch) -> Poll:
    connect(simulator, monkeypatch)
    hook = GraphSecurityHook(sleep=simulator.elapse)
    return drain_polls(simulator, lake, lambda usual: GraphAlerts(hook=hook, **usual), history.clock)


in_parts = pytest.mark.parametrize(
    "first",
    [
        pytest.param(first, marks=[pytest.mark.integration] if first >= IN_MAKE_TEST else [])
        for first in range(0, HISTORIES, CHUNK)
    ],
)


@in_parts
def test_the_last_version_of_every_alert_lands_once(
    offline: Simulator, fast_folder: Path, first: int
) -> None:
    landed = cut_off = 0
    for seed in range(first, first + CHUNK):
        lake = fast_folder / str(seed)
        history = History(offline, seed)
        with pytest.MonkeyPatch.context() as patch:
            if seed % 30:
                patch.setattr(ecs, "RecordMapper", NarrowMapper)
            shown = PortalAlerts(history.play(partial(graph_polls, lake=lake, monkeypatch=patch)))
        assert_last_versions_landed(shown, lake)
        assert_log_is_sound(lake)
        landed += len(last_versions(shown))
        assert history.disturbance is not None
        cut_off += history.disturbance.times
    assert landed > CHUNK * 12
    assert cut_off > CHUNK


def incident_polls(
    simulator: Simulator, history: History, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> Poll:
    connect(simulator, monkeypatch)
    simulator.graph.expand_fails = history.seed % 4 == 3
    hook = GraphSecurityHook(sleep=simulator.elapse)
    return drain_polls(simulator, lake, lambda usual: GraphIncidents(hook=hook, **usual), history.clock)


@in_parts
def test_the_last_version_of_every_incident_lands_once(
    offline: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """In a quarter of the histories Graph does not return the alerts with the incidents."""
    monkeypatch.setattr(ecs, "RecordMapper", NarrowMapper)
    landed = 0
    for seed in range(first, first + CHUNK):
        lake = fast_folder / str(seed)
        with pytest.MonkeyPatch.context() as patch:
            polls = partial(incident_polls, lake=lake, monkeypatch=patch)
            shown = PortalIncidents(History(offline, seed).play(polls))
        assert_last_versions_landed(shown, lake, "incidents/date=*/*.parquet")
        assert_log_is_sound(lake, dataset="incidents")
        landed += len(last_versions(shown))
    assert landed > CHUNK * 4


# The obvious ways, in the first of the same histories ---------------------------------------------


class NaivePolls:
    """Reads alerts as a script would: `strategy` yields the pages of a poll, and how far they count.

    `watermark`: the time from which on the strategy reads, in ticks.
    """

    def __init__(self, simulator: Simulator, history: History, strategy: Strategy) -> None:
        self._simulator = simulator
        self._history = history
        self._strategy = strategy
        token = simulator.access_token(resource="https://graph.microsoft.com")
        self._headers = {"authorization": f"Bearer {token}", "host": "graph.microsoft.com"}
        self.read: set[tuple[str, str]] = set()
        self.watermark = 0

    def __call__(self) -> None:
        began = self._simulator.tenant.now_ticks()
        reached = self._strategy(self)
        self.watermark = max(self.watermark, min(reached, began))

    def page(self, query: str) -> tuple[list[dict[str, Any]], str]:
        """A page, and the query of the next one; nothing while there is an outage."""
        answer = self._simulator.answer(Request("GET", "/v1.0/security/alerts_v2", query, self._headers))
        if answer.status != 200:
            return [], ""
        found = json.loads(b"".join(answer.body))
        self.read |= {(row["id"], row["lastUpdateDateTime"]) for row in found["value"]}
        return found["value"], found.get("@odata.nextLink", "").partition("?")[2]

    def linked(self, query: str) -> Iterator[list[dict[str, Any]]]:
        """The pages by their links, until a history's time limit is over."""
        while query and not self.is_over:
            rows, query = self.page(query)
            yield rows

    @property
    def is_over(self) -> bool:
        """Whether the poll is cut off by its time limit."""
        return self._history.clock().is_over


Strategy = Callable[[NaivePolls], int]


def newest(pages: Iterator[list[dict[str, Any]]], name: str = "lastUpdateDateTime") -> int:
    return max((parse_ticks(row[name]) or 0 for rows in pages for row in rows), default=0)


def lost_histories(simulator: Simulator, strategy: Strategy, *, ordering: str, cuts: bool = False) -> float:
    """In which share of the first histories some alert's last version was never read."""
    lost = 0
    for seed in range(GRAPH_NAIVE):
        made: list[NaivePolls] = []

        def begin(simulator: Simulator, history: History, made: list[NaivePolls] = made) -> NaivePolls:
            made.append(NaivePolls(simulator, history, strategy))
            return made[0]

        tenant = History(simulator, seed, ordering=ordering, cuts=cuts).play(begin)
        lost += bool(last_versions(PortalAlerts(tenant)) - made[0].read)
    return lost / GRAPH_NAIVE


def updated_from(polls: NaivePolls) -> str:
    """The condition with the overlap that we have, too."""
    return f"$filter={quote_plus(f'lastUpdateDateTime ge {overlapped(polls.watermark)}')}"


def test_reading_what_was_created_after_the_newest_loses_updates(offline: Simulator) -> None:
    def strategy(polls: NaivePolls) -> int:
        condition = quote_plus(f"createdDateTime gt {format_ticks(polls.watermark)}")
        return newest(polls.linked(f"$filter={condition}&$top=2"), "createdDateTime")

    assert lost_histories(offline, strategy, ordering="honour") > 0.9


@pytest.mark.integration
def test_a_fixed_filter_with_skip_in_ascending_order_loses_rows(offline: Simulator) -> None:
    def strategy(polls: NaivePolls) -> int:
        query = f"{updated_from(polls)}&$orderby=lastUpdateDateTime asc&$top=2"

        def pages() -> Iterator[list[dict[str, Any]]]:
            skip = 0
            while rows := polls.page(f"{query}&$skip={skip}")[0]:
                yield rows
                skip += len(rows)

        return newest(pages())

    assert lost_histories(offline, strategy, ordering="honour") > 0.4


@pytest.mark.integration
def test_following_the_links_of_pages_in_ascending_order_loses_rows(offline: Simulator) -> None:
    def strategy(polls: NaivePolls) -> int:
        return newest(polls.linked(f"{updated_from(polls)}&$orderby=lastUpdateDateTime asc&$top=2"))

    assert lost_histories(offline, strategy, ordering="honour") > 0.4


@pytest.mark.integration
def test_moving_the_watermark_after_pages_newest_first_that_were_cut_off_loses_rows(
    offline: Simulator,
) -> None:
    def strategy(polls: NaivePolls) -> int:
        return newest(polls.linked(f"{updated_from(polls)}&$top=2"))

    assert lost_histories(offline, strategy, ordering="ignore", cuts=True) > 0.2
    assert lost_histories(offline, strategy, ordering="ignore", cuts=False) == 0


@pytest.mark.integration
def test_trusting_the_order_that_was_asked_for_loses_rows(offline: Simulator) -> None:
    """A page's newest time is taken for the place to go on from, though the newest came first."""

    def strategy(polls: NaivePolls) -> int:
        since = polls.watermark
        rows: list[dict[str, Any]] = [{}]
        while len(rows) > 1 or rows == [{}]:
            condition = quote_plus(f"lastUpdateDateTime ge {overlapped(since)}")
            rows, _ = polls.page(f"$filter={condition}&$orderby=lastUpdateDateTime asc&$top=2")
            if (reached := newest(iter([rows]))) <= since:
                break
            since = reached
        return since

    assert lost_histories(offline, strategy, ordering="ignore") > 0.9


# The move from the Endpoint API -------------------------------------------------------------------


class MovingPolls:
    """A lake's polls while it moves: the Endpoint API first, then perhaps both, then Graph only.

    `careful`: Graph's first drain begins where the operators let it begin, not when it is first started.
    """

    def __init__(self, simulator: Simulator, history: History, lake: Path, *, careful: bool) -> None:
        lake_opened = opened(lake)
        endpoint = DefenderEndpointHook(sleep=simulator.elapse)
        graph = GraphSecurityHook(sleep=simulator.elapse)

        def graph_source(usual: dict[str, Any]) -> RestSource:
            if not careful:
                return GraphAlerts(hook=graph, lookback=timedelta(0), **usual)
            sources = AlertSources(source="graph_alerts", lookback=timedelta(0), **usual)
            return sources.open(AlertHooks("defender_default", lambda _: graph), lake_opened)

        old = drain_polls(
            simulator, lake, lambda usual: EndpointAlerts(hook=endpoint, **usual), history.clock
        )
        new = drain_polls(simulator, lake, graph_source, history.clock)
        self._plan = [[old], [old], [old, new] if history.seed % 2 else [old], [new], [new]]

    def __call__(self) -> None:
        for poll in self._plan.pop(0):
            poll()


def lost_in_move(
    offline: Simulator, seed: int, lake: Path, patch: pytest.MonkeyPatch, *, careful: bool
) -> set[tuple[str, str | None]]:
    """The last versions of alerts that both APIs show which did not land; P1 and P4 of both logs."""

    def begin(simulator: Simulator, history: History) -> Poll:
        connect(simulator, patch)
        return MovingPolls(simulator, history, lake, careful=careful)

    tenant = History(offline, seed).play(begin)
    for log in ("endpoint_alerts", "graph_alerts"):
        assert_log_is_sound(lake, f"{log}-{TENANT_ID}")
    graph = PortalAlerts(tenant)
    shown: dict[str, Shown] = {"endpoint": tenant, "graph": graph}
    for source, versions in shown.items():
        rows = rows_in(sorted(lake.glob(f"alerts/date=*/{source}_alerts-*.parquet")))
        assert_each_version_is_whole_and_single(versions, rows)
    landed = {(alert_id, version) for alert_id, version, _ in landed_rows(lake)}
    return (last_versions(tenant) & last_versions(graph)) - landed


def test_no_alert_is_lost_while_a_lake_moves_from_one_api_to_the_other(
    offline: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of both are disturbed and cut off, the last ones of the Endpoint API included."""
    monkeypatch.setattr(ecs, "RecordMapper", NarrowMapper)
    for seed in range(MOVES):
        lake = fast_folder / str(seed)
        assert lost_in_move(offline, seed, lake, monkeypatch, careful=True) == set()
        [tenant] = compare_sources(lake).tenants
        assert tenant.gap is None


@pytest.mark.integration
def test_a_move_that_begins_to_read_graph_from_now_on_loses_alerts(
    offline: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ecs, "RecordMapper", NarrowMapper)
    lost = [
        bool(lost_in_move(offline, seed, fast_folder / str(seed), monkeypatch, careful=False))
        for seed in range(GRAPH_NAIVE)
    ]
    assert sum(lost) / GRAPH_NAIVE > 0.4
