"""The living tenant: what tests and users see of it, and do to it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_defender.simulator._book import Alert, AlertBook, Edit
from airflow_provider_defender.simulator._catalogue import Population
from airflow_provider_defender.simulator._clock import TenantClock, to_ticks
from airflow_provider_defender.simulator._draw import draw_for
from airflow_provider_defender.simulator._oddities import oddities
from airflow_provider_defender.simulator._scenario import Scenario
from airflow_provider_defender.simulator._versions import Version, wire_time
from airflow_provider_defender.timestamps import datetime_to_ticks, ticks_to_datetime

__all__ = ["DEFAULT_START", "Tenant"]

#: Where a tenant's clock stands unless told otherwise: a fixed day, so that tests see the same texts always.
DEFAULT_START = datetime(2026, 1, 9, 8, 0, tzinfo=timezone.utc)

_NO_ALERTS = {
    "no id": b'{"severity":"High","lastUpdateTime":"2026-01-09T07:59:00Z"}',
    "id is null": b'{"id":null,"severity":"High","lastUpdateTime":"2026-01-09T07:59:00Z"}',
    "id is a number": b'{"id":12345,"severity":"High","lastUpdateTime":"2026-01-09T07:59:00Z"}',
    "id is empty": b'{"id":"","severity":"High","lastUpdateTime":"2026-01-09T07:59:00Z"}',
    "empty object": b"{}",
    "null": b"null",
    "number": b"17",
    "text": b'"an alert"',
    "list": b'[{"id":"x"}]',
}


class Tenant:
    """A tenant with alerts that live: deterministic from its seed, with the truth about all versions.

    * `alerts` alerts came during the `history` before `start`, and have been worked on since;
      `alerts_per_day` more come as the clock goes on (by default at the same rate).
    * The clock stands still until `advance`; with `running` it goes on with real time.
    * `late_share` of all writes become visible up to `latest` after the update time they carry.

    All methods may be called from any thread, also while the simulator serves.
    """

    def __init__(
        self,
        seed: int | str = 7,
        *,
        alerts: int = 100,
        history: timedelta = timedelta(days=7),
        alerts_per_day: float | None = None,
        start: datetime = DEFAULT_START,
        running: bool = False,
        late_share: float = 0.03,
        latest: timedelta = timedelta(minutes=5),
        tenant_id: str | None = None,
        domain: str = "contoso.example",
    ) -> None:
        draw = draw_for(seed, "tenant")
        self.seed = seed
        self.tenant_id = tenant_id or str(uuid.UUID(int=draw.getrandbits(128), version=4))
        self.domain = domain
        self.lock = threading.RLock()
        self._random = draw_for(seed, "deliberate")
        self._clock = TenantClock(start, running=running)
        self._book = AlertBook(seed, self.tenant_id, domain)
        if alerts_per_day is None:
            days = history / timedelta(days=1)
            alerts_per_day = alerts / days if days else 0.0
        self._scenario = Scenario(
            seed, self._book, per_day=alerts_per_day, late_share=late_share, latest=to_ticks(latest)
        )
        span = to_ticks(history)
        self._scenario.begin(datetime_to_ticks(start) - span, alerts, span)
        self._settle()

    # -- time

    def now(self) -> datetime:
        """The tenant's time in UTC, cut to microseconds."""
        return ticks_to_datetime(self._clock.ticks())

    def now_ticks(self) -> int:
        """The tenant's time in ticks of 100 ns since 1970."""
        return self._clock.ticks()

    def date_header(self) -> str:
        """The tenant's time as HTTP writes it."""
        return self._clock.date_header()

    def advance(self, span: timedelta) -> int:
        """Let time pass: alerts come, change, and become visible. Returns how many versions were written."""
        with self.lock:
            before = len(self.versions)
            self._clock.advance(to_ticks(span))
            self._settle()
            return len(self.versions) - before

    def _settle(self) -> int:
        now = self._clock.ticks()
        self._scenario.live_until(now)
        self._book.store.show_due(now)
        return now

    # -- what there is

    @property
    def population(self) -> Population:
        """The people and devices that alerts and events name."""
        return self._book.population

    @property
    def alerts(self) -> list[Version]:
        """What the API shows now, in its order (by id)."""
        return self.select("", None)

    @property
    def versions(self) -> list[Version]:
        """The ground truth: all versions of all alerts, as written, also those not visible yet."""
        with self.lock:
            return list(self._book.store)

    def versions_of(self, alert_id: str) -> list[Version]:
        """All versions of one alert, oldest first."""
        return [version for version in self.versions if version.alert_id == alert_id]

    def visible(self, alert_id: str) -> Version | None:
        """What the API shows of one alert now, or None."""
        with self.lock:
            self._settle()
            return self._book.store.visible(alert_id)

    def select(self, label: str, matches: Callable[[Version], bool] | None) -> list[Version]:
        """The visible versions that match, in id order; `label` names the test for reuse between pages."""
        with self.lock:
            self._settle()
            return list(self._book.store.select(label, matches))

    # -- what tests and users do to it

    def add_alert(
        self,
        *,
        evidence: int | None = None,
        visible_after: timedelta = timedelta(0),
        **changes: Any,
    ) -> Version:
        """A new alert of a random kind, now; `changes` replace or add properties, `evidence` counts items."""
        with self.lock:
            now = self._settle()
            version = self._book.create(
                self._random, now, visible=now + to_ticks(visible_after), evidence=evidence, changes=changes
            )
            self._settle()
            return version

    def add_alerts(
        self, count: int, *, evidence: int | None = None, over: timedelta = timedelta(0)
    ) -> list[Version]:
        """Many new alerts that nobody works on: all with one update time, or spread evenly over the past."""
        with self.lock:
            now, span = self._settle(), to_ticks(over)
            times = (now - span + span * (number + 1) // count for number in range(count))
            versions = [self._book.create(self._random, at, visible=now, evidence=evidence) for at in times]
            self._settle()
            return versions

    def add_raw(
        self,
        record: bytes,
        *,
        row_id: str | None = None,
        updated: datetime | None = None,
        visible_after: timedelta = timedelta(0),
    ) -> Version:
        """A row whose bytes the API sends just as they are, whatever they hold.

        `row_id` says where it stands in the id order (with the id of an alert, it becomes that alert's next
        version), `updated` which update time filters see: both apart from what the bytes say.
        """
        with self.lock:
            now = self._settle()
            row_id = row_id or f"da{uuid.UUID(int=self._random.getrandbits(128), version=4)}_1"
            at = now if updated is None else datetime_to_ticks(updated)
            version = self._book.add_raw(row_id, record, at, now + to_ticks(visible_after))
            self._settle()
            return version

    def add_oddities(self, *, whole: bool = True) -> dict[str, Version]:
        """One raw record for each way in which input can be odd, by its name (see `_oddities`).

        With `whole`, also those that are no alert at all: without an id, not an object. Each row has an id
        of its own, which the odd record carries too, unless it is about the id.
        """
        model = self.add_alert(evidence=3)
        written = {}
        for number, (name, record) in enumerate(oddities(model.body)):
            row_id = f"da{number:018d}_{number}"
            written[name] = self.add_raw(
                record.replace(model.alert_id.encode(), row_id.encode()), row_id=row_id
            )
        if whole:
            for name, record in _NO_ALERTS.items():
                written[name] = self.add_raw(record)
        return written

    def update(self, alert_id: str, *, visible_after: timedelta = timedelta(0), **changes: Any) -> Version:
        """A new version of one alert, now; it can become visible later than the update time it carries.

        Raises KeyError for an unknown id.
        """
        return self.update_many([alert_id], visible_after=visible_after, **changes)[0]

    def update_many(
        self, ids: Iterable[str], *, visible_after: timedelta = timedelta(0), **changes: Any
    ) -> list[Version]:
        """New versions of several alerts at once: a bulk update, which gives all one update time.

        Raises KeyError for an unknown id.
        """
        return self.edit(ids, lambda alert: alert.update(changes), visible_after=visible_after)

    def edit(
        self, ids: Iterable[str], edit: Edit, *, visible_after: timedelta = timedelta(0)
    ) -> list[Version]:
        """New versions with one update time, each changed in place by `edit`.

        Raises KeyError for an unknown id.
        """
        with self.lock:
            versions = self._book.change(ids, edit, self._settle(), to_ticks(visible_after))
            self._catch_up(versions)
            return versions

    def comment(self, alert_id: str, text: str) -> Version:
        """An analyst's comment on an alert."""

        def edit(alert: Alert) -> None:
            author, created = self._book.population.analysts[0], wire_time(self.now_ticks())
            alert["comments"].append({"comment": text, "createdBy": author, "createdTime": created})

        return self.edit([alert_id], edit)[0]

    def add_evidence(self, alert_id: str, count: int = 1) -> Version:
        """An alert gains evidence."""

        def edit(alert: Alert) -> None:
            self._book.add_evidence(self._random, alert, self.now_ticks(), count)

        return self.edit([alert_id], edit)[0]

    def resolve(
        self, alert_id: str, classification: str = "TruePositive", determination: str = "Malware"
    ) -> Version:
        """An analyst resolves an alert."""
        return self.update(
            alert_id,
            status="Resolved",
            classification=classification,
            determination=determination,
            resolvedTime=wire_time(self.now_ticks()),
        )

    def stir(self, read: Iterable[str], unread: Iterable[str]) -> list[Version]:
        """Change what makes paging hard: rows read already, rows not read yet, new rows in between.

        What it is comes from the seed. `Simulator.stir` does this between pages.
        """
        with self.lock:
            versions = self._scenario.stir(self._settle(), list(read), list(unread))
            self._catch_up(versions)
            return versions

    def _catch_up(self, versions: Iterable[Version]) -> None:
        """Two changes at one time get two update times; the clock must not stand before the second."""
        newest = max((v.update_ticks or 0 for v in versions), default=0)
        behind = newest - self._clock.ticks()
        if behind > 0:
            self._clock.advance(behind)
        self._settle()
