"""Iceberg tables over a lake: files that have landed appear in them, without being copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_defender.exceptions import ConfigurationError, CredentialError, PermissionMissing
from airflow_provider_defender.operators.tables import _TableOperator
from airflow_provider_defender.sources.parameters import check_spans

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from pyiceberg.catalog import Catalog

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.lake import Lake, TableResult

__all__ = ["IcebergTableOperator"]


class IcebergTableOperator(_TableOperator):
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

    template_fields: Sequence[str] = ("lake", "iceberg_conn_id", "catalog", "namespace", "datasets")
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
        single_writer: bool = False,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(lake=lake, datasets=datasets, single_writer=single_writer, clock=clock, **kwargs)
        self.iceberg_conn_id = iceberg_conn_id
        self.catalog = catalog
        self.namespace = namespace
        self.keep_snapshots = keep_snapshots

    def _check(self) -> list[str] | None:
        check_spans({"keep_snapshots": self.keep_snapshots})
        if not self.namespace.strip():
            raise ConfigurationError("namespace is empty: name that of the tables, such as 'defender'")
        return super()._check()

    def _follow(self, lake: Lake, datasets: Sequence[str] | None) -> list[TableResult]:
        from airflow_provider_defender.lake import follow_iceberg
        from airflow_provider_defender.lake.tables.iceberg_catalog import check_locations

        try:
            check_locations(lake)
        except ValueError as error:
            raise ConfigurationError(f"lake: {error}") from error
        where = f"catalog={self.catalog!r}" if self.catalog else f"Connection {self.iceberg_conn_id!r}"
        with _catalog_errors(where):
            catalog = _opened(self.catalog or _properties(self.iceberg_conn_id), lake, where)
            return follow_iceberg(lake, catalog, self.namespace, datasets, keep_snapshots=self.keep_snapshots)


@contextmanager
def _catalog_errors(where: str) -> Iterator[None]:
    """Translate a catalog's refusals, which no retry changes. Errors of its server pass through."""
    from pyiceberg.exceptions import ForbiddenError, OAuthError, UnauthorizedError

    from airflow_provider_defender.hooks import excerpt

    try:
        yield
    except (UnauthorizedError, OAuthError) as error:
        raise CredentialError(
            f"{where}: the Iceberg catalog refuses the credential: {excerpt(str(error))}. Check the client "
            "ID and secret, or the token in Extra"
        ) from error
    except ForbiddenError as error:
        raise PermissionMissing(
            f"{where}: the Iceberg catalog forbids it: {excerpt(str(error))}. The credential needs to list, "
            "create and write the namespace's tables"
        ) from error


def _opened(catalog: Mapping[str, str] | str, lake: Lake, where: str) -> Catalog:
    from pyiceberg.exceptions import NoSuchPropertyException, NotInstalledError

    from airflow_provider_defender.lake.tables.iceberg_catalog import open_catalog

    try:
        return open_catalog(catalog, lake)
    except (ValueError, KeyError, ImportError, NoSuchPropertyException, NotInstalledError) as error:
        # Its message may have the value of a property, and that may be a secret.
        raise ConfigurationError(
            f"{where}: pyiceberg cannot open this catalog ({type(error).__name__}). Check its type and "
            "properties, and that what the type needs is installed, such as pyiceberg[glue]"
        ) from None


def _properties(conn_id: str) -> dict[str, str]:
    """The properties of the catalog of a connection, read as Airflow's own hook of the type reads it."""
    from airflow_provider_defender.hooks import find_connection

    connection = find_connection(conn_id)
    extra = connection.extra_dejson or {}
    properties = {"name": conn_id, "type": "rest", **{name: _text(value) for name, value in extra.items()}}
    if connection.host:
        properties["uri"] = connection.host.rstrip("/")
    if properties["type"] == "rest" and connection.login and connection.password:
        properties["credential"] = f"{connection.login}:{connection.password}"
    if properties["type"] == "rest" and "uri" not in properties:
        raise ConfigurationError(
            f"Connection {conn_id!r} has no host: enter the URI of the REST catalog, or another type of "
            'catalog in Extra, such as {"type": "glue"}'
        )
    return properties


def _text(value: Any) -> str:
    """A property as pyiceberg takes it: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
