"""What these tests ask of a lake and of a tenant, and a way to the simulator without a network."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs import MappedRecords
from airflow_provider_defender.hooks._http import transport
from airflow_provider_defender.lake import Lake, committed_files
from airflow_provider_defender.simulator import Portal, Request, Simulator, Tenant
from airflow_provider_defender.timestamps import parse_ticks

Row = tuple[str, str, int]
"""Alert id, version (update time as sent), number of the evidence item."""


# What a lake holds --------------------------------------------------------------------------------


def data_files(lake: Path) -> list[Path]:
    """What a plain reader of all `*.parquet` below the lake's root finds, quarantine included."""
    return sorted(
        Path(folder, name)
        for folder, _, names in os.walk(lake)
        for name in names
        if name.endswith(".parquet")
    )


def rows_in(files: list[Path]) -> Counter[Row]:
    """How often each row stands in some files of alerts."""
    found: Counter[Row] = Counter()
    for file in files:
        with pq.ParquetFile(file) as parquet:
            landing = parquet.read(columns=["landing.key", "landing.version", "landing.item"])["landing"]
        found.update(
            (row["key"].partition("/")[2], row["version"], row["item"]) for row in landing.to_pylist()
        )
    return found


def landed_rows(lake: Path) -> Counter[Row]:
    """How often each row of an alert stands in the lake."""
    return rows_in(sorted(lake.glob("alerts/date=*/*.parquet")))


def whole_tables(lake: Path) -> list[pa.Table]:
    """Alerts, incidents, quarantine with all their columns, in one order: equal for equal lakes."""
    parts = (
        ("alerts/**", _landing_order),
        ("incidents/**", _landing_order),
        ("_defender/*/quarantine/**", _reject_order),
    )
    tables = []
    for folder, order in parts:
        files = sorted(lake.glob(f"{folder}/*.parquet"))
        if files:
            table = pa.concat_tables(pq.read_table(file, partitioning=None) for file in files)
            tables.append(table.take(order(table)).combine_chunks())
    return tables


def _landing_order(table: pa.Table) -> list[int]:
    rows = [(row["key"], row["version"], row["item"]) for row in table["landing"].to_pylist()]
    return sorted(range(len(rows)), key=rows.__getitem__)


def _reject_order(table: pa.Table) -> list[int]:
    keys = table["key"].to_pylist()
    return sorted(range(len(keys)), key=keys.__getitem__)


def records(lake: Path, log: str = "*") -> list[dict[str, Any]]:
    """The records of the lake's log, by number; `log`: the name of one of several."""
    return [json.loads(path.read_bytes()) for path in sorted(lake.glob(f"_defender/{log}/commits/*.json"))]


def assert_only_committed_rows_are_seen(lake: Path) -> None:
    """P3: every file that a plain reader finds is whole, and a record names it with as many rows."""
    files = data_files(lake)
    seen = {str(file.relative_to(lake)): _rows_of_whole(file) for file in files}
    assert_named(seen, records(lake))


def _rows_of_whole(file: Path) -> int:
    """Rows of a file; raises where it has no footer, or none for all of it."""
    with pq.ParquetFile(file) as parquet:
        first = parquet.schema_arrow.names[0]
        rows: int = parquet.read(columns=[first]).num_rows
        assert rows == parquet.metadata.num_rows
    return rows


@contextmanager
def plain_reader(lake: Path) -> Iterator[list[int]]:
    """Reads all `*.parquet` again and again meanwhile; what it sees must be whole and committed."""
    stop, passes, failures = threading.Event(), list[int](), list[BaseException]()

    def read() -> None:
        try:
            while not stop.is_set():
                seen = {str(file.relative_to(lake)): _rows_of_whole(file) for file in data_files(lake)}
                assert_named(seen, records(lake))
                passes.append(sum(seen.values()))
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield passes
    finally:
        stop.set()
        reader.join(60)
    assert failures == []


