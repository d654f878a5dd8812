"""Graph records that deviate from the documentation, each made from an ordinary one, to test bad input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle

import msgspec

from airflow_provider_defender.simulator.graph.evidence.base import Evidence
from airflow_provider_defender.simulator.graph.types import PREFIX
from airflow_provider_defender.simulator.graph.versions import Record
from airflow_provider_defender.simulator.server.odd_records import (
    WRONG_VALUES,
    Change,
    changed_records,
    setting,
    wrong_types,
)

__all__ = ["NO_RECORDS", "alert_oddities", "evidence_oddities", "incident_oddities"]

#: What is no record at all, in place of one.
NO_RECORDS = {
    "no id": b'{"severity":"high","lastUpdateDateTime":"2026-01-09T07:59:00Z"}',
    "id is null": b'{"id":null,"severity":"high","lastUpdateDateTime":"2026-01-09T07:59:00Z"}',
    "id is a number": b'{"id":12345,"severity":"high","lastUpdateDateTime":"2026-01-09T07:59:00Z"}',
    "empty object": b"{}",
    "null": b"null",
    "text": b'"an alert"',
    "list": b'[{"id":"x"}]',
}


def alert_oddities(alert: Record) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each odd alert, all with the id of `alert`; the caller assigns new ids.

    First the alert as a whole, then a wrong type in each of its properties.
    """
    yield from changed_records(alert, _ALERT_CHANGES)
    yield "repeated key", msgspec.json.encode(alert)[:-1] + b',"severity":"high"}'
    half = msgspec.json.encode({**alert, "title": "HALF"})
    yield "half a pair", half.replace(b'"HALF"', rb'"\ud83d alone"')
    yield from wrong_types(alert)


def incident_oddities(incident: Record) -> Iterator[tuple[str, bytes]]:
    """As `alert_oddities`, for an incident."""
    yield from changed_records(incident, _INCIDENT_CHANGES)
    yield from wrong_types(incident)


def evidence_oddities(alert: Record, items: Iterable[Evidence]) -> Iterator[tuple[str, bytes]]:
    """The alert with one item whose property has a wrong type, for each property of each item."""
    wrong = cycle(WRONG_VALUES)
    for item in items:
        kind = item["@odata.type"].removeprefix(PREFIX)
        for name in item:
            for label, value in (next(wrong), ("object", {"unexpected": [name]})):
                odd = {**alert, "evidence": [{**item, name: value}]}
                yield f"{kind}.{name}: {label}", msgspec.json.encode(odd)


def _all_null(record: Record) -> None:
    for name in record:
        if name not in ("id", "lastUpdateDateTime", "createdDateTime"):
            record[name] = None


def _null_items(alert: Record) -> None:
    alert["evidence"] = [None, dict.fromkeys(alert["evidence"][0]) if alert["evidence"] else {}, {}, "x"]
    alert["comments"] = [None, {}]
    alert["mitreTechniques"] = [None, "T1059"]


def _unknown_values(record: Record) -> None:
    record.update(
        severity="catastrophic",
        status="reopened",
        classification="undecided",
        determination="toBeDetermined",
    )
    if "evidence" in record:
        record.update(
            serviceSource="microsoftDefenderForToasters", detectionSource="toaster", category="Crumbs"
        )
    for item in record.get("evidence", ()):
        item.update(verdict="astonished", remediationStatus="pondering", roles=["bystander", None, 7])


def _pascal_case(record: Record) -> None:
    """Members as one of Microsoft's examples has them."""
    for name in ("severity", "status", "classification", "determination", "serviceSource", "detectionSource"):
        if isinstance(record.get(name), str):
            record[name] = record[name][:1].upper() + record[name][1:]


def _example_spelling(incident: Record) -> None:
    """`tags` in place of `customTags`, as one of Microsoft's examples has it."""
    incident["tags"] = incident.pop("customTags")


def _new_properties(record: Record) -> None:
    record.update({"newText": "x", "newObject": {"a": [1, {"b.c": None}]}, "new.with.dots": 1, "": "no name"})
    for item in record.get("evidence", ()):
        item["newItemProperty"] = {"depth": 1}


def _unknown_types(alert: Record) -> None:
    alert["evidence"] = [
        {"@odata.type": f"{PREFIX}hologramEvidence", "wavelength": 0.5, "of": {"a": [1]}},
        {"@odata.type": "hologram"},
        {"@odata.type": None, "verdict": "suspicious"},
        {"@odata.type": 7},
        {"verdict": "suspicious", "url": "https://files.share-now.example/no-type"},
    ]


def _many_items(alert: Record) -> None:
    items = alert["evidence"] or [{"@odata.type": f"{PREFIX}urlEvidence"}]
    alert["evidence"] = [{**items[number % len(items)], "tags": [f"{number}"]} for number in range(500)]


def _texts(record: Record) -> None:
    record["description"] = "تنبيه أمني\nהתראה \u200f123\u200f\t\u0001 e\u0301 \u2028 \ufeff \u202e🚨\u202c"
    record["comments"] = [{"comment": "👍🏿 نعم", "createdBy": "секоп@contoso.example", "createdTime": None}]


def _with_type(record: Record) -> None:
    record["@odata.type"] = f"{PREFIX}{'alert' if 'evidence' in record else 'incident'}"


_CHANGES: dict[str, Change] = {
    "all null": _all_null,
    "unknown values": _unknown_values,
    "Pascal case": _pascal_case,
    "new properties": _new_properties,
    "with its type": _with_type,
    "1 MB description": setting(description="é" * 500_000),
    "emoji and right-to-left": _texts,
    "comments in both spellings": setting(
        comments=[
            {
                "comment": "a",
                "createdByDisplayName": "ana",
                "createdDateTime": "2026-01-09T07:00:00.1234567Z",
            },
            {"comment": "b", "createdBy": "ana", "createdTime": "2026-01-09T07:00:00Z"},
        ]
    ),
    "time without zone": setting(createdDateTime="2026-01-09T07:00:00.1234567"),
    "time with offset": setting(createdDateTime="2026-01-09T08:00:00.5+01:00"),
    "impossible time": setting(createdDateTime="2026-02-30T25:61:61Z"),
    "no update time": setting(lastUpdateDateTime=None),
    "no creation time": setting(createdDateTime=None),
}
_ALERT_CHANGES: dict[str, Change] = {
    **_CHANGES,
    "null items": _null_items,
    "no evidence": setting(evidence=[]),
    "500 evidence items": _many_items,
    "unknown types": _unknown_types,
    "numbers as ids": setting(incidentId=7587, providerAlertId=2**63),
    "no time at all": setting(
        lastUpdateDateTime=None, createdDateTime=None, firstActivityDateTime=None, lastActivityDateTime=None
    ),
}
_INCIDENT_CHANGES: dict[str, Change] = {
    **_CHANGES,
    "tags of the example": _example_spelling,
    "a number as redirect": setting(status="redirected", redirectIncidentId=7587),
    "huge number": setting(priorityScore=2**63),
}
