"""Tiny tables, a clock that tests set, and what a reader sees."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_defender.lake import (
    Commit,
    Lake,
    Log,
    VersionsLedger,
    VersionsPosition,
    Watermark,
    WriterSettings,
    committed_files,
)
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks

START = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
OVERLAP = timedelta(minutes=15)
LOG = "endpoint_alerts-tenant"
ORIGIN = {"source": "endpoint_alerts", "tenant": "tenant"}

ALERTS = pa.schema(
    [
        ("@timestamp", pa.timestamp("us", "UTC")),
        ("landing", pa.struct([("key", pa.string()), ("version", pa.string()), ("item", pa.int32())])),
        ("text", pa.string()),
    ]
)
REJECTS = pa.schema(
    [("bytes", pa.binary()), ("error", pa.string()), ("key", pa.string()), ("version", pa.string())]
)


def open_log(lake: Lake, name: str = LOG) -> Log[VersionsPosition]:
    return lake.log(name, VersionsPosition, origin=ORIGIN)


T = TypeVar("T")


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


def noting(call: Callable[..., T], notes: list[str]) -> Callable[..., T]:
    """The call, which also notes its first argument."""

    def noted(first: str, *others: Any) -> T:
        notes.append(first)
        return call(first, *others)

    return noted


def local_lake(root: Path, clock: Clock | None = None, **options: Any) -> Lake:
    """A lake whose steps in the store come in the same order each time, unless it has other settings."""
    options.setdefault("settings", WriterSettings(closed_at_once=1))
    return Lake(LocalFileSystem(), str(root), clock=clock or Clock(), sleep=lambda seconds: None, **options)


def version(moment: datetime) -> str:
    return format_ticks(datetime_to_ticks(moment))


def alerts(rows: Iterable[tuple[str, str, datetime]], items: int = 1, text: str = "") -> pa.Table:
    """`items` rows for each (key, version, @timestamp)."""
    whole = [(*row, item) for row in rows for item in range(items)]
    landing = [{"key": key, "version": value, "item": item} for key, value, _, item in whole]
    return pa.table([[row[2] for row in whole], landing, [text] * len(whole)], schema=ALERTS)


def rejects(rows: Iterable[tuple[str, str]]) -> pa.Table:
    rows = list(rows)
    columns = [
        [b"{"] * len(rows),
        ["broken"] * len(rows),
        [key for key, _ in rows],
        [value for _, value in rows],
    ]
    return pa.table(columns, schema=REJECTS)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_of(commit: dict[str, Any], before: str = "") -> str:
    """The chain digest of a commit's JSON object, by the words of the documentation."""
    lasting = {name: value for name, value in commit.items() if name not in ("digest", "position")}
    text = json.dumps(lasting, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((before + text).encode()).hexdigest()


def watermark(moment: datetime, overlap: timedelta = OVERLAP) -> Watermark:
    return Watermark(datetime_to_ticks(moment), overlap)


def drain(
    lake: Lake, versions: list[tuple[str, datetime]], to: datetime | None = None, **options: Any
) -> Commit[VersionsPosition] | None:
    """A whole live drain of alerts that were created when they were updated; `to`: the newest by default."""
    log = open_log(lake)
    head = log.head()
    since = None
    if head.position.watermark is not None:
        since = Watermark(head.position.watermark, OVERLAP).overlap_start
    with log.begin(head, VersionsLedger(since=since), kind="drain", **options) as transaction:
        pairs = [(key, version(moment)) for key, moment in versions]
        wanted = transaction.select_new(pairs)
        rows = zip(pairs, versions, wanted, strict=True)
        transaction.write(
            "alerts", alerts((*pair, moment) for pair, (_, moment), new in rows if new), Partitioning.DAY
        )
        if to is None and versions:
            to = max(moment for _, moment in versions)
        return transaction.commit(None if to is None else watermark(to))


def visible(root: Path, dataset: str = "alerts") -> list[tuple[str, str, int]]:
    """Every row that a careless reader of `*.parquet` finds, as (key, version, item)."""
    return rows_of(parquet_files(root / dataset))


def parquet_files(folder: Path) -> list[Path]:
    """The files that a careless reader finds in a folder, links followed."""
    walked = os.walk(folder, followlinks=True)
    return sorted(
        Path(place) / name for place, _, names in walked for name in names if name.endswith(".parquet")
    )


def committed(root: Path | Lake, dataset: str = "alerts") -> list[tuple[str, str, int]]:
    return rows_of(committed_files(root, dataset))


def rows_of(paths: Iterable[Any]) -> list[tuple[str, str, int]]:
    landings = (pq.ParquetFile(path).read(columns=["landing"])["landing"].to_pylist() for path in paths)
    return sorted(
        (landing["key"], landing["version"], landing["item"]) for rows in landings for landing in rows
    )


def quarantined(root: Path, log: str = LOG) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path in parquet_files(root / "_defender" / log / "quarantine"):
        table = pq.ParquetFile(path).read(columns=["key", "version"])
        found += zip(table["key"].to_pylist(), table["version"].to_pylist(), strict=True)
    return sorted(found)
