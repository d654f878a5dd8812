"""Figures of what a commit has landed."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from airflow_provider_defender.lake import Commit

__all__ = ["files_by_partition", "rows_by_dataset", "run_partition_keys"]


def rows_by_dataset(commit: Commit[Any] | None) -> dict[str, int]:
    """Rows of a commit by dataset, in the order of the names."""
    rows: Counter[str] = Counter()
    for file in commit.added if commit is not None else ():
        rows[file.dataset] += file.rows
    return dict(sorted(rows.items()))


def files_by_partition(commit: Commit[Any] | None) -> dict[str, dict[str, int]]:
    """Files, rows and bytes of a commit by partition of the lake, `alerts/date=2026-11-22`."""
    found: dict[str, dict[str, int]] = {}
    for file in commit.added if commit is not None else ():
        each = found.setdefault(f"{file.dataset}/{file.partition}", {"files": 0, "rows": 0, "bytes": 0})
        each["files"] += 1
        each["rows"] += file.rows
        each["bytes"] += file.bytes
    return dict(sorted(found.items()))


def run_partition_keys(commit: Commit[Any] | None) -> list[str]:
    """The days or hours in which a commit has rows, as sorted keys for Airflow's partition mappers.

    `date=2026-11-22` is `2026-11-22T00:00:00`, `date=2026-11-22/hour=13` is `2026-11-22T13:00:00`.
    """
    partitions = {file.partition for file in commit.added} if commit is not None else set()
    found = (re.fullmatch(r"date=([^/]+)(?:/hour=(\d\d))?", partition) for partition in partitions)
    return sorted(f"{match[1]}T{match[2] or '00'}:00:00" for match in found if match)
