"""What a hub's reader hands out. Loads nothing, so that operators can name the types."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["LARGEST_MESSAGE", "MessageBatch", "Offsets", "OversizedMessage"]

LARGEST_MESSAGE = 32 * 1024 * 1024
"""Largest value of a message that is handed out, in bytes. Event Hubs takes up to 1 MB, dedicated 20 MB."""


@dataclass(frozen=True)
class Offsets:
    """What a partition holds: `low` is the first offset that is there, `high` the next one to come."""

    low: int
    high: int


@dataclass(frozen=True)
class OversizedMessage:
    """A message of which only place, size and digest were kept; `enqueued` as in `MessageBatch`."""

    partition: int
    offset: int
    enqueued: int
    size: int
    """Size of the value, unpacked, in bytes."""
    sha256: str
    """Digest of the value, in hexadecimal digits."""


@dataclass
class MessageBatch:
    """Messages of one or several partitions, side by side; in order within a partition.

    A batch may hold no message and still move `reached`: where the rest of a range holds none any more.
    """

    values: list[bytes | None] = field(default_factory=list, repr=False)
    """The messages as they were sent; None for a tombstone."""
    partitions: list[int] = field(default_factory=list, repr=False)
    """The partition of each message."""
    offsets: list[int] = field(default_factory=list, repr=False)
    """The offset of each message in its partition."""
    enqueued: list[int] = field(default_factory=list, repr=False)
    """When the broker took each message, in milliseconds since 1970 UTC; -1 where it does not say."""
    reached: dict[int, int] = field(default_factory=dict)
    """Partition → offset below which all of its ranges has been handed out, lost or damaged so far."""
    lost: list[tuple[int, int, int]] = field(default_factory=list)
    """(partition, start, end): offsets that retention had removed when they were to be read."""
    damaged: list[tuple[int, int, int]] = field(default_factory=list)
    """(partition, start, end): offsets that are still there, but cannot be read."""
    oversized: list[OversizedMessage] = field(default_factory=list)
    """Messages too large to be handed out."""
    bytes: int = 0
    """Size of the values in all."""

    def __len__(self) -> int:
        return len(self.values)
