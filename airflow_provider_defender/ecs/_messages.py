"""From the messages of an event hub to records of its tables, whatever shape they come in.

What the Streaming API sends is recognised by one regular expression and read without a parser of JSON but the
one of its table. Everything else takes a longer way: msgspec's, and then a tolerant one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import msgspec

from ._bounds import kept, reject_key, too_large
from ._events import EventTable, Outer, Reject
from ._repeats import RecentHashes
from ._split import Piece, documents, elements, members
from ._tables import AZURE_MONITOR, CLOUD_ALERTS, EventTables
from ._values import UNFIT, UnreadableError, clean_text, convert, parse_object
from .mapping import ENVELOPE

__all__ = ["LARGE_MESSAGE", "MessageReader"]

_HUNTING = "advancedhunting-"
_TIME = rb'"([0-9TZ:.+-]*)"'
_TEXT = rb'"[ !#-\[\]-~]*"'
_CONSTANT = rb'"tenantId":' + _TEXT + rb',"operationName":' + _TEXT + rb',"category":' + _TEXT
_HEAD = re.compile(
    rb'\{"time":%b,(%b),(?:"_TimeReceivedBySvc":%b,)?"properties":(?=\{)' % (_TIME, _CONSTANT, _TIME)
).match
_START, _END = b'{"records":[{"time":"', b"]}"
_START_LENGTH = len(b'{"records":[')
_TAIL = b'},"Tenant":"DefaultTenant"}'
_TAIL_LENGTH = len(_TAIL) - 2
_MOST_OUTERS, _LONGEST_OUTER = 1000, 2048
_MANY_PIECES, _SMALLEST_PIECE = 1000, 16
_MOST_LISTS = 1000
_BRACE = ord("{")
LARGE_MESSAGE = 2 * 1024 * 1024
"""Bytes of a message that are read at once, with all its records; of a larger one, record by record."""


class _Wrapper(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A message as the Streaming API and Azure Monitor send it."""

    records: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


class _Envelope(
    msgspec.Struct, gc=False, forbid_unknown_fields=True, rename={"received": "_TimeReceivedBySvc"}
):
    """A record of the Streaming API, whatever the order of its keys."""

    category: str
    properties: msgspec.Raw
    time: str | None = None
    tenantId: str | None = None  # noqa: N815 (as on the wire)
    operationName: str | None = None  # noqa: N815
    received: str | None = None
    Tenant: str | None = None


