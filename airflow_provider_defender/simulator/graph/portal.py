"""The Defender portal of a tenant: alerts of all products and incidents, as tests see and change them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.defender.versions import VersionStore
from airflow_provider_defender.simulator.graph.alerts import comment_of
from airflow_provider_defender.simulator.graph.book import Edit, PortalBook
from airflow_provider_defender.simulator.graph.cast import Cast, Company
from airflow_provider_defender.simulator.graph.evidence.samples import MAKERS, evidence_of, evidence_sample
from airflow_provider_defender.simulator.graph.oddities import (
    NO_RECORDS,
    alert_oddities,
    evidence_oddities,
    incident_oddities,
)
from airflow_provider_defender.simulator.graph.scenario import PortalScenario
from airflow_provider_defender.simulator.graph.versions import Record, RecordVersion
from airflow_provider_defender.simulator.server.clock import to_ticks
from airflow_provider_defender.simulator.server.draw import draw_for
from airflow_provider_defender.timestamps import datetime_to_ticks

__all__ = ["Portal"]

_Matches = Callable[[RecordVersion], bool]


class Portal:
    """What Microsoft Graph shows of a tenant: `Portal.of(tenant)`.

    Alerts of Defender for Endpoint are the tenant's own, with the same ids, times and versions, which become
    visible at the same moment. Those of other products, and the incidents, live here by the tenant's clock.
    """

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._book = PortalBook(tenant.tenant_id, tenant.population)
        self._company = Company(tenant.tenant_id, tenant.domain, tenant.population)
        self._scenario = PortalScenario(
            tenant.seed, tenant.plan, self._book, self._company, tenant.tuned.__contains__
        )
        self._random = draw_for(tenant.seed, "graph deliberate")
        self._copied = 0

    @classmethod
    def of(cls, tenant: Tenant) -> Portal:
        """The portal of a tenant, always the same one."""
        return tenant.resident(cls)

    # -- time

    def settle(self, now: int) -> None:
        """Do all that is to happen up to now (ticks)."""
        versions = self._tenant.versions_after(self._copied)
        self._copied += len(versions)
        for version in versions:
            self._scenario.copy(version)
        self._scenario.live_until(now)
        self._book.show_due(now)

    def stir(self, now: int, read: Sequence[str], unread: Sequence[str]) -> int:
        """Make changes that make paging hard, as `Tenant.stir`; the newest update time, or 0."""
        return _newest(self._scenario.stir(now, read, unread))

    # -- what there is

    @property
    def tenant(self) -> Tenant:
        """The tenant that this is the portal of."""
        return self._tenant

    @property
    def alerts(self) -> list[RecordVersion]:
        """The alerts that Graph returns now, by id."""
        return self.select("alert")

    @property
    def incidents(self) -> list[RecordVersion]:
        """The incidents that Graph returns now, by id."""
        return self.select("incident")

    @property
    def alert_versions(self) -> list[RecordVersion]:
        """All versions of all alerts, in the order in which they were written."""
        return self._all(self._book.alerts)

    @property
    def incident_versions(self) -> list[RecordVersion]:
        """All versions of all incidents, in the order in which they were written."""
        return self._all(self._book.incidents)

    def _all(self, store: VersionStore[RecordVersion]) -> list[RecordVersion]:
        with self._tenant.lock:
            self._tenant.settle()
            return list(store)

    def visible(self, type_name: str, row_id: str) -> RecordVersion | None:
        """The version of one "alert" or "incident" that Graph returns now, or None."""
        with self._tenant.lock:
            self._tenant.settle()
            return self._store(type_name).visible(row_id)

    def select(self, type_name: str, label: str = "", matches: _Matches | None = None) -> list[RecordVersion]:
        """The visible versions of alerts or incidents that match, by id; `label` names the test for reuse."""
        with self._tenant.lock:
            self._tenant.settle()
            return list(self._store(type_name).select(label, matches))

    def members(self, incident: RecordVersion) -> list[RecordVersion]:
        """The alerts of an incident as Graph returns them now, in the order in which they joined."""
        with self._tenant.lock:
            self._tenant.settle()
            found = map(self._book.alerts.visible, incident.members)
            return [version for version in found if version is not None]

    def _store(self, type_name: str) -> VersionStore[RecordVersion]:
        return self._book.alerts if type_name == "alert" else self._book.incidents

    # -- what tests and users do to it: alerts

    def add_alert(
        self,
        product: str | None = None,
        *,
        evidence: Sequence[str | Record] | None = None,
        incident: str | None = None,
        visible_after: timedelta = timedelta(0),
        **changes: Any,
    ) -> RecordVersion:
        """Add an alert of another product now, by default a random one; `changes` replace or add properties.

        * `product`: its `serviceSource`; one of `products.PRODUCTS`.
        * `evidence`: its items, as types (made up) or as they are; by default what the product finds.
        * `incident`: the id of its incident; by default a recent one or a new one.

        Raises KeyError for an unknown product or type of evidence, ValueError for an id that there is.
        """
        with self._now() as now:
            items = None if evidence is None else self._items(evidence, now)
            version = self._scenario.create(
                self._random,
                now,
                now + to_ticks(visible_after),
                product=product,
                incident=incident,
                evidence=items,
                changes=changes,
            )
            self._tenant.reach(_newest([version]))
            return version

    def add_alerts(
        self, count: int, product: str | None = None, *, over: timedelta = timedelta(0)
    ) -> list[RecordVersion]:
        """Add many alerts: all with one update time, or spread evenly over the past."""
        with self._now() as now:
            span = to_ticks(over)
            times = (now - span + span * (number + 1) // count for number in range(count))
            versions = [self._scenario.create(self._random, at, now, product=product) for at in times]
            self._tenant.settle()
            return versions

    def _items(self, evidence: Sequence[str | Record], now: int) -> list[Record]:
        cast = Cast(self._random.getrandbits(64), self._company, now)
        return [
            evidence_of(item, cast, verdict="suspicious") if isinstance(item, str) else item
            for item in evidence
        ]

    def add_raw(
        self,
        record: bytes,
        type_name: str = "alert",
        *,
        row_id: str | None = None,
        updated: datetime | None = None,
        visible_after: timedelta = timedelta(0),
    ) -> RecordVersion:
        """Add an "alert" or "incident" whose bytes Graph sends unchanged, whatever they contain.

        `row_id` is the id that Graph knows it by (with the id of a record, it becomes that record's next
        version), `updated` the update time that filters see; both are independent of the bytes.
        """
        with self._now() as now:
            row_id = row_id or f"da{uuid.UUID(int=self._random.getrandbits(128), version=4)}"
            at = now if updated is None else datetime_to_ticks(updated)
            version = self._book.add_raw(type_name, row_id, record, at, now + to_ticks(visible_after))
            self._tenant.settle()
            return version

    def add_oddities(self, type_name: str = "alert", *, whole: bool = True) -> dict[str, RecordVersion]:
        """One raw "alert" or "incident" for each way in which input can be odd, by its name (see `oddities`).

        With `whole`, also those that are no record at all: without an id, not an object. Each has an id of
        its own, which the odd record carries too, unless it is about the id. Of evidence, every property of
        each of the 48 types is wrong once.
        """
        model = self.add_alert("microsoft365Defender")
        if type_name == "incident":
            model = self._book.incidents.newest(model.fields["incidentId"])
            odd = incident_oddities(model.body)
        else:
            items = [evidence_sample(name, self._random) for name in MAKERS]
            odd = chain(alert_oddities(model.body), evidence_oddities(model.body, items))
        written = {}
        for number, (name, record) in enumerate(odd):
            row_id = f"9{number:017d}"
            renamed = record.replace(f'"id":"{model.row_id}"'.encode(), f'"id":"{row_id}"'.encode())
            written[name] = self.add_raw(renamed, type_name, row_id=row_id)
        if whole:
            for name, record in NO_RECORDS.items():
                written[name] = self.add_raw(record, type_name)
        return written

    def update(
        self, alert_id: str, *, visible_after: timedelta = timedelta(0), **changes: Any
    ) -> RecordVersion:
        """Write a new version of one alert of another product now; see `edit`."""
        return self.edit([alert_id], lambda alert: alert.update(changes), visible_after=visible_after)[0]

    def edit(
        self, ids: Iterable[str], edit: Edit, *, visible_after: timedelta = timedelta(0)
    ) -> list[RecordVersion]:
        """Write new versions of alerts with one update time, each changed in place by `edit`.

        Raises KeyError for an unknown id, ValueError for an alert of Defender for Endpoint: that changes by
        `Tenant.edit`.
        """
        with self._now() as now:
            return self._reached(self._book.change_alerts(ids, edit, now, to_ticks(visible_after)))

    # -- incidents

    def update_incidents(
        self, ids: Iterable[str], *, visible_after: timedelta = timedelta(0), **changes: Any
    ) -> list[RecordVersion]:
        """Write new versions of incidents now, with one update time.

        Raises KeyError for an unknown id.
        """
        return self.edit_incidents(
            ids, lambda incident: incident.update(changes), visible_after=visible_after
        )

    def edit_incidents(
        self, ids: Iterable[str], edit: Edit, *, visible_after: timedelta = timedelta(0)
    ) -> list[RecordVersion]:
        """Write new versions of incidents with one update time, each changed in place by `edit`.

        Raises KeyError for an unknown id.
        """
        with self._now() as now:
            return self._reached(self._book.change_incidents(ids, edit, now, to_ticks(visible_after)))

    def comment_incident(self, incident_id: str, text: str) -> RecordVersion:
        """Add an analyst's comment to an incident."""
        author = self._company.population.analysts[0]
        comment = comment_of(text, author, self._tenant.now_ticks(), self._random)
        return self.edit_incidents([incident_id], lambda incident: incident["comments"].append(comment))[0]

    def tag_incident(self, incident_id: str, tag: str) -> RecordVersion:
        """Add a tag of one's own to an incident."""
        return self.edit_incidents([incident_id], lambda incident: incident["customTags"].append(tag))[0]

    def close_incident(
        self, incident_id: str, classification: str = "truePositive", determination: str = "malware"
    ) -> RecordVersion:
        """Resolve an incident; its alerts stay as they are."""
        return self.update_incidents(
            [incident_id], status="resolved", classification=classification, determination=determination
        )[0]

    def merge(self, source: str, target: str) -> list[RecordVersion]:
        """Merge an incident into another one: its alerts move there, and it redirects to it.

        Alerts of Defender for Endpoint change in both APIs. Returns the versions of both incidents; raises
        KeyError for an unknown id.
        """
        with self._now():
            members = self._book.incidents.newest(source).members
            endpoint = [alert_id for alert_id in members if alert_id in self._book.mirrored]
            if endpoint:
                self._tenant.edit(endpoint, lambda alert: alert.update(incidentId=int(target)))
            return self._reached(self._book.merge(source, target, self._tenant.now_ticks()))

    @contextmanager
    def _now(self) -> Iterator[int]:
        """The time, with everything done that was to happen until then; nothing else happens meanwhile."""
        with self._tenant.lock:
            self._tenant.settle()
            yield self._tenant.now_ticks()

    def _reached(self, versions: list[RecordVersion]) -> list[RecordVersion]:
        self._tenant.reach(_newest(versions))
        return versions


def _newest(versions: Iterable[RecordVersion]) -> int:
    return max((version.update_ticks or 0 for version in versions), default=0)
