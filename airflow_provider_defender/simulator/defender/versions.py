"""All versions of all alerts, and which of them the API returns at a given time."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from airflow_provider_defender.simulator.server.odata import fields_of
from airflow_provider_defender.timestamps import ticks_to_datetime

__all__ = [
    "FILTER_TIMES",
    "FILTER_VALUES",
    "Stored",
    "Version",
    "VersionStore",
    "grid_ticks",
    "wire_time",
]

#: Properties that `$filter` compares as times.
FILTER_TIMES = frozenset({"alertCreationTime", "lastUpdateTime", "lastEventTime", "firstEventTime"})
#: Properties that `$filter` compares as they are.
FILTER_VALUES = frozenset(
    {
        "id",
        "incidentId",
        "investigationId",
        "assignedTo",
        "detectionSource",
        "status",
        "severity",
        "category",
    }
)


def grid_ticks(ticks: int) -> int:
    """The time at or before `ticks` that an update can carry: Defender keeps them on a grid of 1/300 s."""
    seconds, fraction = divmod(ticks, 10_000_000)
    point = (fraction * 300 + 150) // 10_000_000  # half a tick of grace: grid points themselves are rounded
    return seconds * 10_000_000 + (point * 10_000_000 + 150) // 300


def wire_time(ticks: int) -> str:
    """A time as the API writes it: UTC, up to seven fraction digits, no trailing zeros."""
    seconds, fraction = divmod(ticks, 10_000_000)
    text = ticks_to_datetime(seconds * 10_000_000).isoformat()[:19]
    if fraction:
        digits = f"{fraction:07d}".rstrip("0")
        return f"{text}.{digits}Z"
    return f"{text}Z"


class Version:
    """One version of an alert: the ground truth of what can be read.

    `update_time` is `lastUpdateTime` exactly as sent (None for a raw record without one); `visible_ticks` is
    when the API begins to return it, which can be later than the update. `superseded`: a newer version became
    visible first, so that nobody could ever read this one.
    """

    __slots__ = (
        "_bare",
        "_full",
        "_split",
        "alert_id",
        "fields",
        "number",
        "superseded",
        "update_ticks",
        "update_time",
        "visible_ticks",
    )

    def __init__(self, alert_id: str, number: int, visible_ticks: int, fields: Mapping[str, Any]) -> None:
        self.alert_id = alert_id
        self.number = number
        self.visible_ticks = visible_ticks
        self.fields = fields
        self.update_time: str | None = None
        self.update_ticks: int | None = fields.get("lastUpdateTime")
        self.superseded = False
        self._full = b""
        self._bare: bytes | None = None
        self._split = 0

    @classmethod
    def of_alert(cls, alert: Mapping[str, Any], number: int, visible_ticks: int) -> Version:
        """A version of an ordinary alert, whose `evidence` is its last property."""
        alert_id = alert["id"]
        version = cls(alert_id, number, visible_ticks, _fields(alert))
        version.update_time = alert["lastUpdateTime"]
        head = msgspec.json.encode({name: alert[name] for name in alert if name != "evidence"})
        version._split = len(head) - 1
        version._full = head[:-1] + b',"evidence":' + msgspec.json.encode(alert["evidence"]) + b"}"
        return version

    @classmethod
    def of_raw(cls, alert_id: str, raw: bytes, number: int, visible_ticks: int, update_ticks: int) -> Version:
        """A version whose bytes are sent unchanged; filters see `update_ticks` as its update time."""
        try:
            body = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            body = None
        fields: dict[str, Any] = {"id": alert_id, "lastUpdateTime": update_ticks}
        bare = raw
        if isinstance(body, dict):
            fields = {**_fields(body), **fields}
            if fields.get("alertCreationTime") is None:
                fields["alertCreationTime"] = update_ticks
            if isinstance(body.get("evidence"), list):
                bare = msgspec.json.encode({**body, "evidence": []})
        version = cls(alert_id, number, visible_ticks, fields)
        if isinstance(body, dict) and isinstance(body.get("lastUpdateTime"), str):
            version.update_time = body["lastUpdateTime"]
        version._full, version._bare = raw, bare
        return version

    def rendered(self, evidence: bool = True) -> bytes:
        """The record as the API sends it, with or without its evidence."""
        if evidence:
            return self._full
        if self._bare is not None:
            return self._bare
        return self._full[: self._split] + b',"evidence":[]}'

    @property
    def row_id(self) -> str:
        """The id of the record that this is a version of."""
        return self.alert_id

    @property
    def is_raw(self) -> bool:
        """Whether the bytes were given as they are sent."""
        return self._bare is not None

    @property
    def body(self) -> Any:
        """The record, decoded; the caller may change it.

        Raises msgspec.DecodeError for a raw record that is not JSON.
        """
        return msgspec.json.decode(self._full)

    def __repr__(self) -> str:
        return f"Version({self.alert_id!r}, {self.number}, {self.update_time!r})"


def _fields(alert: Mapping[str, Any]) -> dict[str, Any]:
    return fields_of(alert, values=FILTER_VALUES, times=FILTER_TIMES)


class Stored(Protocol):
    """A version of a record as a store keeps it."""

    number: int
    visible_ticks: int
    superseded: bool

    @property
    def row_id(self) -> str:
        """The id of the record."""


_V = TypeVar("_V", bound=Stored)


class VersionStore(Generic[_V]):
    """All versions of all records of a kind, and those that can be seen, in order of their ids.

    Not safe for several threads by itself; the tenant has the lock.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._versions: list[_V] = []
        self._newest: dict[str, _V] = {}
        self._visible: dict[str, _V] = {}
        self._ids: list[str] = []
        self._waiting: list[tuple[int, int, _V]] = []
        self._cached: tuple[int, str, list[_V]] | None = None

    def __iter__(self) -> Iterator[_V]:
        return iter(self._versions)

    def written_after(self, count: int) -> list[_V]:
        """The versions written after the first `count`, oldest first."""
        return self._versions[count:]

    def newest(self, row_id: str) -> _V:
        """The last version written, visible or not.

        Raises KeyError for an unknown id.
        """
        return self._newest[row_id]

    def visible(self, row_id: str) -> _V | None:
        """The version that the API returns now."""
        return self._visible.get(row_id)

    def known(self, row_id: str) -> bool:
        """Whether there is a record with this id."""
        return row_id in self._newest

    def add(self, version: _V) -> None:
        """Write a version; it waits until `show_due` reaches its time."""
        self._versions.append(version)
        self._newest[version.row_id] = version
        heapq.heappush(self._waiting, (version.visible_ticks, len(self._versions), version))

    def show_due(self, now: int) -> None:
        """Make all versions visible whose time has come."""
        arrived: list[str] = []
        while self._waiting and self._waiting[0][0] <= now:
            version = heapq.heappop(self._waiting)[2]
            shown = self._visible.get(version.row_id)
            self.revision += 1
            if shown is None:
                arrived.append(version.row_id)
            elif shown.number > version.number:
                version.superseded = True
                continue
            self._visible[version.row_id] = version
        self._insert(arrived)

    def _insert(self, ids: list[str]) -> None:
        if len(ids) > 16:
            self._ids.extend(ids)
            self._ids.sort()
        else:
            for row_id in ids:
                bisect.insort(self._ids, row_id)

    def select(self, label: str, matches: Callable[[_V], bool] | None) -> list[_V]:
        """The visible versions that match, in id order; kept under `label` while nothing changes."""
        if self._cached is not None and self._cached[:2] == (self.revision, label):
            return self._cached[2]
        rows: list[_V] = [self._visible[row_id] for row_id in self._ids]
        if matches is not None:
            rows = [row for row in rows if matches(row)]
        self._cached = (self.revision, label, rows)
        return rows
