"""Batches that nobody can read any more, through the real client: a read goes on behind them."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from airflow_provider_defender.exceptions import ConfigurationError, RequestRefused, ServiceUnavailable
from airflow_provider_defender.hooks import EventHubHook, MessageBatch
from airflow_provider_defender.hooks._kafka.damage import Look, end_of_damage
from airflow_provider_defender.hooks._kafka.tuning import Tuning
from tests.unit.hooks._kafka.raw_broker import RawBroker, batch, packed, record, sealed

pytestmark = pytest.mark.integration  # a small Kafka server, and waits that are real

Damage = Callable[[int], tuple[int, bytes]]
"""Makes the bytes of a damaged batch of three offsets from its first one on; also how many stay readable."""


@pytest.fixture
def broker() -> Iterator[RawBroker]:
    with RawBroker() as broker:
        yield broker


QUICK = Tuning(at_damage=(0.02, 0.02, 0.02), at_more_damage=(0.02, 0.02, 0.02), stuck=0.5)


@pytest.fixture
def hook(broker: RawBroker, monkeypatch: pytest.MonkeyPatch) -> EventHubHook:
    extra = {"event_hub": "hub", "security_protocol": "PLAINTEXT"}
    fields = {"conn_type": "event_hub", "host": "127.0.0.1", "port": broker.port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_EVENT_HUB_DEFAULT", json.dumps(fields))
    return EventHubHook(tuning=QUICK)


def read(hook: EventHubHook, *parts: tuple[int, int], **options: Any) -> list[MessageBatch]:
    return list(hook.batches({0: parts}, **options))


def offsets(batches: list[MessageBatch]) -> list[int]:
    return [offset for each in batches for offset in each.offsets]


def damaged(batches: list[MessageBatch]) -> list[tuple[int, int, int]]:
    return [part for each in batches for part in each.damaged]


def put(place: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:place] + value + data[place + len(value) :]


def _whole(change: Callable[[bytes], bytes]) -> Damage:
    return lambda base: (0, change(batch(base, [b"x" * 20] * 3)))


def _records(change: Callable[[bytes], bytes], readable: int, codec: str | None = None) -> Damage:
    def make(base: int) -> tuple[int, bytes]:
        records = change(b"".join(record(delta, b"y" * 20) for delta in range(3)))
        return readable, sealed(base, packed(records, codec), 3, codec=codec)

    return make


def _length(data: bytes, more: int) -> bytes:
    return put(8, struct.pack(">i", len(data) - 12 + more))(data)


KINDS: dict[str, Damage] = {
    "a wrong checksum": _whole(put(17, b"\1\2\3\4")),
    "a changed record": _whole(put(70, b"\0\0")),
    "an unknown format": _whole(put(16, b"\x07")),
    "an old format": _whole(put(16, b"\0")),
    "longer than it is": _whole(lambda data: _length(data, 4)),
    "far longer than it is": _whole(lambda data: _length(data, 5_000_000)),
    "shorter than it is": _whole(lambda data: _length(data, -3)),
    "a length below any batch's": _whole(put(8, struct.pack(">i", 5))),
    "a negative length": _whole(put(8, struct.pack(">i", -5))),
    "an offset behind the hub's end": _whole(put(0, struct.pack(">q", 1 << 40))),
    "cut off": _whole(lambda data: data[:-7]),
    "an unknown codec": lambda base: (0, sealed(base, b"?" * 30, 3, attributes=6)),
    "gzip that is none": lambda base: (0, sealed(base, b"?" * 30, 3, codec="gzip")),
    "snappy that is none": lambda base: (0, sealed(base, b"\xff" * 30, 3, codec="snappy")),
    "lz4 that is none": lambda base: (0, sealed(base, b"?" * 30, 3, codec="lz4")),
    "zstd that is none": lambda base: (0, sealed(base, b"?" * 30, 3, codec="zstd")),
    "a record longer than its batch": _records(lambda data: record(0, b"y") + b"\x7e" + data[-20:], 1),
    "the same, in zstd": _records(lambda data: record(0, b"y") + b"\x7e" + data[-20:], 1, "zstd"),
    "too few records": _records(lambda data: data[: len(data) // 3 + 4], 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_goes_on_behind_any_damage(broker: RawBroker, hook: EventHubHook, kind: str) -> None:
    """Batches before and behind it are whole; so are the first messages of its own where they can be read."""
    [there] = broker.create("hub")
    there.add(b"a", b"b", b"c")
    readable, data = KINDS[kind](3)
    there.batches.append((3, 6, data))
    there.add(b"g", b"h", codec="gzip")
    batches = read(hook, (0, 8))
    assert offsets(batches) == [*range(3 + readable), 6, 7]
    assert damaged(batches) == [(0, 3 + readable, 6)]
    assert [part for each in batches for part in each.lost] == []
    assert batches[-1].reached == {0: 8}


def test_messages_between_damaged_batches_are_read(broker: RawBroker, hook: EventHubHook) -> None:
    """Also where librdkafka does not say where a damaged batch begins (a wrong length)."""
    [there] = broker.create("hub")
    for kind in ("a wrong checksum", "far longer than it is", "zstd that is none", "a wrong checksum"):
        there.batches.append((there.high, there.high + 3, KINDS[kind](there.high)[1]))
        if kind != "zstd that is none":
            there.add(b"whole")
    batches = read(hook, (0, there.high))
    assert offsets(batches) == [3, 7, 14]
    assert damaged(batches) == [(0, 0, 3), (0, 4, 7), (0, 8, 11), (0, 11, 14)]


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_bytes_change_all_that_is_whole_is_read(
    broker: RawBroker, hook: EventHubHook, seed: int
) -> None:
    """Some bytes of every other batch are others, anywhere behind offset and length: by these a broker finds
    the next batch, so one that has them wrong gives nothing (and librdkafka may abort the process).
    """
    draw = random.Random(seed)
    [there] = broker.create("hub")
    whole: set[int] = set()
    for _ in range(8):
        whole.update(range(there.high, there.high + 2))
        there.add(b"%d" % there.high, b"%d" % (there.high + 1))
        base, codec = there.high, draw.choice([None, "gzip", "zstd"])
        data = bytearray(batch(base, [b"%d" % (base + delta) for delta in range(3)], codec=codec))
        for _ in range(draw.choice([1, 1, 4])):
            data[draw.randrange(12, len(data))] ^= draw.randrange(1, 256)
        there.batches.append((base, base + 3, bytes(data)))
    there.add(b"%d" % there.high)
    whole.add(there.high - 1)
    batches = read(hook, (0, there.high))
    handed = offsets(batches)
    assert handed == sorted(set(handed))
    assert whole <= set(handed)
    bad = {offset for _, start, end in damaged(batches) for offset in range(start, end)}
    assert bad == set(range(there.high)) - set(handed)
    values = [value for each in batches for value in each.values]
    assert values == [b"%d" % offset for offset in handed]


def test_damage_in_many_partitions_at_once_is_no_outage(broker: RawBroker, hook: EventHubHook) -> None:
    """They share the pauses, and a search behind damage counts as no silence."""
    hook._tuning = replace(QUICK, at_damage=(0.5, 0.5, 0.5))
    partitions = broker.create("hub", 20)
    for there in partitions:
        there.batches.append((0, 3, KINDS["zstd that is none"](0)[1]))
        there.add(b"whole")
    patient = EventHubHook(outage_seconds=8, tuning=hook._tuning)
    batches = list(patient.batches({number: [(0, 4)] for number in range(20)}))
    assert sorted(damaged(batches)) == [(number, 0, 3) for number in range(20)]
    assert sorted(number for each in batches for number in each.partitions) == list(range(20))


def test_damage_at_the_end_of_the_hub(broker: RawBroker, hook: EventHubHook) -> None:
    [there] = broker.create("hub")
    there.add(b"a")
    there.batches.append((1, 4, KINDS["zstd that is none"](1)[1]))
    batches = read(hook, (0, 4))
    assert (offsets(batches), damaged(batches), batches[-1].reached) == ([0], [(0, 1, 4)], {0: 4})


@pytest.mark.parametrize(
    "kind", ["a wrong checksum", "zstd that is none", "far longer than it is", "cut off"]
)
def test_damage_that_heals_loses_nothing(broker: RawBroker, hook: EventHubHook, kind: str) -> None:
    """Damaged on the way: once or twice, then the same bytes come whole."""
    [there] = broker.create("hub")
    there.add(b"a", b"b", b"c")
    there.add(b"d", b"e", b"f")
    there.add(b"g")
    _, data = KINDS[kind](3)
    times = 2 if "longer" not in kind else 30

    def spoil(_: int, offset: int, whole: bytes) -> bytes:
        nonlocal times
        if not 3 <= offset < 6 or times <= 0:
            return whole if offset >= 3 else whole[: len(there.batches[0][2])]
        times -= 1
        return data + there.batches[2][2]

    broker.spoil = spoil
    batches = read(hook, (0, 7))
    assert (offsets(batches), damaged(batches)) == (list(range(7)), [])
    assert times == 0


@pytest.mark.parametrize("answer", [b"", -1], ids=["empty", "unknown"])
def test_a_broker_that_gives_nothing_at_all_has_an_outage(
    broker: RawBroker, hook: EventHubHook, answer: bytes | int
) -> None:
    """Nothing is called damaged while no message behind it can be read; all is read once it is over."""
    [there] = broker.create("hub")
    for value in (b"a", b"b", b"c"):
        there.add(value)
    first = there.batches[0][2]
    broker.spoil = lambda _, offset, data: (
        data[: len(first)] if offset == 0 else answer if offset < 3 else data
    )
    patient = EventHubHook(outage_seconds=10, tuning=QUICK)
    batches = patient.batches({0: [(0, 3)]})
    assert next(batches).offsets == [0]
    with pytest.raises(ServiceUnavailable):
        next(batches)
    broker.spoil = lambda partition, offset, data: data
    assert offsets(read(hook, (1, 3))) == [1, 2]


@pytest.mark.parametrize("answer", [b"", -1, KafkaError.INVALID_MSG], ids=["empty", "unknown", "damaged"])
def test_a_read_goes_on_behind_what_the_broker_never_gives(
    broker: RawBroker, hook: EventHubHook, answer: bytes | int
) -> None:
    [there] = broker.create("hub")
    there.add(b"a")
    there.add(b"b", b"c", b"d")
    there.add(b"e")
    first = there.batches[0][2]
    broker.spoil = lambda _, offset, data: (
        data[: len(first)] if offset == 0 else answer if offset < 4 else data
    )
    batches = read(hook, (0, 5))
    assert (offsets(batches), damaged(batches)) == ([0, 4], [(0, 1, 4)])


@pytest.mark.parametrize("claimed", [40, 90], ids=["inside the hub", "the hub's end"])
def test_a_batch_that_claims_later_offsets_hides_nothing(
    broker: RawBroker, hook: EventHubHook, claimed: int
) -> None:
    """The checksum does not cover a batch's first offset."""
    [there] = broker.create("hub")
    for base in range(0, 90, 3):
        there.add(*(b"%d" % (base + delta) for delta in range(3)))
    there.batches[3] = (9, 12, put(0, struct.pack(">q", claimed))(there.batches[3][2]))
    batches = read(hook, (0, 90))
    assert offsets(batches) == [*range(9), *range(12, 90)]
    assert damaged(batches) == [(0, 9, 12)]


