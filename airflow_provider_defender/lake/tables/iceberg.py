"""Iceberg tables over the landed files, through pyiceberg (extra `iceberg`).

Each dataset has a table, whose data files are the lake's own: nothing is copied or rewritten. A snapshot of a
table carries up to which commit of which log it has come, so files and numbers change together.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.table import Table

from airflow_provider_defender.lake.errors import TableConflict
from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.tables.base import Change, TableResult, batches, changes
from airflow_provider_defender.lake.tables.base import chosen_datasets as datasets_of
from airflow_provider_defender.lake.tables.iceberg_catalog import check_locations, open_catalog
from airflow_provider_defender.lake.tables.iceberg_table import (
    DATASET,
    Written,
    check_table,
    new_table,
    numbers_of,
    prepare,
    remove_old_snapshots,
    write,
)

__all__ = ["follow_iceberg", "table_name"]

_log = logging.getLogger(__name__)

_FILES_AT_ONCE = 2000
"""How many files a table gets in one snapshot, if it gets no others: a bound for memory."""

_TRIES = 8
_WAIT_SECONDS = 0.5
"""How long a follower waits at most before its second try; then twice as long each time."""

_IN_THE_WAY = (
    CommitFailedException,  # another follower was faster
    CommitStateUnknownException,  # the table says what counts
    TableAlreadyExistsError,
    FileNotFoundError,  # a compaction has replaced the file since the log was read
)


def follow_iceberg(
    lake: Lake,
    catalog: Catalog | Mapping[str, Any] | str,
    namespace: str = "defender",
    datasets: str | Iterable[str] | None = None,
    *,
    keep_snapshots: timedelta = timedelta(days=5),
) -> list[TableResult]:
    """Bring the Iceberg table of each dataset to the state of the lake's logs; tables are made if needed.

    A table's change is one snapshot: files that have come and gone, and the numbers of the commits followed.
    So this can be killed anywhere and run again, also beside another run.

    Args:
        lake: the lake.
        catalog: a pyiceberg catalog; or the name of one in pyiceberg's own configuration (`.pyiceberg.yaml`,
            environment); or a catalog's properties, such as `{"type": "rest", "uri": …}`, with its `name`
            (default: `defender`). A catalog opened here reads and writes what lies in the lake's own bucket
            or container with the lake's credentials, unless its properties name a `py-io-impl`.
        namespace: the namespace of the tables; made if it does not exist.
        datasets: the datasets to follow, such as `alerts` or `["alerts", "events/DeviceInfo"]`; None: all.
            A table is named as its dataset, in lower case and with `_` for `/`: `events_deviceinfo`.
        keep_snapshots: older snapshots are removed from a table when it is written. Their files stay.

    Returns:
        What was done to each table; the version is the ID of its current snapshot.

    Raises:
        TableUnusable: a table is ahead of the logs, belongs to another lake, or was changed by another
            program; or the files of a dataset have types that do not go together.
        TableConflict: others kept writing to a table.
        ValueError: the name of a dataset, the namespace or the lake's address cannot be used.
        CommitUnreadable: a commit of a log is damaged. Errors of the store and of pyiceberg pass through.
    """
    check_locations(lake)
    if not isinstance(catalog, Catalog):
        catalog = open_catalog(catalog, lake)
    follower = _Follower(lake, catalog, namespace, keep_snapshots)
    tables = follower.tables(datasets)
    found = changes(lake, {dataset: numbers_of(table) for dataset, table in tables.items()})
    return [follower.follow(change, tables[change.dataset]) for change in found]


def table_name(dataset: str) -> str:
    """Return the name of a dataset's table: in lower case, since some catalogs know no other."""
    return dataset.replace("/", "_").lower()


