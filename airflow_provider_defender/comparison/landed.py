"""The newest version of each alert that each source has landed, kept outside of memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.comparison.coverage import Coverage
from airflow_provider_defender.lake import Log, committed_rows, rejected_rows
from airflow_provider_defender.timestamps import datetime_to_ticks, parse_ticks

__all__ = ["ENDPOINT", "GRAPH", "SOURCES", "STATE", "Landed", "LandedAlerts", "Source"]

STATE = ("status", "severity", "classification", "determination")
"""What is compared of an alert that both sources show."""


@dataclass(frozen=True, eq=False)
class Source:
    """A source of alerts: the name that its rows have in `landing.source`, and where they keep what."""

    name: str
    number: int
    columns: Mapping[str, str]


def _in(container: str, **names: str) -> dict[str, str]:
    same = (*STATE, "category", "title")
    columns = {**{name: name for name in same}, **names}
    return {name: f"microsoft.{container}.{column}" for name, column in columns.items()}


ENDPOINT = Source(
    "endpoint_alerts",
    0,
    _in(
        "defender_endpoint",
        investigation="investigationState",
        incident="incidentId",
        detection="detectionSource",
    ),
)
GRAPH = Source(
    "graph_alerts",
    1,
    _in(
        "graph_security",
        investigation="investigationState",
        incident="incidentId",
        detection="detectionSource",
        service="serviceSource",
        provider_id="providerAlertId",
    ),
)
SOURCES = (ENDPOINT, GRAPH)

_FILTERED = {"severity": "severity", "status": "status", "category": "category", "serviceSource": "service"}
"""Property of a filter → what of an alert it is compared with."""

_SAME = {
    "": "unknown",
    "unspecified": "unknown",
    "notavailable": "unknown",
    "compromiseduser": "compromisedaccount",
    "clean": "notmalicious",
    "insufficientdata": "notenoughdatatovalidate",
    "confirmeduseractivity": "confirmedactivity",
}
"""Values of the Endpoint API in lower case → Graph's, where they differ (Microsoft's migration guide)."""

_LANDING = ("landing.key", "landing.version", "landing.item", "@timestamp")
_TEXTS = (*STATE, "category", "title", "investigation", "incident", "detection", "service", "provider_id")
_CACHE_KIB = 8 * 1024
_DAY = timedelta(days=1)

_TABLES = f"""
pragma cache_size = -{_CACHE_KIB};
pragma journal_mode = off;
pragma synchronous = off;
create table alerts (
    key text, source integer, updated integer, created integer, is_filtered integer, is_wanted integer,
    {", ".join(f"{name} text" for name in _TEXTS)},
    primary key (key, source)
) without rowid;
create table quarantined (key text, source integer, primary key (key, source)) without rowid;
create table provider_ids (id text primary key, key text) without rowid;
"""
_COLUMNS = ("key", "source", "updated", "created", "is_filtered", "is_wanted", *_TEXTS)
_NEWER = "coalesce(excluded.updated, -1e19) >= coalesce(alerts.updated, -1e19)"
_KEPT = ("updated", "created", *_TEXTS)
_ADD = f"""
insert into alerts ({", ".join(_COLUMNS)}) values ({", ".join("?" * len(_COLUMNS))})
on conflict (key, source) do update set
    is_filtered = max(alerts.is_filtered, excluded.is_filtered),
    is_wanted = max(alerts.is_wanted, excluded.is_wanted),
    {", ".join(f"{name} = case when {_NEWER} then excluded.{name} else alerts.{name} end" for name in _KEPT)}
"""  # noqa: S608


@dataclass(frozen=True)
class Landed:
    """An alert as one source has landed it, in its newest version. Texts that are absent are empty.

    `updated`, `created`: in ticks of 100 ns since 1970. `is_filtered`: whether the other log's filters
    exclude one of its versions. The texts besides `title` and `provider_id` are in lower case.
    """

    key: str
    updated: int | None
    created: int | None
    is_filtered: bool
    status: str
    severity: str
    classification: str
    determination: str
    category: str
    title: str
    investigation: str
    incident: str
    detection: str
    service: str
    provider_id: str

    @property
    def state(self) -> dict[str, str]:
        """What is compared, in Graph's words in lower case."""
        return {name: _same(getattr(self, name)) for name in STATE}