def test_holes_are_looked_at_once_in_a_while(
    broker: RawBroker, hook: EventHubHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compaction leaves holes of any size, and many of them."""
    [there] = broker.create("hub")
    ends = [offset for start in range(0, 4000, 40) for offset in (start, start + 30)]
    for offset in ends:
        there.batches.append((offset, offset + 1, batch(offset, [b"%d" % offset])))
    looks = []
    prober = hook._prober

    def counted(partition: int) -> Any:
        looks.append(partition)
        return prober(partition)

    monkeypatch.setattr(hook, "_prober", counted)
    batches = read(hook, (0, there.high))
    assert (offsets(batches), damaged(batches)) == (ends, [])
    assert len(looks) == 1


@pytest.mark.parametrize(
    ("code", "error", "cure"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, ConfigurationError, "raise max.partition.fetch.bytes and fetch.max"),
        (KafkaError.UNSUPPORTED_COMPRESSION_TYPE, RequestRefused, "another codec"),
        (KafkaError.UNSUPPORTED_VERSION, RequestRefused, "the broker is too old"),
        (KafkaError.INVALID_REQUEST, RequestRefused, "check them in kafka_config"),
        (KafkaError.POLICY_VIOLATION, RequestRefused, "ask who runs it"),
    ],
)
def test_an_answer_that_no_retry_heals_fails_at_once(
    broker: RawBroker,
    hook: EventHubHook,
    code: int,
    error: type[Exception],
    cure: str,
) -> None:
    """What came before it is handed out; so is everything if it does not come again."""
    hook._tuning = replace(QUICK, refusal_patience=0.5)
    [there] = broker.create("hub")
    there.add(b"a")
    there.add(b"b")
    refused = [code]
    broker.spoil = lambda _, offset, data: (
        refused.pop() if refused and offset else data if offset else data[: len(there.batches[0][2])]
    )
    assert offsets(read(hook, (0, 2))) == [0, 1]
    broker.spoil = lambda _, offset, data: code if offset else data[: len(there.batches[0][2])]
    batches = hook.batches({0: [(0, 2)]})
    assert next(batches).offsets == [0]
    with pytest.raises(error, match=cure):
        next(batches)


def test_an_answer_larger_than_the_client_takes_fails_at_once(broker: RawBroker, hook: EventHubHook) -> None:
    hook._tuning = replace(QUICK, authentication_patience=0.5)
    [there] = broker.create("hub")
    there.add(b"x" * 50_000)
    small = {"receive.message.max.bytes": "10000", "fetch.max.bytes": "5000", "message.max.bytes": "5000"}
    with pytest.raises(ConfigurationError, match=r"raise receive\.message\.max\.bytes in kafka_config"):
        list(EventHubHook(config=small, tuning=hook._tuning).batches({0: [(0, 1)]}))


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_message_that_is_too_large_is_told_by_its_digest(
    broker: RawBroker, hook: EventHubHook, codec: str
) -> None:
    hook._tuning = replace(QUICK, largest_message=100_000)
    [there] = broker.create("hub")
    there.add(b"a")
    there.add(b"x" * 100_000, b"y" * 100_001, codec=codec)
    there.add(b"c")
    batches = read(hook, (0, 4))
    assert offsets(batches) == [0, 1, 3]
    [large] = [each for batch in batches for each in batch.oversized]
    assert (large.partition, large.offset, large.size) == (0, 2, 100_001)
    assert large.sha256 == hashlib.sha256(b"y" * 100_001).hexdigest()


def test_a_message_that_unpacks_beyond_the_clients_limit_is_passed_over(
    broker: RawBroker, hook: EventHubHook
) -> None:
    """130 MB in 4 kB of zstd: librdkafka takes no more than receive.message.max.bytes."""
    [there] = broker.create("hub")
    there.add(b"a", b"b", b"c")
    there.batches.append((3, 4, sealed(3, packed(record(0, bytes(130_000_000)), "zstd"), 1, codec="zstd")))
    assert len(there.batches[1][2]) < 20_000
    there.add(b"d", b"e", b"f")
    batches = read(hook, (0, 7))
    assert (offsets(batches), damaged(batches)) == ([0, 1, 2, 4, 5, 6], [(0, 3, 4)])


# The search ---------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["good", "named", "silent"])), min_size=1))
@hypothesis_settings(max_examples=500, deadline=None)
def test_the_search_finds_the_first_readable_offset(parts: list[tuple[int, str]]) -> None:
    """Batches of any sizes in a row, damaged with and without a word of where they begin."""
    batches, high = [(0, 3, "silent")], 3
    for size, kind in parts:
        batches.append((high, high + size, kind))
        high += size

    def look(offset: int) -> Look:
        if offset >= high:
            return Look(readable=True)
        base, _, kind = next(each for each in batches if offset < each[1])
        return Look(readable=kind == "good", base=base if kind == "named" else None)

    expected = next((base for base, _, kind in batches[1:] if kind != "silent"), high)
    assert end_of_damage(look, 0, high) in (expected, *_merged(batches, high))
    if high <= 32:
        assert end_of_damage(look, 0, high) == expected


def _merged(batches: list[tuple[int, int, str]], high: int) -> list[int]:
    """Where the search may come out once whole batches are short beside the damage around them."""
    return [base for base, _, kind in batches[1:] if kind != "silent"] + [high]


def test_the_search_gives_up_where_nobody_answers() -> None:
    assert end_of_damage(lambda _: None, 3, 9) is None
    assert end_of_damage(lambda _: Look(readable=False), 3, 9) is None


def test_the_search_takes_few_looks_where_batches_are_named() -> None:
    looks = []

    def look(offset: int) -> Look:
        looks.append(offset)
        return Look(readable=offset >= 70_000, base=None if offset >= 70_000 else 10)

    assert end_of_damage(look, 10, 1_000_000) == 70_000
    assert len(looks) < 40


def test_the_search_needs_no_end_that_can_be_read() -> None:
    """Where damaged batches come all the time, the newest is one, too."""

    def look(offset: int) -> Look:
        return Look(readable=3 <= offset < 20, base=None if 3 <= offset < 20 else 0 if offset < 3 else 20)

    assert end_of_damage(look, 0, 20) == 3


def test_a_search_that_takes_too_long_calls_nothing_damaged_that_it_has_not_seen() -> None:
    times = iter(range(0, 100_000, 30))

    def look(offset: int) -> Look:
        return Look(readable=offset >= 700, base=0 if offset < 700 else None)

    end = end_of_damage(look, 0, 1_000, now=lambda: next(times))
    assert end is not None
    assert 512 < end < 700
