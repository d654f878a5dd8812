"""What a compaction would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.layout import partition_span
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.snapshot import LoggedFile, Snapshot
from airflow_provider_defender.lake.maintenance.horizon import (
    Horizon,
    candidate_files,
    is_small,
    next_horizon,
    noted_horizon,
    waiting_also,
)
from airflow_provider_defender.lake.maintenance.latest import changed_partitions
from airflow_provider_defender.lake.maintenance.settings import CompactionSettings
from airflow_provider_defender.lake.maintenance.settling import settled_below

__all__ = [
    "CompactionPlan",
    "LogPlan",
    "PartitionPlan",
    "chosen_logs",
    "in_commits",
    "matches",
    "plan_compaction",
    "plan_log",
    "wants_latest",
]


@dataclass(frozen=True)
class PartitionPlan:
    """Files of one log in one partition of a dataset."""

    dataset: str
    partition: str
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        """The rows in the files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """The size of the files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class LogPlan:
    """What is to be done to one log.

    Attributes:
        log: the log's name.
        number: the commit after which it was planned.
        commits: the partitions to change, commit by commit.
        latest: partitions of `alerts_latest` to write anew, as far as that is known before the merge.
    """

    log: str
    number: int
    commits: tuple[tuple[PartitionPlan, ...], ...] = ()
    latest: tuple[str, ...] = ()

    @property
    def partitions(self) -> list[PartitionPlan]:
        """The partitions of all commits."""
        return [each for commit in self.commits for each in commit]


@dataclass(frozen=True)
class CompactionPlan:
    """What a compaction, or a retention, would do: the dry run. Logs without any work are left out.

    Attributes:
        logs: what is to be done, log by log.
        horizons: by log, what later plans may rely on once a compaction has done all of that.
    """

    logs: tuple[LogPlan, ...] = ()
    horizons: Mapping[str, Horizon] = field(default_factory=dict, repr=False, compare=False)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.logs)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON values: `logs` with their datasets, and `total`."""
        return {"logs": [_log_values(each) for each in self.logs], "total": _values(self._partitions())}

    def describe(self) -> list[str]:
        """Lines for people: one for each log and dataset, then the sum."""
        lines = [
            f"{plan.log}: {dataset}: {_text(values)}"
            for plan in self.logs
            for dataset, values in _by_dataset(plan).items()
        ]
        lines += [
            f"{plan.log}: alerts_latest: {len(plan.latest):,} partitions" for plan in self.logs if plan.latest
        ]
        if not lines:
            return ["nothing to do"]
        commits = sum(len(plan.commits) for plan in self.logs)
        return [*lines, f"all: {_text(_values(self._partitions()))}, {commits:,} commits"]

    def _partitions(self) -> list[PartitionPlan]:
        return [each for plan in self.logs for each in plan.partitions]


def _by_dataset(plan: LogPlan) -> dict[str, dict[str, Any]]:
    names = sorted({each.dataset for each in plan.partitions})
    return {name: _values([each for each in plan.partitions if each.dataset == name]) for name in names}


def _values(partitions: Sequence[PartitionPlan]) -> dict[str, Any]:
    days = [each.partition for each in partitions]
    return {
        "partitions": len(partitions),
        "files": sum(len(each.files) for each in partitions),
        "rows": sum(each.rows for each in partitions),
        "bytes": sum(each.bytes for each in partitions),
        "first": min(days, default=None),
        "last": max(days, default=None),
    }


def _log_values(plan: LogPlan) -> dict[str, Any]:
    return {
        "log": plan.log,
        "number": plan.number,
        "commits": len(plan.commits),
        "datasets": _by_dataset(plan),
        "latest": list(plan.latest),
    }


def _text(values: Mapping[str, Any]) -> str:
    span = f" from {values['first']} to {values['last']}" if values["partitions"] else ""
    return (
        f"{values['partitions']:,} partitions{span}, {values['files']:,} files, {values['rows']:,} rows, "
        f"{values['bytes']:,} bytes"
    )


def plan_compaction(
    lake: Lake,
    settings: CompactionSettings | None = None,
    *,
    datasets: Sequence[str] | None = None,
    logs: Sequence[str] | None = None,
) -> CompactionPlan:
    """Return what `compact` would do now. Writes nothing.

    `datasets`: names or patterns such as `events/*`; None: all. `logs`: names of logs; None: all.
    Raises `CommitUnreadable`, `ValueError` for a log that does not exist, and what the store raises.
    """
    settings = settings or CompactionSettings()
    candidates: list[tuple[Snapshot, list[PartitionPlan], tuple[str, ...]]] = []
    horizons: dict[str, Horizon] = {}
    for log in chosen_logs(lake, logs):
        snapshot = log.snapshot()
        latest = changed_partitions(log, snapshot, settings) if wants_latest(settings, datasets) else ()
        found, horizon = _candidates(log, snapshot, settings, datasets)
        candidates.append((snapshot, found, latest))
        if horizon is not None:
            horizons[log.name] = horizon
    allowed = _oldest([each for _, found, _ in candidates for each in found], settings.max_partitions)
    plans = (
        LogPlan(
            snapshot.log,
            snapshot.number,
            _batches([each for each in found if id(each) in allowed], settings),
            latest,
        )
        for snapshot, found, latest in candidates
    )
    for snapshot, found, _ in candidates:
        if snapshot.log in horizons:
            left = (each.partition for each in found if id(each) not in allowed)
            horizons[snapshot.log] = waiting_also(horizons[snapshot.log], left)
    return CompactionPlan(tuple(plan for plan in plans if plan.commits or plan.latest), horizons)