def assert_named(seen: dict[str, int], commits: list[dict[str, Any]]) -> None:
    """Every file in `seen` (path → rows) is named by a record, with as many rows."""
    named = {file["path"]: file["rows"] for commit in commits for file in commit["added"] + commit["rejects"]}
    assert {path: rows for path, rows in seen.items() if named.get(path) != rows} == {}


def assert_log_is_sound(lake: Path, log: str = "*", dataset: str = "alerts") -> None:
    """P4: numbers without gaps, a watermark that never goes back, and every file that a record names.

    `log`: the name of one of several.
    """
    commits = records(lake, log)
    assert [commit["number"] for commit in commits] == list(range(1, len(commits) + 1))
    watermarks = [parse_ticks(commit["position"]["watermark"] or "") or 0 for commit in commits]
    assert watermarks == sorted(watermarks)
    missing = [
        file["path"]
        for commit in commits
        for file in commit["added"] + commit["rejects"]
        if not (lake / file["path"]).exists()
    ]
    assert missing == []
    found = sorted(map(str, lake.glob(f"{dataset}/date=*/**/*.parquet")))
    assert sorted(committed_files(str(lake), dataset)) == found
    assert [path for path in lake.glob("_defender/*/staging/*/*.staged") if _claimed(path, commits)] == []


def _claimed(staged: Path, commits: list[dict[str, Any]]) -> bool:
    return staged.parent.name in {commit["token"] for commit in commits}


class Version(Protocol):
    """One version of a record, as the simulator knows it."""

    @property
    def alert_id(self) -> str: ...

    @property
    def update_time(self) -> str | None: ...

    def rendered(self, whole: bool, /) -> bytes: ...


class Shown(Protocol):
    """What an API shows: a tenant, or one of the lists of its portal."""

    @property
    def alerts(self) -> Sequence[Version]:
        """The versions that it shows now."""
        ...

    @property
    def versions(self) -> Sequence[Version]:
        """All versions that there have been."""
        ...


class PortalAlerts:
    """The alerts that Microsoft Graph shows of a tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._portal = Portal.of(tenant)

    @property
    def alerts(self) -> Sequence[Version]:
        return self._portal.alerts

    @property
    def versions(self) -> Sequence[Version]:
        return self._portal.alert_versions


class PortalIncidents:
    """The incidents that Microsoft Graph shows of a tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._portal = Portal.of(tenant)

    @property
    def alerts(self) -> Sequence[Version]:
        return self._portal.incidents

    @property
    def versions(self) -> Sequence[Version]:
        return self._portal.incident_versions


def _row_count(version: Version) -> int:
    """The rows of a version: one an item of evidence, and one without any."""
    return max(1, len(json.loads(version.rendered(True)).get("evidence", ())))


def assert_each_version_is_whole_and_single(shown: Shown, rows: Counter[Row]) -> None:
    """P1: no row twice, no version that never was, and of every version all its rows."""
    assert {row: count for row, count in rows.items() if count > 1} == {}
    items = {(version.alert_id, version.update_time): _row_count(version) for version in shown.versions}
    found = Counter((alert_id, version) for alert_id, version, _ in rows)
    assert {version: count for version, count in found.items() if items.get(version) != count} == {}


def last_versions(shown: Shown) -> set[tuple[str, str | None]]:
    """What the API shows now: id and update time."""
    return {(version.alert_id, version.update_time) for version in shown.alerts}


def assert_last_versions_landed(shown: Shown, lake: Path, files: str = "alerts/date=*/*.parquet") -> None:
    """P5 and P1: what the API shows now has landed, and nothing twice or in part. `files`: where."""
    rows = rows_in(sorted(lake.glob(files)))
    assert last_versions(shown) - {(alert_id, version) for alert_id, version, _ in rows} == set()
    assert_each_version_is_whole_and_single(shown, rows)


# The simulator without a network ------------------------------------------------------------------


