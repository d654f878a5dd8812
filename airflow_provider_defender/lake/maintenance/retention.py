"""Retention: partitions older than an age are removed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from airflow_provider_defender.lake.errors import CommitConflict
from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.layout import QUARANTINE, partition_span
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.publishing import BeforeRemoval
from airflow_provider_defender.lake.maintenance.plan import (
    CompactionPlan,
    LogPlan,
    PartitionPlan,
    chosen_logs,
    in_commits,
    matches,
)
from airflow_provider_defender.lake.maintenance.progress import Progress
from airflow_provider_defender.lake.maintenance.result import LogResult, MaintenanceResult
from airflow_provider_defender.lake.maintenance.settings import LATEST, RetentionSettings
from airflow_provider_defender.lake.maintenance.settling import moment_ago, removable
from airflow_provider_defender.lake.maintenance.writing import check_inputs, new_ledger

__all__ = ["apply_retention", "plan_retention"]

_logger = logging.getLogger(__name__)


def plan_retention(
    lake: Lake,
    settings: RetentionSettings,
    *,
    datasets: Sequence[str] | None = None,
    logs: Sequence[str] | None = None,
) -> CompactionPlan:
    """Return what `apply_retention` would remove now. Writes nothing. Arguments and errors are the same."""
    plans = (_plan(log, settings, datasets) for log in chosen_logs(lake, logs))
    return CompactionPlan(tuple(plan for plan in plans if plan.commits))


def apply_retention(
    lake: Lake,
    settings: RetentionSettings,
    *,
    datasets: Sequence[str] | None = None,
    logs: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
    before_removal: BeforeRemoval | None = None,
) -> MaintenanceResult:
    """Remove the files of partitions that ended longer ago than their dataset's age.

    The files are gone for good, also for followers and for backups that mirror the lake. Positions stay: no
    drain reads the removed rows again. A later backfill of that time does land them again from a REST source,
    as far as it still has them, and the next retention removes them; a hub's backfill passes over their
    offsets, which stay covered. The partition of a file of `quarantine` is the day of the reject.

    A file stays until the commit after its own is more than a day old, then the next run removes it: until
    then a copy of it may still be under way, and would bring it back. So the newest files of a log stay while
    nothing else is committed to it. If a file of `alerts_latest` stays for that reason, it still has the rows
    of alerts whose own files have gone. The next retention removes it, or the next compaction with `latest`
    writes it anew, without them.

    Args:
        lake: the lake.
        settings: the ages.
        datasets: of those, only these names or patterns; None: all. Who names `alerts` means `alerts_latest`,
            too.
        logs: names of logs; None: all.
        progress: receives a text about every 15 seconds; None: the logger does.
        before_removal: called with each commit before its files go, as in `Transaction.commit`.

    Raises as `compact` does.
    """
    say, remove = Progress(progress), partial(_remove, before_removal=before_removal)
    results = []
    for log in chosen_logs(lake, logs):
        log.head()  # finishes what a run that was killed has left behind, even if nothing is old
        result = LogResult(log.name)
        _apply(log, settings, datasets, result, progress=say, remove=remove)
        if result.commits:
            results.append(result)
            _logger.info("%s", MaintenanceResult((result,)).describe()[0])
    return MaintenanceResult(tuple(results))


def _apply(
    log: Log[Any],
    settings: RetentionSettings,
    datasets: Sequence[str] | None,
    result: LogResult,
    *,
    progress: Progress,
    remove: Callable[[Log[Any], int, Sequence[PartitionPlan]], LogResult],
) -> None:
    for attempt in reversed(range(settings.attempts)):
        plan = _plan(log, settings, datasets)
        try:
            for commit in plan.commits:
                result.add(remove(log, plan.number, commit))
                progress(lambda: f"{result.files_removed:,} files of {log.name} removed")
            return
        except CommitConflict as conflict:
            if not attempt:
                raise
            _logger.warning("Planning %s again: %s", log.name, conflict)


def _plan(log: Log[Any], settings: RetentionSettings, datasets: Sequence[str] | None) -> LogPlan:
    snapshot = log.snapshot()
    now = log.lake.now()
    names = (name for name in [*snapshot.datasets(), QUARANTINE] if _is_meant(name, datasets))
    ages = {name: age for name in names if (age := settings.age(name)) is not None}
    old: dict[tuple[str, str], list[DataFile]] = {}
    for each in removable(log, snapshot, {name: moment_ago(now, age) for name, age in ages.items()}):
        file = each.file
        if now - partition_span(file.partition)[1] >= ages[file.dataset]:
            old.setdefault((file.partition, file.dataset), []).append(file)
    partitions = [
        PartitionPlan(dataset, partition, tuple(files)) for (partition, dataset), files in sorted(old.items())
    ]
    return LogPlan(log.name, snapshot.number, in_commits(partitions, settings.commit_files))


def _is_meant(dataset: str, patterns: Sequence[str] | None) -> bool:
    """Whether a dataset is meant by names or patterns: rows of `alerts` go from `alerts_latest`, too."""
    return matches(dataset, patterns) or (dataset == LATEST and matches("alerts", patterns))


def _remove(
    log: Log[Any],
    number: int,
    partitions: Sequence[PartitionPlan],
    *,
    before_removal: BeforeRemoval | None,
) -> LogResult:
    """Remove partitions in one commit; `number`: the commit after which that was planned."""
    head = log.head()
    files = [file for each in partitions for file in each.files]
    removed = [file.path for file in files]
    check_inputs(log, removed, after=number)
    window = {"partitions": len(partitions), "files": len(removed)}
    with log.begin(head, new_ledger(head), kind="retention", window=window) as transaction:
        transaction.remove(removed)
        commit = transaction.commit(before_removal=before_removal)
    return LogResult(
        log.name,
        commits=(commit.number,) if commit else (),
        partitions=len(partitions),
        files_removed=len(files),
        rows_before=sum(file.rows for file in files),
        bytes_before=sum(file.bytes for file in files),
    )
