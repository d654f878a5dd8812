"""The reader against a model of a broker: holes, retention, repeats, ends; nothing lost, nothing twice."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from airflow_provider_defender.exceptions import (
    MissingHub,
    PermissionMissing,
    PositionAhead,
    ServiceUnavailable,
)
from airflow_provider_defender.hooks import MessageBatch, Offsets
from airflow_provider_defender.hooks._kafka.cursor import Limits
from airflow_provider_defender.hooks._kafka.damage import Look
from airflow_provider_defender.hooks._kafka.problems import Problems
from airflow_provider_defender.hooks._kafka.reader import RangeReader
from airflow_provider_defender.hooks._kafka.tuning import Tuning
from tests.unit.hooks._kafka.test_settings import hub_conn, settings

HUB = "hub"
Ranges = Mapping[int, Sequence[tuple[int, int]]]


@dataclass
class Message:
    """What confluent_kafka gives."""

    number: int
    at: int
    content: bytes | None = b""
    problem: KafkaError | None = None

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes | None:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return (2, 1_700_000_000_000 + self.at) if self.at % 2 else (0, 0)

    def error(self) -> KafkaError | None:
        return self.problem


@dataclass
class Log:
    """A partition: the offsets that hold a message, between the first and the next to come."""

    offsets: list[int]
    high: int
    low: int = 0
    damaged: list[tuple[int, int]] = field(default_factory=list)
    """Batches that cannot be read, apart from each other or side by side."""

    def damage_from(self, offset: int) -> tuple[int, int] | None:
        """The damaged batch that comes before any message from an offset on."""
        first = next((each for each in self.offsets if each >= offset), self.high)
        return next((each for each in self.damaged if each[1] > offset and each[0] <= first), None)


@dataclass
class Broker:
    """Partitions, and a consumer that reads them ahead as librdkafka does."""

    logs: dict[int, Log]
    retention: list[tuple[int, int]] = field(default_factory=list)
    """(partition, low) to become true at one of the next reads each."""
    news: list[KafkaError | KafkaException | None] = field(default_factory=list)
    """What the next reads give instead of messages; None is silence."""
    silent: bool = False
    """Whether an offset that retention removed is answered by the first one there, without a word."""
    deleted: KafkaError | None = None
    """What the broker says of the hub when it is asked."""
    given: int = 0
    """Messages and news given so far."""
    positions: dict[int, int | None] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    problems: Problems = field(init=False)
    reading: bool = False
    passed: float = 0.0
    """Seconds that have passed beside those of the test itself."""

    def clock(self) -> float:
        """The reader's time; the problems' own time goes with it."""
        return time.monotonic() + self.passed

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.passed += seconds

    def __post_init__(self) -> None:
        self.settings = settings(hub_conn())
        self.problems = Problems(self.settings, self.clock)

    @property
    def consumer(self) -> Broker:
        return self

    # The consumer ---------------------------------------------------------------------------------

    def assign(self, wanted: Iterable[TopicPartition]) -> None:
        self.positions = {}
        self.incremental_assign(wanted)

    def incremental_assign(self, wanted: Iterable[TopicPartition]) -> None:
        for each in wanted:
            assert each.partition not in self.positions
            self.positions[each.partition] = each.offset

    def incremental_unassign(self, wanted: Iterable[TopicPartition]) -> None:
        for each in wanted:
            del self.positions[each.partition]

    def consume(self, count: int, _: float) -> list[Message]:
        self.asked.append(count)
        assert count > 0
        if self.news:
            event = self.news.pop(0)
            if isinstance(event, KafkaException):
                raise event
            return [Message(next(iter(self.positions)), 0, problem=event)] if event else []
        found: list[Message] = []
        for partition in sorted(self.positions):
            found += self._fetch(partition, count - len(found))
        if self.retention:
            partition, low = self.retention.pop(0)
            log = self.logs[partition]
            log.low = min(max(log.low, low), log.high)
        self.given += len(found)
        return found

    def _fetch(self, partition: int, count: int) -> list[Message]:
        position, log = self.positions[partition], self.logs[partition]
        if position is None or count <= 0:
            return []
        if self.silent:
            position = max(position, log.low)
        if not log.low <= position <= log.high:
            self.positions[partition] = None
            return [Message(partition, position, problem=KafkaError(KafkaError._AUTO_OFFSET_RESET))]
        there = [offset for offset in log.offsets if offset >= max(position, log.low)][:count]
        bad = next((each for each in log.damaged if each[1] > max(position, log.low)), None)
        if bad is not None and (len(there) < count or bad[0] <= there[-1]):
            there = [offset for offset in there if offset < bad[0]]
            messages = [Message(partition, offset, b"%d:%d" % (partition, offset)) for offset in there]
            if there:
                self.positions[partition] = there[-1] + 1
            return [*messages, Message(partition, bad[0], problem=KafkaError(KafkaError._BAD_MSG))]
        messages = [Message(partition, offset, b"%d:%d" % (partition, offset)) for offset in there]
        if len(messages) < count:
            self.positions[partition] = log.high if log.high > position or messages else position
            return [*messages, Message(partition, log.high, problem=KafkaError(KafkaError._PARTITION_EOF))]
        self.positions[partition] = there[-1] + 1
        return messages

    # The client -----------------------------------------------------------------------------------

    def prober(self, partition: int) -> Any:
        """What looks at single offsets of a partition."""
        log = self.logs[partition]

        def look(offset: int) -> Look:
            from_there = max(offset, log.low) if self.silent else offset
            bad = log.damage_from(from_there) if from_there >= log.low else None
            return Look(readable=bad is None, base=bad and bad[0])

        look.close = lambda: None  # type: ignore[attr-defined]
        return look

    def watermarks(self, _: str, partitions: Iterable[int], **__: Any) -> dict[int, Offsets]:
        return {number: Offsets(self.logs[number].low, self.logs[number].high) for number in partitions}

    def look(self, *_: Any) -> KafkaError | None:
        return self.deleted

    def check(self, patience: float = 0.0) -> None:
        error = self.problems.authentication_error()
        if error is not None:
            raise error


def reader(broker: Any, ranges: Ranges, **changes: Any) -> RangeReader:
    options = {"limits": Limits(), "batch_messages": 7, "outage_seconds": 60.0, **changes}
    # Nothing sleeps, since all times here are the test's own.
    return RangeReader(
        broker,
        HUB,
        ranges,
        log=logging.getLogger("test"),
        prober=broker.prober,
        clock=broker.clock,
        sleep=lambda _: None,
        **options,
    )


def read(broker: Broker, ranges: Ranges, **changes: Any) -> list[MessageBatch]:
    return list(reader(broker, ranges, **changes).batches())


def offsets(batches: list[MessageBatch], partition: int = 0) -> list[int]:
    return [
        o for batch in batches for p, o in zip(batch.partitions, batch.offsets, strict=True) if p == partition
    ]


def reached(batches: list[MessageBatch]) -> dict[int, int]:
    return {partition: offset for batch in batches for partition, offset in batch.reached.items()}


def lost(batches: list[MessageBatch]) -> list[tuple[int, int, int]]:
    return [each for batch in batches for each in batch.lost]


def damaged(batches: list[MessageBatch]) -> list[tuple[int, int, int]]:
    return [each for batch in batches for each in batch.damaged]


def full(high: int, low: int = 0) -> Log:
    return Log(list(range(low, high)), high, low)


# -- all histories


@st.composite
def _histories(
    draw: st.DrawFn,
) -> tuple[dict[int, Log], dict[int, list[tuple[int, int]]], list[tuple[int, int]], bool, int]:
    logs, ranges = {}, {}
    for partition in range(draw(st.integers(1, 3))):
        high = draw(st.integers(1, 40))
        holes = draw(st.sets(st.integers(0, high - 1), max_size=high))
        low = draw(st.integers(0, high))
        cuts = sorted(draw(st.sets(st.integers(low, high), max_size=6)))
        bad = [pair for pair in itertools.pairwise(cuts) if draw(st.booleans())]
        readable = [o for o in range(low, high) if o not in holes]
        readable = [o for o in readable if not any(start <= o < end for start, end in bad)]
        logs[partition] = Log(readable, high, low, bad)
        edges = sorted(draw(st.sets(st.integers(0, high), min_size=2, max_size=6)))
        ranges[partition] = list(zip(edges[::2], edges[1::2], strict=False))
    retention = draw(st.lists(st.tuples(st.sampled_from(sorted(logs)), st.integers(0, 40)), max_size=4))
    return logs, ranges, retention, draw(st.booleans()), draw(st.integers(1, 12))


@given(_histories())
@example(({0: Log([7, 8], 10, 7, [(9, 10)])}, {0: [(0, 9)]}, [(0, 9)], True, 1))  # retention, then damage
@hypothesis_settings(max_examples=400, deadline=None)
def test_every_offset_is_handed_out_once_or_lost_or_empty(history: Any) -> None:
    logs, ranges, retention, silent, size = history
    before = {partition: set(log.offsets) for partition, log in logs.items()}
    batches = read(Broker(logs, list(retention), silent=silent), ranges, batch_messages=size)
    for partition, pairs in ranges.items():
        wanted = {offset for start, end in pairs for offset in range(start, end)}
        handed = offsets(batches, partition)
        assert handed == sorted(set(handed))  # in order, none twice
        assert set(handed) <= wanted & before[partition]
        gone = {o for p, start, end in lost(batches) if p == partition for o in range(start, end)}
        bad = {o for p, start, end in damaged(batches) if p == partition for o in range(start, end)}
        assert gone <= wanted - set(handed)
        assert bad <= wanted - set(handed) - gone
        # What is neither handed out nor lost was empty all the time, and is still within retention's reach.
        assert not (wanted - set(handed) - gone - bad) & before[partition]
        # All that is damaged is said to be so, or has been deleted; nothing readable is.
        broken = {o for start, end in logs[partition].damaged for o in range(start, end)}
        assert (broken & wanted) - bad <= gone
        assert not bad & before[partition]
        # Nothing is called lost that retention had left alone.
        assert all(offset < logs[partition].low for offset in gone)
        assert reached(batches)[partition] == pairs[-1][1]
    assert all(1 <= len(batch) <= size or batch.reached for batch in batches)


@given(_histories(), st.integers(1, 30))
@hypothesis_settings(max_examples=200, deadline=None)
def test_reading_in_pieces_is_the_same_as_reading_at_once(history: Any, most: int) -> None:
    """What `reached` says is where the next read may go on."""
    logs, ranges, _, silent, size = history
    whole = read(Broker(logs, silent=silent), ranges, batch_messages=size)
    pieces: list[MessageBatch] = []
    left = dict(ranges)
    while left:
        piece = read(Broker(logs, silent=silent), left, batch_messages=size, limits=Limits(messages=most))
        assert sum(map(len, piece)) <= most
        pieces += piece
        at = reached(pieces)
        left = {
            partition: [
                (max(start, at.get(partition, 0)), end) for start, end in pairs if end > at.get(partition, 0)
            ]
            for partition, pairs in ranges.items()
        }
        left = {partition: pairs for partition, pairs in left.items() if pairs}
    for partition in ranges:
        assert offsets(pieces, partition) == offsets(whole, partition)
    assert sorted(lost(pieces)) == sorted(lost(whole))
    assert _offsets_of(damaged(pieces)) == _offsets_of(damaged(whole))


def _offsets_of(parts: list[tuple[int, int, int]]) -> set[tuple[int, int]]:
    return {(partition, offset) for partition, start, end in parts for offset in range(start, end)}


# -- single cases


def test_a_batch_is_columns_side_by_side() -> None:
    [batch] = read(Broker({0: full(3), 1: full(2)}), {0: [(0, 3)], 1: [(1, 2)]})
    assert batch.values == [b"0:0", b"0:1", b"0:2", b"1:1"]
    assert batch.partitions == [0, 0, 0, 1]
    assert batch.offsets == [0, 1, 2, 1]
    assert batch.enqueued == [-1, 1_700_000_000_001, -1, 1_700_000_000_001]
    assert batch.reached == {0: 3, 1: 2}
    assert batch.bytes == 12
    assert len(batch) == 4


def test_a_time_beyond_the_calendar_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer that counts nanoseconds would else break every conversion, and with it the drain."""
    monkeypatch.setattr(Message, "timestamp", lambda self: (1, 1_790_000_000_000_000_000))
    [batch] = read(Broker({0: full(2)}), {0: [(0, 2)]})
    assert batch.enqueued == [-1, -1]


