"""Compaction: the small files of closed partitions become few large ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_defender.lake.errors import CommitConflict
from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.commit import Commit, DataFile
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.publishing import BeforeRemoval
from airflow_provider_defender.lake.log.transaction import Transaction
from airflow_provider_defender.lake.maintenance.damage import Damage
from airflow_provider_defender.lake.maintenance.horizon import note_horizon
from airflow_provider_defender.lake.maintenance.latest import write_latest
from airflow_provider_defender.lake.maintenance.merge import Merge, scratch
from airflow_provider_defender.lake.maintenance.plan import (
    CompactionPlan,
    LogPlan,
    PartitionPlan,
    chosen_logs,
    plan_compaction,
    plan_log,
    wants_latest,
)
from airflow_provider_defender.lake.maintenance.progress import Progress
from airflow_provider_defender.lake.maintenance.result import LogResult, MaintenanceResult
from airflow_provider_defender.lake.maintenance.settings import CompactionSettings
from airflow_provider_defender.lake.maintenance.writing import check_inputs, new_ledger, partitioning

__all__ = ["compact"]

_logger = logging.getLogger(__name__)


def compact(
    lake: Lake,
    settings: CompactionSettings | None = None,
    *,
    datasets: Sequence[str] | None = None,
    logs: Sequence[str] | None = None,
    plan: CompactionPlan | None = None,
    progress: Callable[[str], None] | None = None,
    before_removal: BeforeRemoval | None = None,
) -> MaintenanceResult:
    """Merge the small files of closed partitions, log by log, in commits of bounded size.

    Only files are touched whose next commit is older than a day. The rows stay the same, but copies of a row
    (the same `@timestamp`, host, key, version and item) are dropped among the files that are merged. Files
    whose schemas contradict each other are merged apart. Rejected records in quarantine are left alone.

    Let only one compaction of a log run at a time (`max_active_runs=1`): of two that merge the same files,
    the second one's work is in vain, and both would write the first files of `alerts_latest`.

    Args:
        lake: the lake.
        settings: None: the defaults.
        datasets: names or patterns such as `events/*`; None: all.
        logs: names of logs; None: all.
        plan: what `plan_compaction` has just returned for the same lake, settings, datasets and logs; None: a
            plan is made now.
        progress: receives a text about every 15 seconds; None: the logger does.
        before_removal: called with each commit, when its new files are in place and those that it replaces
            still are, as in `Transaction.commit`.

    Raises:
        CommitConflict: other runs removed inputs again and again.
        FileChanged: inputs are not what their commits say, or gone; all other partitions were merged.
        CommitStateUnknown, CommitUnreadable, NotPublished, TransactionTooOld, ValueError: as `Log.begin` and
            `Transaction.commit` do. What was committed before stays; errors of the store pass through.
    """
    settings = settings or CompactionSettings()
    tuned = copy(lake)
    tuned.settings = replace(
        lake.settings, compression_level=settings.compression_level, file_bytes=settings.target_bytes
    )
    by_name = {log.name: log for log in chosen_logs(tuned, logs)}
    for log in by_name.values():
        log.head()  # finishes what a run that was killed has left behind, even if nothing is to be merged
    if plan is None:
        plan = plan_compaction(tuned, settings, datasets=datasets, logs=logs)
    planned = sum(len(each.partitions) for each in plan.logs)
    run = _Run(settings, datasets, Progress(progress), planned, before_removal)
    plans = {each.log: each for each in plan.logs}
    for name, log in by_name.items():
        if name in plans:
            run.log(log, plans[name])
        if name in plan.horizons and name not in run.unfinished:
            note_horizon(log, plan.horizons[name])
    run.damage.check()
    return MaintenanceResult(tuple(run.results))


@dataclass
class _Run:
    """One run of a compaction."""

    settings: CompactionSettings
    datasets: Sequence[str] | None
    progress: Progress
    planned: int
    before_removal: BeforeRemoval | None

    def __post_init__(self) -> None:
        self.results: list[LogResult] = []
        self.damage = Damage()
        self.unfinished: set[str] = set()
        """The logs in which something was left that had been planned, or may have been."""
        self._done = 0

    def log(self, log: Log[Any], plan: LogPlan) -> None:
        """Do all that is planned for one log."""
        result = LogResult(log.name)
        self.results.append(result)
        self._merge_all(log, plan, result)
        if wants_latest(self.settings, self.datasets):
            write_latest(
                log,
                self.settings,
                result,
                self.progress,
                damage=self.damage,
                before_removal=self.before_removal,
            )
        _logger.info("%s", MaintenanceResult((result,)).describe()[0])

    def _merge_all(self, log: Log[Any], plan: LogPlan, result: LogResult) -> None:
        left, attempts = len(plan.partitions), self.settings.attempts
        while plan.commits:
            try:
                for commit in plan.commits:
                    result.add(self._merge(log, plan.number, commit))
                    left -= len(commit)
                return
            except CommitConflict as conflict:
                self.unfinished.add(log.name)
                attempts -= 1
                if not attempts:
                    raise
                _logger.warning("Planning %s again: %s", log.name, conflict)
                plan = plan_log(log, self.settings, self.datasets, left)

    def _merge(self, log: Log[Any], number: int, partitions: Sequence[PartitionPlan]) -> LogResult:
        """Merge partitions in one commit; `number`: the commit after which that was planned.

        A partition with a damaged file is left out.
        """
        head = log.head()
        check_inputs(log, [file.path for each in partitions for file in each.files], after=number)
        result, removed = LogResult(log.name), list[DataFile]()
        window = {"partitions": len(partitions), "files": sum(len(each.files) for each in partitions)}
        with log.begin(head, new_ledger(head), kind="compaction", window=window) as transaction:
            for each in partitions:
                duplicates = self._rewrite(log, transaction, each, number)
                if duplicates is not None:
                    result.duplicates += duplicates
                    removed += each.files
                    result.partitions += 1
                self._done += 1
            transaction.remove([file.path for file in removed])
            commit = transaction.commit(before_removal=self.before_removal)
        return _counted(result, commit, removed)

    def _rewrite(
        self, log: Log[Any], transaction: Transaction[Any, Any], each: PartitionPlan, number: int
    ) -> int | None:
        """Stage the merged rows of a partition, planned after commit `number`.

        Returns how many copies were dropped; None: a file is damaged, and nothing was staged.
        """
        with scratch() as folder:
            say = partial(self.progress, partial(self._text, log, each))
            merge = Merge(log.storage, Path(folder), self.settings.memory_bytes, progress=say)
            tables = self.damage.unless_damaged(log, each.files, number, lambda: merge.tables(each.files))
            if tables is None:
                self.unfinished.add(log.name)
                return None
            for table in tables:
                transaction.write(each.dataset, table, partitioning(each.partition))
        return merge.duplicates

    def _text(self, log: Log[Any], each: PartitionPlan) -> str:
        return (
            f"{self._done:,} of {self.planned:,} partitions merged, now {each.dataset}/{each.partition} of "
            f"{log.name}"
        )


def _counted(result: LogResult, commit: Commit[Any] | None, removed: Sequence[DataFile]) -> LogResult:
    added = commit.added if commit else ()
    return replace(
        result,
        commits=(commit.number,) if commit else (),
        files_removed=len(removed),
        files_added=len(added),
        rows_before=sum(file.rows for file in removed),
        rows_after=sum(file.rows for file in added),
        bytes_before=sum(file.bytes for file in removed),
        bytes_after=sum(file.bytes for file in added),
    )
