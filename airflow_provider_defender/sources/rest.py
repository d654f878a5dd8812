"""Sources with a REST API, whose records have key and version: reading, watermark, backlog."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from airflow_provider_defender import ecs
from airflow_provider_defender._plural import counted
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import DefenderError, StopAndLook, TryAgain
from airflow_provider_defender.lake import VersionsLedger, VersionsPosition, Watermark
from airflow_provider_defender.sources.ahead import ReadAhead
from airflow_provider_defender.sources.commits import files_by_partition
from airflow_provider_defender.sources.filters import NoFilter, RecordFilter, Sieve
from airflow_provider_defender.sources.paging import Page, Paging, Query, Reached, UnorderedPages
from airflow_provider_defender.sources.rest_figures import RestFigures
from airflow_provider_defender.sources.source import Backlog, Batch, Limits, MapperSettings, Result
from airflow_provider_defender.sources.window import Window
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks

if TYPE_CHECKING:
    from logging import Logger

    from structlog.typing import FilteringBoundLogger

    from airflow_provider_defender.lake import Commit, Head

__all__ = ["RestRead", "RestSource"]


# The source ---------------------------------------------------------------------------------------


def _nothing_before() -> int | None:
    """No other source comes before."""
    return None


@dataclass(frozen=True, kw_only=True)
class RestSource(ABC):
    """The records of one tenant in a REST API. A subclass names the API's properties and requests its pages.

    Args:
        filters: which records to land. Applied here and not by the API: if the API filtered by status, a row
            whose status changes while the pages are read would leave the result, the rows after it would move
            up, and one of them would fall between two pages.
        overlap: how far below the watermark an incremental run reads again.
        lookback: how far back the first run of a log reads.
        reached_before: whether the API is known to have answered before, even if the log is empty.
        predecessor: returns the update time, in ticks, from which the log's first drain must read at least,
            since another source has landed what is older; None if there is no such. Called only while the
            log has no watermark. Raises `LakeError`.
        clock: source of the current time.
        logger: logger of the read.
    """

    name: ClassVar[str]
    """The name of the source and of its mapping."""
    updated: ClassVar[str]
    """The property with the time of the last update, which never goes back."""
    created: ClassVar[str]
    """The property with the time of creation, which never changes."""
    noun: ClassVar[str] = "record"
    """The word for a record in log lines."""
    paging: ClassVar[Paging] = UnorderedPages()
    position: ClassVar[type[VersionsPosition]] = VersionsPosition

    filters: RecordFilter = field(default_factory=NoFilter)
    overlap: timedelta = timedelta(minutes=15)
    lookback: timedelta = timedelta(hours=24)
    reached_before: bool = False
    predecessor: Callable[[], int | None] = _nothing_before
    clock: Clock = field(default_factory=Clock)
    logger: Logger | FilteringBoundLogger = field(default_factory=lambda: logging.getLogger(__name__))

    @property
    @abstractmethod
    def tenant_id(self) -> str:
        """The tenant's GUID, in lower case."""

    @abstractmethod
    def pages(self, query: Query, *, max_seconds: float, reached_before: bool) -> Iterator[Page]:
        """Yield all pages of the records that `query` selects, one at a time.

        `max_seconds`: how long to wait and retry. `reached_before`: whether the API has answered earlier
        runs, so that a refused connection is an outage. Raises `DefenderError`.
        """

    @abstractmethod
    def has_updated_after(self, ticks: int, *, reached_before: bool) -> bool:
        """Whether any record that passes the filters was updated after `ticks`. Raises `DefenderError`.

        Makes one cheap request.
        """

    @property
    def folder(self) -> str:
        """The folder of its dataset in the lake."""
        return ecs.find_mapping(self.name).dataset

    def log_name(self) -> str:
        """`<name>-<tenant>`."""
        return f"{self.name}-{self.tenant_id}"

    def origin(self) -> Mapping[str, str]:
        """Source and tenant."""
        return {"source": self.name, "tenant": self.tenant_id}

    def mapper(self, settings: MapperSettings) -> ecs.Mapper:
        """The mapping that is registered under the source's name."""
        return ecs.RecordMapper(self.name, ingested=settings.ingested, keep_original=settings.keep_original)

    def read(self, window: Window, head: Head[VersionsPosition], limits: Limits) -> RestRead:
        """Begin a read of `window`. Sends no request before the first batch."""
        return RestRead(self, window, head, limits)

    def first_moment(self, position: VersionsPosition, now: datetime) -> int:
        """The update time, in ticks, from which a drain that begins `now` reads a log without watermark."""
        candidates = (
            datetime_to_ticks(now - self.lookback),
            position.begun_from,  # what a drain that was cut off was to read must still be read
            self.predecessor(),
        )
        return min(each for each in candidates if each is not None)

    def backlog(self, head: Head[VersionsPosition]) -> Backlog:
        """Whether any record was updated after the watermark."""
        after = head.position.watermark
        if after is None:
            after = self.first_moment(head.position, self.clock.now())
        known = self.reached_before or head.commit is not None
        found = self.has_updated_after(after, reached_before=known)
        who = f"An {self.noun}" if found else f"No {self.noun}"
        self.logger.info("%s was updated after %s", who, format_ticks(after))
        return Backlog(waiting=found)


