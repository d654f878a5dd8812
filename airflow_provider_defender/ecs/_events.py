"""Records of one table of the event hub: read one by one, kept until there are enough, then mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property, lru_cache, reduce
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ._attack import unknown_categories
from ._bounds import reject_key
from ._mapped import HUB_REJECTS_SCHEMA
from ._reader import Leftovers, RecordReader
from ._repeats import HASH_BYTES
from ._rows import Chunk, RowBuilder, constant_column
from ._shapes import in_order
from ._typed import Columns, typed_columns
from ._values import json_text, names_of, parse_object
from .columns import join_known, lower_guid, lower_guids, only_where
from .fields import TIMESTAMP
from .mapping import ENVELOPE, HUB_SOURCE, Mapping

__all__ = ["UNKNOWN", "EventTable", "Outer", "Reject", "Row", "rejects_table"]

UNKNOWN = "Unknown"
"""The table of records whose own has no mapping, and no dataset."""
_DIGEST_BYTES = 16
_NO_TIME = "no time, neither in the record nor of the message"
_READ_RECORDS = 256
"""Records that are Python objects at once: few enough for the processor's cache, enough for Arrow's calls."""
_MOST_BEFORE = pa.scalar(timedelta(days=400), pa.duration("us"))
_MOST_AFTER = pa.scalar(timedelta(days=1), pa.duration("us"))
_OLDEST = pa.scalar(datetime(2010, 1, 1, tzinfo=timezone.utc), TIMESTAMP)
_OLDEST_TEXT, _NEWEST_TEXT = "2010", "3"
"""Nothing was exported before: year 1 and 1970 are what clocks and programs say that know nothing."""


@dataclass(frozen=True, eq=False)
class Outer:
    """The keys around `properties` that are the same for many records, and the table of these.

    `name` is the table's in the hash of records: of a table without a mapping it is the category's.
    `constants` are the values of `tenantId`, `operationName`, `category` and `Tenant`.
    """

    table: EventTable
    name: str
    constants: tuple[str | None, str | None, str | None, str | None] = (None, None, None, None)

    def digest(self, content: bytes) -> bytes:
        """128 bits that tell the table's name and these bytes from all others."""
        digest = self._hash_of_name.copy()  # a third of the time of a new one
        digest.update(content)
        return digest.digest()[:_DIGEST_BYTES]

    def repeat(self, digest: bytes, hub_tenant: str | None) -> bytes:
        """What is the same for a record's repeats only: the hash, and the tenant as far as it is known."""
        mark = _tenant_mark(lower_guid(self.constants[0] or hub_tenant) or "")
        return (int.from_bytes(digest[:HASH_BYTES], "little") ^ mark).to_bytes(HASH_BYTES, "little")

    @cached_property
    def _hash_of_name(self) -> hashlib._Hash:
        return hashlib.sha256(self.name.encode() + b"\0")


@lru_cache(maxsize=1024)
def _tenant_mark(tenant: str) -> int:
    """Bits of a tenant's own, to be combined with a hash; 0 where none is known."""
    digest = hashlib.sha256(tenant.encode()).digest()[:HASH_BYTES] if tenant else b""
    return int.from_bytes(digest, "little")


class Reject(NamedTuple):
    """Bytes that could not land: their key, why, at which property, from which message and record of it."""

    data: bytes
    key: str
    error: str
    path: str
    message: int
    record: int


def rejects_table(rejects: Sequence[Reject], origins: pa.Table) -> pa.Table:
    """The rejects as `HUB_REJECTS_SCHEMA` has them; `origins` has a row for each."""
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


Row: TypeAlias = "tuple[bytes, int, int, bytes | str | None, bytes | str | None, Outer, bytes, int, int]"
"""A record: its text, where in it its object begins and ends, `time`, `_TimeReceivedBySvc`, the other outer
keys, its hash, the number of its message, and its own in that."""