def test_no_more_is_asked_for_than_is_there() -> None:
    """Or else librdkafka waits for messages that do not come."""
    broker = Broker({0: full(1000)})
    read(broker, {0: [(0, 10), (500, 503)]}, batch_messages=100)
    assert broker.asked[0] == 13


def test_what_lies_between_two_ranges_is_not_fetched() -> None:
    broker = Broker({0: full(10_000)})
    assert offsets(read(broker, {0: [(0, 10), (9000, 9010)]}, batch_messages=10)) == [
        *range(10),
        *range(9000, 9010),
    ]
    assert broker.given == 20


@pytest.mark.parametrize("silent", [False, True])
def test_offsets_that_retention_removed_are_lost(silent: bool) -> None:
    broker = Broker({0: full(20, low=12)}, silent=silent)
    batches = read(broker, {0: [(0, 3), (5, 14)]})
    assert lost(batches) == [(0, 0, 3), (0, 5, 12)]
    assert offsets(batches) == [12, 13]


def test_holes_are_not_lost() -> None:
    batches = read(Broker({0: Log([3, 7], 10)}), {0: [(0, 5), (6, 10)]})
    assert (offsets(batches), lost(batches), reached(batches)) == ([3, 7], [], {0: 10})


def test_the_end_of_a_range_is_the_end_whatever_follows() -> None:
    assert offsets(read(Broker({0: full(1000)}), {0: [(5, 8)]})) == [5, 6, 7]


