"""Reading a batch of records into a chunk of typed columns, and rejects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.landing import REJECTS_SCHEMA

from .. import mapping as mappings
from ..attack import unknown_categories
from ..columns import join_known, lower_guids
from .bounds import check_size, kept
from .derived import DerivedReader
from .identities import Identity, IdentityReader, identity_columns
from .raw import text_column
from .reader import RecordReader
from .rows import Chunk
from .tolerant import Unmapped
from .typed import Columns, times_of, typed_columns
from .values import UnreadableError

__all__ = ["Batch", "ChunkReader", "Origins"]

_READ_RECORDS = 256
"""Records held as Python objects at once: few enough for the CPU cache, enough to amortise calls to Arrow."""


class Origins:
    """Tenant and log of each record, as far as the caller knows them: one for all, or one per record."""

    def __init__(self, source: str, origins: pa.Table | None) -> None:
        self._source = pa.scalar(source)
        self._tenants = lower_guids(_text_column(origins, "tenant"))
        self._logs = _text_column(origins, "log")

    def tenant(self, index: int) -> str | None:
        """The tenant that record `index` was read from."""
        return self._tenants[index if len(self._tenants) > 1 else 0].as_py()  # type: ignore[no-any-return]

    def tenants(self, first: int, places: Sequence[int]) -> pa.Array:
        """The tenants of the records at these places after the first."""
        return _taken(self._tenants, first, places)

    def logs(self, first: int, places: Sequence[int], tenants: pa.Array) -> pa.Array:
        """The logs of the records: as given, or else named after source and tenant."""
        names = join_known("-", pa.repeat(self._source, len(tenants)), tenants)
        return pc.coalesce(_taken(self._logs, first, places), names)


def _text_column(origins: pa.Table | None, name: str) -> pa.Array:
    if origins is None or name not in origins.column_names or not len(origins):
        return pa.nulls(1, pa.string())
    return origins.column(name).cast(pa.string()).combine_chunks()


def _taken(column: pa.Array, first: int, places: Sequence[int]) -> pa.Array:
    if len(column) == 1:
        return pa.repeat(column[0], len(places))
    return column.take(pa.array([first + place for place in places], pa.int64()))


@dataclass(frozen=True)
class Batch:
    """Records that are read at once. `first` is the first one's index among all; identities if known."""

    records: Sequence[bytes]
    first: int
    origins: Origins
    identities: Sequence[Identity] | None = None


class ChunkReader:
    """Reads batches of records by one mapping."""

    def __init__(self, mapping: mappings.Mapping, *, keep_original: bool) -> None:
        self.mapping = mapping
        self.keep_original = keep_original
        self.reader = RecordReader(mapping.shape, mapping.items)
        self.identities = IdentityReader(mapping)
        self.derived = DerivedReader(mapping, self.reader.counts) if mapping.derived is not None else None

    def read(self, batch: Batch) -> tuple[Chunk | None, pa.Table]:
        """Return the records that can land (None if there are none), and the rejects."""
        reading = _Reading(self, batch)
        reading.read()
        return reading.chunk(), reading.rejected()


