"""The actions that bring a change of the lake into a Delta table: versions of its log, in Delta's JSON."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa

from airflow_provider_defender.lake.errors import TableUnusable
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.layout import place_of
from airflow_provider_defender.lake.storage.storage import Storage
from airflow_provider_defender.lake.tables.base import Change
from airflow_provider_defender.lake.tables.delta_log import (
    VERSION_ID,
    Action,
    State,
    digest_transaction,
    transaction,
)
from airflow_provider_defender.lake.tables.delta_schema import (
    PARTITION_TYPES,
    delta_type,
    file_schema,
    merged_fields,
    new_field,
)

__all__ = ["actions"]

_PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 2}
"""The oldest there is: every reader knows it, and nothing newer is needed here."""

_SETTINGS = {"delta.dataSkippingNumIndexedCols": "1"}
"""Only the first column, `@timestamp`, has statistics.

Without that, deltalake 1.6 takes those missing for others to be null, and a filter of its pyarrow datasets by
such a column finds no row.
"""


def actions(storage: Storage, state: State, change: Change, now: datetime, remake: str) -> list[Action]:
    """Return the actions of the table's next version.

    Reads the footers of the added files. `remake`: what to do with a table that cannot follow. Raises
    `FileNotFoundError` if an added file has gone, `TableUnusable` if it does not fit the table.
    """
    moment = int(now.timestamp() * 1000)
    version = state.version + 1
    return [
        _info(change, moment),
        *_table(state, change, _schemas(storage, change.added), moment, remake),
        *(transaction(log, number, moment) for log, number in sorted(change.numbers.items())),
        *(digest_transaction(log, digest, moment) for log, digest in sorted(change.digests.items())),
        transaction(VERSION_ID, version, moment),
        *(_removal(path, path not in change.rewritten, moment) for path in change.removed),
        *(_addition(file, file.path not in change.rewritten, moment) for file in change.added.values()),
    ]


def _info(change: Change, moment: int) -> Action:
    """For people (`DESCRIBE HISTORY`); its ID tells a follower's version from that of another."""
    from airflow_provider_defender import __version__

    numbers = json.dumps(dict(change.numbers), sort_keys=True)
    return {
        "commitInfo": {
            "timestamp": moment,
            "operation": "WRITE",
            "operationParameters": {"mode": "Append", "commits": numbers},
            "isBlindAppend": not change.removed,
            "engineInfo": f"airflow-provider-defender/{__version__}",
            "txnId": secrets.token_hex(16),
        }
    }


# Files ------------------------------------------------------------------------------------------


def _addition(file: DataFile, data_change: bool, moment: int) -> Action:
    return {
        "add": {
            "path": _relative(file.path),
            "partitionValues": _partition_values(file.path),
            "size": file.bytes,
            "modificationTime": moment,
            "dataChange": data_change,
            "stats": json.dumps(_statistics(file), separators=(",", ":")),
        }
    }


def _removal(path: str, data_change: bool, moment: int) -> Action:
    return {
        "remove": {
            "path": _relative(path),
            "deletionTimestamp": moment,
            "dataChange": data_change,
            "partitionValues": _partition_values(path),
        }
    }


def _relative(path: str) -> str:
    """The path within the dataset's folder; its characters mean themselves in a URL."""
    return path[len(place_of(path)[0]) + 1 :]


def _partition_values(path: str) -> dict[str, str]:
    """The values of the partition's columns as Delta writes them: numbers without leading zeros."""
    parts = dict(part.split("=", 1) for part in place_of(path)[1].split("/"))
    return {
        name: str(int(value)) if PARTITION_TYPES[name] == "integer" else value
        for name, value in parts.items()
    }


def _statistics(file: DataFile) -> dict[str, Any]:
    """Delta's times have milliseconds: the earliest is rounded down and the latest up, to lose no row."""
    found: dict[str, Any] = {"numRecords": file.rows}
    if file.min_timestamp is None or file.max_timestamp is None:
        return found
    latest = file.max_timestamp
    if latest.microsecond % 1000:
        try:
            latest += timedelta(milliseconds=1)
        except OverflowError:  # the last millisecond of the year 9999
            return found
    return {
        **found,
        "minValues": {"@timestamp": _milliseconds(file.min_timestamp)},
        "maxValues": {"@timestamp": _milliseconds(latest)},
        "nullCount": {"@timestamp": 0},
    }


def _milliseconds(moment: datetime) -> str:
    utc = moment.astimezone(timezone.utc)
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


# The table --------------------------------------------------------------------------------------


def _schemas(storage: Storage, files: Mapping[str, DataFile]) -> dict[pa.Schema, str]:
    """The different schemas of the files, each with the path of a file that has it, in the files' order.

    Each file is looked at: releases differ in their columns, and a compaction brings what its inputs have.
    """
    read: dict[str, pa.Schema] = {}

    def note(path: str) -> None:
        read[path] = file_schema(storage, path)

    storage.for_each(note, files)
    found: dict[pa.Schema, str] = {}
    for path in files:
        found.setdefault(read[path], path)
    return found


def _table(
    state: State, change: Change, schemas: Mapping[pa.Schema, str], moment: int, remake: str
) -> list[Action]:
    """The actions that make the table, or give it columns that only new files have; often none.

    A table that an earlier release has made also gets the settings that it lacks.
    """
    partitions = _partition_columns(state, change, remake)
    before = json.loads(state.metadata["schemaString"])["fields"] if state.metadata else []
    fields = before
    for schema, path in schemas.items():

        def mismatch(column: str, table: Any, file: Any, path: str = path) -> TableUnusable:
            return TableUnusable(
                f"the column {column} of the dataset {change.dataset} has the type {json.dumps(file)} in "
                f"{path}, but {json.dumps(table)} in its Delta table. Columns keep their types within a "
                f"release; to follow another one, remove or rewrite the older files, and then: {remake}"
            )

        fields = merged_fields(fields, delta_type(schema, path), mismatch)
    had = state.metadata.get("configuration") or {}
    settings = {**_SETTINGS, **had}
    if state.metadata and fields == before and settings == had:
        return []
    if not state.metadata:
        fields = [*fields, *(new_field(name, PARTITION_TYPES[name]) for name in partitions)]
    text = json.dumps({"type": "struct", "fields": fields})
    if state.metadata:
        return [{"metaData": {**state.metadata, "schemaString": text, "configuration": settings}}]
    metadata = {
        "id": str(uuid.uuid4()),
        "name": change.dataset,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": text,
        "partitionColumns": list(partitions),
        "configuration": settings,
        "createdTime": moment,
    }
    return [{"protocol": _PROTOCOL}, {"metaData": metadata}]


def _partition_columns(state: State, change: Change, remake: str) -> Sequence[str]:
    """The partition columns of the table and of all added files. Raises `TableUnusable` if they differ."""
    found = {tuple(_partition_values(path)): path for path in change.added}
    if state.metadata:
        found.setdefault(tuple(state.metadata["partitionColumns"]), "its Delta table")
    if len(found) > 1:
        named = "; ".join(f"{', '.join(columns)} in {where}" for columns, where in found.items())
        raise TableUnusable(
            f"the dataset {change.dataset} has different partition columns: {named}. A Delta table has the "
            f"same ones everywhere. {remake}"
        )
    return next(iter(found), ())
