"""The SHA-256 of a file's content."""

from __future__ import annotations

import hashlib
from typing import Protocol

from airflow_provider_defender.lake.storage.storage import Written

__all__ = ["content_of"]

_CHUNK_BYTES = 1024 * 1024


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def content_of(file: _Readable, chunk_bytes: int = _CHUNK_BYTES) -> Written:
    """Read a file to its end, in chunks. Returns its size in bytes and its SHA-256.

    A new file is read again for it, from the operating system's memory. Hashing in a sink would take more: to
    a sink of Python's, pyarrow copies each piece.
    """
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(chunk_bytes):
        digest.update(chunk)
        size += len(chunk)
    return Written(size, digest.hexdigest())
