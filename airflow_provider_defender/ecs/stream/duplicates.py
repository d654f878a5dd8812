"""A bounded set of recent hashes, to recognise duplicates."""

from __future__ import annotations

__all__ = ["HASH_BYTES", "RecentHashes"]

HASH_BYTES = 12
"""With this size, two of 1,000,000 hashes collide once in 10^17 cases."""
_USUAL = 8
"""The average number of hashes in a bucket, which has room for twice as many."""
_ROOM = 2 * _USUAL
_BUCKET_BYTES = _ROOM * HASH_BYTES


class RecentHashes:
    """The last hashes that were added, in constant memory: 24 MB for 1,000,000.

    They are kept in one array, in small buckets; a full bucket drops its oldest hash. So
    one in 100 is forgotten after `capacity` others, one in 100,000 after half as many; some are kept longer.
    An exact set would take four times the memory.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        self._buckets = max(capacity // _USUAL, 1)
        self._hashes = bytearray(self._buckets * _BUCKET_BYTES)
        self._places = bytearray(self._buckets)

    def add(self, key: int) -> bool:
        """Add a hash of 12 bytes, as a number. Returns False if it is known already."""
        digest = key.to_bytes(HASH_BYTES, "little")
        bucket = key % self._buckets
        start = bucket * _BUCKET_BYTES
        if self._hashes.find(digest, start, start + _BUCKET_BYTES) >= 0:
            return False
        place = self._places[bucket]
        self._places[bucket] = (place + 1) % _ROOM
        start += place * HASH_BYTES
        self._hashes[start : start + HASH_BYTES] = digest
        return True
