"""What maintenance of a lake is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

__all__ = ["LATEST", "CompactionSettings", "RetentionSettings"]

LATEST = "alerts_latest"
"""The dataset that has of each alert the newest version only."""

MEBIBYTE = 1024 * 1024
_LEAST_MEMORY = MEBIBYTE
_HIGHEST_LEVEL = 22


@dataclass(frozen=True)
class CompactionSettings:
    """How the small files of a lake are merged.

    A partition keeps its folder, so a dataset that has a folder for each hour is merged hour by hour, on old
    days, too: DuckDB, Polars and Spark refuse a file beside the hour folders, and in a folder for the whole
    day, its name would give all rows the same `hour`. What an old day gets instead is one file an hour, all
    its hours in one commit where they fit.

    Attributes:
        target_bytes: size in bytes at which a merged file is closed. Files of half that size are left alone.
        min_files: a closed partition is merged when it has at least so many small files.
        hours_older_than: a partition is closed when its end is older than this.
        days_older_than: on days whose end is older than this, two small files are enough for a merge: late
            rows hardly come any more.
        max_partitions: the most partitions to merge in one run, over all logs, oldest first; None: all.
        latest: whether the dataset `alerts_latest` is kept, too: of each alert, the rows of its newest
            version.
        commit_partitions: the most partitions of one commit.
        commit_files: the most files that one commit replaces, unless a single partition has more.
        commit_bytes: the most bytes in these files, likewise.
        memory_bytes: size in bytes, in memory, of the rows that are sorted at once. A run needs several times
            as much.
        compression_level: level of zstd. Sorted rows gain more from a high level than rows as they land.
        attempts: how often a log is planned anew after another run has removed an input.
    """

    target_bytes: int = 128 * MEBIBYTE
    min_files: int = 2
    hours_older_than: timedelta = timedelta(hours=2)
    days_older_than: timedelta = timedelta(days=7)
    max_partitions: int | None = None
    latest: bool = False
    commit_partitions: int = 256
    commit_files: int = 5_000
    commit_bytes: int = 2 * 1024 * MEBIBYTE
    memory_bytes: int = 64 * MEBIBYTE
    compression_level: int = 3
    attempts: int = 3

    def __post_init__(self) -> None:
        least = {
            "target_bytes": 1,
            "min_files": 2,
            "commit_partitions": 1,
            "commit_files": 2,
            "commit_bytes": 1,
            "memory_bytes": _LEAST_MEMORY,
            "attempts": 1,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {bound}")
        if self.max_partitions is not None and self.max_partitions < 1:
            raise ValueError(f"max_partitions is {self.max_partitions}, but must be at least 1, or None")
        if not 1 <= self.compression_level <= _HIGHEST_LEVEL:
            raise ValueError(
                f"compression_level is {self.compression_level}, but zstd has levels 1 to {_HIGHEST_LEVEL}"
            )
        for name in ("hours_older_than", "days_older_than"):
            if getattr(self, name) < timedelta(0):
                raise ValueError(f"{name} is {getattr(self, name)}, but an age cannot be negative")


@dataclass(frozen=True)
class RetentionSettings:
    """How long the partitions of a lake are kept.

    Attributes:
        ages: for each dataset or pattern (`alerts`, `events/*`, `*`, `quarantine`), the age from which on a
            partition is removed. The first pattern that matches a dataset decides; one that no pattern
            matches is kept for ever, but `alerts_latest` no longer than `alerts`. Only `quarantine` itself,
            and no pattern, matches the rejected records.
        commit_files: the most files that one commit removes.
        attempts: how often a log is planned anew after another run has removed one of the files.
    """

    ages: Mapping[str, timedelta] = field(default_factory=dict)
    commit_files: int = 5_000
    attempts: int = 3

    def __post_init__(self) -> None:
        if not self.ages:
            raise ValueError("ages is empty: name at least one dataset or pattern, such as 'events/*'")
        for pattern, age in self.ages.items():
            if age < timedelta(days=1):
                raise ValueError(f"the age for {pattern!r} is {age}, but must be at least one day")
        for name in ("commit_files", "attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")

    def age(self, dataset: str) -> timedelta | None:
        """The age from which on partitions of a dataset are removed; None: never."""
        if dataset == "quarantine":
            return self.ages.get(dataset)
        ages = [next((age for pattern, age in self.ages.items() if fnmatchcase(dataset, pattern)), None)]
        if dataset == LATEST:
            ages.append(self.age("alerts"))
        return min((age for age in ages if age is not None), default=None)
