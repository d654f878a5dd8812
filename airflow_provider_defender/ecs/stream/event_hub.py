"""Mapping the messages of an event hub to rows of the datasets `events/<Table>`."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, takewhile

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.landing import HUB_REJECTS_SCHEMA, ORIGIN_FIELDS, TIMESTAMP

from ..columns import lower_guids, only_where
from ..engine.collector import collector_paused
from ..engine.identities import Identity
from ..engine.mapped import MAX_BYTES, MappedRecords, pieces, together
from ..mapping import Mapping
from .duplicates import RecentHashes
from .messages import MessageReader
from .rejects import Reject, rejects_table
from .route import EventTables, known_event_tables
from .split import LARGE_MESSAGE
from .table import EventTable

__all__ = ["EventMapper", "known_event_tables", "map_messages", "unread_messages"]

_READ_MESSAGES = 1000
_READ_BYTES = 2 * 1024 * 1024
"""The number of messages read before checking for full tables."""
_TABLE_RECORDS = 5000
"""The number of records of a table for which mapping them is worthwhile."""
_END_OF_CALENDAR = pa.scalar(253_402_300_800_000_000, pa.int64()).cast(TIMESTAMP)


class EventMapper:
    """Maps the messages of one drain, batch by batch: a `Mapper`.

    Records are held back until there are a few thousand of their table, so the result of `map` can include
    records of earlier messages. Only after `finish` is every record of every message in a table or in the
    rejects, or was dropped as a duplicate. Memory does not grow with the number of messages.

    Accepted are messages of the Streaming API (a list `records`, or bare records, or several documents),
    Defender for Cloud's continuous export, and logs of Azure Monitor; everything else is rejected. A record
    of a streaming table without a mapping lands in a dataset of its own, with all of its properties in
    `unmapped`, if the lake has fewer than 100 such tables, else in `events/Unknown`. It is rejected if the
    table's name is not one of at most 64 letters and digits. Each mapper counts for itself, beginning with
    `unknown_tables`, and spells a new table as its first record does, so mappers that run in parallel may
    together create more datasets.

    Args:
        ingested: the run's start, for `event.ingested`.
        log: the name of the log that the rows are committed to, for `landing.log`.
        keep_original: whether `event.original` holds the record's exact text.
        drop_duplicates: whether to drop a record with the tenant, table and content of one of the last
            1,000,000: the exporter sends some records again, with a new time in the envelope. Applies only to
            Streaming API records with a time of their own; snapshots can legitimately repeat their content.
        unknown_tables: tables without a mapping for which the lake has a dataset; of several spellings, the
            first in alphabetical order is used.
        max_bytes: the most Arrow data of one result, in bytes; a single row is never divided. None: no limit.
    """

    def __init__(
        self,
        *,
        ingested: datetime | None = None,
        log: str | None = None,
        keep_original: bool = True,
        drop_duplicates: bool = True,
        unknown_tables: Iterable[str] = (),
        max_bytes: int | None = MAX_BYTES,
    ) -> None:
        def make(name: str, mapping: Mapping) -> EventTable:
            return EventTable(name, mapping, ingested=ingested, log=log, keep_original=keep_original)

        self._tables = EventTables(make, unknown_tables)
        self._reader = MessageReader(self._tables, RecentHashes() if drop_duplicates else None)
        self._max_bytes = max_bytes or 2**62
        self._most_kept = min(self._max_bytes, MAX_BYTES)
        self._read = 0
        self._counts: Counter[str] = Counter()
        self._rejects: list[pa.Table] = []

    def map(
        self,
        records: Sequence[bytes | None],
        origins: pa.Table | None = None,
        identities: Sequence[Identity] | None = None,
    ) -> Iterator[MappedRecords]:
        """Read messages, and yield the rows of tables with enough records.

        Args:
            records: the messages' values; None for one without a value.
            origins: one row per message (or one for all), with any of the columns `namespace`, `hub`,
                `partition`, `offset`, `enqueued` and `tenant` (the hub's tenant, for records that name none).
            identities: not used: offsets identify messages, and a hash of the content identifies a record.
        """
        rows = origin_rows(origins, len(records))
        start = 0
        while start < len(records):
            value = records[start]
            if value is not None and len(value) > LARGE_MESSAGE:
                yield from self._read_large(value, rows.slice(start, 1), self._read + start)
                start += 1
                continue
            with collector_paused():
                tenants = rows.column("tenant").slice(start, _READ_MESSAGES)
                stop = self._read_some(records, start, _texts_of(tenants))
                self._settle(rows.slice(start, stop - start), self._read + start)
            start = stop
            yield from self._due()
        self._read += len(records)

    def finish(self) -> Iterator[MappedRecords]:
        """Yield the rows of all records held back, and the last rejects."""
        yield from self._give(sorted(self._tables, key=lambda table: table.dataset))
        if self._rejects or self._counts:
            yield self._mapped({})

    def _read_some(self, values: Sequence[bytes | None], start: int, tenants: Sequence[str | None]) -> int:
        sizes = [len(value or b"") for value in values[start : start + _READ_MESSAGES]]
        if max(sizes) > LARGE_MESSAGE:
            sizes = list(takewhile(lambda size: size <= LARGE_MESSAGE, sizes))
        count = min(bisect_left(list(accumulate(sizes)), _READ_BYTES) + 1, len(sizes))
        self._reader.read(values[start : start + count], self._read + start, tenants[:count])
        self._counts["messages"] += count
        return start + count

    def _read_large(self, value: bytes, origins: pa.RecordBatch, message: int) -> Iterator[MappedRecords]:
        """Read a message whose records may not all fit in memory at once."""
        self._counts["messages"] += 1
        read = 0
        for size in self._reader.read_large(value, message, origins.column("tenant")[0].as_py()):
            read += size
            if read >= _READ_BYTES:
                self._settle(origins, message)
                yield from self._due()
                read = 0
        self._settle(origins, message)
        yield from self._due()

    def _settle(self, origins: pa.RecordBatch, first: int) -> None:
        """Add the origins of messages from number `first` on to their records and rejects."""
        for table in self._tables:
            self._counts["records"] += table.settle(origins, first)
        rejects, self._reader.rejects = self._reader.rejects, []
        if rejects:
            places = pa.array([each.message - first for each in rejects], pa.int32())
            self._rejects.append(rejects_table(rejects, pa.Table.from_batches([origins.take(places)])))
            self._counts["records"] += len(rejects)
        self._counts["duplicates"] += self._reader.duplicates
        self._counts["records"] += self._reader.duplicates
        self._reader.duplicates = 0

    def _due(self) -> Iterator[MappedRecords]:
        """Yield the rows of tables with many records, and of the largest if all together are too large."""
        kept = sorted(self._tables, key=lambda table: table.size)
        total = sum(table.size for table in kept)
        due = []
        while kept and (total > self._most_kept // 4 or self._is_full(kept[-1])):
            due.append(kept.pop())
            total -= due[-1].size
        due += [table for table in kept if self._is_full(table)]
        yield from self._give(due)
        if sum(table.nbytes for table in self._rejects) > self._most_kept // 4:
            yield self._mapped({})

    def _is_full(self, table: EventTable) -> bool:
        return len(table) >= _TABLE_RECORDS or table.size > self._most_kept // 4

    def _give(self, due: Iterable[EventTable]) -> Iterator[MappedRecords]:
        """The tables' rows, several small tables together."""
        ready: dict[str, pa.Table] = {}
        size = 0
        for source in due:
            if not len(source):
                continue
            with collector_paused():
                table, timeless = source.build()
            self._rejects.append(timeless)
            for piece, piece_size in pieces(table, self._max_bytes):
                if ready and (size + piece_size > self._max_bytes or source.dataset in ready):
                    yield self._mapped(ready)
                    ready, size = {}, 0
                ready[source.dataset] = piece
                size += piece_size
            del table
        if ready:
            yield self._mapped(ready)

    def _mapped(self, tables: dict[str, pa.Table]) -> MappedRecords:
        mismatches: dict[str, int] = {}
        unmapped: dict[str, int] = {}
        actions: dict[str, int] = {}
        for table in self._tables:
            taken = (*table.reader.counts.take(), table.reader.counts.take_actions())
            for counts, own in zip((mismatches, unmapped, actions), taken, strict=True):
                counts.update((f"{table.name}.{name}", count) for name, count in own.items())
        rejects, self._rejects = self._rejects, []
        counted, self._counts = self._counts, Counter()
        return MappedRecords(
            tables,
            pa.concat_tables(rejects or [HUB_REJECTS_SCHEMA.empty_table()]),
            counted["records"],
            mismatches,
            unmapped,
            counted["messages"],
            counted["duplicates"],
            actions,
        )


def origin_rows(origins: pa.Table | None, count: int) -> pa.RecordBatch:
    """The origins of `count` messages, with all columns and types; missing columns are null.

    Raises:
        ValueError: the number of origins does not fit.
    """
    given = (
        origins if origins is not None and len(origins) else pa.table({"tenant": pa.nulls(1, pa.string())})
    )
    if len(given) not in (1, count):
        raise ValueError(f"{count} messages, but {len(given)} rows of origins")
    columns = []
    for field in ORIGIN_FIELDS:
        known = field.name in given.column_names
        column = given.column(field.name).cast(field.type) if known else pa.nulls(len(given), field.type)
        column = column.combine_chunks() if known else column
        if field.name == "enqueued":
            column = _of_calendar(column)
        elif field.name == "tenant":
            column = lower_guids(column)
        columns.append(pa.repeat(column[0], count) if len(given) == 1 and count != 1 else column)
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(ORIGIN_FIELDS))


