"""Commits, which make rows count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic

from airflow_provider_defender.lake.log.position import P

__all__ = ["KINDS", "MAINTENANCE", "Commit", "DataFile"]

KINDS = ("drain", "backfill", "compaction", "retention")

MAINTENANCE = ("compaction", "retention")
"""The kinds that read no source: they leave the position as it is."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a commit.

    Attributes:
        path: its final path, relative to the lake's root.
        dataset: the dataset, such as `alerts`; `quarantine` for files of rejects.
        partition: the lake's partition, such as `date=2026-11-22`.
        rows: its number of rows.
        bytes: its size.
        sha256: SHA-256 of all its bytes, in hexadecimal digits.
        min_timestamp: the earliest `@timestamp` of its rows, in UTC; None for rejects.
        max_timestamp: the latest one, likewise.
        offsets: for each hub partition with rows in the file, their first and last offset (both inclusive);
            None for sources without offsets.
    """

    path: str
    dataset: str
    partition: str
    rows: int
    bytes: int
    sha256: str
    min_timestamp: datetime | None = None
    max_timestamp: datetime | None = None
    offsets: Mapping[int, tuple[int, int]] | None = None


@dataclass(frozen=True)
class Commit(Generic[P]):
    """One commit of a log.

    Attributes:
        log: the log's name.
        origin: what the log belongs to, such as a source and a tenant; the name alone need not show it.
        number: counts from 1 without gaps.
        token: unique to this commit.
        kind: `drain`, `backfill`, `compaction` or `retention`.
        started_at: when the run began (UTC).
        committed_at: when the commit was made (UTC).
        window: what the run was asked to read, as JSON values for people.
        added: the files that hold its rows.
        removed: paths of files of earlier commits that it replaces.
        rejects: its quarantine files.
        counts: for a REST source `read`, `known` (landed before), `landed` and `rejected` versions, and
            `rows`; for a hub `read` messages, `duplicates` (rows dropped), `rows`, and `rejected` records.
        position: where the source stands after the commit; None in a commit that was shortened.
        position_sha256: SHA-256 of the position; it stays in a shortened commit.
        digest: the chain digest (module `digest`).
    """

    log: str
    origin: Mapping[str, str]
    number: int
    token: str
    kind: str
    started_at: datetime
    committed_at: datetime
    window: Mapping[str, object] = field(default_factory=dict)
    added: tuple[DataFile, ...] = ()
    removed: tuple[str, ...] = ()
    rejects: tuple[DataFile, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    position: P | None = None
    position_sha256: str = ""
    digest: str = ""

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All files that the commit publishes: data and rejects."""
        return self.added + self.rejects

    def shortened(self) -> Commit[P]:
        """The commit without its position, which only the newest commit needs."""
        return replace(self, position=None)
