"""Transactions of alerts, and where their files lie."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from airflow_provider_defender.lake import (
    Lake,
    Transaction,
    VersionsLedger,
    VersionsPosition,
    Watermark,
)
from airflow_provider_defender.lake.versions.keys import KEYS, TIMELESS
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.timestamps import format_ticks
from tests.unit.lake.support import (
    LOG,
    OVERLAP,
    START,
    alerts,
    open_log,
    version,
)

LATER = START + timedelta(minutes=5)


def home(root: Path) -> Path:
    return root / "_defender" / LOG


def staged(root: Path) -> list[Path]:
    return [path for path in (home(root) / "staging").rglob("*") if path.is_file()]


def fill(transaction: Transaction[VersionsPosition, Watermark], *keys: str, at: datetime = LATER) -> None:
    pairs = [(key, version(at)) for key in keys]
    wanted = transaction.select_new(pairs)
    transaction.write(
        "alerts",
        alerts((*pair, at) for pair, new in zip(pairs, wanted, strict=True) if new),
        Partitioning.DAY,
    )


def begin(lake: Lake, kind: str = "drain", **options: Any) -> Transaction[VersionsPosition, Watermark]:
    log = open_log(lake)
    head = log.head()
    if kind == "drain" and head.position.watermark is not None:
        options.setdefault("since", Watermark(head.position.watermark, OVERLAP).overlap_start)
    return log.begin(head, VersionsLedger(**options), kind=kind)


def keys(*pairs: tuple[str, int]) -> pa.Table:
    rows = [(key, "" if ticks == TIMELESS else format_ticks(ticks), ticks) for key, ticks in pairs]
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[], [], []], schema=KEYS)