class EventTable:
    """The records of one table, from their bytes to the rows of its dataset."""

    def __init__(
        self, name: str, mapping: Mapping, *, ingested: datetime | None, log: str | None, keep_original: bool
    ) -> None:
        self.name = name
        self.mapping = mapping
        is_own = mapping.source == f"{HUB_SOURCE}/{name}"
        self.has_mapping = is_own and name != UNKNOWN
        self.dataset = mapping.dataset if is_own else f"events/{name}"
        self.schema = mapping.own_schema()
        self.reader = RecordReader(mapping.wire_shape, others=not mapping.typed, inside=mapping.inside)
        self.read: Callable[[bytes], tuple[Any, Leftovers | None]] = self._read_first
        self.size = 0
        self._time_places: tuple[str, ...] = ()
        self._log = log
        self._keep_original = keep_original
        self._ingested = ingested
        self._builder = RowBuilder(mapping, self.schema, ingested)
        self._rows: list[Row] = []
        self._objects: list[Any] = []
        self._raw: list[pa.StructArray] = []
        self._origins: list[pa.RecordBatch] = []
        self._settled = 0
        self._leftovers: dict[int, Leftovers] = {}
        self._outer_leftovers: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def _read_first(self, content: bytes) -> tuple[Any, Leftovers | None]:
        """Read the first record, and from then on expect its columns in its order, which is much faster."""
        names = [name for name in names_of(content) if name in self.reader.shape.properties]
        shape = in_order(self.reader.shape, tuple(names))
        self.reader = RecordReader(shape, others=not self.mapping.typed, inside=self.mapping.inside)
        self.read = self.reader.read
        self._time_places = self._places_of_times()
        return self.read(content)

    def _places_of_times(self) -> tuple[str, ...]:
        places = {name: f"p{number}" for number, name in enumerate(self.reader.shape.properties)}
        return tuple(places[name] for name in _times_of_repeats(self.mapping) if name in places)

    def may_be_repeated(self, read: Any) -> bool:
        """Whether the same content again is the same record: one of the Streaming API with its own time.

        What says how things stand, without a time, may say the same again after they had changed.
        """
        for place in self._time_places:
            text = getattr(read, place)
            if text is not None and _OLDEST_TEXT < text < _NEWEST_TEXT:
                return True
        return False

    def add(
        self,
        row: Row,
        read: Any,
        leftovers: Leftovers | None = None,
        outer_leftovers: dict[str, Any] | None = None,
    ) -> None:
        """Keep a record: what `read` has given for its object, and what is left of its envelope."""
        number = len(self._rows)
        if leftovers is not None:
            self._leftovers[number] = leftovers
            if self.mapping.typed and self.reader.has_met(leftovers.record):
                self.reader.learn()
        if outer_leftovers:
            self._outer_leftovers[number] = outer_leftovers
        self._rows.append(row)
        self._objects.append(read)
        self.size += row[2]
        if len(self._objects) >= _READ_RECORDS:
            self._gather()

    def _gather(self) -> None:
        first = len(self._rows) - len(self._objects)
        for place, name, value in self.reader.extra_values(self._objects):
            self._leftovers.setdefault(first + place, Leftovers()).record[name] = value
        self._raw.append(self.reader.gather(self._objects))
        self._objects = []

    def settle(self, origins: pa.RecordBatch, first: int) -> int:
        """Note the origins of the records added since the last call, and give their number.

        Row 0 of the origins is of message number `first`.
        """
        fresh = self._rows[self._settled :]
        if fresh:
            self._origins.append(origins.take(pa.array([row[-2] - first for row in fresh], pa.int32())))
            self._settled = len(self._rows)
        return len(fresh)

    def build(self) -> tuple[pa.Table, pa.Table]:
        """The rows of all records kept, and as rejects those without any time; afterwards none is kept."""
        if self._objects:
            self._gather()
        records = self._take()
        chunk = records.chunk(self._log, self._keep_original, self._ingested)
        batch = self._builder.build(chunk, self._builder.prepare(chunk), 0, len(records.rows))
        table = pa.Table.from_batches([batch])
        known = chunk.fields["@timestamp"].is_valid()
        if pc.all(known).as_py():
            return table, HUB_REJECTS_SCHEMA.empty_table()
        rejects = [
            Reject(row[0], reject_key(row[0]), _NO_TIME, "time", *row[-2:])
            for row, valid in zip(records.rows, known.to_pylist(), strict=True)
            if not valid
        ]
        return table.filter(known), rejects_table(rejects, records.origins.filter(pc.invert(known)))

    def _take(self) -> _Records:
        records = _Records(
            self.mapping,
            self.reader,
            self._rows,
            pa.concat_arrays(self._raw),
            pa.Table.from_batches(self._origins).combine_chunks(),
            self._leftovers,
            self._outer_leftovers,
        )
        self._rows, self._raw, self._origins, self._settled, self.size = [], [], [], 0, 0
        self._leftovers, self._outer_leftovers = {}, {}
        return records


