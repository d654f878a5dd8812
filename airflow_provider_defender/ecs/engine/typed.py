"""From raw to typed columns: times parsed, absent values null, one row per item."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ..columns import HASH_LENGTHS, NO_GUID, lower_guids, only_hash, only_known, only_where, positive
from ..columns.short import each_value, is_short
from ..columns.values import PLACEHOLDERS
from ..fields import TIMESTAMP, null_column, positions, zeros
from .shapes import ColumnType, ListOf, Shape, arrow_type
from .values import ABSENT_TEXTS, ticks_of

__all__ = ["Columns", "ticks_of_all", "times_of", "typed_columns"]

_LONGEST_ABSENT = max(map(len, ABSENT_TEXTS))
_ABSENT = pa.array(ABSENT_TEXTS)
_NAMES = (
    "filename",
    "filepath",
    "folderpath",
    "commandline",
    "subject",
    "registrykey",
    "registryvalue",
    "registryvaluename",
    "registryvaluedata",
)
"""How properties end, in lower case, in which `null` can be a true name or content."""
_GUIDS = (
    *("objectid", "aaduserid", "initiatorid", "subjectid", "applicationid", "clientappid", "oauthappid"),
    *("accountid", "account", "groupid"),
)
"""How properties end that hold GUIDs of accounts, groups and applications; either case means the same."""
_HOSTS = ("devicename", "deviceid", "computerdnsname", "machineid")
"""How properties end that hold a machine's name or id, which is not `Unknown`."""
_UNKNOWN = "unknown"
_NUMBERS = ("processid", "parentid", "port")
"""How properties end that hold ids of processes or ports, of which 0 is none that is known."""
_ABSENT_TEXTS, _PLACEHOLDERS = frozenset(ABSENT_TEXTS), frozenset(PLACEHOLDERS)
_SUSPECTS = _ABSENT_TEXTS | _PLACEHOLDERS
_NANOSECONDS = pa.timestamp("ns", tz="UTC")
_TICK, _MICROSECOND = pa.scalar(100, pa.int64()), pa.scalar(1000, pa.int64())
_SHORTEST_TIME, _LONGEST_TIME = len("2026-01-01T00:00:00Z"), len("2026-01-01T00:00:00.123456789Z")


@dataclass
class Columns:
    """The typed columns of some records.

    `record` has one value per record, `item` one per row, both by dotted property name; `ticks` has the times
    in units of 100 ns since 1970. `parents` is each row's record, `numbers` its place among the record's
    rows; `has_item` is None if every row has an item. `mismatched`: the records with an invalid time.
    `known` has those columns again, without them, that hold placeholders, zeros for process ids and ports, or
    texts that are no hashes where hashes belong, and with accounts' GUIDs in lower case: ECS fields are made
    of it.
    """

    length: int
    record: dict[str, pa.Array]
    item: dict[str, pa.Array]
    ticks: dict[str, pa.Array]
    parents: pa.Array
    numbers: pa.Array
    has_item: pa.Array | None
    mismatched: set[int]
    known: dict[str, pa.Array] = field(default_factory=dict)


def typed_columns(shape: Shape, items: str | None, raw: pa.StructArray) -> Columns:
    """The typed columns of records, from the array (without an offset) that `RecordReader.gather` returns.

    `items` names the property that holds a list of objects, each of which becomes a row.
    """
    builder = _Builder()
    if is_short(raw):
        builder.times = _times_at_once(shape, raw)
    record: dict[str, pa.Array] = {}
    item: dict[str, pa.Array] = {}
    offsets = parents = positions(len(raw) + 1)
    has_item = None
    for name, column_type in shape.properties.items():
        column = raw.field(name)
        if name != items or not isinstance(column_type, ListOf) or not isinstance(column_type.item, Shape):
            record[name] = builder.column(column_type, column, None, name, record)
            continue
        offsets, parents = column.offsets, pc.list_parent_indices(column).cast(pa.int32())
        has_item = column.values.is_valid() if column.values.null_count else None
        builder.children(column_type.item, column.values, parents, f"{name}.", item)
    parents = parents.slice(0, len(offsets) - 1) if parents is offsets else parents
    numbers = pc.subtract(positions(len(parents)), offsets.take(parents)) if items else zeros(len(parents))
    return Columns(
        len(raw), record, item, builder.ticks, parents, numbers, has_item, builder.mismatched, builder.known
    )


def times_of(texts: pa.Array) -> pa.Array:
    """The times that these texts are, as far as they are any: nulls for the others."""
    times = _common_times(texts)
    if times is not None:
        return times.stamps
    return _microseconds([None if text is None else ticks_of(text) for text in texts.to_pylist()])


def ticks_of_all(texts: pa.Array) -> pa.Array | None:
    """The times that these texts are, in units of 100 ns since 1970; None if they are not all usual ones."""
    times = _common_times(texts)
    return None if times is None else times.ticks


