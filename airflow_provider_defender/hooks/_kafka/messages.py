"""The types that a hub's reader returns. Imports nothing heavy, so that operators can name them."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["LARGEST_MESSAGE", "MessageBatch", "Offsets", "OversizedMessage"]

LARGEST_MESSAGE = 32 * 1024 * 1024
"""The largest message value that is returned, in bytes. Event Hubs accepts 1 MB, dedicated clusters 20 MB."""


@dataclass(frozen=True)
class Offsets:
    """The offsets of a hub partition: `low` is the first one available, `high` the next one to come."""

    low: int
    high: int


@dataclass(frozen=True)
class OversizedMessage:
    """A message that is too large, without its value; `enqueued` as in `MessageBatch`."""

    partition: int
    offset: int
    enqueued: int
    size: int
    """Size of the value, uncompressed, in bytes."""
    sha256: str
    """SHA-256 of the value, in hexadecimal digits."""


@dataclass
class MessageBatch:
    """Messages of one or more hub partitions, as parallel lists; in order within a partition.

    A batch may have no message and still advance `reached`, if the rest of a range has no messages.
    """

    values: list[bytes | None] = field(default_factory=list, repr=False)
    """The messages as they were sent; None for a tombstone."""
    partitions: list[int] = field(default_factory=list, repr=False)
    """The partition of each message."""
    offsets: list[int] = field(default_factory=list, repr=False)
    """The offset of each message in its partition."""
    enqueued: list[int] = field(default_factory=list, repr=False)
    """When the broker received each message, in milliseconds since 1970 UTC; -1 if unknown."""
    reached: dict[int, int] = field(default_factory=dict)
    """Partition → offset below which its ranges have been fully returned, or are lost or damaged."""
    lost: list[tuple[int, int, int]] = field(default_factory=list)
    """(partition, start, end): offsets that retention removed before they were read."""
    damaged: list[tuple[int, int, int]] = field(default_factory=list)
    """(partition, start, end): offsets that still exist but cannot be read."""
    oversized: list[OversizedMessage] = field(default_factory=list)
    """Messages that are too large to be returned."""
    bytes: int = 0
    """Total size of the values, in bytes."""

    def __len__(self) -> int:
        return len(self.values)
