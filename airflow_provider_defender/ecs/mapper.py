"""The engine: records in, Arrow tables in ECS out, and what cannot land beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ._attack import unknown_categories
from ._bounds import MAX_RECORD_BYTES, check_size, kept, reject_key
from ._mapped import MAX_BYTES, REJECTS_SCHEMA, MappedRecords, collector_paused, pieces
from ._reader import Leftovers, OddCounts, RecordReader
from ._rows import Chunk, RowBuilder
from ._typed import Columns, typed_columns
from ._values import ABSENT_TEXTS, UnreadableError, convert, parse_object
from .columns import join_known, lower_guid, lower_guids
from .event_hub import map_messages
from .mapping import HUB_SOURCE, Mapping
from .registry import find_mapping, schema

__all__ = ["MappedRecords", "Record", "Version", "map_batches", "map_records", "record_versions"]

Record: TypeAlias = "bytes | bytearray | memoryview | msgspec.Raw"

_CHUNK_RECORDS = 2500
_CHUNK_BYTES = 10 * 1024 * 1024
_READ_RECORDS = 256
"""Records that are Python objects at once: few enough for the processor's cache, enough for Arrow's calls."""
_ROW_BYTES = 6 * 1024


class Version(NamedTuple):
    """What tells a record's version from all others."""

    key: str
    version: str


