"""One Iceberg table: how it is made, how far it has come, and how a change is written to it."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, ResolveError, ValidationError
from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.table import Table, Transaction
from pyiceberg.transforms import DayTransform

from airflow_provider_defender.lake.errors import TableUnusable
from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.layout import partition_span, place_of
from airflow_provider_defender.lake.tables.base import Change, Followed
from airflow_provider_defender.lake.tables.iceberg_catalog import location

__all__ = [
    "check_table",
    "dataset_of",
    "followed_by",
    "new_table",
    "prepare",
    "remove_old_snapshots",
    "write",
]

_DATASET = "defender.dataset"
"""The property of a table that names its dataset."""

_LAKE = "defender.lake"
"""The property of a table that has the address of its lake."""

_NUMBER = "defender.log."
"""In the summary of a snapshot: before the name of a log, whose last commit in the table it gives."""

_DIGEST = "defender.digest."
"""Likewise, whose last commit in the table has this digest; no entry: it is not known."""

_TIME = "@timestamp"

_RETRIES = "commit.retry.num-retries"

_NAMES = "schema.name-mapping.default"

# Their own signatures are hidden by pydantic's.
_at_least: Any = GreaterThanOrEqual
_below: Any = LessThan

_PROPERTIES = {
    "format-version": "2",
    # pyiceberg tries a conflicting append again without asking what the other has appended: from 0.11 on,
    # two followers could add the same files twice. This follower reads the table again instead.
    _RETRIES: "0",
    # Statistics of all of a dataset's hundreds of columns would be most of the metadata, and help no query:
    # files are by time. Those of long texts are missing, of which pyiceberg would warn for each file.
    "write.metadata.metrics.default": "none",
    f"write.metadata.metrics.column.{_TIME}": "full",
    # Programs that expire snapshots, or drop the table with its files, would delete files of the lake.
    "gc.enabled": "false",
    # Of the table's own metadata files, only the latest are kept.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


# Making and checking a table --------------------------------------------------------------------


def new_table(catalog: Catalog, identifier: str, lake: Lake, change: Change) -> Table:
    """Make the table of a dataset, still empty, with the columns of the first file to come.

    The days of `@timestamp` are its partitions, for events, too: within a day the files' own times are as
    good for queries as its hours would be.
    """
    first = next(iter(change.added.values()))
    schema = _footer(lake, first).schema.to_arrow_schema()
    properties = {**_PROPERTIES, _DATASET: change.dataset, _LAKE: lake.storage.url("")}
    with catalog.create_table_transaction(identifier, schema, properties=properties) as transaction:
        with transaction.update_spec() as spec:
            spec.add_field(_TIME, DayTransform(), "day")
        # The lake's files have no field IDs.
        names = transaction.table_metadata.schema().name_mapping
        transaction.set_properties({_NAMES: names.model_dump_json()})
    return catalog.load_table(identifier)


def check_table(table: Table, lake: Lake, dataset: str) -> None:
    """Raise `TableUnusable` for a table that is not of this dataset of this lake."""
    if dataset_of(table, lake) != dataset:
        raise TableUnusable(
            f"the Iceberg table {'.'.join(table.name())} is not of the dataset {dataset!r} of the lake "
            f"{lake.storage.url('')!r}, but of {table.properties.get(_DATASET)!r} of the lake "
            f"{table.properties.get(_LAKE)!r}: choose another namespace, or drop the table (never purge it: "
            "that would delete the lake's files)"
        )


def dataset_of(table: Table, lake: Lake) -> str | None:
    """Return the dataset of a table; None if it is none of this lake."""
    is_of_lake = table.properties.get(_LAKE) == lake.storage.url("")
    return table.properties.get(_DATASET) if is_of_lake else None


def prepare(table: Table) -> None:
    """Make sure that pyiceberg does not repeat a commit that another one has overtaken."""
    if table.properties.get(_RETRIES) != _PROPERTIES[_RETRIES]:
        with table.transaction() as transaction:
            transaction.set_properties({_RETRIES: _PROPERTIES[_RETRIES]})


def followed_by(table: Table | None) -> Followed:
    """Return up to which commits a table has come, as its newest snapshot by a follower says.

    Raises `TableUnusable` if another program has changed the table's files.
    """
    snapshot = None if table is None else table.current_snapshot()
    if table is None or snapshot is None:
        return Followed()
    while snapshot is not None:
        summary = snapshot.summary.additional_properties if snapshot.summary else {}
        numbers, digests = (
            {key[len(start) :]: value for key, value in summary.items() if key.startswith(start)}
            for start in (_NUMBER, _DIGEST)
        )
        if numbers:
            return Followed({log: int(number) for log, number in numbers.items()}, digests)
        if _changes_files(summary):
            raise _changed(table, f"its snapshot {snapshot.snapshot_id} has added or removed files")
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else table.snapshot_by_id(parent)
    raise _changed(table, "no snapshot says how far it has come")


def _changes_files(summary: Any) -> bool:
    counts = ("added-data-files", "deleted-data-files", "added-delete-files", "removed-delete-files")
    return any(summary.get(name, "0") != "0" for name in counts)


def _changed(table: Table, how: str) -> TableUnusable:
    return TableUnusable(
        f"the Iceberg table {'.'.join(table.name())} was changed by another program: {how}. Only the "
        "follower may write to it. Drop the table (never purge it: that would delete the lake's files), and "
        "run again, which makes it anew"
    )


# Writing ----------------------------------------------------------------------------------------


def write(table: Table, lake: Lake, change: Change) -> Table:
    """Write a change to a table as one snapshot, and return the table after it.

    Raises `CommitFailedException` if another has written to the table since it was loaded,
    `FileNotFoundError` if a file is gone, `TableUnusable`, and what the store and pyiceberg raise.
    """
    removed = _files_in_table(table, lake, change)
    before = followed_by(table)
    numbers = {**before.numbers, **change.numbers}
    digests = {**before.digests, **change.digests}
    transaction = table.transaction()
    added = _NewFiles(lake, transaction)
    lake.storage.for_each(added.read, change.added.values())
    update = transaction.update_snapshot(
        {
            **{f"{_NUMBER}{log}": str(number) for log, number in numbers.items()},
            **{f"{_DIGEST}{log}": digest for log, digest in digests.items() if digest},
        }
    )
    producer: Any = update.overwrite() if removed else update.merge_append()
    for path in change.added:
        producer.append_data_file(added.found[path])
    for file in removed:
        producer.delete_data_file(file)
    producer.commit()
    return transaction.commit_transaction()


def _files_in_table(table: Table, lake: Lake, change: Change) -> list[IcebergFile]:
    """The table's files to be removed, as its manifests describe them."""
    if not change.removed:
        return []
    wanted = {location(lake, path) for path in change.removed}
    spans = [partition_span(place_of(path)[1]) for path in change.removed]
    times = And(
        _at_least(_TIME, min(start for start, _ in spans).isoformat()),
        _below(_TIME, max(end for _, end in spans).isoformat()),
    )
    tasks = table.scan(row_filter=times).plan_files()
    found = {task.file.file_path: task.file for task in tasks if task.file.file_path in wanted}
    if missing := wanted - found.keys():
        raise _changed(table, f"it lacks {len(missing)} of its files, such as {min(missing)}")
    return list(found.values())


