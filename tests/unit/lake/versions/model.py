"""A tenant whose alerts change, and the runs that read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from airflow_provider_defender.lake import (
    Commit,
    Lake,
    Transaction,
    VersionsLedger,
    VersionsPosition,
    Watermark,
)
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks
from tests.unit.lake.support import LOG, OVERLAP, START, Clock, alerts, open_log, rejects
from tests.unit.lake.world import World

_PAGES = 2
_IN_A_PAGE = 2


@dataclass
class Alert:
    """An alert as the tenant has it now; only the current version can be read."""

    key: str
    created: datetime
    updated: int
    visible_from: datetime
    number: int

    @property
    def high(self) -> bool:
        return self.number % 3 != 0

    @property
    def version(self) -> str:
        """Some alerts have no update time that can be read."""
        return f"content:{self.updated}" if self.number % 7 == 5 else format_ticks(self.updated)

    @property
    def broken(self) -> bool:
        """Some alerts cannot be mapped."""
        return self.number % 5 == 4


@dataclass
class Tenant:
    clock: Clock
    alerts: list[Alert] = field(default_factory=list)

    def appear(self, days_ago: int, late: timedelta) -> None:
        number = len(self.alerts)
        created = self.clock.now - timedelta(days=days_ago)
        alert = Alert(f"k{number}", created, datetime_to_ticks(self.clock.now), self.clock.now + late, number)
        self.alerts.append(alert)

    def update(self, number: int, late: timedelta) -> None:
        """A new version; one that shows late hides the alert until then."""
        alert = self.alerts[number % len(self.alerts)]
        now = datetime_to_ticks(self.clock.now)
        if now > alert.updated and alert.visible_from <= self.clock.now:
            alert.updated, alert.visible_from = now, self.clock.now + late

    def ascending(self, since: int | None) -> list[Alert]:
        """All that can be seen and was updated at or after `since`, in the order of the updates."""
        seen = [alert for alert in self.alerts if alert.visible_from <= self.clock.now]
        return sorted(
            (alert for alert in seen if since is None or alert.updated >= since),
            key=lambda alert: (alert.updated, alert.number),
        )

    def read(self, page: int, wanted: Callable[[Alert], bool]) -> list[Alert]:
        return [
            alert
            for alert in self.alerts
            if alert.number % _PAGES == page and alert.visible_from <= self.clock.now and wanted(alert)
        ]


class TenantWorld(World):
    """The tenant, its log and the runs under way."""

    log_name = LOG
    datasets = "alerts"
    partitioning = Partitioning.DAY
    open_log = staticmethod(open_log)
    new_ledger = VersionsLedger

    def __init__(self, new_lake: Callable[[Clock], Lake]) -> None:
        super().__init__(new_lake)
        self.tenant = Tenant(self.clock)

    def a_day_passes(self, number: int) -> None:
        for days_ago in (number, number, number + 1):
            self.tenant.appear(days_ago, timedelta(0))
        self._finish("live", self.live())
        self.pass_time(timedelta(hours=26))

    def live(
        self, *, high_only: bool = False, stop_early: bool = False, overlap: timedelta = OVERLAP
    ) -> Callable[[Lake], Any]:
        """A live drain, with updates between its pages where the model lets them happen."""

        def work(lake: Lake) -> Commit[VersionsPosition] | None:
            log = open_log(lake)
            head = log.head()
            start = datetime_to_ticks(self.clock.now)
            since = None
            if head.position.watermark is not None:
                since = Watermark(head.position.watermark, overlap).overlap_start
            filters = {"severity": ["High"]} if high_only else {}
            newest = 0
            with log.begin(head, VersionsLedger(since=since, filters=filters), kind="drain") as transaction:
                for page in range(_PAGES - stop_early):
                    lake.storage.pause()  # type: ignore[attr-defined]
                    for_page = self.tenant.read(
                        page, lambda a: (since is None or a.updated >= since) and (a.high or not high_only)
                    )
                    newest = max(
                        [newest, *(a.updated for a in for_page if not a.version.startswith("content:"))]
                    )
                    _land(transaction, for_page)
                advance = None
                if newest and not stop_early:
                    advance = Watermark(min(newest, start), overlap)
                return transaction.commit(advance)

        return work

    def live_in_order(
        self, *, pages: int | None, high_only: bool = False, overlap: timedelta = OVERLAP
    ) -> Callable[[Lake], Any]:
        """A live drain in the order of the updates, cut off after some pages; None: read to the end."""

        def work(lake: Lake) -> Commit[VersionsPosition] | None:
            log = open_log(lake)
            head = log.head()
            start, before = datetime_to_ticks(self.clock.now), head.position.watermark
            since = None if before is None else Watermark(before, overlap).overlap_start
            filters = {"severity": ["High"]} if high_only else {}
            reached, asked, complete = None, since, False
            with log.begin(head, VersionsLedger(since=since, filters=filters), kind="drain") as transaction:
                for _ in range(100 if pages is None else pages):
                    lake.storage.pause()  # type: ignore[attr-defined]
                    found = self.tenant.ascending(asked)
                    page, complete = found[:_IN_A_PAGE], len(found) <= _IN_A_PAGE
                    if len({alert.updated for alert in page}) == 1:  # no further by time: take all of it
                        page = [alert for alert in found if alert.updated == found[0].updated]
                        complete = len(page) == len(found)
                    _land(transaction, [alert for alert in page if alert.high or not high_only])
                    reached = asked = max([alert.updated for alert in page], default=asked)
                    if complete:
                        break
                    if page[0].updated == asked:
                        asked = asked + 1 if asked is not None else None
                ticks = None if reached is None else min(reached, start)
                if ticks is None or (not complete and before is not None and ticks <= before):
                    return transaction.commit()
                return transaction.commit(Watermark(ticks, overlap, complete))

        return work

    def backfill(self, first: int, days: int) -> Callable[[Lake], Any]:
        """All alerts created in some days, counted from the first day of this world."""
        since = START - timedelta(days=5) + timedelta(days=first)
        until = since + timedelta(days=days)

        def work(lake: Lake) -> Commit[VersionsPosition] | None:
            log = open_log(lake)
            with log.begin(
                log.head(), VersionsLedger(), kind="backfill", window={"days": [first, days]}
            ) as transaction:
                for page in range(_PAGES):
                    _land(transaction, self.tenant.read(page, lambda a: since <= a.created < until))
                return transaction.commit()

        return work

    def rivals(self) -> tuple[Callable[[Lake], Any], Callable[[Lake], Any]]:
        """A live drain and a backfill of the same alerts."""
        for days_ago in (0, 1, 2):
            self.tenant.appear(days_ago, timedelta())
        return self.live(), self.backfill(3, 4)

    # What must hold -----------------------------------------------------------------------------

    def check(self) -> None:
        """No version twice, none missing, nothing shown before it counts, the watermark never back."""
        records = self._records()
        marks = [record["position"]["watermark"] for record in records if record["position"]]
        marks = [mark for mark in marks if mark is not None]
        assert marks == sorted(marks), "the watermark went back"
        self.check_files(records)

    def check_end(self) -> None:
        self.pass_time(OVERLAP + timedelta(minutes=1))
        self._finish("live", self.live())
        self.check()
        everything = {(alert.key, alert.version) for alert in self.tenant.alerts}
        high = {(alert.key, alert.version) for alert in self.tenant.alerts if alert.high}
        retired = self.retired(self._records())
        missing = high - set(self._landed()) - retired
        assert not missing, f"never landed: {missing}"
        self._finish("backfill", self.backfill(-100, 1000))
        self.check()
        assert not everything - set(self._landed()) - retired
        assert self._finish("repeat", self.backfill(-100, 1000)) is None, "the same backfill again added rows"

        if len(self.tenant.alerts) % 2:  # it takes as long as the rest
            self._check_latest()

    def _check_latest(self) -> None:
        """When all is old enough, the latest alerts are the newest version of each, once."""
        self.tenant.appear(0, timedelta(0))
        self.pass_time(timedelta(days=3))
        self._finish("live", self.live())
        self.pass_time(timedelta(days=3))
        self._finish("compaction", self.compaction())
        self.check()
        newest: dict[tuple[str, str], str] = {}
        for partition, key, version in self._shown("alerts"):
            newest[partition, key] = max(version, newest.get((partition, key), ""))
        latest = sorted((partition, key, version) for (partition, key), version in newest.items())
        assert sorted(self._shown("alerts_latest")) == latest

    def _shown(self, dataset: str) -> list[tuple[str, str, str]]:
        files = [each.file for each in open_log(self._new_lake(self.clock)).snapshot().files(dataset)]
        return [(file.partition, *row) for file in files for row in self._rows_at(file.path, file.path)]

    def identities(self, table: pa.Table) -> list[tuple[Any, ...]]:
        pairs = (
            pa.table(table["landing"].combine_chunks().flatten()[:2], ["key", "version"])
            if "landing" in table.column_names
            else table
        )
        return list(zip(pairs["key"].to_pylist(), pairs["version"].to_pylist(), strict=True))


def _land(transaction: Transaction[VersionsPosition, Watermark], found: list[Alert]) -> None:
    pairs = [(alert.key, alert.version) for alert in found]
    wanted = transaction.select_new(pairs)
    new = [alert for alert, want in zip(found, wanted, strict=True) if want]
    good = [(alert.key, alert.version, alert.created) for alert in new if not alert.broken]
    bad = [(alert.key, alert.version) for alert in new if alert.broken]
    if good:
        transaction.write("alerts", alerts(good), Partitioning.DAY)
    if bad:
        transaction.quarantine(rejects(bad))