def map_records(
    source: str | Mapping,
    records: Iterable[Record | None],
    *,
    origins: pa.Table | None = None,
    ingested: datetime | None = None,
    keep_original: bool = True,
) -> MappedRecords:
    """All records as rows, in one piece; see `map_batches` for many.

    Args:
        source: the name of a registered mapping, for example `endpoint_alerts`, or a mapping; or `event_hub`
            for messages of any kind from an event hub, for which `EventMapper` says more.
        records: JSON objects as the source sent them, in UTF-8; the values of an event hub's messages, None
            for a message without a value.
        origins: a table with columns `tenant` and, if wanted, `log`: one row a record, or one row for all.
            For an event hub also `namespace`, `hub`, `partition`, `offset` and `enqueued`.
        ingested: the run's start, for `event.ingested`.
        keep_original: whether `event.original` holds the record's text (on its first row).
    """
    if source == HUB_SOURCE:
        values = [
            record if isinstance(record, bytes) or record is None else bytes(record) for record in records
        ]
        return map_messages(values, origins=origins, ingested=ingested, keep_original=keep_original)
    mapping = find_mapping(source)
    given = cast("Iterable[Record]", records)
    parts = list(
        map_batches(
            mapping, given, origins=origins, ingested=ingested, max_bytes=None, keep_original=keep_original
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
    pending = _Pending(mapping.dataset, mapper.empty)
    for first, chunk in _chunks(records):
        pending.records += len(chunk)
        for table, rejects in mapper.map_chunk(chunk, first, max_bytes or MAX_BYTES):
            for piece, size in pieces(table, max_bytes or MAX_BYTES):
                if (
                    max_bytes is not None
                    and pending.size
                    and pending.size + size + rejects.nbytes > max_bytes
                ):
                    yield pending.take(mapper.reader)
                pending.add(piece, size, rejects)
                rejects = rejects.slice(0, 0)
    if pending.records or pending.size:
        yield pending.take(mapper.reader)


def _chunks(records: Iterable[Record]) -> Iterator[tuple[int, list[bytes]]]:
    """Records in lists that are read at once, each with the place of its first record."""
    first, chunk, size = 0, [], 0
    for record in records:
        data = _data_of(record)
        chunk.append(data)
        size += len(data)
        if len(chunk) >= _CHUNK_RECORDS or size >= _CHUNK_BYTES:
            yield first, chunk
            first, chunk, size = first + len(chunk), [], 0
    if chunk:
        yield first, chunk


def _data_of(record: Record) -> bytes:
    """The record as bytes; as a view, if it is too large to be read anyway."""
    if isinstance(record, bytes):
        return record
    view = memoryview(record)
    return cast("bytes", view) if len(view) > MAX_RECORD_BYTES else bytes(view)


@dataclass
class _Pending:
    """Rows and rejects that wait for the slice to be full."""

    dataset: str
    empty: pa.Table
    tables: list[pa.Table] = field(default_factory=list)
    rejects: list[pa.Table] = field(default_factory=list)
    size: int = 0
    records: int = 0

    def add(self, table: pa.Table, size: int, rejects: pa.Table) -> None:
        self.tables.append(table)
        self.rejects.append(rejects)
        self.size += size + rejects.nbytes

    def take(self, reader: RecordReader) -> MappedRecords:
        """Everything so far, and a new start."""
        result = MappedRecords(
            {self.dataset: pa.concat_tables(self.tables or [self.empty])},
            pa.concat_tables(self.rejects or [REJECTS_SCHEMA.empty_table()]),
            self.records,
            dict(reader.counts.unfit),
            dict(reader.counts.unknown),
        )
        reader.counts.unfit.clear()
        reader.counts.unknown.clear()
        self.tables, self.rejects, self.size, self.records = [], [], 0, 0
        return result


class _Origins:
    """Tenant and log of each record, as far as the caller knows them: one for all, or one each."""

    def __init__(self, mapping: Mapping, origins: pa.Table | None) -> None:
        self._source = mapping.source
        self._tenants = lower_guids(self._column(origins, "tenant"))
        self._logs = self._column(origins, "log")

    @staticmethod
    def _column(origins: pa.Table | None, name: str) -> pa.Array:
        if origins is None or name not in origins.column_names or not len(origins):
            return pa.nulls(1, pa.string())
        return origins.column(name).cast(pa.string()).combine_chunks()

    @staticmethod
    def _of(column: pa.Array, first: int, places: Sequence[int]) -> pa.Array:
        if len(column) == 1:
            return pa.repeat(column[0], len(places))
        return column.take(pa.array([first + place for place in places], pa.int64()))

    def tenant(self, index: int) -> str | None:
        """The tenant that record `index` was read from."""
        return self._tenants[index if len(self._tenants) > 1 else 0].as_py()  # type: ignore[no-any-return]

    def tenants(self, first: int, places: Sequence[int]) -> pa.Array:
        """The tenants of the records at these places after the first."""
        return self._of(self._tenants, first, places)

    def logs(self, first: int, places: Sequence[int], tenants: pa.Array) -> pa.Array:
        """The logs that the records belong to: as given, else named after source and tenant."""
        return pc.coalesce(
            self._of(self._logs, first, places), join_known("-", self._source_name(tenants), tenants)
        )

    def _source_name(self, tenants: pa.Array) -> pa.Array:
        return pa.repeat(pa.scalar(self._source), len(tenants))


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
        self.empty = schema(mapping).empty_table()
        self.reader = RecordReader(mapping.shape, mapping.items)

    def map_chunk(
        self, records: Sequence[bytes], first: int, max_bytes: int
    ) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Rows and rejects of the records, whose first is number `first` of all, in slices that fit."""
        rejects: dict[int, dict[str, Any]] = {}
        with collector_paused():
            chunk = self._read_chunk(records, first, rejects)
            by_record = self._builder.prepare(chunk) if chunk else {}
        rejected = pa.Table.from_pylist([rejects[index] for index in sorted(rejects)], REJECTS_SCHEMA)
        if chunk is None:
            yield self.empty, rejected
            return
        for start, stop in _ranges(chunk.sizes, chunk.columns, max_bytes):
            with collector_paused():
                batch = self._builder.build(chunk, by_record, start, stop)
            yield pa.Table.from_batches([batch]), rejected
            rejected = rejected.slice(0, 0)

    def _read_chunk(
        self, records: Sequence[bytes], first: int, rejects: dict[int, dict[str, Any]]
    ) -> Chunk | None:
        places, raw, leftovers = self._read(records, first, rejects)
        while len(raw):
            columns = typed_columns(self._mapping.shape, self._mapping.items, raw)
            if columns.unfit:
                raw = self._read_again(records, places, raw, leftovers, columns.unfit)
                continue
            failed = self._failed(columns)
            if not failed:
                return self._chunk(records, first, places, raw, columns, leftovers)
            for number, reason in failed.items():
                self._reject(rejects, records[places[number]], first + places[number], *reason)
            kept = [number for number in range(len(raw)) if number not in failed]
            places, raw = [places[number] for number in kept], raw.take(pa.array(kept, pa.int64()))
        return None

    def _read(
        self, records: Sequence[bytes], first: int, rejects: dict[int, dict[str, Any]]
    ) -> tuple[list[int], pa.StructArray, dict[int, Leftovers]]:
        """Places of the readable records, their raw columns, and leftovers by place."""
        places: list[int] = []
        leftovers: dict[int, Leftovers] = {}
        read, gather = self.reader.read, self.reader.gather
        parts = []
        for start in range(0, len(records), _READ_RECORDS):
            objects: list[Any] = []
            for place, record in enumerate(records[start : start + _READ_RECORDS], start):
                try:
                    check_size(record)
                    result, rest = read(record)
                except UnreadableError as error:
                    self._reject(rejects, record, first + place, str(error), "")
                    continue
                places.append(place)
                objects.append(result)
                if rest is not None:
                    leftovers[place] = rest
            parts.append(gather(objects))
        return places, pa.concat_arrays(parts), leftovers

    def _read_again(
        self,
        records: Sequence[bytes],
        places: list[int],
        raw: pa.StructArray,
        leftovers: dict[int, Leftovers],
        unfit: set[int],
    ) -> pa.StructArray:
        """The raw columns with the records of these numbers read tolerantly."""
        order = list(range(len(raw)))
        objects: list[Any] = []
        for number in unfit:
            order[number] = len(raw) + len(objects)
            result, leftovers[places[number]] = self.reader.reread(records[places[number]])
            objects.append(result)
        return pa.concat_arrays([raw, self.reader.gather(objects)]).take(pa.array(order, pa.int64()))

    def _failed(self, columns: Columns) -> dict[int, tuple[str, str]]:
        """Number → why and where, for records that have no key or no time."""
        mapping = self._mapping
        failed: dict[int, tuple[str, str]] = {}
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

    def _reject(
        self, rejects: dict[int, dict[str, Any]], record: bytes, index: int, error: str, path: str
    ) -> None:
        tenant = self._origins.tenant(index)
        identity = self._identities.of(record, tenant)
        rejects[index] = {
            "bytes": kept(record),
            "error": error,
            "path": path,
            "record_index": index,
            "key": identity.key,
            "version": identity.version,
            "tenant": tenant,
        }

    def _chunk(
        self,
        records: Sequence[bytes],
        first: int,
        places: list[int],
        raw: pa.StructArray,
        columns: Columns,
        leftovers: dict[int, Leftovers],
    ) -> Chunk:
        landed = records if len(places) == len(records) else [records[place] for place in places]
        tenants = self._origins.tenants(first, places)
        if self._mapping.tenant is not None and tenants.null_count:
            tenants = pc.coalesce(tenants, lower_guids(columns.record[self._mapping.tenant]))
        for path, times in unknown_categories(columns.record, self._mapping.categories):
            self.reader.counts.add(self.reader.counts.unknown, path, times)
        odd = {number: leftovers[place] for number, place in enumerate(places) if place in leftovers}
        own_keys, sent_versions = columns.record[self._mapping.key], raw.field(self._mapping.version)
        keys, versions = self._identities.columns(landed, own_keys, sent_versions, odd, tenants)
        return Chunk(
            columns=columns,
            texts=pa.array(landed, pa.string()) if self._keep_original else None,
            landing={
                "log": self._origins.logs(first, places, tenants),
                "tenant": tenants,
                "key": keys,
                "version": versions,
            },
            sizes=list(map(len, landed)),
            leftovers=odd,
        )


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
        tenant = lower_guid(tenant)
        try:
            found = msgspec.structs.astuple(self._decode(record))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = (None, None)
        identifier, version = found[:2]
        if identifier in _NOT_KNOWN or version in _NOT_KNOWN or (tenant is None and len(found) > 2):
            return self._slowly(record, tenant)
        return Version(f"{tenant}/{identifier}" if tenant else identifier, version)

    def columns(
        self,
        records: Sequence[bytes],
        own_keys: pa.Array,
        sent_versions: pa.Array,
        odd: Container[int],
        tenants: pa.Array,
    ) -> tuple[pa.Array, pa.Array]:
        """Keys and versions of records that were read; those as documented need no second look."""
        keys = pc.coalesce(join_known("/", tenants, own_keys), own_keys)
        known = pc.invert(pc.is_in(sent_versions, _NOT_KNOWN_TEXTS)).to_pylist()
        unsure = [number for number, sure in enumerate(known) if not sure or number in odd]
        if not unsure:
            return keys, sent_versions
        key_texts, version_texts = keys.to_pylist(), sent_versions.to_pylist()
        for number in unsure:
            identity = self.of(records[number], tenants[number].as_py())
            key_texts[number], version_texts[number] = identity
        return pa.array(key_texts, pa.string()), pa.array(version_texts, pa.string())

    def _slowly(self, record: bytes, tenant: str | None) -> Version:
        try:
            check_size(record)
            data = parse_object(record)
        except UnreadableError:
            data = {}
        key_name, version_name, tenant_name = self._names
        identifier = _first(data, key_name)
        if identifier is None:
            return Version(reject_key(record), "")
        version = (
            _first(data, version_name, only_text=True) or f"content:{hashlib.sha256(record).hexdigest()}"
        )
        tenant = tenant or (lower_guid(_first(data, tenant_name)) if tenant_name else None)
        return Version(f"{tenant}/{identifier}" if tenant else identifier, version)


_NOT_KNOWN = (None, *ABSENT_TEXTS)
_NOT_KNOWN_TEXTS = pa.array(_NOT_KNOWN, pa.string())


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

    Key is `<tenant>/<id>` (a tenant's GUID in lower case), version the update time exactly as sent. A record
    without one has the version `content:<sha256 of its bytes>`; one that cannot be read or has no id has the
    key `reject:<sha256 of its bytes>` and the version "". Only what that takes is decoded.
    """
    identities = _Identities(find_mapping(source))
    return [identities.of(_data_of(record), tenant) for record in records]
