"""A tenant whose alerts change over time, as tests and users see and change it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol, TypeVar, cast

from airflow_provider_defender.simulator.defender.book import Alert, AlertBook, Edit
from airflow_provider_defender.simulator.defender.catalogue import Population
from airflow_provider_defender.simulator.defender.oddities import oddities
from airflow_provider_defender.simulator.defender.scenario import Scenario
from airflow_provider_defender.simulator.defender.versions import Version, wire_time
from airflow_provider_defender.simulator.server.clock import TenantClock, to_ticks
from airflow_provider_defender.simulator.server.draw import draw_for
from airflow_provider_defender.timestamps import datetime_to_ticks, ticks_to_datetime

__all__ = ["DEFAULT_START", "Plan", "Resident", "Tenant"]

#: The default start of a tenant's clock: a fixed day, so that tests always see the same texts.
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


@dataclass(frozen=True)
class Plan:
    """What a tenant was made to be: times in ticks, `per_day` the alerts that arrive after `start`."""

    start: int
    history: int
    alerts: int
    per_day: float
    late_share: float
    latest: int


class Resident(Protocol):
    """What else lives in a tenant: records of another service that change by the tenant's clock."""

    def settle(self, now: int) -> None:
        """Do all that is to happen up to now (ticks)."""

    def stir(self, now: int, read: Sequence[str], unread: Sequence[str]) -> int:
        """Make changes that make paging hard, as `Tenant.stir`; the newest update time, or 0."""


_R = TypeVar("_R", bound=Resident)


