"""One schema for files of different releases, and rows brought to it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["NotMergeable", "conformed", "merged_schema"]


class NotMergeable(Exception):  # noqa: N818
    """Two files have a column of one name and of different types."""


def merged_schema(one: pa.Schema, other: pa.Schema) -> pa.Schema:
    """The columns of both schemas, and of structs the leaves of both. Raises `NotMergeable`.

    `pyarrow.unify_schemas` does not look into structs and lists.
    """
    return one if one.equals(other) else pa.schema(_merged_fields(list(one), list(other)))


def _merged_fields(one: list[pa.Field], other: list[pa.Field]) -> list[pa.Field]:
    there = {field.name: field for field in other}
    fields = [_merged_field(field, there.pop(field.name, None)) for field in one]
    return fields + [field.with_nullable(True) for field in there.values()]


def _merged_field(one: pa.Field, other: pa.Field | None) -> pa.Field:
    if other is None:
        return one.with_nullable(True)
    return pa.field(one.name, _merged_type(one, other), one.nullable or other.nullable)


def _merged_type(one: pa.Field, other: pa.Field) -> pa.DataType:
    first, second = one.type, other.type
    if first.equals(second) or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    if pa.types.is_struct(first) and pa.types.is_struct(second):
        return pa.struct(_merged_fields(list(first), list(second)))
    if pa.types.is_list(first) and pa.types.is_list(second):
        return pa.list_(_merged_field(first.value_field, second.value_field))
    raise NotMergeable(f"{one.name} is {first} in one file and {second} in another")


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The rows with all columns of a schema that includes theirs; what they lack is null."""
    if batch.schema.equals(schema):
        return batch
    there = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns = [_conformed(there.get(field.name), field.type, batch.num_rows) for field in schema]
    return pa.record_batch(columns, schema=schema)


def _conformed(values: pa.Array | None, wanted: pa.DataType, rows: int) -> pa.Array:
    if values is None or pa.types.is_null(values.type):
        return pa.nulls(rows, wanted)
    if values.type.equals(wanted):
        return values
    if pa.types.is_struct(wanted):
        parts = [_conformed(_child(values, field.name), field.type, len(values)) for field in wanted]
        return pa.StructArray.from_arrays(parts, fields=list(wanted), mask=values.is_null())
    # A list: `flatten` leaves out the elements under a null, which a slice or a filter can leave behind.
    starts = pa.concat_arrays([pa.array([0], pa.int32()), _ends(values)])
    elements = _conformed(values.flatten(), wanted.value_type, len(values.flatten()))
    return pa.ListArray.from_arrays(starts, elements, type=wanted, mask=values.is_null())


def _child(values: pa.StructArray, name: str) -> pa.Array | None:
    return values.field(name) if values.type.get_field_index(name) >= 0 else None


def _ends(values: pa.ListArray) -> pa.Array:
    return pc.cumulative_sum(pc.fill_null(pc.list_value_length(values), 0)).cast(pa.int32())
