"""Rows of the streaming tables as the Streaming API writes them: `properties`, and the envelope."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_defender.simulator.hub.scene import Scene
from airflow_provider_defender.simulator.hub.times import fixed_time
from airflow_provider_defender.simulator.hub.values.makers import Maker
from airflow_provider_defender.simulator.hub.values.tables import maker
from airflow_provider_defender.simulator.server.draw import Draw

__all__ = ["CATEGORY_PREFIX", "Envelope", "StreamingTable", "streaming_tables"]

CATEGORY_PREFIX = "AdvancedHunting-"
_SECOND = 10_000_000
#: How many of 96 captured records had so many fraction digits in `Timestamp`.
_TIMESTAMP_DIGITS = {0: 17, 3: 11, 4: 1, 5: 1, 6: 23, 7: 43}
_EMPTY_SHARE = 0.25  # of absent texts; the others are null
_RARE_SHARE = 0.1  # for columns that captured records do not have, but newer ones may
_FAST_CLOCK_SHARE = 0.003
_FAST_CLOCK_SECONDS = 1_800
_LATE_ALERT_SHARE = 0.05


@dataclass(frozen=True)
class _Column:
    """How one column stands on the wire: its JSON type, and how often it is absent or left out."""

    name: str
    type: str
    absent: float
    rare: bool
    make: Maker

    @classmethod
    def parse(cls, table: str, name: str, text: str) -> _Column:
        """From `type`, `type 0.4` (the share of absent values) or `type rare`."""
        json_type, _, rest = text.partition(" ")
        rare = rest == "rare"
        return cls(name, json_type, 0.0 if rare or not rest else float(rest), rare, maker(table, name))

    def value(self, scene: Scene) -> Any:
        """The value as it goes into the JSON."""
        if self.absent and scene.chance(self.absent):
            empty = self.type in ("string", "text") and scene.chance(_EMPTY_SHARE)
            return "" if empty else None
        value = self.make(scene)
        if value is None or isinstance(value, str):
            return value
        if self.type == "datetime":
            return fixed_time(value)
        if self.type in ("string", "text") and isinstance(value, (dict, list)):
            return msgspec.json.encode(value).decode()
        return value


class StreamingTable:
    """One table of the Streaming API: its columns in the order of captured records."""

    def __init__(self, name: str, columns: Mapping[str, str]) -> None:
        self.name = name
        self.types = {column: text.partition(" ")[0] for column, text in columns.items()}
        self._columns = [_Column.parse(name, column, text) for column, text in columns.items()]

    def properties(self, scene: Scene) -> dict[str, Any]:
        """A row. Its `Timestamp` has 0 to 7 fraction digits, in the shares of captured records."""
        row = {
            column.name: column.value(scene)
            for column in self._columns
            if not column.rare or scene.chance(_RARE_SHARE)
        }
        if "Timestamp" in row:
            row["Timestamp"] = fixed_time(self._event_time(scene), _digits(scene.draw))
        return row

    def _event_time(self, scene: Scene) -> int:
        """When the event happened; some devices' clocks are fast by up to half an hour."""
        if self.name.startswith("Device") and scene.chance(_FAST_CLOCK_SHARE):
            return scene.at + scene.draw.randrange(_FAST_CLOCK_SECONDS * _SECOND)
        return scene.at

    def lag(self, draw: Draw) -> int:
        """How long after the event it is exported, in ticks.

        The median is 141 s and a tenth is above 736 s, as captured; alerts were seen 28 hours late.
        """
        if self.name.startswith("Alert") and draw.random() < _LATE_ALERT_SHARE:
            return draw.randrange(1_200, 100_600) * _SECOND
        seconds = draw.lognormvariate(math.log(141), 1.29)
        return int(min(max(seconds, 27), 1_200) * _SECOND)


def _digits(draw: Draw) -> int:
    [digits] = draw.choices(tuple(_TIMESTAMP_DIGITS), tuple(_TIMESTAMP_DIGITS.values()))
    return digits


@functools.cache
def streaming_tables() -> dict[str, StreamingTable]:
    """All streaming tables by name, from the file beside this module."""
    text = Path(__file__).with_name("streaming_tables.json").read_bytes()
    tables: dict[str, dict[str, str]] = msgspec.json.decode(text)
    return {name: StreamingTable(name, columns) for name, columns in tables.items()}


class Envelope:
    """The keys around `properties` in a record, in the orders that captured records have."""

    #: (with `_TimeReceivedBySvc`, with `Tenant`) → how many of 97 captured records.
    SHARES = {(True, True): 78, (False, True): 12, (False, False): 6, (True, False): 1}  # noqa: RUF012 - constant

    def __init__(self, tenant_id: str) -> None:
        self._tenant_id = tenant_id

    def around(self, properties: bytes, category: str, draw: Draw, *, received: int, exported: int) -> bytes:
        """A whole record; times in ticks: when Defender received the event, and when it exported it."""
        [(with_received, with_tenant)] = draw.choices(tuple(self.SHARES), tuple(self.SHARES.values()))
        record: dict[str, Any] = {
            "time": fixed_time(exported),
            "tenantId": self._tenant_id,
            "operationName": "Publish",
            "category": category,
        }
        if with_received:
            record["_TimeReceivedBySvc"] = fixed_time(received)
        record["properties"] = msgspec.Raw(properties)
        if with_tenant:
            record["Tenant"] = "DefaultTenant"
        return msgspec.json.encode(record)
