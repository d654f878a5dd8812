"""Finding the end of damage: messages that are still in the hub, but can no longer be read.

librdkafka reads whole batches. For a batch with a wrong checksum, or one that cannot be decompressed, it
returns the same error again and again; for one with wrong lengths, it returns nothing at all. It never
continues by itself, and does not report where such a batch ends. So we probe single offsets after it until
one can be read.

Loads confluent_kafka, so it is imported only when a connection is needed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from airflow_provider_defender.exceptions import DefenderError
from airflow_provider_defender.hooks._kafka.client import HubClient

__all__ = ["Look", "Prober", "end_of_damage", "is_damage"]

_LOOK_SECONDS = 10.0
_SEARCH_SECONDS = 120.0
_SLICE_SECONDS = 0.1
_ENOUGH_ANSWERS = 14
_SAMPLES = 32
_EMPTY_ANSWER_BYTES = 90
"""A Fetch answer without messages has fewer, beside the hub's name: 56 in version 4, 78 in version 11."""
_AUTHENTICATION_PATIENCE_SECONDS = 5.0
_DAMAGE = frozenset(
    {
        KafkaError._BAD_MSG,
        KafkaError._BAD_COMPRESSION,
        KafkaError._NOT_IMPLEMENTED,
        KafkaError._CRIT_SYS_RESOURCE,
        KafkaError.INVALID_MSG,  # the broker itself reports its copy as damaged
    }
)
# These report the requested offset, not the first one of the damaged batch.
_UNNAMED = frozenset({KafkaError.INVALID_MSG, KafkaError.MSG_SIZE_TOO_LARGE})
_OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_CONFIG = {
    "statistics.interval.ms": "100",
    "fetch.error.backoff.ms": "20",
    "queued.min.messages": "1",
    "queued.max.messages.kbytes": "1024",
}


def is_damage(error: KafkaError) -> bool:
    """Whether an event of a partition means that something in it cannot be read."""
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return "might be too large" in error.str()  # librdkafka's guess at what it cannot parse
    return error.code() in _DAMAGE


@dataclass(frozen=True)
class Look:
    """The result of reading at one offset: a message or the end (`readable`), or damage.

    `base` is the first offset of the damaged batch, if librdkafka reports it; `offset` is the message's.
    `nothing`: the broker answers without any message bytes, which can also be an outage.
    """

    readable: bool
    base: int | None = None
    offset: int | None = None
    nothing: bool = False


