"""Choosing rows of wide tables, most of whose columns have no value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["FilledColumns"]


class FilledColumns:
    """Some rows' columns that have a value; only these are copied where rows are chosen.

    The others are nulls, of which any part serves: chosen rows share those of all rows. `length`: how many
    rows there are.
    """

    def __init__(self, rows: pa.RecordBatch) -> None:
        self.length = len(rows)
        self._schema = rows.schema
        self._leaves: list[pa.Array] = []
        self._parts = [self._part(column) for column in rows.columns]

    def chosen(self, mask: pa.BooleanArray) -> pa.RecordBatch:
        """A copy of the rows where the mask, which is not all false and has no nulls, is true."""
        length = mask.true_count
        first = pc.index(mask, True).as_py()
        if mask.slice(first, length).true_count == length:
            leaves = [pa.concat_arrays([leaf.slice(first, length)]) for leaf in self._leaves]
        else:
            places = pc.indices_nonzero(mask)
            leaves = [leaf.take(places) for leaf in self._leaves]
        columns = [part.of(leaves, length) for part in self._parts]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _part(self, column: pa.Array) -> _Nulls | _Leaf | _Struct:
        if column.null_count == len(column):
            return _Nulls(column)
        if not pa.types.is_struct(column.type) or not column.type.num_fields:
            return self._leaf(column)
        validity = self._leaf(column.is_valid()) if column.null_count else None
        children = [self._part(column.field(number)) for number in range(column.type.num_fields)]
        return _Struct(list(column.type), children, validity)

    def _leaf(self, column: pa.Array) -> _Leaf:
        self._leaves.append(column)
        return _Leaf(len(self._leaves) - 1)


@dataclass(frozen=True)
class _Nulls:
    """A column without any value."""

    column: pa.Array

    def of(self, leaves: Sequence[pa.Array], length: int) -> pa.Array:
        return self.column.slice(0, length)


@dataclass(frozen=True)
class _Leaf:
    """A column with values, by its number."""

    number: int

    def of(self, leaves: Sequence[pa.Array], length: int) -> pa.Array:
        return leaves[self.number]


@dataclass(frozen=True)
class _Struct:
    """A column that consists of others. `validity` says where it has a value; None: everywhere."""

    fields: Sequence[pa.Field]
    children: Sequence[_Nulls | _Leaf | _Struct]
    validity: _Leaf | None

    def of(self, leaves: Sequence[pa.Array], length: int) -> pa.Array:
        children = [child.of(leaves, length) for child in self.children]
        mask = None if self.validity is None else pc.invert(self.validity.of(leaves, length))
        return pa.StructArray.from_arrays(children, fields=self.fields, mask=mask)
