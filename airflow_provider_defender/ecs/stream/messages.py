"""Reading the messages of an event hub, in any shape, into records of its tables.

Records in the Streaming API's own spelling are recognised by one regular expression, and parsed only by their
table's parser. Runs of such records are read step by step, not record by record, which takes half the time.
Everything else takes a slower path: msgspec, and then a tolerant parser.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import sub
from typing import Any, NamedTuple

import msgspec

from airflow_provider_defender.json_scanner import Piece

from ..engine.bounds import kept, reject_key, too_large
from ..engine.tolerant import Unmapped
from ..engine.values import MISMATCH, UnreadableError, convert, parse_object
from ..mapping import ENVELOPE
from .duplicates import RecentHashes
from .envelope import all_same, digests_of, duplicate_keys, tenant_marks
from .rejects import Reject
from .route import AZURE_MONITOR, CLOUD_ALERTS, NO_CONSTANTS, EventTables, Route
from .split import LARGE_MESSAGE, may_repeat_a_key, most_pieces, parts, value_of
from .table import EventTable
from .usual import Usual, usual_messages, usual_record, usual_records

__all__ = ["MessageReader"]

_HUNTING = "advancedhunting-"
_START, _END = b'{"records":[', b"]}"
_MOST_ROUTES, _LONGEST_ROUTE = 1000, 2048


class _Wrapper(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A message as the Streaming API and Azure Monitor send it."""

    records: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


