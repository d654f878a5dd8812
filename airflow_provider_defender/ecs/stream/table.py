"""Records of one table of the event hub: read one by one, held back until there are enough, then mapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.landing import HUB_REJECTS_SCHEMA

from ..engine.bounds import reject_key
from ..engine.reader import RecordReader
from ..engine.rows import RowBuilder
from ..engine.shapes import Shape, in_order
from ..engine.tolerant import Unmapped
from ..engine.values import names_of
from ..mapping import HUB_SOURCE, Mapping
from .envelope import Row
from .records import EventRecords, times_of_duplicates
from .rejects import Reject, rejects_table
from .times import NEWEST_TEXT, OLDEST_TEXT

__all__ = ["UNKNOWN", "EventTable"]

UNKNOWN = "Unknown"
"""The table for records whose own table has neither mapping nor dataset."""
_NO_REJECTS = HUB_REJECTS_SCHEMA.empty_table()
_NO_TIME = "no time, neither in the record nor of the message"
_READ_RECORDS = 256
"""Records that are held as Python objects until there are so many, or more by those of one block: few enough
for the CPU cache, enough to amortise calls to Arrow."""


def _is_time(text: str | None) -> bool:
    return text is not None and OLDEST_TEXT < text < NEWEST_TEXT


class EventTable:
    """The records of one table, from their bytes to the rows of its dataset."""

    def __init__(
        self, name: str, mapping: Mapping, *, ingested: datetime | None, log: str | None, keep_original: bool
    ) -> None:
        self.name = name
        self.mapping = mapping
        is_own = mapping.source == f"{HUB_SOURCE}/{name}"
        self.has_mapping = is_own and name != UNKNOWN
        self.dataset = mapping.dataset if is_own else f"events/{name}"
        self.schema = mapping.own_schema()
        self._reader: RecordReader | None = None
        self.read: Callable[[bytes], tuple[Any, Unmapped | None]] = self._read_first
        self.size = 0
        self._expects = False
        self._time_places: tuple[str, ...] = ()
        self._log = log
        self._keep_original = keep_original
        self._ingested = ingested
        self._builder = RowBuilder(mapping, self.schema, ingested)
        self._rows: list[Row] = []
        self._objects: list[Any] = []
        self._raw: list[pa.StructArray] = []
        self._origins: list[pa.RecordBatch] = []
        self._settled = 0
        self._unmapped: dict[int, Unmapped] = {}
        self._unmapped_envelope: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def reader(self) -> RecordReader:
        """What reads the records: made for the first one, or else for the documented order of columns."""
        if self._reader is None:
            self._reader = self._reader_of(self.mapping.wire_shape)
        return self._reader

    def _reader_of(self, shape: Shape) -> RecordReader:
        return RecordReader(shape, others=not self.mapping.typed, inside=self.mapping.inside)

    def _read_first(self, content: bytes) -> tuple[Any, Unmapped | None]:
        self.expect(content)
        return self.read(content)

    def _read_next(self, content: bytes) -> tuple[Any, Unmapped | None]:
        read, unmapped = self.reader.read(content)
        if unmapped is not None:
            self._learn_from(unmapped)
        return read, unmapped

    def expect(self, content: bytes) -> None:
        """Expect all records to have the columns of this one, the first, which is much faster; once only.

        Raises:
            UnreadableError: it is no JSON object in UTF-8.
        """
        if self._expects:
            return
        shape = self.mapping.wire_shape
        names = [name for name in names_of(content) if name in shape.properties]
        self._reader = self._reader_of(in_order(shape, tuple(names)))
        self.read = self._read_next
        self._time_places = self._places_of_times()
        self._expects = True

    def _places_of_times(self) -> tuple[str, ...]:
        places = {name: f"p{number}" for number, name in enumerate(self.reader.shape.properties)}
        return tuple(places[name] for name in times_of_duplicates(self.mapping) if name in places)

    def possible_duplicates(self, objects: Sequence[Any]) -> Sequence[int]:
        """The places of records of which equal content means a duplicate: those with a time of their own.

        Snapshots without a time can legitimately repeat their content after a change in between.
        """
        times = [list(map(attrgetter(place), objects)) for place in self._time_places]
        for texts in times:
            if None not in texts and min(texts) > OLDEST_TEXT and max(texts) < NEWEST_TEXT:
                return range(len(objects))
        return [place for place, texts in enumerate(zip(*times, strict=True)) if any(map(_is_time, texts))]

    def add(
        self,
        row: Row,
        read: Any,
        unmapped: Unmapped | None = None,
        unmapped_envelope: dict[str, Any] | None = None,
    ) -> None:
        """Add a record: the result of `read` for its object, and the rest of its envelope."""
        number = len(self._rows)
        if unmapped is not None:
            self._unmapped[number] = unmapped
        if unmapped_envelope:
            self._unmapped_envelope[number] = unmapped_envelope
        self._rows.append(row)
        self._objects.append(read)
        self.size += row[2]
        if len(self._objects) >= _READ_RECORDS:
            self._gather()

    def reread(self, content: bytes) -> tuple[Any, Unmapped]:
        """Like `read`, for an object that `reader` has just failed to decode.

        Raises:
            UnreadableError: it is no JSON object in UTF-8.
        """
        read, unmapped = self.reader.reread(content)
        self._learn_from(unmapped)
        return read, unmapped

    def _learn_from(self, unmapped: Unmapped) -> None:
        if self.mapping.typed and self.reader.has_met(unmapped.record):
            self.reader.learn()

    def extend(self, rows: Sequence[Row], objects: Sequence[Any], unmapped: dict[int, Unmapped]) -> None:
        """Add records in the usual spelling: all around their objects, these, and what has no column."""
        before = len(self._rows)
        self._unmapped.update((before + place, each) for place, each in unmapped.items())
        self._rows += rows
        self._objects += objects
        self.size += sum([row[2] for row in rows])
        if len(self._objects) >= _READ_RECORDS:
            self._gather()

    def _gather(self) -> None:
        first = len(self._rows) - len(self._objects)
        for place, name, value in self.reader.extra_values(self._objects):
            self._unmapped.setdefault(first + place, Unmapped()).record[name] = value
        self._raw.append(self.reader.gather(self._objects))
        self._objects = []

    def settle(self, origins: pa.RecordBatch, first: int) -> int:
        """Register the origins of the records added since the last call, and return their number.

        Row 0 of the origins belongs to message number `first`.
        """
        places = [row[-2] - first for row in self._rows[self._settled :]]
        if places:
            is_all = places == list(range(len(origins)))
            self._origins.append(origins if is_all else origins.take(pa.array(places, pa.int32())))
            self._settled = len(self._rows)
        return len(places)

    def build(self) -> tuple[pa.Table, pa.Table]:
        """Return the rows of all records, and rejects for those without any time; then start again."""
        if self._objects:
            self._gather()
        records = self._take()
        chunk = records.chunk(self._log, self._keep_original, self._ingested)
        batch = self._builder.build(chunk, self._builder.prepare(chunk), 0, len(records.rows))
        table = pa.Table.from_batches([batch])
        if not chunk.fields["@timestamp"].null_count:
            return table, _NO_REJECTS
        known = chunk.fields["@timestamp"].is_valid()
        rejects = [
            Reject(row[0], reject_key(row[0]), _NO_TIME, "time", *row[-2:])
            for row, valid in zip(records.rows, known.to_pylist(), strict=True)
            if not valid
        ]
        return table.filter(known), rejects_table(rejects, records.origins.filter(pc.invert(known)))

    def _take(self) -> EventRecords:
        records = EventRecords(
            self.mapping,
            self.reader,
            self._rows,
            pa.concat_arrays(self._raw),
            pa.Table.from_batches(self._origins).combine_chunks(),
            self._unmapped,
            self._unmapped_envelope,
        )
        self._rows, self._raw, self._origins, self._settled, self.size = [], [], [], 0, 0
        self._unmapped, self._unmapped_envelope = {}, {}
        return records
