"""Iceberg tables over the landed files, through pyiceberg (extra `iceberg`).

Each dataset has a table, whose data files are the lake's own: nothing is copied or rewritten. A snapshot of a
table carries up to which commit of which log it has come, so files and numbers change together.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping
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

from airflow_provider_defender._plural import counted
from airflow_provider_defender.lake.errors import LakeError, TableConflict, TableUnusable
from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.reading import as_lake
from airflow_provider_defender.lake.tables.base import (
    Change,
    Followed,
    TableResult,
    Written,
    batches,
    changes,
    follow_all,
)
from airflow_provider_defender.lake.tables.base import chosen_datasets as datasets_of
from airflow_provider_defender.lake.tables.iceberg_catalog import check_locations, open_catalog
from airflow_provider_defender.lake.tables.iceberg_table import (
    check_table,
    dataset_of,
    followed_by,
    new_table,
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
    lake: Any,
    catalog: Catalog | Mapping[str, Any] | str,
    namespace: str = "defender",
    datasets: str | Iterable[str] | None = None,
    *,
    keep_snapshots: timedelta | None = timedelta(days=5),
    new_tables: bool = True,
) -> list[TableResult]:
    """Bring the Iceberg table of each dataset to the state of the lake's logs; tables are made if needed.

    A table's change is one snapshot: files that have come and gone, and the numbers of the commits followed.
    So this can be killed anywhere and run again, also beside another run. The tables of the other datasets
    are brought up to date before an error of one is raised.

    Args:
        lake: a `Lake`, a local path, a URL that fsspec understands, or an Airflow `ObjectStoragePath`.
        catalog: a pyiceberg catalog; or the name of one in pyiceberg's own configuration (`.pyiceberg.yaml`,
            environment); or a catalog's properties, such as `{"type": "rest", "uri": …}`, with its `name`
            (default: `defender`). A catalog opened here reads and writes what lies in the lake's own bucket
            or container with the lake's credentials, unless its properties name a `py-io-impl`.
        namespace: the namespace of the tables; made if it does not exist.
        datasets: the datasets to follow, such as `alerts` or `["alerts", "events/DeviceInfo"]`; None: all.
            A table is named as its dataset, in lower case and with `_` for `/`: `events_deviceinfo`.
        keep_snapshots: older snapshots are removed from a table when it is written; None: none are. Their
            files stay.
        new_tables: make a table for a dataset that has none; False: leave that dataset alone.

    Returns:
        What was done to each table; the version is the ID of its current snapshot.

    Raises:
        TableUnusable: a table is ahead of the logs, or has followed other commits than they have now; it
            belongs to another lake, or was changed by another program; or the files of a dataset have types
            that do not go together.
        TableConflict: others kept writing to a table.
        ValueError: the name of a dataset, the namespace or the lake's address cannot be used.
        CommitUnreadable: a commit of a log is damaged. Errors of the store and of pyiceberg pass through.
    """
    lake = as_lake(lake)
    check_locations(lake)
    if not isinstance(catalog, Catalog):
        catalog = open_catalog(catalog, lake)
    follower = _Follower(lake, catalog, namespace, keep_snapshots)
    follower.read(datasets, new_tables=new_tables)
    return follow_all(lake, follower.followed, follower.failures, follower.follow)


def table_name(dataset: str) -> str:
    """Return the name of a dataset's table: in lower case, since some catalogs know no other."""
    return dataset.replace("/", "_").lower()