class _StreamedRecord(
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


class _Block(NamedTuple):
    """Records of one or many messages: their texts' parts, their numbers, and the hub's tenant for each."""

    found: Sequence[Usual]
    messages: Sequence[int]
    records: Sequence[int]
    tenants: Sequence[str | None]

    def between(self, start: int, end: int) -> _Block:
        """The records from one place to another."""
        if (start, end) == (0, len(self.found)):
            return self
        found, messages, records, tenants = (column[start:end] for column in self)
        return _Block(found, messages, records, tenants)  # type: ignore[arg-type]

    def picked(self, places: Sequence[int]) -> _Block:
        """The records at these places."""
        found, messages, records, tenants = ([column[place] for place in places] for column in self)
        return _Block(found, messages, records, tenants)  # type: ignore[arg-type]


class _Found(NamedTuple):
    """A record that the regular expression did not match: its text, and what is known about it.

    `content` is its object, which begins at `start`; `unmapped_envelope`: parts of its envelope without a
    column.
    """

    text: bytes
    content: bytes
    start: int
    route: Route
    time: str | None = None
    received: str | None = None
    unmapped_envelope: dict[str, Any] | None = None


class MessageReader:
    """Adds the records of messages to their tables, and collects `rejects`.

    `recent` recognises duplicates, which are counted (`duplicates`) and dropped; None keeps them.
    """

    def __init__(self, tables: EventTables, recent: RecentHashes | None) -> None:
        self.rejects: list[Reject] = []
        self.duplicates = 0
        self._tables = tables
        self._recent = recent
        self._routes: dict[Any, Route] = {}
        self._hub_tenant: str | None = None
        self._had_several = False
        self._decode_wrapper = msgspec.json.Decoder(_Wrapper).decode
        self._decode_record = msgspec.json.Decoder(_StreamedRecord).decode

    def read(self, values: Sequence[bytes | None], first: int, hub_tenants: Sequence[str | None]) -> None:
        """Read messages, numbered from `first` on: each record is added to a table, dropped or rejected."""
        count = len(values)
        block = _Block(usual_messages(values), range(first, first + count), [0] * count, hub_tenants)
        rest = iter(block.found)
        place = 0
        while place < count:
            if self._had_several:
                next(rest)
            else:
                place += self._read_block(block, place, rest)
            if place < count:
                self._read_message(values[place], first + place, hub_tenants[place])
                place += 1

    def _read_message(self, value: bytes | None, message: int, hub_tenant: str | None) -> None:
        self._hub_tenant = hub_tenant
        if not value:
            error = "the message is empty" if value is not None else "the message has no value (a tombstone)"
            self._reject(b"", error, message)
        elif (
            self._had_several
            or not (value.startswith(_START) and value.endswith(_END))
            or not self._read_usual(value[len(_START) : -len(_END)], message, 0)
        ):
            self._read_wrapped(value, message)

    def read_large(self, value: bytes, message: int, hub_tenant: str | None = None) -> Iterator[int]:
        """Like `read`, for a message too large to copy as a whole; yields each record's size when read."""
        self._hub_tenant = hub_tenant
        self._had_several = True
        return self._read_documents(value, message)

    # Records in the usual spelling

    def _read_block(self, block: _Block, start: int, rest: Iterator[Usual]) -> int:
        """Read records up to the first that is not in the usual spelling or is damaged; return their number.

        All are decoded in their order, and then added to their tables, to each of them at once. `rest` is at
        place `start` of the block; afterwards it is behind that first one, which has to be read alone. With a
        copy of the rest instead, many such records would cost the square of their number.
        """
        routes: list[Route] = []
        objects: list[Any] = []
        odd: dict[int, Unmapped] = {}
        while self._decode_some(rest, routes, objects) < len(block.found) - start:
            _, _, constants, _, content, instance = block.found[start + len(objects)]
            route = self._routes.get((constants, instance))
            if route is None:
                break
            try:
                read, odd[len(objects)] = route.table.reread(content)
            except UnreadableError:
                break
            routes.append(route)
            objects.append(read)
        if objects:
            self._add_all(routes, objects, odd, block.between(start, start + len(objects)))
        return len(objects)

    def _decode_some(self, rest: Iterator[Usual], routes: list[Route], objects: list[Any]) -> int:
        """Decode records up to the first that cannot be, which is passed; return how many now are."""
        last: tuple[bytes | None, bytes | None] | None = None
        try:
            for _, _, constants, _, content, instance in rest:
                key = constants, instance
                if key != last:
                    found = self._routes.get(key) or self._new_route(*key, content)
                    if found is None:
                        break
                    last, route, decode = key, found, found.table.reader.decode
                read = decode(content)
                if not content.isascii():
                    content.decode()  # msgspec does not check texts that it keeps raw
                routes.append(route)
                objects.append(read)
        except (UnreadableError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        return len(objects)

    def _add_all(
        self, routes: Sequence[Route], objects: Sequence[Any], odd: dict[int, Unmapped], block: _Block
    ) -> None:
        """Add records to their tables. `odd`: what has no column, by place."""
        if all_same(routes):
            self._add_block(routes[0].table, routes, objects, odd, block)
            return
        waiting: defaultdict[EventTable, list[int]] = defaultdict(list)
        for place, route in enumerate(routes):
            waiting[route.table].append(place)
        for table, places in waiting.items():
            own = [routes[place] for place in places], [objects[place] for place in places]
            self._add_block(table, *own, _moved(odd, places), block.picked(places))

    def _add_block(
        self,
        table: EventTable,
        routes: Sequence[Route],
        objects: Sequence[Any],
        odd: dict[int, Unmapped],
        block: _Block,
    ) -> None:
        """Add the records of one table, without duplicates."""
        texts, times, _, received, contents, instances = zip(*block.found, strict=True)
        digests = digests_of(routes, contents)
        behind = [len(instance or b"") + len(b"}") for instance in instances]
        ends = list(map(sub, map(len, texts), behind))
        starts = map(sub, ends, map(len, contents))
        places = (block.messages, block.records)
        rows = list(zip(texts, starts, ends, times, received, routes, digests, *places, strict=True))
        known = self._duplicates_among(table, routes, objects, digests, block.tenants)
        if known:
            new = sorted(set(range(len(rows))).difference(known))
            rows, objects = [rows[place] for place in new], [objects[place] for place in new]
            odd = _moved(odd, new)
        table.extend(rows, objects, odd)

    def _duplicates_among(
        self,
        table: EventTable,
        routes: Sequence[Route],
        objects: Sequence[Any],
        digests: Sequence[bytes],
        tenants: Sequence[str | None],
    ) -> list[int]:
        """The places of duplicates, which are counted."""
        if self._recent is None:
            return []
        places = table.possible_duplicates(objects)
        if len(places) < len(objects):
            routes, digests = [routes[place] for place in places], [digests[place] for place in places]
            tenants = [tenants[place] for place in places]
        known = self._recent.add(duplicate_keys(digests, tenant_marks(routes, tenants)))
        self.duplicates += len(known)
        return [places[number] for number in known]

    def _read_usual(self, text: bytes, message: int, record: int) -> bool:
        """Read a record in the usual spelling. Returns False, and does nothing, if it is not."""
        found = usual_record(text)
        if found is None:
            return False
        _, time, constants, received, content, instance = found
        route = self._routes.get((constants, instance)) or self._usual_route(constants, instance)
        if route is None:
            return False
        try:
            read, unmapped = route.table.read(content)
        except UnreadableError:
            return False
        digest = route.digest(content)
        end = len(text) - len(instance or b"") - len(b"}")
        row = (text, end - len(content), end, time, received, route, digest, message, record)
        if not self._duplicates_among(route.table, (route,), (read,), (digest,), (self._hub_tenant,)):
            route.table.add(row, read, unmapped)
        return True

    def _new_route(self, constants: bytes | None, instance: bytes | None, content: bytes) -> Route | None:
        """The route of a record, which is the first of it; None if the record has to be read alone.

        Raises:
            UnreadableError: the object cannot be read.
        """
        if constants is None:
            return None
        route = self._usual_route(constants, instance)
        if route is None or route.table.mapping.wire_shape.annotations:
            return None
        route.table.expect(content)
        self._remember((constants, instance), len(constants), route)
        return route

    def _usual_route(self, constants: bytes, instance: bytes | None) -> Route | None:
        """The route by the constant parts of a record; None if its category names no streaming table."""
        found = self._decode_record(b"{" + constants + (instance or b"") + b',"properties":{}}')
        return self._route(found.category, found.tenantId, found.operationName, found.Tenant)

    def _route(
        self, category: str, tenant: str | None, operation: str | None, instance: str | None
    ) -> Route | None:
        """The route of a Streaming API record; None if its category names no streaming table."""
        if category[: len(_HUNTING)].lower() != _HUNTING:
            return None
        key = (category, tenant, operation, instance)
        route = self._routes.get(key)
        if route is None:
            name = category[len(_HUNTING) :]
            table = self._tables.named(name)
            if table is None:
                return None
            known = table.name if table.has_mapping else name.lower()
            route = Route(known, (tenant, operation, category, instance), table)
            self._remember(key, sum(len(text or "") for text in key), route)
        return route

    def _remember(self, key: Any, size: int, route: Route) -> None:
        """Cache it for the next records, unless it is long; the cache is bounded."""
        if size > _LONGEST_ROUTE:
            return
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        self._routes[key] = route

    def _add(self, found: _Found, message: int, record: int) -> None:
        """Add a record to its table; reject it if its object is not a JSON object in UTF-8."""
        route = found.route
        try:
            read, unmapped = route.table.read(found.content)
        except UnreadableError as error:
            self._reject(found.text, str(error), message, record, "properties")
            return
        digest = route.digest(found.content)
        end = found.start + len(found.content)
        row = (found.text, found.start, end, found.time, found.received, route, digest, message, record)
        if not self._duplicates_among(route.table, (route,), (read,), (digest,), (self._hub_tenant,)):
            route.table.add(row, read, unmapped, found.unmapped_envelope)

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
        if records is not msgspec.UNSET and may_repeat_a_key(value, records):
            records = msgspec.UNSET
        self._had_several = records is not msgspec.UNSET and len(records) > 1
        if records is msgspec.UNSET or len(records) > most_pieces(value):
            for _ in self._read_documents(value, message):
                pass
        elif not records:
            self._reject(value, "the list of records is empty", message)
        else:
            self._read_records(list(map(bytes, records)), message)

    def _read_documents(self, value: bytes, message: int) -> Iterator[int]:
        """Read a record, a list of records, several documents in sequence, or anything else."""
        most = most_pieces(value)
        found: Iterable[tuple[Piece, str]] = islice(parts(value), most + 1)
        if len(value) <= LARGE_MESSAGE:
            found = list(found)
            count = len(found)
        else:  # twice the work, but no list of what may be millions
            count = sum(1 for _ in found)
            found = parts(value)
        if count > most:
            self._reject(value, f"over {most:,} records of a few bytes each", message)
            return
        for record, (piece, why_not) in enumerate(found):
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

    def _read_records(self, texts: Sequence[bytes], message: int) -> None:
        """Read all records of a message."""
        count = len(texts)
        block = _Block(usual_records(texts), [message] * count, range(count), [self._hub_tenant] * count)
        rest = iter(block.found)
        place = 0
        while place < count:
            place += self._read_block(block, place, rest)
            if place < count:
                self._read_record(texts[place], message, place)
                place += 1

    def _read_record(self, text: bytes, message: int, record: int) -> None:
        if self._read_usual(text, message, record):
            return
        try:
            found = self._decode_record(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._read_oddly(text, message, record)
            return
        content = bytes(found.properties)
        route = self._route(found.category, found.tenantId, found.operationName, found.Tenant)
        if route is None or not content.startswith(b"{"):
            self._read_oddly(text, message, record)
            return
        start = text.index(content)
        around = text[:start] + text[start + len(content) :]
        if not around.isascii() and not _is_utf8(around):  # in an earlier value of a repeated key
            self._read_oddly(text, message, record)
            return
        self._add(_Found(text, content, start, route, found.time, found.received), message, record)

    def _read_oddly(self, text: bytes, message: int, record: int) -> None:
        """Read a record that is not, or not strictly, one of the Streaming API."""
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
        self._add(_Found(text, text, 0, Route(table.name, NO_CONSTANTS, table)), message, record)

    def _table_of(self, data: dict[Any, Any], keys: dict[str, str], category: Any) -> EventTable | None:
        """The table of a record from elsewhere than the Streaming API."""
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
        values, rest = _fitted(data, keys.get("properties"))
        route = self._route(
            values["category"], values.get("tenantId"), values.get("operationName"), values.get("Tenant")
        )
        if route is None:
            self._reject(text, "the category names no table", message, record, "category")
            return
        piece = value_of(text, keys.get("properties"))
        if piece is None or text[piece.start : piece.start + 1] != b"{":
            self._reject(text, "properties is not an object", message, record, "properties")
            return
        content = text[piece.start : piece.end]
        time, received = values.get("time"), values.get("_TimeReceivedBySvc")
        self._add(_Found(text, content, piece.start, route, time, received, rest), message, record)


def _moved(odd: dict[int, Unmapped], places: Sequence[int]) -> dict[int, Unmapped]:
    """What has no column, by the new places of records that are picked at these."""
    return {number: odd[place] for number, place in enumerate(places) if place in odd} if odd else odd


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fitted(data: dict[str, Any], properties: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of an envelope by their documented names, and those that do not fit or are unknown.

    `properties`: the key that holds the record's object.
    """
    values: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in data.items():
        name = ENVELOPE.by_lower_case.get(key.lower())
        if name is None:
            if key != properties:
                rest[key] = value
            continue
        fit = convert(ENVELOPE.properties[name], value)  # type: ignore[arg-type]
        if fit is MISMATCH or (fit is not None and values.get(name) not in (None, fit)):
            rest[key] = value
        elif fit is not None:
            values[name] = fit
    return values, rest