@dataclass
class _Reading:
    """The reading of one batch. `places`: the positions in the batch of the records in `raw`."""

    by: ChunkReader
    batch: Batch
    places: list[int] = field(default_factory=list)
    raw: pa.StructArray = field(init=False)
    unmapped: dict[int, Unmapped] = field(default_factory=dict)
    rejects: dict[int, dict[str, Any]] = field(default_factory=dict)

    def read(self) -> None:
        """Read all records; reject those that are unreadable."""
        records, read = self.batch.records, self.by.reader.read
        gathering = self.by.reader.gathering()
        for start in range(0, len(records), _READ_RECORDS):
            objects: list[Any] = []
            for place, record in enumerate(records[start : start + _READ_RECORDS], start):
                try:
                    check_size(record)
                    result, unmapped = read(record)
                except UnreadableError as error:
                    self._reject(place, str(error), "")
                    continue
                self.places.append(place)
                objects.append(result)
                if unmapped is not None:
                    self.unmapped[place] = unmapped
            gathering.add(objects)
        self.raw = gathering.array()

    def chunk(self) -> Chunk | None:
        """The columns of all records that can land; the others are rejected."""
        mapping = self.by.mapping
        while len(self.raw):
            columns = typed_columns(mapping.shape, mapping.items, self.raw)
            if columns.mismatched:
                self._read_again(columns.mismatched)
                continue
            failed = dict(_failed(mapping, columns))
            if not failed:
                return self._chunk(columns)
            self._remove(failed)
        return None

    def rejected(self) -> pa.Table:
        """The rejects so far, in the records' order."""
        return pa.Table.from_pylist([self.rejects[index] for index in sorted(self.rejects)], REJECTS_SCHEMA)

    def _read_again(self, numbers: set[int]) -> None:
        """Read the records with these numbers again, tolerantly."""
        order = list(range(len(self.raw)))
        objects: list[Any] = []
        for number in numbers:
            order[number] = len(self.raw) + len(objects)
            place = self.places[number]
            result, self.unmapped[place] = self.by.reader.reread(self.batch.records[place])
            objects.append(result)
        parts = pa.concat_arrays([self.raw, self.by.reader.gather(objects)])
        self.raw = parts.take(pa.array(order, pa.int64()))

    def _remove(self, failed: Mapping[int, tuple[str, str]]) -> None:
        for number, reason in failed.items():
            self._reject(self.places[number], *reason)
        rest = [number for number in range(len(self.raw)) if number not in failed]
        self.places = [self.places[number] for number in rest]
        self.raw = self.raw.take(pa.array(rest, pa.int64()))

    def _reject(self, place: int, error: str, path: str) -> None:
        record, index = self.batch.records[place], self.batch.first + place
        tenant = self.batch.origins.tenant(index)
        known = self.batch.identities
        identity = known[place] if known else self.by.identities.read(record, tenant)
        self.rejects[index] = {
            "bytes": kept(record),
            "error": error,
            "path": path,
            "record_index": index,
            "key": identity.key,
            "version": identity.version,
            "tenant": tenant,
        }

    def _chunk(self, columns: Columns) -> Chunk:
        records = self._landed()
        odd = {
            number: self.unmapped[place] for number, place in enumerate(self.places) if place in self.unmapped
        }
        self._count_categories(columns)
        derived = self.by.derived
        return Chunk(
            columns=columns,
            texts=text_column(records) if self.by.keep_original else None,
            landing=self._landing(columns, records, odd),
            sizes=list(map(len, records)),
            unmapped=odd,
            derived=derived.columns(self.raw, columns, records, odd) if derived is not None else {},
        )

    def _landed(self) -> Sequence[bytes]:
        records = self.batch.records
        return records if len(self.places) == len(records) else [records[place] for place in self.places]

    def _count_categories(self, columns: Columns) -> None:
        counts = self.by.reader.counts
        for path, times in unknown_categories(columns.record, self.by.mapping.categories):
            counts.add(counts.unmapped, path, times)

    def _landing(
        self, columns: Columns, records: Sequence[bytes], odd: Mapping[int, Unmapped]
    ) -> dict[str, pa.Array]:
        mapping, batch = self.by.mapping, self.batch
        tenants = batch.origins.tenants(batch.first, self.places)
        if mapping.tenant is not None and tenants.null_count:
            tenants = pc.coalesce(tenants, lower_guids(columns.record[mapping.tenant]))
        if batch.identities is not None:
            keys, versions = _columns_of([batch.identities[place] for place in self.places])
        else:
            keys, versions = identity_columns(
                self.by.identities,
                records,
                own_keys=columns.record[mapping.key],
                sent_versions=self.raw.field(mapping.version),
                odd=odd,
                tenants=tenants,
            )
        logs = batch.origins.logs(batch.first, self.places, tenants)
        updated = times_of(versions)
        return {"log": logs, "tenant": tenants, "key": keys, "version": versions, "updated": updated}


def _columns_of(identities: Sequence[Identity]) -> tuple[pa.Array, pa.Array]:
    keys = [each.key for each in identities]
    return pa.array(keys, pa.string()), pa.array([each.version for each in identities], pa.string())


def _failed(mapping: mappings.Mapping, columns: Columns) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield number and (error, path) of records without a time or key; a missing key comes last and wins."""
    times = pc.coalesce(*(columns.record[name] for name in mapping.times))
    for column, error, path in (
        (times, f"none of {', '.join(mapping.times)} is a time", mapping.times[0]),
        (columns.record[mapping.key], f"{mapping.key} is missing", mapping.key),
    ):
        if column.null_count:
            missing = enumerate(column.is_null().to_pylist())
            yield from ((number, (error, path)) for number, value in missing if value)
