"""Hashes of files, in hexadecimal."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from .short import each_value, is_short
from .values import only_where

__all__ = ["HASH_LENGTHS", "Algorithm", "hash_of", "only_hash"]

Algorithm: TypeAlias = Literal["md5", "sha1", "sha256"]

HASH_LENGTHS: dict[Algorithm, int] = {"md5": 32, "sha1": 40, "sha256": 64}
"""Hex digits of each algorithm's hashes."""

_is_hex = re.compile(r"[0-9a-f]+\Z").match
_is_usual = {
    algorithm: re.compile(rf"(?!0+\Z)[0-9a-f]{{{length}}}\Z").match
    for algorithm, length in HASH_LENGTHS.items()
}


def hash_of(text: str | None, algorithm: Algorithm) -> str | None:
    """A hash in lower case; None for what is none of this algorithm: another length, no hex, zeros only."""
    if text is not None and _is_usual[algorithm](text):
        return text
    plain = (text or "").strip().lower()
    is_hash = len(plain) == HASH_LENGTHS[algorithm] and _is_hex(plain) and plain.strip("0")
    return plain if is_hash else None


def only_hash(column: pa.Array, algorithm: Algorithm) -> pa.Array:
    """`hash_of` for a column."""
    if column.null_count == len(column):
        return column
    if is_short(column):
        return each_value(lambda text: hash_of(text, algorithm), column)
    length = HASH_LENGTHS[algorithm]
    lengths = pc.min_max(pc.binary_length(column))
    all_hashes = lengths["min"].as_py() == lengths["max"].as_py() == length and _all_lower_hex(column)
    if all_hashes and not pc.any(pc.equal(column, "0" * length)).as_py():
        return column
    plain = pc.ascii_lower(pc.utf8_trim_whitespace(column))
    is_hash = pc.match_substring_regex(plain, rf"\A[0-9a-f]{{{length}}}\z")
    return only_where(pc.and_(is_hash, pc.not_equal(plain, "0" * length)), plain)


def _all_lower_hex(column: pa.Array) -> bool:
    """Whether the texts hold nothing but 0 to 9 and a to f: three quick passes over all bytes at once.

    What stands between the two ranges, moved to 0, is below what `a` becomes; the digits wrap around to the
    top.
    """
    _, offsets, data = column.buffers()
    bounds = pa.Array.from_buffers(pa.int32(), len(column) + 1, [None, offsets], offset=column.offset)
    start, stop = bounds[0].as_py(), bounds[-1].as_py()
    octets = pa.Array.from_buffers(pa.uint8(), stop - start, [None, data], offset=start)
    extremes = pc.min_max(octets)
    if extremes["min"].as_py() < ord("0") or extremes["max"].as_py() > ord("f"):
        return False
    behind_digits = ord("9") + 1
    moved = pc.subtract(octets, pa.scalar(behind_digits, pa.uint8()))
    return bool(pc.min(moved).as_py() >= ord("a") - behind_digits)