def test_limits() -> None:
    def first(**limits: Any) -> list[MessageBatch]:
        return read(Broker({0: full(100)}), {0: [(0, 100)]}, limits=Limits(**limits), batch_messages=10)

    assert offsets(first(messages=25)) == list(range(25))
    assert reached(first(messages=25)) == {0: 25}
    by_size = first(bytes=30)
    assert 30 <= sum(batch.bytes for batch in by_size) < 35
    assert reached(by_size) == {0: len(offsets(by_size))}
    assert first(seconds=0.0) == []


def test_a_limit_leaves_the_rest_of_what_came_unread() -> None:
    """The end of a partition, seen after the limit, says nothing of the messages that were not handed out."""
    broker = Broker({0: full(5), 1: full(5)})
    batches = read(broker, {0: [(0, 5)], 1: [(0, 5)]}, limits=Limits(bytes=4), batch_messages=100)
    assert offsets(batches) == [0, 1]
    assert reached(batches) == {0: 2}


def test_one_each() -> None:
    broker = Broker({0: full(9), 1: Log([4, 5], 9), 2: Log([], 9)})
    batches = read(broker, {number: [(2, 9)] for number in broker.logs}, limits=Limits(one_each=True))
    assert [offsets(batches, number) for number in broker.logs] == [[2], [4], []]


