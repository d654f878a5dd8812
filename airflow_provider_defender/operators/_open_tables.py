"""What operators share that keep open tables: the packages, the Iceberg catalog, and keeping in step."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_provider_defender.exceptions import ConfigurationError, CredentialError, PermissionMissing

if TYPE_CHECKING:
    from logging import Logger

    from airflow.sdk.types import Logger as TaskLogger
    from pyiceberg.catalog import Catalog

    from airflow_provider_defender.lake import Commit, Lake, TableResult

__all__ = ["IcebergCatalog", "KeptTables", "check_package", "kept_tables"]

PATIENCE_SECONDS = 300.0
"""How long the tables of a format may take to follow one commit, before its old files are removed."""


def check_package(package: str, extra: str, needed_for: str) -> None:
    """Raise `ConfigurationError` if a package of an extra is not installed."""
    if find_spec(package) is None:
        raise ConfigurationError(
            f"{needed_for} needs the package {package}, which is not installed on this worker: "
            f"pip install 'airflow-provider-defender[{extra}]'"
        )


# The catalog of Iceberg tables ----------------------------------------------------------------------


@dataclass(frozen=True)
class IcebergCatalog:
    """Where Iceberg tables are listed; made by `of`.

    Attributes:
        where: what the user has configured, for messages.
        properties: the catalog's properties, or its name in pyiceberg's own configuration.
    """

    where: str
    properties: Mapping[str, str] | str

    @classmethod
    def of(cls, conn_id: str, catalog: str | None, lake: Lake) -> IcebergCatalog:
        """Read the configuration of a catalog, by connection or by its name in pyiceberg's configuration.

        Raises `ConfigurationError` if it, or the lake's address, cannot be used. Asks no server.
        """
        from airflow_provider_defender.lake.tables.iceberg_catalog import check_locations

        try:
            check_locations(lake)
        except ValueError as error:
            raise ConfigurationError(f"lake: {error}") from error
        if catalog:
            return cls(f"catalog={catalog!r}", catalog)
        return cls(f"Connection {conn_id!r}", _properties(conn_id))

    def open(self, lake: Lake) -> Catalog:
        """Open the catalog. Raises `ConfigurationError`, and errors of its server."""
        from pyiceberg.exceptions import NoSuchPropertyException, NotInstalledError

        from airflow_provider_defender.lake.tables.iceberg_catalog import open_catalog

        try:
            return open_catalog(self.properties, lake)
        except (ValueError, KeyError, ImportError, NoSuchPropertyException, NotInstalledError) as error:
            # Its message may have the value of a property, and that may be a secret.
            raise ConfigurationError(
                f"{self.where}: pyiceberg cannot open this catalog ({type(error).__name__}). Check its type "
                "and properties, and that what the type needs is installed, such as pyiceberg[glue]"
            ) from None

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate a catalog's refusals, which no retry changes. Errors of its server pass through."""
        from pyiceberg.exceptions import ForbiddenError, OAuthError, UnauthorizedError

        from airflow_provider_defender.hooks import excerpt

        try:
            yield
        except (UnauthorizedError, OAuthError) as error:
            raise CredentialError(
                f"{self.where}: the Iceberg catalog refuses the credential: {excerpt(str(error))}. Check the "
                "client ID and secret, or the token in Extra"
            ) from error
        except ForbiddenError as error:
            raise PermissionMissing(
                f"{self.where}: the Iceberg catalog forbids it: {excerpt(str(error))}. The credential needs "
                "to list, create and write the namespace's tables"
            ) from error


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


# Keeping tables in step with maintenance --------------------------------------------------------------

Follow = Callable[[list[str]], "list[TableResult]"]
"""Brings the existing tables of these datasets up to date."""


