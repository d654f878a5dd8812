"""EventHubHook against a real broker."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from airflow_provider_defender.exceptions import (
    ConnectionFailed,
    CredentialError,
    DefenderError,
    HostUnreachable,
    MissingHub,
    PermissionMissing,
    PositionAhead,
    ServiceUnavailable,
    TlsMismatch,
)
from airflow_provider_defender.hooks import EventHubHook, MessageBatch, Offsets
from airflow_provider_defender.simulator import Application, KeyPair, Simulator
from tests.kafka_broker import KafkaBroker

pytestmark = pytest.mark.integration

SLOWLY = {
    "queued.max.messages.kbytes": "64",
    "max.partition.fetch.bytes": "65536",
    "fetch.max.bytes": "65536",
    "message.max.bytes": "65536",
}
"""Settings with which little is fetched ahead, so that what happens in the middle of a read matters."""
LARGE = 4000
"""Bytes of a message where many are to be still to come."""

Connect = Callable[..., EventHubHook]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, entra: Simulator) -> Connect:
    """Makes a hook of a connection given as a dictionary; other arguments are the hook's."""
    identity = entra.connections()["entra_id_default"]
    monkeypatch.setenv("AIRFLOW_CONN_ENTRA_ID_DEFAULT", json.dumps(identity))

    def hook(connection: dict[str, Any], **arguments: Any) -> EventHubHook:
        monkeypatch.setenv("AIRFLOW_CONN_EVENT_HUB_DEFAULT", json.dumps(connection))
        return EventHubHook(**arguments)

    return hook


@pytest.fixture
def receiver(broker: KafkaBroker, entra: Simulator) -> Application:
    """The application of `entra_id_default`, allowed to read all hubs."""
    application = entra.apps["reader"]
    broker.grant_read(application.object_id)
    return application


def read(batches: Iterable[MessageBatch]) -> dict[int, list[tuple[int, bytes | None]]]:
    """Partition → offsets and values, as they came."""
    found: dict[int, list[tuple[int, bytes | None]]] = {}
    for batch in batches:
        for partition, offset, value in zip(batch.partitions, batch.offsets, batch.values, strict=True):
            found.setdefault(partition, []).append((offset, value))
    return found


def offsets(batches: Iterable[MessageBatch]) -> list[int]:
    """The offsets of the first partition, as they came."""
    return [offset for offset, _ in read(batches).get(0, [])]


def fill(broker: KafkaBroker, hub: str, count: int, partition: int = 0, size: int = LARGE) -> None:
    broker.produce(hub, (b"%07d" % n + b"." * (size - 7) for n in range(count)), partition=partition)


# Who we are ---------------------------------------------------------------------------------------


def check_that_it_reads(broker: KafkaBroker, hook: EventHubHook, hub: str) -> None:
    broker.produce(hub, [b'{"a":1}', None, b"\xff"])
    assert hook.partitions() == [0]
    assert hook.watermarks() == {0: Offsets(0, 3)}
    assert read(hook.batches({0: [(0, 3)]})) == {0: [(0, b'{"a":1}'), (1, None), (2, b"\xff")]}
    fine, text = hook.test_connection()
    assert fine, text
    assert "1 partition" in text
    hook.close()


