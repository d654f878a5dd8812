"""Reads ranges of offsets to their ends: every offset is handed out once, or known to be lost or empty.

Loads confluent_kafka, so it is imported only when a connection is near.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from airflow_provider_defender.exceptions import DefenderError, PositionAhead, ServiceUnavailable
from airflow_provider_defender.hooks._kafka_batches import (
    LARGEST_MESSAGE,
    MessageBatch,
    Offsets,
    OversizedMessage,
)
from airflow_provider_defender.hooks._kafka_client import HubClient, Log
from airflow_provider_defender.hooks._kafka_damage import Look, Prober, end_of_damage, is_damage
from airflow_provider_defender.hooks._kafka_errors import MISSING, hub_error, refusal

__all__ = ["Limits", "RangeReader"]

_CONSUME_SECONDS = 0.1
_BATCH_SECONDS = 1.0
_BATCH_BYTES = 2 * 1024 * 1024
_CHUNK_BYTES = 2 * 1024 * 1024
_FIRST_CHUNK = 16
_AUTHENTICATION_PATIENCE_SECONDS = 5.0
_MISSING_PATIENCE_SECONDS = 30.0
_REFUSAL_PATIENCE_SECONDS = 10.0
_QUESTION_SECONDS = 60.0
_SHORTEST_QUESTION_SECONDS = 5.0
_SECONDS_BETWEEN_REPORTS = 15.0
_LONG_SILENCE_SECONDS = 30.0
_TRIES_AT_ONE_OFFSET = 20
_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_BETWEEN_HUB_LOOKS = 10.0
_HUB_LOOK_SECONDS = 2.0
_LATEST = 253_402_300_799_999
"""The last millisecond of year 9999: a producer whose times lie beyond counts in other units than Kafka."""
_OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
# Damage on the way is gone with the next fetch, or once another replica leads; that in the hub stays.
_PAUSES_AT_DAMAGE = (0.5, 1.0, 2.0)
_PAUSES_AT_MORE_DAMAGE = (0.1, 0.1, 0.1)
_STUCK_SECONDS = 15.0
_LONGEST_STUCK_SECONDS = 240.0


@dataclass(frozen=True)
class Limits:
    """Where a read ends before its ranges do. None is no limit; the duration is in seconds."""

    records: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    one_each: bool = False
    """Read one message of each partition only."""


class _Lane:
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

    def __init__(self, partition: int, ranges: Sequence[tuple[int, int]], now: float) -> None:
        self.partition = partition
        self.ranges = deque(ranges)
        self.position, self.end = self.ranges.popleft()
        self.seen = self.position
        """The offset that the consumer gives next, as far as we know."""
        self.tries = 0
        """How often the position was out of the broker's range."""
        self.failures = 0
        """How often what is at the position could not be read."""
        self.hole = 1
        """How many offsets without a message are believed at once: a transaction's mark is one."""
        self.broken: str | None = None
        """What librdkafka said of that just now; until it reads here again, nothing it gives is trusted."""
        self.pauses = _PAUSES_AT_DAMAGE
        self.moved = now
        """When the position last moved, or was last looked at."""
        self.patience = _STUCK_SECONDS

    @property
    def done(self) -> bool:
        return self.position >= self.end

    @property
    def last(self) -> int:
        """The end of the last range."""
        return self.ranges[-1][1] if self.ranges else self.end

    @property
    def remaining(self) -> int:
        return self.end - self.position + sum(end - start for start, end in self.ranges)

    def advance(self, target: int) -> list[tuple[int, int]]:
        """Go on to `target`, or to the next offset wanted from there; return what was passed over."""
        passed = []
        while True:
            stop = min(target, self.end)
            if stop > self.position:
                passed.append((self.position, stop))
                self.position = stop
            if self.position < self.end or not self.ranges:
                return passed
            self.position, self.end = self.ranges.popleft()


