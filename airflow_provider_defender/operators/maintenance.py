"""Upkeep of a lake: merge small files, remove old partitions, sweep what dead runs have left."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender._plural import counted
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.compat import AirflowSkipException
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.operators._lake_parameters import (
    check_patterns,
    parse_ages,
    parse_names,
    parse_switch,
    parse_text,
)
from airflow_provider_defender.operators._lake_task import LakeTask
from airflow_provider_defender.operators._open_tables import KeptTables, kept_tables
from airflow_provider_defender.sources.parameters import check_choice, check_counts, check_spans

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.lake import (
        CompactionPlan,
        CompactionSettings,
        Lake,
        MaintenanceResult,
        RetentionSettings,
        SweepResult,
    )
    from airflow_provider_defender.lake.log.publishing import BeforeRemoval
    from airflow_provider_defender.lake.maintenance.result import LogResult

__all__ = ["LakeCompactionOperator", "LakeRetentionOperator", "LakeSweepOperator"]

_MIB = 1024 * 1024
_LINES_SHOWN = 200


class _LakeOperator(LakeTask):
    """Maintains a lake. A subclass says how.

    Args:
        plan_only: say what would be done, and change nothing.
        kwargs: options of `LakeTask`.
    """

    def __init__(self, *, plan_only: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan_only = plan_only

    @abstractmethod
    def _maintain(self, lake: Lake, plan_only: bool) -> dict[str, Any]:
        """Do the work on the opened lake. Returns the summary for XCom."""

    def _work(self, lake: Lake) -> dict[str, Any]:
        plan_only = parse_switch("plan_only", self.plan_only)
        return {"plan_only": plan_only, **self._maintain(lake, plan_only)}

    def _log_lines(self, title: str, lines: Sequence[str]) -> None:
        """Log lines, at most 200 of them: a lake can have many logs and datasets."""
        for line in lines[:_LINES_SHOWN]:
            self.log.info("%s: %s", title, line)
        if len(lines) > _LINES_SHOWN:
            self.log.info("%s: %d more lines; the last: %s", title, len(lines) - _LINES_SHOWN, lines[-1])

    def _say(self, text: str) -> None:
        """Log how far the work has come."""
        self.log.info("%s", text)


class _PlannedOperator(_LakeOperator):
    """Changes a lake by commits that can be planned. A subclass says what is planned and how it is done.

    Args:
        delta_tables: keep the Delta tables of the changed datasets in step.
        iceberg_conn_id: keep the Iceberg tables in step that the catalog of this connection has.
        iceberg_catalog: the same, by the name of a catalog in pyiceberg's own configuration.
        iceberg_namespace: the namespace of the Iceberg tables.
        kwargs: options of `_LakeOperator`.
    """

    def __init__(
        self,
        *,
        delta_tables: bool | str = False,
        iceberg_conn_id: str | None = None,
        iceberg_catalog: str | None = None,
        iceberg_namespace: str = "defender",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.delta_tables = delta_tables
        self.iceberg_conn_id = iceberg_conn_id
        self.iceberg_catalog = iceberg_catalog
        self.iceberg_namespace = iceberg_namespace

    def _kept_tables(self, lake: Lake) -> KeptTables:
        return kept_tables(
            lake,
            self.log,
            delta=parse_switch("delta_tables", self.delta_tables),
            iceberg_conn_id=parse_text(self.iceberg_conn_id),
            iceberg_catalog=parse_text(self.iceberg_catalog),
            iceberg_namespace=self.iceberg_namespace,
        )

    @abstractmethod
    def _check_in(self, lake: Lake) -> None:
        """Check the parameters against the lake. Raises `ConfigurationError`."""

    @abstractmethod
    def _plan(self, lake: Lake) -> CompactionPlan:
        """What is to be done. Writes nothing."""

    @abstractmethod
    def _carry_out(
        self, lake: Lake, plan: CompactionPlan, before_removal: BeforeRemoval | None
    ) -> MaintenanceResult:
        """Do what is planned. `before_removal`: as in `Transaction.commit`."""

    def _log_total(self, total: LogResult) -> None:
        """Log the sum; the lake has logged each log."""
        self.log.info(
            "Done: %s files became %s, %s bytes became %s; %s copies of rows dropped",
            *(
                f"{number:,}"
                for number in (
                    total.files_removed,
                    total.files_added,
                    total.bytes_before,
                    total.bytes_after,
                    total.duplicates,
                )
            ),
        )

    def _maintain(self, lake: Lake, plan_only: bool) -> dict[str, Any]:
        self._check_in(lake)
        tables = self._kept_tables(lake)
        plan = self._plan(lake)
        if plan:
            self._log_lines("Would do" if plan_only else "To do", plan.describe())
        else:
            self.log.info("There is nothing to do")
        done = None
        if not plan_only and (plan or plan.horizons):  # without any work, how far it came is still noted
            result = self._carry_out(lake, plan, tables.before_removal)
            if plan:
                self._log_total(result.total)
                done = result.as_dict()
        return {"plan": plan.as_dict(), "done": done, "tables": tables.as_dict()}


class LakeCompactionOperator(_PlannedOperator):
    """Merge the small files of a lake's closed partitions into few large ones.

    Each drain writes a file for every partition that it meets, so many small files pile up. This operator
    merges them, partition by partition, sorted by time and host. The rows stay the same; copies of one row
    among the merged files become one. It runs beside drains, backfills and readers. Each commit takes effect
    completely or not at all, so a run that was killed has done a part of the work, and the next one goes on.

    Datasets with a folder for each hour are merged hour by hour, also on old days: no layout by day beside
    hours gives all readers the right `hour`.

    Only files that have been in the lake for more than a day are merged, since a copy of younger ones may
    still be under way. The operator declares no asset: rows neither come nor go.

    Args:
        lake: root of the lake, as for the operators that land. Templated.
        datasets: names or patterns of the datasets to compact, as a list or a text with commas between them:
            `alerts`, `events/*`. None: all. Templated.
        logs: names of the logs to compact, likewise. None: all. Templated.
        target_mib: size in MiB at which a merged file is closed. Files of half that size are left alone.
        min_files: merge a closed partition when it has at least so many small files.
        hours_older_than: a partition is closed when its end is older than this.
        days_older_than: on days whose end is older than this, two small files are enough: late rows hardly
            come any more.
        max_partitions: merge at most so many partitions in a run, the oldest first. None: all.
        latest: also keep the dataset `alerts_latest`, with the rows of the newest version of each alert.
        memory_mib: size in MiB of the rows that are sorted at once, in memory. The task needs several times
            as much.
        plan_only: a dry run: log and return what would be merged, and change nothing. Templated.
        delta_tables: keep the existing Delta tables of the changed datasets in step, so that none of their
            readers meets a missing file: each commit is in the tables before its old files go. It makes no
            table. If that fails, it is logged, and nothing else stops. Needs the extra `[delta]`. False by
            default. Templated.
        iceberg_conn_id: keep the existing Iceberg tables in step likewise, in the catalog of this connection,
            as for `IcebergTableOperator`. A catalog that does not answer is given up after five minutes, for
            the rest of the run. Needs the extra `[iceberg]`. None by default: there are none. Templated.
        iceberg_catalog: name of a catalog in pyiceberg's own configuration, to be used instead of a
            connection; None by default. Templated.
        iceberg_namespace: the namespace of the Iceberg tables, `defender` by default. Templated.
        single_writer: your promise that no two runs ever write to this lake at the same time. Only with it
            is a store accepted that cannot create an object conditionally.
        clock: source of the current time; for tests.

    Returns:
        A summary for XCom: `plan_only`; `plan`, with the partitions, files, rows and bytes to merge by log
        and dataset, and `total`; `done`, with what was done to each log and `total`: `commits`, `partitions`,
        `files_removed`, `files_added`, `rows_before`, `rows_after`, `duplicates` (copies dropped),
        `bytes_before`, `bytes_after` (None if there was nothing to do, or in a dry run); `tables`, for each
        format of tables that is kept (`delta`, `iceberg`), the `versions` written and the `failures`; and
        `seconds`.

    Raises:
        FailNow: a parameter, a credential or a right is wrong; Airflow does not retry.
        TryAgain: the lake's store does not answer. What was committed stays.
        ConflictingRun: another run removed the same files again and again. What was committed stays; a retry
            goes on from there.
        FileDamaged: data files are not what their commits say, or are gone. All other partitions were merged.
        StopAndLook: a commit is not what it should be; `verify` says more.
    """

    template_fields: Sequence[str] = (
        "lake",
        "datasets",
        "logs",
        "plan_only",
        "delta_tables",
        "iceberg_conn_id",
        "iceberg_catalog",
        "iceberg_namespace",
    )

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        datasets: Sequence[str] | str | None = None,
        logs: Sequence[str] | str | None = None,
        target_mib: int = 128,
        min_files: int = 2,
        hours_older_than: timedelta = timedelta(hours=2),
        days_older_than: timedelta = timedelta(days=7),
        max_partitions: int | None = None,
        latest: bool = False,
        memory_mib: int = 64,
        plan_only: bool | str = False,
        delta_tables: bool | str = False,
        iceberg_conn_id: str | None = None,
        iceberg_catalog: str | None = None,
        iceberg_namespace: str = "defender",
        single_writer: bool = False,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            lake=lake,
            plan_only=plan_only,
            delta_tables=delta_tables,
            iceberg_conn_id=iceberg_conn_id,
            iceberg_catalog=iceberg_catalog,
            iceberg_namespace=iceberg_namespace,
            single_writer=single_writer,
            clock=clock,
            **kwargs,
        )
        self.datasets = datasets
        self.logs = logs
        self.target_mib = target_mib
        self.min_files = min_files
        self.hours_older_than = hours_older_than
        self.days_older_than = days_older_than
        self.max_partitions = max_partitions
        self.latest = latest
        self.memory_mib = memory_mib

    def _check(self) -> None:
        for name, value in (("target_mib", self.target_mib), ("memory_mib", self.memory_mib)):
            check_counts({name: _given(name, value)}, least=1)
        check_counts({"min_files": _given("min_files", self.min_files)}, least=2)
        check_counts({"max_partitions": self.max_partitions}, least=1)
        for name in ("hours_older_than", "days_older_than"):
            check_spans({name: _given(name, getattr(self, name))})
        parse_names("datasets", self.datasets)
        parse_names("logs", self.logs)
        parse_switch("plan_only", self.plan_only)

    def _check_in(self, lake: Lake) -> None:
        check_patterns("datasets", parse_names("datasets", self.datasets) or (), lake)
        _check_logs(parse_names("logs", self.logs) or (), lake)

    def _settings(self) -> CompactionSettings:
        from airflow_provider_defender.lake import CompactionSettings

        return CompactionSettings(
            target_bytes=self.target_mib * _MIB,
            min_files=self.min_files,
            hours_older_than=self.hours_older_than,
            days_older_than=self.days_older_than,
            max_partitions=self.max_partitions,
            latest=self.latest,
            memory_bytes=self.memory_mib * _MIB,
        )

    def _chosen(self) -> dict[str, list[str] | None]:
        return {name: parse_names(name, getattr(self, name)) for name in ("datasets", "logs")}

    def _plan(self, lake: Lake) -> CompactionPlan:
        from airflow_provider_defender.lake import plan_compaction

        return plan_compaction(lake, self._settings(), **self._chosen())

    def _carry_out(
        self, lake: Lake, plan: CompactionPlan, before_removal: BeforeRemoval | None
    ) -> MaintenanceResult:
        from airflow_provider_defender.lake import compact

        return compact(
            lake,
            self._settings(),
            **self._chosen(),
            plan=plan,
            progress=self._say,
            before_removal=before_removal,
        )


class LakeRetentionOperator(_PlannedOperator):
    """Remove the partitions of a lake that are older than an age, by dataset.

    All files of a partition are removed, once the end of its hour or day is older than the age. They are gone
    for good. Positions stay, so no drain reads the rows again, and `verify` misses nothing. A backfill of
    alerts or incidents over that time lands them again, as far as the API still has them; a backfill of
    events does not. Rows of `alerts` go from `alerts_latest`, too. Files that landed hardly a day ago stay
    until a later run, so rows may stay for two days longer than the age. The operator declares no asset.

    Args:
        lake: root of the lake, as for the operators that land. Templated.
        ages: how many days a partition is kept, by dataset or pattern: `{"events/*": 90, "alerts": 400}`. The
            first pattern that matches a dataset decides; what none matches is kept for ever. A number counts
            for all datasets, like `{"*": 365}`. Rejected records have the name `quarantine`, which no pattern
            matches. Can be a JSON text, for example from an Airflow variable. Without any age (an empty text)
            the task is skipped. Templated.
        plan_only: a dry run: log and return what would be removed, and change nothing. Templated.
        delta_tables: keep the existing Delta tables of the changed datasets in step, so that none of their
            readers meets a missing file: each commit is in the tables before its old files go. It makes no
            table. If that fails, it is logged, and nothing else stops. Needs the extra `[delta]`. False by
            default. Templated.
        iceberg_conn_id: keep the existing Iceberg tables in step likewise, in the catalog of this connection,
            as for `IcebergTableOperator`. A catalog that does not answer is given up after five minutes, for
            the rest of the run. Needs the extra `[iceberg]`. None by default: there are none. Templated.
        iceberg_catalog: name of a catalog in pyiceberg's own configuration, to be used instead of a
            connection; None by default. Templated.
        iceberg_namespace: the namespace of the Iceberg tables, `defender` by default. Templated.
        single_writer: your promise that no two runs ever write to this lake at the same time. Only with it
            is a store accepted that cannot create an object conditionally.
        clock: source of the current time; for tests.

    Returns:
        A summary for XCom, as of `LakeCompactionOperator`.

    Raises:
        FailNow: a parameter, a credential or a right is wrong; Airflow does not retry.
        TryAgain: the lake's store does not answer. What was committed stays.
        ConflictingRun: another run removed the same files again and again. What was committed stays; a retry
            goes on from there.
        StopAndLook: a commit is not what it should be; `verify` says more.
    """

    template_fields: Sequence[str] = (
        "lake",
        "ages",
        "plan_only",
        "delta_tables",
        "iceberg_conn_id",
        "iceberg_catalog",
        "iceberg_namespace",
    )

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        ages: Mapping[str, float | timedelta | str] | float | str,
        plan_only: bool | str = False,
        delta_tables: bool | str = False,
        iceberg_conn_id: str | None = None,
        iceberg_catalog: str | None = None,
        iceberg_namespace: str = "defender",
        single_writer: bool = False,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            lake=lake,
            plan_only=plan_only,
            delta_tables=delta_tables,
            iceberg_conn_id=iceberg_conn_id,
            iceberg_catalog=iceberg_catalog,
            iceberg_namespace=iceberg_namespace,
            single_writer=single_writer,
            clock=clock,
            **kwargs,
        )
        self.ages = ages

    def _check(self) -> None:
        if not parse_ages(self.ages):
            raise AirflowSkipException("No age is given, so everything is kept.")
        parse_switch("plan_only", self.plan_only)

    def _check_in(self, lake: Lake) -> None:
        check_patterns("ages", parse_ages(self.ages), lake, also=("quarantine", "alerts_latest"))

    def _settings(self) -> RetentionSettings:
        from airflow_provider_defender.lake import RetentionSettings

        return RetentionSettings(parse_ages(self.ages))

    def _plan(self, lake: Lake) -> CompactionPlan:
        from airflow_provider_defender.lake import plan_retention

        return plan_retention(lake, self._settings())

    def _carry_out(
        self, lake: Lake, plan: CompactionPlan, before_removal: BeforeRemoval | None
    ) -> MaintenanceResult:
        from airflow_provider_defender.lake import apply_retention

        return apply_retention(lake, self._settings(), progress=self._say, before_removal=before_removal)


class LakeSweepOperator(_LakeOperator):
    """Delete what dead runs have left in a lake, and find data files that no commit names.

    A run that was killed leaves hidden files in its staging folder. Later commits of the same log delete them
    after seven days; this operator also does so for logs that make no commits any more.

    Data files that no commit names come from copies by hand, from another lake, or from a store that broke
    its promises. Plain readers see them, `committed_files` does not.

    Args:
        lake: root of the lake, as for the operators that land. Templated.
        unnamed_files: what to do about data files that no commit names: `ignore` does not look for them,
            `report` warns of them, `delete` also deletes those that have a name as this lake's logs give it
            and are older than seven days. Looking for them lists all partitions, which takes long in a large
            lake.
        plan_only: skip the task, since nothing can be said about a sweep without doing it. Templated.
        single_writer: your promise that no two runs ever write to this lake at the same time. Only with it
            is a store accepted that cannot create an object conditionally.
        clock: source of the current time; for tests.

    Returns:
        A summary for XCom: `staging`, the staging folders that were deleted; `files`, the data files that no
        commit names, with `path`, `age` (days) and `deleted`; and `seconds`.

    Raises:
        FailNow: a parameter, a credential or a right is wrong; Airflow does not retry.
        TryAgain: the lake's store does not answer.
        StopAndLook: a commit is not what it should be; `verify` says more.
    """

    template_fields: Sequence[str] = ("lake", "plan_only")

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        unnamed_files: Literal["ignore", "report", "delete"] = "ignore",
        plan_only: bool | str = False,
        single_writer: bool = False,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(lake=lake, plan_only=plan_only, single_writer=single_writer, clock=clock, **kwargs)
        self.unnamed_files = unnamed_files

    def _check(self) -> None:
        check_choice("unnamed_files", self.unnamed_files, ("ignore", "report", "delete"))
        if parse_switch("plan_only", self.plan_only):
            raise AirflowSkipException("A dry run: nothing is swept.")

    def _maintain(self, lake: Lake, plan_only: bool) -> dict[str, Any]:
        from airflow_provider_defender.lake import sweep

        result = sweep(
            lake,
            files=self.unnamed_files != "ignore",
            delete=self.unnamed_files == "delete",
            progress=self._say,
        )
        self._log_result(result)
        return result.as_dict()

    def _log_result(self, result: SweepResult) -> None:
        self.log.info("%s of dead runs deleted", counted(len(result.staging), "staging folder"))
        for file in result.files[:_LINES_SHOWN]:
            done = "deleted" if file.deleted else "left"
            self.log.warning("No commit names %s, which is %s old: %s", file.path, file.age, done)
        if len(result.files) > _LINES_SHOWN:
            self.log.warning("%d more files that no commit names", len(result.files) - _LINES_SHOWN)


def _given(name: str, value: Any) -> Any:
    """A value that must not be None: the checks below take None for "not given"."""
    if value is None:
        raise ConfigurationError(f"{name}=None is no value: leave it out for the default.")
    return value


def _check_logs(names: Iterable[str], lake: Lake) -> None:
    known = lake.log_names()
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"logs: the lake has no log {name!r}; it has {', '.join(known) or 'none'}."
            )