class Prober:
    """Probes single offsets of a hub partition, with a client of its own: `prober(offset)`."""

    config = _CONFIG
    """Settings of librdkafka for the client."""

    def __init__(
        self, client: HubClient, hub: str, partition: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._hub = hub
        self._partition = partition
        self._clock = clock
        self._answers = self._full = self._bytes = 0
        client.on_statistics = self._on_statistics

    def _on_statistics(self, text: str) -> None:
        brokers = json.loads(text)["brokers"].values()
        answers, size = (sum(broker[name] for broker in brokers) for name in ("rx", "rxbytes"))
        came = answers - self._answers
        if size - self._bytes > came * (_EMPTY_ANSWER_BYTES + len(self._hub.encode())):
            self._full += came
        self._answers, self._bytes = answers, size

    def __call__(self, offset: int) -> Look | None:
        """What is at an offset; None if the broker does not answer.

        A message far after it is accepted only if reading at the offset just before that message finds it,
        too: otherwise, a batch with a wrong first offset would hide everything in between.
        """
        seen = self._look(offset)
        if seen is None or seen.offset is None or seen.offset <= offset + 1:
            return seen
        before = self._look(seen.offset - 1)
        if before is None:
            return None
        honest = before.readable and before.offset in (None, seen.offset)
        return seen if honest else Look(readable=False)

    def _look(self, offset: int) -> Look | None:
        client = self._client
        client.reading = True
        client.consumer.assign([TopicPartition(self._hub, self._partition, offset)])
        begun, full = self._answers, self._full
        end = self._clock() + _LOOK_SECONDS
        while self._clock() < end:
            for message in client.consumer.consume(1, _SLICE_SECONDS):
                look = self._judge(message)
                if look is not None:
                    return look
            client.check(_AUTHENTICATION_PATIENCE_SECONDS)
            if self._answers - begun >= _ENOUGH_ANSWERS and self._high() > offset:
                # Many answers, and none of them could be read.
                return Look(readable=False, nothing=2 * (self._full - full) < _ENOUGH_ANSWERS)
        return None

    def _high(self) -> int:
        """The partition's end, by the last response."""
        where = TopicPartition(self._hub, self._partition)
        return int(self._client.consumer.get_watermark_offsets(where, cached=True)[1])

    def _judge(self, message: Any) -> Look | None:
        error = message.error()
        if error is None:
            return Look(readable=message.offset() < self._high(), offset=message.offset())
        if error.code() == KafkaError._PARTITION_EOF or error.code() in _OUT_OF_RANGE:
            return Look(readable=True)
        if not is_damage(error):
            return None
        named = error.code() not in _UNNAMED
        return Look(readable=False, base=message.offset() if named else None)

    def close(self) -> None:
        """Close the client."""
        self._client.close()


class _NoAnswer(Exception):  # noqa: N818
    """The broker does not return what is at an offset."""


def end_of_damage(
    look: Callable[[int], Look | None],
    start: int,
    high: int,
    *,
    now: Callable[[], float] = time.monotonic,
) -> int | None:
    """The first offset after the damage at `start`, at most `high`; None if it cannot be found.

    Another damaged batch directly after it is separate damage, if librdkafka reports where it begins. If not,
    intact batches between two damaged ones are found if they are longer than a 32nd of the gap; a gap of up
    to 32 offsets is probed one by one.
    """
    try:
        return _Search(look, start, high, now).run()
    except (_NoAnswer, DefenderError):
        return None


class _Search:
    def __init__(
        self, look: Callable[[int], Look | None], start: int, high: int, now: Callable[[], float]
    ) -> None:
        self._look = look
        self._start, self._high = start, high
        self._now = now
        self._deadline = now() + _SEARCH_SECONDS
        self._base: int | None = None
        self._damaged: set[int] = set()
        self._vague = False
        """Whether librdkafka failed to report the batch of some offset."""

    def run(self) -> int | None:
        first = self._ask(self._start)
        if first.readable:
            return self._start
        self._base, self._vague = first.base, first.base is None
        last = self._ask(self._high)
        if not last.readable and last.base is None:
            return None  # not even the hub's end can be read: this is more than a damaged batch
        step, before = 1, self._start
        while (place := self._start + step) < self._high and not self._is_beyond(place):
            before, step = place, step * 2
        place = min(place, self._high)
        found = self._first_of(before, place)
        if first.nothing and found == self._high and last.offset is None:
            return None  # there is no message at all, so this is an outage
        return found

    def _first_of(self, before: int, found: int) -> int:
        """The first offset after the damage: by bisection, then by samples between damaged batches."""
        while True:
            while found - before > 1:
                if self._now() >= self._deadline:
                    return before + 1  # offsets in between may be readable: the next search continues there
                middle = (before + found) // 2
                if self._is_beyond(middle):
                    found = middle
                else:
                    before = middle
            if not self._vague:
                return found
            place = next((each for each in self._samples(found) if self._is_beyond(each)), None)
            if place is None:
                return found
            found = place
            before = max((each for each in self._damaged if each < found), default=self._start)

    def _samples(self, found: int) -> list[int]:
        """Offsets between the start and `found` that have not been probed, evenly spaced."""
        if self._now() >= self._deadline:
            return []
        count = found - self._start - 1
        step = max(1, -(-count // _SAMPLES))
        return [each for each in range(self._start + 1, found, step) if each not in self._damaged]

    def _is_beyond(self, offset: int) -> bool:
        seen = self._ask(offset)
        other = seen.base is not None and seen.base != self._base and self._start < seen.base < self._high
        if seen.readable or other:
            return True
        self._damaged.add(offset)
        self._vague = self._vague or seen.base is None
        return False

    def _ask(self, offset: int) -> Look:
        seen = self._look(offset)
        if seen is None:
            raise _NoAnswer
        return seen
