"""Mapping the records of a REST source to rows of its dataset, in slices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.landing import REJECTS_SCHEMA

from ..mapping import Mapping
from ..registry import find_mapping, schema
from .chunks import Batch, ChunkReader, Origins
from .collector import collector_paused
from .identities import Identity, Record, bytes_of
from .mapped import MAX_BYTES, MappedRecords, pieces
from .rows import RowBuilder
from .typed import Columns

__all__ = ["RecordMapper", "map_batches"]

_CHUNK_RECORDS = 2500
_CHUNK_BYTES = 10 * 1024 * 1024
_ROW_BYTES = 6 * 1024


class RecordMapper:
    """Maps the records of a REST source, batch by batch: a `Mapper`.

    Nothing is held back between batches: the result of `map` covers exactly the records given.

    Args:
        source: the name of a registered mapping, for example `endpoint_alerts`, or a mapping.
        ingested: the run's start, for `event.ingested`.
        keep_original: whether `event.original` holds the record's exact text, on its first row.
        max_bytes: the most Arrow data of one result, in bytes; a single row is never divided, however large.
            None: everything in one result.
    """

    def __init__(
        self,
        source: str | Mapping,
        *,
        ingested: datetime | None = None,
        keep_original: bool = True,
        max_bytes: int | None = MAX_BYTES,
    ) -> None:
        self._mapping = find_mapping(source)
        self._most = max_bytes
        self._reader = ChunkReader(self._mapping, keep_original=keep_original)
        self._builder = RowBuilder(self._mapping, schema(self._mapping), ingested)
        self._empty = schema(self._mapping).empty_table()

    def map(
        self,
        records: Iterable[Record],
        origins: pa.Table | None = None,
        identities: Iterable[Identity] | None = None,
    ) -> Iterator[MappedRecords]:
        """The rows of these records; a record's rows may span results.

        Args:
            records: JSON objects as the source sent them, in UTF-8.
            origins: a table with the columns `tenant` and, optionally, `log`: one row per record, or one for
                all.
            identities: one per record, from `ecs.identities` for the same tenant; None: they are determined.

        Raises:
            ValueError: the numbers of records and identities differ.
        """
        most = self._most or MAX_BYTES
        waiting = _Slice(self._mapping.dataset)
        for batch in _batches(records, Origins(self._mapping.source, origins), identities):
            waiting.records += len(batch.records)
            for table, rejected in self._tables(batch, most):
                rejects = rejected
                for piece, size in pieces(table, most):
                    if self._most is not None and waiting.overflows(size + rejects.nbytes, most):
                        yield self._take(waiting)
                    waiting.add(piece, size, rejects)
                    rejects = rejects.slice(0, 0)
        if waiting.records or waiting.size:
            yield self._take(waiting)

    def finish(self) -> Iterator[MappedRecords]:
        """Nothing: `map` holds nothing back."""
        return iter(())

    def _tables(self, batch: Batch, most: int) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Rows and rejects of the records, in slices that fit."""
        with collector_paused():
            chunk, rejects = self._reader.read(batch)
            by_record = self._builder.prepare(chunk) if chunk else {}
        if chunk is None:
            yield self._empty, rejects
            return
        for start, stop in _ranges(chunk.sizes, chunk.columns, most):
            with collector_paused():
                rows = self._builder.build(chunk, by_record, start, stop)
            yield pa.Table.from_batches([rows]), rejects
            rejects = rejects.slice(0, 0)

    def _take(self, waiting: _Slice) -> MappedRecords:
        """Return everything that waits, and start again."""
        mismatches, unmapped = self._reader.reader.counts.take()
        result = MappedRecords(
            {waiting.dataset: pa.concat_tables(waiting.tables or [self._empty])},
            pa.concat_tables(waiting.rejects or [REJECTS_SCHEMA.empty_table()]),
            waiting.records,
            mismatches,
            unmapped,
        )
        waiting.tables, waiting.rejects, waiting.size, waiting.records = [], [], 0, 0
        return result


def map_batches(
    source: str | Mapping,
    records: Iterable[Record],
    *,
    origins: pa.Table | None = None,
    ingested: datetime | None = None,
    max_bytes: int | None = MAX_BYTES,
    keep_original: bool = True,
    identities: Iterable[Identity] | None = None,
) -> Iterator[MappedRecords]:
    """Map records in slices of at most `max_bytes` of Arrow data, so that memory is bounded.

    A record's rows may span slices; a single row is never divided, however large. With `max_bytes=None`,
    everything is one slice. `identities` are those of the records, if already known (see `RecordMapper.map`).
    The other arguments are those of `map_records`.
    """
    mapper = RecordMapper(source, ingested=ingested, keep_original=keep_original, max_bytes=max_bytes)
    return mapper.map(records, origins, identities)


@dataclass
class _Slice:
    """Rows and rejects that wait until the slice is full."""

    dataset: str
    tables: list[pa.Table] = field(default_factory=list)
    rejects: list[pa.Table] = field(default_factory=list)
    size: int = 0
    records: int = 0

    def overflows(self, size: int, most: int) -> bool:
        """Whether this many more bytes would be too many."""
        return bool(self.size) and self.size + size > most

    def add(self, table: pa.Table, size: int, rejects: pa.Table) -> None:
        self.tables.append(table)
        self.rejects.append(rejects)
        self.size += size + rejects.nbytes


def _batches(
    records: Iterable[Record], origins: Origins, identities: Iterable[Identity] | None
) -> Iterator[Batch]:
    """Yield the records in batches that are read at once."""
    first, size = 0, 0
    batch: list[bytes] = []
    known: list[Identity | None] = []
    pairs = zip(records, repeat(None)) if identities is None else zip(records, identities, strict=True)
    for record, identity in pairs:
        data = bytes_of(record)
        batch.append(data)
        known.append(identity)
        size += len(data)
        if len(batch) >= _CHUNK_RECORDS or size >= _CHUNK_BYTES:
            yield Batch(batch, first, origins, _all_known(known))
            first, batch, known, size = first + len(batch), [], [], 0
    if batch:
        yield Batch(batch, first, origins, _all_known(known))


def _all_known(identities: Sequence[Identity | None]) -> Sequence[Identity] | None:
    return [each for each in identities if each is not None] or None


def _ranges(sizes: Sequence[int], columns: Columns, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows to build at once: all, unless repeating large records on their rows takes too much."""
    counts = pc.value_counts(columns.parents).field("counts").to_pylist()
    if sum(size * count for size, count in zip(sizes, counts, strict=False)) <= 2 * max_bytes:
        yield 0, len(columns.parents)
        return
    start, filled, row = 0, 0, 0
    for number, (size, count) in enumerate(zip(sizes, counts, strict=False)):
        own = sum(column.slice(number, 1).nbytes for column in columns.record.values())
        cost = 3 * own + 3 * size // count + _ROW_BYTES
        for _ in range(count):
            if filled + cost > max_bytes and row > start:
                yield start, row
                start, filled = row, 0
            filled, row = filled + cost, row + 1
    yield start, row