class _NewFiles:
    """Files to be added to a table, described from their footers; several may be read side by side.

    `found`: the descriptions, by path. Columns that the table lacks are added to the transaction.
    """

    def __init__(self, lake: Lake, transaction: Transaction) -> None:
        self.found: dict[str, IcebergFile] = {}
        self._lake = lake
        self._transaction = transaction
        self._lock = threading.Lock()
        self._known: list[pa.Schema] = []

    def _plan(self) -> None:
        # Kept, since pyiceberg copies all of it whenever it is asked for.
        self._metadata = metadata = self._transaction.table_metadata
        self._statistics: dict[str, Any] = {
            "stats_columns": compute_statistics_plan(metadata.schema(), metadata.properties),
            "parquet_column_mapping": parquet_path_to_id_mapping(metadata.schema()),
        }

    def read(self, file: DataFile) -> None:
        """Describe a file."""
        footer = _footer(self._lake, file)
        schema = footer.schema.to_arrow_schema()
        with self._lock:
            if schema not in self._known:
                self._add_columns(schema, file)
            self.found[file.path] = self._described(footer, file)

    def _add_columns(self, schema: pa.Schema, file: DataFile) -> None:
        try:
            with self._transaction.update_schema() as update:
                update.union_by_name(schema)
        except (ValueError, ValidationError, ResolveError) as error:
            raise TableUnusable(
                f"the file {file.path} has a column whose type does not go with that in the Iceberg table "
                f"of {file.dataset}: {error}. Map the dataset again, so that its files agree"
            ) from error
        self._known.append(schema)
        self._plan()

    def _described(self, footer: pq.FileMetaData, file: DataFile) -> IcebergFile:
        statistics = data_file_statistics_from_parquet_metadata(footer, **self._statistics)
        described = statistics.to_serialized_dict()
        # Sizes of hundreds of columns, of which no reader makes use.
        sizes = {key: size for key, size in statistics.column_sizes.items() if key in statistics.value_counts}
        return IcebergFile.from_args(
            **{**described, "column_sizes": sizes},
            content=DataFileContent.DATA,
            file_path=location(self._lake, file.path),
            file_format=FileFormat.PARQUET,
            partition=statistics.partition(self._metadata.spec(), self._metadata.schema()),
            file_size_in_bytes=file.bytes,
            sort_order_id=None,
            spec_id=self._metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
        )


def _footer(lake: Lake, file: DataFile) -> pq.FileMetaData:
    # Not through pyiceberg, which would need credentials of its own for the lake.
    with lake.storage.open_input(file.path) as source:
        return pq.read_metadata(source)


def remove_old_snapshots(table: Table, before: datetime) -> None:
    """Remove snapshots older than a moment from a table's metadata, never the current one; no file goes.

    Without that, the metadata would grow with every snapshot, and each commit writes all of it.
    """
    current = table.current_snapshot()
    milliseconds = before.timestamp() * 1000
    old = [
        snapshot.snapshot_id
        for snapshot in table.snapshots()
        if snapshot.timestamp_ms < milliseconds and snapshot != current
    ]
    if not old:
        return
    expire = table.maintenance.expire_snapshots()
    expire._snapshot_ids_to_expire = set()  # pyiceberg 0.10 has one set for all tables
    expire.older_than(before)
    with suppress(CommitFailedException):  # another follower has written: it does so, too
        expire.commit()