class LandedAlerts:
    """A temporary SQLite database with the newest version of each alert of one tenant, by source.

    It takes 8 MiB of memory however large it is, and about 300 bytes of disk for each alert and source; it
    has no name in the file system, so nothing of it is left however the process ends.

    `since`, `until`: which alerts are wanted, by `@timestamp`. Others that lie in the same files, or a day
    around, are only known, so that one is not missed whose time differs between the sources.
    """

    def __init__(self, since: datetime | None, until: datetime | None) -> None:
        self._database = sqlite3.connect("")
        self._database.executescript(_TABLES)
        self._since = since
        self._until = until

    def close(self) -> None:
        """Let the database go."""
        self._database.close()

    # Filling ------------------------------------------------------------------------------------

    def read(self, source: Source, log: Log[Any], other: Coverage) -> None:
        """Take over what a log has landed. `other`: what the log of the other source covers."""
        columns = [*_LANDING, *source.columns.values()]
        since = None if self._since is None else self._since - _DAY
        until = None if self._until is None else self._until + _DAY
        for batch in committed_rows(log, "alerts", columns, since, until):
            first = batch.filter(pc.fill_null(pc.equal(batch.column("landing.item"), 0), False))
            self._database.executemany(_ADD, self._values(source, first, other))
            if source is GRAPH:
                self._note_provider_ids(first)
        for batch in rejected_rows(log, ["key"]):
            keys = ((key, source.number) for key in batch.column("key").to_pylist())
            self._database.executemany("insert or ignore into quarantined values (?, ?)", keys)

    def _values(self, source: Source, rows: pa.RecordBatch, other: Coverage) -> Iterator[tuple[Any, ...]]:
        columns = {name: rows.column(column).to_pylist() for name, column in source.columns.items()}
        fixed = (rows.column(name).to_pylist() for name in ("landing.key", "landing.version", "@timestamp"))
        for number, (key, version, time) in enumerate(zip(*fixed, strict=True)):
            texts = {name: _text(name, values[number]) for name, values in columns.items()}
            yield (
                key,
                source.number,
                parse_ticks(version or ""),
                None if time is None else datetime_to_ticks(time),
                not _passes(texts, other.filters),
                self._is_wanted(time),
                *(texts.get(name, "") for name in _TEXTS),
            )

    def _is_wanted(self, time: datetime | None) -> bool:
        if time is None:
            return True
        return (self._since is None or time >= self._since) and (self._until is None or time < self._until)

    def _note_provider_ids(self, rows: pa.RecordBatch) -> None:
        keys = rows.column("landing.key").to_pylist()
        ids = rows.column(GRAPH.columns["provider_id"]).to_pylist()
        pairs = (
            (f"{key.partition('/')[0]}/{provider_id}", key)
            for key, provider_id in zip(keys, ids, strict=True)
            if provider_id
        )
        pairs = ((provider, key) for provider, key in pairs if provider != key)
        self._database.executemany("insert or ignore into provider_ids values (?, ?)", pairs)

    # Asking -------------------------------------------------------------------------------------

    def count(self, source: Source) -> int:
        """How many alerts of a source are wanted."""
        query = "select count(*) from alerts where source = ? and is_wanted"
        found: int = self._database.execute(query, [source.number]).fetchone()[0]
        return found

    def alone(self, source: Source) -> Iterator[tuple[Landed, bool, bool]]:
        """The alerts that only this source shows, newest first.

        With each, whether the other source has it in quarantine, and whether Graph shows it under another id.
        """
        query = f"""
        select {_named("mine")},
            exists (select 1 from quarantined where key = mine.key and source <> mine.source),
            mine.source = {ENDPOINT.number} and exists (select 1 from provider_ids where id = mine.key)
        from alerts as mine
        where source = ? and is_wanted
            and not exists (select 1 from alerts where key = mine.key and source <> mine.source)
        order by created desc, key
        """  # noqa: S608
        for *values, quarantined, other_id in self._database.execute(query, [source.number]):
            yield _landed(values), bool(quarantined), bool(other_id)

    def both(self) -> Iterator[tuple[Landed, Landed]]:
        """The alerts that both sources show: as the Endpoint API, and as Graph has them."""
        query = f"""
        select {_named("mine")}, {_named("other")}
        from alerts as mine join alerts as other using (key)
        where mine.source = {ENDPOINT.number} and other.source = {GRAPH.number}
            and (mine.is_wanted or other.is_wanted)
        order by mine.created desc, key
        """  # noqa: S608
        for values in self._database.execute(query):
            half = len(values) // 2
            yield _landed(values[:half]), _landed(values[half:])


def _named(table: str) -> str:
    names = [name for name in _COLUMNS if name not in ("source", "is_wanted")]
    return ", ".join(f"{table}.{name}" for name in names)


def _landed(values: Sequence[Any]) -> Landed:
    key, updated, created, is_filtered, *texts = values
    return Landed(key, updated, created, bool(is_filtered), *texts)


def _text(name: str, value: str | None) -> str:
    if value is None:
        return ""
    return value if name in ("title", "provider_id") else value.casefold()


def _same(value: str) -> str:
    return _SAME.get(value, value)


def _passes(texts: Mapping[str, str], filters: Mapping[str, Iterable[str]]) -> bool:
    """Whether an alert passes the other log's filters, as far as they name what it has."""
    for name, values in filters.items():
        text = texts.get(_FILTERED.get(name, ""), "")
        if text and _same(text) not in {_same(value) for value in values}:
            return False
    return True