@dataclass
class _Records:
    """Records on their way to a chunk of columns."""

    mapping: Mapping
    reader: RecordReader
    rows: list[Row]
    raw: pa.StructArray
    origins: pa.Table
    leftovers: dict[int, Leftovers]
    outer_leftovers: dict[int, dict[str, Any]]

    def chunk(self, log: str | None, keep_original: bool, ingested: datetime | None) -> Chunk:
        (texts, _, _, times, received, outers, digests, _, numbers) = zip(*self.rows, strict=True)
        columns = self._columns()
        if self.mapping.envelope is not None:
            self._add_envelope(columns, times, received, outers)
        for path, times_met in unknown_categories(columns.record, self.mapping.categories):
            self.reader.counts.add(self.reader.counts.unknown, path, times_met)
        stamps, origins_of_times = self._stamps(columns, ingested)
        hashes, tenants, kafka = _hexadecimal(digests), self._tenants(columns), self._kafka(numbers)
        return Chunk(
            columns=columns,
            texts=_valid_texts(texts) if keep_original else None,
            landing={
                "log": constant_column(log, pa.string(), len(texts)),
                "tenant": tenants,
                "key": self._keys(columns, tenants, hashes, kafka),
                "version": constant_column("", pa.string(), len(texts)),
                "time_origin": origins_of_times,
                "kafka": kafka,
            },
            sizes=list(map(len, texts)),
            leftovers=self._all_leftovers(),
            fields={"event.hash": hashes, "@timestamp": stamps},
            unmapped=None if self.mapping.typed else self._whole(),
        )

    def _columns(self) -> Columns:
        """The typed columns; records with a time that is none are read again, without it."""
        columns = typed_columns(self.reader.gathered, None, self.raw)
        if columns.unfit:
            objects: list[Any] = []
            order = list(range(len(self.raw)))
            for number in columns.unfit:
                order[number] = len(self.raw) + len(objects)
                read, self.leftovers[number] = self.reader.reread(self._content(number))
                objects.append(read)
            parts = pa.concat_arrays([self.raw, self.reader.gather(objects)])
            columns = typed_columns(self.reader.gathered, None, parts.take(pa.array(order, pa.int64())))
        for alias, name in self.mapping.aliases.items():
            self._merge(columns, alias, name)
        return columns

    def _merge(self, columns: Columns, alias: str, name: str) -> None:
        """The property under its other spelling, where it has no value under its own."""
        other, own = columns.record.pop(alias), columns.record[name]
        if other.null_count == len(other):
            return
        columns.record[name] = pc.coalesce(own, other)
        if alias in columns.ticks:
            columns.ticks[name] = pc.coalesce(columns.ticks[name], columns.ticks[alias])
        differ = pc.fill_null(pc.not_equal(own, other), False)
        if not pc.any(differ).as_py():
            return
        for number, value in enumerate(differ.to_pylist()):
            if value:
                rest = self.leftovers.setdefault(number, Leftovers())
                rest.record[alias] = parse_object(self._content(number)).get(alias, other[number].as_py())

    def _content(self, number: int) -> bytes:
        text, start, end = self.rows[number][:3]
        return text[start:end]

    def _whole(self) -> pa.Array:
        """All of each record's object, as it came; what is no strict JSON, written anew."""
        texts: list[bytes | str] = [text[start:end] for text, start, end, *_ in self.rows]
        for number, rest in self.leftovers.items():
            texts[number] = json_text(rest.record)
        for number, outer in self.outer_leftovers.items():
            texts[number] = json_text(_with_envelope(parse_object(self._content(number)), outer))
        return pa.array(texts, pa.string())

    def _all_leftovers(self) -> dict[int, Leftovers]:
        for number, outer in self.outer_leftovers.items():
            leftovers = self.leftovers.setdefault(number, Leftovers())
            leftovers.record = _with_envelope(leftovers.record, outer)
        return self.leftovers

    def _add_envelope(
        self, columns: Columns, times: Sequence[Any], received: Sequence[Any], outers: Sequence[Outer]
    ) -> None:
        """The keys around the object as columns `envelope.…`; times that are none go to the leftovers."""
        length = len(times)
        places = {outer: place for place, outer in enumerate(dict.fromkeys(outers))}
        values = zip(*(outer.constants for outer in places), strict=True)
        if len(places) == 1:
            repeated = [pa.repeat(pa.scalar(value, pa.string()), length) for (value,) in values]
        else:
            indices = pa.array([places[outer] for outer in outers], pa.int32())
            repeated = [pa.array(column, pa.string()).take(indices) for column in values]
        tenant, operation, category, instance = repeated
        raw = {
            "time": pa.array(times, pa.string()),
            "tenantId": tenant,
            "operationName": operation,
            "category": category,
            "_TimeReceivedBySvc": pa.array(received, pa.string()),
            "Tenant": instance,
        }
        typed = self._typed_envelope(raw)
        columns.record.update((f"envelope.{name}", column) for name, column in typed.record.items())
        columns.ticks.update((f"envelope.{name}", ticks) for name, ticks in typed.ticks.items())

    def _typed_envelope(self, raw: dict[str, pa.Array]) -> Columns:
        typed = typed_columns(ENVELOPE, None, pa.StructArray.from_arrays(raw.values(), raw.keys()))
        if not typed.unfit:
            return typed
        for name in typed.ticks:
            values = raw[name].to_pylist()
            column = typed.record[name].to_pylist()
            for number in typed.unfit:
                if values[number] is not None and column[number] is None:
                    self.outer_leftovers.setdefault(number, {})[name] = values[number]
        return typed

    def _stamps(self, columns: Columns, ingested: datetime | None) -> tuple[pa.Array, pa.Array]:
        """`@timestamp` and where it is from: the record, else the envelope, else the broker.

        A record's time that is over 400 days before the envelope's (or the broker's, where there is none), or
        a day after it, is a wrong clock; and so is an envelope's time beside the broker's. But two witnesses
        beat one (`_without_late_broker`, `_without_late_envelope`). Old times that agree with one another are
        those of an archive that somebody has sent again, and right.
        """
        length = len(self.rows)
        own = [columns.record[name] for name in self.mapping.times if name in columns.record]
        record = pc.coalesce(*own) if own else pa.nulls(length, TIMESTAMP)
        told = self.origins.column("enqueued").combine_chunks()
        written = columns.record.get("envelope.time", pa.nulls(length, TIMESTAMP))
        started = None if self.mapping.envelope is not None else ingested
        broker = _without_late_broker(_possible(told, ingested), record, _possible(written), started)
        sent = _without_late_envelope(_possible(written), record, broker)
        envelope = _near(sent, broker)
        usable = _near(record, pc.coalesce(envelope, broker))
        if usable.null_count > record.null_count:
            archived = pc.fill_null(pc.less(sent, broker), False)
            agreed = only_where(archived, _near(record, sent))
            usable = pc.coalesce(usable, agreed)
        if not usable.null_count:
            return usable, constant_column("record", pa.string(), length)
        sent = pc.coalesce(
            envelope, only_where(pc.is_null(broker), written)
        )  # a poor time is better than none
        names = pc.if_else(pc.is_valid(usable), "record", pc.if_else(pc.is_valid(sent), "envelope", "broker"))
        return pc.coalesce(usable, sent, broker, told), names

    def _tenants(self, columns: Columns) -> pa.Array:
        names = ["envelope.tenantId", self.mapping.tenant]
        known = [columns.record[name] for name in names if name in columns.record]
        return lower_guids(pc.coalesce(*known, self.origins.column("tenant").combine_chunks()))

    def _keys(self, columns: Columns, tenants: pa.Array, hashes: pa.Array, kafka: pa.StructArray) -> pa.Array:
        """The same for a record's repeats, and for nothing else: where there are none, its place is in it."""
        keys = pc.coalesce(join_known("/", tenants, hashes), hashes)
        is_timed = pa.repeat(pa.scalar(False), len(keys))
        for name in columns.record.keys() & set(_times_of_repeats(self.mapping)):
            is_timed = pc.or_(is_timed, pc.fill_null(pc.greater(columns.record[name], _OLDEST), False))
        if pc.all(is_timed).as_py():
            return keys
        place = join_known("-", *(kafka.field(name) for name in ("partition", "offset", "record")))
        return pc.if_else(is_timed, keys, pc.coalesce(join_known("/", keys, place), keys))

    def _kafka(self, numbers: Sequence[int]) -> pa.StructArray:
        columns = {
            name: self.origins.column(name).combine_chunks()
            for name in ("namespace", "hub", "partition", "offset", "enqueued")
        }
        columns["record"] = pa.array(numbers, pa.int32())
        names = ("namespace", "hub", "partition", "offset", "record", "enqueued")
        return pa.StructArray.from_arrays([columns[name] for name in names], names)