# One read -----------------------------------------------------------------------------------------


class RestRead:
    """One window of a REST source, page by page."""

    def __init__(
        self, source: RestSource, window: Window, head: Head[VersionsPosition], limits: Limits
    ) -> None:
        self.complete = True
        self.interruption: DefenderError | None = None
        self._source = source
        self._window = window
        self._head = head
        self._limits = limits
        self._began = source.clock.now()
        self._since = self._first_moment() if window.incremental else None
        self._origins = pa.table({"tenant": [source.tenant_id], "log": [source.log_name()]})
        self._pages = 0
        self._records = 0
        self._newest: int | None = None
        self._complete_until: int | None = None
        self._served: int | None = None
        self._sieve = Sieve(source.filters)

    @property
    def kind(self) -> str:
        """`drain` for a read from the watermark on, else `backfill`."""
        return "drain" if self._window.incremental else "backfill"

    @property
    def window(self) -> Mapping[str, Any]:
        """The run's window, and the update time from which it is read."""
        since = None if self._since is None else format_ticks(self._since)
        return {**self._window.describe(), "read_from": since}

    @property
    def ledger(self) -> VersionsLedger:
        """The versions that have landed."""
        return VersionsLedger(since=self._since, filters=self._source.filters.as_dict())

    def _first_moment(self) -> int:
        """The update time, in ticks, from which an incremental run reads."""
        position = self._head.position
        if position.watermark is not None:
            return position.watermark - _ticks(self._source.overlap)
        return self._source.first_moment(position, self._began)

    # Reading --------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Batch]:
        """Yield one batch per page. See `Read`.

        While the caller works on one, a thread fetches the next page, and does nothing else: what this object
        knows about the read comes from the batches that the caller was given. A page that is under way when
        the time is over is still taken.
        """
        self._announce()
        with closing(ReadAhead(self._ask())) as pages:
            while (page := self._next(pages)) is not None:
                batch, last = self._batch(page), page.last
                del page  # or it would be held beside the next one
                is_over = not last and self._limits.time.is_over
                if not last and not is_over:
                    pages.fetch()
                yield batch
                del batch
                if is_over:
                    self._cut_off()
                    return

    def _announce(self) -> None:
        log, position = self._source.logger, self._head.position
        log.info("Window: %s; watermark: %s", self._window, position.watermark_text or "not set yet")
        filters = dict(self._source.filters.as_dict())
        if self._window.incremental and position.watermark is not None and dict(position.filters) != filters:
            self._warn_of_changed_filters(filters)

    def _warn_of_changed_filters(self, filters: Mapping[str, Any]) -> None:
        log, position = self._source.logger, self._head.position
        log.warning(
            "The filters changed from %s to %s at watermark %s.",
            dict(position.filters),
            filters,
            position.watermark_text,
        )
        log.warning(
            "%ss up to there that only the new filters let through have not landed.",
            self._source.noun.capitalize(),
        )
        log.warning(
            "To get them, run this task once with since=<start of your history> and until=%s.",
            position.watermark_text,
        )
        log.warning("If two tasks of one tenant have different filters, give each a lake of its own.")

    def _ask(self) -> Iterator[Page]:
        query = self._query()
        self._source.logger.info("Reading %ss with %s", self._source.noun, query.odata())
        return self._source.pages(
            query, max_seconds=self._limits.time.left, reached_before=self._head.commit is not None
        )

    def _query(self) -> Query:
        source = self._source
        if self._since is not None:
            return source.paging.query(source.updated, self._since)
        since, until = map(datetime_to_ticks, self._window.bounds or ())
        return Query(source.created if self._window.basis == "created" else source.updated, since, until)

    def _next(self, pages: Iterator[Page]) -> Page | None:
        try:
            return next(pages, None)
        except TryAgain as error:
            if not self._pages:
                raise
            self.complete, self.interruption = False, error
            self._source.logger.warning(
                "The source failed after %s: what was read is committed, and %s.",
                counted(self._pages, "page"),
                self._outlook(),
            )
            return None

    def _batch(self, page: Page) -> Batch:
        """The records of a page that pass the filters; updates the counters for all of them."""
        if self._served is None:
            # Both clocks can be wrong. The earlier moment is safe: the next run only reads more again.
            self._served = datetime_to_ticks(min(page.served_at, self._began))
        source = self._source
        identities = ecs.identities(
            source.name, page.records, tenant=source.tenant_id, properties=self._sieve.properties
        )
        self._pages += 1
        self._records += len(page.records)
        self._update_reach(page, identities)
        batch = Batch(page.records, self._origins, identities)
        if not self._sieve.properties:
            return batch
        return batch.only([self._sieve.passes(each.properties) for each in identities])

    def _update_reach(self, page: Page, identities: Sequence[ecs.Identity]) -> None:
        times = [each.updated for each in identities if each.updated is not None]
        self._newest = max([*times, *([] if self._newest is None else [self._newest])], default=None)
        if page.complete_until is not None:
            self._complete_until = max(page.complete_until, self._complete_until or page.complete_until)

    def _cut_off(self) -> None:
        self.complete = False
        log, moved = self._source.logger, self._advance() is not None
        log.warning(
            "max_duration of %s is over after %s: what was read is committed, and %s.",
            self._limits.time.limit,
            counted(self._pages, "page"),
            self._outlook(),
        )
        if moved:
            log.warning("The next run goes on from there.")
        else:
            log.warning("The next run reads these pages again, skips what has landed, and gets further.")

    def _outlook(self) -> str:
        """What becomes of the watermark after a read that did not reach the end."""
        advance = self._advance()
        return "the watermark stays" if advance is None else f"the watermark moves to {format_ticks(advance)}"

    def progress(self) -> str:
        """Pages and records read so far."""
        return f"Page {self._pages}: {counted(self._records, self._source.noun)} read"

    # Afterwards -----------------------------------------------------------------------------------

    def change(self, result: Result) -> Watermark | None:
        """The new watermark, never below the old one; None if it stays.

        If the read did not reach the end, the watermark moves as far as the paging knows to be complete.
        A log whose first run finds nothing is complete up to the time from which that run read.
        """
        ticks = self._advance()
        return None if ticks is None else Watermark(ticks, self._source.overlap, complete=self.complete)

    def _advance(self) -> int | None:
        """The new watermark, in ticks; None if it stays. Before the end, only one that is later."""
        if self._since is None or self._served is None:
            return None
        before = self._head.position.watermark
        newest = self._since if self._newest is None and before is None else self._newest
        ticks = self._source.paging.watermark(
            Reached(self._served, newest, self._complete_until, self.complete)
        )
        if ticks is None or before is None:
            return ticks
        return max(ticks, before) if self.complete else (ticks if ticks > before else None)

    def gap(self, result: Result) -> None:
        """None: nothing can be lost, since the API always returns the last version of each record."""

    def settle(self) -> None:
        """Does nothing: there is nothing more to ask."""

    def shortfall(self, commit: Commit[Any] | None) -> DefenderError | None:
        """The error for a run that its time limit kept from landing anything; none would get further."""
        if self.complete or commit is not None:
            return None
        return StopAndLook(
            f"max_duration={self._limits.time.limit} was over before anything new was met, so runs like this "
            "one never get further.\n"
            "Raise max_duration, or land the backlog in pieces by since and until."
        )

    def figures(self, result: Result) -> RestFigures:
        """Records, versions, partitions, watermark."""
        commit = result.commit
        before = self._head.position
        after = before if commit is None or commit.position is None else commit.position
        return RestFigures(
            source=self._source.name,
            noun=self._source.noun,
            records=self._records,
            versions=0 if commit is None else commit.counts["landed"],
            rows=0 if commit is None else commit.counts["rows"],
            rejects=0 if commit is None else commit.counts["rejected"],
            partitions=files_by_partition(commit),
            watermark_before=before.watermark_text,
            watermark_after=after.watermark_text,
            filter_warnings=tuple(self._source.filters.warnings(self._sieve.seen)),
        )


def _ticks(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 10