def _texts_of(column: pa.StringArray) -> list[str | None]:
    """Its values, quickly if they are all the same, as those of one hub's messages are."""
    found: list[str | None] = column.unique().to_pylist()
    return found * len(column) if len(found) == 1 else column.to_pylist()


def _of_calendar(times: pa.Array) -> pa.Array:
    """The times; null beyond year 9999, where a producer used other units and readers fail."""
    return only_where(pc.less(times, _END_OF_CALENDAR), times)


def map_messages(
    values: Iterable[bytes | None],
    *,
    origins: pa.Table | None = None,
    ingested: datetime | None = None,
    keep_original: bool = True,
) -> MappedRecords:
    """Map all messages at once; `origins` as for `EventMapper.map`, optionally with a column `log`."""
    has_log = origins is not None and "log" in origins.column_names and len(origins)
    mapper = EventMapper(
        ingested=ingested,
        log=origins.column("log")[0].as_py() if has_log and origins is not None else None,
        keep_original=keep_original,
        max_bytes=None,
    )
    parts = [*mapper.map(list(values), origins), *mapper.finish()]
    return together(parts, MappedRecords({}, HUB_REJECTS_SCHEMA.empty_table()))


def unread_messages(errors: Sequence[str], digests: Sequence[str], origins: pa.Table) -> pa.Table:
    """Rejects with the schema `HUB_REJECTS_SCHEMA`, for messages whose bytes were not kept.

    `digests`: SHA-256 of each value, in hexadecimal digits, for the key; `origins` has a row for each.
    """
    found = zip(errors, digests, strict=True)
    rejects = [Reject(b"", f"reject:{digest}", error, "", n, 0) for n, (error, digest) in enumerate(found)]
    return rejects_table(rejects, origins)