def _times_of_repeats(mapping: Mapping) -> tuple[str, ...]:
    """The properties of which one has to hold a time, if the same content again is the same record."""
    return mapping.times if mapping.envelope is not None else ()


def _near(times: pa.Array, others: pa.Array) -> pa.Array:
    """The times; null where one is over 400 days before the other, or a day after it."""
    early = pc.less(times, pc.subtract(others, _MOST_BEFORE))
    late = pc.greater(times, pc.add(others, _MOST_AFTER))
    wrong = pc.or_(pc.fill_null(early, False), pc.fill_null(late, False))
    return pc.if_else(wrong, pa.scalar(None, TIMESTAMP), times)


def _possible(times: pa.Array, ingested: datetime | None = None) -> pa.Array:
    """The times; null before 2010, when nothing was exported, and over a day after the run's start."""
    possible = pc.greater_equal(times, _OLDEST)
    if ingested is not None:
        possible = pc.and_(
            possible, pc.less_equal(times, pc.add(pa.scalar(ingested, TIMESTAMP), _MOST_AFTER))
        )
    return times if pc.all(possible).as_py() else only_where(possible, times)


def _is_behind(times: pa.Array, *others: pa.Array | pa.Scalar) -> pa.Array:
    """Whether a time is known to be over a day before each of the others."""
    late = pc.add(times, _MOST_AFTER)
    behind = [pc.fill_null(pc.less(late, other), False) for other in others]
    return reduce(pc.and_, behind)


