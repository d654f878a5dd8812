"""The result of mapping, and what all mappers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from .identities import Identity

__all__ = ["MAX_BYTES", "MappedRecords", "Mapper", "pieces", "together"]

MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class MappedRecords:
    """The rows of records, and the records that cannot land.

    Attributes:
        tables: dataset name → rows, always with the dataset's schema.
        rejects: rows with the schema `REJECTS_SCHEMA`; for an event hub `HUB_REJECTS_SCHEMA`.
        records: the number of records read.
        type_mismatches: property → number of values that did not fit their column and went to `unmapped`.
        unmapped_fields: property without a column → number of its values; also `property=name` for a category
            that is neither a MITRE tactic nor documented by Microsoft. For an event hub, the keys of both
            look like `DeviceEvents.ReportId`.
        messages: the number of messages read from an event hub.
        duplicates: the number of event hub records that were dropped because their content came before.
        unknown_actions: `Table.action type` → number of records of an event hub with an action type that the
            catalogue does not know, and which have the table's default for `event.category` and so on.
    """

    tables: MappingType[str, pa.Table]
    rejects: pa.Table
    records: int = 0
    type_mismatches: MappingType[str, int] = field(default_factory=dict)
    unmapped_fields: MappingType[str, int] = field(default_factory=dict)
    messages: int = 0
    duplicates: int = 0
    unknown_actions: MappingType[str, int] = field(default_factory=dict)


class Mapper(Protocol):
    """Maps the records of a source batch by batch: a `RecordMapper` (REST) or an `EventMapper` (hub).

    A drain calls `map` for each batch and `finish` once at the end, and lands all that both yield.
    """

    def map(
        self,
        records: Sequence[Any],
        origins: pa.Table | None = None,
        identities: Sequence[Identity] | None = None,
    ) -> Iterable[MappedRecords]:
        """Map a batch of records (or messages). The result can include records of earlier batches.

        Args:
            records: the raw records, or the values of messages.
            origins: where they come from: one row per record, or one for all.
            identities: the identities of the records, if already known; messages of a hub have none.
        """

    def finish(self) -> Iterable[MappedRecords]:
        """Map the records that are still held back."""


def together(parts: Sequence[MappedRecords], empty: MappedRecords) -> MappedRecords:
    """All parts as one; `empty` is the result without any part."""
    tables: dict[str, list[pa.Table]] = {}
    mismatches: Counter[str] = Counter()
    unmapped: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    for part in parts:
        for name, table in part.tables.items():
            tables.setdefault(name, []).append(table)
        mismatches.update(part.type_mismatches)
        unmapped.update(part.unmapped_fields)
        actions.update(part.unknown_actions)
    return MappedRecords(
        {**empty.tables, **{name: pa.concat_tables(each) for name, each in tables.items()}},
        pa.concat_tables([part.rejects for part in parts] or [empty.rejects]),
        sum(part.records for part in parts),
        dict(mismatches),
        dict(unmapped),
        sum(part.messages for part in parts),
        sum(part.duplicates for part in parts),
        dict(actions),
    )


def pieces(table: pa.Table, max_bytes: int) -> Iterator[tuple[pa.Table, int]]:
    """Yield the table in slices of at most `max_bytes`, each with its size."""
    size = table.nbytes
    if size <= max_bytes or len(table) <= 1:
        yield table, size
        return
    half = len(table) // 2
    yield from pieces(table.slice(0, half), max_bytes)
    yield from pieces(table.slice(half), max_bytes)