def test_batches_are_bounded_by_bytes() -> None:
    tuning = Tuning(batch_bytes=100, chunk_bytes=50)
    batches = read(Broker({0: full(1000)}), {0: [(0, 1000)]}, batch_messages=500, tuning=tuning)
    assert offsets(batches) == list(range(1000))
    assert max(batch.bytes for batch in batches[1:]) < 100 + 16 * 5


def test_a_tombstone_is_none() -> None:
    broker = Broker({0: full(1)})
    broker._fetch = lambda *_: [Message(0, 0, None)]  # type: ignore[method-assign]
    [batch] = read(broker, {0: [(0, 1)]})
    assert (batch.values, batch.bytes) == ([None], 0)


def test_a_message_given_twice_is_handed_out_once() -> None:
    broker = Broker({0: full(6)})
    steps = [[0, 1, 2], [1, 2, 3], [0], [4, 5]]
    broker._fetch = lambda *_: [Message(0, offset) for offset in steps.pop(0)]  # type: ignore[method-assign]
    assert offsets(read(broker, {0: [(0, 6)]})) == list(range(6))


def test_a_partition_that_was_read_to_its_end_after_an_error_is_done() -> None:
    """All in one arrival: an error that tells to look at the offsets, then the messages themselves."""
    broker = Broker({0: full(2)})
    problem = KafkaError(KafkaError.OFFSET_OUT_OF_RANGE)
    arrival = [Message(0, 0, problem=problem), Message(0, 0), Message(0, 1)]
    broker._fetch = lambda *_: arrival  # type: ignore[method-assign]
    batches = read(broker, {0: [(0, 2)]})
    assert (offsets(batches), lost(batches)) == ([0, 1], [])


