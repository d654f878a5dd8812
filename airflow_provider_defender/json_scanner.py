"""Where JSON values begin and end in bytes that no parser takes whole: by brackets and quotes alone.

Nothing here recurses, so that depth does not matter, and nothing is decoded, so that encoding does not. What
comes out still has to be parsed, piece by piece. A leaf.

There are two ways. The tolerant one (`documents`, `elements`, `members`) finds pieces in anything at all. The
strict one (`cut_list`, `value_end`) takes nothing whose brackets and quotes do not match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec

__all__ = [
    "BROKEN",
    "Piece",
    "after_blanks",
    "count_values",
    "cut_list",
    "documents",
    "elements",
    "members",
    "parse_strictly",
    "value_end",
]

_BLANKS = b" \t\r\n"
_BLANK = re.compile(rb"[ \t\r\n]*")
# At most so many escapes at once: the expression takes 100 bytes of memory for each until it has ended.
_INSIDE = rb'(?:[^"\\]*\\.){0,1000}[^"\\]*'
# A string that never ends takes all that follows: else each quote in it would be looked at anew.
_STRUCTURE = re.compile(rb'"' + _INSIDE + rb'(")?|[\[\]{},]', re.DOTALL)
_REST_OF_STRING = re.compile(_INSIDE, re.DOTALL)
_KEY = re.compile(rb'[ \t\r\n]*("' + _INSIDE + rb'")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_NEXT_LINE = re.compile(rb"(?<![\r\n])[\r\n]+(?=[\[{])")
_QUOTE = ord('"')
_BOM = b"\xef\xbb\xbf"
_OPENING = (b"{", b"[")
_MOST_UNCLOSED = 10
_MOST_UNCLOSED_IF_LARGE = 3
"""Documents without an end after which no more are looked for: each costs a look at all that follows."""
_LARGE = 1024 * 1024

BROKEN = "broken JSON"
"""What the strict way's errors say."""
# Some strings without escapes and what is between them, or one mark. The number of repetitions is bounded: on
# hostile bytes it would take memory, or quadratic time.
_MARK = re.compile(rb'(?:"[^"\\]*"[^"\[\]{}\\]*){1,64}|["\[\]{}\\]')
_SCALAR = re.compile(rb'[^\s,:\[\]{}"]+')
_CLOSING = {b"[": b"]", b"{": b"}"}


class Piece(NamedTuple):
    """A part of the data: from `start` to before `end`; `whole` if it is a value with its closing bracket."""

    start: int
    end: int
    whole: bool


def documents(data: bytes) -> Iterator[Piece]:
    """The JSON objects and lists that stand one after another, and what is between them and is neither.

    A byte order mark and blanks are passed over. A document that never ends goes up to the next line that
    begins with a bracket, or to the end; after ten of these (three in over 1 MiB) the rest
    is one piece.
    """
    unclosed, most = 0, _MOST_UNCLOSED if len(data) <= _LARGE else _MOST_UNCLOSED_IF_LARGE
    position = after_blanks(data, 3 if data.startswith(_BOM) else 0)
    while position < len(data):
        opens = data[position : position + 1] in _OPENING
        end = _closing(data, position) if opens else None
        if end is not None:
            yield Piece(position, end, True)
        else:
            unclosed += opens
            line = _NEXT_LINE.search(data, position) if unclosed < most else None
            end = line.start() if line else len(data)
            yield Piece(position, end, False)
        position = after_blanks(data, end)


def count_values(data: bytes | memoryview, most: int) -> int:
    """An upper bound of the values in JSON: its marks `{`, `[` and `,`, which are counted to `most` + 1."""
    openings = (1 for mark, _ in _marks(data, 0, len(data)) if mark not in b"]}")
    return sum(islice(openings, most + 1))