def test_a_connection_string_of_the_namespace(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    hook = connect(broker.connection(), hub=hub)
    assert (hook.namespace, hook.hub) == (broker.namespace, hub)
    check_that_it_reads(broker, hook, hub)


def test_a_connection_string_of_the_hub(broker: KafkaBroker, connect: Connect) -> None:
    broker.create_hub(broker.entity_path)
    hook = connect(broker.connection(by_hub=True))
    assert hook.hub == broker.entity_path
    check_that_it_reads(broker, hook, broker.entity_path)
    broker.delete_hub(broker.entity_path)


def test_microsofts_own_settings(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    settings = {
        "bootstrap.servers": broker.namespace,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "$ConnectionString",
        "sasl.password": broker.connection_string,
        "ssl.ca.location": broker.ca_bundle,
    }
    hook = connect({"conn_type": "event_hub", "extra": settings}, hub=hub)
    check_that_it_reads(broker, hook, hub)


def test_a_token_of_entra_id(broker: KafkaBroker, connect: Connect, receiver: Application) -> None:
    hub = broker.create_hub()
    check_that_it_reads(broker, connect(broker.token_connection(hub)), hub)


# What can be wrong --------------------------------------------------------------------------------


def check_that_it_fails(hook: EventHubHook, kind: type[DefenderError], *secrets: str) -> None:
    """Each question ends in the same error, soon, and without a secret."""
    for ask in (hook.partitions, hook.watermarks, lambda: list(hook.batches({0: [(0, 1)]}))):
        began = time.monotonic()
        with pytest.raises(DefenderError) as caught:
            ask()
        assert caught.type is kind
        assert time.monotonic() - began < 60
        assert not [secret for secret in secrets if secret in str(caught.value)]
    began = time.monotonic()
    fine, text = hook.test_connection()
    assert not fine
    assert time.monotonic() - began < 60
    assert not [secret for secret in secrets if secret in text]
    hook.close()


def test_a_wrong_key(broker: KafkaBroker, connect: Connect) -> None:
    connection = broker.connection(broker.create_hub())
    wrong = "bm90IHRoZSBrZXkgb2YgdGhpcyBuYW1lc3BhY2U="
    connection["password"] = connection["password"].rpartition("=YS")[0] + f"={wrong}"
    check_that_it_fails(connect(connection), CredentialError, wrong)


def test_a_token_for_another_namespace(broker: KafkaBroker, connect: Connect, receiver: Application) -> None:
    scope = "https://another.servicebus.windows.net/.default"
    hook = connect(broker.token_connection(broker.create_hub(), scope=scope))
    check_that_it_fails(hook, CredentialError, "eyJ")


def test_an_application_that_entra_id_refuses(
    broker: KafkaBroker, connect: Connect, entra: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entra.apps["reader"], "enabled", False)
    hook = connect(broker.token_connection(broker.create_hub()))
    check_that_it_fails(hook, CredentialError, entra.client_secret)


def use_application(entra: Simulator, name: str, monkeypatch: pytest.MonkeyPatch) -> Application:
    """Let `entra_id_default` be another application."""
    application = entra.apps[name]
    identity = entra.connections()["entra_id_default"]
    identity |= {"login": application.client_id, "password": application.client_secret}
    monkeypatch.setenv("AIRFLOW_CONN_ENTRA_ID_DEFAULT", json.dumps(identity))
    return application


def test_an_application_without_the_role(
    broker: KafkaBroker, connect: Connect, entra: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = use_application(entra, "no role", monkeypatch)
    hook = connect(broker.token_connection(broker.create_hub()))
    check_that_it_fails(hook, PermissionMissing, application.client_secret)


@pytest.mark.parametrize("token", [False, True])
def test_a_missing_hub(broker: KafkaBroker, connect: Connect, receiver: Application, token: bool) -> None:
    connection = broker.token_connection("no-such-hub") if token else broker.connection("no-such-hub")
    check_that_it_fails(connect(connection), MissingHub)


def test_nothing_listens(broker: KafkaBroker, connect: Connect) -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))  # taken, and refuses
        hook = connect({**broker.connection("hub"), "port": bound.getsockname()[1]})
        check_that_it_fails(hook, ConnectionFailed)


def test_a_host_without_an_address(
    broker: KafkaBroker, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "")  # also where no name server can be asked

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    check_that_it_fails(
        connect({**broker.connection("hub"), "host": "no-such-host.invalid"}), HostUnreachable
    )


def test_an_authority_that_is_not_trusted(broker: KafkaBroker, connect: Connect, tmp_path: Path) -> None:
    other = tmp_path / "ca.pem"
    other.write_bytes(KeyPair.create("another").certificate.public_bytes(Encoding.PEM))
    check_that_it_fails(connect(broker.connection("hub", ca_bundle=str(other))), TlsMismatch)


def test_tls_where_none_is_spoken(broker: KafkaBroker, connect: Connect) -> None:
    hook = connect({**broker.connection("hub"), "port": broker.ports["INTERNAL"]})
    check_that_it_fails(hook, TlsMismatch)


def test_no_tls_where_it_is_spoken(broker: KafkaBroker, connect: Connect) -> None:
    hook = connect(broker.connection("hub", security_protocol="SASL_PLAINTEXT"))
    check_that_it_fails(hook, TlsMismatch)


# Offsets ------------------------------------------------------------------------------------------


def test_offsets_by_time(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub(partitions=2, own_times=True)
    base = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
    first = int(base.timestamp() * 1000)
    broker.produce(hub, [b"."] * 4, times=[first, first + 1000, first + 1000, first + 5000])
    hook = connect(broker.connection(hub))

    def at(milliseconds: float) -> dict[int, int]:
        return hook.offsets_at(base + timedelta(milliseconds=milliseconds))

    assert at(-1e9) == {0: 0, 1: 0}
    assert at(0) == {0: 0, 1: 0}
    assert at(0.5) == {0: 1, 1: 0}
    assert at(1000) == {0: 1, 1: 0}
    assert at(1001) == {0: 3, 1: 0}
    assert at(5001) == {0: 4, 1: 0}
    assert hook.offsets_at(base, [1]) == {1: 0}
    times = hook.enqueued_at({0: 1, 1: 0})
    assert times == {0: base + timedelta(seconds=1), 1: None}
    [batch] = hook.batches({0: [(2, 4)]})
    assert batch.enqueued == [first + 1000, first + 5000]


def test_several_ranges_of_several_partitions(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub(partitions=3)
    for partition in range(3):
        fill(broker, hub, 3000, partition, size=200)
    ranges = {0: [(5, 10), (1000, 1300), (2999, 3000)], 2: [(0, 3000)]}
    hook = connect(broker.connection(hub))
    batches = list(hook.batches(ranges, batch_messages=500))
    found = read(batches)
    assert [offset for offset, _ in found[0]] == [*range(5, 10), *range(1000, 1300), 2999]
    assert [offset for offset, _ in found[2]] == list(range(3000))
    assert all(
        value is not None and int(value[:7]) == offset for each in found.values() for offset, value in each
    )
    assert set(found) == {0, 2}
    assert {**batches[0].reached, **batches[-1].reached} == {0: 3000, 2: 3000}
    assert max(map(len, batches)) <= 500


def test_limits_end_a_read(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    fill(broker, hub, 500, size=1000)
    hook = connect(broker.connection(hub))
    assert offsets(hook.batches({0: [(0, 500)]}, max_messages=120)) == list(range(120))
    some = offsets(hook.batches({0: [(0, 500)]}, max_bytes=50_000))
    assert some == list(range(50))


def test_offsets_that_hold_no_message(broker: KafkaBroker, connect: Connect) -> None:
    """The ends of transactions, and what was aborted, have offsets that nobody is ever given."""
    hub = broker.create_hub()
    broker.produce_transaction(hub, [b"a", b"b"])
    broker.produce_transaction(hub, [b"no"] * 3, commit=False)
    broker.produce(hub, [b"c"])
    broker.produce_transaction(hub, [b"d"])
    assert broker.watermarks(hub)[0] == (0, 10)
    hook = connect(broker.connection(hub))
    batches = list(hook.batches({0: [(0, 10)]}))
    assert offsets(batches) == [0, 1, 7, 8]
    assert batches[-1].reached == {0: 10}
    assert not [batch.lost for batch in batches if batch.lost]
    assert read(hook.batches({0: [(2, 7)]})) == {}


def test_partitions_are_added_between_reads(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    broker.produce(hub, [b"a"])
    hook = connect(broker.connection(hub))
    assert hook.watermarks() == {0: Offsets(0, 1)}
    broker.add_partitions(hub, 3)
    broker.produce(hub, [b"b"], partition=2)
    later = connect(broker.connection(hub))
    assert later.watermarks() == {0: Offsets(0, 1), 1: Offsets(0, 0), 2: Offsets(0, 1)}
    assert read(later.batches({0: [(0, 1)], 2: [(0, 1)]})) == {0: [(0, b"a")], 2: [(0, b"b")]}


# What retention takes -----------------------------------------------------------------------------


def test_messages_that_are_gone_before_the_read(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    fill(broker, hub, 50, size=100)
    hook = connect(broker.connection(hub))
    marks = hook.watermarks()
    broker.delete_records_before(hub, 20)
    batches = list(hook.batches({0: [(0, 10), (15, marks[0].high)]}))
    assert offsets(batches) == list(range(20, 50))
    assert [each for batch in batches for each in batch.lost] == [(0, 0, 10), (0, 15, 20)]
    assert batches[-1].reached == {0: 50}


def test_messages_that_are_all_gone(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    fill(broker, hub, 50, size=100)
    broker.delete_records_before(hub, 50)
    hook = connect(broker.connection(hub))
    assert hook.watermarks() == {0: Offsets(50, 50)}
    batches = list(hook.batches({0: [(10, 50)]}))
    assert offsets(batches) == []
    assert [each for batch in batches for each in batch.lost] == [(0, 10, 50)]


def test_retention_overtakes_a_read(broker: KafkaBroker, connect: Connect) -> None:
    count, first_kept = 2000, 1700
    hub = broker.create_hub()
    fill(broker, hub, count)
    hook = connect(broker.connection(hub), config=SLOWLY)
    found: list[int] = []
    lost: list[int] = []
    for batch in hook.batches({0: [(0, count)]}, batch_messages=50):
        found += batch.offsets
        lost += [offset for _, start, end in batch.lost for offset in range(start, end)]
        if not lost and found[-1] < 100:
            broker.delete_records_before(hub, first_kept)
    assert sorted(found + lost) == list(range(count))
    assert lost
    assert max(lost) == first_kept - 1
    assert batch.reached == {0: count}


# Outages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_broker_is_restarted_in_the_middle(broker: KafkaBroker, connect: Connect, end: str) -> None:
    count = 1500
    hub = broker.create_hub(partitions=2)
    fill(broker, hub, count, 0)
    fill(broker, hub, count, 1)
    hook = connect(broker.connection(hub), config=SLOWLY)
    batches = hook.batches({0: [(0, count)], 1: [(0, count)]}, batch_messages=50)
    found = read([next(batches)])
    getattr(broker, end)()
    broker.start()
    for partition, each in read(batches).items():
        found.setdefault(partition, []).extend(each)
    assert {partition: [offset for offset, _ in each] for partition, each in found.items()} == {
        0: list(range(count)),
        1: list(range(count)),
    }


def test_the_broker_stays_down(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    fill(broker, hub, 1500)
    hook = connect(broker.connection(hub), config=SLOWLY, outage_seconds=3)
    batches = hook.batches({0: [(0, 1500)]}, batch_messages=50)
    next(batches)
    broker.kill()
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable, match=hub):
        list(batches)
    assert time.monotonic() - began < 60


def test_the_hub_is_another_one(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    fill(broker, hub, 10, size=10)
    with pytest.raises(PositionAhead, match=hub):
        list(connect(broker.connection(hub)).batches({0: [(0, 20)]}))


def test_the_hub_is_deleted_in_the_middle(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub()
    fill(broker, hub, 1500)
    hook = connect(broker.connection(hub), config=SLOWLY, outage_seconds=60)
    batches = hook.batches({0: [(0, 1500)]}, batch_messages=50)
    next(batches)
    broker.delete_hub(hub)
    with pytest.raises(MissingHub, match=hub):
        list(batches)


# Tokens that run out ------------------------------------------------------------------------------


@pytest.fixture
def short_lived(receiver: Application, entra: Simulator, monkeypatch: pytest.MonkeyPatch) -> int:
    """The receiver's tokens live for so many seconds."""
    monkeypatch.setattr(receiver, "token_seconds", 8)
    entra.requests.clear()
    return 8


def tokens_asked(entra: Simulator) -> int:
    return len([request for request in entra.requests if request.path.endswith("/token")])


def test_a_token_runs_out_in_the_middle(
    broker: KafkaBroker, connect: Connect, entra: Simulator, short_lived: int
) -> None:
    hub = broker.create_hub()
    fill(broker, hub, 3000)
    hook = connect(broker.token_connection(hub), config=SLOWLY)
    batches = hook.batches({0: [(0, 3000)]}, batch_messages=50)
    found = offsets([next(batches)])
    time.sleep(2 * short_lived)  # to map what was read can take so long
    found += offsets(batches)
    assert found == list(range(3000))
    assert tokens_asked(entra) >= 3


def test_a_token_that_cannot_be_renewed(
    broker: KafkaBroker,
    connect: Connect,
    receiver: Application,
    short_lived: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker cuts the connection once the token has run out: without renewal nothing more comes."""
    hub = broker.create_hub()
    fill(broker, hub, 3000)
    hook = connect(broker.token_connection(hub), config=SLOWLY)
    batches = hook.batches({0: [(0, 3000)]}, batch_messages=50)
    next(batches)
    monkeypatch.setattr(receiver, "enabled", False)
    time.sleep(short_lived + 2)
    with pytest.raises(CredentialError):
        list(batches)


# The group's offsets ------------------------------------------------------------------------------


def test_a_commit_is_seen_by_others(broker: KafkaBroker, connect: Connect) -> None:
    hub = broker.create_hub(partitions=2)
    fill(broker, hub, 10, 0, size=10)
    hook = connect(broker.connection(hub))
    hook.commit({0: 7, 1: 0}, group="lake")
    assert broker.committed("lake", hub) == {0: 7, 1: 0}
    hook.commit({0: 10}, group="lake")
    assert broker.committed("lake", hub) == {0: 10, 1: 0}
    hook.close()


def test_a_commit_that_is_refused_is_a_warning(
    broker: KafkaBroker,
    connect: Connect,
    entra: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub = broker.create_hub()
    application = use_application(entra, "other role", monkeypatch)
    broker.grant_read(application.object_id, hub, "another group")
    hook = connect(broker.token_connection(hub))
    assert hook.partitions() == [0]
    hook.commit({0: 0}, group="lake")
    assert re.search("could not be committed to group lake: .*authorization failed", capsys.readouterr().out)
    assert broker.committed("lake", hub) == {}
    hook.close()