class MessageReader:
    """Gives the records of messages to their tables, and collects what is none (`rejects`).

    `recent` knows the records that are repeats, which are counted (`repeats`) and dropped; None keeps them.
    """

    def __init__(self, tables: EventTables, recent: RecentHashes | None) -> None:
        self.rejects: list[Reject] = []
        self.repeats = 0
        self._tables = tables
        self._recent = recent
        self._outers: dict[Any, Outer] = {}
        self._hub_tenant: str | None = None
        self._had_several = False
        self._decode_wrapper = msgspec.json.Decoder(_Wrapper).decode
        self._decode_envelope = msgspec.json.Decoder(_Envelope).decode

    def read(self, value: bytes | None, message: int, hub_tenant: str | None = None) -> None:
        """Read message number `message`: each of its records is added to a table, dropped or rejected."""
        self._hub_tenant = hub_tenant
        if not value:
            error = "the message is empty" if value is not None else "the message has no value (a tombstone)"
            self._reject(b"", error, message)
        elif (
            self._had_several
            or not (value.startswith(_START) and value.endswith(_END))
            or not self._read_usual(value[_START_LENGTH : -len(_END)], message, 0)
        ):
            self._read_wrapped(value, message)

    def read_large(self, value: bytes, message: int, hub_tenant: str | None = None) -> Iterator[int]:
        """The same for a message that should not be copied as a whole: gives each record's size when read."""
        self._hub_tenant = hub_tenant
        self._had_several = True
        return self._read_documents(value, message)

    def _read_usual(self, text: bytes, message: int, record: int) -> bool:
        """Read a record in the Streaming API's own spelling; False, and nothing done, if it is not that.

        That the text is one record, and valid JSON, follows from what the expression matches, from the end,
        and from what is between, if the table's reader takes it for one JSON object.
        """
        head = _HEAD(text)
        if head is None:
            return False
        time, constants, received = head.groups()
        start, end = head.end(), len(text) - 1
        if text.endswith(_TAIL):
            end -= _TAIL_LENGTH
        elif text.endswith(b"}}"):
            constants = b"-" + constants
        else:
            return False
        outer = self._outers.get(constants) or self._usual_outer(constants)
        if outer is None:
            return False
        table = outer.table
        content = text[start:end]
        try:
            read, leftovers = table.read(content)
        except UnreadableError:
            return False
        digest = outer.digest(content)
        if self._is_repeat(outer, digest, read):
            self.repeats += 1
        else:
            table.add((text, start, end, time, received, outer, digest, message, record), read, leftovers)
        return True

    def _usual_outer(self, constants: bytes) -> Outer | None:
        """What the constant part of a record says; None if its category names no streaming table."""
        instance = None if constants.startswith(b"-") else "DefaultTenant"
        found = self._decode_envelope(b"{" + constants.removeprefix(b"-") + b',"properties":{}}')
        outer = self._outer(found.category, found.tenantId, found.operationName, instance)
        if outer is not None:
            self._remember(constants, len(constants), outer)
        return outer

    def _outer(
        self, category: str, tenant: str | None, operation: str | None, instance: str | None
    ) -> Outer | None:
        """The outer keys of a record of the Streaming API; None if its category names no table of that."""
        if category[: len(_HUNTING)].lower() != _HUNTING:
            return None
        key = (category, tenant, operation, instance)
        outer = self._outers.get(key)
        if outer is None:
            name = category[len(_HUNTING) :]
            table = self._tables.named(name)
            if table is None:
                return None
            outer = Outer(
                table,
                table.name if table.has_mapping else name.lower(),
                (tenant, operation, category, instance),
            )
            self._remember(key, sum(len(text or "") for text in key), outer)
        return outer

    def _remember(self, key: Any, size: int, outer: Outer) -> None:
        """Keep it for the next records, among not too many others, unless it is long."""
        if size > _LONGEST_OUTER:
            return
        if len(self._outers) >= _MOST_OUTERS:
            self._outers.clear()
        self._outers[key] = outer

    def _add(
        self, text: bytes, content: bytes, start: int, outer: Outer, times: Sequence[Any], *numbers: int,
        outer_leftovers: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Add a record, whose object is `content`, to its table; reject it if that is no object in UTF-8."""
        table = outer.table
        message, record = numbers
        try:
            read, leftovers = table.read(content)
        except UnreadableError as error:
            self._reject(text, str(error), message, record, "properties")
            return
        digest = outer.digest(content)
        if self._is_repeat(outer, digest, read):
            self.repeats += 1
            return
        time, received = times
        row = (text, start, start + len(content), time, received, outer, digest, message, record)
        table.add(row, read, leftovers, outer_leftovers)

    def _is_repeat(self, outer: Outer, digest: bytes, read: Any) -> bool:
        if self._recent is None or not outer.table.may_be_repeated(read):
            return False
        return not self._recent.add(outer.repeat(digest, self._hub_tenant))

    def _reject(
        self, data: bytes | memoryview, error: str, message: int, record: int = 0, path: str = ""
    ) -> None:
        self.rejects.append(Reject(kept(data), reject_key(data), error, path, message, record))

    # Messages in other shapes

    def _read_wrapped(self, value: bytes, message: int) -> None:
        try:
            records = self._decode_wrapper(value).records
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            records = msgspec.UNSET
        if records is not msgspec.UNSET and _may_repeat_a_key(value, records):
            records = msgspec.UNSET
        self._had_several = records is not msgspec.UNSET and len(records) > 1
        if records is msgspec.UNSET or len(records) > _most_pieces(value):
            for _ in self._read_documents(value, message):
                pass
        elif not records:
            self._reject(value, "the list of records is empty", message)
        else:
            for number, raw in enumerate(records):
                self._read_record(bytes(raw), message, number)

    def _read_documents(self, value: bytes, message: int) -> Iterator[int]:
        """A record, a list of them, several documents one after another, or what is none of these."""
        most = _most_pieces(value)
        parts: Iterable[tuple[Piece, str]] = islice(_parts(value), most + 1)
        if len(value) <= LARGE_MESSAGE:
            parts = list(parts)
            count = len(parts)
        else:  # twice the work, but no list of what may be millions
            count = sum(1 for _ in parts)
            parts = _parts(value)
        if count > most:
            self._reject(value, f"over {most:,} records of a few bytes each", message)
            return
        for record, (piece, why_not) in enumerate(parts):
            self._read_piece(value, piece, why_not, message, record)
            yield piece.end - piece.start

    def _read_piece(self, value: bytes, piece: Piece, why_not: str, message: int, record: int) -> None:
        with memoryview(value)[piece.start : piece.end] as data:
            error = why_not or too_large(data)
            if error:
                self._reject(data, error, message, record)
                return
        self._read_record(value[piece.start : piece.end], message, record)

    # Records in other shapes

    def _read_record(self, text: bytes, message: int, record: int) -> None:
        if self._read_usual(text, message, record):
            return
        try:
            found = self._decode_envelope(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._read_oddly(text, message, record)
            return
        content = bytes(found.properties)
        outer = self._outer(found.category, found.tenantId, found.operationName, found.Tenant)
        if outer is None or not content.startswith(b"{"):
            self._read_oddly(text, message, record)
            return
        times = (found.time, found.received)
        self._add(text, content, text.index(content), outer, times, message, record)

    def _read_oddly(self, text: bytes, message: int, record: int) -> None:
        """A record that is not, or not strictly, one of the Streaming API."""
        try:
            data: dict[Any, Any] = parse_object(text)
        except UnreadableError as error:
            self._reject(text, str(error), message, record)
            return
        keys = {key.lower(): key for key in reversed(data)}
        category = data.get(keys.get("category"))
        if isinstance(category, str) and category.lower().startswith(_HUNTING):
            self._read_hunting(text, data, keys, message, record)
            return
        table = self._table_of(data, keys, category)
        if table is None:
            self._reject(text, "no record of a table that is known here", message, record, "category")
            return
        self._add(text, text, 0, Outer(table, table.name), (None, None), message, record)

    def _table_of(self, data: dict[Any, Any], keys: dict[str, str], category: Any) -> EventTable | None:
        """The table of a record that is not of the Streaming API."""
        if data.get(keys.get("systemalertid")):
            return self._tables.own(CLOUD_ALERTS)
        table = self._tables.by_type(data.get(keys.get("type")))
        if table is not None:
            return table
        named = isinstance(category, str) or isinstance(data.get(keys.get("metricname")), str)
        if named and category != "" and ("time" in keys or "resourceid" in keys):
            return self._tables.own(AZURE_MONITOR)
        return None

    def _read_hunting(
        self, text: bytes, data: dict[Any, Any], keys: dict[str, str], message: int, record: int
    ) -> None:
        values: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for key, value in data.items():
            name = ENVELOPE.by_lower_case.get(key.lower())
            if name is None:
                if key != keys.get("properties"):
                    rest[key] = value
                continue
            fit = convert(ENVELOPE.properties[name], value)  # type: ignore[arg-type]
            if fit is UNFIT or (fit is not None and values.get(name) not in (None, fit)):
                rest[key] = value
            elif fit is not None:
                values[name] = fit
        outer = self._outer(
            values["category"], values.get("tenantId"), values.get("operationName"), values.get("Tenant")
        )
        if outer is None:
            self._reject(text, "the category names no table", message, record, "category")
            return
        piece = _value_of(text, keys.get("properties"))
        if piece is None or text[piece.start : piece.start + 1] != b"{":
            self._reject(text, "properties is not an object", message, record, "properties")
            return
        content = text[piece.start : piece.end]
        times = (values.get("time"), values.get("_TimeReceivedBySvc"))
        self._add(text, content, piece.start, outer, times, message, record, outer_leftovers=rest)


def _key(written: bytes) -> str:
    """A key as it reads; "" if it cannot be read."""
    try:
        return clean_text(str(msgspec.json.decode(written)))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _may_repeat_a_key(value: bytes, records: Sequence[msgspec.Raw]) -> bool:
    """Whether the message may have other members than these records: of a repeated key the last one is read.

    If the message is no longer than its records need, there is no room for any.
    """
    if len(value) == len(b'{"records":[]}') + sum(map(len, map(bytes, records))) + max(len(records) - 1, 0):
        return False
    return value.count(b'"records"') > 1 or b"\\u00" in value


def _most_pieces(value: bytes) -> int:
    """So many records a message may have: more would be of a few bytes each, and none of a table."""
    smallest = _SMALLEST_PIECE if len(value) <= LARGE_MESSAGE else 4 * _SMALLEST_PIECE
    return max(len(value) // smallest, _MANY_PIECES)


def _parts(value: bytes) -> Iterator[tuple[Piece, str]]:
    """Where the records of a message are, each with the reason why it is none, if it is not."""
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


def _value_of(text: bytes, name: str | None) -> Piece | None:
    """Where the value of this key is; of repeated keys the last one counts."""
    found = None
    for key, piece in members(text, 0, len(text)):
        if _key(key) == name:
            found = piece
    return found
