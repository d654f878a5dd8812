"""Incidents of Microsoft Graph (`GET /security/incidents?$expand=alerts`): one row an incident.

The properties are those of Microsoft's `incident` resource. Of its alerts, only what identifies and sorts
them gets columns: their bodies land in the dataset `alerts`, by the source `graph_alerts`. But what they name
(users, hosts, addresses, hashes, techniques) is gathered here, by the same functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...attack import tactics_of, techniques_in
from ...categories import EXPECTED_TYPES
from ...mapping import Computed, Derived, Fields, ListOf, Mapping, Shape
from ..endpoint_alerts import severity_numbers
from .alerts import alert_rows
from .related import RELATED
from .shape import COMMENT, TYPE_PREFIX, annotations_of
from .values import Item, children, moment, text, texts

__all__ = ["GRAPH_INCIDENTS", "incident_rows"]

_ALERT = Shape(
    {
        "id": "string",
        "providerAlertId": "string",
        "serviceSource": "string",
        "severity": "string",
        "status": "string",
        "title": "string",
        "createdDateTime": "time",
        "lastUpdateDateTime": "time",
    },
    partial=True,
)
"""What an incident's row says of each of its alerts."""

INCIDENT = Shape(
    {
        "id": "identifier",
        "assignedTo": "string",
        "classification": "string",
        "comments": ListOf(COMMENT),
        "createdDateTime": "time",
        "customTags": ListOf("string"),
        "description": "string",
        "determination": "string",
        "displayName": "string",
        "incidentWebUrl": "string",
        "lastModifiedBy": "string",
        "lastUpdateDateTime": "time",
        "priorityScore": "long",
        "redirectIncidentId": "identifier",
        "resolvingComment": "string",
        "severity": "string",
        "status": "string",
        "summary": "string",
        "systemTags": ListOf("string"),
        "tags": ListOf("string"),
        "tenantId": "string",
        "alerts": ListOf(_ALERT),
    },
    constants={"@odata.type": f"{TYPE_PREFIX}incident"},
    annotations=annotations_of("alerts", "comments"),
)
"""`tags` is how an example of Microsoft's spells `customTags`; both are read."""

CATEGORY = "intrusion_detection"
"""What every incident is about, whatever product found it."""
TYPE = "info"
"""The event type that ECS expects with `CATEGORY`, and with the categories that are added to it."""

_TICK = 100
"""Nanoseconds."""
_MOST_NANOSECONDS = 2**63 - 1

_SUMMED = {
    "event.category": "Always intrusion_detection, then those of its alerts' rows, as far as ECS expects the "
    "type info with them.",
    "event.type": "Always info: ECS expects no start or end with intrusion_detection. The status is in "
    "`microsoft.graph_security.status`.",
    "event.start": "The first activity of all its alerts.",
    "event.end": "The last activity of all its alerts.",
    "event.duration": "End minus start in ns.",
    "related.hash": "Of all its alerts' evidence.",
    "related.hosts": "Of all its alerts' evidence.",
    "related.ip": "Of all its alerts' evidence.",
    "related.user": "Of all its alerts' evidence; not the analysts.",
    "threat.tactic.id": "Of its alerts' categories, where they are names of MITRE's tactics.",
    "threat.tactic.name": "Of its alerts' categories, where they are names of MITRE's tactics.",
    "threat.technique.id": "Of all its alerts, each once.",
    "threat.technique.subtechnique.id": "Of all its alerts, each once.",
    "threat.software.name": "Where all its alerts that name a malware's family name the same.",
}
"""The fields that come from an incident's alerts, and how."""


def incident_rows(record: Item, items: list[Item]) -> list[Fields]:
    """The fields of an incident's one row that come from its alerts; few if they were not read with it."""
    alerts = children(record, "alerts")
    rows = [row for alert in alerts for row in alert_rows(alert, _evidence_of(alert))]
    return [{**_times(alerts), **_categories(rows), **_threat(alerts, rows), **_related(rows)}]


