"""Following an API's page links to the end, in bounded memory, and detecting loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from airflow_provider_defender._plural import counted
from airflow_provider_defender.exceptions import PagingBroken
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._http.waiting import Waits
from airflow_provider_defender.hooks._rest.pages import Page, PageBody

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._rest.client import ReadBody, RestClient

__all__ = ["LoopGuard", "Progress", "follow"]

_SECONDS_BETWEEN_REPORTS = 15.0
_REPEATED_PAGES = 9


def follow(
    client: RestClient,
    url: str,
    waits: Waits,
    *,
    read: ReadBody,
    guard: LoopGuard,
    progress: Progress,
    most_tries: int | None = None,
) -> Iterator[Page]:
    """Yield the pages from `url` on, one at a time. Raises as `RestClient.get` and `LoopGuard` do."""
    link: str | None = url
    while link is not None:
        guard.enter(link)
        answer = client.get(link, waits, read, most_tries=most_tries)
        guard.look(answer.body)
        link = client.checked_link(answer.body.next_link)
        page = Page(answer.body.value, answer.served_at, progress.pages + 1, last=link is None)
        progress.note(len(page.records), answer.size)
        del answer
        yield page
        del page
    progress.finish()


class LoopGuard:
    """Detects page links that run in a loop."""

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._links: set[str] = set()
        self._contents: set[bytes] = set()
        self._repeated = 0

    def enter(self, link: str) -> None:
        """Check a link before it is followed: a link seen before is a loop."""
        if link in self._links:
            raise PagingBroken(
                f"Connection {self._conn_id!r}: page link {len(self._links)} repeats an earlier one, so the "
                "pages would never end. Nothing beyond them was read; look at the API's answers."
            )
        self._links.add(link)

    def look(self, body: PageBody) -> None:
        """Check a page's content: nine known pages in a row are a loop, too.

        One or two are not: if as many new records as a page holds are inserted before our place, the next
        link returns the same page again.
        """
        records = body.value
        content = b"%d %b %b" % (len(records), records[0], records[-1]) if records else b""
        digest = sha256(content).digest()
        self._repeated = self._repeated + 1 if digest in self._contents else 0
        self._contents.add(digest)
        if self._repeated >= _REPEATED_PAGES and body.next_link:
            raise PagingBroken(
                f"Connection {self._conn_id!r}: {self._repeated} pages in a row have come before under other "
                "links, so the pages would never end. Look at the API's answers."
            )


class Progress:
    """Logs the progress of a long read, and its end; `what` names the records of the pages."""

    def __init__(self, what: str, log: Log, clock: Callable[[], float]) -> None:
        self._what = what
        self._log = log
        self._clock = clock
        self._reported = clock()
        self.pages = 0
        self._records = 0
        self._bytes = 0

    def note(self, records: int, size: int) -> None:
        """Count a page."""
        self.pages += 1
        self._records += records
        self._bytes += size
        now = self._clock()
        if now - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._reported = now
            self._report(f"Reading {self._what}")

    def finish(self) -> None:
        """Report the end."""
        self._report(f"Read all {self._what}")

    def _report(self, what: str) -> None:
        pages, megabytes = counted(self.pages, "page"), self._bytes / 1_000_000
        self._log.info("%s: %d in %s, %.1f MB.", what, self._records, pages, megabytes)
