"""Odd messages, for tests of bad input, and a few for the demo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_defender.simulator.hub.rows import CATEGORY_PREFIX

__all__ = ["ODDITIES", "OddMessage"]

#: Gives a new, ordinary record of a streaming table, decoded.
RecordMaker = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class OddMessage:
    """A message (None: a tombstone) with the datasets of the rows it holds, and its unreadable parts."""

    value: bytes | None
    rows: list[str] = field(default_factory=list)
    broken: int = 0


def _encoded(*records: Any) -> bytes:
    return msgspec.json.encode({"records": list(records)})


def _broken(value: bytes | None) -> Callable[[RecordMaker], OddMessage]:
    return lambda make: OddMessage(value, broken=1)


def _cut(make: RecordMaker) -> OddMessage:
    whole = _encoded(make("DeviceInfo"))
    return OddMessage(whole[: len(whole) // 2], broken=1)


def _broken_element(make: RecordMaker) -> OddMessage:
    return OddMessage(_encoded(make("DeviceInfo"), 17, make("EmailEvents")), ["DeviceInfo", "EmailEvents"], 1)


def _hostile_category(make: RecordMaker) -> OddMessage:
    record = {**make("DeviceInfo"), "category": f"{CATEGORY_PREFIX}../../../etc/passwd"}
    return OddMessage(_encoded(record), broken=1)


def _other_case(make: RecordMaker) -> OddMessage:
    record = {**make("DeviceLogonEvents"), "category": f"{CATEGORY_PREFIX}DEVICELOGONEVENTS"}
    return OddMessage(_encoded(record), ["DeviceLogonEvents"])


def _changed(table: str, **changes: Any) -> Callable[[RecordMaker], OddMessage]:
    """A record of a table with other values in some columns, or with new columns."""

    def build(make: RecordMaker) -> OddMessage:
        record = make(table)
        record["properties"] |= changes
        return OddMessage(_encoded(record), [table])

    return build


def _bare_record(make: RecordMaker) -> OddMessage:
    return OddMessage(msgspec.json.encode(make("DeviceFileEvents")), ["DeviceFileEvents"])


def _list(make: RecordMaker) -> OddMessage:
    tables = ["DeviceFileEvents", "UrlClickEvents"]
    return OddMessage(msgspec.json.encode([make(table) for table in tables]), tables)


def _lines(make: RecordMaker) -> OddMessage:
    tables = ["DeviceFileEvents", "UrlClickEvents"]
    return OddMessage(b"\n".join(msgspec.json.encode(make(table)) for table in tables), tables)


#: What is odd → such a message. Those with `broken` belong in quarantine, the others land.
ODDITIES: dict[str, Callable[[RecordMaker], OddMessage]] = {
    "cut off": _cut,
    "no JSON": _broken(b"\xff\xfe\x00 neither text nor JSON"),
    "tombstone": _broken(None),
    "empty": _broken(b""),
    "no records": _broken(b'{"records":[]}'),
    "number": _broken(b"42"),
    "unknown shape": _broken(b'{"hello":"world"}'),
    "broken element": _broken_element,
    "hostile category": _hostile_category,
    "category in capitals": _other_case,
    "unknown columns": _changed("DeviceProcessEvents", NewColumn={"a.b": [1, {"c": None}]}, Another=1),
    "odd values": _changed(
        "DeviceNetworkEvents", RemotePort="", LocalPort="80", FileName={"x": 1}, DeviceName=17, ReportId="12x"
    ),
    "fields that are no JSON": _changed("DeviceEvents", AdditionalFields='{"half":'),
    "no time": _changed("DeviceRegistryEvents", Timestamp=None),
    "wrong clock": _changed("DeviceImageLoadEvents", Timestamp="1970-01-01T00:00:00Z"),
    "bare record": _bare_record,
    "list of records": _list,
    "records in lines": _lines,
}
