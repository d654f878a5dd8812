"""The envelope of a record in a message, and the hash that identifies its duplicates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

from ..columns import lower_guid
from .duplicates import HASH_BYTES

__all__ = ["DIGEST_BYTES", "Envelope", "Row", "duplicate_keys"]

DIGEST_BYTES = 16


@dataclass(frozen=True, eq=False)
class Envelope:
    """The keys around `properties` that are the same for many records.

    `name` is the table's name in record hashes; for a table without a mapping, the category's.
    `constants` are the values of `tenantId`, `operationName`, `category` and `Tenant`.
    """

    name: str
    constants: tuple[str | None, str | None, str | None, str | None]

    def digest(self, content: bytes) -> bytes:
        """A hash of the table's name and these bytes, in 128 bits."""
        digest = self._hash_of_name.copy()  # a third of the time of a new one
        digest.update(content)
        return digest.digest()[:DIGEST_BYTES]

    def tenant_mark(self, hub_tenant: str | None) -> bytes:
        """Bits of the tenant in or around a record, for its `duplicate_keys`."""
        return self._mark or _tenant_mark(hub_tenant)

    @cached_property
    def _mark(self) -> bytes:
        return _tenant_mark(self.constants[0]) if self.constants[0] else b""

    @cached_property
    def _hash_of_name(self) -> hashlib._Hash:
        return hashlib.sha256(self.name.encode() + b"\0")


@lru_cache(maxsize=1024)
def _tenant_mark(tenant: str | None) -> bytes:
    """Bits of a tenant, to be combined with a hash; zeros if none is known."""
    if not tenant:
        return bytes(HASH_BYTES)
    return hashlib.sha256((lower_guid(tenant) or "").encode()).digest()[:HASH_BYTES]


def duplicate_keys(digests: Iterable[bytes], tenant_marks: Iterable[bytes]) -> bytes:
    """The keys that only duplicates share, one behind the other: of a record's hash, and of its tenant."""
    hashes, marks = b"".join([digest[:HASH_BYTES] for digest in digests]), b"".join(tenant_marks)
    combined = int.from_bytes(hashes, "little") ^ int.from_bytes(marks, "little")
    return combined.to_bytes(len(hashes), "little")


Row: TypeAlias = "tuple[bytes, int, int, bytes | str | None, bytes | str | None, Envelope, bytes, int, int]"
"""A record: its text, where in it its object begins and ends, `time`, `_TimeReceivedBySvc`, the rest of
its envelope, its hash, the number of its message, and its own in that."""
