"""Graph's pages are hard enough: what loses records at Microsoft loses them here, and keyset paging does not.

Each history has six drains with pages of four records; after every page records are changed or added, singly
and in bulk, and some writes become visible late. A history is lost when the last version of some alert or
incident was never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote_plus

import pytest

from airflow_provider_defender.simulator import Request, Simulator, Tenant
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks
from tests.unit.simulator.answers import ticks

HISTORIES = 6
DRAINS = 6
OVERLAP = 5 * 60 * 10_000_000
ALERTS, INCIDENTS = "/v1.0/security/alerts_v2", "/v1.0/security/incidents"
ASCENDING = "&$orderby=lastUpdateDateTime+asc"
Row = tuple[str, str]


class Reader:
    """Reads one list of a simulated tenant."""

    def __init__(self, simulator: Simulator, path: str) -> None:
        self._simulator = simulator
        self._path = path
        token = simulator.access_token("reader", "https://graph.microsoft.com")
        self._headers = {"authorization": f"Bearer {token}"}
        self.began = 0

    def page(self, query: str) -> dict[str, Any]:
        answer = self._simulator.answer(Request("GET", self._path, query, self._headers))
        assert answer.status == 200, answer.body
        self.began = self.began or datetime_to_ticks(parsedate_to_datetime(answer.headers["Date"]))
        page: dict[str, Any] = json.loads(b"".join(answer.body))
        return page

    def linked(self, condition: str, options: str = "") -> Iterator[Row]:
        """All records that fit, following the links."""
        query = f"$filter={quote_plus(condition)}{options}"
        while query:
            page = self.page(query)
            yield from rows_of(page)
            query = page.get("@odata.nextLink", "?").partition("?")[2]

    def keyset(self, since: int) -> Iterator[Row]:
        """All records since a time, each page from where the one before ended, up to when the drain began."""
        last = from_on(since)
        while True:
            page = self.page(f"$filter={quote_plus(last)}{ASCENDING}")
            rows = list(rows_of(page))
            yield from rows
            if "@odata.nextLink" not in page or ticks(rows[-1][1]) > self.began:
                return
            newest = rows[-1][1]
            last = f"lastUpdateDateTime ge {newest}"
            if rows[0][1] == newest:
                yield from self._all_at(newest)
                last = f"lastUpdateDateTime gt {newest}"

    def _all_at(self, time: str) -> set[Row]:
        """All records of one time: what is updated meanwhile shifts others, so until two passes agree."""
        condition = f"lastUpdateDateTime ge {time} and lastUpdateDateTime le {time}"
        found, again = set(self.linked(condition)), set(self.linked(condition))
        seen = found | again
        while found != again:
            found, again = again, set(self.linked(condition))
            seen |= again
        return seen


def from_on(moment: int) -> str:
    return f"lastUpdateDateTime ge {format_ticks(max(0, moment))}"


def rows_of(page: dict[str, Any]) -> Iterator[Row]:
    return ((row["id"], row["lastUpdateDateTime"]) for row in page["value"])


Way = Callable[[Reader, int], Iterator[Row]]


def lost(seed: int, path: str, way: Way, *, capped: bool, orderby: Any = "honour") -> int:
    tenant = Tenant(seed, alerts=20, history=timedelta(hours=6), late_share=0.2, latest=timedelta(minutes=4))
    simulator = Simulator(tenant=tenant, page_size=4, calls_per_minute=None, calls_per_hour=None)
    simulator.graph.orderby = simulator.graph.incident_orderby = orderby
    simulator.after_page = simulator.stir
    read: set[Row] = set()
    watermark = 0
    for number in range(DRAINS):
        if number == DRAINS - 1:
            simulator.after_page = None
        reader = Reader(simulator, path)
        found = set(way(reader, watermark))
        read |= found
        if found:
            newest = max(ticks(time) for _, time in found)
            watermark = max(watermark, min(newest, reader.began) if capped else newest)
        if number < DRAINS - 1:
            tenant.advance(timedelta(minutes=7))
    simulator.stop()
    portal = simulator.graph.portal
    truth = portal.alerts if path == ALERTS else portal.incidents
    return sum((version.row_id, version.update_time) not in read for version in truth)


@pytest.mark.parametrize("path", [ALERTS, INCIDENTS])
@pytest.mark.parametrize(
    "way",
    [
        lambda reader, since: reader.linked(from_on(since + 1)),
        lambda reader, since: reader.linked(from_on(since - OVERLAP), ASCENDING),
    ],
    ids=["after the newest", "links in ascending order"],
)
def test_naive_ways_lose_records(path: str, way: Way) -> None:
    losses = [lost(seed, path, way, capped=False) for seed in range(HISTORIES)]
    assert sum(loss > 0 for loss in losses) >= HISTORIES // 2


@pytest.mark.parametrize("path", [ALERTS, INCIDENTS])
def test_keyset_paging_with_an_overlap_loses_nothing(path: str) -> None:
    def way(reader: Reader, since: int) -> Iterator[Row]:
        return reader.keyset(since - OVERLAP)

    assert [lost(seed, path, way, capped=True) for seed in range(HISTORIES)] == [0] * HISTORIES


@pytest.mark.parametrize("path", [ALERTS, INCIDENTS])
def test_newest_first_with_a_capped_watermark_loses_nothing(path: str) -> None:
    def way(reader: Reader, since: int) -> Iterator[Row]:
        return reader.linked(from_on(since - OVERLAP))

    losses = [lost(seed, path, way, capped=True, orderby="ignore") for seed in range(HISTORIES)]
    assert losses == [0] * HISTORIES
