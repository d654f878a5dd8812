"""The embedded hub: what clients of Kafka find there, and its faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from airflow_provider_defender.simulator.events import EmbeddedHub, EmbeddedHubError, produce


@pytest.fixture
def namespace() -> Iterator[EmbeddedHub]:
    with EmbeddedHub() as running:
        yield running


def consumer(namespace: EmbeddedHub, **settings: Any) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": namespace.bootstrap_servers,
            "group.id": "tests",
            "auto.offset.reset": "error",
            "log.connection.close": False,
            **settings,
        }
    )


def read(reader: Consumer, count: int) -> list[Message]:
    messages: list[Message] = reader.consume(count, 10)
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
    return messages


def test_messages_come_back_as_sent(namespace: EmbeddedHub) -> None:
    namespace.create("defender", partitions=3)
    sent = [b'{"n":%d}' % number for number in range(100)] + [None, b"", bytes(range(256))]
    assert namespace.send("defender", sent) == len(sent)
    reader = consumer(namespace)
    partitions = [TopicPartition("defender", number, 0) for number in range(3)]
    assert [reader.get_watermark_offsets(each) for each in partitions] == [(0, 35), (0, 34), (0, 34)]
    reader.assign(partitions)
    messages = read(reader, len(sent))
    by_partition = {number: [m.value() for m in messages if m.partition() == number] for number in range(3)}
    assert by_partition == {number: sent[number::3] for number in range(3)}
    assert {m.key() for m in messages} == {None}
    assert all(m.timestamp()[1] > 1_700_000_000_000 for m in messages)
    reader.close()


def test_one_partition_can_be_named(namespace: EmbeddedHub) -> None:
    namespace.create("defender", partitions=2)
    namespace.send("defender", [b"a", b"b"], partition=1)
    reader = consumer(namespace)
    offsets = [reader.get_watermark_offsets(TopicPartition("defender", number)) for number in (0, 1)]
    assert offsets == [(0, 0), (0, 2)]
    reader.close()


def test_hubs_have_the_partitions_asked_for(namespace: EmbeddedHub) -> None:
    namespace.create("one", partitions=1)
    namespace.create("many", partitions=32)
    reader = consumer(namespace)
    found = reader.list_topics(timeout=10).topics
    assert {name: len(topic.partitions) for name, topic in found.items()} == {"one": 1, "many": 32}
    assert namespace.hubs == {"one": 1, "many": 32}
    reader.close()


def test_a_hub_is_made_once(namespace: EmbeddedHub) -> None:
    namespace.create("defender")
    with pytest.raises(EmbeddedHubError, match="already exists"):
        namespace.create("defender")


def test_what_is_below_the_retention_is_gone(namespace: EmbeddedHub) -> None:
    namespace.create("defender", partitions=1)
    namespace.send("defender", [b"%d" % number for number in range(10)])
    namespace.expire("defender", 0, before=7)
    reader = consumer(namespace)
    assert reader.get_watermark_offsets(TopicPartition("defender", 0)) == (7, 10)
    reader.assign([TopicPartition("defender", 0, 2)])
    with pytest.raises(KafkaException) as failure:
        read(reader, 1)
    assert failure.value.args[0].code() == KafkaError._AUTO_OFFSET_RESET
    reader.close()


def test_refused_requests_fail_as_told_and_then_no_longer(namespace: EmbeddedHub) -> None:
    namespace.create("defender", partitions=1)
    namespace.refuse("produce", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(EmbeddedHubError, match=r"1 of 1 messages are not in 'defender': .*authorization"):
        namespace.send("defender", [b"a"])
    assert namespace.send("defender", [b"a"]) == 1
    namespace.refuse("produce", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    namespace.forgive("produce")
    assert namespace.send("defender", [b"a"]) == 1


def test_a_broker_that_is_down_takes_nothing_and_keeps_what_it_has(namespace: EmbeddedHub) -> None:
    namespace.create("defender", partitions=1)
    namespace.send("defender", [b"a"])
    namespace.down()
    producer = namespace.producer(**{"message.timeout.ms": 500})
    with pytest.raises(EmbeddedHubError, match="1 of 1 messages are not in"):
        produce([b"b"], producer, "defender")
    namespace.up()
    namespace.send("defender", [b"c"])
    reader = consumer(namespace)
    reader.assign([TopicPartition("defender", 0, 0)])
    assert [message.value() for message in read(reader, 2)] == [b"a", b"c"]
    reader.close()


def test_an_error_of_a_whole_hub(namespace: EmbeddedHub) -> None:
    namespace.create("defender", partitions=1)
    namespace.set_hub_error("defender", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    reader = consumer(namespace)
    error = reader.list_topics("defender", timeout=10).topics["defender"].error
    assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    namespace.set_hub_error("defender", 0)
    assert reader.list_topics("defender", timeout=10).topics["defender"].error is None
    reader.close()


def test_a_stopped_hub_says_so() -> None:
    namespace = EmbeddedHub()
    namespace.stop()
    namespace.stop()
    with pytest.raises(EmbeddedHubError, match="is stopped"):
        namespace.create("defender")


def test_two_namespaces_know_nothing_of_each_other(namespace: EmbeddedHub) -> None:
    namespace.create("defender", partitions=1)
    with EmbeddedHub() as other:
        other.create("defender", partitions=2)
        other.send("defender", [b"x"])
        reader = consumer(namespace)
        assert reader.get_watermark_offsets(TopicPartition("defender", 0)) == (0, 0)
        reader.close()
