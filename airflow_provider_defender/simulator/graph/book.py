"""Writing alerts and incidents as Microsoft Graph has them: every version, and who is in which incident."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_defender.simulator.defender.catalogue import Population
from airflow_provider_defender.simulator.defender.versions import Version, VersionStore, wire_time
from airflow_provider_defender.simulator.graph.endpoint import graph_alert
from airflow_provider_defender.simulator.graph.versions import Record, RecordVersion

__all__ = ["Edit", "PortalBook"]

Edit = Callable[[Record], None]

_FIRST_INCIDENT = 1_000_001  # the alerts API counts from far below
_SEVERITIES = ("unknown", "informational", "low", "medium", "high")
_PORTAL = "https://security.microsoft.com"
_BY_ITSELF = "Microsoft 365 Defender"
_Members = Callable[[tuple[str, ...]], tuple[str, ...]]


def _same(members: tuple[str, ...]) -> tuple[str, ...]:
    return members


def _nothing(record: Record) -> None:
    """Change nothing but the update time."""


class PortalBook:
    """The alerts and incidents of a tenant. All times are in ticks; the caller says when something happens.

    Alerts of Defender for Endpoint are copied from the alerts API, version by version (`mirror`); those of
    the other products are written here. Every alert belongs to an incident.
    `begun` are the ids of all incidents, oldest first, `mirrored` those of all endpoint alerts.
    """

    def __init__(self, tenant_id: str, population: Population) -> None:
        self.alerts: VersionStore[RecordVersion] = VersionStore()
        self.incidents: VersionStore[RecordVersion] = VersionStore()
        self.mirrored: set[str] = set()
        self.begun: list[str] = []
        self._tenant_id = tenant_id
        self._population = population
        self._new_incidents = 0

    def show_due(self, now: int) -> None:
        """Make all versions visible whose time has come."""
        self.alerts.show_due(now)
        self.incidents.show_due(now)

    # -- alerts

    def mirror(self, version: Version, tuned: bool) -> None:
        """Copy a version of an endpoint alert.

        What Graph does not return is left out: tuned alerts, those without an incident, and raw records,
        whose bytes are the alerts API's.
        """
        known = self.alerts.known(version.alert_id)
        if not known and (tuned or version.is_raw or version.fields.get("incidentId") is None):
            return
        body = version.body
        if version.is_raw or not isinstance(body, dict):
            return
        record = graph_alert(body, self._population, self._tenant_id)
        before = self.alerts.newest(version.alert_id).fields["incidentId"] if known else None
        self.mirrored.add(version.alert_id)
        self._write_alert(RecordVersion.of("alert", record, version.number, version.visible_ticks), before)

    def add_alert(self, record: Record, at: int, visible: int) -> RecordVersion:
        """Write a new alert of another product; it joins the incident that it names, which may be new.

        Raises ValueError for an id that there is.
        """
        if self.alerts.known(record["id"]):
            raise ValueError(f"There is an alert {record['id']!r} already")
        record["lastUpdateDateTime"] = wire_time(at)
        version = RecordVersion.of("alert", record, 1, visible)
        self._write_alert(version, None)
        return version

    def change_alerts(self, ids: Iterable[str], edit: Edit, at: int, lag: int = 0) -> list[RecordVersion]:
        """Write a new version of each alert, all with one update time; it becomes visible `lag` ticks later.

        Raises KeyError for an unknown id, ValueError for an alert of Defender for Endpoint (it changes by
        `Tenant.edit`), TypeError for a raw record that is no object.
        """
        earlier = [self.alerts.newest(alert_id) for alert_id in ids]
        for version in earlier:
            if version.row_id in self.mirrored:
                raise ValueError(
                    f"The alert {version.row_id!r} is Defender for Endpoint's: change it with Tenant.edit"
                )
        written = _changed(earlier, edit, at, lag)
        for old, new in zip(earlier, written, strict=True):
            self._write_alert(new, old.fields.get("incidentId"))
        return written

    def merge(self, source: str, target: str, at: int, lag: int = 0) -> list[RecordVersion]:
        """Move the alerts of one incident to another, and redirect it there; the versions of the incidents.

        Alerts of Defender for Endpoint stay: they are moved by `Tenant.edit`. Raises KeyError for an unknown
        id.
        """
        moving = tuple(m for m in self.incidents.newest(source).members if m not in self.mirrored)
        url = self.incidents.newest(target).body["incidentWebUrl"]
        earlier = [self.alerts.newest(alert_id) for alert_id in moving]
        moved = _changed(earlier, lambda alert: alert.update(incidentId=target, incidentWebUrl=url), at, lag)
        for version in moved:
            self.alerts.add(version)
        worst = max((version.fields["severity"] for version in moved), key=_rank, default="unknown")

        def grow(incident: Record) -> None:
            incident.update(severity=max(incident["severity"], worst, key=_rank), lastModifiedBy=_BY_ITSELF)

        def redirect(incident: Record) -> None:
            incident.update(status="redirected", redirectIncidentId=target, lastModifiedBy=_BY_ITSELF)

        grown = self.change_incidents([target], grow, at, lag, lambda members: (*members, *moving))
        left = self.change_incidents(
            [source], redirect, at, lag, lambda members: tuple(m for m in members if m not in moving)
        )
        return [*left, *grown]

    def _write_alert(self, version: RecordVersion, before: str | None) -> None:
        self.alerts.add(version)
        after = version.fields.get("incidentId")
        if before is not None and before != after:
            self._leave(before, version)
        if after is not None and before != after:
            self._join(str(after), version)
        elif after is not None and version.fields["status"] == "resolved":
            self._close_when_done(str(after), version)

    def _follow(self, alert: RecordVersion, incident_id: str, edit: Edit, members: _Members = _same) -> None:
        """Change an incident at the time of an alert's version, to be seen together with it."""
        incident = self.incidents.newest(incident_id)
        at = alert.visible_ticks if alert.update_ticks is None else alert.update_ticks
        [version] = _changed([incident], edit, at)
        version.visible_ticks = alert.visible_ticks
        version.members = members(incident.members)
        self.incidents.add(version)

    # -- incidents

    def of_endpoint(self, incident_id: str) -> bool:
        """Whether an incident has alerts of Defender for Endpoint, or may still get some."""
        return not incident_id.isdigit() or int(incident_id) < _FIRST_INCIDENT

    def new_incident_id(self) -> str:
        """The id of the next incident of other products."""
        self._new_incidents += 1
        return str(_FIRST_INCIDENT + self._new_incidents - 1)

    def change_incidents(
        self,
        ids: Iterable[str],
        edit: Edit,
        at: int,
        lag: int = 0,
        members: _Members = _same,
    ) -> list[RecordVersion]:
        """Write a new version of each incident, all with one update time; `members` changes their alerts.

        Raises KeyError for an unknown id, TypeError for a raw record that is no object.
        """
        earlier = [self.incidents.newest(incident_id) for incident_id in ids]
        written = _changed(earlier, edit, at, lag)
        for old, new in zip(earlier, written, strict=True):
            new.members = members(old.members)
            self.incidents.add(new)
        return written

    def add_raw(self, type_name: str, row_id: str, raw: bytes, at: int, visible: int) -> RecordVersion:
        """Write a version whose bytes the API sends unchanged."""
        store = self.alerts if type_name == "alert" else self.incidents
        number = 1
        members: tuple[str, ...] = ()
        if store.known(row_id):
            newest = store.newest(row_id)
            number, members = newest.number + 1, newest.members
        version = RecordVersion.of_raw(type_name, row_id, raw, number=number, visible=visible, updated=at)
        version.members = members
        store.add(version)
        return version

    def _join(self, incident_id: str, alert: RecordVersion) -> None:
        if not self.incidents.known(incident_id):
            record = self._incident(incident_id, alert)
            version = RecordVersion.of("incident", record, 1, alert.visible_ticks)
            version.members = (alert.row_id,)
            self.incidents.add(version)
            self.begun.append(incident_id)
            return
        alone = len(self.incidents.newest(incident_id).members) == 1

        def grow(incident: Record) -> None:
            worse = max(incident["severity"], alert.fields["severity"], key=_rank)
            incident.update(severity=worse, lastModifiedBy=_BY_ITSELF, priorityScore=20 * _rank(worse))
            if incident["status"] == "resolved":
                incident["status"] = "active"
            if alone:
                incident["displayName"] = f"Multi-stage incident: {incident['displayName']}"

        self._follow(alert, incident_id, grow, lambda members: (*members, alert.row_id))

    def _leave(self, incident_id: str, alert: RecordVersion) -> None:
        if self.incidents.known(incident_id):
            self._follow(
                alert, incident_id, _nothing, lambda members: tuple(m for m in members if m != alert.row_id)
            )

    def _close_when_done(self, incident_id: str, alert: RecordVersion) -> None:
        """Resolve an incident all of whose alerts are resolved, as Defender XDR does by itself."""
        if not self.incidents.known(incident_id):
            return
        incident = self.incidents.newest(incident_id)
        states = {self.alerts.newest(member).fields["status"] for member in incident.members}
        if states == {"resolved"} and incident.fields["status"] in ("active", "inProgress", "awaitingAction"):
            self._follow(
                alert,
                incident_id,
                lambda record: record.update(
                    status="resolved",
                    classification=alert.fields["classification"],
                    determination=alert.fields["determination"],
                    resolvingComment="All alerts are resolved.",
                    lastModifiedBy=_BY_ITSELF,
                ),
            )

    def _incident(self, incident_id: str, alert: RecordVersion) -> Record:
        severity = alert.fields["severity"] or "unknown"
        at = alert.visible_ticks if alert.update_ticks is None else alert.update_ticks
        return {
            "id": incident_id,
            "tenantId": self._tenant_id,
            "status": "active",
            "incidentWebUrl": f"{_PORTAL}/incidents/{incident_id}?tid={self._tenant_id}",
            "redirectIncidentId": None,
            "displayName": alert.fields["title"],
            "createdDateTime": wire_time(at),
            "lastUpdateDateTime": wire_time(at),
            "assignedTo": None,
            "classification": "unknown",
            "determination": "unknown",
            "severity": severity,
            "customTags": [],
            "comments": [],
            "systemTags": [],
            "description": f"An alert of the category {alert.fields['category']} began this incident.",
            "lastModifiedBy": _BY_ITSELF,
            "resolvingComment": None,
            "summary": None,
            "priorityScore": 20 * _rank(severity),
        }


def _rank(severity: Any) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else 0


def _changed(earlier: Sequence[RecordVersion], edit: Edit, at: int, lag: int = 0) -> list[RecordVersion]:
    """The next version of each record, all with one update time, which is after every earlier one."""
    moment = max([at, *(version.update_ticks + 1 for version in earlier if version.update_ticks is not None)])
    written = []
    for version in earlier:
        record = version.body
        if not isinstance(record, dict):
            raise TypeError(f"The raw record {version.row_id!r} is not an object and cannot be changed")
        edit(record)
        record["lastUpdateDateTime"] = wire_time(moment)
        written.append(RecordVersion.of(version.type, record, version.number + 1, moment + lag))
    return written