def plan_log(
    log: Log[Any], settings: CompactionSettings, datasets: Sequence[str] | None, most: int
) -> LogPlan:
    """Plan one log anew, with `most` partitions."""
    snapshot = log.snapshot()
    found = _candidates(log, snapshot, settings, datasets)[0][:most]
    return LogPlan(snapshot.log, snapshot.number, _batches(found, settings))


def chosen_logs(lake: Lake, names: Sequence[str] | None) -> list[Log[Any]]:
    """The logs of these names, ready to be written. Raises `ValueError` for a name without a log."""
    found = {log.name: log for log in lake.logs()}
    missing = [name for name in names or () if name not in found]
    if missing:
        raise ValueError(f"there is no log {missing[0]!r} in this lake; it has {', '.join(found) or 'none'}")
    return [log for name, log in found.items() if names is None or name in names]


def matches(dataset: str, patterns: Sequence[str] | None) -> bool:
    """Whether a dataset is meant by names or patterns; None: by any."""
    return patterns is None or any(fnmatchcase(dataset, pattern) for pattern in patterns)


def wants_latest(settings: CompactionSettings, datasets: Sequence[str] | None) -> bool:
    """Whether a run for these datasets keeps `alerts_latest`, too."""
    return settings.latest and matches("alerts", datasets)


def _candidates(
    log: Log[Any],
    snapshot: Snapshot,
    settings: CompactionSettings,
    datasets: Sequence[str] | None,
) -> tuple[list[PartitionPlan], Horizon | None]:
    """The partitions to merge, oldest first, and the horizon to note once all of them are merged."""
    now, below = log.lake.now(), settled_below(log)
    last = noted_horizon(log, snapshot, settings, below)
    small: dict[tuple[str, str], list[LoggedFile]] = {}
    for each in candidate_files(log, snapshot, settings, below, last):
        file = each.file
        if is_small(file, settings) and matches(file.dataset, datasets):
            small.setdefault((file.partition, file.dataset), []).append(each)
    found, waiting = list[PartitionPlan](), list[str]()
    for (partition, dataset), files in sorted(small.items(), key=lambda item: item[0]):
        if len(files) < 2 or _is_merged(log, files):  # noqa: PLR2004
            continue
        if len(files) >= _files_needed(partition, settings, now):
            found.append(PartitionPlan(dataset, partition, tuple(each.file for each in files)))
        else:
            waiting.append(partition)
    return found, next_horizon(settings, below, now, last, waiting) if datasets is None else None


def _is_merged(log: Log[Any], files: Sequence[LoggedFile]) -> bool:
    """Whether one compaction has written all of the files: it could not merge them any further.

    Their schemas contradict each other, or all but one have reached a smaller target.
    """
    numbers = {each.commit for each in files}
    commit = log.commit(min(numbers)) if len(numbers) == 1 else None
    return commit is not None and commit.kind == "compaction"


def _files_needed(partition: str, settings: CompactionSettings, now: datetime) -> float:
    age = now - partition_span(partition)[1]
    if age < settings.hours_older_than:
        return float("inf")
    return 2 if age >= settings.days_older_than else settings.min_files


def _oldest(partitions: Iterable[PartitionPlan], most: int | None) -> set[int]:
    """Which partitions are among the oldest, by identity."""
    ordered = sorted(partitions, key=lambda each: each.partition)
    return {id(each) for each in ordered[:most]}


def _batches(
    partitions: Sequence[PartitionPlan], settings: CompactionSettings
) -> tuple[tuple[PartitionPlan, ...], ...]:
    return in_commits(
        partitions, settings.commit_files, settings.commit_bytes, most_partitions=settings.commit_partitions
    )


def in_commits(
    partitions: Sequence[PartitionPlan],
    most_files: int,
    most_bytes: float = float("inf"),
    most_partitions: float = float("inf"),
) -> tuple[tuple[PartitionPlan, ...], ...]:
    """Divide partitions among commits of bounded size, each with at least one partition."""
    commits: list[list[PartitionPlan]] = []
    files = size = 0
    for each in partitions:
        files, size = files + len(each.files), size + each.bytes
        if not commits or files > most_files or size > most_bytes or len(commits[-1]) >= most_partitions:
            commits.append([])
            files, size = len(each.files), each.bytes
        commits[-1].append(each)
    return tuple(map(tuple, commits))
