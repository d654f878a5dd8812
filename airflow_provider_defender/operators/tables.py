"""Open tables over a lake: files that have landed appear in Delta tables, without being copied."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_defender._plural import counted
from airflow_provider_defender.compat import AirflowSkipException
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.operators._lake_parameters import parse_names, parse_switch
from airflow_provider_defender.operators._lake_task import LakeTask
from airflow_provider_defender.operators._open_tables import check_package

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.lake import Lake, TableResult

__all__ = ["DeltaTableOperator"]


class TableOperator(LakeTask):
    """Follows a lake with open tables. A subclass says of which format.

    Args:
        datasets: the datasets to follow; None or an empty text: all.
        enabled: false: the task is skipped.
        lake, single_writer, clock, kwargs: options of `LakeTask`.
    """

    package: str
    """The package that the format needs."""
    extra: str
    """The extra of this package that installs it."""

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        datasets: Sequence[str] | str | None = None,
        enabled: bool | str = True,
        single_writer: bool = False,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(lake=lake, single_writer=single_writer, clock=clock, **kwargs)
        self.datasets = datasets
        self.enabled = enabled

    @abstractmethod
    def _follow(self, lake: Lake, datasets: Sequence[str] | None) -> list[TableResult]:
        """Bring the lake's files into the tables."""

    def _work(self, lake: Lake) -> dict[str, Any]:
        tables = self._follow(lake, self._chosen())
        self._log_tables(tables)
        return {
            "tables": [table.as_dict() for table in tables],
            "versions": sum(table.versions for table in tables),
            "added": sum(table.added for table in tables),
            "removed": sum(table.removed for table in tables),
            "rows": sum(table.rows for table in tables),
        }

    def _check(self) -> None:
        if not parse_switch("enabled", self.enabled):
            raise AirflowSkipException("Open tables are not asked for: enabled is false.")
        check_package(self.package, self.extra, type(self).__name__)
        self._chosen()

    def _chosen(self) -> list[str] | None:
        """The datasets; None: all. Raises `ConfigurationError`."""
        from airflow_provider_defender.lake.log.layout import check_dataset

        try:
            names = parse_names("datasets", self.datasets or None)
            return names and [check_dataset(name) for name in names]
        except ValueError as error:
            raise ConfigurationError(f"datasets: {error}") from error

    def _log_tables(self, tables: Sequence[TableResult]) -> None:
        changed = [table for table in tables if table.versions]
        for table in changed:
            self.log.info(
                "%s: %s added with %s, %s removed; version %s.",
                table.dataset,
                counted(table.added, "file"),
                counted(table.rows, "row"),
                counted(table.removed, "file"),
                table.version,
            )
        self.log.info(
            "%s brought up to date, %d were.", counted(len(changed), "table"), len(tables) - len(changed)
        )


class DeltaTableOperator(TableOperator):
    """Keep a Delta table for each dataset of a lake, over the landed files.

    The files stay as they are: only the table's log is written, to `<dataset>/_delta_log` in the lake, with
    the lake's own connection. Each run brings in what has been committed since the table's last version, and
    replaces what was compacted; a dataset that has changed gets one version. Run it downstream of what lands
    and compacts: if it fails, nothing has to land again, and its next run goes on. Two runs at once do no
    harm. Needs the extra `[delta]`.

    Args:
        lake: root of the lake: an absolute path, or a URL that Airflow's `ObjectStoragePath` accepts, such as
            `file:///data/lake`, `s3://aws_default@bucket/lake` or `abfss://azure_default@container/lake`.
            Templated.
        datasets: the datasets to follow, such as `["alerts", "events/DeviceProcessEvents"]`, or a text with
            their names, separated by commas. By default, and if it is empty, all that the lake has.
            Templated.
        enabled: false, or a text that says so or is empty: the task is skipped, for example by an Airflow
            variable. True by default. Templated.
        single_writer: your promise that no two runs ever write to this lake at the same time. Only with it
            is a store accepted that cannot create an object conditionally. False by default.
        clock: source of the current time; for tests.

    Returns:
        A summary for XCom: `tables`, for each dataset `dataset`, `version` (None: no table yet), `versions`
        written by this run, files `added` and `removed`, `rows` added, and `numbers` (up to which commit of
        which log the table has come); the sums of `versions`, `added`, `removed` and `rows`; and `seconds`.

    Raises:
        FailNow: the extra is not installed, or a parameter is wrong; Airflow does not retry.
        TryAgain: the lake's store does not answer.
        StopAndLook: a table was changed by another program or is ahead of the lake (`TableUnusable`; the
            other tables were brought up to date), others kept writing to it, or a commit of the lake is
            damaged.
    """

    template_fields: Sequence[str] = ("lake", "datasets", "enabled")
    package = "deltalake"
    extra = "delta"

    def _follow(self, lake: Lake, datasets: Sequence[str] | None) -> list[TableResult]:
        from airflow_provider_defender.lake import follow_delta

        return follow_delta(lake, datasets)
