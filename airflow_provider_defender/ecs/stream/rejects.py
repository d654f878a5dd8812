"""Rejects of a hub's messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from airflow_provider_defender.landing import HUB_REJECTS_SCHEMA

from ..engine.rows import constant_column

__all__ = ["Reject", "rejects_table"]


class Reject(NamedTuple):
    """Bytes that cannot land: their key, the error, its property, and the numbers of message and record."""

    data: bytes
    key: str
    error: str
    path: str
    message: int
    record: int


def rejects_table(rejects: Sequence[Reject], origins: pa.Table) -> pa.Table:
    """The rejects with the schema `HUB_REJECTS_SCHEMA`; `origins` has a row for each."""
    data, keys, errors, paths, messages, records = zip(*rejects, strict=True)
    columns: dict[str, Any] = {
        **{name: origins.column(name).combine_chunks() for name in origins.column_names},
        "bytes": pa.array(data, pa.binary()),
        "error": pa.array(errors, pa.string()),
        "path": pa.array(paths, pa.string()),
        "record_index": pa.array(messages, pa.int64()),
        "key": pa.array(keys, pa.string()),
        "version": constant_column("", pa.string(), len(data)),
        "record": pa.array(records, pa.int32()),
    }
    return pa.table([columns[name] for name in HUB_REJECTS_SCHEMA.names], schema=HUB_REJECTS_SCHEMA)
