"""From the messages of an event hub to records of its tables, whatever shape they come in.

What the Streaming API sends is recognised by one regular expression and read without a parser of JSON but the
one of its table. Everything else takes a longer way: msgspec's, and then a tolerant one.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ._events import EventTable, Outer, Reject, Row
from ._repeats import RecentHashes
from ._split import Piece, documents, elements, members
from ._tables import AZURE_MONITOR, CLOUD_ALERTS, EventTables
from ._values import UNFIT, UnreadableError, clean_text, convert, parse_object
from .mapping import ENVELOPE

__all__ = ["MessageReader"]

_HUNTING = "advancedhunting-"
_TIME = rb'"([0-9TZ:.+-]*)"'
_TEXT = rb'"[ !#-\[\]-~]*"'
_CONSTANT = rb'"tenantId":' + _TEXT + rb',"operationName":' + _TEXT + rb',"category":' + _TEXT
_HEAD = re.compile(
    rb'\{"time":'
    + _TIME
    + rb",("
    + _CONSTANT
    + rb'),(?:"_TimeReceivedBySvc":'
    + _TIME
    + rb',)?"properties":(?=\{)'
)
_START = b'{"records":[{"time":"'
_RECORDS_START = len(b'{"records":[')
_TAIL = b'},"Tenant":"DefaultTenant"}'
_NEXT = b'},{"time":"'
_MOST_OUTERS = 1000
_MANY_PIECES, _SMALLEST_PIECE = 1000, 16


class _Wrapper(msgspec.Struct, gc=False):
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
        self._outers: dict[Any, Outer | None] = {}
        self._decode_wrapper = msgspec.json.Decoder(_Wrapper).decode
        self._decode_envelope = msgspec.json.Decoder(_Envelope).decode

    def read(self, value: bytes | None, message: int) -> None:
        """Read message number `message`: each of its records is added to a table, dropped or rejected."""
        if not value:
            error = "the message is empty" if value is not None else "the message has no value (a tombstone)"
            self._reject(b"", error, message)
        elif value.startswith(_START) and value.endswith(b"}]}") and value.find(_NEXT) < 0:
            text = value[_RECORDS_START:-2]
            if not self._read_usual(text, message, 0):
                self._read_wrapped(value, message)
        else:
            self._read_wrapped(value, message)

    def _read_usual(self, text: bytes, message: int, record: int) -> bool:
        """Read a record in the Streaming API's own spelling; False, and nothing done, if it is not that.

        That the text is one record, and valid JSON, follows from what the expression matches, from the end,
        and from what is between, if the table's reader takes it for one JSON object.
        """
        head = _HEAD.match(text)
        if head is None:
            return False
        time, constant, received = head.groups()
        outer = self._outers.get(constant) or self._usual_outer(constant)
        if outer is None:
            return False
        end = len(text) - (len(_TAIL) - 1 if text.endswith(_TAIL) else 1)
        if end == len(text) - 1:
            if not text.endswith(b"}}"):
                return False
            outer = outer._replace(instance=None)
        content = text[head.end() : end]
        table = outer.table
        digest = table.digest(content)
        row = Row(text, head.end(), end, time, received, outer, digest, message, record)
        try:
            self._add(row, content)
        except UnreadableError:
            return False
        return True

    def _usual_outer(self, constant: bytes) -> Outer | None:
        """What the constant part of a record's head says; None if its category names no streaming table."""
        found = self._decode_envelope(b"{" + constant + b',"properties":{}}')
        outer = self._outer(found.category, found.tenantId, found.operationName, "DefaultTenant")
        return self._keep_outer(constant, outer)

    def _keep_outer(self, key: Any, outer: Outer | None) -> Outer | None:
        if len(self._outers) >= _MOST_OUTERS:
            self._outers.clear()
        if outer is not None:
            self._outers[key] = outer
        return outer

    def _outer(
        self, category: str, tenant: str | None, operation: str | None, instance: str | None
    ) -> Outer | None:
        if category[: len(_HUNTING)].lower() != _HUNTING:
            return None
        table = self._tables.named(category[len(_HUNTING) :])
        return None if table is None else Outer(table, tenant, operation, category, instance)

    def _add(self, row: Row, content: bytes, outer_leftovers: dict[str, Any] | None = None) -> None:
        """Add the record to its table, unless it is a repeat.

        Raises:
            UnreadableError: its object is not one in UTF-8.
        """
        table = row.outer.table
        if self._recent is None:
            table.add(row, content, outer_leftovers)
        elif row.digest in self._recent:
            self.repeats += 1
        else:
            table.add(row, content, outer_leftovers)
            self._recent.add(row.digest)

    def _reject(self, data: bytes, error: str, message: int, record: int = 0, path: str = "") -> None:
        self.rejects.append(Reject(data, error, path, message, record))

    # Messages in other shapes

    def _read_wrapped(self, value: bytes, message: int) -> None:
        try:
            records = self._decode_wrapper(value).records
        except (msgspec.MsgspecError, RecursionError):
            records = msgspec.UNSET
        if records is msgspec.UNSET or len(records) > max(len(value) // _SMALLEST_PIECE, _MANY_PIECES):
            self._read_documents(value, message)
        elif not records:
            self._reject(value, "the list of records is empty", message)
        else:
            for number, raw in enumerate(records):
                self._read_record(bytes(raw), message, number)

    def _read_documents(self, value: bytes, message: int) -> None:
        """A record, a list of them, several documents one after another, or what is none of these."""
        pieces = list(documents(value))
        if not pieces or (len(pieces) == 1 and not pieces[0].whole):
            self._reject(value, "neither a JSON object nor a list of them", message)
            return
        parts = [part for piece in pieces for part in self._records_in(value, piece)]
        if len(parts) > max(len(value) // _SMALLEST_PIECE, _MANY_PIECES):
            self._reject(value, f"{len(parts):,} records of a few bytes each", message)
            return
        for record, (part, why_not) in enumerate(parts):
            if why_not:
                self._reject(part, why_not, message, record)
            else:
                self._read_record(part, message, record)

    def _records_in(self, value: bytes, piece: Piece) -> list[tuple[bytes, str]]:
        """The records of one document, each with the reason why it is none, if it is not."""
        text = value[piece.start : piece.end]
        if not piece.whole:
            return [(text, "not a JSON object")]
        found = (piece.start, piece.end) if text.startswith(b"[") else _list_of_records(value, piece)
        if found is None:
            return [(text, "")]
        inside = [(value[each.start : each.end], "") for each in elements(value, *found)]
        return inside or [(text, "the list of records is empty")]

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
        start = text.index(content)
        row = Row(
            text, start, start + len(content), found.time, found.received, outer, outer.table.digest(content),
            message, record,
        )  # fmt: skip
        self._try_add(row, content)

    def _try_add(self, row: Row, content: bytes, outer_leftovers: dict[str, Any] | None = None) -> None:
        try:
            self._add(row, content, outer_leftovers)
        except UnreadableError as error:
            self._reject(row.text, str(error), row.message, row.record, "properties")

    def _read_oddly(self, text: bytes, message: int, record: int) -> None:
        """A record that is not, or not strictly, one of the Streaming API."""
        try:
            data = parse_object(text)
        except UnreadableError as error:
            self._reject(text, str(error), message, record)
            return
        keys = {key.lower(): key for key in reversed(data)}
        category = data.get(keys.get("category", ""))
        if isinstance(category, str) and category.lower().startswith(_HUNTING):
            self._read_hunting(text, data, keys, message, record)
            return
        table = self._table_of(data, keys, category)
        if table is None:
            self._reject(text, "no record of a table that is known here", message, record, "category")
            return
        outer = Outer(table, None, None, None, None)
        self._try_add(Row(text, 0, len(text), None, None, outer, table.digest(text), message, record), text)

    def _table_of(self, data: dict[str, Any], keys: dict[str, str], category: Any) -> EventTable | None:
        """The table of a record that is not of the Streaming API."""
        if data.get(keys.get("systemalertid", "")):
            return self._tables.own(CLOUD_ALERTS)
        table = self._tables.by_type(data.get(keys.get("type", "")))
        if table is not None:
            return table
        named = isinstance(category, str) or isinstance(data.get(keys.get("metricname", "")), str)
        if named and category != "" and ("time" in keys or "resourceid" in keys):
            return self._tables.own(AZURE_MONITOR)
        return None

    def _read_hunting(
        self, text: bytes, data: dict[str, Any], keys: dict[str, str], message: int, record: int
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
        row = Row(text, piece.start, piece.end, *times, outer, outer.table.digest(content), message, record)
        self._try_add(row, content, rest)


def _key(written: bytes) -> str:
    """A key as it reads; "" if it cannot be read."""
    try:
        return clean_text(str(msgspec.json.decode(written)))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _list_of_records(value: bytes, piece: Piece) -> tuple[int, int] | None:
    """Where the document's list `records` is, if it has one."""
    found = None
    for key, each in members(value, piece.start, piece.end):
        if value[each.start : each.start + 1] == b"[" and _key(key).lower() == "records":
            found = each.start, each.end
    return found


def _value_of(text: bytes, name: str | None) -> Piece | None:
    """Where the value of this key is; of repeated keys the last one counts."""
    found = None
    for key, piece in members(text, 0, len(text)):
        if _key(key) == name:
            found = piece
    return found
