"""Exact, memory-bounded bookkeeping of versions, each a pair `(key, version)` of strings.

Python sets of strings would take over 200 bytes for each version. Here, a million versions take 20 MB: they
are compared by 128-bit digests, and those that a commit must list are kept in Arrow columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.timestamps import parse_ticks

__all__ = [
    "KEYS",
    "TIMELESS",
    "DigestSet",
    "NewestVersions",
    "bound_for",
    "digest",
    "joined",
    "since",
    "ticks_of",
]

KEYS = pa.schema([("key", pa.string()), ("version", pa.string()), ("ticks", pa.int64())])
"""Versions with the ticks of their update time."""

TIMELESS = 2**63 - 2
"""The ticks of a version without an update time: nothing shows that it is old, so it counts as newest."""

_SEPARATOR = "\0"
_DIGEST_BYTES = 16


def ticks_of(version: str) -> int:
    """The update time of a version, or `TIMELESS` if it has none (`content:…`, the empty string)."""
    ticks = parse_ticks(version)
    return TIMELESS if ticks is None else ticks


def digest(key: str, version: str) -> bytes:
    """128 bits that stand for a version; a collision among 10^12 of them has odds of 10^-15."""
    return _digest(f"{len(key)}{_SEPARATOR}{key}{version}")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()


def joined(keys: pa.Array | pa.ChunkedArray, versions: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Key and version of each row as one text, the one that `digest` hashes, dictionary-encoded.

    It begins with the key's length, since any separator could occur in a key.
    """
    keys, versions = pc.fill_null(keys, ""), pc.fill_null(versions, "")
    lengths = pc.utf8_length(keys).cast(pa.string())
    texts = pc.binary_join_element_wise(lengths, pc.binary_join_element_wise(keys, versions, ""), _SEPARATOR)
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    return texts.dictionary_encode()


class DigestSet:
    """A set of versions, about 20 bytes each: digests side by side, in buckets by their first 14 bits."""

    def __init__(self) -> None:
        self._buckets: dict[int, bytearray] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, value: bytes) -> bool:
        bucket = self._buckets.get((value[0] << 8 | value[1]) >> 2)
        return bucket is not None and _holds(bucket, value)

    def add(self, value: bytes) -> bool:
        """Add a digest. Returns False if it was there already."""
        bucket = self._buckets.setdefault((value[0] << 8 | value[1]) >> 2, bytearray())
        if _holds(bucket, value):
            return False
        bucket += value
        self._size += 1
        return True

    def add_rows(self, keys: pa.Array | pa.ChunkedArray, versions: pa.Array | pa.ChunkedArray) -> None:
        """Add the versions of rows."""
        self.add_texts(joined(keys, versions))

    def add_texts(self, rows: pa.DictionaryArray) -> None:
        """Add the versions of rows of `joined`."""
        for text in pc.unique(rows).cast(pa.string()).to_pylist():
            self.add(_digest(text))

    def found(self, rows: pa.DictionaryArray) -> pa.BooleanArray:
        """For each row of `joined`, whether its version is in the set."""
        known = pa.array([_digest(text) in self for text in rows.dictionary.to_pylist()], pa.bool_())
        return known.take(rows.indices)

    def isdisjoint(self, other: DigestSet) -> bool:
        """Whether no version is in both sets."""
        small, large = sorted((self, other), key=len)
        return not any(value in large for value in small)

    def __iter__(self) -> Iterator[bytes]:
        for bucket in self._buckets.values():
            for place in range(0, len(bucket), _DIGEST_BYTES):
                yield bytes(bucket[place : place + _DIGEST_BYTES])

    def update(self, other: DigestSet) -> None:
        """Add all of another set."""
        for value in other:
            self.add(value)


def _holds(bucket: bytearray, value: bytes) -> bool:
    place = bucket.find(value)
    while place > 0 and place % _DIGEST_BYTES:  # a match across two digests does not count
        place = bucket.find(value, place + 1)
    return place >= 0


class NewestVersions:
    """The newest versions by update time of all that were added, at most `limit` of them.

    A version older than `floor` (in ticks) is a stray: the source returned it although it was asked for newer
    ones only. It may return it again, so it counts as newest. `strays` counts these, and the versions without
    an update time, which can come back as well.
    """

    def __init__(self, limit: int, floor: int | None = None) -> None:
        self._limit = limit
        self._floor = -TIMELESS if floor is None else floor
        self.strays = 0
        self._chunks: list[pa.Table] = []
        self._rows = 0
        self._complete_from: int | None = None

    def add(
        self, keys: Sequence[str], versions: Sequence[str], updated: Sequence[int | None] | None = None
    ) -> None:
        """Add versions with their keys, each pair only once over the lifetime of this object.

        `updated`: the ticks of each, None for one without an update time; if not given, they are parsed.
        """
        if updated is None:
            ticks = list(map(ticks_of, versions))
        else:
            ticks = [TIMELESS if tick is None else tick for tick in updated]
        self.strays += sum(tick < self._floor or tick == TIMELESS for tick in ticks)
        if self.strays:
            ticks = [TIMELESS if tick < self._floor else tick for tick in ticks]
        columns = [
            pa.array(keys, pa.string()),
            pa.array(versions, pa.string()),
            pa.array(ticks, pa.int64()),
        ]
        self._chunks.append(pa.table(columns, schema=KEYS))
        self._rows += len(keys)
        if self._rows > self._limit * 5 // 4:
            self._prune()

    def result(self) -> tuple[pa.Table, int | None]:
        """All versions from some ticks on, and these ticks (None: all versions, within the limit)."""
        self._prune()
        return pa.concat_tables([KEYS.empty_table(), *self._chunks]), self._complete_from

    def _prune(self) -> None:
        """Drop the oldest versions beyond the limit, chunk by chunk to save memory."""
        ticks = pa.chunked_array([chunk["ticks"].chunk(0) for chunk in self._chunks], pa.int64())
        bound = bound_for(ticks, self._limit)
        if bound is not None:
            self._complete_from = max(bound, self._complete_from or bound)
        if self._complete_from is None:
            return
        for place, chunk in enumerate(self._chunks):
            self._chunks[place] = since(chunk, self._complete_from).combine_chunks()
        self._chunks = [chunk for chunk in self._chunks if chunk.num_rows]
        self._rows = sum(chunk.num_rows for chunk in self._chunks)
        pa.default_memory_pool().release_unused()


def bound_for(ticks: pa.ChunkedArray, limit: int) -> int | None:
    """The ticks from which on there are at most `limit` rows; None if there are no more in total.

    Versions with the same ticks stay or go together, so that the bound is exact.
    """
    if len(ticks) <= limit:
        return None
    order = pc.sort_indices(ticks, sort_keys=[("", "descending")])
    newest_left_out: int = ticks[order[limit].as_py()].as_py()
    return newest_left_out + 1


def since(versions: pa.Table, ticks: int) -> pa.Table:
    """The versions updated at `ticks` or later."""
    return versions.filter(pc.greater_equal(versions["ticks"], ticks))