def _evidence_of(alert: Item) -> list[Item]:
    """An alert's evidence as its rows have it: one empty item if there is none."""
    return children(alert, "evidence") or [{}]


def _times(alerts: list[Item]) -> Fields:
    starts = [moment(alert, "firstActivityDateTime") for alert in alerts]
    ends = [moment(alert, "lastActivityDateTime") for alert in alerts]
    start = min((each for each in starts if each is not None), default=None)
    end = max((each for each in ends if each is not None), default=None)
    duration = None if start is None or end is None or end < start else (end - start) * _TICK
    if duration is not None and duration > _MOST_NANOSECONDS:
        duration = None
    return {"event.start": start, "event.end": end, "event.duration": duration}


def _categories(rows: list[Fields]) -> Fields:
    found = _each_once(name for row in rows for name in row.get("event.category") or ())
    added = [name for name in found if name != CATEGORY and TYPE in EXPECTED_TYPES.get(name, ())]
    return {"event.category": [CATEGORY, *added], "event.type": [TYPE]}


def _threat(alerts: list[Item], rows: list[Fields]) -> Fields:
    tactics = tactics_of(*(each for alert in alerts for each in _category_texts(alert)))
    found = _each_once(
        identifier
        for alert in alerts
        for value in texts(alert, "mitreTechniques")
        for identifier, _ in techniques_in(value)
    )
    families = [text(alert, "threatFamilyName") for alert in alerts]
    malware = _each_once(filter(None, [*families, *(row.get("threat.software.name") for row in rows)]))
    return {
        "threat.tactic.id": [identifier for identifier, _ in tactics],
        "threat.tactic.name": [name for _, name in tactics],
        "threat.technique.id": _each_once(value.partition(".")[0] for value in found),
        "threat.technique.subtechnique.id": [value for value in found if "." in value],
        "threat.software.name": malware[0] if len(malware) == 1 else None,
    }


def _category_texts(alert: Item) -> list[str | None]:
    return [text(alert, "category"), *texts(alert, "categories")]


def _related(rows: list[Fields]) -> Fields:
    return {name: _each_once(value for row in rows for value in row.get(name) or ()) for name in RELATED}


def _each_once(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


_CONSTANTS: dict[str, Any] = {
    "cloud.provider": "azure",
    "data_stream.dataset": "microsoft_graph_security.incident",
    "data_stream.namespace": "default",
    "data_stream.type": "logs",
    "event.dataset": "microsoft_graph_security.incident",
    "event.kind": "alert",
    "event.module": "microsoft_graph_security",
    "event.provider": "microsoft365Defender",
    "event.timezone": "UTC",
    "input.type": "httpjson",
    "observer.product": "Defender XDR",
    "observer.vendor": "Microsoft",
    "tags": ["microsoft-graph-security", "forwarded"],
    "threat.framework": "MITRE ATT&CK",
}

GRAPH_INCIDENTS = Mapping(
    source="graph_incidents",
    dataset="incidents",
    shape=INCIDENT,
    container="microsoft.graph_security",
    times=("createdDateTime", "lastUpdateDateTime"),
    version="lastUpdateDateTime",
    tenant="tenantId",
    constants=_CONSTANTS,
    copies={
        "cloud.account.id": "tenantId",
        "event.created": "createdDateTime",
        "event.id": "id",
        "event.url": "incidentWebUrl",
        "message": "displayName",
    },
    computed=(
        Computed(
            ("event.severity", "event.risk_score"),
            ("severity",),
            severity_numbers,
            "As for alerts: unknown 0, informational 1, low 2, medium 3, high 4; the risk score is null, 21, "
            "21, 47, 73. Microsoft's own score is in `microsoft.graph_security.priorityScore`.",
        ),
    ),
    derived=Derived(
        tuple(_SUMMED),
        incident_rows,
        "Of all its alerts, where they were read with it.",
        notes=_SUMMED,
        inputs=("alerts",),
    ),
    added={"alertIds": "alerts.id"},
    notes={
        "event.provider": "Incidents are made by Defender XDR, whatever product their alerts come from.",
    },
)
"""The mapping of source `graph_incidents`."""
