"""The envelope of a record in a message, and the hash that identifies its duplicates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

from ..columns import lower_guid
from .duplicates import HASH_BYTES

__all__ = ["DIGEST_BYTES", "Envelope", "Row"]

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

    def duplicate_key(self, digest: bytes, hub_tenant: str | None) -> int:
        """The key that only a record's duplicates share: the hash, and the tenant if it is known."""
        mark = self._mark if self.constants[0] else _tenant_mark(hub_tenant)
        return int.from_bytes(digest[:HASH_BYTES], "little") ^ mark

    @cached_property
    def _mark(self) -> int:
        return _tenant_mark(self.constants[0])

    @cached_property
    def _hash_of_name(self) -> hashlib._Hash:
        return hashlib.sha256(self.name.encode() + b"\0")


@lru_cache(maxsize=1024)
def _tenant_mark(tenant: str | None) -> int:
    """Bits of a tenant, to be combined with a hash; 0 if none is known."""
    digest = hashlib.sha256((lower_guid(tenant) or "").encode()).digest()[:HASH_BYTES] if tenant else b""
    return int.from_bytes(digest, "little")


Row: TypeAlias = "tuple[bytes, int, int, bytes | str | None, bytes | str | None, Envelope, bytes, int, int]"
"""A record: its text, where in it its object begins and ends, `time`, `_TimeReceivedBySvc`, the rest of
its envelope, its hash, the number of its message, and its own in that."""
