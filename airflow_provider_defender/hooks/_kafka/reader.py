"""Reading ranges of offsets to their ends: every offset is returned once, or known to be lost or empty.

Loads confluent_kafka, so it is imported only when a connection is needed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import methodcaller
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._kafka.assignment import Assignment
from airflow_provider_defender.hooks._kafka.client import HubClient
from airflow_provider_defender.hooks._kafka.cursor import Limits, PartitionCursor
from airflow_provider_defender.hooks._kafka.damage import Prober, is_damage
from airflow_provider_defender.hooks._kafka.messages import MessageBatch, Offsets, OversizedMessage
from airflow_provider_defender.hooks._kafka.repair import Repair
from airflow_provider_defender.hooks._kafka.silence import Silence
from airflow_provider_defender.hooks._kafka.tuning import TUNING, Tuning

__all__ = ["RangeReader"]

_BATCH_SECONDS = 1.0
_FIRST_CHUNK = 16
_SECONDS_BETWEEN_REPORTS = 15.0
_LATEST = 253_402_300_799_999
"""The last millisecond of year 9999: a producer with later times uses other units than Kafka."""
_OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_partition_of = methodcaller("partition")


class RangeReader:
    """One read of a hub's ranges, with a client of its own."""

    def __init__(
        self,
        client: HubClient,
        hub: str,
        ranges: Mapping[int, Sequence[tuple[int, int]]],
        *,
        limits: Limits,
        batch_messages: int,
        outage_seconds: float,
        log: Log,
        prober: Callable[[int], Prober] | None = None,
        tuning: Tuning = TUNING,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`prober` makes a `Prober` for a partition, used if something in it is damaged."""
        self._client = client
        self._limits = limits
        self._batch_messages = batch_messages
        self._log = log
        self._tuning = tuning
        self._clock = clock
        self._sleep = sleep
        self._reported = clock()
        self._assignment = Assignment(client, hub, ranges, self._reported, tuning)
        self._cursors = self._assignment.cursors
        self._silence = Silence(
            self._assignment,
            limits=limits,
            outage_seconds=outage_seconds,
            log=log,
            tuning=tuning,
            clock=clock,
        )
        self._repair = Repair(
            self._assignment,
            self._silence,
            prober=prober,
            log=log,
            tuning=tuning,
            clock=clock,
            sleep=sleep,
        )
        self._chunk = _FIRST_CHUNK
        self._messages = self._bytes = 0

    @property
    def waited_seconds(self) -> float:
        """Seconds lost in outages."""
        return self._silence.waited_seconds

    def batches(self) -> Iterator[MessageBatch]:
        """Yield batches until all ranges are read, or a limit is reached.

        Raises `PermissionMissing`, `MissingHub`, `CredentialError` (fail now), `PositionAhead` (stop and
        look) and, after an outage of `outage_seconds` in all or one that is not over when time is up,
        `ServiceUnavailable` (try again).
        """
        self._assignment.start()
        while self._cursors and not self._over():
            batch = self._fill()
            # Before the caller's own time, in which nobody checks whether the broker answers again.
            silent = self._cursors and self._silence.late and self._client.problems.since is not None
            if batch.reached:
                handed = self._clock()
                yield batch
                self._leave_out(self._clock() - handed)
            del batch  # otherwise two of them would be in memory
            if silent:
                raise self._silence.outage_at_the_end()
        self._report("Read", self._clock())

    def _over(self) -> bool:
        limits = self._limits
        return (
            (limits.messages is not None and self._messages >= limits.messages)
            or (limits.bytes is not None and self._bytes >= limits.bytes)
            or self._silence.late
        )

    def _leave_out(self, seconds: float) -> None:
        self._reported += seconds
        self._silence.leave_out(seconds)

    def _fill(self) -> MessageBatch:
        """Collect messages until a batch is full, a second is over, or there are no more to come."""
        batch = MessageBatch()
        begun = self._clock()
        while self._cursors and not self._over():
            now = self._fill_once(batch)
            full = len(batch) >= self._batch_messages or batch.bytes >= self._tuning.batch_bytes
            if full or (batch.reached and now - begun >= _BATCH_SECONDS):
                break
        return batch

    def _fill_once(self, batch: MessageBatch) -> float:
        """Take what arrives now, or handle that nothing does. Returns the time of arrival."""
        messages = self._consume(len(batch))
        now = self._clock()
        before = len(batch)
        if messages:
            self._take(messages, batch)
        if messages and (len(batch) > before or batch.reached):
            self._silence.end(max(now, self._silence.progressed))
            what = "Reading"
        else:
            what = self._silence.bear(now)
        if now - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._report(what, now)
        self._repair.look_at_stuck(now, batch)
        return now

    def _consume(self, have: int) -> list[Any]:
        """The next messages and events. Requests no more than are wanted: it would wait for them."""
        wanted = min(self._chunk, self._batch_messages - have, self._assignment.remaining)
        if self._limits.messages is not None:
            wanted = min(wanted, self._limits.messages - self._messages)
        try:
            return list(self._client.consumer.consume(max(1, wanted), self._tuning.consume))
        except KafkaException as error:
            self._client.problems.note(error.args[0])
            self._sleep(self._tuning.consume)
            return []

    # Messages -------------------------------------------------------------------------------------

    def _take(self, messages: list[Any], batch: MessageBatch) -> None:
        """Sort what arrived, handle damage, and choose how many to take at once so that they fit."""
        size, count = batch.bytes, len(batch)
        if not self._sort_out(messages, batch):
            return
        self._repair.try_again(batch)
        if self._assignment.broken and self._silence.late:
            return
        self._assignment.follow()
        taken = len(batch) - count
        if taken:
            average = max(1, (batch.bytes - size) // taken)
            self._chunk = max(4, min(self._batch_messages, self._tuning.chunk_bytes // average))

    def _sort_out(self, messages: list[Any], batch: MessageBatch) -> bool:
        """Take messages, ends of partitions and errors. Returns whether all of them were taken."""
        marks: dict[int, Offsets] = {}
        adrift: list[PartitionCursor] = []
        for partition, group in groupby(messages, _partition_of):
            run = list(group)
            if self._take_run(run, self._cursors.get(partition), batch):
                continue
            for message in run:
                if self._over():
                    return False  # what is left was not handed out, so nothing after it counts
                self._take_one(message, self._cursors.get(partition), batch, marks, adrift)
        for cursor in adrift:
            if cursor.partition in self._cursors:  # not read to its end by what came after the error
                self._repair.recover(cursor, batch)
        return True

    def _take_run(self, run: list[Any], cursor: PartitionCursor | None, batch: MessageBatch) -> bool:
        """Take all messages of a partition at once, much faster than one by one, if they are as expected.

        They are if each is at the next offset of the range, no error is among them, and all of them may be
        taken. Returns False, and takes none, if they are not.
        """
        if cursor is None or cursor.broken is not None or self._limits.one_each or self._over():
            return False
        start, end = cursor.position, cursor.position + len(run)
        if end > cursor.end or any(message.error() is not None for message in run):
            return False
        offsets = [message.offset() for message in run]
        if offsets != list(range(start, end)):
            return False
        values = [message.value() for message in run]
        sizes = [len(value or b"") for value in values]
        if max(sizes) > self._tuning.largest_message or not self._have_room(len(sizes), sum(sizes)):
            return False
        batch.values += values
        batch.partitions += [cursor.partition] * len(run)
        batch.offsets += offsets
        batch.enqueued += [_milliseconds(*message.timestamp()) for message in run]
        batch.bytes += sum(sizes)
        self._bytes += sum(sizes)
        self._messages += len(run)
        cursor.seen = end
        cursor.tries = cursor.failures = 0
        self._go_on(cursor, end, batch)
        return True

    def _have_room(self, messages: int, size: int) -> bool:
        """Whether so many more messages, of so many bytes in all, stay below the limits."""
        limits = self._limits
        return (limits.messages is None or self._messages + messages <= limits.messages) and (
            limits.bytes is None or self._bytes + size < limits.bytes
        )

    def _take_one(
        self,
        message: Any,
        cursor: PartitionCursor | None,
        batch: MessageBatch,
        marks: dict[int, Offsets],
        adrift: list[PartitionCursor],
    ) -> None:
        """Take whatever arrived: a message, the end of a partition, an error. `adrift`: out of its range."""
        if cursor is not None and cursor.broken is not None:
            return
        error = message.error()
        if error is None:
            self._take_message(message, cursor, batch, marks)
        elif error.code() in _OUT_OF_RANGE:
            adrift += [cursor] if cursor is not None and cursor not in adrift else []
        else:
            self._take_error(message, error, cursor, batch, marks)

    def _take_message(
        self, message: Any, cursor: PartitionCursor | None, batch: MessageBatch, marks: dict[int, Offsets]
    ) -> None:
        if cursor is None:
            return  # of a partition that is read to its end
        offset = message.offset()
        cursor.seen = offset + 1
        if offset < cursor.position:
            return  # between two ranges, or given twice
        if offset > cursor.position:
            self._repair.pass_over(cursor, offset, batch, marks, end=offset + 1)
            gone = cursor.partition not in self._cursors
            if gone or offset < cursor.position or cursor.broken is not None:
                return
        self._add(message, cursor.partition, batch)
        cursor.tries = cursor.failures = 0
        self._go_on(cursor, offset + 1, batch)

    def _add(self, message: Any, partition: int, batch: MessageBatch) -> None:
        """Add a message to a batch; of one that is too large, only its place, size and digest."""
        value = message.value()
        enqueued = _milliseconds(*message.timestamp())
        size = len(value) if value is not None else 0
        self._bytes += size
        self._messages += 1
        if size > self._tuning.largest_message:
            digest = hashlib.sha256(value).hexdigest()
            batch.oversized.append(OversizedMessage(partition, message.offset(), enqueued, size, digest))
            return
        batch.values.append(value)
        batch.partitions.append(partition)
        batch.offsets.append(message.offset())
        batch.enqueued.append(enqueued)
        batch.bytes += size

    def _go_on(self, cursor: PartitionCursor, offset: int, batch: MessageBatch) -> None:
        """Record that a partition was read up to `offset`."""
        cursor.advance(offset)
        cursor.moved = self._clock()
        cursor.patience = self._tuning.stuck
        batch.reached[cursor.partition] = cursor.position
        if cursor.done or self._limits.one_each:
            self._assignment.drop(cursor)

    def _take_error(
        self,
        message: Any,
        error: KafkaError,
        cursor: PartitionCursor | None,
        batch: MessageBatch,
        marks: dict[int, Offsets],
    ) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._take_end(message.offset(), cursor, batch, marks)
        elif is_damage(error):
            if cursor is not None:
                cursor.broken = self._client.problems.text(error)
        else:
            self._silence.check_hub(error)
            self._silence.check_refusal(error)
            self._client.problems.note(error)

    def _take_end(
        self, offset: int, cursor: PartitionCursor | None, batch: MessageBatch, marks: dict[int, Offsets]
    ) -> None:
        """Handle the end of a partition at `offset`, as the broker reports it now."""
        if cursor is None:
            return
        if offset > cursor.position:
            self._repair.pass_over(cursor, offset, batch, marks, end=offset)
        if not cursor.done and offset >= cursor.position:
            self._repair.check_end(cursor)

    def _report(self, what: str, now: float) -> None:
        self._reported = now
        self._log.info(
            "%s: hub %s, messages %d, %.1f MB; offsets left %d.",
            what,
            self._assignment.hub,
            self._messages,
            self._bytes / 1_000_000,
            self._assignment.remaining,
        )


def _milliseconds(kind: int, moment: int) -> int:
    """The time of a message as in `MessageBatch.enqueued`, from what `timestamp` of the message gives."""
    return moment if kind and moment <= _LATEST else -1
