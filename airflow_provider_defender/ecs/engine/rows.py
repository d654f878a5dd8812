"""Building the rows of a dataset from a chunk of read records, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.landing import LANDING_TYPE

from ..columns import lower_guids
from ..fields import ECS_VERSION, capacity_of, field_type, nested_columns, nested_fields, null_column
from ..mapping import HUB_SOURCE, Computed, Mapping
from .tolerant import Unmapped
from .typed import Columns
from .values import json_text

__all__ = ["Chunk", "RowBuilder"]

_LANDING_FIELDS = list(LANDING_TYPE)
_GUID_FIELDS = ("cloud.account.id", "organization.id")
"""Fields with ids of tenants and subscriptions, which must have one spelling only."""


@dataclass
class Chunk:
    """Records that have been read and can land. All attributes have one entry per record, in the same order.

    Attributes:
        columns: the records' typed columns.
        texts: the records' exact texts, if they are kept.
        landing: the known fields of `landing`, by name.
        sizes: the records' lengths in bytes.
        unmapped: what has no column, by record.
        fields: ECS fields that are known already.
        whole: the whole column `unmapped`, if it is not built from `unmapped`.
        derived: ECS fields that are known already, with one entry per row.
    """

    columns: Columns
    texts: pa.Array | None
    landing: dict[str, pa.Array]
    sizes: Sequence[int]
    unmapped: dict[int, Unmapped]
    fields: dict[str, pa.Array] = field(default_factory=dict)
    whole: pa.Array | None = None
    derived: dict[str, pa.Array] = field(default_factory=dict)


@lru_cache(maxsize=256)
def _spare_constant(value: Any, arrow_type: pa.DataType, capacity: int) -> pa.Array:
    return pa.repeat(pa.scalar(list(value) if isinstance(value, tuple) else value, arrow_type), capacity)


def constant_column(value: Any, arrow_type: pa.DataType, length: int) -> pa.Array:
    """A column that repeats a value `length` times; callers share its buffers."""
    hashable = tuple(value) if isinstance(value, list) else value
    return _spare_constant(hashable, arrow_type, capacity_of(length)).slice(0, length)


class RowBuilder:
    """Builds the rows of chunks by one mapping, in one schema."""

    def __init__(self, mapping: Mapping, schema: pa.Schema, ingested: datetime | None) -> None:
        self._mapping = mapping
        self._schema = schema
        is_own = schema is mapping.own_schema()
        self._fields = mapping.own_fields if is_own else nested_fields(schema)
        self._constants = {**mapping.constants, "ecs.version": ECS_VERSION}
        if ingested is not None:
            self._constants["event.ingested"] = ingested
        self._by_record = [entry for entry in mapping.computed if not self._needs_item(entry)]
        self._by_row = [entry for entry in mapping.computed if self._needs_item(entry)]

    def _needs_item(self, entry: Computed) -> bool:
        prefix = f"{self._mapping.items}."
        return self._mapping.items is not None and any(name.startswith(prefix) for name in entry.inputs)

    def prepare(self, chunk: Chunk) -> dict[str, pa.Array]:
        """Compute the fields that need computing only once per record."""
        fields: dict[str, pa.Array] = dict(chunk.fields)
        for entry in self._by_record:
            inputs = [known_column(chunk.columns, name) for name in entry.inputs]
            _store(fields, entry, entry.function(*inputs))
        if "@timestamp" not in fields:
            fields["@timestamp"] = pc.coalesce(*(chunk.columns.record[name] for name in self._mapping.times))
        return fields

    def build(self, chunk: Chunk, by_record: dict[str, pa.Array], start: int, stop: int) -> pa.RecordBatch:
        """Build rows `start` to `stop` (exclusive) of the chunk."""
        rows = _Rows(chunk, start, stop)
        length = stop - start
        leaves = {
            name: constant_column(value, field_type(name), length) for name, value in self._constants.items()
        }
        leaves.update((name, rows.take(column)) for name, column in by_record.items())
        leaves.update(
            (name, _as_type(rows.known(source), field_type(name)))
            for name, source in self._mapping.copies.items()
        )
        leaves.update((name, rows.own(column)) for name, column in chunk.derived.items())
        for entry in self._by_row:
            _store(leaves, entry, entry.function(*map(rows.known, entry.inputs)))
        leaves.update((name, lower_guids(leaves[name])) for name in _GUID_FIELDS if name in leaves)
        if chunk.texts is not None:
            leaves["event.original"] = rows.on_first(chunk.texts)
        leaves[self._mapping.container] = self._container(chunk, rows)
        leaves["landing"] = self._landing(chunk, rows)
        return pa.RecordBatch.from_arrays(nested_columns(self._fields, leaves, length), schema=self._schema)

    def _container(self, chunk: Chunk, rows: _Rows) -> pa.Array:
        mapping = self._mapping
        columns = []
        for part in mapping.container_fields:
            if part.name == "unmapped":
                columns.append(rows.unmapped(chunk, mapping.items))
            elif part.name in (mapping.items, mapping.envelope and "envelope"):
                children = [rows.column(f"{part.name}.{child.name}") for child in part.type]
                mask = rows.without_item() if part.name == mapping.items else None
                columns.append(pa.StructArray.from_arrays(children, fields=list(part.type), mask=mask))
            else:
                columns.append(rows.column(mapping.added.get(part.name, part.name)))
        return pa.StructArray.from_arrays(columns, fields=mapping.container_fields)

    def _landing(self, chunk: Chunk, rows: _Rows) -> pa.Array:
        source = HUB_SOURCE if self._mapping.from_hub else self._mapping.source
        leaves = {
            "source": constant_column(source, pa.string(), rows.length),
            "item": rows.numbers,
            "time_origin": constant_column("record", pa.string(), rows.length),
            **{name: rows.take(column) for name, column in chunk.landing.items()},
        }
        columns = [leaves.get(part.name, null_column(part.type, rows.length)) for part in _LANDING_FIELDS]
        return pa.StructArray.from_arrays(columns, fields=_LANDING_FIELDS)


def record_column(columns: Columns, name: str) -> pa.Array:
    """A property by dotted name; for a list of objects, the list of one of their properties."""
    if name.endswith("#ticks"):
        return columns.ticks[name.removesuffix("#ticks")]
    if name not in columns.record:
        parent, _, child = name.rpartition(".")
        lists = columns.record[parent]
        mask = lists.is_null() if lists.null_count else None
        columns.record[name] = pa.ListArray.from_arrays(lists.offsets, lists.values.field(child), mask=mask)
    return columns.record[name]


def known_column(columns: Columns, name: str) -> pa.Array:
    """The same without placeholders, for ECS fields."""
    known = columns.known.get(name)
    return record_column(columns, name) if known is None else known


def _as_type(column: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    """The column itself, or its numbers as texts if the field is a text."""
    return column if column.type == arrow_type else column.cast(arrow_type)


def _store(fields: dict[str, pa.Array], entry: Computed, result: Any) -> None:
    fields.update(zip(entry.fields, result if isinstance(result, tuple) else (result,), strict=False))


class _Rows:
    """A range of a chunk's rows: values of a record are repeated on each of its rows."""

    def __init__(self, chunk: Chunk, start: int, stop: int) -> None:
        self._columns = chunk.columns
        self._one_each = len(chunk.columns.parents) == chunk.columns.length
        self._start = start
        self.length = stop - start
        self._parents = chunk.columns.parents.slice(start, self.length)
        self.numbers = chunk.columns.numbers.slice(start, self.length)
        self._known: dict[str, pa.Array] = {}

    def take(self, column: pa.Array) -> pa.Array:
        """A record's value on each of its rows."""
        return self.own(column) if self._one_each else column.take(self._parents)

    def on_first(self, texts: pa.Array) -> pa.Array:
        """A record's text on its first row, null on the others; the texts are not copied.

        The first row's text spans its record's text; the other rows have empty spans at its start.
        """
        if self._one_each:
            return self.take(texts)
        is_first = pc.equal(self.numbers, 0)
        _, offsets, data = texts.buffers()
        begins = pa.Array.from_buffers(pa.int32(), len(texts) + 1, [None, offsets])
        places = pc.if_else(is_first, self._parents, pc.add(self._parents, pa.scalar(1, pa.int32())))
        last = self._parents[-1:]
        row_offsets = begins.take(pa.concat_arrays([places, pc.add(last, pa.scalar(1, pa.int32()))]))
        validity = pa.concat_arrays([is_first]).buffers()[1]
        return pa.Array.from_buffers(pa.string(), self.length, [validity, row_offsets.buffers()[1], data])

    def without_item(self) -> pa.Array | None:
        """True for rows that have no item; None if all have one."""
        has_item = self._columns.has_item
        return None if has_item is None else pc.invert(has_item.slice(self._start, self.length))

    def column(self, name: str) -> pa.Array:
        """A property by dotted name, on each row."""
        if name not in self._known:
            ticks = name.removesuffix("#ticks")
            if name in self._columns.item:
                self._known[name] = self.own(self._columns.item[name])
            elif name != ticks and ticks in self._columns.item:
                self._known[name] = self.own(self._columns.ticks[ticks])
            else:
                self._known[name] = self.take(record_column(self._columns, name))
        return self._known[name]

    def known(self, name: str) -> pa.Array:
        """The same without placeholders, for ECS fields."""
        known = self._columns.known.get(name)
        if known is None:
            return self.column(name)
        return self.own(known) if name in self._columns.item else self.take(known)

    def own(self, column: pa.Array) -> pa.Array:
        """A column of rows, cut to the range; copied, since `if_else` of Arrow 21 breaks slices of texts."""
        if len(column) == self.length:
            return column
        part = column.slice(self._start, self.length)
        return pa.concat_arrays([part]) if self._start else part

    def unmapped(self, chunk: Chunk, items: str | None) -> pa.Array:
        """What has no column, as JSON: of the record, and of the row's own item under the items' name."""
        unmapped = chunk.unmapped
        if chunk.whole is not None:
            return self.take(chunk.whole)
        if not unmapped:
            return null_column(pa.string(), self.length)
        texts: list[str | None] = [None] * self.length
        for row, (parent, number) in enumerate(
            zip(self._parents.to_pylist(), self.numbers.to_pylist(), strict=False)
        ):
            rest = unmapped.get(parent)
            if rest is not None:
                texts[row] = _unmapped_text(rest, number, items)
        return pa.array(texts, pa.string())


def _unmapped_text(rest: Unmapped, number: int, items: str | None) -> str | None:
    if items is not None and number in rest.items:
        return json_text({**rest.record, items: rest.items[number]})
    return json_text(rest.record) if rest.record else None
