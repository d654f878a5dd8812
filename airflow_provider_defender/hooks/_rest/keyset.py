"""Reading a list in ascending order of a time, each page from the last time seen, without missing a record.

Each request is `$filter=<time> ge <last time seen>&$orderby=<time> asc`. A record that is updated meanwhile
moves to the end, and is read there. Page links are not followed, since behind them records that move away
shift others out of sight.

Two things need links nevertheless: a page whose records all have the same time, after which no later time is
known; and an API that does not sort, whose pages are read newest first, as they come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from itertools import compress, pairwise
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_defender.exceptions import PagingBroken, RequestRefused
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.hooks._http.waiting import Waits
from airflow_provider_defender.hooks._rest import odata
from airflow_provider_defender.hooks._rest.address import address
from airflow_provider_defender.hooks._rest.errors import PageTooLarge
from airflow_provider_defender.hooks._rest.marks import Key, Mark, MarkReader
from airflow_provider_defender.hooks._rest.pages import Page, read_page
from airflow_provider_defender.hooks._rest.paging import LoopGuard, Progress, follow
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks

if TYPE_CHECKING:
    import msgspec

    from airflow_provider_defender.hooks._rest.client import RestClient

__all__ = ["Habits", "KeysetRead", "Place", "TimeOrder"]

_FEWEST = 2
"""A page of one record could not show that others have its time."""
_MOST_PASSES = 100
"""Passes over the records of one time; two that agree are enough."""
# "The limit of '50' for Top query has been exceeded. The value from the incoming request is '1000'."
_TOP_EXCEEDED = re.compile(r"limit of '([0-9]{1,6})' for Top", re.IGNORECASE)


@dataclass(frozen=True)
class TimeOrder:
    """The list to read, and the property whose time orders it.

    Args:
        path: the list's path.
        what: its records in log lines, such as `alerts`.
        time: the property with the time.
        updated: the property with the time of the last update.
        identity: the property that identifies a record.
        until: the end of the times, exclusive, in ticks; None: no end. Then the read ends once it has passed
            the time at which it began.
        params: further parameters of each request.
        most_tries: the tries of each request; None: as many as the read allows.
        page_bytes: the size to keep pages near to, by asking for fewer or more records; None: any.
    """

    path: str
    what: str
    time: str
    updated: str
    identity: str = "id"
    until: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    most_tries: int | None = None
    page_bytes: int | None = None


@dataclass
class Habits:
    """What an API has shown of itself, which a hook remembers for its further reads.

    Args:
        top: records per page to ask for.
        sorts: whether it sorts by time.
        most: the most records per page that may be asked for, where that changes; None: it never grows.
    """

    top: int
    sorts: bool = True
    most: int | None = None

    def fit(self, page_bytes: int, records: int, size: int) -> None:
        """Ask for as many records as come to `page_bytes`, after a page of `records` with `size` bytes.

        No more than twice as many as before: the next ones may be larger.
        """
        wanted = min(page_bytes * records // max(size, 1), 2 * self.top, self.most or self.top)
        self.top = max(wanted, _FEWEST)


@dataclass
class Place:
    """How far a read has come: up to the time `since` (ticks), at which it has read the `known` records."""

    since: int
    known: set[Key] = field(default_factory=set)


class KeysetRead:
    """One read of a list, from `place` on, which moves with it.

    Its pages raise `PagingBroken` if the end cannot be known, and what `RestClient.get` and `LoopGuard` do.
    """

    def __init__(
        self,
        client: RestClient,
        order: TimeOrder,
        place: Place,
        *,
        habits: Habits,
        waits: Waits,
        log: Log,
    ) -> None:
        self._client = client
        self._order = order
        self._place = place
        self._habits = habits
        self._waits = waits
        self._log = log
        self._reader = MarkReader(order.identity, order.time, order.updated)
        self._began: int | None = None
        self._largest = 0
        """The most records that a page has held."""
        self._untimed: set[Key] = set()
        """Those of the known records whose time cannot be read: they come again wherever the place is."""

    def pages(self, progress: Progress) -> Iterator[Page]:
        """Yield the pages, one at a time; some may be empty, such as the last one."""
        if self._habits.sorts:
            try:
                yield from self._ascending(progress)
                return
            except _NotSortedError as error:
                self._habits.sorts = False
                self._log.warning("The API does not sort %s by time: %s.", self._order.what, error)
                self._log.warning("They are read newest first; so only a whole read moves the position.")
        yield from self._newest_first(progress)

    # Ascending ------------------------------------------------------------------------------------

    def _ascending(self, progress: Progress) -> Iterator[Page]:
        """Yield pages from the last time seen, until one brings nothing new."""
        place, standing = self._place, 0
        while standing < _MOST_PASSES:
            sheet = self._ask(progress)
            newest, tied = sheet.newest, False
            if newest is not None and newest > place.since:
                self._check_start(sheet, newest, progress)
                page, standing = self._next_page(sheet, newest, progress), 0
            elif newest is not None and sheet.link is not None:
                page, tied = self._more_of_the_same(sheet, progress), True
            elif sheet.link is None and self._is_new(sheet):
                page, standing = self._more_of_the_same(sheet, progress), standing + 1
            elif sheet.link is not None or 1 < len(sheet.records) >= min(self._largest, sheet.top):
                # No time can be read; or a page as full as any is known: perhaps more have this time.
                del sheet
                yield from self._newest_first(progress, known=set(place.known))
                return
            else:
                page = sheet.page([], progress, last=True, complete_until=place.since)
            del sheet
            last = page.last
            yield page
            del page
            if last:
                progress.finish()
                return
            if tied:
                yield from self._all_at(place.since, progress)
        raise PagingBroken(
            f"Connection {self._client.conn_id!r}: the {self._order.what} from "
            f"{format_ticks(place.since)} on were others in each of {_MOST_PASSES} answers, and none was "
            "later, so the pages would never end. Look at the API's answers."
        )

    def _check_start(self, sheet: _Sheet, newest: int, progress: Progress) -> None:
        """Check that no older record comes after this page. Raises `_NotSortedError`.

        A page whose records have different times shows by itself that the API sorts. Records that all have
        one time may as well be the newest of all, also if earlier pages were sorted.
        """
        if sheet.oldest != newest or (sheet.link is None and len(sheet.records) < sheet.top):
            return
        if self._get(self._address({"$top": "1"}, until=newest), progress).records:
            raise _NotSortedError("older ones come later")

    def _next_page(self, sheet: _Sheet, newest: int, progress: Progress) -> Page:
        """The page, after the place has moved to its newest time."""
        fresh = self._fresh(sheet)
        self._place.since = newest
        self._untimed = {mark.key for mark in sheet.marks if mark.time is None}
        self._place.known = self._untimed | {mark.key for mark in sheet.marks if mark.time == newest}
        last = self._order.until is None and newest > (self._began or 0)
        return sheet.page(fresh, progress, last=last, complete_until=newest)

    def _more_of_the_same(self, sheet: _Sheet, progress: Progress) -> Page:
        """A page without a later time."""
        fresh = self._fresh(sheet)
        self._untimed.update(mark.key for mark in sheet.marks if mark.time is None)
        self._place.known.update(mark.key for mark in sheet.marks)
        return sheet.page(fresh, progress, complete_until=self._place.since)

    def _all_at(self, moment: int, progress: Progress) -> Iterator[Page]:
        """Yield all records with this time, by the links of their pages, and move on.

        A record that is updated meanwhile leaves, and shifts another one out of sight. So this is repeated
        until two passes have found the same records. Their order does not matter.
        """
        place = self._place
        before: set[str] | None = None
        for _ in range(_MOST_PASSES):
            found: set[str] = set()
            guard = LoopGuard(self._client.conn_id)
            link: str | None = self._address({"$top": str(self._habits.top)}, until=moment + 1)
            while link is not None:
                sheet = self._get(link, progress, guard)
                found.update(identity or digest for identity, digest in (mark.key for mark in sheet.marks))
                page, link = self._more_of_the_same(sheet, progress), sheet.link
                del sheet
                yield page
                del page
            if found == before:
                place.since = moment + 1
                place.known = set(self._untimed)
                return
            before = found
        raise PagingBroken(
            f"Connection {self._client.conn_id!r}: the {self._order.what} with the time "
            f"{format_ticks(moment)} were others in each of {_MOST_PASSES} passes, so whether they are "
            "complete cannot be known. Look at the API's answers."
        )

    def _is_new(self, sheet: _Sheet) -> bool:
        return any(mark.key not in self._place.known for mark in sheet.marks)

    def _fresh(self, sheet: _Sheet) -> list[msgspec.Raw]:
        """The records of a page that are not known."""
        return list(compress(sheet.records, [mark.key not in self._place.known for mark in sheet.marks]))

    # Newest first ---------------------------------------------------------------------------------

    def _newest_first(self, progress: Progress, known: set[Key] | None = None) -> Iterator[Page]:
        """Yield the pages as they come, by their links to the end.

        Raises `PagingBroken` at the end if any of the `known` records was not among them.
        """
        missing = {identity for identity, _ in known or () if identity}
        pages = self._linked(progress)
        while (page := next(pages, None)) is not None:
            marks = self._reader.marks(page.records)
            missing.difference_update(mark.key[0] for mark in marks)
            if page.last and missing:
                raise PagingBroken(
                    f"Connection {self._client.conn_id!r}: a page full of {self._order.what} has one time, "
                    f"{format_ticks(self._place.since)}, and no link to others. Look at the API's answers."
                )
            fresh = [mark.key not in self._place.known for mark in marks]
            page = page._replace(records=list(compress(page.records, fresh)))
            del marks, fresh
            yield page
            del page

    def _linked(self, progress: Progress) -> Iterator[Page]:
        """Yield the pages as they come, by their links; of as many records as the service allows."""
        while True:
            top, before = self._habits.top, progress.pages
            pages = follow(
                self._client,
                self._address({} if self._order.page_bytes is None else {"$top": str(top)}),
                self._waits,
                read=read_page,
                guard=LoopGuard(self._client.conn_id),
                progress=progress,
                most_tries=self._order.most_tries,
            )
            try:
                yield from pages
                return
            except RequestRefused as error:
                if progress.pages > before or not self._lowers_top(error, top):
                    raise

    # Requests -------------------------------------------------------------------------------------

    def _ask(self, progress: Progress) -> _Sheet:
        """Request the page from the place on, and check that it ascends."""
        while True:
            top = self._habits.top
            url = self._address({"$orderby": f"{self._order.time} asc", "$top": str(top)})
            try:
                sheet = self._get(url, progress)
            except PageTooLarge:
                if self._order.page_bytes is None or top <= _FEWEST:
                    raise
                self._habits.top = max(top // 4, _FEWEST)
                continue
            except RequestRefused as error:
                if error.status != HTTPStatus.BAD_REQUEST:
                    raise
                if not self._lowers_top(error, top):
                    raise _NotSortedError(f"it answers HTTP 400 {excerpt(error.said, length=60)}") from None
                continue
            times = [mark.time for mark in sheet.marks if mark.time is not None]
            if any(later < earlier for earlier, later in pairwise([self._place.since, *times])):
                raise _NotSortedError("a page is in another order")
            self._largest = max(self._largest, len(sheet.records))
            if self._order.page_bytes is not None and sheet.records:
                self._habits.fit(self._order.page_bytes, len(sheet.records), sheet.size)
            return sheet._replace(top=top)

    def _lowers_top(self, error: RequestRefused, top: int) -> bool:
        """Whether the service has refused `top` for a smaller limit of its own, which is used from now on."""
        largest = _largest_top(error.said)
        if largest is None or largest >= top:
            return False
        self._habits.top = self._habits.most = largest
        return True

    def _get(self, url: str, progress: Progress, guard: LoopGuard | None = None) -> _Sheet:
        """Request a page; `guard` watches those that are linked."""
        if guard is not None:
            guard.enter(url)
        answer = self._client.get(url, self._waits, read_page, most_tries=self._order.most_tries)
        if guard is not None:
            guard.look(answer.body)
        if self._began is None:
            self._began = datetime_to_ticks(answer.served_at)
        records = answer.body.value
        progress.note(len(records), answer.size)
        marks = self._reader.marks(records)
        link = self._client.checked_link(answer.body.next_link)
        return _Sheet(records, marks, link, answer.served_at, answer.size)

    def _address(self, options: Mapping[str, str], *, until: int | None = None) -> str:
        """The list from the place on; `until` ends it earlier."""
        order = self._order
        condition = odata.within(order.time, self._place.since, order.until if until is None else until)
        return address(self._client.host, order.path, {"$filter": condition, **options, **order.params})


class _NotSortedError(Exception):
    """The API refused to sort, or did not; the text says which."""


class _Sheet(NamedTuple):
    """An answer, with the marks of its records; `top` records were asked for, and `size` is in bytes."""

    records: list[msgspec.Raw]
    marks: list[Mark]
    link: str | None
    served_at: datetime
    size: int
    top: int = 0

    @property
    def oldest(self) -> int | None:
        """The earliest time that can be read."""
        return min((mark.time for mark in self.marks if mark.time is not None), default=None)

    @property
    def newest(self) -> int | None:
        """The latest time that can be read."""
        return max((mark.time for mark in self.marks if mark.time is not None), default=None)

    def page(
        self, records: list[msgspec.Raw], progress: Progress, *, complete_until: int, last: bool = False
    ) -> Page:
        """The page with these of its records."""
        return Page(records, self.served_at, progress.pages, last, complete_until)


def _largest_top(said: str) -> int | None:
    """The largest `$top`, if the API's message is that it was exceeded."""
    found = _TOP_EXCEEDED.search(said)
    return int(found[1]) if found and int(found[1]) > 0 else None
