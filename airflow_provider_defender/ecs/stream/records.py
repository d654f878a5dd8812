"""Collecting the records of one table for a chunk of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.landing import TIMESTAMP

from ..attack import unknown_categories
from ..columns import join_known, lower_guids
from ..columns.short import column_of, is_short
from ..engine.reader import RecordReader
from ..engine.rows import Chunk, constant_column
from ..engine.tolerant import Unmapped
from ..engine.typed import Columns, typed_columns
from ..engine.values import json_text, parse_object
from ..mapping import ENVELOPE, Mapping
from .envelope import DIGEST_BYTES, Envelope, Row
from .times import OLDEST, Clocks, timestamps

__all__ = ["EventRecords", "times_of_duplicates"]


@dataclass
class EventRecords:
    """Records of one table, to be turned into a chunk of columns."""

    mapping: Mapping
    reader: RecordReader
    rows: list[Row]
    raw: pa.StructArray
    origins: pa.Table
    unmapped: dict[int, Unmapped]
    unmapped_envelope: dict[int, dict[str, Any]]

    def chunk(self, log: str | None, keep_original: bool, ingested: datetime | None) -> Chunk:
        """The records' columns, with everything that rows need."""
        (texts, _, _, times, received, envelopes, digests, _, numbers) = zip(*self.rows, strict=True)
        columns = self._columns()
        if self.mapping.envelope is not None:
            self._add_envelope(columns, times, received, envelopes)
        self._count_categories(columns)
        self._count_actions(columns)
        stamps, time_origins = timestamps(self._clocks(columns, ingested))
        hashes = _hexadecimal(digests)
        landing = self._landing(columns, hashes, numbers)
        log_column = constant_column(log, pa.string(), len(texts))
        return Chunk(
            columns=columns,
            texts=_valid_texts(texts) if keep_original else None,
            landing={**landing, "log": log_column, "time_origin": time_origins},
            sizes=list(map(len, texts)),
            unmapped=self._all_unmapped(),
            fields={"event.hash": hashes, "@timestamp": stamps},
            whole=None if self.mapping.typed else self._whole(),
        )

    def _count_categories(self, columns: Columns) -> None:
        counts = self.reader.counts
        for path, times in unknown_categories(columns.record, self.mapping.categories):
            counts.add(counts.unmapped, path, times)

    def _count_actions(self, columns: Columns) -> None:
        for name, is_known in self.mapping.known.items():
            for action, times in _counts(columns.record[name]) if name in columns.record else ():
                if action is not None and not is_known(action):
                    self.reader.counts.add(self.reader.counts.actions, action, times)

    def _landing(self, columns: Columns, hashes: pa.Array, numbers: Sequence[int]) -> dict[str, pa.Array]:
        tenants, kafka = self._tenants(columns), self._kafka(numbers)
        return {
            "tenant": tenants,
            "key": self._keys(columns, tenants, hashes, kafka),
            "version": constant_column("", pa.string(), len(numbers)),
            "updated": kafka.field("enqueued"),
            "kafka": kafka,
        }

    def _columns(self) -> Columns:
        """The typed columns; records with an invalid time are read again, without it."""
        columns = typed_columns(self.reader.gathered, None, self.raw)
        if columns.mismatched:
            objects: list[Any] = []
            order = list(range(len(self.raw)))
            for number in columns.mismatched:
                order[number] = len(self.raw) + len(objects)
                read, self.unmapped[number] = self.reader.reread(self._content(number))
                objects.append(read)
            parts = pa.concat_arrays([self.raw, self.reader.gather(objects)])
            columns = typed_columns(self.reader.gathered, None, parts.take(pa.array(order, pa.int64())))
        for alias, name in self.mapping.aliases.items():
            self._merge(columns, alias, name)
        return columns

    def _merge(self, columns: Columns, alias: str, name: str) -> None:
        """Use the property's other spelling where it has no value under its own."""
        other, own = columns.record.pop(alias), columns.record[name]
        if other.null_count == len(other):
            return
        columns.record[name] = pc.coalesce(own, other)
        if name in columns.known or alias in columns.known:
            columns.known[name] = pc.coalesce(columns.known.get(name, own), columns.known.pop(alias, other))
        if alias in columns.ticks:
            columns.ticks[name] = pc.coalesce(columns.ticks[name], columns.ticks[alias])
        differ = pc.fill_null(pc.not_equal(own, other), False)
        if not pc.any(differ).as_py():
            return
        for number, value in enumerate(differ.to_pylist()):
            if value:
                rest = self.unmapped.setdefault(number, Unmapped())
                rest.record[alias] = parse_object(self._content(number)).get(alias, other[number].as_py())

    def _content(self, number: int) -> bytes:
        text, start, end = self.rows[number][:3]
        return text[start:end]

    def _whole(self) -> pa.Array:
        """The whole object of each record, as it was sent; rewritten if it is no strict JSON."""
        texts: list[bytes | str] = [text[start:end] for text, start, end, *_ in self.rows]
        for number, rest in self.unmapped.items():
            texts[number] = json_text(rest.record)
        for number, envelope in self.unmapped_envelope.items():
            texts[number] = json_text(_with_envelope(parse_object(self._content(number)), envelope))
        return pa.array(texts, pa.string())

    def _all_unmapped(self) -> dict[int, Unmapped]:
        for number, envelope in self.unmapped_envelope.items():
            unmapped = self.unmapped.setdefault(number, Unmapped())
            unmapped.record = _with_envelope(unmapped.record, envelope)
        return self.unmapped

    def _add_envelope(
        self, columns: Columns, times: Sequence[Any], received: Sequence[Any], envelopes: Sequence[Envelope]
    ) -> None:
        """The keys around the object as columns `envelope.…`; invalid times go to `unmapped`."""
        tenant, operation, category, instance = _constants_of(envelopes)
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
        columns.known.update((f"envelope.{name}", column) for name, column in typed.known.items())

    def _typed_envelope(self, raw: dict[str, pa.Array]) -> Columns:
        typed = typed_columns(ENVELOPE, None, pa.StructArray.from_arrays(raw.values(), raw.keys()))
        if not typed.mismatched:
            return typed
        for name in typed.ticks:
            values = raw[name].to_pylist()
            column = typed.record[name].to_pylist()
            for number in typed.mismatched:
                if values[number] is not None and column[number] is None:
                    self.unmapped_envelope.setdefault(number, {})[name] = values[number]
        return typed

    def _clocks(self, columns: Columns, ingested: datetime | None) -> Clocks:
        none = pa.nulls(len(self.rows), TIMESTAMP)
        own = [columns.record[name] for name in self.mapping.times if name in columns.record]
        return Clocks(
            record=pc.coalesce(*own) if own else none,
            envelope=columns.record.get("envelope.time", none),
            broker=_whole_column(self.origins, "enqueued"),
            ingested=ingested,
            enveloped=self.mapping.envelope is not None,
        )

    def _tenants(self, columns: Columns) -> pa.Array:
        names = ["envelope.tenantId", self.mapping.tenant]
        known = [columns.record[name] for name in names if name in columns.record]
        if known and not known[0].null_count:
            return lower_guids(known[0])
        return lower_guids(pc.coalesce(*known, _whole_column(self.origins, "tenant")))

    def _keys(self, columns: Columns, tenants: pa.Array, hashes: pa.Array, kafka: pa.StructArray) -> pa.Array:
        """Keys that only duplicates share; for tables without duplicates, they contain the record's place."""
        keys = pc.coalesce(join_known("/", tenants, hashes), hashes)
        is_timed = constant_column(False, pa.bool_(), len(keys))
        for name in times_of_duplicates(self.mapping):
            if name in columns.record:
                is_timed = pc.or_kleene(is_timed, pc.greater(columns.record[name], OLDEST))
        if is_timed.true_count == len(keys):
            return keys
        is_timed = pc.fill_null(is_timed, False)
        place = join_known("-", *(kafka.field(name) for name in ("partition", "offset", "record")))
        return pc.if_else(is_timed, keys, pc.coalesce(join_known("/", keys, place), keys))

    def _kafka(self, numbers: Sequence[int]) -> pa.StructArray:
        columns = {
            name: _whole_column(self.origins, name)
            for name in ("namespace", "hub", "partition", "offset", "enqueued")
        }
        columns["record"] = pa.array(numbers, pa.int32())
        names = ("namespace", "hub", "partition", "offset", "record", "enqueued")
        return pa.StructArray.from_arrays([columns[name] for name in names], names)


