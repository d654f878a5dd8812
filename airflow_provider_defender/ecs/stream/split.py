"""Finding the records in a message of any shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

import msgspec

from airflow_provider_defender.json_scanner import Piece, documents, elements, members

from ..engine.values import clean_text

__all__ = ["LARGE_MESSAGE", "may_repeat_a_key", "most_pieces", "parts", "value_of"]

LARGE_MESSAGE = 2 * 1024 * 1024
"""The size up to which a message is read at once with all its records; larger ones are read by record."""
_MANY_PIECES, _SMALLEST_PIECE = 1000, 16
_MOST_LISTS = 1000
_BRACE = ord("{")


def _key(written: bytes) -> str:
    """A decoded key; "" if it cannot be decoded."""
    try:
        return clean_text(str(msgspec.json.decode(written)))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def may_repeat_a_key(value: bytes, records: Sequence[msgspec.Raw]) -> bool:
    """Whether the message may have members besides these records: of a repeated key, the last one counts.

    If the message is no longer than its records need, there is no room for others.
    """
    if len(value) == len(b'{"records":[]}') + sum(map(len, map(bytes, records))) + max(len(records) - 1, 0):
        return False
    return value.count(b'"records"') > 1 or b"\\u00" in value


def most_pieces(value: bytes) -> int:
    """The most records that a message may have: more would be of a few bytes each, and of no table."""
    smallest = _SMALLEST_PIECE if len(value) <= LARGE_MESSAGE else 4 * _SMALLEST_PIECE
    return max(len(value) // smallest, _MANY_PIECES)


def parts(value: bytes) -> Iterator[tuple[Piece, str]]:
    """Yield the positions of a message's records, each with the reason if it is not a record."""
    pieces = documents(value)
    first, second = next(pieces, None), next(pieces, None)
    if first is None or (second is None and not first.whole):
        yield Piece(0, len(value), False), "neither a JSON object nor a list of them"
        return
    for piece in chain([first], [second] if second else [], pieces):
        if piece.whole:
            yield from _records_in(value, piece)
        else:
            yield piece, "not a JSON object"


def _records_in(value: bytes, piece: Piece) -> Iterator[tuple[Piece, str]]:
    """The records of one document, as in `_parts`."""
    lists, others = [(piece.start, piece.end)], 0
    if value[piece.start] == _BRACE:
        lists, others = _lists_of_records(value, piece)
        if not lists or len(lists) > _MOST_LISTS:
            yield piece, f"over {_MOST_LISTS:,} lists of records" if lists else ""
            return
    is_empty = True
    for each in chain.from_iterable(elements(value, *place) for place in lists):
        is_empty = False
        yield each, ""
    if is_empty:
        yield piece, "the list of records is empty"
    elif others:
        beside = f"beside its records the message has {others:,} other member{'s' * (others != 1)}"
        yield piece, beside


def _lists_of_records(value: bytes, piece: Piece) -> tuple[list[tuple[int, int]], int]:
    """Where the document's lists `records` are (too many are not all given), and how many other members."""
    lists = (
        (each.start, each.end)
        for key, each in members(value, piece.start, piece.end)
        if value[each.start : each.start + 1] == b"[" and _key(key).lower() == "records"
    )
    found = list(islice(lists, _MOST_LISTS + 1))
    return found, sum(1 for _ in elements(value, piece.start, piece.end)) - len(found) if found else 0


def value_of(text: bytes, name: str | None) -> Piece | None:
    """The position of this key's value; of repeated keys, the last one counts."""
    found = None
    for key, piece in members(text, 0, len(text)):
        if _key(key) == name:
            found = piece
    return found
