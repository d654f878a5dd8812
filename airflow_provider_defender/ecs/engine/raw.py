"""Arrow arrays of values as the strict classes hold them: times are still texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import msgspec
import pyarrow as pa

from ..fields import capacity_of, null_column
from .shapes import ColumnType, ListOf, raw_type
from .strict import JSON_TYPES, NULL_JSON
from .values import ABSENT_TEXTS

__all__ = ["all_absent", "dynamic_texts", "scalar_column", "text_column"]

_ABSENT_JSON = {b"null", b'""', b'"-"', b'"N/A"'}
_LONGEST_ABSENT_JSON = max(map(len, _ABSENT_JSON))
_decode_strings = msgspec.json.Decoder(list[str]).decode
_decode_texts = msgspec.json.Decoder(list[str | None]).decode
_QUOTE = ord('"')
_ABSENT = {b"null", *ABSENT_TEXTS}
_LONGEST_ABSENT = max(map(len, _ABSENT))


def all_absent(column_type: ColumnType, values: Sequence[Any]) -> bool:
    """Whether all are None, or JSON that was not sent. Finds it out quickly; a False may be wrong."""
    if not values:
        return True
    first = values[0]
    if first is None or (first is NULL_JSON and column_type in JSON_TYPES):
        return values.count(first) == len(values)
    return False


def scalar_column(column_type: ColumnType, values: Sequence[Any]) -> pa.Array:
    """Values that are no objects, or lists of texts or numbers, as an array of type `raw_type`."""
    if column_type == "identifier":
        return _identifiers(values)
    if column_type == "json":
        return _json_column(values)
    if column_type == "dynamic":
        return pa.array(dynamic_texts(values), pa.string())
    if isinstance(column_type, ListOf) and not any(values) and None not in values:
        return _spare_empty(raw_type(column_type), capacity_of(len(values))).slice(0, len(values))
    return pa.array(values, raw_type(column_type))


@lru_cache(maxsize=64)
def _spare_empty(list_type: pa.DataType, capacity: int) -> pa.Array:
    return pa.repeat(pa.scalar([], list_type), capacity)


def text_column(texts: Sequence[Any]) -> pa.Array:
    """Texts in UTF-8, as bytes or anything that has a buffer, in one copy."""
    return _spans(b"".join(texts), texts)


def _spans(data: bytes, texts: Sequence[Any]) -> pa.Array:
    """The column of texts that together are `data`."""
    if not data.isascii():
        return pa.array(list(map(bytes, texts)), pa.string())  # which checks that it is UTF-8
    offsets = pa.array(list(accumulate(map(len, texts), initial=0)), pa.int32())
    buffers = [None, offsets.buffers()[1], pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


def _identifiers(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.int64()).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _known_texts(texts: Sequence[str | None]) -> Sequence[str | None]:
    """The texts, None where one means that there is no value."""
    if _ABSENT.isdisjoint(texts):
        return texts
    return [None if text in _ABSENT else text for text in texts]


def dynamic_texts(values: Sequence[Any]) -> Sequence[str | bytes | None]:
    """The texts of JSON values; strings are decoded, all at once."""
    sent = [value for value in values if value is not NULL_JSON]
    if not sent:
        return [None] * len(values)
    if isinstance(sent[0], msgspec.Raw) and bytes(sent[0]).startswith(b'"'):
        try:
            return _known_texts(_decode_texts(b"[%b]" % b",".join(values)))
        except (TypeError, msgspec.MsgspecError):
            pass  # some are other JSON, or were read tolerantly
    if len(sent) * 2 <= len(values):
        few = iter(dynamic_texts(sent))
        return [None if value is NULL_JSON else next(few) for value in values]
    try:
        texts: list[Any] = list(map(bytes, values))
    except TypeError:  # some records were read tolerantly
        raw = iter(dynamic_texts([value for value in values if isinstance(value, msgspec.Raw)]))
        return [next(raw) if isinstance(value, msgspec.Raw) else value for value in values]
    strings = [text for text in texts if text[0] == _QUOTE]
    if strings:
        decoded = iter(_decode_strings(b"[" + b",".join(strings) + b"]"))
        texts = [next(decoded) if text[0] == _QUOTE else text for text in texts]
    return [None if len(text) <= _LONGEST_ABSENT and text in _ABSENT else text for text in texts]


def _json_column(values: Sequence[Any]) -> pa.Array:
    """The texts of JSON values; strings stay JSON."""
    try:
        data = b"".join(values)
    except TypeError:  # some records were read tolerantly
        return pa.array([None if value is None else _json_text(value) for value in values], pa.string())
    if data == b"null" * len(values):
        return null_column(pa.string(), len(values))
    if _ABSENT_JSON.isdisjoint(bytes(value) for value in values if len(value) <= _LONGEST_ABSENT_JSON):
        return _spans(data, values)
    texts = map(bytes, values)
    known = [None if len(text) <= _LONGEST_ABSENT_JSON and text in _ABSENT_JSON else text for text in texts]
    return pa.array(known, pa.string())


def _json_text(value: Any) -> str | bytes | None:
    if isinstance(value, str):
        return value
    text = bytes(value)
    return None if text in _ABSENT_JSON else text