def _counts(column: pa.Array) -> Iterable[tuple[Any, int]]:
    """Each different value, and how often it is there."""
    if is_short(column):
        return Counter(column.to_pylist()).items()
    return [(each["values"], each["counts"]) for each in pc.value_counts(column).to_pylist()]


def _whole_column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _constants_of(envelopes: Sequence[Envelope]) -> list[pa.Array]:
    """A column for each constant; most records share them."""
    places = {envelope: place for place, envelope in enumerate(dict.fromkeys(envelopes))}
    columns = zip(*(envelope.constants for envelope in places), strict=True)
    if len(places) == 1:
        return [pa.repeat(pa.scalar(value, pa.string()), len(envelopes)) for (value,) in columns]
    if is_short(envelopes):
        rows = [envelope.constants for envelope in envelopes]
        return [column_of(column, pa.string()) for column in zip(*rows, strict=True)]
    indices = pa.array([places[envelope] for envelope in envelopes], pa.int32())
    return [pa.array(column, pa.string()).take(indices) for column in columns]


def times_of_duplicates(mapping: Mapping) -> tuple[str, ...]:
    """The properties of which one must have a time, so that equal content means a duplicate."""
    return mapping.times if mapping.envelope is not None else ()


def _with_envelope(data: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    """The data, with unknown envelope keys under `envelope`, or a longer name if that is taken."""
    name = "envelope"
    while name in data:
        name = f"_{name}"
    return {**data, name: rest}


def _valid_texts(texts: Sequence[bytes]) -> pa.Array:
    """Texts in UTF-8: their readers have checked them, and this makes sure."""
    offsets = pa.array([0, *accumulate(map(len, texts))], pa.int32()).buffers()[1]
    array = pa.Array.from_buffers(pa.string(), len(texts), [None, offsets, pa.py_buffer(b"".join(texts))])
    array.validate(full=True)
    return array


def _hexadecimal(digests: Sequence[bytes]) -> pa.Array:
    """The digests, all of one length, as texts."""
    text = b"".join(digests).hex().encode()
    width = 2 * DIGEST_BYTES
    offsets = pa.array(range(0, len(text) + 1, width), pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), len(digests), [None, offsets, pa.py_buffer(text)])
