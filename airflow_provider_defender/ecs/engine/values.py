"""Tolerant reading of JSON values: which oddly written values fit their type, and which do not."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from airflow_provider_defender.timestamps import parse_ticks

from .shapes import Scalar

__all__ = [
    "ABSENT_TEXTS",
    "MISMATCH",
    "UnreadableError",
    "clean_text",
    "convert",
    "dynamic_value",
    "json_text",
    "names_of",
    "parse_object",
    "parse_value",
    "ticks_of",
]

ABSENT_TEXTS = ("", "-", "N/A")
"""Texts that stand for a missing value."""

_LONG_RANGE = range(-(2**63), 2**63)
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_FIRST_TICKS = parse_ticks("0001-01-01T00:00:00Z") or 0
_LAST_TICKS = parse_ticks("9999-12-31T23:59:59.9999999Z") or 0


class _Mismatch:
    """The value does not fit its column."""

    def __repr__(self) -> str:
        return "MISMATCH"


MISMATCH = _Mismatch()


class UnreadableError(Exception):
    """A record is not a JSON object in UTF-8, or nested too deeply to read."""


def parse_object(record: bytes) -> dict[str, Any]:
    """Parse a record to a dict, even if a strict parser fails.

    Accepts lone surrogates, NaN, huge numbers, a BOM, and control characters inside strings. Numbers too
    large for Python to convert, NaN and Infinity are returned as texts. Of repeated keys, the last one
    counts.

    Raises:
        UnreadableError: it cannot be read, with the reason.
    """
    value = parse_value(record)
    if not isinstance(value, dict):
        raise UnreadableError(f"a JSON object was expected, not {type(value).__name__}")
    return value


_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def names_of(record: bytes) -> Iterable[str]:
    """The names of an object's properties, without parsing its values if it is strict JSON.

    Raises:
        UnreadableError: as from `parse_object`.
    """
    try:
        return _decode_names(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return parse_object(record)


def parse_value(text: bytes) -> Any:
    """Parse any JSON value, as `parse_object` parses objects, and with the same error."""
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _parse_leniently(text)


def dynamic_value(text: str) -> Any:
    """What a text in a property of type `dynamic` says: the list or object, if it is JSON of one.

    None if that is nested too deeply to be read.
    """
    if text[:1] not in ("[", "{"):
        return text
    try:
        return parse_value(text.encode(errors="surrogatepass"))
    except UnreadableError as error:
        return None if str(error) == _TOO_DEEP else text


_TOO_DEEP = "nested too deeply"


def _parse_leniently(record: bytes) -> Any:
    try:
        return json.loads(
            record.decode().removeprefix("\ufeff"),
            parse_int=_parse_int,
            parse_float=_parse_float,
            parse_constant=str,
            strict=False,
        )
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    except ValueError as error:
        raise UnreadableError(f"not JSON: {error}") from None


def _parse_int(text: str) -> int | str:
    limit = sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else 0
    return text if limit and len(text) > limit else int(text)


def _parse_float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def json_text(value: Any) -> str:
    """Compact JSON of a parsed value; lone surrogates stay escaped."""
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, OverflowError, RecursionError):
        return json.dumps(value, separators=(",", ":"))


def clean_text(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def convert(scalar: Scalar, value: Any) -> Any:
    """`value` as the Python type of the scalar; None if it is absent, `MISMATCH` if it does not fit.

    Numbers may be given as texts, booleans as 0, 1 or texts, and texts as numbers or booleans.
    """
    if value is None or (isinstance(value, str) and value in ABSENT_TEXTS):
        return None
    return _CONVERTERS[scalar](value)


def _to_string(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    return MISMATCH if isinstance(value, (dict, list)) else json_text(value)


def _to_long(value: Any) -> Any:
    if isinstance(value, (bool, dict, list)):
        return MISMATCH
    if isinstance(value, str):
        try:
            value = int(value) if value.isascii() and "_" not in value else MISMATCH
        except ValueError:
            return MISMATCH
    if isinstance(value, float):
        value = int(value) if value.is_integer() else MISMATCH
    return value if isinstance(value, int) and value in _LONG_RANGE else MISMATCH


def _to_double(value: Any) -> Any:
    if isinstance(value, (bool, dict, list)):
        return MISMATCH
    try:
        number = float(value) if not isinstance(value, str) or "_" not in value else math.nan
    except (ValueError, OverflowError):
        return MISMATCH
    return number if math.isfinite(number) else MISMATCH


def _to_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return bool(value) if value in (0, 1) else MISMATCH
    if isinstance(value, str):
        text = value.lower()
        return True if text in _TRUE else False if text in _FALSE else MISMATCH
    return MISMATCH


def ticks_of(text: str) -> int | None:
    """Ticks of 100 ns since 1970, or None if the text is no time of the years 1 to 9999 in UTC."""
    ticks = parse_ticks(text)
    return ticks if ticks is not None and _FIRST_TICKS <= ticks <= _LAST_TICKS else None


def _to_time(value: Any) -> Any:
    return value if isinstance(value, str) and ticks_of(value) is not None else MISMATCH


def _to_identifier(value: Any) -> Any:
    return MISMATCH if isinstance(value, bool) else _to_string(value)


def _to_dynamic(value: Any) -> Any:
    return clean_text(value) if isinstance(value, str) else json_text(value)


_CONVERTERS = {
    "string": _to_string,
    "identifier": _to_identifier,
    "long": _to_long,
    "double": _to_double,
    "boolean": _to_boolean,
    "time": _to_time,
    "json": json_text,
    "dynamic": _to_dynamic,
}
