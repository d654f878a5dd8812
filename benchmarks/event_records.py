"""Messages for the benchmarks of events: the simulator's records, multiplied by times of their own.

The simulator makes a few thousand records a second, so a pool of them is made once; each record that is sent
is one of the pool with its own `Timestamp`, and so no repeat of another.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import msgspec

from airflow_provider_defender.simulator.events import EventStream

START = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
Shape = Literal["as sent", "objects", "5 % odd", "all odd"]
SHAPES: tuple[Shape, ...] = ("as sent", "objects", "5 % odd", "all odd")
_MARK = b"2026-01-01T00:00:00.0000000Z"
_ADDITIONAL = {
    "Count": "1",
    "Category": "Initial Access",
    "AttackTechniques": "Valid Accounts (T1078), Domain Accounts (T1078.002)",
    "SourceComputerOperatingSystemType": "unknown",
    "DestinationComputerOperatingSystem": "windows server 2022 datacenter",
    "FROM.DEVICE": "desktop-037",
    "TO.DEVICE": "dc1",
    "ACTOR.DEVICE": "",
}


class EventRecords:
    """Messages of `size` records each, of one table or, for None, of all that the simulator exports.

    `shape`: records as the simulator sends them; with an object of nine keys in every `AdditionalFields`; or
    so many of them with one oddity: a number as text, a new column, a value of the wrong type, a column's
    name in another case, a truth value as text. The times are within `span` from `START`.
    """

    def __init__(
        self,
        table: str | None,
        *,
        shape: Shape = "as sent",
        size: int = 1,
        span: timedelta = timedelta(minutes=5),
        pool: int = 5_000,
        seed: int = 7,
    ) -> None:
        self._random = random.Random(seed)
        self._shape = shape
        self._span = span
        self._size = size
        feeds = None if table is None else [table]
        stream = EventStream(seed, feeds=feeds, duplicates=0, records_a_message=1, start=START)
        wrapped = [value for value in stream.messages(pool) if value and value.startswith(b'{"records":[')]
        self._records = [self._template(json.loads(value)["records"][0]) for value in wrapped]

    def messages(self, records: int) -> Iterator[bytes]:
        """Messages with so many records in all."""
        step = self._span / max(1, records)
        parts: list[bytes] = []
        for number in range(records):
            parts.append(self._records[number % len(self._records)].replace(_MARK, _time(number, step)))
            if len(parts) == self._size or number == records - 1:
                yield b'{"records":[' + b",".join(parts) + b"]}"
                parts = []

    def _template(self, record: dict[str, Any]) -> bytes:
        properties = record.get("properties")
        if not isinstance(properties, dict):
            return msgspec.json.encode(record).replace(record["time"].encode(), _MARK)
        properties["Timestamp"] = _MARK.decode()
        for name in ("Port", "DestinationPort"):  # sometimes an empty text: an oddity of its own
            if properties.get(name) == "":
                properties[name] = None
        if self._shape == "objects":
            computer = f"computer {self._random.getrandbits(32):08x}"
            properties["AdditionalFields"] = {**_ADDITIONAL, "SourceComputerId": computer}
        share = {"5 % odd": 0.05, "all odd": 1.0}.get(self._shape, 0.0)
        if self._random.random() < share:
            self._make_odd(properties)
        return msgspec.json.encode(record)

    def _make_odd(self, properties: dict[str, Any]) -> None:
        kind = self._random.randrange(5)
        if kind == 0:
            properties["ReportId"] = str(properties.get("ReportId"))
        elif kind == 1:
            properties["NewColumn"] = {"a": 1}
        elif kind == 2:
            properties["DeviceName"] = ["unexpected"]
        elif kind == 3:
            properties["deviceNAME"] = properties.pop("DeviceName", None)
        else:
            properties["Port" if "Port" in properties else "IsInitiatingProcessRemoteSession"] = "1"


def _time(number: int, step: timedelta) -> bytes:
    """As Defender writes times, with 100 ns that differ in every record."""
    moment = START + step * number
    return b"%s.%06d%dZ" % (moment.strftime("%Y-%m-%dT%H:%M:%S").encode(), moment.microsecond, number % 10)
