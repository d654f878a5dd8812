"""Every version that every alert has had, and which of them the API shows at a given time."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from airflow_provider_defender.timestamps import parse_ticks, ticks_to_datetime

__all__ = ["FILTER_TIMES", "FILTER_VALUES", "Version", "VersionStore", "grid_ticks", "wire_time"]

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
    """A time as the API writes it: UTC, up to seven fraction digits, no zeros at the end."""
    seconds, fraction = divmod(ticks, 10_000_000)
    text = ticks_to_datetime(seconds * 10_000_000).isoformat()[:19]
    if fraction:
        digits = f"{fraction:07d}".rstrip("0")
        return f"{text}.{digits}Z"
    return f"{text}Z"


class Version:
    """One state that an alert was in: the ground truth of what can be read.

    `update_time` is `lastUpdateTime` exactly as sent (None in a raw record without one); `visible_ticks` is
    when the API begins to show it, which can be later than the update. `superseded` says that a newer
    version became visible first, so that nobody could ever read this one.
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
        """A version whose bytes are sent just as they are; filters see `update_ticks` as its update time."""
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
    def body(self) -> Any:
        """The record, decoded; the caller may change it.

        Raises msgspec.DecodeError for a raw record that is not JSON.
        """
        return msgspec.json.decode(self._full)

    def __repr__(self) -> str:
        return f"Version({self.alert_id!r}, {self.number}, {self.update_time!r})"


def _fields(alert: Mapping[str, Any]) -> dict[str, Any]:
    """What filters look at; a time that is not one is left out, as null is."""
    fields = {name: alert.get(name) for name in FILTER_VALUES}
    for name in FILTER_TIMES:
        text = alert.get(name)
        fields[name] = parse_ticks(text) if isinstance(text, str) else None
    return fields


class VersionStore:
    """All versions of all alerts, and those that can be seen, in order of their ids.

    Not safe for several threads by itself; the tenant has the lock.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._versions: list[Version] = []
        self._newest: dict[str, Version] = {}
        self._visible: dict[str, Version] = {}
        self._ids: list[str] = []
        self._waiting: list[tuple[int, int, Version]] = []
        self._cached: tuple[int, str, list[Version]] | None = None

    def __iter__(self) -> Iterator[Version]:
        return iter(self._versions)

    def newest(self, alert_id: str) -> Version:
        """The last version written, seen or not yet.

        Raises KeyError for an unknown id.
        """
        return self._newest[alert_id]

    def visible(self, alert_id: str) -> Version | None:
        """The version that the API shows now."""
        return self._visible.get(alert_id)

    def known(self, alert_id: str) -> bool:
        """Whether there is an alert with this id."""
        return alert_id in self._newest

    def add(self, version: Version) -> None:
        """Write a version; it waits until `show_due` reaches its time."""
        self._versions.append(version)
        self._newest[version.alert_id] = version
        heapq.heappush(self._waiting, (version.visible_ticks, len(self._versions), version))

    def show_due(self, now: int) -> None:
        """Let everything become visible whose time has come."""
        arrived: list[str] = []
        while self._waiting and self._waiting[0][0] <= now:
            version = heapq.heappop(self._waiting)[2]
            shown = self._visible.get(version.alert_id)
            self.revision += 1
            if shown is None:
                arrived.append(version.alert_id)
            elif shown.number > version.number:
                version.superseded = True
                continue
            self._visible[version.alert_id] = version
        self._insert(arrived)

    def _insert(self, ids: list[str]) -> None:
        if len(ids) > 16:
            self._ids.extend(ids)
            self._ids.sort()
        else:
            for alert_id in ids:
                bisect.insort(self._ids, alert_id)

    def select(self, label: str, matches: Callable[[Version], bool] | None) -> list[Version]:
        """The visible versions that match, in id order; kept under `label` while nothing changes."""
        if self._cached is not None and self._cached[:2] == (self.revision, label):
            return self._cached[2]
        rows: list[Version] = [self._visible[alert_id] for alert_id in self._ids]
        if matches is not None:
            rows = [row for row in rows if matches(row)]
        self._cached = (self.revision, label, rows)
        return rows