class Tenant:
    """A tenant with alerts that change over time, determined by its seed, with the truth about all versions.

    * `alerts` alerts arrived during the `history` before `start` and have been worked on since;
      `alerts_per_day` more arrive as the clock advances (by default at the same rate).
    * The clock stands still until `advance`; with `running` it follows real time.
    * `late_share` of all writes become visible up to `latest` after their update time.
    * `tuned_share` of the alerts that arrive are suppressed by a tuning rule: Defender for Endpoint shows
      them, Microsoft Graph does not.

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
        tuned_share: float = 0.05,
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
            seed,
            self._book,
            per_day=alerts_per_day,
            late_share=late_share,
            latest=to_ticks(latest),
            tuned_share=tuned_share,
        )
        self._residents: dict[object, Resident] = {}
        self.plan = Plan(
            start=datetime_to_ticks(start),
            history=to_ticks(history),
            alerts=alerts,
            per_day=alerts_per_day,
            late_share=late_share,
            latest=to_ticks(latest),
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
        """Let time pass: alerts arrive, change, become visible. Returns the number of versions written."""
        with self.lock:
            before = len(self.versions)
            self._clock.advance(to_ticks(span))
            self._settle()
            return len(self.versions) - before

    def settle(self) -> None:
        """Do all that is to happen up to now; every look at the tenant does so by itself."""
        with self.lock:
            self._settle()

    def _settle(self) -> int:
        now = self._clock.ticks()
        self._scenario.live_until(now)
        self._book.store.show_due(now)
        for resident in self._residents.values():
            resident.settle(now)
        return now

    def resident(self, kind: Callable[[Tenant], _R]) -> _R:
        """What else lives in this tenant, made by `kind` when it is first asked for.

        It has seen all that happened before, and from then on lives by the tenant's clock.
        """
        with self.lock:
            if kind not in self._residents:
                self._residents[kind] = kind(self)
                self._settle()
            return cast(_R, self._residents[kind])

    def reach(self, moment: int) -> None:
        """Let the clock stand no earlier than this (ticks): changes at one time get several update times."""
        with self.lock:
            behind = moment - self._clock.ticks()
            if behind > 0:
                self._clock.advance(behind)
            self._settle()

    # -- what there is

    @property
    def population(self) -> Population:
        """The people and devices that alerts and events name."""
        return self._book.population

    @property
    def alerts(self) -> list[Version]:
        """The alerts that the API returns now, in its order (by id)."""
        return self.select("", None)

    @property
    def versions(self) -> list[Version]:
        """The ground truth: all versions of all alerts, as written, also those not visible yet."""
        with self.lock:
            return list(self._book.store)

    def versions_of(self, alert_id: str) -> list[Version]:
        """All versions of one alert, oldest first."""
        return [version for version in self.versions if version.alert_id == alert_id]

    def versions_after(self, count: int) -> list[Version]:
        """The versions written after the first `count`, oldest first."""
        with self.lock:
            return self._book.store.written_after(count)

    @property
    def tuned(self) -> set[str]:
        """The ids of alerts that a tuning rule suppresses: shown by Defender for Endpoint, not by Graph."""
        return self._scenario.tuned

    def visible(self, alert_id: str) -> Version | None:
        """The version of one alert that the API returns now, or None."""
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
        evidence: int | Sequence[Alert] | None = None,
        visible_after: timedelta = timedelta(0),
        **changes: Any,
    ) -> Version:
        """Add a random alert now; `changes` replace or add properties.

        `evidence` is the number of items, or the items as they are.
        """
        if evidence is not None and not isinstance(evidence, int):
            changes["evidence"], evidence = list(evidence), None
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
        """Add many alerts that nobody works on: all with one update time, or spread evenly over the past."""
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
        """Add a row whose bytes the API sends unchanged, whatever they contain.

        `row_id` is its place in the id order (with the id of an alert, it becomes that alert's next version),
        `updated` the update time that filters see; both are independent of the bytes.
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
        """Write a new version of one alert now; it can become visible later than its update time.

        Raises KeyError for an unknown id.
        """
        return self.update_many([alert_id], visible_after=visible_after, **changes)[0]

    def update_many(
        self, ids: Iterable[str], *, visible_after: timedelta = timedelta(0), **changes: Any
    ) -> list[Version]:
        """Write new versions of several alerts at once: a bulk update with one update time.

        Raises KeyError for an unknown id.
        """
        return self.edit(ids, lambda alert: alert.update(changes), visible_after=visible_after)

    def edit(
        self, ids: Iterable[str], edit: Edit, *, visible_after: timedelta = timedelta(0)
    ) -> list[Version]:
        """Write new versions with one update time, each changed in place by `edit`.

        Raises KeyError for an unknown id.
        """
        with self.lock:
            versions = self._book.change(ids, edit, self._settle(), to_ticks(visible_after))
            self._catch_up(versions)
            return versions

    def comment(self, alert_id: str, text: str) -> Version:
        """Add an analyst's comment to an alert."""

        def edit(alert: Alert) -> None:
            author, created = self._book.population.analysts[0], wire_time(self.now_ticks())
            alert["comments"].append({"comment": text, "createdBy": author, "createdTime": created})

        return self.edit([alert_id], edit)[0]

    def add_evidence(self, alert_id: str, count: int = 1) -> Version:
        """Add evidence to an alert."""

        def edit(alert: Alert) -> None:
            self._book.add_evidence(self._random, alert, self.now_ticks(), count)

        return self.edit([alert_id], edit)[0]

    def resolve(
        self, alert_id: str, classification: str = "TruePositive", determination: str = "Malware"
    ) -> Version:
        """Resolve an alert, as an analyst does."""
        return self.update(
            alert_id,
            status="Resolved",
            classification=classification,
            determination=determination,
            resolvedTime=wire_time(self.now_ticks()),
        )

    def stir(self, read: Iterable[str], unread: Iterable[str]) -> list[Version]:
        """Make changes that make paging hard: to rows already read or not yet read, or new rows in between.

        The seed decides which. `Simulator.stir` does this between pages.
        """
        with self.lock:
            now, known = self._settle(), self._book.store.known
            read, unread = list(read), list(unread)
            versions = self._scenario.stir(now, list(filter(known, read)), list(filter(known, unread)))
            self._catch_up(versions)
            for resident in self._residents.values():
                self.reach(resident.stir(now, read, unread))
            return versions

    def _catch_up(self, versions: Iterable[Version]) -> None:
        newest = max((v.update_ticks or 0 for v in versions), default=0)
        self.reach(newest)