def _without_late_broker(
    broker: pa.Array, record: pa.Array, sent: pa.Array, started: datetime | None
) -> pa.Array:
    """The broker's times; null where its clock is over a day behind two that agree.

    These are the record's and the envelope's, or, where records have no envelope, the record's and that of
    the run that `started`: a service wrote the record before we read it.
    """
    behind = _is_behind(broker, record, sent)
    if pc.any(behind).as_py():
        behind = pc.and_(behind, pc.is_valid(_near(record, sent)))
    if started is not None:
        latest = pc.add(pa.scalar(started, TIMESTAMP), _MOST_AFTER)
        read_later = pc.fill_null(pc.less_equal(record, latest), False)
        behind = pc.or_(behind, pc.and_(_is_behind(broker, record), read_later))
    return only_where(pc.invert(behind), broker)


def _without_late_envelope(sent: pa.Array, record: pa.Array, broker: pa.Array) -> pa.Array:
    """The envelope's times; null where they are over a day behind record and broker, which agree to a day."""
    behind = _is_behind(sent, record, broker)
    if not pc.any(behind).as_py():
        return sent
    apart = pc.or_(_is_behind(record, broker), _is_behind(broker, record))
    return only_where(pc.or_(pc.invert(behind), apart), sent)


def _with_envelope(data: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    """The data with unknown keys of the envelope under `envelope`, or a longer name if that is taken."""
    name = "envelope"
    while name in data:
        name = f"_{name}"
    return {**data, name: rest}


def _valid_texts(texts: Sequence[bytes]) -> pa.Array:
    """Texts, of which each is in UTF-8: their readers have seen to it, and this makes sure."""
    offsets = pa.array([0, *accumulate(map(len, texts))], pa.int32()).buffers()[1]
    array = pa.Array.from_buffers(pa.string(), len(texts), [None, offsets, pa.py_buffer(b"".join(texts))])
    array.validate(full=True)
    return array


def _hexadecimal(digests: Sequence[bytes]) -> pa.Array:
    """The digests, all of one length, as texts."""
    text = b"".join(digests).hex().encode()
    width = 2 * _DIGEST_BYTES
    offsets = pa.array(range(0, len(text) + 1, width), pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), len(digests), [None, offsets, pa.py_buffer(text)])