def kept_tables(
    lake: Lake,
    logger: Logger | TaskLogger,
    *,
    delta: bool,
    iceberg_conn_id: str | None,
    iceberg_catalog: str | None,
    iceberg_namespace: str,
) -> KeptTables:
    """Check what tables are to be kept in step with a lake's maintenance, and return them.

    Raises `ConfigurationError` if a package is missing, or the catalog's configuration cannot be used. Asks
    no server.
    """
    formats: dict[str, Follow] = {}
    if delta:
        check_package("deltalake", "delta", "delta_tables=True")
        formats["Delta"] = partial(_follow_delta, lake)
    if iceberg_conn_id or iceberg_catalog:
        check_package("pyiceberg", "iceberg", "iceberg_conn_id or iceberg_catalog")
        if not iceberg_namespace.strip():
            raise ConfigurationError(
                "iceberg_namespace is empty: name that of the tables, such as 'defender'"
            )
        catalog = IcebergCatalog.of(iceberg_conn_id or "", iceberg_catalog, lake)
        formats["Iceberg"] = partial(_follow_iceberg, lake, catalog, iceberg_namespace)
    return KeptTables(logger, formats)


def _follow_delta(lake: Lake, datasets: list[str]) -> list[TableResult]:
    from airflow_provider_defender.lake import follow_delta

    return follow_delta(lake, datasets, new_tables=False)


def _follow_iceberg(
    lake: Lake, catalog: IcebergCatalog, namespace: str, datasets: list[str]
) -> list[TableResult]:
    from airflow_provider_defender.lake import follow_iceberg

    with catalog.errors():
        opened = catalog.open(lake)
        # How long snapshots are kept is for the operator to say that makes the tables.
        return follow_iceberg(lake, opened, namespace, datasets, keep_snapshots=None, new_tables=False)


class KeptTables:
    """The open tables that follow each commit of maintenance before it removes files.

    A failure is logged and counted, and stops nothing. A format that does not answer in time is given up for
    the rest of the run.
    """

    def __init__(self, logger: Logger | TaskLogger, formats: Mapping[str, Follow]) -> None:
        self._logger = logger
        self._formats = dict(formats)
        self._done = {name.lower(): {"versions": 0, "failures": 0} for name in formats}

    @property
    def before_removal(self) -> Callable[[Commit[Any]], None] | None:
        """What `Transaction.commit` calls; None if no tables are kept."""
        return self._follow if self._formats else None

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Return for each format the `versions` written and the `failures`, for XCom."""
        return self._done

    def _follow(self, commit: Commit[Any]) -> None:
        datasets = _datasets(commit)
        if datasets:
            for name, follow in list(self._formats.items()):
                self._follow_with(name, partial(follow, datasets), commit)

    def _follow_with(self, name: str, work: Callable[[], list[TableResult]], commit: Commit[Any]) -> None:
        done = self._done[name.lower()]
        running = _in_thread(work)
        try:
            tables = running.result(PATIENCE_SECONDS)
        except Exception as error:
            reason = repr(error)
            if not running.done():
                del self._formats[name]
                reason = f"no answer within {PATIENCE_SECONDS:,.0f} seconds, so this run asks no more"
            done["failures"] += 1
            self._warn(name, commit, reason)
            return
        written = sum(table.versions for table in tables)
        done["versions"] += written
        self._logger.info(
            "%d %s tables have followed commit %d of %s before its %d old files go",
            *(written, name, commit.number, commit.log, len(commit.removed)),
        )

    def _warn(self, name: str, commit: Commit[Any], reason: str) -> None:
        self._logger.warning(
            "The %s tables could not follow commit %d of %s: %s. Its %d old files are removed all the same. "
            "Readers of the tables can meet missing files until %sTableOperator has run.",
            *(name, commit.number, commit.log, reason, len(commit.removed), name),
        )


def _datasets(commit: Commit[Any]) -> list[str]:
    """The datasets whose files a commit replaces or removes."""
    from airflow_provider_defender.lake.log.layout import QUARANTINE, place_of

    return sorted({place_of(path)[0] for path in commit.removed} - {QUARANTINE})


def _in_thread(work: Callable[[], list[TableResult]]) -> Future[list[TableResult]]:
    """Begin work in a thread that the process does not wait for: a client may wait for ever for an answer.

    A follower that goes on later does no harm: a table's change is complete or not made at all.
    """
    future: Future[list[TableResult]] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="open tables", daemon=True).start()
    return future
