"""What maintenance has done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["LogResult", "MaintenanceResult"]


@dataclass
class LogResult:
    """What was done to one log.

    Attributes:
        log: the log's name.
        commits: numbers of the commits made.
        partitions: how many partitions were merged, or removed.
        files_removed: how many files were removed.
        files_added: how many files took their place.
        rows_before: rows in the removed files.
        rows_after: rows in the added files.
        duplicates: rows that were copies of others, and so were dropped.
        bytes_before: size of the removed files.
        bytes_after: size of the added files.
        latest_partitions: partitions of `alerts_latest` that were written; their files and rows count in
            none of the numbers above.
    """

    log: str
    commits: tuple[int, ...] = ()
    partitions: int = 0
    files_removed: int = 0
    files_added: int = 0
    rows_before: int = 0
    rows_after: int = 0
    duplicates: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    latest_partitions: int = 0

    def add(self, other: LogResult) -> None:
        """Add what one more commit has done."""
        for name, value in vars(other).items():
            if name != "log":
                setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class MaintenanceResult:
    """What was done to the logs of a lake, those without any work left out."""

    logs: tuple[LogResult, ...] = ()

    @property
    def total(self) -> LogResult:
        """The sum over all logs, under the name `*`."""
        return _sum(self.logs)

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON values: `logs`, a list, and `total`."""
        return {"logs": [_values(each) for each in self.logs], "total": _values(self.total)}

    def describe(self) -> list[str]:
        """Lines for people."""
        return [_line(each) for each in self.logs] or ["nothing to do"]


def _sum(logs: Iterable[LogResult]) -> LogResult:
    total = LogResult("*")
    for each in logs:
        total.add(each)
    return total


def _values(result: LogResult) -> Mapping[str, Any]:
    return {**asdict(result), "commits": list(result.commits)}


def _line(result: LogResult) -> str:
    latest = f", {result.latest_partitions} partitions of alerts_latest" if result.latest_partitions else ""
    return (
        f"{result.log}: {result.partitions:,} partitions, {result.files_removed:,} -> "
        f"{result.files_added:,} files, {result.bytes_before:,} -> {result.bytes_after:,} bytes, "
        f"{result.rows_before:,} -> {result.rows_after:,} rows, {result.duplicates:,} copies dropped, "
        f"{len(result.commits)} commits{latest}"
    )
