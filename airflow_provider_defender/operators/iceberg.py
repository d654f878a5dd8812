"""Iceberg tables over a lake: files that have landed appear in them, without being copied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.operators._open_tables import IcebergCatalog
from airflow_provider_defender.operators.tables import TableOperator
from airflow_provider_defender.sources.parameters import check_spans

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.lake import Lake, TableResult

__all__ = ["IcebergTableOperator"]


class IcebergTableOperator(TableOperator):
    """Keep an Iceberg table for each dataset of a lake, over the landed files.

    The files stay as they are, and the tables' metadata lies in the catalog's warehouse. Each run brings in
    what has been committed since the table's last snapshot, and replaces what was compacted; a dataset that
    has changed gets one snapshot. Run it downstream of what lands and compacts: if it fails, nothing has to
    land again, and its next run goes on. Two runs at once do no harm. Needs the extra `[iceberg]`.

    Only this operator may write to the tables. Never purge one: that would delete the lake's files.

    Args:
        lake: root of the lake: an absolute path, or a URL that Airflow's `ObjectStoragePath` accepts, such as
            `file:///data/lake`, `s3://aws_default@bucket/lake` or `abfss://azure_default@container/lake`.
            Templated.
        iceberg_conn_id: connection to the catalog, with the fields of Airflow's own type `iceberg`: the host
            is the catalog's URI, login and password are the client ID and secret of a REST catalog, and
            *Extra* has all other properties of the catalog, as pyiceberg names them. `type` is `rest` unless
            *Extra* has another. `name` there is the catalog's name; by default it is the connection's ID.
            Templated.
        catalog: name of a catalog in pyiceberg's own configuration (`.pyiceberg.yaml`, environment), to be
            used instead of a connection; None by default. Templated.
        namespace: the namespace of the tables, `defender` by default; made if it does not exist. Templated.
        datasets: the datasets to follow, such as `["alerts", "events/DeviceProcessEvents"]`, or a text with
            their names, separated by commas. By default, and if it is empty, all that the lake has.
            Templated.
        keep_snapshots: older snapshots are removed from a table when a run writes to it; five days by
            default. Time travel reaches back as far, except to files that were compacted or have aged out.
        enabled: false, or a text that says so or is empty: the task is skipped, for example by an Airflow
            variable. True by default. Templated.
        single_writer: your promise that no two runs ever write to this lake at the same time. False by
            default; this operator writes nothing to the lake.
        clock: source of the current time; for tests.

    Returns:
        A summary for XCom: `tables`, for each dataset `dataset`, `version` (the ID of the current snapshot;
        None: no table yet), `versions` (snapshots written by this run), files `added` and `removed`, `rows`
        added, and `numbers` (up to which commit of which log the table has come); the sums of `versions`,
        `added`, `removed` and `rows`; and `seconds`.

    Raises:
        FailNow: the extra is not installed, or a parameter or the connection is wrong; Airflow does not
            retry.
        TryAgain: the lake's store does not answer.
        StopAndLook: a table was changed by another program, belongs to another lake or is ahead of the lake
            (`TableUnusable`; the other tables were brought up to date), others kept writing to it, or a
            commit of the lake is damaged.
    """

    template_fields: Sequence[str] = (
        "lake",
        "iceberg_conn_id",
        "catalog",
        "namespace",
        "datasets",
        "enabled",
    )
    package = "pyiceberg"
    extra = "iceberg"

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        iceberg_conn_id: str = "iceberg_default",
        catalog: str | None = None,
        namespace: str = "defender",
        datasets: Sequence[str] | str | None = None,
        keep_snapshots: timedelta = timedelta(days=5),
        enabled: bool | str = True,
        single_writer: bool = False,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            lake=lake,
            datasets=datasets,
            enabled=enabled,
            single_writer=single_writer,
            clock=clock,
            **kwargs,
        )
        self.iceberg_conn_id = iceberg_conn_id
        self.catalog = catalog
        self.namespace = namespace
        self.keep_snapshots = keep_snapshots

    def _check(self) -> None:
        super()._check()
        check_spans({"keep_snapshots": self.keep_snapshots})
        if not self.namespace.strip():
            raise ConfigurationError("namespace is empty: name that of the tables, such as 'defender'")

    def _follow(self, lake: Lake, datasets: Sequence[str] | None) -> list[TableResult]:
        from airflow_provider_defender.lake import follow_iceberg

        catalog = IcebergCatalog.of(self.iceberg_conn_id, self.catalog, lake)
        with catalog.errors():
            opened = catalog.open(lake)
            return follow_iceberg(lake, opened, self.namespace, datasets, keep_snapshots=self.keep_snapshots)