@pytest.mark.parametrize("start", [3, 5, 8])
def test_a_hub_that_ends_too_early_is_another_hub(start: int) -> None:
    with pytest.raises(PositionAhead, match="ends at offset 5, before the offsets"):
        read(Broker({0: full(5)}), {0: [(start, 9)]})


def test_a_leader_that_is_behind_for_a_moment_is_none() -> None:
    broker = Broker({0: full(5)})
    answers = [Offsets(0, 4), Offsets(0, 9)]

    def watermarks(*_: Any, **__: Any) -> dict[int, Offsets]:
        broker.logs[0] = full(9)
        return {0: answers.pop(0)}

    broker.watermarks = watermarks  # type: ignore[method-assign]
    assert offsets(read(broker, {0: [(0, 9)]})) == list(range(9))


def test_silence_and_passing_errors_change_nothing() -> None:
    news = [
        None,
        KafkaError(KafkaError._TRANSPORT),
        KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART),
        KafkaException(KafkaError(KafkaError._STATE)),
        None,
    ]
    assert offsets(read(Broker({0: full(20)}, news=list(news)), {0: [(0, 20)]})) == list(range(20))


def test_an_outage_ends_in_try_again() -> None:
    broker = Broker({0: full(5)}, news=[KafkaError(KafkaError._TRANSPORT), *[None] * 50])
    with pytest.raises(ServiceUnavailable, match="gave no messages"):
        read(broker, {0: [(0, 5)]}, outage_seconds=0.0)


def test_lost_time_is_counted() -> None:
    broker = Broker({0: full(5)}, news=[KafkaError(KafkaError._TRANSPORT), None])
    run = reader(broker, {0: [(0, 5)]})
    list(run.batches())
    assert run.waited_seconds > 0
    assert broker.problems.since is None


def test_the_callers_time_is_no_outage() -> None:
    broker = Broker({0: full(70)})
    fetch = broker._fetch
    turns = itertools.cycle([fetch, lambda *_: []])
    broker._fetch = lambda *where: next(turns)(*where)  # type: ignore[method-assign]
    run = reader(broker, {0: [(0, 70)]}, outage_seconds=60.0)
    found = []
    for batch in run.batches():
        found += batch.offsets
        broker.wait(61.0)
    assert found == list(range(70))
    assert run.waited_seconds == 0.0


