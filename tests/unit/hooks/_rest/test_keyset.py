"""Keyset paging: whatever the service's habits and whatever changes meanwhile, no record is missed."""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from typing import Literal
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import pytest

from airflow_provider_defender.exceptions import PagingBroken, RequestRefused
from airflow_provider_defender.hooks._http.waiting import Waits
from airflow_provider_defender.hooks._rest.client import Answer, ReadBody
from airflow_provider_defender.hooks._rest.keyset import Habits, KeysetRead, Place, TimeOrder
from airflow_provider_defender.hooks._rest.pages import Page, PageBody
from airflow_provider_defender.hooks._rest.paging import Progress
from airflow_provider_defender.timestamps import format_ticks, parse_ticks
from tests.helpers.breadth import first_in_make_test

LOG = logging.getLogger(__name__)
NOW = parse_ticks("2026-11-20T12:00:00Z") or 0
SECOND = 10_000_000


@dataclass
class Service:
    """A list that is sorted, filtered and paged as a service would, with its habits as switches."""

    rows: dict[str, int] = field(default_factory=dict)
    """Update time of each record, in ticks, by id."""
    order: Literal["honour", "ignore", "refuse"] = "honour"
    largest: int = 1000
    """The most records per page, whatever `$top` asks for."""
    links: bool = True
    before: Callable[[Service], None] = lambda service: None
    """Called before each answer: the world goes on."""
    size: Callable[[int], int] = lambda count: 1
    """The bytes of an answer with so many records."""
    now: int = NOW
    asked: list[dict[str, str]] = field(default_factory=list)
    conn_id: str = "c"
    host: str = "api.example"

    def raw(self, identity: str) -> bytes:
        return json.dumps(
            {"title": "x", "id": identity, "updated": format_ticks(self.rows[identity])}
        ).encode()

    def get(self, url: str, waits: Waits, read: ReadBody, *, most_tries: int | None = None) -> Answer:
        self.before(self)
        options = {name[1:]: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.asked.append(dict(options))
        if self.order == "refuse" and "orderby" in options:
            refusal = RequestRefused("no such option")
            refusal.status, refusal.said = 400, "The query option 'orderby' is not allowed."
            raise refusal
        since = parse_ticks(re.search(r"ge (\S+)", options["filter"])[1]) or 0  # type: ignore[index]
        end = re.search(r"lt (\S+)", options["filter"])
        until = parse_ticks(end[1]) if end else None
        rows = [(time, each) for each, time in self.rows.items() if since <= time < (until or time + 1)]
        rows.sort(reverse="orderby" not in options or self.order != "honour")
        start = int(options.get("skiptoken", 0))
        count = min(int(options.get("top", 1000)), self.largest)
        page = rows[start : start + count]
        link = None
        if self.links and start + count < len(rows):
            options["skiptoken"] = str(start + count)
            query = "&".join(f"${name}={quote(value)}" for name, value in options.items())
            link = f"https://{self.host}/list?{query}"
        body = PageBody([msgspec.Raw(self.raw(each)) for _, each in page], link)
        seconds = self.now // SECOND
        return Answer(body, datetime.fromtimestamp(seconds, timezone.utc), self.size(len(page)))

    def checked_link(self, link: str | None) -> str | None:
        return link


def waits() -> Waits:
    return Waits(LOG, sleep=lambda _: None, jitter=random.random)


def reading(
    service: Service,
    since: int = 0,
    *,
    until: int | None = None,
    top: int = 1000,
    habits: Habits | None = None,
) -> Iterator[Page]:
    order = TimeOrder("/list", "records", "updated", "updated", until=until)
    habits = habits or Habits(top)
    read = KeysetRead(service, order, Place(since), habits=habits, waits=waits(), log=LOG)  # type: ignore[arg-type]
    return read.pages(Progress("records", LOG, lambda: 0.0))


def ids(pages: list[Page] | Iterator[Page]) -> list[str]:
    return [json.loads(bytes(record))["id"] for page in pages for record in page.records]


def test_pages_ascend_each_from_the_last_time_seen() -> None:
    service = Service({f"r{number}": NOW - 100 * SECOND + number // 2 * SECOND for number in range(9)})
    pages = list(reading(service, NOW - 200 * SECOND, top=4))
    assert ids(pages) == [f"r{number}" for number in range(9)]
    assert all("skiptoken" not in asked and "skip" not in asked for asked in service.asked)
    assert service.asked[0] == {
        "filter": f"updated ge {format_ticks(NOW - 200 * SECOND)}",
        "orderby": "updated asc",
        "top": "4",
    }
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    times = [page.complete_until or 0 for page in pages]
    assert times == sorted(times)
    assert times[-1] == service.rows["r8"]


# -- what a service may do -----------------------------------------------------------------------


def spread(count: int, *, tied: int = 1) -> dict[str, int]:
    """Records with times a second apart, `tied` of them at each, the newest long ago."""
    return {f"r{number:03}": NOW - 9999 * SECOND + number // tied * SECOND for number in range(count)}


@pytest.mark.parametrize("order", ["honour", "ignore", "refuse"])
@pytest.mark.parametrize("largest", [1, 3, 1000])
@pytest.mark.parametrize("tied", [1, 2, 7, 100])
def test_every_record_comes_once_whatever_the_habits(
    order: Literal["honour", "ignore", "refuse"], largest: int, tied: int
) -> None:
    service = Service(spread(23, tied=tied), order=order, largest=largest)
    pages = list(reading(service, top=5))
    assert sorted(ids(pages)) == sorted(service.rows)
    assert pages[-1].last
    assert not any(page.last for page in pages[:-1])


def test_no_page_promises_more_than_was_read() -> None:
    """Whatever comes after a page, nothing before its `complete_until` does."""
    for seed in range(200):
        draw = random.Random(seed)
        service = Service(
            spread(draw.randrange(1, 30), tied=draw.choice([1, 2, 5, 40])),
            order=draw.choice(["honour", "ignore", "refuse"]),
            largest=draw.choice([1, 2, 4, 1000]),
        )
        read: set[str] = set()
        for page in reading(service, top=draw.choice([1, 3, 50])):
            read.update(ids([page]))
            if page.complete_until is not None:
                missing = set(service.rows) - read
                assert all(service.rows[each] >= page.complete_until for each in missing)


def churn(draw: random.Random, rate: float) -> Callable[[Service], None]:
    """The world goes on: records are updated, singly and in bulk, and new ones come."""

    def before(service: Service) -> None:
        service.now += draw.randrange(3) * SECOND
        if draw.random() < rate:
            for each in draw.sample(sorted(service.rows), min(len(service.rows), draw.choice([1, 1, 2, 5]))):
                service.rows[each] = service.now
        if draw.random() < rate / 2:
            service.rows[f"n{len(service.rows):03}"] = service.now

    return before


@pytest.mark.parametrize("seeds", first_in_make_test([range(80), range(80, 300)]), ids=["80", "220"])
@pytest.mark.parametrize("order", ["honour", "ignore", "refuse"])
def test_random_histories_lose_nothing(order: Literal["honour", "ignore", "refuse"], seeds: range) -> None:
    """Read after read from the position reached, each cut off at random; at last every version is known.

    The position moves as the sources move it: to `complete_until`, or after a whole read to the newest time,
    but never past the read's start.
    """
    for seed in seeds:
        draw = random.Random(seed)
        service = Service(spread(draw.randrange(1, 25), tied=draw.choice([1, 3, 9, 30])), order=order)
        service.largest = draw.choice([1, 2, 3, 7, 1000])
        service.before = churn(draw, draw.choice([0.1, 0.5]))
        seen: set[tuple[str, int]] = set()
        position = 0
        for run in range(8):
            if run == 7:
                service.before = lambda service: None
                service.now += 60 * SECOND
            cut = draw.choice([1, 2, 4, 99]) if run < 7 else 10_000
            position = one_run(service, position, seen, cut)
        assert seen >= set(service.rows.items()), (seed, order)


def one_run(service: Service, position: int, seen: set[tuple[str, int]], cut: int) -> int:
    """Read up to `cut` pages; return the new position."""
    served: int | None = None
    newest: int | None = None
    complete: int | None = None
    pages = enumerate(reading(service, position, top=4))
    while True:
        try:
            number, page = next(pages)
        except (StopIteration, PagingBroken):  # so much new that the links seem to run in a loop
            break
        served = served or parse_ticks(page.served_at.isoformat()) or 0
        for record in page.records:
            row = json.loads(bytes(record))
            time = parse_ticks(row["updated"]) or 0
            seen.add((row["id"], time))
            newest = max(time, newest or 0)
        complete = page.complete_until if page.complete_until is not None else (newest if page.last else None)
        if number + 1 >= cut:
            break
    return position if complete is None else max(position, min(complete, served or 0))


def test_the_naive_ways_lose_records_in_such_histories() -> None:
    """The model is hard enough: following the links of an ascending list fails in it."""
    lost = 0
    for seed in range(60):
        draw = random.Random(seed)
        service = Service(spread(20), largest=3, before=churn(draw, 0.5))
        seen: set[str] = set()
        link: str | None = "https://api.example/list?$filter=updated%20ge%201970-01-01T00:00:00Z&$orderby=x"
        known = set(service.rows)
        while link is not None:
            body = service.get(link, waits(), lambda body, members: PageBody([])).body
            seen.update(json.loads(bytes(record))["id"] for record in body.value)
            link = body.next_link
        lost += not known <= seen
    assert lost > 10


# -- ties ----------------------------------------------------------------------------------------


def test_a_page_of_one_time_is_read_by_its_links_until_two_passes_agree() -> None:
    """An update in the middle moves a tied record away, and with it another one past the reader."""
    service = Service(spread(12, tied=10), largest=3)
    tied = [each for each, time in service.rows.items() if time == min(service.rows.values())]

    def before(service: Service) -> None:
        if len(service.asked) == 3:
            service.rows[tied[0]] = NOW

    service.before = before
    found = list(reading(service, top=3))
    assert set(ids(found)) == set(service.rows)
    assert all(not page.last for page in found[:-1])


def test_ties_that_never_settle_are_an_error_and_no_loop() -> None:
    service = Service(spread(6, tied=6), largest=3)

    def before(service: Service) -> None:
        for each in list(service.rows):
            service.rows[f"{each}'"] = service.rows.pop(each)

    service.before = before
    with pytest.raises(PagingBroken, match="were others in each of 100 passes"):
        list(reading(service, top=3))


def test_a_full_page_of_one_time_without_a_link_is_read_in_another_way() -> None:
    """If pages without `$top` have links, as Defender's, nothing is missing."""

    class OnlyWithoutTop(Service):
        def get(self, url: str, waits: Waits, read: ReadBody, *, most_tries: int | None = None) -> Answer:
            self.links = "$top" not in url
            return super().get(url, waits, read, most_tries=most_tries)

    service = OnlyWithoutTop(spread(9, tied=8), largest=3)
    assert sorted(ids(reading(service, top=3))) == sorted(service.rows)


def test_a_full_page_of_one_time_without_any_link_is_an_error() -> None:
    service = Service(spread(9, tied=8), largest=3, links=False)
    found: list[Page] = []

    def before(service: Service) -> None:
        if len(service.asked) == 2:  # what stood there first is out of sight from now on
            service.rows["a000"] = service.rows["a001"] = service.rows["a002"] = service.rows["r000"]

    service.before = before
    with pytest.raises(PagingBroken, match="a page full of records has one time"):
        found.extend(reading(service, top=3))
    assert not any(page.last for page in found)


# -- the end -------------------------------------------------------------------------------------


def test_a_short_page_is_not_taken_for_the_end() -> None:
    """A service may cut `$top` down without a word."""
    service = Service(spread(10), largest=3, links=False)
    assert sorted(ids(reading(service))) == sorted(service.rows)


def test_an_empty_answer_is_the_end() -> None:
    service = Service({})
    [page] = reading(service, 77)
    assert (page.records, page.last, page.complete_until) == ([], True, 77)
    assert len(service.asked) == 1


def test_a_read_without_an_end_stops_when_it_has_passed_its_start() -> None:
    """Or a busy tenant would be read forever."""
    service = Service(spread(4))

    def before(service: Service) -> None:
        service.now += 5 * SECOND
        service.rows[f"n{len(service.asked)}"] = service.now

    service.before = before
    pages = list(islice(reading(service, top=2), 50))
    assert len(pages) < 10
    assert pages[-1].last
    assert (pages[-1].complete_until or 0) > NOW


def test_a_window_ends_at_its_end() -> None:
    service = Service(spread(10))
    until = service.rows["r006"]
    found = ids(reading(service, service.rows["r002"], until=until, top=2))
    assert found == ["r002", "r003", "r004", "r005"]


# -- habits --------------------------------------------------------------------------------------


def test_a_refused_top_is_lowered_and_remembered() -> None:
    class Strict(Service):
        def get(self, url: str, waits: Waits, read: ReadBody, *, most_tries: int | None = None) -> Answer:
            top = re.search(r"top=(\d+)", url)
            if top and int(top[1]) > 5:
                self.asked.append({"top": top[1]})
                refusal = RequestRefused("x")
                refusal.status = 400
                refusal.said = "The limit of '5' for Top query has been exceeded. The value is '1000'."
                raise refusal
            return super().get(url, waits, read, most_tries=most_tries)

    service, habits = Strict(spread(12)), Habits(1000)
    assert len(ids(reading(service, habits=habits))) == 12
    assert (habits.top, habits.sorts) == (5, True)
    assert [asked["top"] for asked in service.asked].count("1000") == 1


@pytest.mark.parametrize("order", ["ignore", "refuse"])
def test_that_it_does_not_sort_is_said_once_and_remembered(
    order: Literal["ignore", "refuse"], caplog: pytest.LogCaptureFixture
) -> None:
    service, habits = Service(spread(9), order=order, largest=4), Habits(4)
    for _ in range(2):
        pages = list(reading(service, habits=habits))
        assert [page.complete_until for page in pages] == [None] * 3
        assert sorted(ids(pages)) == sorted(service.rows)
    assert caplog.text.count("does not sort records by time") == 1
    assert sum("orderby" in asked for asked in service.asked) == 1
    assert all("top" not in asked for asked in service.asked if "orderby" not in asked)


def test_a_bulk_update_is_not_taken_for_the_oldest_records() -> None:
    """Newest first, the first page may hold one time only, as the first of an ascending list may."""
    service = Service({**spread(9), **{f"b{number}": NOW - SECOND for number in range(9)}}, order="ignore")
    service.largest = 3
    pages = list(reading(service, top=3))
    assert set(ids(pages)) == set(service.rows)
    assert all(not page.complete_until for page in pages)


def test_ordering_that_breaks_off_is_made_up_for_from_the_position_reached() -> None:
    service = Service(spread(12), largest=4)

    def before(service: Service) -> None:
        if len(service.asked) == 2:
            service.order = "ignore"

    service.before = before
    pages = list(reading(service, top=4))
    assert set(ids(pages)) == set(service.rows)
    assert f"ge {format_ticks(service.rows['r006'])}" in service.asked[-1]["filter"]


def test_ordering_that_breaks_off_before_a_page_of_one_time() -> None:
    """Such a page looks sorted, though the newest came first."""

    def before(service: Service) -> None:
        service.order = "honour" if len(service.asked) < 2 else "ignore"

    rows = {**spread(8), "late0": NOW - SECOND, "late1": NOW - SECOND, "late2": NOW - SECOND}
    service = Service(rows, largest=3, before=before)
    pages = list(reading(service, top=3))
    assert set(ids(pages)) == set(service.rows)
    for number, page in enumerate(pages):
        later = ids(pages[number + 1 :])
        assert all(service.rows[each] >= (page.complete_until or 0) for each in later)


def test_pages_are_kept_near_to_a_size() -> None:
    """With as many records as come to it, at most twice as many as before, and never only one."""
    service = Service(spread(400))
    service.size = lambda count: 100 * count
    order = TimeOrder("/list", "records", "updated", "updated", page_bytes=2000)
    habits = Habits(4, most=50)
    read = KeysetRead(service, order, Place(0), habits=habits, waits=waits(), log=LOG)  # type: ignore[arg-type]
    pages = read.pages(Progress("records", LOG, lambda: 0.0))
    found = ids(list(islice(pages, 6)))
    assert [asked["top"] for asked in service.asked] == ["4", "8", "16", "20", "20", "20"]
    service.size = lambda count: 9999 * count
    found += ids(list(islice(pages, 2)))
    service.size = lambda count: count
    found += ids(pages)
    tops = [int(asked["top"]) for asked in service.asked[6:]]
    assert tops[:8] == [20, 2, 2, 4, 8, 16, 32, 50]
    assert found == sorted(service.rows)


def test_another_refusal_is_passed_on() -> None:
    class Refusing(Service):
        def get(self, url: str, waits: Waits, read: ReadBody, *, most_tries: int | None = None) -> Answer:
            refusal = RequestRefused("no filter, please")
            refusal.status, refusal.said = 400, "Invalid filter clause"
            raise refusal

    with pytest.raises(RequestRefused, match="no filter, please"):
        list(reading(Refusing()))


# -- odd records ---------------------------------------------------------------------------------


def test_broken_records_pass_and_stop_nothing() -> None:
    """They go on as bytes; what cannot be read has no time."""

    class Odd(Service):
        def raw(self, identity: str) -> bytes:
            good = super().raw(identity)
            return {
                "r001": good.replace(b'"x"', b'"\\ud800"'),
                "r003": good.replace(b'"x"', b"nonsense"),
                "r005": good.replace(b'"updated"', b'"Updated"'),
                "r006": b'{"id": "r006", "updated": 7}',
                "r007": b'{"id": "r007", "updated": "soon"}',
                "r008": b"[]",
            }.get(identity, good)

    service = Odd(spread(20))
    found = [bytes(record) for page in reading(service, top=4) for record in page.records]
    assert set(found) == {service.raw(each) for each in service.rows}
    assert len(found) == len(service.rows)


def test_pages_without_any_readable_time_end() -> None:
    class Odd(Service):
        def raw(self, identity: str) -> bytes:
            return b'{"id": "%s"}' % identity.encode()

    service = Odd(spread(9))
    assert sorted(ids(reading(service, top=4))) == sorted(service.rows)


def test_what_is_known_is_only_what_the_next_page_can_repeat() -> None:
    service = Service(spread(500, tied=2))
    place = Place(0)
    order = TimeOrder("/list", "records", "updated", "updated")
    read = KeysetRead(service, order, place, habits=Habits(10), waits=waits(), log=LOG)  # type: ignore[arg-type]
    for _ in read.pages(Progress("records", LOG, lambda: 0.0)):
        assert len(place.known) <= 10
