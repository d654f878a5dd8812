"""Memory for the hashes of the last records, to know a repeat."""

from __future__ import annotations

__all__ = ["HASH_BYTES", "RecentHashes"]

HASH_BYTES = 12
"""So that two of 1,000,000 are alike once in 10^17 times."""
_USUAL = 8
"""Hashes that a bucket is meant to hold; it has room for twice as many."""
_ROOM = 2 * _USUAL
_BUCKET_BYTES = _ROOM * HASH_BYTES


class RecentHashes:
    """The last hashes that were added, in memory that does not grow: 24 MB for 1,000,000.

    They stand in one array, in small buckets by their first bytes; a full bucket forgets its oldest. So one
    in 100 is forgotten after `capacity` others, one in 100,000 after half as many; some are remembered
    longer. A set that forgets exactly would take four times the memory.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        self._buckets = max(capacity // _USUAL, 1)
        self._hashes = bytearray(self._buckets * _BUCKET_BYTES)
        self._places = bytearray(self._buckets)

    def add(self, digest: bytes) -> bool:
        """Remember 12 bytes; False if they are known already."""
        bucket = int.from_bytes(digest[:4], "little") % self._buckets
        start = bucket * _BUCKET_BYTES
        if self._hashes.find(digest, start, start + _BUCKET_BYTES) >= 0:
            return False
        place = self._places[bucket]
        self._places[bucket] = (place + 1) % _ROOM
        start += place * HASH_BYTES
        self._hashes[start : start + HASH_BYTES] = digest
        return True
