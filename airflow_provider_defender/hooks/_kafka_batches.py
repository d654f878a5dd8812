"""What a hub's reader hands out. Loads nothing, so that operators can name the types."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["MessageBatch", "Offsets"]


@dataclass(frozen=True)
class Offsets:
    """What a partition holds: `low` is the first offset that is there, `high` the next one to come."""

    low: int
    high: int


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
    """Partition → offset below which all of its ranges has been handed out, or was lost, so far."""
    lost: list[tuple[int, int, int]] = field(default_factory=list)
    """(partition, start, end): offsets that retention had removed when they were to be read."""
    bytes: int = 0
    """Size of the values in all."""

    def __len__(self) -> int:
        return len(self.values)
