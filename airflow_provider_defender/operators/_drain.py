"""One bounded read of alerts into the lake: pages → ECS tables → staged files → one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import compress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_defender import ecs
from airflow_provider_defender._plural import counted
from airflow_provider_defender.exceptions import StopAndLook, TryAgain
from airflow_provider_defender.hooks import (
    AlertFilter,
    created_between_filter,
    updated_between_filter,
    updated_since_filter,
)
from airflow_provider_defender.lake import Watermark
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks, parse_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import Logger

    import msgspec
    from structlog.typing import FilteringBoundLogger

    from airflow_provider_defender.hooks import DefenderEndpointHook, Page
    from airflow_provider_defender.lake import Draft, Head, Log, Record
    from airflow_provider_defender.operators._timing import DrainClock
    from airflow_provider_defender.operators._window import Window

__all__ = ["AlertDrain", "DrainResult"]

_READ_FROM = "read_from"


@dataclass
class DrainResult:
    """What a drain did, in numbers; `seconds` by stage."""

    pages: int = 0
    records: int = 0
    versions: int = 0
    rows: int = 0
    unfit_values: Counter[str] = field(default_factory=Counter)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    seen: dict[str, set[str]] = field(default_factory=dict)
    newest_ticks: int | None = None
    served_ticks: int | None = None
    complete: bool = True
    interruption: TryAgain | None = None
    record: Record | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass
class AlertDrain:
    """Read one window of a tenant's alerts and land what is new.

    `lookback` is how far a log without a watermark reads back; `overlap` how far below its watermark any
    other one reads again. `clock` says when to end the reading. `started` (UTC) becomes `event.ingested`.
    """

    source: str
    hook: DefenderEndpointHook
    log: Log
    window: Window
    filters: AlertFilter
    overlap: timedelta
    lookback: timedelta
    clock: DrainClock
    keep_original: bool
    started: datetime
    logger: Logger | FilteringBoundLogger

    def run(self, head: Head) -> DrainResult:
        """Drain, commit, and return what was done.

        Where the API stops answering in the middle, what was read is committed without moving the watermark;
        the error is in the result's `interruption`, for the caller to raise.

        Raises:
            LakeError: the commit did not succeed; nothing has landed (its subclasses say more).
            FailNow, TryAgain, StopAndLook: reading failed before the first page, or gets nowhere.
        """
        result = DrainResult(seconds=self.clock.seconds)
        since = self._since(head) if self.window.incremental else None
        with self.log.begin(
            head,
            kind="drain" if since is not None else "backfill",
            window={**self.window.describe(), _READ_FROM: None if since is None else format_ticks(since)},
            since=since,
            filters=self.filters.as_dict(),
        ) as draft:
            try:
                for page in self._timed_pages(self._odata_filter(since), head):
                    self._land(page, draft, result)
                    if not page.last and self._out_of_time(result):
                        break
                    del page  # or two would be held while the next one comes
            except TryAgain as error:
                if not result.pages:
                    raise
                result.complete, result.interruption = False, error
            with self.clock.committing(self.logger, rows=result.rows):
                result.record = draft.commit(advance=self._advance(head, since, result))
        if not result.complete and result.interruption is None and result.record is None:
            raise StopAndLook(
                f"max_duration={self.clock.limit} was over before anything new was met, so runs like this "
                "one never get further.\n"
                "Raise max_duration, or land the backlog in pieces by since and until."
            )
        return result

    # Reading --------------------------------------------------------------------------------------

    def _since(self, head: Head) -> int:
        """The update time, in ticks, from which on an incremental drain reads."""
        if head.position.watermark is not None:
            return head.position.watermark - _ticks(self.overlap)
        since = datetime_to_ticks(self.started - self.lookback)
        if head.record is None:
            return since
        # Earlier drains that were cut off set no watermark; what they were to read is still to be read.
        begun = (record.window.get(_READ_FROM) for record in self.log.records(whole=False))
        return min([since, *(ticks for text in begun if text and (ticks := parse_ticks(text)) is not None)])

    def _odata_filter(self, since: int | None) -> str:
        """The window only. The other filters are applied here, not by the API.

        A row whose status changes while the pages are read would leave a set that the API narrows by status;
        the rows after it would move up, and one of them would fall between two pages.
        """
        if since is not None:
            return updated_since_filter(since)
        start, end = map(datetime_to_ticks, self.window.bounds or ())
        between = created_between_filter if self.window.basis == "created" else updated_between_filter
        return between(start, end)

    def _timed_pages(self, condition: str, head: Head) -> Iterator[Page]:
        self.logger.info("Reading alerts with $filter=%s", condition)
        pages = self.hook.alert_pages(
            filter=condition, max_seconds=self.clock.left, reached_before=head.record is not None
        )
        while True:
            with self.clock.stage("reading"):
                page = next(pages, None)
            if page is None:
                return
            yield page
            del page

    def _out_of_time(self, result: DrainResult) -> bool:
        if not self.clock.is_over:
            return False
        self.logger.warning(
            "max_duration of %s is over after %s: what was read is committed, and the watermark stays.",
            self.clock.limit,
            counted(result.pages, "page"),
        )
        self.logger.warning(
            "The next run reads these pages again, passes over what has landed, and gets further."
        )
        result.complete = False
        return True

    # Landing --------------------------------------------------------------------------------------

    def _land(self, page: Page, draft: Draft, result: DrainResult) -> None:
        if result.served_ticks is None:
            # Both clocks can be wrong, and the earlier moment is the safe one: more is read again.
            result.served_ticks = datetime_to_ticks(min(page.served_at, self.started))
        versions = ecs.record_versions(self.source, page.records, tenant=self.hook.tenant_id)
        wanted = self.filters.wanted(page.records, result.seen)
        fresh = draft.select_new(list(compress(versions, wanted)))
        records = list(compress(compress(page.records, wanted), fresh))
        result.pages += 1
        result.records += len(page.records)
        result.versions += len(records)
        _note_newest(result, versions)
        self._map_and_write(records, draft, result)
        self._report(result)

    def _map_and_write(self, records: list[msgspec.Raw], draft: Draft, result: DrainResult) -> None:
        parts = ecs.map_batches(
            self.source,
            records,
            origins=pa.table({"tenant": [self.hook.tenant_id], "log": [self.log.name]}),
            ingested=self.started,
            keep_original=self.keep_original,
        )
        while True:
            with self.clock.stage("mapping"):
                part = next(parts, None)
            if part is None:
                return
            result.unfit_values.update(part.unfit_values)
            result.unknown_fields.update(part.unknown_fields)
            with self.clock.stage("landing"):
                for dataset, table in part.tables.items():
                    result.rows += table.num_rows
                    draft.write(dataset, table)
                if part.rejects.num_rows:
                    draft.quarantine(part.rejects)

    def _report(self, result: DrainResult) -> None:
        if self.clock.report_is_due():
            self.logger.info(
                "Page %d: %s read, %d of them new, %s, %.0f s",
                result.pages,
                counted(result.records, "alert"),
                result.versions,
                counted(result.rows, "row"),
                self.clock.elapsed,
            )

    def _advance(self, head: Head, since: int | None, result: DrainResult) -> Watermark | None:
        """The new watermark: the newest update seen, but never past the moment when the reading began.

        Rows updated while the pages were read can be missing from them; their update times lie after that
        moment, so the next drain reads them (model in the documentation, "Guarantees"). A log whose first
        drain finds nothing is complete up to where that drain began to look.
        """
        if since is None or not result.complete or result.served_ticks is None:
            return None
        before = head.position.watermark
        if result.newest_ticks is None and before is not None:
            return None
        ticks = min(since if result.newest_ticks is None else result.newest_ticks, result.served_ticks)
        return Watermark(ticks if before is None else max(ticks, before), self.overlap)


def filters_changed(head: Head, filters: Mapping[str, Any]) -> bool:
    """Whether the log stands at a watermark that was reached with other filters."""
    return head.position.watermark is not None and dict(head.position.filters) != dict(filters)


def _note_newest(result: DrainResult, versions: list[Any]) -> None:
    for version in versions:
        ticks = parse_ticks(version[1])
        if ticks is not None and (result.newest_ticks is None or ticks > result.newest_ticks):
            result.newest_ticks = ticks


def _ticks(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 10
