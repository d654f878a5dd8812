"""Where JSON values begin and end in bytes that no parser takes whole: by brackets and quotes alone.

Nothing here recurses, so that depth does not matter, and nothing is decoded, so that encoding does not. What
comes out still has to be parsed, piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Piece", "documents", "elements", "members"]

_BLANK = re.compile(rb"[ \t\r\n]*")
_STRING = rb'"(?:[^"\\]|\\.)*"'
# A string that never ends takes all that follows: else each quote in it would be looked at anew.
_STRUCTURE = re.compile(_STRING + rb"?|[\[\]{},]", re.DOTALL)
_KEY = re.compile(rb"[ \t\r\n]*(" + _STRING + rb")[ \t\r\n]*:[ \t\r\n]*", re.DOTALL)
_NEXT_LINE = re.compile(rb"[\r\n]+(?=[\[{])")
_BOM = b"\xef\xbb\xbf"
_OPENING = (b"{", b"[")
_MOST_UNCLOSED = 10
"""Documents without an end after which no more are looked for: each costs a look at all that follows."""


class Piece(NamedTuple):
    """A part of the data: from `start` to before `end`; `whole` if it is a value with its closing bracket."""

    start: int
    end: int
    whole: bool


def documents(data: bytes) -> Iterator[Piece]:
    """The JSON objects and lists that stand one after another, and what is between them and is neither.

    A byte order mark and blanks are passed over. A document that never ends goes up to the next line that
    begins with a bracket, or to the end; after ten of these the rest is one piece.
    """
    unclosed = 0
    position = _BLANK.match(data, 3 if data.startswith(_BOM) else 0).end()  # type: ignore[union-attr]
    while position < len(data):
        opens = data[position : position + 1] in _OPENING
        end = _closing(data, position) if opens else None
        if end is not None:
            yield Piece(position, end, True)
        else:
            unclosed += opens
            line = _NEXT_LINE.search(data, position) if unclosed < _MOST_UNCLOSED else None
            end = line.start() if line else len(data)
            yield Piece(position, end, False)
        position = _BLANK.match(data, end).end()  # type: ignore[union-attr]


def _closing(data: bytes, start: int) -> int | None:
    """The place after the bracket that closes the one at `start`; None if there is none."""
    depth = 0
    for token in _STRUCTURE.finditer(data, start):
        first = data[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def elements(data: bytes, start: int, end: int) -> Iterator[Piece]:
    """The elements of the list that takes `start` to `end`, without the blanks around them."""
    depth, first = 0, start + 1
    for token in _STRUCTURE.finditer(data, start, end):
        mark = data[token.start()]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        if depth == 0 or (depth == 1 and mark in b","):
            piece = _trimmed(data, first, token.start())
            if depth or piece.end > piece.start or first > start + 1:
                yield piece
            first = token.end()


def _trimmed(data: bytes, start: int, end: int) -> Piece:
    text = data[start:end].rstrip(b" \t\r\n")
    end = start + len(text)
    return Piece(end - len(text.lstrip(b" \t\r\n")), end, True)


def members(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, Piece]]:
    """Each key (as written, with its quotes) and its value in the object that takes `start` to `end`."""
    for piece in elements(data, start, end):
        key = _KEY.match(data, piece.start, piece.end)
        if key:
            yield key.group(1), Piece(key.end(), piece.end, True)
