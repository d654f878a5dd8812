"""From a chunk of read records to the rows of their dataset, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ._reader import Leftovers
from ._typed import Columns
from ._values import json_text
from .columns import lower_guids
from .fields import ECS_VERSION, field_type, nested_columns, null_column
from .mapping import HUB_SOURCE, LANDING_TYPE, Computed, Mapping

__all__ = ["Chunk", "RowBuilder"]

_GUID_FIELDS = ("cloud.account.id", "organization.id")
"""Fields that name tenants and subscriptions, of which one must not have two spellings."""


@dataclass
class Chunk:
    """Records that can land, read: everything by record, in the same order.

    Attributes:
        columns: the records' typed columns.
        texts: the records' exact texts, if they are kept.
        landing: what is known of `landing`, by name.
        sizes: the records' lengths in bytes.
        leftovers: what has no column, by record.
        fields: ECS fields that are known already.
        unmapped: the whole column, if it does not follow from the leftovers.
    """

    columns: Columns
    texts: pa.Array | None
    landing: dict[str, pa.Array]
    sizes: Sequence[int]
    leftovers: dict[int, Leftovers]
    fields: dict[str, pa.Array] = field(default_factory=dict)
    unmapped: pa.Array | None = None


@lru_cache(maxsize=256)
def _spare_constant(value: Any, arrow_type: pa.DataType, capacity: int) -> pa.Array:
    return pa.repeat(pa.scalar(list(value) if isinstance(value, tuple) else value, arrow_type), capacity)


def constant_column(value: Any, arrow_type: pa.DataType, length: int) -> pa.Array:
    """`length` times the value; callers share the buffers."""
    hashable = tuple(value) if isinstance(value, list) else value
    capacity = max(4096, 1 << (length - 1).bit_length() if length else 0)
    return _spare_constant(hashable, arrow_type, capacity).slice(0, length)


class RowBuilder:
    """Builds the rows of chunks by one mapping, in one schema."""

    def __init__(self, mapping: Mapping, schema: pa.Schema, ingested: datetime | None) -> None:
        self._mapping = mapping
        self._schema = schema
        self._constants = {**mapping.constants, "ecs.version": ECS_VERSION}
        if ingested is not None:
            self._constants["event.ingested"] = ingested
        self._by_record = [entry for entry in mapping.computed if not self._needs_item(entry)]
        self._by_row = [entry for entry in mapping.computed if self._needs_item(entry)]

    def _needs_item(self, entry: Computed) -> bool:
        prefix = f"{self._mapping.items}."
        return self._mapping.items is not None and any(name.startswith(prefix) for name in entry.inputs)

    def prepare(self, chunk: Chunk) -> dict[str, pa.Array]:
        """The fields that are computed once a record."""
        fields: dict[str, pa.Array] = dict(chunk.fields)
        for entry in self._by_record:
            inputs = [record_column(chunk.columns, name) for name in entry.inputs]
            _store(fields, entry, entry.function(*inputs))
        if "@timestamp" not in fields:
            fields["@timestamp"] = pc.coalesce(*(chunk.columns.record[name] for name in self._mapping.times))
        return fields

    def build(self, chunk: Chunk, by_record: dict[str, pa.Array], start: int, stop: int) -> pa.RecordBatch:
        """Rows `start` to `stop` of the chunk."""
        rows = _Rows(chunk, start, stop)
        length = stop - start
        leaves = {
            name: constant_column(value, field_type(name), length) for name, value in self._constants.items()
        }
        leaves.update((name, rows.take(column)) for name, column in by_record.items())
        leaves.update(
            (name, _as_type(rows.column(source), field_type(name)))
            for name, source in self._mapping.copies.items()
        )
        for entry in self._by_row:
            _store(leaves, entry, entry.function(*map(rows.column, entry.inputs)))
        leaves.update((name, lower_guids(leaves[name])) for name in _GUID_FIELDS if name in leaves)
        if chunk.texts is not None:
            leaves["event.original"] = rows.on_first(chunk.texts)
        leaves[self._mapping.container] = self._container(chunk, rows)
        leaves["landing"] = self._landing(chunk, rows)
        return pa.RecordBatch.from_arrays(nested_columns(self._schema, leaves, length), schema=self._schema)

    def _container(self, chunk: Chunk, rows: _Rows) -> pa.Array:
        mapping = self._mapping
        columns = []
        for part in mapping.container_type:
            if part.name == "unmapped":
                columns.append(rows.unmapped(chunk, mapping.items))
            elif part.name in (mapping.items, mapping.envelope and "envelope"):
                children = [rows.column(f"{part.name}.{child.name}") for child in part.type]
                mask = rows.without_item() if part.name == mapping.items else None
                columns.append(pa.StructArray.from_arrays(children, fields=list(part.type), mask=mask))
            else:
                columns.append(rows.column(part.name))
        return pa.StructArray.from_arrays(columns, fields=list(mapping.container_type))

    def _landing(self, chunk: Chunk, rows: _Rows) -> pa.Array:
        source = HUB_SOURCE if self._mapping.from_hub else self._mapping.source
        leaves = {
            "source": constant_column(source, pa.string(), rows.length),
            "item": rows.numbers,
            "time_origin": constant_column("record", pa.string(), rows.length),
            **{name: rows.take(column) for name, column in chunk.landing.items()},
        }
        columns = [leaves.get(part.name, null_column(part.type, rows.length)) for part in LANDING_TYPE]
        return pa.StructArray.from_arrays(columns, fields=list(LANDING_TYPE))


def record_column(columns: Columns, name: str) -> pa.Array:
    """A property by dotted name; of a list of objects, the list of one of their properties."""
    if name.endswith("#ticks"):
        return columns.ticks[name.removesuffix("#ticks")]
    if name not in columns.record:
        parent, _, child = name.rpartition(".")
        lists = columns.record[parent]
        columns.record[name] = pa.ListArray.from_arrays(lists.offsets, lists.values.field(child))
    return columns.record[name]


def _as_type(column: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    """The column itself, or its numbers as texts where the field is one of texts."""
    return column if column.type == arrow_type else column.cast(arrow_type)


def _store(fields: dict[str, pa.Array], entry: Computed, result: Any) -> None:
    fields.update(zip(entry.fields, result if isinstance(result, tuple) else (result,), strict=False))


class _Rows:
    """A range of a chunk's rows: what a record has is repeated for each of its rows."""

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
        return self._own(column) if self._one_each else column.take(self._parents)

    def on_first(self, texts: pa.Array) -> pa.Array:
        """A record's text on its first row, null on the others; the texts are not copied.

        A row's text begins where its record's does, or ends there if it is the row of another item.
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
                self._known[name] = self._own(self._columns.item[name])
            elif name != ticks and ticks in self._columns.item:
                self._known[name] = self._own(self._columns.ticks[ticks])
            else:
                self._known[name] = self.take(record_column(self._columns, name))
        return self._known[name]

    def _own(self, column: pa.Array) -> pa.Array:
        """A column of rows, cut to the range; copied, as `if_else` of Arrow 21 breaks slices of texts."""
        if len(column) == self.length:
            return column
        part = column.slice(self._start, self.length)
        return pa.concat_arrays([part]) if self._start else part

    def unmapped(self, chunk: Chunk, items: str | None) -> pa.Array:
        """JSON of what has no column: of the record, and of the row's own item under the items' name."""
        leftovers = chunk.leftovers
        if chunk.unmapped is not None:
            return self.take(chunk.unmapped)
        if not leftovers:
            return null_column(pa.string(), self.length)
        texts: list[str | None] = [None] * self.length
        for row, (parent, number) in enumerate(
            zip(self._parents.to_pylist(), self.numbers.to_pylist(), strict=False)
        ):
            rest = leftovers.get(parent)
            if rest is not None:
                texts[row] = _unmapped_text(rest, number, items)
        return pa.array(texts, pa.string())


def _unmapped_text(rest: Leftovers, number: int, items: str | None) -> str | None:
    if items is not None and number in rest.items:
        return json_text({**rest.record, items: rest.items[number]})
    return json_text(rest.record) if rest.record else None
