"""The engine: records in, Arrow tables in ECS out, and what cannot land beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Union

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ._reader import Columns, Leftovers, OddCounts, RecordReader
from ._rows import Chunk, Origin, RowBuilder
from ._values import ABSENT_TEXTS, UnreadableError, convert, parse_object
from .mapping import Mapping
from .registry import find_mapping, schema

__all__ = ["MappedRecords", "Record", "Version", "map_batches", "map_records", "record_versions"]

Record = Union[bytes, bytearray, memoryview, msgspec.Raw]

MAX_BYTES = 32 * 1024 * 1024
_CHUNK_RECORDS = 1000
_CHUNK_BYTES = 4 * 1024 * 1024
_ROW_BYTES = 6 * 1024

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
"""Rejected records: their exact bytes, why and where (a property's name) they could not land, their place among
the records given, and the key and version under which `record_versions` knows them."""


class Version(NamedTuple):
    """What tells a record's version from all others."""

    key: str
    version: str


@dataclass(frozen=True)
class MappedRecords:
    """Rows of records, and what could not land.

    Attributes:
        tables: dataset name → rows, always in the dataset's schema.
        rejects: rows as in `REJECTS_SCHEMA`.
        records: how many records came in.
        unfit_values: property → how many values did not fit their column and went to `unmapped`.
        unknown_fields: property without a column → how often it came.
    """

    tables: MappingType[str, pa.Table]
    rejects: pa.Table
    records: int = 0
    unfit_values: MappingType[str, int] = field(default_factory=dict)
    unknown_fields: MappingType[str, int] = field(default_factory=dict)


def map_records(
    source: str | Mapping,
    records: Iterable[Record],
    *,
    origins: pa.Table | None = None,
    ingested: datetime | None = None,
    keep_original: bool = True,
) -> MappedRecords:
    """All records as rows, in one piece; see `map_batches` for many.

    Args:
        source: the name of a registered mapping, for example `endpoint_alerts`, or a mapping.
        records: JSON objects as the source sent them, in UTF-8.
        origins: a table with columns `tenant` and, if wanted, `log`: one row a record, or one row for all.
        ingested: the run's start, for `event.ingested`.
        keep_original: whether `event.original` holds the record's text (on its first row).
    """
    mapping = find_mapping(source)
    parts = list(
        map_batches(
            mapping, records, origins=origins, ingested=ingested, max_bytes=None, keep_original=keep_original
        )
    )
    unfit, unknown = OddCounts().unfit, OddCounts().unknown
    for part in parts:
        unfit.update(part.unfit_values)
        unknown.update(part.unknown_fields)
    empty = schema(mapping).empty_table()
    return MappedRecords(
        {mapping.dataset: pa.concat_tables([part.tables[mapping.dataset] for part in parts] or [empty])},
        pa.concat_tables([part.rejects for part in parts] or [REJECTS_SCHEMA.empty_table()]),
        sum(part.records for part in parts),
        dict(unfit),
        dict(unknown),
    )


def map_batches(
    source: str | Mapping,
    records: Iterable[Record],
    *,
    origins: pa.Table | None = None,
    ingested: datetime | None = None,
    max_bytes: int | None = MAX_BYTES,
    keep_original: bool = True,
) -> Iterator[MappedRecords]:
    """The rows in slices of at most `max_bytes` of Arrow data, so that memory does not grow with the records.

    A record's rows may span slices; a single row is never divided, however large. None for `max_bytes` gives
    everything in one slice. The other arguments are those of `map_records`.
    """
    mapping = find_mapping(source)
    mapper = _Mapper(mapping, _Origins(mapping, origins), ingested, keep_original)
    pending = _Pending(mapping.dataset, schema(mapping))
    for first, chunk in _chunks(records):
        pending.records += len(chunk)
        for table, rejects in mapper.map_chunk(chunk, first, max_bytes or MAX_BYTES):
            for piece in _pieces(table, max_bytes or MAX_BYTES):
                if (
                    max_bytes is not None
                    and pending.size
                    and pending.size + piece.nbytes + rejects.nbytes > max_bytes
                ):
                    yield pending.take(mapper.reader)
                pending.add(piece, rejects)
                rejects = rejects.slice(0, 0)
    if pending.records or pending.size:
        yield pending.take(mapper.reader)


def _pieces(table: pa.Table, max_bytes: int) -> Iterator[pa.Table]:
    if table.nbytes <= max_bytes or len(table) <= 1:
        yield table
        return
    half = len(table) // 2
    yield from _pieces(table.slice(0, half), max_bytes)
    yield from _pieces(table.slice(half), max_bytes)


def _chunks(records: Iterable[Record]) -> Iterator[tuple[int, list[bytes]]]:
    """Records in lists that are read at once, each with the place of its first record."""
    first, chunk, size = 0, [], 0
    for record in records:
        data = record if isinstance(record, bytes) else bytes(record)
        chunk.append(data)
        size += len(data)
        if len(chunk) >= _CHUNK_RECORDS or size >= _CHUNK_BYTES:
            yield first, chunk
            first, chunk, size = first + len(chunk), [], 0
    if chunk:
        yield first, chunk


@dataclass
class _Pending:
    """Rows and rejects that wait for the slice to be full."""

    dataset: str
    schema: pa.Schema
    tables: list[pa.Table] = field(default_factory=list)
    rejects: list[pa.Table] = field(default_factory=list)
    size: int = 0
    records: int = 0

    def add(self, table: pa.Table, rejects: pa.Table) -> None:
        self.tables.append(table)
        self.rejects.append(rejects)
        self.size += table.nbytes + rejects.nbytes

    def take(self, reader: RecordReader) -> MappedRecords:
        """Everything so far, and a new start."""
        result = MappedRecords(
            {self.dataset: pa.concat_tables([self.schema.empty_table(), *self.tables])},
            pa.concat_tables([REJECTS_SCHEMA.empty_table(), *self.rejects]),
            self.records,
            dict(reader.counts.unfit),
            dict(reader.counts.unknown),
        )
        reader.counts.unfit.clear()
        reader.counts.unknown.clear()
        self.tables, self.rejects, self.size, self.records = [], [], 0, 0
        return result


class _Origins:
    """Tenant and log of each record."""

    def __init__(self, mapping: Mapping, origins: pa.Table | None) -> None:
        self._mapping = mapping
        self._tenants = self._column(origins, "tenant")
        self._logs = self._column(origins, "log")

    @staticmethod
    def _column(origins: pa.Table | None, name: str) -> list[str | None]:
        if origins is None or name not in origins.column_names or not len(origins):
            return [None]
        return origins.column(name).cast(pa.string()).to_pylist()  # type: ignore[no-any-return]

    def tenant(self, index: int) -> str | None:
        """The tenant that record `index` was read from, as far as the caller knows it."""
        return self._tenants[index if len(self._tenants) > 1 else 0]

    def log(self, index: int, tenant: str | None) -> str | None:
        """The log that the record belongs to."""
        given = self._logs[index if len(self._logs) > 1 else 0]
        return given or (f"{self._mapping.source}-{tenant}" if tenant else None)


@dataclass
class _Rejects:
    rows: list[dict[str, Any]] = field(default_factory=list)

    def table(self) -> pa.Table:
        return pa.Table.from_pylist(self.rows, REJECTS_SCHEMA)


class _Mapper:
    """Maps chunks of records by one mapping."""

    def __init__(
        self, mapping: Mapping, origins: _Origins, ingested: datetime | None, keep_original: bool
    ) -> None:
        self._mapping = mapping
        self._origins = origins
        self._keep_original = keep_original
        self._identities = _Identities(mapping)
        self._builder = RowBuilder(mapping, schema(mapping), ingested)
        self._empty = schema(mapping).empty_table()
        self.reader = RecordReader(mapping.shape, mapping.items)

    def map_chunk(
        self, records: Sequence[bytes], first: int, max_bytes: int
    ) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Rows and rejects of the records, whose first is number `first` of all, in slices that fit."""
        rejects = _Rejects()
        places, objects, leftovers = self._read(records, first, rejects)
        columns = self._columns(records, first, places, objects, leftovers, rejects)
        if columns is None:
            yield self._empty, rejects.table()
            return
        chunk = self._chunk(records, first, places, columns, leftovers)
        by_record = self._builder.prepare(chunk)
        table = rejects.table()
        for start, stop in _ranges([records[place] for place in places], columns, max_bytes):
            yield pa.Table.from_batches([self._builder.build(chunk, by_record, start, stop)]), table
            table = table.slice(0, 0)

    def _read(
        self, records: Sequence[bytes], first: int, rejects: _Rejects
    ) -> tuple[list[int], list[Any], dict[int, Leftovers]]:
        """Places of the readable records, what they read as, and leftovers by place."""
        places, objects, leftovers = [], [], {}
        read = self.reader.read
        for place, record in enumerate(records):
            try:
                result, rest = read(record)
            except UnreadableError as error:
                self._reject(rejects, records[place], first + place, str(error), "")
                continue
            places.append(place)
            objects.append(result)
            if rest is not None:
                leftovers[place] = rest
        return places, objects, leftovers

    def _columns(
        self,
        records: Sequence[bytes],
        first: int,
        places: list[int],
        objects: list[Any],
        leftovers: dict[int, Leftovers],
        rejects: _Rejects,
    ) -> Columns | None:
        """Columns of the records that can land; `places` and `objects` keep only these."""
        while objects:
            columns = self.reader.columns(objects)
            if columns.unfit:
                for number in columns.unfit:
                    objects[number], leftovers[places[number]] = self.reader.reread(records[places[number]])
                continue
            failed = self._failed(columns)
            if not failed:
                return columns
            for number in sorted(failed, reverse=True):
                self._reject(rejects, records[places[number]], first + places[number], *failed[number])
                del places[number], objects[number]
        return None

    def _failed(self, columns: Columns) -> dict[int, tuple[str, str]]:
        """Number → why and where, for records that have no key or no time."""
        mapping = self._mapping
        failed = {}
        times = pc.coalesce(*(columns.record[name] for name in mapping.times))
        for column, error, path in (
            (times, f"none of {', '.join(mapping.times)} is a time", mapping.times[0]),
            (columns.record[mapping.key], f"{mapping.key} is missing", mapping.key),
        ):
            if column.null_count:
                failed.update(
                    (number, (error, path))
                    for number, value in enumerate(column.is_null().to_pylist())
                    if value
                )
        return failed

    def _reject(self, rejects: _Rejects, record: bytes, index: int, error: str, path: str) -> None:
        tenant = self._origins.tenant(index)
        identity = self._identities.of(record, tenant)
        rejects.rows.append(
            {
                "bytes": record,
                "error": error,
                "path": path,
                "record_index": index,
                "key": identity.key,
                "version": identity.version,
                "tenant": tenant,
            }
        )

    def _chunk(
        self,
        records: Sequence[bytes],
        first: int,
        places: list[int],
        columns: Columns,
        leftovers: dict[int, Leftovers],
    ) -> Chunk:
        tenants = [self._origins.tenant(first + place) for place in places]
        if self._mapping.tenant is not None and None in tenants:
            own = columns.record[self._mapping.tenant].to_pylist()
            tenants = [tenant or mine for tenant, mine in zip(tenants, own)]
        logs = [self._origins.log(first + place, tenant) for place, tenant in zip(places, tenants)]
        identities = [self._identities.of(records[place], tenant) for place, tenant in zip(places, tenants)]
        return Chunk(
            columns=columns,
            texts=pa.array([records[place] for place in places], pa.string())
            if self._keep_original
            else None,
            keys=pa.array([identity.key for identity in identities], pa.string()),
            versions=pa.array([identity.version for identity in identities], pa.string()),
            origin=Origin(tenants, logs),
            leftovers={number: leftovers[place] for number, place in enumerate(places) if place in leftovers},
        )


def _ranges(records: Sequence[bytes], columns: Columns, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows that are built at once: all, unless repeating large records for their rows needs too much."""
    row_counts = pc.value_counts(columns.parents).field("counts").to_pylist()
    rows = len(columns.parents)
    if sum(len(record) * count for record, count in zip(records, row_counts)) <= max_bytes:
        yield 0, rows
        return
    start, size, row = 0, 0, 0
    for number, count in enumerate(row_counts):
        own = sum(column.slice(number, 1).nbytes for column in columns.record.values())
        cost = int(2.5 * own) + 2 * len(records[number]) // count + _ROW_BYTES
        for _ in range(count):
            if size + cost > max_bytes and row > start:
                yield start, row
                start, size = row, 0
            size, row = size + cost, row + 1
    yield start, rows


class _Identities:
    """Key and version of records, from no more of them than that takes."""

    def __init__(self, mapping: Mapping) -> None:
        self._names = (mapping.key, mapping.version, mapping.tenant)
        fields = [
            (f"p{number}", str | None, None) for number, name in enumerate(self._names) if name is not None
        ]
        spelling = {f"p{number}": name for number, name in enumerate(self._names) if name is not None}
        skim = msgspec.defstruct("Skim", fields, rename=spelling)
        self._decode = msgspec.json.Decoder(skim).decode

    def of(self, record: bytes, tenant: str | None) -> Version:
        """The record's key and version, the same wherever they are asked for."""
        try:
            found = msgspec.structs.astuple(self._decode(record))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = (None, None)
        identifier, version = found[:2]
        if identifier in _NOT_KNOWN or version in _NOT_KNOWN or (tenant is None and len(found) > 2):
            return self._slowly(record, tenant)
        return Version(f"{tenant}/{identifier}" if tenant else identifier, version)

    def _slowly(self, record: bytes, tenant: str | None) -> Version:
        try:
            data = parse_object(record)
        except UnreadableError:
            data = {}
        key_name, version_name, tenant_name = self._names
        identifier = _first(data, key_name)
        if identifier is None:
            return Version(f"reject:{hashlib.sha256(record).hexdigest()}", "")
        version = (
            _first(data, version_name, only_text=True) or f"content:{hashlib.sha256(record).hexdigest()}"
        )
        tenant = tenant or (_first(data, tenant_name) if tenant_name else None)
        return Version(f"{tenant}/{identifier}" if tenant else identifier, version)


_NOT_KNOWN = (None, *ABSENT_TEXTS)


def _first(data: dict[str, Any], name: str, *, only_text: bool = False) -> str | None:
    """The property's text under its own spelling, else under another that differs in case."""
    spellings = [name, *(key for key in data if key != name and key.lower() == name.lower())]
    for spelling in spellings:
        value = data.get(spelling)
        text = convert("string", value)
        if isinstance(text, str) and (isinstance(value, str) or not only_text):
            return text
    return None


def record_versions(source: str | Mapping, records: Iterable[Record], *, tenant: str) -> list[Version]:
    """Key and version of each record, as its rows' `landing` or its reject will have them.

    Key is `<tenant>/<id>`, version the update time exactly as sent. A record without one has the version
    `content:<sha256 of its bytes>`; one that cannot be read or has no id has the key `reject:<sha256 of its bytes>`
    and the version "". Only what that takes is decoded.
    """
    identities = _Identities(find_mapping(source))
    return [
        identities.of(record if isinstance(record, bytes) else bytes(record), tenant) for record in records
    ]