def _microseconds(ticks: list[int | None]) -> pa.Array:
    return pa.array([None if tick is None else tick // 10 for tick in ticks], pa.int64()).cast(TIMESTAMP)


class _Times(NamedTuple):
    """A column of times, as ticks and as timestamps."""

    ticks: pa.Array
    stamps: pa.Array

    def slice(self, start: int, length: int) -> _Times:
        return _Times(self.ticks.slice(start, length), self.stamps.slice(start, length))


def _common_times(texts: pa.Array) -> _Times | None:
    """The times if all are as `_parse_common_times` knows them."""
    if texts.null_count == len(texts):
        return _Times(null_column(pa.int64(), len(texts)), null_column(TIMESTAMP, len(texts)))
    nanoseconds = _parse_common_times(texts)
    if nanoseconds is None:
        return None
    return _Times(pc.divide(nanoseconds, _TICK), pc.divide(nanoseconds, _MICROSECOND).view(TIMESTAMP))


def _times_at_once(shape: Shape, raw: pa.StructArray) -> dict[str, _Times]:
    """The times of all columns of times, if all of them are common: one call for all costs that of one."""
    names = [name for name, column_type in shape.properties.items() if column_type == "time"]
    columns = {name: raw.field(name) for name in names}
    columns = {name: column for name, column in columns.items() if column.null_count < len(column)}
    times = _common_times(pa.concat_arrays(list(columns.values()))) if len(columns) > 1 else None
    if times is None:
        return {}
    return {name: times.slice(place * len(raw), len(raw)) for place, name in enumerate(columns)}


class _Found(NamedTuple):
    """What may be among the texts of a column, by a quick look; `lengths` if they have been measured."""

    may_be_absent: bool
    may_be_placeholder: bool
    may_be_unknown: bool
    may_be_guid: bool
    lengths: pa.Array | None

    @classmethod
    def among(cls, texts: pa.Array) -> _Found:
        """Look at texts of which at least one is not null."""
        if is_short(texts):
            values = texts.to_pylist()
            return cls(
                not _ABSENT_TEXTS.isdisjoint(values), not _PLACEHOLDERS.isdisjoint(values), True, True, None
            )
        lengths = pc.binary_length(texts)
        bounds = pc.min_max(lengths)
        shortest, longest = bounds["min"].as_py(), bounds["max"].as_py()
        return cls(
            shortest <= _LONGEST_ABSENT,
            shortest <= len(NO_GUID),
            shortest <= len(_UNKNOWN) <= longest,
            longest >= len(NO_GUID),
            lengths,
        )


class _Builder:
    """Converts arrays to their types, and collects what `Columns` has of all of them.

    `owners` has the record of each value; None if there is one value per record.
    """

    def __init__(self) -> None:
        self.mismatched: set[int] = set()
        self.ticks: dict[str, pa.Array] = {}
        self.known: dict[str, pa.Array] = {}
        self.times: dict[str, _Times] = {}

    def children(
        self,
        shape: Shape,
        raw: pa.StructArray,
        owners: pa.Array | None,
        prefix: str,
        into: dict[str, pa.Array],
    ) -> list[pa.Array]:
        arrays = []
        for name, column_type in shape.properties.items():
            array = self.column(column_type, raw.field(name), owners, prefix + name, into)
            into[prefix + name] = array
            arrays.append(array)
        return arrays

    def column(
        self,
        column_type: ColumnType,
        raw: pa.Array,
        owners: pa.Array | None,
        name: str,
        into: dict[str, pa.Array],
    ) -> pa.Array:
        if isinstance(column_type, Shape):
            children = self.children(column_type, raw, owners, f"{name}.", into)
            mask = raw.is_null() if raw.null_count else None
            return pa.StructArray.from_arrays(children, fields=list(arrow_type(column_type)), mask=mask)
        if isinstance(column_type, ListOf):
            return self._list_column(column_type, raw, owners, name)
        if column_type == "time":
            return self._time_column(raw, owners, name)
        if column_type == "long":
            return self._number_column(raw, name)
        if column_type in ("string", "identifier"):
            return self._text_column(raw, name)
        if column_type == "dynamic" and "." in name:
            return self._member_column(raw, name)
        return raw

    def _member_column(self, raw: pa.Array, name: str) -> pa.Array:
        """The values of a key inside a JSON column, of which some may be absent or placeholders."""
        if raw.null_count == len(raw):
            return raw
        if is_short(raw):
            if _SUSPECTS.isdisjoint(raw.to_pylist()):
                return raw
            lengths, shortest = None, 0
        else:
            lengths = pc.binary_length(raw)
            shortest = pc.min(lengths).as_py()
        column = _present(raw) if shortest <= _LONGEST_ABSENT else raw
        if shortest <= len(NO_GUID):
            null_is_name = name.lower().endswith(_NAMES)
            self._know(name, column, only_known(column, lengths, null_is_name=null_is_name))
        return column

    def _number_column(self, raw: pa.Array, name: str) -> pa.Array:
        if name.lower().endswith(_NUMBERS):
            self._know(name, raw, positive(raw))
        return raw

    def _know(self, name: str, column: pa.Array, known: pa.Array) -> None:
        if known is not column:
            self.known[name] = known

    def _text_column(self, raw: pa.Array, name: str) -> pa.Array:
        if raw.null_count == len(raw):
            return raw
        found = _Found.among(raw)
        column = _present(raw) if found.may_be_absent else raw
        end = name.lower()
        for algorithm in HASH_LENGTHS:
            if end.endswith(algorithm):
                self._know(name, column, only_hash(column, algorithm))
                return column
        known = column
        if found.may_be_placeholder:
            known = only_known(column, found.lengths, null_is_name=end.endswith(_NAMES))
        if found.may_be_unknown and end.endswith(_HOSTS):
            known = _without_unknown(known)
        if found.may_be_guid and end.endswith(_GUIDS):
            known = lower_guids(known)
        self._know(name, column, known)
        return column

    def _list_column(
        self, column_type: ListOf, raw: pa.ListArray, owners: pa.Array | None, name: str
    ) -> pa.Array:
        if column_type.item == "string":
            return _known_text_lists(raw)
        parents = pc.list_parent_indices(raw)
        inner = _Builder()
        owners = parents if owners is None else owners.take(parents)
        child = inner.column(column_type.item, raw.values, owners, name, {})
        self.mismatched |= inner.mismatched
        self.ticks.update(inner.ticks)
        mask = raw.is_null() if raw.null_count else None
        return pa.ListArray.from_arrays(raw.offsets, child, type=arrow_type(column_type), mask=mask)

    def _time_column(self, raw: pa.Array, owners: pa.Array | None, name: str) -> pa.Array:
        times = self.times.get(name)
        if times is None:
            texts = _known_texts(raw)
            times = _common_times(texts)
        if times is not None:
            self.ticks[name] = times.ticks
            return times.stamps
        known: dict[str | None, int | None] = {None: None}
        ticks = []
        for number, text in enumerate(texts.to_pylist()):
            if text not in known:
                known[text] = ticks_of(text)
            if known[text] is None and text is not None:
                self.mismatched.add(number if owners is None else owners[number].as_py())
            ticks.append(known[text])
        self.ticks[name] = pa.array(ticks, pa.int64())
        return _microseconds(ticks)


def _parse_common_times(texts: pa.Array) -> pa.Array | None:
    """Nanoseconds since 1970 if all texts are in UTC and lie between 1970 and 2262; else None.

    At least one is not null.
    """
    texts = _with_zone(texts)
    shortest, longest, first, last = _extremes(texts)
    if shortest < _SHORTEST_TIME or longest > _LONGEST_TIME:
        return None
    # Older pyarrow (21) wraps around where nanoseconds cannot hold a time: 1677 is 2261 (apache/arrow#37691).
    if first < "1970" or last >= "2262":
        return None
    try:
        return texts.cast(_NANOSECONDS).view(pa.int64())
    except pa.ArrowInvalid:
        return None


def _with_zone(texts: pa.Array) -> pa.Array:
    """The texts of times, each with a Z at its end."""
    if is_short(texts) and all(text is None or text.endswith("Z") for text in texts.to_pylist()):
        return texts
    has_zone = pc.ends_with(texts, "Z")
    if has_zone.true_count + texts.null_count == len(texts):
        return texts
    return pc.if_else(has_zone, texts, pc.binary_join_element_wise(texts, "Z", ""))


def _extremes(texts: pa.Array) -> tuple[int, int, str, str]:
    """The smallest and the largest length, the first and the last in order; one is not null."""
    if is_short(texts):
        known = [text for text in texts.to_pylist() if text is not None]
        sizes = list(map(len, known))
        return min(sizes), max(sizes), min(known), max(known)
    lengths, bounds = pc.min_max(pc.binary_length(texts)), pc.min_max(texts)
    return (
        *(lengths["min"].as_py(), lengths["max"].as_py()),
        *(bounds["min"].as_py(), bounds["max"].as_py()),
    )


def _known_texts(column: pa.Array) -> pa.Array:
    return _present(column) if _may_hold_absent(column) else column


def _present(column: pa.Array) -> pa.Array:
    if is_short(column):
        return each_value(lambda text: None if text in ABSENT_TEXTS else text, column)
    return only_where(pc.invert(pc.is_in(column, _ABSENT)), column)


def _without_unknown(names: pa.Array) -> pa.Array:
    if is_short(names):
        return each_value(lambda text: None if text.isascii() and text.lower() == _UNKNOWN else text, names)
    return only_where(pc.not_equal(pc.ascii_lower(names), _UNKNOWN), names)


def _may_hold_absent(column: pa.Array) -> bool:
    if column.null_count == len(column):
        return False
    if is_short(column):
        return not _ABSENT_TEXTS.isdisjoint(column.to_pylist())
    return bool(pc.min(pc.binary_length(column)).as_py() <= _LONGEST_ABSENT)


def _known_text_lists(column: pa.ListArray) -> pa.ListArray:
    if _may_hold_absent(column.values) and pc.any(pc.is_in(column.values, _ABSENT)).as_py():
        values = column.to_pylist()
        kept = [value and [text for text in value if text not in ABSENT_TEXTS] for value in values]
        return pa.array(kept, pa.list_(pa.string()))
    return column
