"""A version of an alert or an incident as Microsoft Graph has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_defender.simulator.graph.types import without_future_members
from airflow_provider_defender.simulator.server.odata import fields_of

__all__ = ["TIMES", "VALUES", "Record", "RecordVersion"]

Record = dict[str, Any]

#: Properties that `$filter` compares as times, and as they are.
TIMES = frozenset({"createdDateTime", "lastUpdateDateTime"})
VALUES = frozenset({"assignedTo", "classification", "determination", "serviceSource", "severity", "status"})
_KEPT = ("id", "incidentId", "title", "category", "redirectIncidentId", *sorted(VALUES))


class RecordVersion:
    """One version of a record: the ground truth of what can be read.

    * `type`: "alert" or "incident"; `members`: the ids of an incident's alerts, as of this version.
    * `update_time`: `lastUpdateDateTime` exactly as sent (None for a raw record without one).
    * `visible_ticks`: when the API begins to return it, which can be later than the update.
    * `superseded`: a newer version became visible first, so that nobody could ever read this one.
    """

    __slots__ = (
        "_full",
        "_plain",
        "fields",
        "members",
        "number",
        "row_id",
        "superseded",
        "type",
        "update_ticks",
        "update_time",
        "visible_ticks",
    )

    def __init__(
        self, type_name: str, row_id: str, full: bytes, body: Any, *, number: int, visible: int
    ) -> None:
        self.type = type_name
        self.row_id = row_id
        self.number = number
        self.visible_ticks = visible
        self.fields: Mapping[str, Any] = (
            fields_of(body, values=_KEPT, times=TIMES) if isinstance(body, dict) else {}
        )
        self.members: tuple[str, ...] = ()
        self.update_time: str | None = None
        if isinstance(body, dict) and isinstance(body.get("lastUpdateDateTime"), str):
            self.update_time = body["lastUpdateDateTime"]
        self.update_ticks: int | None = self.fields.get("lastUpdateDateTime")
        self.superseded = False
        self._full = full
        self._plain: bytes | None = None

    @classmethod
    def of(cls, type_name: str, record: Record, number: int, visible: int) -> RecordVersion:
        """A version of an ordinary record."""
        text = msgspec.json.encode(record)
        return cls(type_name, record["id"], text, record, number=number, visible=visible)

    @classmethod
    def of_raw(
        cls, type_name: str, row_id: str, raw: bytes, *, number: int, visible: int, updated: int
    ) -> RecordVersion:
        """A version whose bytes are sent unchanged; filters see `updated` (ticks) as its update time."""
        try:
            body = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            body = None
        version = cls(type_name, row_id, raw, body, number=number, visible=visible)
        created = version.fields.get("createdDateTime") or updated
        version.fields = {**version.fields, "lastUpdateDateTime": updated, "createdDateTime": created}
        version.update_ticks = updated
        version._plain = raw
        return version

    def rendered(self, future: bool = True) -> bytes:
        """The record as the API sends it, with or without enumeration members of the future."""
        if future:
            return self._full
        if self._plain is None:
            self._plain = msgspec.json.encode(without_future_members(self.body, self.type))
        return self._plain

    @property
    def alert_id(self) -> str:
        """The id, by the name that versions of the alerts API have for it."""
        return self.row_id

    @property
    def body(self) -> Any:
        """The record, decoded; the caller may change it.

        Raises msgspec.DecodeError for a raw record that is not JSON.
        """
        return msgspec.json.decode(self._full)

    def __repr__(self) -> str:
        return f"RecordVersion({self.type!r}, {self.row_id!r}, {self.number}, {self.update_time!r})"