class RangeReader:
    """One read of one hub's ranges by a client that is this reader's alone."""

    def __init__(
        self,
        client: HubClient,
        hub: str,
        ranges: Mapping[int, Sequence[tuple[int, int]]],
        *,
        limits: Limits,
        batch_records: int,
        outage_seconds: float,
        log: Log,
        prober: Callable[[int], Prober] | None = None,
    ) -> None:
        """`prober` makes what looks at single offsets of a partition, where something there is damaged."""
        self._client = client
        self._hub = hub
        self._prober = prober
        now = time.monotonic()
        self._lanes = {partition: _Lane(partition, wanted, now) for partition, wanted in ranges.items()}
        self._limits = limits
        self._batch_records = batch_records
        self._outage_seconds = outage_seconds
        self._log = log
        self._started = self._progressed = self._reported = now
        self._chunk = _FIRST_CHUNK
        self._records = self._bytes = 0
        self._missing_since: float | None = None
        self._refused: tuple[int, float] | None = None
        """The code of the last answer that stays, and since when it has come."""
        self._looked = float("-inf")
        self.waited_seconds = 0.0
        """Seconds lost in outages."""

    def batches(self) -> Iterator[MessageBatch]:
        """Yield batches until all ranges are read, or a limit is met.

        Raises `PermissionMissing`, `MissingHub`, `CredentialError` (fail now), `PositionAhead` (stop and
        look) and, after an outage of `outage_seconds` in all or one that lasts when time is up,
        `ServiceUnavailable` (try again).
        """
        self._client.reading = True
        self._client.consumer.assign(
            [TopicPartition(self._hub, lane.partition, lane.position) for lane in self._lanes.values()]
        )
        while self._lanes and not self._over():
            batch = self._fill()
            # Before the caller's time, in which nobody looks whether the broker answers again.
            silent = self._lanes and self._late() and self._client.troubles.since is not None
            if batch.reached:
                handed = time.monotonic()
                yield batch
                self._leave_out(time.monotonic() - handed)
            del batch  # else two of them would be in memory
            if silent:
                error = self._unavailable(self._client.troubles.seen)
                self.waited_seconds += time.monotonic() - self._progressed
                raise error
        self._report("Read", time.monotonic())

    def _over(self) -> bool:
        limits = self._limits
        return (
            (limits.records is not None and self._records >= limits.records)
            or (limits.bytes is not None and self._bytes >= limits.bytes)
            or self._late()
        )

    @property
    def _question_seconds(self) -> float:
        """How long a question may wait: no longer than an outage may last, or the read itself."""
        left = [_QUESTION_SECONDS, self._outage_seconds - self.waited_seconds]
        if self._limits.seconds is not None:
            left.append(self._limits.seconds - (time.monotonic() - self._started))
        return max(_SHORTEST_QUESTION_SECONDS, min(left))

    def _late(self) -> bool:
        seconds = self._limits.seconds
        return seconds is not None and time.monotonic() - self._started >= seconds

    def _fill(self) -> MessageBatch:
        """Collect messages until a batch is full, a second is over, or there are no more to come."""
        batch = MessageBatch()
        begun = time.monotonic()
        while self._lanes and not self._over():
            messages = self._consume(len(batch))
            now = time.monotonic()
            before = len(batch)
            if messages:
                self._take(messages, batch)
            if messages and (len(batch) > before or batch.reached):
                self._progress(max(now, self._progressed))
            else:
                self._wait(now)
            self._look_at_stuck(now, batch)
            full = len(batch) >= self._batch_records or batch.bytes >= _BATCH_BYTES
            if full or (batch.reached and now - begun >= _BATCH_SECONDS):
                break
        return batch

    def _consume(self, have: int) -> list[Any]:
        """The next messages and news. Never more than are wanted: it would wait for them."""
        wanted = min(
            self._chunk, self._batch_records - have, sum(lane.remaining for lane in self._lanes.values())
        )
        if self._limits.records is not None:
            wanted = min(wanted, self._limits.records - self._records)
        try:
            return list(self._client.consumer.consume(max(1, wanted), _CONSUME_SECONDS))
        except KafkaException as error:
            self._client.troubles.note(error.args[0])
            time.sleep(_CONSUME_SECONDS)
            return []

    # Messages -------------------------------------------------------------------------------------

    def _take(self, messages: list[Any], batch: MessageBatch) -> None:
        """Sort out what came: messages, ends of partitions, errors."""
        size = batch.bytes
        count = len(batch)
        marks: dict[int, Offsets] = {}
        adrift: list[_Lane] = []
        for message in messages:
            if self._over():
                return  # what is left of these messages was not handed out, so nothing after it counts
            lane = self._lanes.get(message.partition())
            if lane is not None and lane.broken is not None:
                continue
            error = message.error()
            if error is not None:
                self._take_error(message, error, lane, batch, marks, adrift)
            elif lane is not None:
                self._take_message(message, lane, batch, marks)
        for lane in adrift:
            self._recover(lane, batch)
        broken = [each for each in self._lanes.values() if each.broken is not None]
        self._pause(broken)
        for lane in broken:
            if self._late():
                return
            self._try_again(lane, batch)
        self._follow()
        taken = len(batch) - count
        if taken:
            average = max(1, (batch.bytes - size) // taken)
            self._chunk = max(4, min(self._batch_records, _CHUNK_BYTES // average))

    def _take_message(
        self, message: Any, lane: _Lane, batch: MessageBatch, marks: dict[int, Offsets]
    ) -> None:
        offset = message.offset()
        lane.seen = offset + 1
        if offset < lane.position:
            return  # between two ranges, or given twice
        if offset > lane.position:
            self._pass(lane, offset, batch, marks, end=offset + 1)
            if self._lanes.get(lane.partition) is None or offset < lane.position or lane.broken is not None:
                return
        self._add(message, lane.partition, batch)
        lane.tries = lane.failures = 0
        self._go_on(lane, offset + 1, batch)

    def _add(self, message: Any, partition: int, batch: MessageBatch) -> None:
        """Add a message to a batch; of one that is too large, what can be said of it."""
        value = message.value()
        kind, moment = message.timestamp()
        enqueued = moment if kind and moment <= _LATEST else -1
        size = len(value) if value is not None else 0
        self._bytes += size
        self._records += 1
        if size > LARGEST_MESSAGE:
            digest = hashlib.sha256(value).hexdigest()
            batch.oversized.append(OversizedMessage(partition, message.offset(), enqueued, size, digest))
            return
        batch.values.append(value)
        batch.partitions.append(partition)
        batch.offsets.append(message.offset())
        batch.enqueued.append(enqueued)
        batch.bytes += size

    def _go_on(self, lane: _Lane, offset: int, batch: MessageBatch) -> None:
        """Note that a partition was read up to `offset`."""
        lane.advance(offset)
        lane.moved = time.monotonic()
        lane.patience = _STUCK_SECONDS
        batch.reached[lane.partition] = lane.position
        if lane.done or self._limits.one_each:
            self._drop(lane)

    def _pass(
        self, lane: _Lane, offset: int, batch: MessageBatch, marks: dict[int, Offsets], *, end: int
    ) -> None:
        """Pass over offsets that give no message: because of compaction, control marks or retention.

        The partition must reach to `end` at least: behind the message at `offset`, if there is one.
        """
        if not marks:
            marks.update(self._client.watermarks(self._hub, self._lanes, seconds=self._question_seconds))
        there = marks.get(lane.partition) or Offsets(0, end)
        if end > there.high:
            lane.broken = f"a message of offset {offset}, though the partition ends at {there.high}"
            return
        if end > offset > there.low and not self._is_hole(lane, offset - lane.position):
            lane.broken = f"a message of offset {offset}, though others come before it"
            return
        for start, end in lane.advance(offset):
            gone = max(start, min(end, there.low))
            if gone > start:
                batch.lost.append((lane.partition, start, gone))
        batch.reached[lane.partition] = lane.position
        if lane.done:
            self._drop(lane)

    def _is_hole(self, lane: _Lane, size: int) -> bool:
        """Whether so many offsets really have no message; looked at where none was as large as half of it."""
        if size <= lane.hole or self._prober is None:
            return True
        with self._looking(lane) as look:
            seen = look(lane.position)
        if seen is not None and not seen.readable:
            return False
        lane.hole = 2 * size
        return True

    def _drop(self, lane: _Lane) -> None:
        del self._lanes[lane.partition]
        self._client.consumer.incremental_unassign([TopicPartition(self._hub, lane.partition)])

    def _follow(self) -> None:
        """Let the consumer jump to the next range of a partition where it is not there yet."""
        for lane in self._lanes.values():
            if lane.position > lane.seen:
                self._jump(lane)

    def _jump(self, lane: _Lane) -> None:
        where = TopicPartition(self._hub, lane.partition, lane.position)
        self._client.consumer.incremental_unassign([where])
        self._client.consumer.incremental_assign([where])
        lane.seen = lane.position
        lane.broken = None

    # News and errors ------------------------------------------------------------------------------

    def _take_error(
        self,
        message: Any,
        error: KafkaError,
        lane: _Lane | None,
        batch: MessageBatch,
        marks: dict[int, Offsets],
        adrift: list[_Lane],
    ) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            if lane is not None and message.offset() > lane.position:
                self._pass(lane, message.offset(), batch, marks, end=message.offset())
            if lane is not None and not lane.done and message.offset() >= lane.position:
                self._check_end(lane)
        elif code in _OUT_OF_RANGE:
            if lane is not None and lane not in adrift:
                adrift.append(lane)
        elif is_damage(error):
            if lane is not None:
                lane.broken = self._client.troubles.text(error)
        else:
            self._check_hub(error)
            self._check_refusal(error)
            self._client.troubles.note(error)

    def _check_hub(self, error: KafkaError) -> None:
        """Raise where the hub is closed to us or gone; brokers that restart may say so for a while."""
        final = hub_error(self._client.settings, self._hub, error)
        if final is None:
            return
        if error.code() not in MISSING:
            raise final
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        if now - self._missing_since >= _MISSING_PATIENCE_SECONDS:
            raise final

    def _check_refusal(self, error: KafkaError) -> None:
        """Raise where the broker gives the same answer again and again, and it is one that stays."""
        final = refusal(self._client.settings, self._hub, error)
        if final is None:
            return
        now = time.monotonic()
        code, since = self._refused or (None, now)
        self._refused = (error.code(), since if code == error.code() else now)
        if now - self._refused[1] >= _REFUSAL_PATIENCE_SECONDS:
            raise final

    # Damage ---------------------------------------------------------------------------------------

    def _pause(self, lanes: Sequence[_Lane]) -> None:
        """Wait before another try, once for all partitions: a hub may have a thousand."""
        pauses = [each.pauses[each.failures] for each in lanes if each.failures < len(each.pauses)]
        time.sleep(max(pauses, default=0.0))

    def _try_again(self, lane: _Lane, batch: MessageBatch) -> None:
        """Read once more what could not be read; after some tries, go on behind it."""
        lane.failures += 1
        if lane.failures <= len(lane.pauses):
            self._jump(lane)
            return
        what = lane.broken or "nothing"
        end = self._end_of_damage(lane)
        if end is None:
            self._client.troubles.note(KafkaError(KafkaError._BAD_MSG, what))
            time.sleep(_PAUSES_AT_DAMAGE[-1])
        else:
            lane.failures = 0
        if end is not None and end > lane.position:
            self._give_up(lane, end, what, batch)
        if lane.done:
            self._drop(lane)
        else:
            self._jump(lane)

    def _end_of_damage(self, lane: _Lane) -> int | None:
        """Where reading can go on; None where the broker does not say."""
        if self._prober is None:
            return None
        high = self._watermarks(lane).high
        with self._looking(lane) as look:
            return end_of_damage(look, lane.position, high)

    def _give_up(self, lane: _Lane, end: int, what: str, batch: MessageBatch) -> None:
        low = self._watermarks(lane).low  # retention may have been there meanwhile
        gone = lane.advance(min(low, end))
        passed = lane.advance(end)
        batch.lost += [(lane.partition, *each) for each in gone]
        batch.damaged += [(lane.partition, *each) for each in passed]
        batch.reached[lane.partition] = lane.position
        lane.pauses = _PAUSES_AT_MORE_DAMAGE
        lane.moved = self._progressed = time.monotonic()  # a search is no silence of the broker's
        if not passed:
            return
        self._log.warning(
            "Partition %d: offsets %d to %d are damaged and passed over.\n%s",
            lane.partition,
            passed[0][0],
            passed[-1][1] - 1,
            what,
        )

    def _look_at_stuck(self, now: float, batch: MessageBatch) -> None:
        """Of some damage librdkafka says nothing: look where a partition has not moved for long."""
        stuck = [each for each in self._lanes.values() if now - each.moved > each.patience]
        # One at a time: in an outage each look takes long, and the time may be up meanwhile.
        stuck.sort(key=lambda lane: lane.moved + lane.patience)
        for lane in stuck[:1] if self._prober is not None else ():
            with self._looking(lane) as look:
                try:
                    seen = look(lane.position)
                except DefenderError:
                    seen = None
            lane.moved = time.monotonic()
            if seen is None or seen.readable:
                lane.patience = min(max(2 * lane.patience, _STUCK_SECONDS), _LONGEST_STUCK_SECONDS)
            else:
                lane.broken = "what the broker gives there is no message"
                lane.patience = 0.0
                self._pause([lane])
                self._try_again(lane, batch)

    @contextmanager
    def _looking(self, lane: _Lane) -> Iterator[Callable[[int], Look | None]]:
        assert self._prober is not None  # noqa: S101  both callers have looked
        try:
            prober = self._prober(lane.partition)
        except DefenderError:  # an outage: it says nothing of the messages
            yield lambda _: None
            return
        with closing(prober):
            yield prober

    def _recover(self, lane: _Lane, batch: MessageBatch) -> None:
        """The broker has no such offset: retention was faster, or the hub is not the one it was."""
        offsets = self._check_end(lane)
        lane.tries += 1
        if lane.tries > _TRIES_AT_ONE_OFFSET:
            raise self._unavailable(f"partition {lane.partition} gives nothing at offset {lane.position}")
        if offsets.low > lane.position:
            lost = [(lane.partition, *each) for each in lane.advance(offsets.low)]
            batch.lost += lost
            batch.reached[lane.partition] = lane.position
            lane.tries = 0
        if lane.done:
            self._drop(lane)
        else:
            self._jump(lane)

    def _check_end(self, lane: _Lane) -> Offsets:
        """What the partition holds; raises `PositionAhead` where it ends before its ranges do."""
        offsets = self._watermarks(lane)
        if lane.last > offsets.high:
            time.sleep(_SECONDS_BETWEEN_LOOKS)  # a leader elected just now may be behind for a moment
            offsets = self._watermarks(lane)
        if lane.last > offsets.high:
            settings = self._client.settings
            raise PositionAhead(
                f"Connection {settings.conn_id!r}: partition {lane.partition} of hub {self._hub!r} ends at "
                f"offset {offsets.high}, before the offsets {lane.position} to {lane.last} that were to be "
                "read: the hub was deleted and created again, or cut."
            )
        return offsets

    def _watermarks(self, lane: _Lane) -> Offsets:
        answer = self._client.watermarks(self._hub, [lane.partition], seconds=self._question_seconds)
        return answer[lane.partition]

    # Waiting --------------------------------------------------------------------------------------

    def _leave_out(self, seconds: float) -> None:
        """The caller's own time between two batches is no silence of the broker's."""
        self._progressed += seconds
        self._reported += seconds
        self._looked += seconds
        for lane in self._lanes.values():
            lane.moved += seconds
        if self._missing_since is not None:
            self._missing_since += seconds
        if self._refused is not None:
            self._refused = (self._refused[0], self._refused[1] + seconds)
        troubles = self._client.troubles
        if troubles.since is not None:
            troubles.since += seconds
        if troubles.refused_since is not None:
            troubles.refused_since += seconds
        if troubles.too_large_since is not None:
            troubles.too_large_since += seconds

    def _progress(self, now: float) -> None:
        troubles = self._client.troubles
        silent = now - self._progressed
        if troubles.since is not None or silent >= _LONG_SILENCE_SECONDS:
            self.waited_seconds += silent
            troubles.clear()
            if silent >= 1:
                self._log.info("%s answers again after %.0f s.", self._client.settings.namespace, silent)
        self._missing_since = self._refused = None
        self._progressed = now
        if now - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._report("Reading", now)

    def _wait(self, now: float) -> None:
        """Nothing came: an outage, a throttle, or a range that ends in nothing. Bounded in all cases."""
        client = self._client
        client.check(_AUTHENTICATION_PATIENCE_SECONDS)
        silent = now - self._progressed
        if now - max(self._progressed, self._looked) >= _SECONDS_BETWEEN_HUB_LOOKS:
            # Of a hub that was deleted, librdkafka says so once, or never.
            error = client.look(self._hub, _HUB_LOOK_SECONDS)
            self._looked = time.monotonic()
            if error is not None:
                self._check_hub(error)
        if silent + self.waited_seconds > self._outage_seconds:
            raise self._unavailable(client.troubles.seen)
        if now - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._report(f"Waiting for {silent:.0f} s ({client.troubles.seen})", now)

    def _unavailable(self, seen: str) -> ServiceUnavailable:
        settings = self._client.settings
        return ServiceUnavailable(
            f"Connection {settings.conn_id!r}: {settings.namespace} gave no messages of hub {self._hub!r} "
            f"for {time.monotonic() - self._progressed + self.waited_seconds:.0f} s in all: {seen}"
        )

    def _report(self, what: str, now: float) -> None:
        self._reported = now
        left = sum(lane.remaining for lane in self._lanes.values())
        self._log.info(
            "%s: hub %s, messages %d, %.1f MB; offsets left %d.",
            what,
            self._hub,
            self._records,
            self._bytes / 1_000_000,
            left,
        )
