"""Continuing where a partition cannot be read: after damage, holes, and what retention removed.

Loads confluent_kafka, so it is imported only when a connection is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from confluent_kafka import KafkaError

from airflow_provider_defender.exceptions import DefenderError, PositionAhead
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._kafka.assignment import Assignment
from airflow_provider_defender.hooks._kafka.cursor import PartitionCursor
from airflow_provider_defender.hooks._kafka.damage import Look, Prober, end_of_damage
from airflow_provider_defender.hooks._kafka.messages import MessageBatch, Offsets
from airflow_provider_defender.hooks._kafka.silence import Silence
from airflow_provider_defender.hooks._kafka.tuning import Tuning

__all__ = ["Repair"]

_TRIES_AT_ONE_OFFSET = 20
_LONGEST_STUCK_SECONDS = 240.0


class Repair:
    """Finds out what is at a position without a message, and continues after it.

    `prober` makes a `Prober` for a partition.
    """

    def __init__(
        self,
        assignment: Assignment,
        silence: Silence,
        *,
        prober: Callable[[int], Prober] | None,
        log: Log,
        tuning: Tuning,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._assignment = assignment
        self._silence = silence
        self._prober = prober
        self._log = log
        self._tuning = tuning
        self._clock = clock
        self._sleep = sleep

    # Damage ---------------------------------------------------------------------------------------

    def try_again(self, batch: MessageBatch) -> None:
        """Read again what could not be read, in all partitions; after some tries, continue after it."""
        broken = self._assignment.broken
        self._pause(broken)
        for cursor in broken:
            if self._silence.late:
                return
            self._try_again(cursor, batch)

    def look_at_stuck(self, now: float, batch: MessageBatch) -> None:
        """Probe partitions that have not moved for long: librdkafka does not report all damage."""
        cursors = self._assignment.cursors.values()
        stuck = [cursor for cursor in cursors if now - cursor.moved > cursor.patience]
        if not stuck or self._prober is None:
            return
        # One at a time: in an outage each probe takes long, and the time may be up meanwhile.
        cursor = min(stuck, key=lambda cursor: cursor.moved + cursor.patience)
        seen = self._look_if_possible(cursor)
        cursor.moved = self._clock()
        if seen is None or seen.readable:
            cursor.patience = min(max(2 * cursor.patience, self._tuning.stuck), _LONGEST_STUCK_SECONDS)
            return
        cursor.broken = "what the broker gives there is no message"
        cursor.patience = 0.0
        self._pause([cursor])
        self._try_again(cursor, batch)

    def _pause(self, cursors: Sequence[PartitionCursor]) -> None:
        """Wait before a retry, once for all partitions: a hub may have a thousand."""
        pauses = [each.pauses[each.failures] for each in cursors if each.failures < len(each.pauses)]
        self._sleep(max(pauses, default=0.0))

    def _try_again(self, cursor: PartitionCursor, batch: MessageBatch) -> None:
        cursor.failures += 1
        if cursor.failures <= len(cursor.pauses):
            self._assignment.jump(cursor)
            return
        what = cursor.broken or "nothing"
        end = self._end_of_damage(cursor)
        if end is None:
            self._assignment.client.problems.note(KafkaError(KafkaError._BAD_MSG, what))
            self._sleep(self._tuning.at_damage[-1])
        else:
            cursor.failures = 0
            if end > cursor.position:
                self._give_up(cursor, end, what, batch)
        self._assignment.go_on(cursor)

    def _end_of_damage(self, cursor: PartitionCursor) -> int | None:
        """The offset at which reading can continue; None if the broker does not answer."""
        if self._prober is None:
            return None
        high = self.watermarks(cursor).high
        with self._looking(cursor) as look:
            return end_of_damage(look, cursor.position, high, now=self._clock)

    def _give_up(self, cursor: PartitionCursor, end: int, what: str, batch: MessageBatch) -> None:
        low = self.watermarks(cursor).low  # retention may have removed it meanwhile
        gone = cursor.advance(min(low, end))
        passed = cursor.advance(end)
        batch.lost += [(cursor.partition, *each) for each in gone]
        batch.damaged += [(cursor.partition, *each) for each in passed]
        batch.reached[cursor.partition] = cursor.position
        cursor.pauses = self._tuning.at_more_damage
        # The time of a search is no silence of the broker.
        cursor.moved = self._silence.progressed = self._clock()
        if passed:
            first, last = passed[0][0], passed[-1][1] - 1
            message = "Partition %d: offsets %d to %d are damaged and passed over.\n%s"
            self._log.warning(message, cursor.partition, first, last, what)

    @contextmanager
    def _looking(self, cursor: PartitionCursor) -> Iterator[Callable[[int], Look | None]]:
        assert self._prober is not None  # noqa: S101  the callers have looked
        try:
            prober = self._prober(cursor.partition)
        except DefenderError:  # an outage says nothing about the messages
            yield lambda _: None
            return
        with closing(prober):
            yield prober

    def _look_if_possible(self, cursor: PartitionCursor) -> Look | None:
        with self._looking(cursor) as look:
            try:
                return look(cursor.position)
            except DefenderError:
                return None

    # Holes and retention --------------------------------------------------------------------------

    def pass_over(
        self,
        cursor: PartitionCursor,
        offset: int,
        batch: MessageBatch,
        marks: dict[int, Offsets],
        *,
        end: int,
    ) -> None:
        """Skip offsets without a message, because of compaction, control records or retention.

        The partition must reach at least to `end`: past the message at `offset`, if there is one. `marks`
        caches the watermarks of all partitions, which are requested once.
        """
        if not marks:
            marks.update(self._silence.watermarks(*self._assignment.cursors))
        there = marks.get(cursor.partition) or Offsets(0, end)
        cursor.broken = self._contradiction(cursor, offset, end, there)
        if cursor.broken is not None:
            return
        for start, stop in cursor.advance(offset):
            gone = max(start, min(stop, there.low))
            if gone > start:
                batch.lost.append((cursor.partition, start, gone))
        batch.reached[cursor.partition] = cursor.position
        if cursor.done:
            self._assignment.drop(cursor)

    def _contradiction(self, cursor: PartitionCursor, offset: int, end: int, there: Offsets) -> str | None:
        """Why a message at `offset` cannot be the next one; None if it can."""
        if end > there.high:
            return f"a message of offset {offset}, though the partition ends at {there.high}"
        if end > offset > there.low and not self._is_hole(cursor, offset - cursor.position):
            return f"a message of offset {offset}, though others come before it"
        return None

    def _is_hole(self, cursor: PartitionCursor, size: int) -> bool:
        """Whether this many offsets really have no message; probed unless a hole half as large was seen."""
        if size <= cursor.hole or self._prober is None:
            return True
        with self._looking(cursor) as look:
            seen = look(cursor.position)
        if seen is not None and not seen.readable:
            return False
        cursor.hole = 2 * size
        return True

    def recover(self, cursor: PartitionCursor, batch: MessageBatch) -> None:
        """Handle an offset that the broker lacks: retention was faster, or the hub is another one."""
        offsets = self.check_end(cursor)
        cursor.tries += 1
        if cursor.tries > _TRIES_AT_ONE_OFFSET:
            seen = f"partition {cursor.partition} gives nothing at offset {cursor.position}"
            raise self._silence.unavailable(seen)
        if offsets.low > cursor.position:
            batch.lost += [(cursor.partition, *each) for each in cursor.advance(offsets.low)]
            batch.reached[cursor.partition] = cursor.position
            cursor.tries = 0
        self._assignment.go_on(cursor)

    def check_end(self, cursor: PartitionCursor) -> Offsets:
        """The watermarks of a partition. Raises `PositionAhead` if it ends before its ranges do."""
        offsets = self.watermarks(cursor)
        if cursor.last > offsets.high:
            self._sleep(self._tuning.between_looks)  # a leader elected just now may be behind for a moment
            offsets = self.watermarks(cursor)
        if cursor.last > offsets.high:
            conn_id, hub = self._assignment.client.settings.conn_id, self._assignment.hub
            raise PositionAhead(
                f"Connection {conn_id!r}: partition {cursor.partition} of hub {hub!r} ends at "
                f"offset {offsets.high}, before the offsets {cursor.position} to {cursor.last} that were to "
                "be read: the hub was deleted and created again, or cut."
            )
        return offsets

    def watermarks(self, cursor: PartitionCursor) -> Offsets:
        """The watermarks of a partition."""
        return self._silence.watermarks(cursor.partition)[cursor.partition]
