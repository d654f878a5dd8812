"""What mapping gives, and what all ways to it share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from .mapping import ORIGIN_FIELDS

__all__ = ["HUB_REJECTS_SCHEMA", "MAX_BYTES", "REJECTS_SCHEMA", "MappedRecords", "collector_paused", "pieces"]

MAX_BYTES = 32 * 1024 * 1024

REJECTS_SCHEMA = pa.schema(
    [
        pa.field("bytes", pa.binary()),
        pa.field("error", pa.string()),
        pa.field("path", pa.string()),
        pa.field("record_index", pa.int64()),
        pa.field("key", pa.string()),
        pa.field("version", pa.string()),
        pa.field("tenant", pa.string()),
    ]
)
"""Rejected records: their exact bytes, why and where (a property's name) they could not land, their place
among the records given, and the key and version under which `record_versions` knows them."""


HUB_REJECTS_SCHEMA = pa.schema(
    [
        *REJECTS_SCHEMA,
        *(field for field in ORIGIN_FIELDS if field.name != "tenant"),
        pa.field("record", pa.int32()),
    ]
)
"""Rejected messages of an event hub, or records of them: `record_index` is the message's place among those
given, `record` the record's place in its message; key is `reject:<sha256 of the bytes>`, version ""."""


@dataclass(frozen=True)
class MappedRecords:
    """Rows of records, and what could not land.

    Attributes:
        tables: dataset name → rows, always in the dataset's schema.
        rejects: rows as in `REJECTS_SCHEMA`; of an event hub as in `HUB_REJECTS_SCHEMA`.
        records: how many records came in.
        unfit_values: property → how many values did not fit their column and went to `unmapped`.
        unknown_fields: property without a column → how often it came; likewise `property=name` of a category
            that is no tactic of MITRE and that Microsoft does not document. Of an event hub, both have names
            like `DeviceEvents.ReportId`.
        messages: how many messages of an event hub came in.
        repeats: how many records of an event hub were dropped, because one with the same content has landed.
    """

    tables: MappingType[str, pa.Table]
    rejects: pa.Table
    records: int = 0
    unfit_values: MappingType[str, int] = field(default_factory=dict)
    unknown_fields: MappingType[str, int] = field(default_factory=dict)
    messages: int = 0
    repeats: int = 0


def pieces(table: pa.Table, max_bytes: int) -> Iterator[tuple[pa.Table, int]]:
    """The table in parts that fit, each with its size."""
    size = table.nbytes
    if size <= max_bytes or len(table) <= 1:
        yield table, size
        return
    half = len(table) // 2
    yield from pieces(table.slice(0, half), max_bytes)
    yield from pieces(table.slice(half), max_bytes)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Without garbage collection: reading makes many tuples and no cycles, and collections take long."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