class _Follower:
    """One run over the tables of a namespace.

    `tables`: the table of each dataset, None where there is none yet; `followed`: how far all have come that
    can be followed; `failures`: the errors of the others.
    """

    def __init__(
        self, lake: Lake, catalog: Catalog, namespace: str, keep_snapshots: timedelta | None
    ) -> None:
        self.tables: dict[str, Table | None] = {}
        self.followed: dict[str, Followed] = {}
        self.failures: list[LakeError] = []
        self._lake = lake
        self._catalog = catalog
        self._namespace = namespace
        self._keep_snapshots = keep_snapshots

    def read(self, datasets: str | Iterable[str] | None, *, new_tables: bool) -> None:
        """Read how far the tables have come. The namespace is made if tables may be."""
        existing = self._existing(make=new_tables)
        chosen = datasets_of(self._lake, datasets, "")
        names = _names(chosen)
        if datasets is None:  # also those from which retention has taken the last file
            chosen += self._without_files(existing - names.keys())
        for dataset in chosen:
            if not new_tables and table_name(dataset) not in existing:
                continue
            try:
                self._read(dataset)
            except TableUnusable as error:
                self.failures.append(error)

    def _existing(self, *, make: bool) -> set[str]:
        """The names of the tables of the namespace."""
        try:
            return {identifier[-1] for identifier in self._catalog.list_tables(self._namespace)}
        except NoSuchNamespaceError:
            if make:
                self._catalog.create_namespace_if_not_exists(self._namespace)
            return set()

    def _without_files(self, names: Iterable[str]) -> list[str]:
        """The datasets of this lake that have a table of one of these names."""
        found = []
        for name in sorted(names):
            table = self._load(name)
            dataset = table and dataset_of(table, self._lake)
            if dataset and table_name(dataset) == name:
                found.append(dataset)
        return found

    def _read(self, dataset: str) -> None:
        table = self._load(table_name(dataset))
        if table is not None:
            check_table(table, self._lake, dataset)
        self.followed[dataset] = followed_by(table)
        self.tables[dataset] = table

    def _load(self, name: str) -> Table | None:
        try:
            return self._catalog.load_table(f"{self._namespace}.{name}")
        except NoSuchTableError:
            return None

    def follow(self, change: Change) -> TableResult:
        """Write a change to its table, and begin again from the logs when another was in the way."""
        dataset, written = change.dataset, Written()
        for attempt in range(_TRIES):
            try:
                self._write(change, written)
                return _result(dataset, self.tables[dataset], written)
            except _IN_THE_WAY as error:
                reason = error
            _log.info("The Iceberg table of %s is read again, since another was faster: %s", dataset, reason)
            self._lake.sleep(random.uniform(0, _WAIT_SECONDS * 2**attempt))  # noqa: S311
            self._read(dataset)
            (change,) = changes(self._lake, {dataset: self.followed[dataset]})
        raise _in_vain(dataset, reason) from reason

    def _write(self, change: Change, written: Written) -> None:
        if not change:
            return
        dataset = change.dataset
        table = self.tables[dataset]
        if table is None:
            table = new_table(self._catalog, f"{self._namespace}.{table_name(dataset)}", self._lake, change)
        prepare(table)
        for part in batches(change, _FILES_AT_ONCE):
            table = write(table, self._lake, part)
            self.tables[dataset] = table
            written.add(part)
            _log.info(
                "%s: a snapshot of its Iceberg table adds %s and removes %s",
                dataset,
                counted(len(part.added), "file"),
                counted(len(part.removed), "file"),
            )
        if self._keep_snapshots is not None:
            remove_old_snapshots(table, self._lake.now() - self._keep_snapshots)


def _names(datasets: Iterable[str]) -> dict[str, str]:
    """The datasets by the names of their tables. Raises `ValueError` if two would have the same."""
    names: dict[str, str] = {}
    for dataset in datasets:
        other = names.setdefault(table_name(dataset), dataset)
        if other != dataset:
            raise ValueError(
                f"the datasets {other!r} and {dataset!r} would have the same table, {table_name(dataset)!r}, "
                "since names of tables are in lower case: follow one of them only"
            )
    return names


def _in_vain(dataset: str, reason: Exception) -> TableConflict | TableUnusable:
    if isinstance(reason, FileNotFoundError):
        return TableUnusable(
            f"a file of {dataset} that counts, or of its Iceberg table, is not there, so the table cannot "
            f"follow: {reason}. Restore it; `verify` names all files that the lake lacks"
        )
    return TableConflict(
        f"others wrote to the Iceberg table of {dataset} faster, {_TRIES} times ({reason}): run it again, "
        "and let only one run follow the lake at a time"
    )


def _result(dataset: str, table: Table | None, written: Written) -> TableResult:
    snapshot = None if table is None else table.current_snapshot()
    return written.result(
        dataset, None if snapshot is None else snapshot.snapshot_id, followed_by(table).numbers
    )