class InProcessAdapter(BaseAdapter):
    """Hands requests to the simulator by a call instead of a connection, whatever host they are for."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._simulator = simulator

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        body = request.body or b""
        content = body if isinstance(body, bytes) else str(body).encode()
        asked = Request(str(request.method), url.path, url.query, {**headers, "host": url.netloc}, content)
        answer = self._simulator.answer(asked)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response._content = b"".join(answer.body)
        response.url, response.request = str(request.url), request
        return response

    def close(self) -> None:
        """Nothing is open."""


def without_network(monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    """Let all sessions of the hooks reach the simulator in this process."""
    adapter = InProcessAdapter(simulator)
    monkeypatch.setattr(transport.HttpSession, "get_adapter", lambda session, url: adapter)
    monkeypatch.setattr(requests.sessions, "get_environ_proxies", lambda *args, **kwargs: {})


def opened(lake: Path) -> Lake:
    """The lake in a local folder."""
    from fsspec.implementations.local import LocalFileSystem

    return Lake(LocalFileSystem(), str(lake))


# Mapping in less time -----------------------------------------------------------------------------

NARROW = pa.schema(
    [
        ("@timestamp", pa.timestamp("us", "UTC")),
        ("landing", pa.struct([("key", pa.string()), ("version", pa.string()), ("item", pa.int32())])),
    ]
)


FEW = ["@timestamp", "message", "landing"]


class NarrowMapper:
    """Stands for `ecs.RecordMapper`: the same rows, with the columns that the lake itself looks at."""

    def __init__(self, source: str, *, ingested: datetime, keep_original: bool) -> None:
        self._source = source

    def map(self, records: list[Any], origins: pa.Table, identities: Any) -> Iterator[MappedRecords]:
        yield from _narrow(records, origins["tenant"][0].as_py(), *_TIMES[self._source])

    def finish(self) -> Iterator[MappedRecords]:
        return iter(())


_TIMES = {
    "endpoint_alerts": ("alerts", "alertCreationTime", "lastUpdateTime"),
    "graph_alerts": ("alerts", "createdDateTime", "lastUpdateDateTime"),
    "graph_incidents": ("incidents", "createdDateTime", "lastUpdateDateTime"),
}
"""Source → its dataset, and the properties with the times of creation and of the last update."""


def _narrow(
    records: list[Any], tenant: str, dataset: str, created: str, updated: str
) -> Iterator[MappedRecords]:
    rows = [
        {
            "@timestamp": datetime.fromisoformat(record[created][:19] + "+00:00"),
            "landing": {"key": f"{tenant}/{record['id']}", "version": record[updated], "item": item},
        }
        for record in (json.loads(bytes(record)) for record in records)
        for item in range(max(1, len(record.get("evidence", ()))))
    ]
    if rows:
        table = pa.Table.from_pylist(rows, NARROW)
        yield MappedRecords(tables={dataset: table}, rejects=ecs.REJECTS_SCHEMA.empty_table())


class RememberingMapper:
    """Stands for `ecs.RecordMapper`: maps the same records for the same run only once, and keeps few columns.

    For tests that run the same drain again and again, in processes forked from this one: most of their time
    would be spent on 500 columns that the lake does not look at.
    """

    def __init__(self) -> None:
        self._real = ecs.RecordMapper
        self._known: dict[Any, list[MappedRecords]] = {}
        self._run: Any = None

    def __call__(self, source: str, *, ingested: datetime, keep_original: bool) -> RememberingMapper:
        """Begin a run, as making a mapper does."""
        self._run = (source, ingested, keep_original)
        return self

    def map(self, records: list[Any], origins: pa.Table, identities: Any) -> Iterator[MappedRecords]:
        source, ingested, keep_original = self._run
        key = (tuple(map(bytes, records)), str(origins.to_pylist()), ingested)
        if key not in self._known:
            mapper = self._real(source, ingested=ingested, keep_original=keep_original)
            self._known[key] = [
                replace(part, tables={name: table.select(FEW) for name, table in part.tables.items()})
                for part in mapper.map(records, origins, identities)
            ]
        return iter(self._known[key])

    def finish(self) -> Iterator[MappedRecords]:
        return iter(())
