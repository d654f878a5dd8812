"""The living tenant is hard enough: what loses rows at Microsoft loses them here, and the right way does not.

Each history has eight drains with pages of four rows; after every page rows are changed or added, singly and
in bulk, and some writes become visible late. A history is lost when some alert's last version was never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote_plus

import pytest

from airflow_provider_defender.simulator import Request, Simulator, Tenant
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks
from tests.unit.simulator.answers import ticks

HISTORIES = 8
OVERLAP = 5 * 60 * 10_000_000


def drain(simulator: Simulator, query: str) -> tuple[set[tuple[str, str]], int]:
    """Id and update time of all rows read, and when the drain began (by the first answer's Date)."""
    headers = {"authorization": f"Bearer {simulator.access_token()}"}
    read: set[tuple[str, str]] = set()
    began = 0
    while query:
        answer = simulator.answer(Request("GET", "/api/alerts", query, headers))
        assert answer.status == 200
        began = began or datetime_to_ticks(parsedate_to_datetime(answer.headers["Date"]))
        page = json.loads(b"".join(answer.body))
        read |= {(row["id"], row["lastUpdateTime"]) for row in page["value"]}
        query = page.get("@odata.nextLink", "?").partition("?")[2]
    return read, began


def lost(seed: int, condition: Callable[[int, int], str], options: str, capped: bool) -> int:
    tenant = Tenant(seed, alerts=25, history=timedelta(hours=6), late_share=0.2, latest=timedelta(minutes=4))
    simulator = Simulator(tenant=tenant, page_size=4, calls_per_minute=None, calls_per_hour=None)
    simulator.after_page = simulator.stir
    read, watermark = set(), 0
    for number in range(8):
        if number == 7:
            simulator.after_page = None
        query = f"$filter={quote_plus(condition(watermark, tenant.now_ticks()))}{options}"
        rows, began = drain(simulator, query)
        read |= rows
        if rows:
            newest = max(ticks(time) for _, time in rows)
            watermark = max(watermark, min(newest, began) if capped else newest)
        if number < 7:
            tenant.advance(timedelta(minutes=7))
    simulator.stop()
    return sum((version.alert_id, version.update_time) not in read for version in tenant.alerts)


def since(watermark: int) -> str:
    return format_ticks(max(0, watermark))


@pytest.mark.parametrize(
    ("condition", "options", "capped"),
    [
        (lambda w, now: f"lastUpdateTime gt {since(w)}", "", False),
        (lambda w, now: f"lastUpdateTime ge {since(w)}", "", False),
        (
            lambda w, now: f"lastUpdateTime ge {since(w - OVERLAP)} and lastUpdateTime le {since(now)}",
            "",
            True,
        ),
        (lambda w, now: f"lastUpdateTime ge {since(w)}", "&$orderby=lastUpdateTime+asc", False),
    ],
    ids=["greater than", "greater or equal", "upper bound", "ascending time"],
)
def test_naive_ways_lose_rows(condition: Callable[[int, int], str], options: str, capped: bool) -> None:
    losses = [lost(seed, condition, options, capped) for seed in range(HISTORIES)]
    assert sum(loss > 0 for loss in losses) >= HISTORIES * 3 // 4


def test_no_upper_bound_with_overlap_and_a_capped_watermark_loses_nothing() -> None:
    def condition(watermark: int, now: int) -> str:
        return f"lastUpdateTime ge {since(watermark - OVERLAP)}"

    assert [lost(seed, condition, "", capped=True) for seed in range(HISTORIES)] == [0] * HISTORIES


def test_without_overlap_late_versions_are_lost() -> None:
    losses = [
        lost(seed, lambda w, now: f"lastUpdateTime ge {since(w)}", "", True) for seed in range(HISTORIES)
    ]
    assert sum(losses) > 0
