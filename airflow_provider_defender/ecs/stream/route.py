"""Finding the event hub table of a record, by name or by the record's type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..mapping import HUB_SOURCE, Mapping
from ..registry import registered
from .envelope import Envelope
from .table import UNKNOWN, EventTable

__all__ = [
    "AZURE_MONITOR",
    "CLOUD_ALERTS",
    "MOST_UNKNOWN_TABLES",
    "NO_CONSTANTS",
    "EventTables",
    "Route",
    "known_event_tables",
]

MOST_UNKNOWN_TABLES = 100
"""The most tables without a mapping that get a dataset of their own in a lake."""

NO_CONSTANTS = (None, None, None, None)
"""The constants of a record without an envelope."""
AZURE_MONITOR = "AzureMonitor"
CLOUD_ALERTS = "DefenderForCloudAlerts"
_CLOUD_ASSESSMENTS = "DefenderForCloudAssessments"
_CLOUD_FINDINGS = "DefenderForCloudSubAssessments"
_CLOUD_SCORES = "DefenderForCloudScores"
_NOT_STREAMING = (UNKNOWN, AZURE_MONITOR, CLOUD_ALERTS, _CLOUD_ASSESSMENTS, _CLOUD_FINDINGS, _CLOUD_SCORES)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}\Z")
_POSTURE = "microsoft.security/"


def _mappings() -> dict[str, Mapping]:
    prefix = f"{HUB_SOURCE}/"
    return {each.source.removeprefix(prefix): each for each in registered() if each.from_hub}


def known_event_tables() -> tuple[str, ...]:
    """The names of all tables with a mapping: each is a dataset `events/<name>`."""
    return tuple(sorted(_mappings()))


@dataclass(frozen=True, eq=False)
class Route(Envelope):
    """An envelope, and the table of the records in it."""

    table: EventTable


class EventTables:
    """The tables of a drain so far, each created for its first record.

    `make` gives the table of a name with a mapping. `unknown_tables` are tables without a mapping for
    which the lake already has a dataset; of several spellings, the first in alphabetical order counts.
    """

    def __init__(self, make: Callable[[str, Mapping], EventTable], unknown_tables: Iterable[str]) -> None:
        self._make = make
        self._mappings = _mappings()
        self._spelling = {name.lower(): name for name in self._mappings}
        names = sorted(unknown_tables, reverse=True)  # of several spellings the first one stays
        self._unknown = {name.lower(): name for name in names if name.lower() not in self._spelling}
        self._tables: dict[str, EventTable] = {}

    def __iter__(self) -> Iterator[EventTable]:
        return iter(self._tables.values())

    def named(self, name: str) -> EventTable | None:
        """The streaming table of this name, in any case; None if it is no valid name."""
        if not _NAME.match(name):
            return None
        lower = name.lower()
        known = self._spelling.get(lower)
        if known is not None:
            return self.own(known if known not in _NOT_STREAMING else UNKNOWN)
        if lower not in self._unknown and len(self._unknown) >= MOST_UNKNOWN_TABLES:
            return self.own(UNKNOWN)
        return self._table(self._unknown.setdefault(lower, name), UNKNOWN)

    def own(self, name: str) -> EventTable:
        """The table of this name, which has a mapping."""
        return self._table(name, name)

    def by_type(self, resource_type: Any) -> EventTable | None:
        """The table of a resource exported by Defender for Cloud, by its type; None for other types."""
        if not isinstance(resource_type, str) or not resource_type.lower().startswith(_POSTURE):
            return None
        name = resource_type.lower().removeprefix(_POSTURE)
        if not name.startswith("assessments"):
            return self.own(_CLOUD_SCORES)
        return self.own(_CLOUD_FINDINGS if "subassessments" in name else _CLOUD_ASSESSMENTS)

    def _table(self, name: str, mapped_as: str) -> EventTable:
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = self._make(name, self._mappings[mapped_as])
        return table
