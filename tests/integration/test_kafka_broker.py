"""The broker itself: what the other tests take for granted."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.simulator.entra.certificates import shared_signing_key
from tests.kafka_broker import KafkaBroker, missing_tools

pytestmark = pytest.mark.integration


def read(settings: dict[str, Any], hub: str) -> list[tuple[int | None, bytes | None]]:
    """Offsets and values of the first partition. Raises LookupError with the first error's name."""
    errors: list[KafkaError] = []
    common = {"group.id": "test", "enable.partition.eof": True, "error_cb": errors.append, "log_level": 0}
    consumer = Consumer({**settings, **common})
    found: list[tuple[int | None, bytes | None]] = []
    try:
        consumer.assign([TopicPartition(hub, 0, 0)])
        _raise_what_the_topic_says(consumer, hub, errors)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for message in consumer.consume(100, 0.1):
                error = message.error()
                if error is None:
                    found.append((message.offset(), message.value()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    return found
                else:
                    raise LookupError(error.name())
        raise TimeoutError
    finally:
        consumer.close()


def _raise_what_the_topic_says(consumer: Consumer, hub: str, errors: list[KafkaError]) -> None:
    for _ in range(20):
        with contextlib.suppress(KafkaException):
            if error := consumer.list_topics(hub, timeout=0.5).topics[hub].error:
                raise LookupError(error.name())
            return
        consumer.poll(0)
        if errors:
            raise LookupError(errors[0].name())


def commit(broker: KafkaBroker, hub: str, offset: int) -> None:
    """Commit an offset of the first partition to the group `test`."""
    consumer = Consumer({**broker.client_settings(), "group.id": "test", "log_level": 0})
    try:
        consumer.commit(offsets=[TopicPartition(hub, 0, offset)], asynchronous=False)
    finally:
        consumer.close()


def bearer(broker: KafkaBroker, entra: Simulator, **changes: Any) -> dict[str, Any]:
    """Settings with a token of the app "workload"; `changes` replace claims, `key` the signing key."""
    good = entra.access_token("workload", "https://localhost")
    key = changes.pop("key", None)
    if changes or key:
        claims = jwt.decode(good, options={"verify_signature": False}) | changes
        headers = {"kid": jwt.get_unverified_header(good)["kid"]}
        good = jwt.encode(claims, key or entra.entra._tokens._key, algorithm="RS256", headers=headers)
    return {
        "bootstrap.servers": broker.namespace,
        "ssl.ca.location": broker.ca_bundle,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": lambda _: (good, time.time() + 3599),
    }


def test_a_connection_string_opens_the_namespace(broker: KafkaBroker) -> None:
    hub = broker.create_hub()
    broker.produce(hub, [b"a", None, b""])
    assert read(broker.client_settings(), hub) == [(0, b"a"), (1, None), (2, b"")]


def test_a_connection_string_with_a_hub_opens_its_own_listener(broker: KafkaBroker) -> None:
    hub = broker.create_hub()
    broker.produce(hub, [b"a"])
    own = {"bootstrap.servers": broker.hub_namespace, "sasl.password": broker.hub_connection_string}
    assert read({**broker.client_settings(), **own}, hub) == [(0, b"a")]


def test_another_key_is_refused(broker: KafkaBroker) -> None:
    hub = broker.create_hub()
    with pytest.raises(LookupError, match="_AUTHENTICATION"):
        read({**broker.client_settings(), "sasl.password": broker.connection_string + "A"}, hub)


def test_a_token_reads_what_its_subject_was_granted(broker: KafkaBroker, entra: Simulator) -> None:
    granted, other = broker.create_hub(), broker.create_hub()
    broker.produce(granted, [b"a"])
    broker.grant_read(entra.apps["workload"].object_id, granted, "test")
    assert read(bearer(broker, entra), granted) == [(0, b"a")]
    with pytest.raises(LookupError, match="TOPIC_AUTHORIZATION_FAILED"):
        read(bearer(broker, entra), other)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://graph.microsoft.com"},
        {"iss": "https://sts.windows.net/another/"},
        {"iat": 1, "nbf": 1, "exp": 2},
        {"key": shared_signing_key("another issuer")},
    ],
    ids=["audience", "issuer", "expired", "signature"],
)
def test_other_tokens_are_refused(broker: KafkaBroker, entra: Simulator, changes: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match="_AUTHENTICATION"):
        read(bearer(broker, entra, **changes), broker.create_hub())


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_ports_and_data_outlive_it(broker: KafkaBroker, end: str) -> None:
    hub = broker.create_hub(partitions=1)
    broker.produce(hub, [b"a", b"b", b"c"])
    broker.add_partitions(hub, 2)
    broker.produce(hub, [b"d"], partition=1)
    commit(broker, hub, 2)
    assert broker.committed("test", hub) == {0: 2}
    getattr(broker, end)()
    assert not broker.is_running
    broker.start()
    assert broker.watermarks(hub, (0, 1)) == {0: (0, 3), 1: (0, 1)}
    assert broker.committed("test", hub) == {0: 2}
    broker.produce(hub, [b"e"])
    assert read(broker.client_settings(), hub)[-1] == (3, b"e")


def test_deleted_records_are_gone(broker: KafkaBroker) -> None:
    hub = broker.create_hub()
    broker.produce(hub, [b"a", b"b", b"c"])
    broker.delete_records_before(hub, 2)
    assert broker.watermarks(hub) == {0: (2, 3)}


def test_transactions_take_offsets_of_their_own(broker: KafkaBroker) -> None:
    hub = broker.create_hub()
    broker.produce_transaction(hub, [b"a"])
    broker.produce_transaction(hub, [b"b"], commit=False)
    broker.produce(hub, [b"c"])
    assert read(broker.client_settings(), hub) == [(0, b"a"), (4, b"c")]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert missing_tools() == "Java is not installed: the Apache Kafka broker needs a JDK 17 or newer"
    launcher = tmp_path / "bin" / "java"
    launcher.parent.mkdir()
    launcher.touch(0o755)
    monkeypatch.setattr("tests.kafka_broker.jars.CACHE", tmp_path)
    assert missing_tools() == "Maven (mvn) is not installed: it fetches the Apache Kafka broker's jars"
