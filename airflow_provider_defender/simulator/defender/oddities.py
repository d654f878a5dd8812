"""Records that deviate from the documentation, each made from an ordinary one: for tests of bad input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from airflow_provider_defender.simulator.server.odd_records import (
    Change,
    changed_records,
    copied,
    setting,
    wrong_types,
)

__all__ = ["oddities"]

_Alert = dict[str, Any]
_LONG_TEXT = 1_000_000
_MANY_ITEMS = 500


def oddities(alert: _Alert) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each odd record, all with the id of `alert`; the caller assigns new ids.

    First the alert as a whole (all null, unknown values, new properties, no evidence, 500 items, 1 MB of
    text, emoji and right-to-left text, …), then a wrong type in each property, of the alert and of its items.
    """
    yield from changed_records(alert, _CHANGES)
    yield "repeated key", msgspec.json.encode(alert)[:-1] + b',"severity":"High"}'
    yield "escaped letters", _escaped(alert)
    yield from wrong_types(alert)
    for name in alert["evidence"][0] if alert["evidence"] else ():
        changed = copied(alert)
        changed["evidence"][0][name] = {"unexpected": [name]}
        yield f"evidence.{name}: object", msgspec.json.encode(changed)


def _all_null(alert: _Alert) -> None:
    for name in alert:
        if name not in ("id", "lastUpdateTime", "alertCreationTime"):
            alert[name] = None


def _null_items(alert: _Alert) -> None:
    alert["evidence"] = [None, dict.fromkeys(alert["evidence"][0]) if alert["evidence"] else {}, {}]
    alert["comments"] = [None, {}]
    alert["loggedOnUsers"] = [None]
    alert["mitreTechniques"] = [None, "T1059"]


def _unknown_values(alert: _Alert) -> None:
    alert.update(
        severity="Catastrophic",
        status="Reopened",
        category="QuantumAttack",
        classification="Undecided",
        determination="ToBeDetermined",
        investigationState="Pondering",
        detectionSource="MicrosoftDefenderForToasters",
        mitreTechniques=["T9999.999", "not a technique"],
    )
    for item in alert["evidence"]:
        item["entityType"] = "Hologram"
        item["detectionStatus"] = "Astonished"


def _new_properties(alert: _Alert) -> None:
    items = alert.pop("evidence")
    alert.update({"newText": "x", "newObject": {"a": [1, {"b.c": None}]}, "new.with.dots": 1, "": "no name"})
    for item in items:
        item["newItemProperty"] = {"depth": 1}
    alert["evidence"] = items


def _many_items(alert: _Alert) -> None:
    items = alert["evidence"] or [{"entityType": "File", "fileName": "x.exe"}]
    alert["evidence"] = [
        {**items[number % len(items)], "fileName": f"file-{number}.exe"} for number in range(_MANY_ITEMS)
    ]


def _texts(alert: _Alert) -> None:
    alert["title"] = "Alert 🚨👩🏽‍💻 \U0001f9e8 with \u202eright-to-left\u202c text"
    alert["description"] = (
        "تنبيه أمني: تم اكتشاف ملف ضار\nהתראה \u200f123\u200f\t\u0001 e\u0301 \u2028 \ufeff"
    )
    alert["comments"] = [{"comment": "👍🏿 نعم", "createdBy": "секоп@contoso.example", "createdTime": None}]


def _escaped(alert: _Alert) -> bytes:
    r"""All letters beyond ASCII as `\uXXXX`, also in pairs and as half a pair, which no text can hold."""
    changed = copied(alert)
    changed["title"] = "HALF"
    text: str = msgspec.json.encode(changed).decode()
    escaped = text.replace('"HALF"', r'"\ud83d\ude00 \ud83d alone"')
    return "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in escaped if ord(c) < 0x10000).encode()


_CHANGES: dict[str, Change] = {
    "all null": _all_null,
    "null items": _null_items,
    "unknown values": _unknown_values,
    "new properties": _new_properties,
    "no evidence": setting(evidence=[]),
    "500 evidence items": _many_items,
    "1 MB description": setting(description="é" * (_LONG_TEXT // 2)),
    "emoji and right-to-left": _texts,
    "numbers as texts": setting(incidentId="7587", investigationId="-1"),
    "huge number": setting(incidentId=2**63, investigationId=10**30),
    "time without zone": setting(firstEventTime="2026-01-09T07:00:00.1234567"),
    "time with offset": setting(firstEventTime="2026-01-09T08:00:00.5+01:00"),
    "year one": setting(firstEventTime="0001-01-01T00:00:00Z"),
    "impossible time": setting(resolvedTime="2026-02-30T25:61:61Z"),
    "no update time": setting(lastUpdateTime=None),
    "no creation time": setting(alertCreationTime=None),
    "no time at all": setting(
        lastUpdateTime=None, alertCreationTime=None, firstEventTime=None, lastEventTime=None
    ),
}
