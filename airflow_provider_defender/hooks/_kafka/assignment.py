"""The hub partitions that a client reads, and the position of each.

Loads confluent_kafka, so it is imported only when a connection is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import TopicPartition

from airflow_provider_defender.hooks._kafka.client import HubClient
from airflow_provider_defender.hooks._kafka.cursor import PartitionCursor
from airflow_provider_defender.hooks._kafka.tuning import Tuning

__all__ = ["Assignment"]


class Assignment:
    """The hub partitions that are still being read, by number."""

    def __init__(
        self,
        client: HubClient,
        hub: str,
        ranges: Mapping[int, Sequence[tuple[int, int]]],
        now: float,
        tuning: Tuning,
    ) -> None:
        self.client = client
        self.hub = hub
        self.cursors = {
            partition: PartitionCursor(partition, wanted, now, pauses=tuning.at_damage, patience=tuning.stuck)
            for partition, wanted in ranges.items()
        }

    @property
    def remaining(self) -> int:
        """The number of offsets left in all."""
        return sum(cursor.remaining for cursor in self.cursors.values())

    @property
    def broken(self) -> list[PartitionCursor]:
        """The partitions in which something could not be read just now."""
        return [cursor for cursor in self.cursors.values() if cursor.broken is not None]

    def start(self) -> None:
        """Assign all partitions to the client, each at its position."""
        self.client.reading = True
        self.client.consumer.assign([self._place(cursor) for cursor in self.cursors.values()])

    def drop(self, cursor: PartitionCursor) -> None:
        """Stop reading a partition."""
        del self.cursors[cursor.partition]
        self.client.consumer.incremental_unassign([TopicPartition(self.hub, cursor.partition)])

    def jump(self, cursor: PartitionCursor) -> None:
        """Make the client seek to a partition's position."""
        where = self._place(cursor)
        self.client.consumer.incremental_unassign([where])
        self.client.consumer.incremental_assign([where])
        cursor.seen = cursor.position
        cursor.broken = None

    def go_on(self, cursor: PartitionCursor) -> None:
        """Continue at a partition's position, or stop reading it if nothing is left."""
        if cursor.done:
            self.drop(cursor)
        else:
            self.jump(cursor)

    def follow(self) -> None:
        """Make the client seek to the next range of each partition, if it is not there yet."""
        for cursor in self.cursors.values():
            if cursor.position > cursor.seen:
                self.jump(cursor)

    def _place(self, cursor: PartitionCursor) -> TopicPartition:
        return TopicPartition(self.hub, cursor.partition, cursor.position)