@dataclass
class _Follower:
    """One run over the tables of a namespace."""

    lake: Lake
    catalog: Catalog
    namespace: str
    keep_snapshots: timedelta
    _names: set[str] = field(default_factory=set)

    def tables(self, datasets: str | Iterable[str] | None) -> dict[str, Table | None]:
        """Return the table of each dataset to follow; None where there is none yet."""
        self._names = self._existing()
        chosen = datasets_of(self.lake, datasets, "")
        _check_names(chosen)
        tables = {dataset: self.load(dataset) for dataset in chosen}
        if datasets is None:  # those from which retention has taken the last file
            for name in sorted(self._names - {table_name(dataset) for dataset in chosen}):
                table = self._load(name)
                dataset = table and table.properties.get(DATASET)
                if table is not None and dataset and table_name(dataset) == name:
                    tables[dataset] = check_table(table, self.lake, dataset)
        return tables

    def _existing(self) -> set[str]:
        """The names of the tables of the namespace, which is made if there is none."""
        try:
            return {identifier[-1] for identifier in self.catalog.list_tables(self.namespace)}
        except NoSuchNamespaceError:
            self.catalog.create_namespace_if_not_exists(self.namespace)
            return set()

    def load(self, dataset: str) -> Table | None:
        """Load the table of a dataset; None if there is none. Raises `TableUnusable` for another's."""
        name = table_name(dataset)
        table = self._load(name) if name in self._names else None
        return None if table is None else check_table(table, self.lake, dataset)

    def _load(self, name: str) -> Table | None:
        try:
            return self.catalog.load_table(f"{self.namespace}.{name}")
        except NoSuchTableError:
            return None

    def follow(self, change: Change, table: Table | None) -> TableResult:
        """Write a change to a table, and begin again from the logs when another was in the way."""
        started = time.monotonic()
        written = Written()
        for attempt in range(_TRIES):
            try:
                table = self._write(change, table, written)
                break
            except _IN_THE_WAY as error:
                reason = error
                _log.info("The table of %s is read again: %s", change.dataset, reason)
                self.lake.sleep(random.uniform(0, _WAIT_SECONDS * 2**attempt))  # noqa: S311
                self._names = self._existing()
                table = self.load(change.dataset)
                (change,) = changes(self.lake, {change.dataset: numbers_of(table)})
        else:
            raise _in_vain(change.dataset, reason) from reason
        return _result(change.dataset, table, written, time.monotonic() - started)

    def _write(self, change: Change, table: Table | None, written: Written) -> Table | None:
        if not change:
            return table
        if table is None:
            identifier = f"{self.namespace}.{table_name(change.dataset)}"
            table = new_table(self.catalog, identifier, self.lake, change)
        table = prepare(table)
        parts = list(batches(change, _FILES_AT_ONCE))
        for number, part in enumerate(parts, 1):
            table = write(table, self.lake, part)
            written.add(part)
            _log.info("%s: snapshot %s of %s, %s files", change.dataset, number, len(parts), len(part.added))
        remove_old_snapshots(table, self.lake.now() - self.keep_snapshots)
        return table


def _check_names(datasets: Iterable[str]) -> None:
    names: dict[str, str] = {}
    for dataset in datasets:
        other = names.setdefault(table_name(dataset), dataset)
        if other != dataset:
            raise ValueError(
                f"the datasets {other!r} and {dataset!r} would have the same table, {table_name(dataset)!r}, "
                "since names of tables are in lower case: follow one of them only"
            )


def _in_vain(dataset: str, reason: Exception) -> Exception:
    if isinstance(reason, FileNotFoundError):
        return reason
    return TableConflict(
        f"the table of {dataset} could not be written in {_TRIES} tries, since others wrote to it each time "
        f"({reason}): let one follower run at a time; the next run goes on"
    )


def _result(dataset: str, table: Table | None, written: Written, seconds: float) -> TableResult:
    snapshot = None if table is None else table.current_snapshot()
    result = TableResult(
        dataset,
        version=None if snapshot is None else snapshot.snapshot_id,
        versions=written.snapshots,
        added=written.added,
        removed=written.removed,
        rows=written.rows,
        numbers=numbers_of(table),
    )
    if written.snapshots:
        _log.info(
            "%s: %s files (%s rows) added, %s removed in %.1f s",
            dataset,
            result.added,
            result.rows,
            result.removed,
            seconds,
        )
    return result
