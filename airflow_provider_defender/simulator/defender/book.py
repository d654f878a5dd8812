"""Writing alerts: new ones from the catalogue, and new versions of those that exist."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airflow_provider_defender.simulator.defender.catalogue import (
    TEMPLATES,
    Device,
    Population,
    Template,
    evidence_item,
)
from airflow_provider_defender.simulator.defender.versions import Version, VersionStore, grid_ticks, wire_time
from airflow_provider_defender.simulator.server.draw import Draw

__all__ = ["Alert", "AlertBook", "Edit"]

Alert = dict[str, Any]
Edit = Callable[[Alert], None]

_SECOND = 10_000_000
_NET_EPOCH = 621_355_968_000_000_000  # ticks from year 1, which alert ids count from, to 1970
_EXTRA_ENTITIES = ("File", "Process", "Ip", "Url", "Registry", "User")
_FIRST_INCIDENT = 7_587


class AlertBook:
    """The alerts of a tenant. All times are in ticks; the caller says when something happens."""

    def __init__(self, seed: int | str, tenant_id: str, domain: str) -> None:
        self.store: VersionStore[Version] = VersionStore()
        self.population = Population(seed, domain)
        self.incidents: dict[int, list[str]] = {}
        self._tenant_id = tenant_id
        self._templates: dict[str, tuple[Template, Device]] = {}

    # -- new alerts

    def create(
        self,
        draw: Draw,
        at: int,
        *,
        visible: int | None = None,
        evidence: int | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> Version:
        """Write a new alert of a random template; `evidence` forces the number of items.

        `changes` replace properties of the alert; new names go before `evidence`.
        """
        template = draw.choice(TEMPLATES)
        device = draw.choice(self.population.devices)
        alert = self._alert(draw, template, device, at, evidence)
        incident = alert["incidentId"]
        if changes:
            items = alert.pop("evidence")
            alert.update(changes)
            alert["evidence"] = alert.pop("evidence", items)
            incident = changes.get("incidentId") or incident
        version = Version.of_alert(alert, 1, at if visible is None else visible)
        self._templates[version.alert_id] = (template, device)
        self.incidents.setdefault(incident, []).append(version.alert_id)
        self.store.add(version)
        return version

    def add_raw(self, alert_id: str, raw: bytes, at: int, visible: int) -> Version:
        """Write a version whose bytes the API sends unchanged."""
        number = self.store.newest(alert_id).number + 1 if self.store.known(alert_id) else 1
        version = Version.of_raw(alert_id, raw, number, visible, grid_ticks(at))
        self.store.add(version)
        return version

    def _alert(self, draw: Draw, template: Template, device: Device, at: int, evidence: int | None) -> Alert:
        created = at - draw.randrange(_SECOND // 2, 3 * _SECOND)
        last_event = created - draw.randrange(10 * _SECOND, 600 * _SECOND)
        alert_id = self._new_id(draw, created)
        person = device.person
        related = {"userName": person.account, "domainName": person.domain} if draw.random() < 0.7 else None
        return {
            "id": alert_id,
            "incidentId": self._incident(draw),
            "investigationId": None,
            "assignedTo": None,
            "severity": template.severity,
            "status": "New",
            "classification": None,
            "determination": None,
            "investigationState": draw.choice(("Queued", "UnsupportedAlertType", None)),
            "detectionSource": template.source,
            "detectorId": str(uuid.UUID(int=draw.getrandbits(128), version=4)) if template.evidence else None,
            "category": template.category,
            "threatFamilyName": template.threat[0] if template.threat else None,
            "title": template.title,
            "description": template.description,
            "alertCreationTime": wire_time(created),
            "firstEventTime": wire_time(last_event - draw.randrange(120 * _SECOND)),
            "lastEventTime": wire_time(last_event),
            "lastUpdateTime": wire_time(grid_ticks(at)),
            "resolvedTime": None,
            "machineId": device.machine_id,
            "computerDnsName": device.name,
            "rbacGroupName": device.group,
            "aadTenantId": self._tenant_id,
            "threatName": template.threat[1] if template.threat else None,
            "mitreTechniques": list(template.techniques),
            "relatedUser": related,
            "loggedOnUsers": [{"accountName": person.account, "domainName": person.domain}],
            "comments": [],
            "domains": [],
            "evidence": self._evidence(draw, template, device, created, evidence),
        }

    def _evidence(
        self, draw: Draw, template: Template, device: Device, at: int, count: int | None
    ) -> list[Alert]:
        entities = list(template.evidence)
        if count is not None:
            source = template.evidence or _EXTRA_ENTITIES
            entities = [source[number % len(source)] for number in range(count)]
        return [evidence_item(draw, entity, template, device, at) for entity in entities]

    def _new_id(self, draw: Draw, created: int) -> str:
        """A new id: most grow with time; some do not, so that new alerts also appear in between."""
        suffix, chance = draw.randrange(-(2**31), 2**31), draw.random()
        number = created + _NET_EPOCH
        if chance < 0.80:
            alert_id = f"da{number}_{suffix}"
        elif chance < 0.92:
            alert_id = f"da{uuid.UUID(int=draw.getrandbits(128), version=4)}_1"
        elif chance < 0.97:
            alert_id = f"ar{number}_{suffix}"
        else:
            alert_id = f"{number}_{suffix}"
        return alert_id if not self.store.known(alert_id) else self._new_id(draw, created + 1)

    def _incident(self, draw: Draw) -> int:
        newest = _FIRST_INCIDENT + len(self.incidents) - 1
        if self.incidents and draw.random() < 0.3:
            return newest - draw.randrange(min(3, len(self.incidents)))
        return newest + 1

    # -- new versions

    def change(self, ids: Iterable[str], edit: Edit, at: int, lag: int = 0) -> list[Version]:
        """Write a new version of each alert, all with one update time; it becomes visible `lag` ticks later.

        The update time is the grid point at or before `at`, but after every earlier version of these alerts.
        Raises KeyError for an unknown id, TypeError for an alert that was written raw and is no object.
        """
        earlier = [self.store.newest(alert_id) for alert_id in ids]
        moment = grid_ticks(at)
        for version in earlier:
            if version.update_ticks is not None and version.update_ticks >= moment:
                moment = grid_ticks(version.update_ticks + _SECOND // 299)
        written = []
        for version in earlier:
            alert = version.body
            if not isinstance(alert, dict):
                raise TypeError(f"The raw record {version.alert_id!r} is not an object and cannot be changed")
            edit(alert)
            alert["lastUpdateTime"] = wire_time(moment)
            alert["evidence"] = alert.pop("evidence", [])
            written.append(Version.of_alert(alert, version.number + 1, max(at, moment) + lag))
            self.store.add(written[-1])
        return written

    def add_evidence(self, draw: Draw, alert: Alert, at: int, count: int = 1) -> None:
        """Add fitting evidence to an alert."""
        template, device = self._templates.get(alert["id"], (TEMPLATES[0], self.population.devices[0]))
        entities = draw.choices(template.evidence or _EXTRA_ENTITIES, k=count)
        alert["evidence"].extend(evidence_item(draw, entity, template, device, at) for entity in entities)
        alert["lastEventTime"] = wire_time(at - draw.randrange(_SECOND, 30 * _SECOND))
