"""A bounded set of recent hashes, to recognise duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

__all__ = ["HASH_BYTES", "RecentHashes"]

HASH_BYTES = 12
"""With this size, two of 1,000,000 hashes collide once in 10^17 cases."""
_USUAL = 8
"""The average number of hashes in a bucket, which has room for twice as many."""
_ROOM = 2 * _USUAL
_BUCKET_BYTES = _ROOM * HASH_BYTES
_NO_HASH = bytes(HASH_BYTES)
_put = Struct(f"{HASH_BYTES}s").pack_into  # a slice would make another bytearray of the hash first
_FIRST_BUCKETS, _GROWTH = 1000, 5
"""The array of a small drain takes 0.2 MB: to clear all of it would take longer than to map the drain."""


class RecentHashes:
    """The last hashes that were added, in bounded memory: 24 MB for 1,000,000.

    They are kept in one array, in small buckets; a full bucket drops its oldest hash. So
    one in 100 is forgotten after `capacity` others, one in 100,000 after half as many; some are kept longer.
    Until it has its full size, the array grows whenever it is half as full as that, and so forgets fewer.
    An exact set would take four times the memory.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        self._most_buckets = max(capacity // _USUAL, 1)
        self._added = 0
        self._clear(min(_FIRST_BUCKETS, self._most_buckets))

    def _clear(self, buckets: int) -> None:
        self._buckets = buckets
        self._hashes = bytearray(buckets * _BUCKET_BYTES)
        self._places = bytearray(buckets)

    def add(self, keys: bytes) -> list[int]:
        """Add hashes, one behind the other. Returns the numbers of those that are known already."""
        self._make_room_for(len(keys) // HASH_BYTES)
        known = self._add(keys)
        self._added += len(keys) // HASH_BYTES - len(known)
        return known

    def _add(self, keys: bytes) -> list[int]:
        known = []
        hashes, places, buckets = self._hashes, self._places, self._buckets
        first_words = memoryview(keys).cast("I")[:: HASH_BYTES // 4].tolist()
        for number, word in enumerate(first_words):
            key = keys[number * HASH_BYTES : (number + 1) * HASH_BYTES]
            bucket = word % buckets
            start = bucket * _BUCKET_BYTES
            if hashes.find(key, start, start + _BUCKET_BYTES) >= 0:
                known.append(number)
                continue
            place = places[bucket]
            places[bucket] = (place + 1) % _ROOM
            _put(hashes, start + place * HASH_BYTES, key)
        return known

    def _make_room_for(self, number: int) -> None:
        buckets = self._buckets
        while buckets < self._most_buckets and self._added + number > buckets * _USUAL // 2:
            buckets = min(buckets * _GROWTH, self._most_buckets)
        if buckets > self._buckets:
            kept = b"".join(self._kept())
            self._clear(buckets)
            self._add(kept)

    def _kept(self) -> Iterator[bytearray]:
        """All hashes, those of a bucket from its oldest to its newest."""
        for bucket, place in enumerate(self._places):
            start = bucket * _BUCKET_BYTES
            oldest, end = start + place * HASH_BYTES, start + _BUCKET_BYTES
            if self._hashes[oldest : oldest + HASH_BYTES] != _NO_HASH:
                yield self._hashes[oldest:end]
            yield self._hashes[start:oldest]
