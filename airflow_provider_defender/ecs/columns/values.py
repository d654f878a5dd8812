"""Functions on columns of values: choose, lower, join, subtract, and tell placeholders from values.

The engine takes placeholders out of every text before a mapping sees it (`only_known`): a blank, `:`, `none
specified`, a GUID of zeros, and `null`, except in columns of names and contents, where `null` can be true:
`/dev/null`. By the ends of properties' names it also takes out what is no hash (`only_hash`), and process ids
and ports of 0 (`positive`). So copies and computed fields are free of all that, `related.*` too, while the
columns under `microsoft` keep what was sent. What stands in JSON that a function parses itself needs
`known_text`. Words as `Unknown` say nothing only where a name is expected: `known_name` and `only_named` take
those out.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from .short import column_of, each_value, is_short

__all__ = [
    "PLACEHOLDERS",
    "difference_in_nanoseconds",
    "first_known",
    "join_known",
    "known_name",
    "known_text",
    "lower",
    "lower_guid",
    "lower_guids",
    "lower_text",
    "only_known",
    "only_named",
    "only_where",
    "positive",
]

_MOST_TICKS = (2**63 - 1) // 100


def first_known(*columns: pa.Array) -> pa.Array:
    """The first value that is not null."""
    filled = [column for column in columns if column.null_count < len(column)]
    if len(filled) > 1 and filled[0].null_count:
        return pc.coalesce(*filled)
    return filled[0] if filled else columns[0]


def lower(column: pa.Array) -> pa.Array:
    """The text in lower case."""
    return pc.utf8_lower(column)


def lower_text(text: str) -> str:
    """`lower` for one text: letter by letter, as Arrow does it."""
    return text.lower() if text.isascii() else "".join(letter.lower()[0] for letter in text)


_GUID = r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"

_is_guid = re.compile(_GUID[:-1] + r"\Z").match


def lower_guids(column: pa.Array) -> pa.Array:
    """GUIDs in lower case, so that equal ones compare as equal; other texts unchanged."""
    if is_short(column):
        return each_value(lower_guid, column)
    lowered = pc.ascii_lower(column)
    differ = pc.fill_null(pc.not_equal(lowered, column), False)
    if not pc.any(differ).as_py():
        return column
    return pc.if_else(pc.and_(differ, pc.match_substring_regex(column, _GUID)), lowered, column)


def lower_guid(text: str | None) -> str | None:
    """`lower_guids` for one text."""
    return text.lower() if text is not None and not text.islower() and _is_guid(text) else text


def only_where(condition: pa.Array, column: pa.Array) -> pa.Array:
    """The value if the condition is true, else null; the same array if it is true for all."""
    if condition.true_count == len(column):
        return column
    # Older pyarrow (21) damages a slice of texts if the other value is a null scalar (apache/arrow#49410).
    nothing = pa.nulls(len(column), column.type) if column.offset else pa.scalar(None, column.type)
    return pc.if_else(condition, column, nothing)


def join_known(separator: str, *columns: pa.Array) -> pa.Array:
    """The values with `separator` between them; null where any of them is null."""
    if is_short(columns[0]) and all(_is_text_or_number(column.type) for column in columns):
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        joined = [None if None in row else separator.join(map(str, row)) for row in rows]
        return column_of(joined, pa.string())
    texts = [column if pa.types.is_string(column.type) else column.cast(pa.string()) for column in columns]
    return pc.binary_join_element_wise(*texts, separator)


def _is_text_or_number(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_string(arrow_type) or pa.types.is_integer(arrow_type))


def difference_in_nanoseconds(start_ticks: pa.Array, end_ticks: pa.Array) -> pa.Array:
    """End minus start in ns, from ticks of 100 ns; null if negative, or 292 years or longer."""
    ticks = pc.subtract(end_ticks, start_ticks)
    fits = pc.and_(pc.greater_equal(ticks, 0), pc.less_equal(ticks, _MOST_TICKS))
    return pc.multiply(only_where(fits, ticks), 100)


NO_GUID = "00000000-0000-0000-0000-000000000000"
"""The GUID of zeros, which Microsoft sends where it knows none."""
_NULLS = ("null", "Null", "NULL")
_PLACEHOLDERS = (" ", ":", "none specified", NO_GUID)
PLACEHOLDERS = (*_PLACEHOLDERS, *_NULLS)
"""What `only_known` takes out."""
_PLACEHOLDER_TEXTS = pa.array(_PLACEHOLDERS)
_PLACEHOLDERS_AND_NULLS = pa.array(PLACEHOLDERS)
_PLACEHOLDER_LENGTHS = pc.unique(pc.binary_length(_PLACEHOLDERS_AND_NULLS))
_NO_NAMES = frozenset(
    {"", "-", ":", "n/a", "na", "null", "none", "none specified", "not specified", "unspecified", "unknown"}
    | {"undefined", "not available", "unknownfuturevalue", NO_GUID}
)
_LONGEST_PLACEHOLDER = 64
"""Characters, with blanks: a longer text need not be looked at."""


def known_text(text: str | None) -> str | None:
    """The text, trimmed; None for a placeholder: blank, `-`, `:`, `N/A`, `null`, a GUID of zeros."""
    if text is None:
        return None
    trimmed = text.strip()
    return None if trimmed in ("", "-", "N/A", "n/a", *_PLACEHOLDERS, *_NULLS) else trimmed


def known_name(text: str | None) -> str | None:
    """As `known_text`, and None for words that say that there is no name: `Unknown`, `none specified`."""
    if text is None:
        return None
    trimmed = text.strip()
    return None if len(trimmed) <= _LONGEST_PLACEHOLDER and trimmed.lower() in _NO_NAMES else trimmed


def only_named(column: pa.Array) -> pa.Array:
    """`known_name` for a column: for names of systems, networks, kinds of devices, of which few differ."""
    if is_short(column):
        return each_value(known_name, column)
    encoded = column.dictionary_encode()
    names = pa.array([known_name(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return names.take(encoded.indices)


def only_known(column: pa.Array, lengths: pa.Array | None = None, null_is_name: bool = False) -> pa.Array:
    """The texts that are no placeholders: no blank, `:`, `none specified`, GUID of zeros, and no `null`.

    It costs little where there is none: the lengths of the texts tell which to look at. Returns the same
    array then.

    Args:
        column: texts.
        lengths: the size of each text in bytes, if it is known.
        null_is_name: whether `null` is a value: `/dev/null` is a file of this name.
    """
    if column.null_count == len(column):
        return column
    placeholders = _PLACEHOLDER_TEXTS if null_is_name else _PLACEHOLDERS_AND_NULLS
    if is_short(column):
        texts = _PLACEHOLDERS if null_is_name else PLACEHOLDERS
        return each_value(lambda text: None if text in texts else text, column)
    suspects = pc.is_in(pc.binary_length(column) if lengths is None else lengths, _PLACEHOLDER_LENGTHS)
    if not pc.any(suspects).as_py() or not pc.any(pc.is_in(column.filter(suspects), placeholders)).as_py():
        return column
    return only_where(pc.invert(pc.is_in(column, placeholders)), column)


def positive(column: pa.Array) -> pa.Array:
    """The numbers above 0: process ids and ports, where 0 and less stand for none that is known."""
    if is_short(column):
        return each_value(lambda number: number if number > 0 else None, column)
    smallest = pc.min(column).as_py()
    if smallest is None or smallest > 0:
        return column
    return only_where(pc.greater(column, 0), column)