def _marks(data: bytes | memoryview, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The brackets and commas outside strings, each with its place."""
    while start < end:
        restart = end
        for token in _STRUCTURE.finditer(data, start, end):
            mark = data[token.start()]
            if mark != _QUOTE:
                yield mark, token.start()
            elif token.end(1) < 0 and token.end() < end:
                restart = _string_end(data, token.end(), end) or end
                break
        start = restart


def _string_end(data: bytes | memoryview, start: int, end: int) -> int | None:
    """The place after the quote that ends the string that `start` is inside of; None if it never ends."""
    while start < end and data[start] != _QUOTE:
        found = _REST_OF_STRING.match(data, start, end).end()  # type: ignore[union-attr]
        if found == start:  # a backslash is the last byte
            return None
        start = found
    return start + 1 if start < end else None


def _closing(data: bytes, start: int) -> int | None:
    """The place after the bracket that closes the one at `start`; None if there is none."""
    depth = 0
    for mark, place in _marks(data, start, len(data)):
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                return place + 1
    return None


def elements(data: bytes, start: int, end: int) -> Iterator[Piece]:
    """The elements of the list that takes `start` to `end`, without the blanks around them."""
    depth, first = 0, start + 1
    for mark, place in _marks(data, start, end):
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        if depth == 0 or (depth == 1 and mark in b","):
            piece = _trimmed(data, first, place)
            if depth or piece.end > piece.start or first > start + 1:
                yield piece
            first = place + 1


def _trimmed(data: bytes, start: int, end: int) -> Piece:
    """The part without the blanks around it; at `end` is a mark."""
    start = after_blanks(data, start)
    while end > start and data[end - 1] in _BLANKS:
        end -= 1
    return Piece(start, end, True)


def members(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, Piece]]:
    """Each key (as written, with its quotes) and its value in the object that takes `start` to `end`."""
    for piece in elements(data, start, end):
        key = _KEY.match(data, piece.start, piece.end)
        if key:
            yield key.group(1), Piece(key.end(), piece.end, True)


def after_blanks(data: bytes, start: int) -> int:
    """The place of the first byte from `start` on that is no blank."""
    return _BLANK.match(data, start).end()  # type: ignore[union-attr]


# The strict way ---------------------------------------------------------------------------------


def cut_list(data: bytes, start: int, *, most: int) -> tuple[list[msgspec.Raw], int]:
    """The elements of the list that begins at `start`, as views into the data, and where the list ends.

    It is blind to what is inside an element that has brackets or quotes; the others are parsed.

    Raises:
        ValueError: brackets and quotes do not match, or there are over `most` elements.
    """
    cut: list[msgspec.Raw] = []
    view = memoryview(data)
    position = after_blanks(data, start + 1)
    if data[position : position + 1] == b"]":
        return cut, position + 1
    while True:
        end = value_end(data, position)
        if data[position : position + 1] not in b'[{"':
            parse_strictly(data[position:end])  # what has no quotes or brackets is cut out by nothing
        if len(cut) == most:
            raise ValueError(f"more than {most:,} records")
        cut.append(msgspec.Raw(view[position:end]))
        position = after_blanks(data, end)
        if data[position : position + 1] == b"]":
            return cut, position + 1
        if data[position : position + 1] != b",":
            raise ValueError(BROKEN)
        position = after_blanks(data, position + 1)


def value_end(data: bytes, start: int) -> int:
    """Where the value that begins at `start` ends.

    Raises:
        ValueError: there is no value, or its brackets and quotes do not match.
    """
    first = data[start : start + 1]
    if first == b'"':
        end = _string_end(data, start + 1, len(data))
    elif first in _CLOSING:
        end = _container_end(data, start)
    else:
        scalar = _SCALAR.match(data, start)
        end = scalar.end() if scalar else None
    if end is None:
        raise ValueError(BROKEN)
    return end


def _container_end(data: bytes, start: int) -> int | None:
    """Where the object or list ends; None where a bracket closes another kind of bracket, or none does."""
    closing: list[bytes] = []
    position = start
    while (mark := _MARK.search(data, position)) is not None:
        begin, position = mark.span()
        char = data[begin : begin + 1]
        if char == b'"':
            end = position if position > begin + 1 else _string_end(data, position, len(data))
            if end is None:
                return None
            position = end
        elif char == b"\\":
            # Strings and what is between them may have changed places: after a quote too many, the escaped
            # quote of a later value would put that right, and hide where this one ends.
            return None
        elif char in _CLOSING:
            closing.append(_CLOSING[char])
        elif closing.pop() != char:
            return None
        elif not closing:
            return position
    return None


def parse_strictly(text: bytes) -> Any:
    """The value that the text is.

    Raises:
        ValueError: it is no strict JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError(BROKEN) from None
