"""From raw columns, as records are read, to typed ones: times parsed, absent values null, a row an item."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ._shapes import Kind, ListOf, Shape, arrow_type
from ._values import ABSENT_TEXTS, ticks_of
from .fields import TIMESTAMP

__all__ = ["Columns", "typed_columns"]

_LONGEST_ABSENT = max(map(len, ABSENT_TEXTS))
_ABSENT = pa.array(ABSENT_TEXTS)
_SHORTEST_TIME, _LONGEST_TIME = len("2026-01-01T00:00:00Z"), len("2026-01-01T00:00:00.123456789Z")


@dataclass
class Columns:
    """The typed columns of some records.

    `record` has one value a record, `item` one a row, both by dotted property name; `ticks` has the times as
    counts of 100 ns. `parents` is each row's record, `numbers` its place among the record's rows, and
    `has_item` is None when every row has an item. `unfit`: the records that hold a time which is none.
    """

    length: int
    record: dict[str, pa.Array]
    item: dict[str, pa.Array]
    ticks: dict[str, pa.Array]
    parents: pa.Array
    numbers: pa.Array
    has_item: pa.Array | None
    unfit: set[int]


def typed_columns(shape: Shape, items: str | None, raw: pa.StructArray) -> Columns:
    """The columns of records from the array (without an offset) that `RecordReader.gather` makes of them.

    `items` names the property that holds a list of objects, one a row.
    """
    builder = _Builder()
    record: dict[str, pa.Array] = {}
    item: dict[str, pa.Array] = {}
    offsets = parents = _positions(len(raw) + 1)
    has_item = None
    for name, kind in shape.properties.items():
        column = raw.field(name)
        if name != items or not isinstance(kind, ListOf) or not isinstance(kind.item, Shape):
            record[name] = builder.column(kind, column, None, name, record)
            continue
        offsets, parents = column.offsets, pc.list_parent_indices(column).cast(pa.int32())
        has_item = column.values.is_valid() if column.values.null_count else None
        builder.children(kind.item, column.values, parents, f"{name}.", item)
    parents = parents.slice(0, len(offsets) - 1) if parents is offsets else parents
    numbers = pc.subtract(_positions(len(parents)), offsets.take(parents))
    return Columns(len(raw), record, item, builder.ticks, parents, numbers, has_item, builder.unfit)


def _positions(length: int) -> pa.Array:
    return pa.array(range(length), pa.int32())


class _Builder:
    """Types arrays, and collects the records (`unfit`) that hold a time which is none.

    `owners` says for each value which record it is of; None where there is one value a record.
    """

    def __init__(self) -> None:
        self.unfit: set[int] = set()
        self.ticks: dict[str, pa.Array] = {}

    def children(
        self,
        shape: Shape,
        raw: pa.StructArray,
        owners: pa.Array | None,
        prefix: str,
        into: dict[str, pa.Array],
    ) -> list[pa.Array]:
        arrays = []
        for name, kind in shape.properties.items():
            array = self.column(kind, raw.field(name), owners, prefix + name, into)
            into[prefix + name] = array
            arrays.append(array)
        return arrays

    def column(
        self, kind: Kind, raw: pa.Array, owners: pa.Array | None, name: str, into: dict[str, pa.Array]
    ) -> pa.Array:
        if isinstance(kind, Shape):
            children = self.children(kind, raw, owners, f"{name}.", into)
            mask = raw.is_null() if raw.null_count else None
            return pa.StructArray.from_arrays(children, fields=list(arrow_type(kind)), mask=mask)
        if isinstance(kind, ListOf):
            return self._list_column(kind, raw, owners, name)
        if kind == "time":
            return self._time_column(raw, owners, name)
        return _known_texts(raw) if kind in ("string", "identifier") else raw

    def _list_column(self, kind: ListOf, raw: pa.ListArray, owners: pa.Array | None, name: str) -> pa.Array:
        if kind.item == "string":
            return _known_text_lists(raw)
        parents = pc.list_parent_indices(raw)
        child = self.column(
            kind.item, raw.values, parents if owners is None else owners.take(parents), name, {}
        )
        mask = raw.is_null() if raw.null_count else None
        return pa.ListArray.from_arrays(raw.offsets, child, type=arrow_type(kind), mask=mask)

    def _time_column(self, raw: pa.Array, owners: pa.Array | None, name: str) -> pa.Array:
        texts = _known_texts(raw)
        nanoseconds = _parse_common_times(texts)
        if nanoseconds is not None:
            self.ticks[name] = pc.divide(nanoseconds, 100)
            return pc.divide(nanoseconds, 1000).cast(TIMESTAMP)
        known: dict[str | None, int | None] = {None: None}
        ticks = []
        for number, text in enumerate(texts.to_pylist()):
            if text not in known:
                known[text] = ticks_of(text)
            if known[text] is None and text is not None:
                self.unfit.add(number if owners is None else owners[number].as_py())
            ticks.append(known[text])
        self.ticks[name] = pa.array(ticks, pa.int64())
        return pa.array([None if tick is None else tick // 10 for tick in ticks], pa.int64()).cast(TIMESTAMP)


def _parse_common_times(texts: pa.Array) -> pa.Array | None:
    """Nanoseconds since 1970 where all texts are in UTC and lie between 1970 and 2262; else None."""
    if texts.null_count == len(texts):
        return texts.cast(pa.int64())
    has_zone = pc.ends_with(texts, "Z")
    if not pc.all(has_zone).as_py():
        texts = pc.if_else(has_zone, texts, pc.binary_join_element_wise(texts, "Z", ""))
    lengths = pc.min_max(pc.binary_length(texts))
    if lengths["min"].as_py() < _SHORTEST_TIME or lengths["max"].as_py() > _LONGEST_TIME:
        return None
    try:
        nanoseconds = texts.cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return nanoseconds if pc.min(nanoseconds).as_py() >= 0 else None


def _known_texts(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_in(column, _ABSENT), None, column) if _may_hold_absent(column) else column


def _may_hold_absent(column: pa.Array) -> bool:
    if column.null_count == len(column):
        return False
    return bool(pc.min(pc.binary_length(column)).as_py() <= _LONGEST_ABSENT)


def _known_text_lists(column: pa.ListArray) -> pa.ListArray:
    if _may_hold_absent(column.values) and pc.any(pc.is_in(column.values, _ABSENT)).as_py():
        values = column.to_pylist()
        kept = [value and [text for text in value if text not in ABSENT_TEXTS] for value in values]
        return pa.array(kept, pa.list_(pa.string()))
    return column
