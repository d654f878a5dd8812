"""The envelope of a record in a message, and the hash that identifies its duplicates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

from ..columns import lower_guid
from .duplicates import HASH_BYTES

__all__ = ["DIGEST_BYTES", "Envelope", "Row", "all_same", "digests_of", "duplicate_keys", "tenant_marks"]

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
        return self.digests((content,))[0]

    def digests(self, contents: Iterable[bytes]) -> list[bytes]:
        """The `digest` of each content."""
        begin = self._hash_of_name.copy  # a third of the time of a new one
        digests = []
        for content in contents:
            digest = begin()
            digest.update(content)
            digests.append(digest.digest()[:DIGEST_BYTES])
        return digests

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


def all_same(envelopes: Sequence[Envelope]) -> bool:
    """Whether there is only one, as there mostly is."""
    return envelopes.count(envelopes[0]) == len(envelopes)


def digests_of(envelopes: Sequence[Envelope], contents: Sequence[bytes]) -> list[bytes]:
    """The digests of records by their envelopes and contents."""
    if all_same(envelopes):
        return envelopes[0].digests(contents)
    return [envelope.digest(content) for envelope, content in zip(envelopes, contents, strict=True)]


def tenant_marks(envelopes: Sequence[Envelope], hub_tenants: Sequence[str | None]) -> bytes:
    """The marks of the tenants of records, one behind the other."""
    if envelopes and envelopes[0].constants[0] and all_same(envelopes):
        return envelopes[0].tenant_mark(None) * len(envelopes)
    pairs = zip(envelopes, hub_tenants, strict=True)
    return b"".join([envelope.tenant_mark(tenant) for envelope, tenant in pairs])


def duplicate_keys(digests: Iterable[bytes], marks: bytes) -> bytes:
    """The keys that only duplicates share, one behind the other: of a record's hash, and of its tenant."""
    hashes = b"".join([digest[:HASH_BYTES] for digest in digests])
    combined = int.from_bytes(hashes, "little") ^ int.from_bytes(marks, "little")
    return combined.to_bytes(len(hashes), "little")


Row: TypeAlias = "tuple[bytes, int, int, bytes | str | None, bytes | str | None, Envelope, bytes, int, int]"
"""A record: its text, where in it its object begins and ends, `time`, `_TimeReceivedBySvc`, the rest of
its envelope, its hash, the number of its message, and its own in that."""
