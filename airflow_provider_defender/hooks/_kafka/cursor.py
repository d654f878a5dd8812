"""What is still to be read of a hub's partitions. Imports nothing heavy."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Limits", "PartitionCursor"]


@dataclass(frozen=True)
class Limits:
    """Limits that end a read before the end of its ranges. None: no limit; the duration is in seconds."""

    messages: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    one_each: bool = False
    """Read one message of each partition only."""


class PartitionCursor:
    """What is still to be read of one partition: the next offset, and the ranges from there on."""

    __slots__ = (
        "broken",
        "end",
        "failures",
        "hole",
        "moved",
        "partition",
        "patience",
        "pauses",
        "position",
        "ranges",
        "seen",
        "tries",
    )

    def __init__(
        self,
        partition: int,
        ranges: Sequence[tuple[int, int]],
        now: float,
        *,
        pauses: Sequence[float],
        patience: float,
    ) -> None:
        self.partition = partition
        self.ranges = deque(ranges)
        self.position, self.end = self.ranges.popleft()
        self.seen = self.position
        """The offset that the consumer is expected to return next."""
        self.tries = 0
        """How often the position was out of the broker's range."""
        self.failures = 0
        """How often the message at the position could not be read."""
        self.hole = 1
        """The most offsets without a message that are accepted at once: a transaction marker is one."""
        self.broken: str | None = None
        """What librdkafka last said about that; until it reads here again, its messages are not trusted."""
        self.pauses = pauses
        """Seconds before each further try to read it."""
        self.moved = now
        """When the position last moved, or was last checked."""
        self.patience = patience
        """Seconds for which the position may stay before it is checked."""

    @property
    def done(self) -> bool:
        """Whether all is read."""
        return self.position >= self.end

    @property
    def last(self) -> int:
        """The end of the last range."""
        return self.ranges[-1][1] if self.ranges else self.end

    @property
    def remaining(self) -> int:
        """The number of offsets left."""
        return self.end - self.position + sum(end - start for start, end in self.ranges)

    def advance(self, target: int) -> list[tuple[int, int]]:
        """Move to `target`, or to the next wanted offset from there. Returns the ranges that were skipped."""
        passed = []
        while True:
            stop = min(target, self.end)
            if stop > self.position:
                passed.append((self.position, stop))
                self.position = stop
            if self.position < self.end or not self.ranges:
                return passed
            self.position, self.end = self.ranges.popleft()
