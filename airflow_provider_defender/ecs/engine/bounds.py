"""How large a record may be: what is larger would take memory that a worker may not have."""

from __future__ import annotations

import hashlib

from airflow_provider_defender.json_scanner import count_values

from .values import UnreadableError

__all__ = ["MAX_RECORD_BYTES", "MAX_RECORD_VALUES", "check_size", "kept", "reject_key", "too_large"]

MAX_RECORD_BYTES = 32 * 1024 * 1024
"""More than a message of Event Hubs can hold (20 MB), and as much as a slice of rows."""
MAX_RECORD_VALUES = 500_000
"""Values in a record's JSON: as Python objects, each takes 50 to 250 bytes, however short its text."""
_SURELY_FEW = 1024 * 1024
"""Bytes that are not worth counting the values of."""
_KEPT_BYTES = 1024 * 1024


def too_large(record: bytes | memoryview) -> str | None:
    """Why a record is not read, with its size and the limit; None for one that is."""
    size = len(record)
    if size > MAX_RECORD_BYTES:
        return (
            f"too large: {size:,} bytes, a record may have {MAX_RECORD_BYTES:,}; the first {_KEPT_BYTES:,} "
            f"are kept, SHA-256 of all {hashlib.sha256(record).hexdigest()}"
        )
    if size > _SURELY_FEW and count_values(record, MAX_RECORD_VALUES) > MAX_RECORD_VALUES:
        return f"too many values: over {MAX_RECORD_VALUES:,}, the limit of a record, in {size:,} bytes"
    return None


def check_size(record: bytes | memoryview) -> None:
    """See that a record is not too large.

    Raises:
        UnreadableError: it is, with the reason.
    """
    error = too_large(record)
    if error is not None:
        raise UnreadableError(error)


def kept(data: bytes | memoryview) -> bytes:
    """What a reject keeps: all, or the beginning of what is larger than a record may be."""
    return bytes(data[:_KEPT_BYTES] if len(data) > MAX_RECORD_BYTES else data)


def reject_key(data: bytes | memoryview) -> str:
    """The key of what has no key of its own: of all of it, also where only the beginning is kept."""
    return f"reject:{hashlib.sha256(data).hexdigest()}"
