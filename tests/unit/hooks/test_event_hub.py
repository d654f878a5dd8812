"""EventHubHook against librdkafka's mock cluster, with the faults that it can play."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    ConnectionFailed,
    CredentialError,
    DefenderError,
    FailNow,
    FirewallRefused,
    HostUnreachable,
    MissingHub,
    PermissionMissing,
    PositionAhead,
    ServiceUnavailable,
    TlsMismatch,
)
from airflow_provider_defender.hooks import AccessToken, EventHubHook, Offsets
from airflow_provider_defender.hooks._kafka import client as kafka_client
from airflow_provider_defender.hooks._kafka.messages import MessageBatch
from airflow_provider_defender.hooks._kafka.tuning import Tuning
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.simulator.server.tls import TlsFiles, issue_tls_files
from tests.unit.hooks._kafka.kafka_cluster import (
    FETCH,
    LIST_OFFSETS,
    OFFSET_COMMIT,
    MockCluster,
    SaslFront,
    mock_cluster,
)
from tests.unit.hooks.conftest import Connect, Watch

KEY = "c2VjcmV0LWtleS1vZi10aGUtcG9saWN5"
STRING = f"Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey={KEY}"
MakeHook = Callable[..., EventHubHook]
QUICK = Tuning(patience=0.3, between_looks=0.0)


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    """A broker with the hub `events`: ten messages in the first partition, none in the second; and `many`."""
    with mock_cluster() as cluster:
        cluster.create("events", 2)
        cluster.send("events", *(b"message %d" % number for number in range(10)))
        cluster.create("many")
        cluster.send("many", *(b"%01000d" % number for number in range(2000)))
        yield cluster


@pytest.fixture
def many() -> dict[str, Any]:
    """The hub `many` of 2,000 messages of a kilobyte, and settings by which few of them are fetched ahead."""
    sizes = {"queued.max.messages.kbytes": 20, "queued.min.messages": 1, "max.partition.fetch.bytes": 10_000}
    return {"event_hub": "many", "kafka_config": sizes}


@pytest.fixture
def make(
    cluster: MockCluster, watch: Watch, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> MakeHook:
    """Make a hook; the connection leads to the mock cluster, changed as asked."""
    watch.secrets += [STRING, KEY]

    def hook(hook_options: dict[str, Any] | None = None, **changes: Any) -> EventHubHook:
        extra: dict[str, Any] = {"event_hub": "events", "security_protocol": "PLAINTEXT"}
        fields: dict[str, Any] = {"conn_type": "event_hub", "host": "127.0.0.1", "port": cluster.port}
        for name, value in changes.items():
            target = fields if name in ("host", "port", "login", "password") else extra
            target[name] = value
        fields["extra"] = {name: value for name, value in extra.items() if value is not None}
        monkeypatch.setenv("AIRFLOW_CONN_EVENT_HUB_DEFAULT", json.dumps(fields))
        made = EventHubHook(**{"tuning": QUICK, **(hook_options or {})})
        request.addfinalizer(made.close)
        return made

    return hook


def failure(watch: Watch, kind: type[DefenderError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    message = str(caught.value)
    watch.shown.append(message)
    assert "\n" not in message
    return message


def read(hook: EventHubHook, ranges: dict[int, list[tuple[int, int]]], **limits: Any) -> list[int]:
    return [offset for batch in hook.batches(ranges, **limits) for offset in batch.offsets]


# -- names


def test_names(make: MakeHook, cluster: MockCluster) -> None:
    hook = make()
    assert hook.namespace == f"127.0.0.1:{cluster.port}"
    assert hook.hub == "events"
    assert hook.log_name == f"event_hub-127.0.0.1_{cluster.port}..events"
    assert hook.tenant_id is None
    assert make({"hub": "Other"}).hub == "Other"
    assert make({"hub": "Other"}).log_name.endswith("..Other")


def test_names_at_microsofts_hosts_ignore_case(make: MakeHook) -> None:
    place = {"host": "Contoso.ServiceBus.Windows.Net", "port": None, "security_protocol": None}
    hook = make(**place, event_hub="Defender", password=f"{STRING};EntityPath=defender")
    assert hook.namespace == "contoso.servicebus.windows.net"
    assert hook.hub == "Defender"
    assert hook.log_name == "event_hub-contoso.servicebus.windows.net-defender"
    long = make({"hub": "x" * 256}, **place, password=STRING).log_name
    other = make({"hub": "x" * 255 + "y"}, **place, password=STRING).log_name
    assert len(long) == len(other) == 200
    assert long != other


def test_the_hub_comes_from_the_argument_the_field_or_the_string(make: MakeHook, watch: Watch) -> None:
    string = {"password": f"{STRING};EntityPath=events", "security_protocol": "SASL_PLAINTEXT"}
    assert make(**string, event_hub=None).hub == "events"
    assert make(**string).hub == "events"
    for wrong in (make({"hub": "Events"}, **string), make(**string, event_hub="other")):
        assert "opens 'events' only" in failure(watch, ConfigurationError, partial(getattr, wrong, "hub"))
    assert "hub's name is missing" in failure(watch, ConfigurationError, lambda: make(event_hub=None).hub)
    assert "letters, digits" in failure(watch, ConfigurationError, lambda: make({"hub": "a/b"}).hub)


def test_secrets_are_masked(make: MakeHook, watch: Watch) -> None:
    assert make(password=STRING, security_protocol="SASL_PLAINTEXT").namespace
    assert {STRING, KEY} <= set(watch.masked)


# -- questions


def test_partitions_and_watermarks(make: MakeHook) -> None:
    hook = make()
    assert hook.partitions() == [0, 1]
    assert hook.watermarks() == {0: Offsets(0, 10), 1: Offsets(0, 0)}
    assert hook.watermarks([0]) == {0: Offsets(0, 10)}


def test_a_partition_that_is_not_there(make: MakeHook, watch: Watch) -> None:
    message = failure(watch, ConfigurationError, lambda: make().watermarks([0, 7]))
    assert "no partition 7: it has 2" in message


def test_offsets_at_a_time_without_later_messages_are_the_next_ones(make: MakeHook) -> None:
    """The mock cluster knows no times: as where nothing is that late."""
    assert make().offsets_at(datetime.now(timezone.utc)) == {0: 10, 1: 0}
    with pytest.raises(ValueError, match="time zone"):
        make().offsets_at(datetime(2026, 1, 1))


def test_a_moment_is_rounded_up_to_milliseconds(make: MakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[int, int]] = []

    def offsets(self: Any, hub: str, times: dict[int, int], **_: Any) -> dict[int, int]:
        asked.append(dict(times))
        return {partition: {-2: 0, -1: 10}.get(moment, 4) for partition, moment in times.items()}

    monkeypatch.setattr(kafka_client.HubClient, "offsets", offsets)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    for moment, milliseconds in (
        (epoch + timedelta(seconds=2), 2000),
        (epoch + timedelta(microseconds=2_000_001), 2001),
        (epoch - timedelta(days=1), 0),
        (datetime.max.replace(tzinfo=timezone.utc), 253_402_300_800_000),
    ):
        assert make().offsets_at(moment, [0]) == {0: 4}
        assert asked[-1] == {0: milliseconds}


def test_when_single_messages_were_enqueued(make: MakeHook) -> None:
    before = datetime.now(timezone.utc) - timedelta(minutes=1)
    times = make().enqueued_at({0: 3, 1: 0})
    assert times[1] is None
    assert times[0] is not None
    assert before < times[0] < before + timedelta(minutes=2)
    assert make().enqueued_at({0: 10}) == {0: None}


# -- reading


def test_ranges_are_read_to_their_ends(make: MakeHook, cluster: MockCluster) -> None:
    cluster.send("events", b"a", None, b"c", partition=1)
    batches = list(make().batches({0: [(2, 4), (6, 6), (7, 9)], 1: [(0, 3)]}))
    rows = [
        row for batch in batches for row in zip(batch.partitions, batch.offsets, batch.values, strict=True)
    ]
    assert sorted(rows, key=lambda row: row[:2]) == [
        *((0, offset, b"message %d" % offset) for offset in (2, 3, 7, 8)),
        (1, 0, b"a"),
        (1, 1, None),
        (1, 2, b"c"),
    ]
    reached: dict[int, int] = {}
    for batch in batches:
        reached.update(batch.reached)
    assert reached == {0: 9, 1: 3}
    assert not [batch for batch in batches if batch.lost]


def test_nothing_is_asked_for_nothing(make: MakeHook, cluster: MockCluster) -> None:
    cluster.stop()
    assert list(make().batches({})) == []
    assert list(make().batches({0: [], 1: [(5, 5)]})) == []


@pytest.mark.parametrize("pairs", [[(3, 1)], [(0, 4), (3, 5)], [(5, 6), (0, 1)], [(-2, 1)]])
def test_ranges_must_ascend(make: MakeHook, pairs: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="must ascend"):
        list(make().batches({0: pairs}))


def test_limits_end_a_read(make: MakeHook) -> None:
    hook = make()
    assert read(hook, {0: [(0, 10)]}, max_messages=4, batch_messages=3) == [0, 1, 2, 3]
    assert read(hook, {0: [(0, 10)]}, max_bytes=20) == [0, 1, 2]
    assert read(hook, {0: [(0, 10)]}, max_duration=0.0) == []


def test_a_reader_that_is_left_closes_its_client(make: MakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Any] = []
    close = kafka_client.HubClient.close

    def noted_close(client: kafka_client.HubClient) -> None:
        closed.append(client)
        close(client)

    monkeypatch.setattr(kafka_client.HubClient, "close", noted_close)
    batches = make().batches({0: [(0, 10)]}, batch_messages=1)
    next(batches)
    assert not closed
    batches.close()  # type: ignore[attr-defined]
    assert len(closed) == 1


_LEAVES_A_READER = """
from airflow_provider_defender.hooks import EventHubHook
batches = EventHubHook().batches({0: [(0, 2000)]}, batch_messages=10)
next(batches)
"""


def test_a_reader_that_is_left_does_not_keep_the_process(make: MakeHook, many: dict[str, Any]) -> None:
    """While the interpreter ends, no thread begins any more: to wait for one is to wait for ever."""
    make(**many)  # sets the connection
    subprocess.run([sys.executable, "-c", _LEAVES_A_READER], check=True, timeout=120)


class Stubborn:
    """A consumer whose close hangs, or fails."""

    def __init__(self, close: Callable[[], object]) -> None:
        self.close = close


def test_a_client_that_hangs_does_not_hold_up_the_task(make: MakeHook, watch: Watch) -> None:
    over = threading.Event()
    client = make({"tuning": replace(QUICK, close=0.1)})._new_client()
    consumer, client.consumer = client.consumer, Stubborn(over.wait)
    client.close()
    assert "still closing" in watch.text
    over.set()
    consumer.close()


@pytest.mark.parametrize("threads", [True, False])
def test_a_client_that_does_not_close_hides_no_error(
    make: MakeHook, watch: Watch, monkeypatch: pytest.MonkeyPatch, threads: bool
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no more")

    client = make()._new_client()
    consumer, client.consumer = client.consumer, Stubborn(fail)
    if not threads:
        monkeypatch.setattr(threading.Thread, "start", fail)
    client.close()
    assert "did not close: no more" in watch.text
    consumer.close()


def test_retention_that_was_faster_is_told(make: MakeHook, cluster: MockCluster) -> None:
    """The mock cluster keeps five megabytes of a partition."""
    cluster.create("big")
    cluster.send("big", *([b"x" * 900_000] * 9))
    hook = make(event_hub="big")
    low = hook.watermarks()[0].low
    assert 2 < low < 9
    batches = list(hook.batches({0: [(0, 2), (3, 9)]}))
    assert [offset for batch in batches for offset in batch.offsets] == list(range(low, 9))
    lost = [each for batch in batches for each in batch.lost]
    assert lost == [(0, 0, 2), *([(0, 3, low)] if low > 3 else [])]
    assert batches[-1].reached == {0: 9}


def test_a_hub_that_ends_before_the_position_is_another_hub(make: MakeHook, watch: Watch) -> None:
    for start in (5, 10, 20):
        hook = make()
        message = failure(watch, PositionAhead, partial(read, hook, {0: [(start, 30)]}))
        assert "ends at offset 10" in message


def test_a_restart_in_mid_read_neither_loses_nor_doubles(
    make: MakeHook, cluster: MockCluster, many: dict[str, Any]
) -> None:
    hook = make(**many)
    seen: list[int] = []
    for number, batch in enumerate(hook.batches({0: [(0, 2000)]}, batch_messages=100)):
        seen += batch.offsets
        if number == 2:
            cluster.stop()
            threading.Timer(0.5, cluster.start).start()
    assert seen == list(range(2000))
    assert hook.waited_seconds > 0


def test_an_outage_is_waited_out_but_not_for_ever(
    make: MakeHook, cluster: MockCluster, many: dict[str, Any], watch: Watch
) -> None:
    batches = make({"outage_seconds": 0.5}, **many).batches({0: [(0, 2000)]}, batch_messages=100)
    next(batches)
    cluster.stop()
    assert "gave no messages of hub 'many'" in failure(watch, ServiceUnavailable, lambda: list(batches))


def test_passing_errors_of_the_broker_are_nothing(make: MakeHook, cluster: MockCluster) -> None:
    cluster.fail_next(LIST_OFFSETS, KafkaError.NOT_LEADER_FOR_PARTITION)
    cluster.fail_next(FETCH, KafkaError.NOT_LEADER_FOR_PARTITION)
    hook = make()
    assert hook.watermarks()[0] == Offsets(0, 10)
    assert read(hook, {0: [(0, 10)]}) == list(range(10))


# -- what does not heal


def test_a_missing_hub(make: MakeHook, watch: Watch) -> None:
    message = failure(watch, MissingHub, make({"hub": "nothing"}).partitions)
    assert "has no hub 'nothing'" in message
    assert "check event_hub" in message


def test_missing_rights(make: MakeHook, cluster: MockCluster, watch: Watch) -> None:
    cluster.refuse("events", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert "right Listen" in failure(watch, PermissionMissing, make().partitions)


@pytest.mark.parametrize("request_kind", [LIST_OFFSETS, FETCH])
def test_missing_rights_that_show_late(
    make: MakeHook, cluster: MockCluster, watch: Watch, request_kind: int
) -> None:
    hook = make()
    assert hook.partitions()
    cluster.fail_next(request_kind, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    questions: dict[int, Callable[[], object]] = {
        LIST_OFFSETS: hook.watermarks,
        FETCH: lambda: read(hook, {0: [(0, 10)]}),
    }
    failure(watch, PermissionMissing, questions[request_kind])


def test_a_hub_without_a_leader_may_heal(make: MakeHook, cluster: MockCluster, watch: Watch) -> None:
    cluster.refuse("events", KafkaError.LEADER_NOT_AVAILABLE)
    assert "Leader not available" in failure(watch, ServiceUnavailable, make().partitions)


def test_nothing_listens(make: MakeHook, watch: Watch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    assert "nothing listens there" in failure(watch, ConnectionFailed, make(port=port).partitions)


def test_no_address(make: MakeHook, watch: Watch) -> None:
    hook = make(host="no-such-host.invalid")
    assert "host name has no address" in failure(watch, HostUnreachable, hook.partitions)


def test_a_listener_that_says_nothing(make: MakeHook, watch: Watch) -> None:
    options = {"tuning": replace(QUICK, contact=1.0, diagnosis=0.5)}
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        message = failure(watch, ServiceUnavailable, make(options, port=port).partitions)
        assert "check host, port and security_protocol" in message
        # A handshake is answered at once or not at all.
        secured = make(options, port=port, security_protocol="SSL")
        assert "does not answer a TLS handshake" in failure(watch, TlsMismatch, secured.partitions)


def test_tls_to_a_plaintext_listener(make: MakeHook, watch: Watch) -> None:
    message = failure(watch, TlsMismatch, make(security_protocol="SSL").partitions)
    assert "does not speak TLS there" in message


def test_a_setting_that_librdkafka_does_not_know(make: MakeHook, watch: Watch) -> None:
    message = failure(watch, ConfigurationError, make({"config": {"no.such.thing": 1}}).partitions)
    assert 'No such configuration property: "no.such.thing"' in message


# -- TLS and SASL


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return issue_tls_files(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture
def front(cluster: MockCluster, tls: TlsFiles) -> Iterator[SaslFront]:
    with SaslFront(cluster, lambda *_: None, certificate=(tls.certificate, tls.key)) as front:
        yield front


@pytest.fixture
def secured(make: MakeHook, front: SaslFront, tls: TlsFiles) -> MakeHook:
    """Make a hook to the front, with TLS and a connection string."""

    def hook(**changes: Any) -> EventHubHook:
        place = {"host": "localhost", "port": front.port, "ca_bundle": str(tls.authority)}
        return make(**{**place, "password": STRING, "security_protocol": None, **changes})

    return hook


def test_a_connection_string_opens_the_hub(secured: MakeHook, front: SaslFront) -> None:
    hook = secured()
    assert read(hook, {0: [(0, 10)]}) == list(range(10))
    assert set(front.shown) == {("PLAIN", f"\0$ConnectionString\0{STRING}".encode())}


@pytest.mark.parametrize(
    ("refusal", "kind", "advice"),
    [
        ("Authentication failed", CredentialError, "put a current connection string"),
        ("The request was rejected by firewall checks", FirewallRefused, "allow its address"),
    ],
)
def test_a_refused_string(
    secured: MakeHook, front: SaslFront, watch: Watch, refusal: str, kind: type[FailNow], advice: str
) -> None:
    front.check = lambda *_: refusal
    message = failure(watch, kind, secured().partitions)
    assert advice in message
    assert refusal in message


def test_a_key_that_is_withdrawn_in_mid_read(
    secured: MakeHook,
    front: SaslFront,
    many: dict[str, Any],
    watch: Watch,
) -> None:
    hook = secured(**many)
    hook._tuning = replace(QUICK, authentication_patience=0.3)
    batches = hook.batches({0: [(0, 2000)]}, batch_messages=10)
    next(batches)
    front.check = lambda *_: "Authentication failed"
    front.hang_up()
    failure(watch, CredentialError, lambda: list(batches))


def test_a_certificate_that_is_not_trusted(secured: MakeHook, watch: Watch) -> None:
    message = failure(watch, TlsMismatch, secured(ca_bundle=None).partitions)
    assert "not trusted" in message
    assert "ca_bundle" in message


def test_a_certificate_for_another_name(
    secured: MakeHook, cluster: MockCluster, watch: Watch, tmp_path: Path
) -> None:
    files = issue_tls_files(tmp_path, ["other.example"])
    with SaslFront(cluster, lambda *_: None, certificate=(files.certificate, files.key)) as front:
        hook = secured(port=front.port, ca_bundle=str(files.authority))
        assert "is for another name" in failure(watch, TlsMismatch, hook.partitions)


def test_a_plaintext_client_at_a_tls_listener(secured: MakeHook, watch: Watch) -> None:
    for protocol in ("SASL_PLAINTEXT", "PLAINTEXT"):
        message = failure(watch, TlsMismatch, secured(security_protocol=protocol).partitions)
        assert "it speaks TLS there" in message


def test_a_listener_without_sasl(make: MakeHook, watch: Watch) -> None:
    hook = make(password=STRING, security_protocol="SASL_PLAINTEXT")
    assert "does not take SASL PLAIN there" in failure(watch, CredentialError, hook.partitions)


# -- tokens of Entra ID


@pytest.fixture
def with_token(secured: MakeHook, connect: Connect, simulator: Simulator) -> MakeHook:
    """Make a hook to the front that signs in with a token of the simulated Entra ID."""
    entra = connect("entra_id_default")

    def hook(**changes: Any) -> EventHubHook:
        token = {"entra_id_conn_id": entra, "tenant_id": simulator.tenant_id, "cloud": "custom"}
        return secured(**{**token, "password": None, **changes})

    return hook


def _tokens(front: SaslFront) -> list[str]:
    assert {mechanism for mechanism, _ in front.shown} == {"OAUTHBEARER"}
    return [shown.split(b"auth=Bearer ")[1].split(b"\x01")[0].decode() for _, shown in front.shown]


def test_a_token_opens_the_hub(
    with_token: MakeHook, front: SaslFront, simulator: Simulator, watch: Watch
) -> None:
    hook = with_token()
    assert hook.tenant_id == simulator.tenant_id
    assert read(hook, {0: [(0, 10)]}) == list(range(10))
    assert set(_tokens(front)) <= set(watch.masked)
    assert {AccessToken(token, datetime.now(timezone.utc)).claims["aud"] for token in _tokens(front)} == {
        "https://localhost"
    }
    assert len(simulator.requests.to("/oauth2/v2.0/token")) == 1


def test_a_token_that_is_refused(with_token: MakeHook, front: SaslFront, watch: Watch) -> None:
    front.check = lambda *_: "invalid audience"
    message = failure(watch, CredentialError, with_token().partitions)
    assert "refused the token" in message
    assert "invalid audience" in message


def test_a_token_without_the_role(with_token: MakeHook, cluster: MockCluster, watch: Watch) -> None:
    cluster.refuse("events", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert "Azure Event Hubs Data Receiver" in failure(watch, PermissionMissing, with_token().partitions)


@pytest.mark.usefixtures("short_lived")
def test_entra_ids_own_words_come_through(
    with_token: MakeHook, front: SaslFront, simulator: Simulator, watch: Watch
) -> None:
    hook = with_token()
    simulator.apps["reader"].enabled = False
    message = failure(watch, CredentialError, hook.partitions)
    assert "AADSTS7000112" in message
    assert not front.shown


@pytest.fixture
def short_lived(simulator: Simulator) -> Iterator[None]:
    """Tokens live for two seconds."""
    reader = simulator.apps["reader"]
    reader.token_seconds = 2
    yield
    reader.token_seconds, reader.enabled = None, True


@pytest.mark.usefixtures("short_lived")
def test_a_token_is_renewed_in_mid_read(
    with_token: MakeHook, front: SaslFront, simulator: Simulator, many: dict[str, Any]
) -> None:
    batches = with_token(**many).batches({0: [(0, 2000)]}, batch_messages=10)
    seen = list(next(batches).offsets)
    old = set(_tokens(front))
    so_far = len(simulator.requests.to("/oauth2/v2.0/token"))
    while len(simulator.requests.to("/oauth2/v2.0/token")) == so_far:
        seen += next(batches).offsets
        time.sleep(0.05)
    front.shown.clear()
    front.hang_up()
    seen += [offset for batch in batches for offset in batch.offsets]
    assert seen == list(range(2000))
    assert not old & set(_tokens(front))


@pytest.mark.usefixtures("short_lived")
def test_a_token_that_cannot_be_renewed(
    with_token: MakeHook,
    front: SaslFront,
    simulator: Simulator,
    many: dict[str, Any],
    watch: Watch,
) -> None:
    hook = with_token(**many)
    hook._tuning = replace(QUICK, authentication_patience=0.3)
    batches = hook.batches({0: [(0, 2000)]}, batch_messages=10)
    next(batches)
    simulator.apps["reader"].enabled = False
    while "could not be renewed" not in watch.text:
        next(batches)
        time.sleep(0.05)
    front.check = lambda *_: "token expired"
    front.hang_up()
    assert "AADSTS7000112" in failure(watch, CredentialError, lambda: list(batches))


# -- the broker's group


def test_offsets_are_committed_for_people(make: MakeHook, cluster: MockCluster) -> None:
    from confluent_kafka import Consumer, TopicPartition

    hook = make()
    hook.commit({0: 4, 1: 0}, group="defender")
    hook.commit({0: 9}, group="defender")
    hook.commit({}, group="defender")
    consumer = Consumer({"bootstrap.servers": cluster.servers, "group.id": "defender"})
    found = consumer.committed([TopicPartition("events", 0), TopicPartition("events", 1)], timeout=10)
    consumer.close()
    assert [each.offset for each in found] == [9, 0]


def test_a_commit_that_fails_is_a_warning(make: MakeHook, cluster: MockCluster, watch: Watch) -> None:
    cluster.fail_next(OFFSET_COMMIT, KafkaError.GROUP_AUTHORIZATION_FAILED)
    make().commit({0: 4}, group="defender")
    assert "could not be committed to group defender" in watch.text
    assert "Group authorization failed" in watch.text


def test_a_commit_to_a_broker_that_is_away_is_a_warning(
    make: MakeHook, cluster: MockCluster, watch: Watch
) -> None:
    cluster.stop()
    make({"tuning": replace(QUICK, commit=0.5, close=0.1)}).commit({0: 4}, group="defender")
    assert "could not be committed" in watch.text


# -- the form's test button


def test_the_test_lists_the_partitions(make: MakeHook) -> None:
    good, message = make().test_connection()
    assert good
    assert "Hub events has 2 partitions: 0 (offsets 0 to 10), 1 (offsets 0 to 0)" in message


def test_without_a_hub_the_test_lists_the_hubs(make: MakeHook, cluster: MockCluster) -> None:
    cluster.create("other")
    good, message = make(event_hub=None).test_connection()
    assert good
    assert "it has: events, many, other" in message


def test_a_test_that_fails_says_why(
    make: MakeHook, secured: MakeHook, front: SaslFront, watch: Watch
) -> None:
    assert make(event_hub="nothing").test_connection()[0] is False
    front.check = lambda *_: "Authentication failed"
    good, message = secured().test_connection()
    watch.shown.append(message)
    assert not good
    assert "refused the key" in message
    good, message = make(password="nonsense", security_protocol="SASL_SSL").test_connection()
    watch.shown.append(message)
    assert not good
    assert "no connection string" in message


# -- for people


@pytest.fixture
def streamed(cluster: MockCluster) -> str:
    """A hub of three partitions with 12 messages each; each message holds two records."""
    cluster.create("streamed", 3)
    for partition in range(3):
        for number in range(12):
            records = [
                {"time": "t", "category": "AdvancedHunting-T", "properties": {"n": number, "half": half}}
                for half in range(2)
            ]
            cluster.send("streamed", json.dumps({"records": records}).encode(), partition=partition)
    return "streamed"


def places(events: Iterable[dict[str, Any]]) -> list[tuple[int, int, int]]:
    return [(each["hub_partition"], each["offset"], each["properties"]["half"]) for each in events]


def test_events_are_all_records_up_to_where_the_hub_stands(make: MakeHook, streamed: str) -> None:
    hook = make(event_hub=streamed)
    found = places(hook.events(limit=None))
    assert sorted(found) == [(p, o, h) for p in range(3) for o in range(12) for h in range(2)]
    for partition in range(3):  # in order
        assert [place for place in found if place[0] == partition] == sorted(
            place for place in found if place[0] == partition
        )
    assert {each["table"] for each in hook.events()} == {"T"}


def test_events_end_at_the_limit_and_commit_nothing(
    make: MakeHook, streamed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[Any] = []
    monkeypatch.setattr(kafka_client.HubClient, "commit", lambda *given, **_: commits.append(given))
    assert len(places(make(event_hub=streamed).events(limit=5))) == 5
    assert commits == []


def test_events_of_some_partitions(make: MakeHook, streamed: str) -> None:
    assert {place[0] for place in places(make(event_hub=streamed).events(hub_partitions=[1]))} == {1}
    with pytest.raises(ConfigurationError, match="has no partition 9"):
        make(event_hub=streamed).events(hub_partitions=[9])


def test_the_newest_events(make: MakeHook, streamed: str) -> None:
    found = places(make(event_hub=streamed).events(start="latest", limit=6))
    assert len(found) == 6
    assert {place[1] for place in found} <= {10, 11}
    one = places(make(event_hub=streamed).events(start="latest", limit=3, hub_partitions=[2]))
    assert one == [(2, 10, 1), (2, 11, 0), (2, 11, 1)]


def test_the_newest_events_are_those_the_broker_received_last(
    make: MakeHook, streamed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batches(*_: Any, **__: Any) -> Iterator[MessageBatch]:
        for partition, enqueued in ((1, [2_000, 4_000]), (2, [5_000]), (0, [-1, 1_000, 3_000])):
            values: list[bytes | None] = [b'{"properties": {"half": 0}}'] * len(enqueued)
            offsets = [*range(len(enqueued))]
            yield MessageBatch(values, [partition] * len(enqueued), offsets, enqueued)

    monkeypatch.setattr(EventHubHook, "batches", batches)
    found = make(event_hub=streamed).events(start="latest", limit=3)
    assert [(each["hub_partition"], each["offset"]) for each in found] == [(0, 2), (1, 1), (2, 0)]


def test_events_since_a_time(make: MakeHook, streamed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    def offsets_at(_: EventHubHook, moment: datetime, partitions: Sequence[int]) -> dict[int, int]:
        asked.append(moment)
        return dict.fromkeys(partitions, 10)

    monkeypatch.setattr(EventHubHook, "offsets_at", offsets_at)
    found = places(make(event_hub=streamed).events(start="2026-01-02T03:00", limit=None))
    assert asked == [datetime(2026, 1, 2, 3, tzinfo=timezone.utc)]
    assert {place[1] for place in found} == {10, 11}
    assert len(found) == 12


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"limit": 0}, "limit=0 is wrong"),
        ({"limit": True}, "limit=True is wrong"),
        ({"limit": "5"}, "limit='5' is wrong"),
        ({"limit": None, "start": "latest"}, "needs a limit"),
        ({"start": "soon"}, "start='soon' is not a time"),
    ],
)
def test_wrong_arguments_of_events(make: MakeHook, streamed: str, options: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        make(event_hub=streamed).events(**options)