def test_the_callers_time_is_left_out_of_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that seemed to be missing, and a refused key, get their patience in full."""
    broker = Broker({0: full(14)})
    run = reader(broker, {0: [(0, 14)]})
    batches = run.batches()
    next(batches)
    for code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._AUTHENTICATION):
        broker.problems.note(KafkaError(code))
    run._silence.missing_since = broker.clock()
    before = (broker.problems.since, broker.problems.refused_since, run._silence.missing_since)
    broker.wait(100.0)
    monkeypatch.setattr(broker, "check", lambda *_: None)
    broker.news = [KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)]
    after: list[Any] = []
    consume = broker.consume

    def look(*values: Any) -> list[Message]:
        after.append((broker.problems.since, broker.problems.refused_since, run._silence.missing_since))
        return consume(*values)

    monkeypatch.setattr(broker, "consume", look)
    assert [offset for batch in batches for offset in batch.offsets] == list(range(7, 14))
    for first, then in zip(before, after[0], strict=True):
        assert first is not None
        assert then == pytest.approx(first + 100.0, abs=5.0)
    assert run.waited_seconds < 5.0


def _times_out(broker: Broker, event: KafkaError | None) -> None:
    """After the first messages there is nothing but `event`, and then the time is up."""
    consume = broker.consume

    def silent(*values: Any) -> list[Message]:
        if broker.given:
            broker.news = [event]
            broker.wait(20.0)
        return consume(*values)

    broker.consume = silent  # type: ignore[method-assign, assignment]


def test_an_outage_when_time_is_up_is_an_outage() -> None:
    broker = Broker({0: full(14)})
    _times_out(broker, KafkaError(KafkaError._TRANSPORT))
    run = reader(broker, {0: [(0, 14)]}, limits=Limits(seconds=50.0), outage_seconds=900.0)
    found: list[int] = []
    with pytest.raises(ServiceUnavailable, match=r"for 6\d s in all: .*transport"):
        found.extend(offset for batch in run.batches() for offset in batch.offsets)
    assert found == list(range(7))  # what had come was handed out
    assert run.waited_seconds == pytest.approx(60.0, abs=5.0)


def test_silence_without_a_problem_when_time_is_up_is_none() -> None:
    broker = Broker({0: full(14)})
    _times_out(broker, None)
    batches = read(broker, {0: [(0, 14)]}, limits=Limits(seconds=50.0), outage_seconds=900.0)
    assert offsets(batches) == list(range(7))


def test_time_that_is_up_while_the_caller_works_is_no_outage() -> None:
    broker = Broker({0: full(14)})
    run = reader(broker, {0: [(0, 14)]}, limits=Limits(seconds=50.0))
    for batch in run.batches():
        assert batch.offsets == list(range(7))
        broker.problems.note(KafkaError(KafkaError._TRANSPORT))
        broker.wait(60.0)
    assert run.waited_seconds == 0.0


def test_rights_withdrawn_in_mid_read() -> None:
    broker = Broker({0: full(5)}, news=[KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)])
    with pytest.raises(PermissionMissing, match="Listen"):
        read(broker, {0: [(0, 5)]})


def test_a_hub_deleted_in_mid_read() -> None:
    tuning = Tuning(missing_patience=0.0)
    broker = Broker({0: full(5)}, news=[KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)])
    with pytest.raises(MissingHub, match="has no hub 'hub'"):
        read(broker, {0: [(0, 5)]}, tuning=tuning)


def test_a_hub_deleted_without_a_word() -> None:
    tuning = Tuning(missing_patience=0.0, between_hub_looks=0.0)
    gone = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    with pytest.raises(MissingHub, match="has no hub 'hub'"):
        read(Broker({0: full(5)}, news=[None], deleted=gone), {0: [(0, 5)]}, tuning=tuning)
    assert offsets(read(Broker({0: full(5)}, news=[None]), {0: [(0, 5)]}, tuning=tuning)) == list(range(5))


def test_an_offset_that_the_broker_never_gives_is_no_endless_loop() -> None:
    broker = Broker({0: full(5)})
    broker._fetch = lambda *_: [Message(0, 0, problem=KafkaError(KafkaError.OFFSET_OUT_OF_RANGE))]  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailable, match="gives nothing at offset 0"):
        read(broker, {0: [(0, 5)]})
