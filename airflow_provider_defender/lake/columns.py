"""The leaf columns of a schema, as Parquet names them, and how each is best written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

__all__ = ["Choices", "Column", "Layout", "leaf_count", "make_choices", "make_layout"]

_LONG_TEXT = 1024
_NO_DICTIONARY = 256
_DICTIONARY_ROWS = 8
_COMPRESSED_BYTES = 3 * 1024
_PLAIN_TYPES = (
    pa.bool_(),
    pa.int32(),
    pa.int64(),
    pa.float64(),
    pa.string(),
    pa.binary(),
    pa.timestamp("us", "UTC"),
)


@dataclass
class Choices:
    """How the leaf columns of a file are written: those with a dictionary, compressed ones, and long texts.

    `most_bytes`: the size of the largest leaf, if it is one that is compressed.
    """

    with_dictionaries: bool
    dictionary: list[Column] = field(default_factory=list)
    compressed: list[Column] = field(default_factory=list)
    long_texts: list[Column] = field(default_factory=list)
    most_bytes: int = 0


@dataclass(frozen=True)
class Column:
    """A column, or a part of one: its path and name in Parquet, and what it consists of if it is no leaf."""

    path: tuple[str, ...]
    name: str
    is_text: bool
    is_list: bool
    parts: tuple[Column, ...]
    bits: int | None
    """The size of a value, if all have the same."""

    def choose(self, chunks: Sequence[pa.Array], choices: Choices) -> None:
        """Choose how the leaves with these values are written."""
        values = sum([len(chunk) - chunk.null_count for chunk in chunks])
        if not values:
            return
        if self.bits is None and not choices.with_dictionaries and _most_bytes(chunks) < _LONG_TEXT:
            return  # nothing to choose, and most structs of few rows are so small
        if self.is_list:
            self.parts[0].choose([chunk.flatten() for chunk in chunks], choices)
        elif self.parts:
            for number, part in enumerate(self.parts):
                part.choose([chunk.field(number) for chunk in chunks], choices)
        else:
            self._choose_leaf(chunks, values, choices)

    def _choose_leaf(self, chunks: Sequence[pa.Array], values: int, choices: Choices) -> None:
        size = self._bytes(chunks, values)
        mean_text = size / values if self.is_text else 0.0
        if choices.with_dictionaries and mean_text < _NO_DICTIONARY:
            choices.dictionary.append(self)
        if mean_text >= _LONG_TEXT:
            choices.long_texts.append(self)
        if size >= _COMPRESSED_BYTES:
            choices.compressed.append(self)
            choices.most_bytes = max(choices.most_bytes, size)

    def _bytes(self, chunks: Sequence[pa.Array], values: int) -> int:
        """The size of a leaf, exact if something depends on it: that takes ten times as long."""
        if self.bits is not None:
            return sum([len(chunk) for chunk in chunks]) * self.bits // 8
        size = _most_bytes(chunks)
        if size < min(_COMPRESSED_BYTES, _NO_DICTIONARY * values):
            return size
        return sum([chunk.nbytes for chunk in chunks])


def _most_bytes(chunks: Sequence[pa.Array]) -> int:
    """The most bytes that these values can take: of a slice, the whole memory counts."""
    return sum([chunk.get_total_buffer_size() for chunk in chunks])


def _column(path: tuple[str, ...], arrow_type: pa.DataType) -> Column:
    is_list = pa.types.is_list(arrow_type)
    if is_list:
        parts: tuple[Column, ...] = (_column((*path, "list", "element"), arrow_type.value_type),)
    else:
        children = arrow_type if pa.types.is_struct(arrow_type) else ()
        parts = tuple(_column((*path, child.name), child.type) for child in children)
    is_text = pa.types.is_string(arrow_type) or pa.types.is_binary(arrow_type)
    bits = arrow_type.bit_width if pa.types.is_primitive(arrow_type) else None
    return Column(path, ".".join(path), is_text, is_list, parts, bits)


def _leaf_names(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        if column.parts:
            yield from _leaf_names(column.parts)
        else:
            yield column.name


def _is_plain(arrow_type: pa.DataType) -> bool:
    if pa.types.is_list(arrow_type):
        return _is_plain(arrow_type.value_type)
    if pa.types.is_struct(arrow_type):
        return arrow_type.num_fields > 0 and all(_is_plain(child.type) for child in arrow_type)
    return arrow_type in _PLAIN_TYPES


def _with_elements(part: pa.Field) -> pa.Field:
    """The same, with the name that Parquet's standard gives to the values of a list."""
    if pa.types.is_list(part.type):
        return part.with_type(pa.list_(_with_elements(part.type.value_field).with_name("element")))
    if pa.types.is_struct(part.type):
        return part.with_type(pa.struct([_with_elements(child) for child in part.type]))
    return part


@dataclass(frozen=True)
class Layout:
    """The columns of a schema, and all leaves by Parquet's names.

    Attributes:
        schema: the schema.
        columns: its columns.
        names: Parquet's names of its leaves.
        is_plain: whether it consists of lists, structs, texts, bytes, booleans, integers of 32 and 64 bits,
            doubles and microseconds in UTC: what all tables of this provider consist of.
        in_parquet: the schema with the names that are to be in Parquet.
    """

    schema: pa.Schema
    columns: tuple[Column, ...]
    names: tuple[str, ...]
    is_plain: bool
    in_parquet: pa.Schema


_layouts: dict[tuple[str, ...], list[Layout]] = {}
"""The layouts of schemas with these columns: Arrow's own hash of a schema spells it all out."""

_MOST_LAYOUTS = 1024


def make_layout(schema: pa.Schema) -> Layout:
    """The layout of a schema; many are remembered."""
    known = _layouts.setdefault(tuple(schema.names), [])
    for layout in known:
        if layout.schema.equals(schema):
            return layout
    if sum(len(each) for each in list(_layouts.values())) >= _MOST_LAYOUTS:
        _layouts.clear()
    columns = tuple(_column((column.name,), column.type) for column in schema)
    is_plain = all(_is_plain(column.type) for column in schema)
    in_parquet = pa.schema([_with_elements(column) for column in schema])
    layout = Layout(schema, columns, tuple(_leaf_names(columns)), is_plain, in_parquet)
    known.append(layout)  # another thread may append one of its own
    return layout


def make_choices(rows: pa.Table) -> Choices:
    """How the leaf columns of a file that begins with these rows are written."""
    choices = Choices(rows.num_rows >= _DICTIONARY_ROWS)
    for column, values in zip(make_layout(rows.schema).columns, rows.columns, strict=True):
        column.choose(values.chunks, choices)
    return choices


def leaf_count(schema: pa.Schema) -> int:
    """The number of columns as Parquet counts them."""
    return len(make_layout(schema).names)
