"""One Apache Kafka broker (KRaft, a single node), shaped like an Event Hubs namespace.

Listeners, all on the loopback interface:

* `namespace`, SASL_SSL as on port 9093 of Event Hubs: PLAIN with the user `$ConnectionString` and the
  namespace's connection string as password, and OAUTHBEARER with RS256 tokens of a `TokenIssuer`.
* `hub_namespace`, the same, but PLAIN wants the connection string with `EntityPath`: Kafka's PLAIN knows one
  password a user and listener.
* `internal`, plaintext without credentials: for setting up.

The user `$ConnectionString` may do everything; a token's subject may read what `grant_read` gave it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from airflow_provider_defender.simulator import Request, Simulator
from airflow_provider_defender.simulator.server.tls import issue_tls_files
from tests.kafka_broker.jars import BrokerFailed, fetch_jars, java

START_SECONDS = 120.0
_KEY = base64.b64encode(b"a key of the tests, not a secret").decode()
_EVERYBODY = ("User:ANONYMOUS", "User:$ConnectionString")
_LISTENERS = ("NAMESPACE", "HUB")


@dataclass(frozen=True)
class TokenIssuer:
    """Whose tokens the broker accepts: the tenant, its public keys (JWKS), the audiences."""

    tenant_id: str
    keys: Mapping[str, Any]
    audiences: tuple[str, ...] = ("https://tests.servicebus.windows.net", "https://localhost")

    @classmethod
    def of(cls, simulator: Simulator) -> TokenIssuer:
        """The simulated Entra ID. Its key is one for all simulators of this process."""
        path = f"/{simulator.tenant_id}/discovery/v2.0/keys"
        answer = simulator.answer(Request("GET", path))
        return cls(simulator.tenant_id, json.loads(b"".join(answer.body)))

    @property
    def name(self) -> str:
        """The claim `iss` of its tokens."""
        return f"https://sts.windows.net/{self.tenant_id}/"


NOBODY = TokenIssuer("00000000-0000-0000-0000-000000000000", {"keys": []})


class KafkaBroker:
    """The broker's process and what tests do to it. Starting again keeps ports and data.

    :param folder: an empty folder for data, settings, certificates and log
    :param issuer: whose tokens OAUTHBEARER accepts; by default nobody's
    :param fast: take longer to start, to be faster then: for benchmarks
    """

    def __init__(self, folder: Path, *, issuer: TokenIssuer = NOBODY, fast: bool = False) -> None:
        self.folder = folder
        self.issuer = issuer
        self._java_options = ["-XX:+UseG1GC"] if fast else ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self.ports = dict(zip((*_LISTENERS, "INTERNAL", "CONTROLLER"), free_ports(4), strict=True))
        self.namespace = f"localhost:{self.ports['NAMESPACE']}"
        self.hub_namespace = f"localhost:{self.ports['HUB']}"
        self.internal = f"127.0.0.1:{self.ports['INTERNAL']}"
        self.entity_path = "hub-of-the-connection-string"
        self._process: subprocess.Popen[bytes] | None = None

    # -- what clients need

    @property
    def connection_string(self) -> str:
        """The connection string of the namespace, for `namespace`."""
        return f"Endpoint=sb://localhost/;SharedAccessKeyName=listen;SharedAccessKey={_KEY}"

    @property
    def hub_connection_string(self) -> str:
        """A connection string with `EntityPath`, the hub `entity_path`, for `hub_namespace`."""
        return f"{self.connection_string};EntityPath={self.entity_path}"

    @property
    def ca_bundle(self) -> str:
        """Path of the authority that signed the broker's certificate, for `ssl.ca.location`."""
        return str(self.folder / "ca.pem")

    def connection(self, hub: str | None = None, *, by_hub: bool = False, **extra: Any) -> dict[str, Any]:
        """An Airflow connection with the connection string; `by_hub` takes the one with `EntityPath`.

        `extra` adds fields to the connection's extra, or replaces them.
        """
        fields = {"ca_bundle": self.ca_bundle, "event_hub": hub, **extra}
        return {
            "conn_type": "event_hub",
            "host": "localhost",
            "port": self.ports["HUB" if by_hub else "NAMESPACE"],
            "password": self.hub_connection_string if by_hub else self.connection_string,
            "extra": {name: value for name, value in fields.items() if value is not None},
        }

    def token_connection(self, hub: str | None = None, **extra: Any) -> dict[str, Any]:
        """An Airflow connection with a token of the connection `entra_id_default`'s."""
        scope = f"{self.issuer.audiences[0]}/.default"
        reference: dict[str, Any] = {
            "entra_id_conn_id": "entra_id_default",
            "tenant_id": self.issuer.tenant_id,
            "cloud": "custom",
            "scope": scope,
        }
        return {**self.connection(hub, **{**reference, **extra}), "password": None}

    def client_settings(self) -> dict[str, Any]:
        """librdkafka's settings for `namespace` with the connection string."""
        return {
            "bootstrap.servers": self.namespace,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": self.ca_bundle,
            "sasl.mechanism": "PLAIN",
            "sasl.username": "$ConnectionString",
            "sasl.password": self.connection_string,
        }

    # -- start and stop

    def start(self) -> None:
        """Start it, and return when it answers and leads every partition.

        Raises BrokerFailed with the end of its log.
        """
        if not (self.folder / "data").exists():
            self._prepare()
        with (self.folder / "broker.log").open("ab") as log:
            command = self._command("kafka.Kafka", str(self._settings_file))
            self._process = subprocess.Popen(
                _dying_with_us(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it as a service's upgrade would (SIGTERM)."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a word (SIGKILL)."""
        self._end(signal.SIGKILL)

    def delete(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _prepare(self) -> None:
        """Certificates, keys and settings; then the data's folder, as Kafka's own tool formats it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tls = issue_tls_files(self.folder, ["localhost", "127.0.0.1"])
        parts = (tls.key, tls.certificate, tls.authority)
        (self.folder / "server.pem").write_bytes(b"".join(part.read_bytes() for part in parts))
        self._keys_file.write_text(json.dumps(dict(self.issuer.keys)))
        self._settings_file.write_text("".join(f"{k}={v}\n" for k, v in self._settings().items()))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "0")
        command = self._command(
            "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(self._settings_file)
        )
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            raise BrokerFailed(f"The data's folder could not be formatted:\n{done.stdout[-4000:]}")

    @property
    def _keys_file(self) -> Path:
        return self.folder / "jwks.json"

    @property
    def _settings_file(self) -> Path:
        return self.folder / "server.properties"

    def _command(self, main: str, *arguments: str) -> list[str]:
        """A Java command. Since 4.1 Kafka reads keys only from files that a system property names."""
        launcher = java()
        if launcher is None:
            raise BrokerFailed("Java is not installed")
        options = [
            *self._java_options,
            "-Xmx1g",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._keys_file.as_uri()}",
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.files={self._keys_file}",
        ]
        return [launcher, *options, "-cp", f"{fetch_jars()}/*", main, *arguments]

    def _settings(self) -> dict[str, Any]:
        return {
            **self._listener_settings(),
            **self._credential_settings(),
            **self._limits(),
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.ports['CONTROLLER']}",
            "log.dirs": self.folder / "data",
        }

    def _listener_settings(self) -> dict[str, Any]:
        protocols = {
            "NAMESPACE": "SASL_SSL",
            "HUB": "SASL_SSL",
            "INTERNAL": "PLAINTEXT",
            "CONTROLLER": "PLAINTEXT",
        }
        shown = {name: "localhost" if name in _LISTENERS else "127.0.0.1" for name in protocols}
        addresses = {name: f"{name}://{shown[name]}:{port}" for name, port in self.ports.items()}
        return {
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()),
            "advertised.listeners": ",".join(addresses[name] for name in (*_LISTENERS, "INTERNAL")),
            "listener.security.protocol.map": ",".join(
                f"{name}:{value}" for name, value in protocols.items()
            ),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INTERNAL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.folder / "server.pem",
            "ssl.client.auth": "none",
        }

    def _credential_settings(self) -> dict[str, Any]:
        """An expired token without a new one loses its connection, as on Event Hubs: hence max.reauth.

        The settings `sasl.oauthbearer.…` must have the listener before them and not the mechanism, and the
        validator must be named: else Kafka 4.1 says nothing and accepts tokens of any signature.
        """
        settings: dict[str, Any] = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": ";".join(_EVERYBODY),
        }
        package = "org.apache.kafka.common.security"
        strings = (self.connection_string, self.hub_connection_string)
        for listener, text in zip(_LISTENERS, strings, strict=True):
            prefix = f"listener.name.{listener.lower()}"
            plain, bearer = f"{prefix}.plain.sasl", f"{prefix}.oauthbearer.sasl"
            user = f'user_$ConnectionString="{text}";'
            settings |= {
                f"{prefix}.sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER",
                f"{plain}.jaas.config": f"{package}.plain.PlainLoginModule required {user}",
                f"{bearer}.jaas.config": f"{package}.oauthbearer.OAuthBearerLoginModule required;",
                f"{bearer}.server.callback.handler.class": (
                    f"{package}.oauthbearer.OAuthBearerValidatorCallbackHandler"
                ),
                f"{prefix}.sasl.oauthbearer.jwt.validator.class": f"{package}.oauthbearer.BrokerJwtValidator",
                f"{prefix}.sasl.oauthbearer.jwks.endpoint.url": self._keys_file.as_uri(),
                f"{prefix}.sasl.oauthbearer.expected.audience": ",".join(self.issuer.audiences),
                f"{prefix}.sasl.oauthbearer.expected.issuer": self.issuer.name,
                f"{prefix}.sasl.oauthbearer.clock.skew.seconds": 0,
                f"{prefix}.oauthbearer.connections.max.reauth.ms": 3_600_000,
            }
        return settings

    def _limits(self) -> dict[str, Any]:
        """As Event Hubs: no hubs by accident, messages of 1 MB, its own times; and one small, quick node.

        The session timeout decides how soon a killed broker may come back.
        """
        single = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        return {
            "auto.create.topics.enable": "false",
            "message.max.bytes": 1_048_588,
            "log.message.timestamp.type": "LogAppendTime",
            "connections.max.idle.ms": 240_000,
            "log.retention.ms": -1,
            "log.flush.start.offset.checkpoint.interval.ms": 200,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 2_000,
            "broker.heartbeat.interval.ms": 500,
            "default.replication.factor": 1,
            "min.insync.replicas": 1,
            "num.network.threads": 2,
            "num.io.threads": 2,
            **{f"{name}.{what}": 1 for name in single for what in ("replication.factor", "num.partitions")},
            **{f"{name}.min.isr": 1 for name in single[1:]},
        }

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            code = self._process.poll() if self._process else None
            if code is not None or time.monotonic() > deadline:
                end = "does not answer" if code is None else f"ended with status {code}"
                log = (self.folder / "broker.log").read_text(errors="replace")
                raise BrokerFailed(f"The broker {end}:\n{log[-4000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        """Whether it knows itself as a broker and leads all partitions that it has."""
        for name in (*_LISTENERS, "INTERNAL"):
            with contextlib.closing(socket.socket()) as trial:
                if trial.connect_ex(("127.0.0.1", self.ports[name])) != 0:
                    return False
        try:
            found = self.new_admin().list_topics(timeout=5)
        except KafkaException:
            return False
        partitions = [each for topic in found.topics.values() for each in topic.partitions.values()]
        return bool(found.brokers) and all(each.leader in found.brokers for each in partitions)

    # -- hubs

    def new_admin(self) -> AdminClient:
        """A client of the internal listener."""
        return AdminClient(self._internal_settings())

    def _internal_settings(self, **more: Any) -> dict[str, Any]:
        """Without credentials, quiet, and soon back when the broker is."""
        common = {"bootstrap.servers": self.internal, "reconnect.backoff.max.ms": 300, "log_level": 0}
        return {**common, **more}

    @cached_property
    def _admin(self) -> AdminClient:
        return self.new_admin()

    @cached_property
    def _producer(self) -> Producer:
        return Producer(self._internal_settings(**{"linger.ms": 5}))

    def create_hub(self, name: str | None = None, partitions: int = 1, *, own_times: bool = False) -> str:
        """A new hub; its name, made up if not given.

        With `own_times` messages keep the times that `produce` gives them, else they have the broker's.
        """
        name = name or f"hub-{uuid.uuid4().hex[:12]}"
        kind = "CreateTime" if own_times else "LogAppendTime"
        topic = NewTopic(name, partitions, config={"message.timestamp.type": kind})
        _done(self._admin.create_topics([topic]))
        self._wait_for_leaders(name, partitions)
        return name

    def delete_hub(self, name: str) -> None:
        """Remove a hub and its messages."""
        _done(self._admin.delete_topics([name]))

    def add_partitions(self, name: str, total: int) -> None:
        """Give the hub more partitions, `total` in all."""
        _done(self._admin.create_partitions([NewPartitions(name, total)]))
        self._wait_for_leaders(name, total)

    def _wait_for_leaders(self, name: str, partitions: int) -> None:
        def led() -> bool:
            topic = self._producer.list_topics(name, timeout=10).topics[name]
            return len([each for each in topic.partitions.values() if each.leader >= 0]) == partitions

        _wait_until(led, f"The hub {name} has not come up")

    def delete_records_before(self, hub: str, offset: int, partition: int = 0) -> None:
        """What retention does, at once: the partition then begins at `offset`."""
        _done(self._admin.delete_records([TopicPartition(hub, partition, offset)]))

    # -- messages

    def produce(
        self,
        hub: str,
        values: Iterable[bytes | None],
        *,
        partition: int = 0,
        times: Iterable[int] | None = None,
    ) -> None:
        """Send messages and wait until all are there.

        `times`: one a message, in ms since 1970, for hubs with `own_times`.
        """
        stamps = iter(times) if times is not None else None
        delivery = _Delivery(self._producer)
        for number, value in enumerate(values):
            extra = {"timestamp": next(stamps)} if stamps else {}
            delivery.send(hub, value, partition=partition, **extra)
            if number == 0:
                delivery.wait()  # what waits until the hub is known may be overtaken by what is sent then
        delivery.wait()

    def produce_transaction(
        self, hub: str, values: Sequence[bytes], *, partition: int = 0, commit: bool = True
    ) -> None:
        """Send messages in a transaction. Its end takes an offset of its own that no reader ever gets."""
        before = self.watermarks(hub, (partition,))[partition][1]
        producer = Producer(self._internal_settings(**{"transactional.id": uuid.uuid4().hex}))
        producer.init_transactions(60)
        producer.begin_transaction()
        delivery = _Delivery(producer)
        for value in values:
            delivery.send(hub, value, partition=partition)
        delivery.wait()
        if commit:
            producer.commit_transaction(60)
        else:
            producer.abort_transaction(60)
        _wait_until(  # the end's marker comes after the answer
            lambda: self.watermarks(hub, (partition,))[partition][1] == before + len(values) + 1,
            f"The transaction in {hub} has not ended",
        )

    def watermarks(self, hub: str, partitions: Sequence[int] = (0,)) -> dict[int, tuple[int, int]]:
        """Per partition the first offset that is there, and the next to come."""
        consumer = Consumer(self._internal_settings(**{"group.id": "watermarks"}))
        found: dict[int, tuple[int, int]] = {}

        def ask() -> bool:
            with contextlib.suppress(KafkaException):  # a broker that has just come back leads nothing yet
                for number in partitions:
                    found[number] = consumer.get_watermark_offsets(TopicPartition(hub, number), 10)
            return len(found) == len(partitions)

        try:
            _wait_until(ask, f"The offsets of {hub} cannot be had")
        finally:
            consumer.close()
        return found

    # -- rights and groups

    def grant_read(self, principal: str, hub: str = "*", group: str = "*") -> None:
        """Let a token's subject read a hub and commit for a group, as *Event Hubs Data Receiver* does."""
        resources = [(ResourceType.TOPIC, hub), (ResourceType.GROUP, group)]
        bindings = [
            AclBinding(
                kind,
                name,
                ResourcePatternType.LITERAL,
                f"User:{principal}",
                "*",
                AclOperation.READ,
                AclPermissionType.ALLOW,
            )
            for kind, name in resources
        ]
        _done(self._admin.create_acls(bindings))

    def committed(self, group: str, hub: str) -> dict[int, int]:
        """Per partition the offset that a consumer group has committed."""
        # No admin client: once the broker was restarted, it waits for the coordinator that it knew without an
        # end, and the next restart aborts the process (librdkafka's issues 5511 and 5456, pull request 5397).
        consumer = Consumer(self._internal_settings(**{"group.id": group}))
        found: list[TopicPartition] = []

        def ask() -> bool:
            with contextlib.suppress(KafkaException):  # just back, a broker coordinates nothing
                partitions = consumer.list_topics(hub, timeout=10).topics[hub].partitions
                wanted = [TopicPartition(hub, number) for number in partitions]
                found[:] = consumer.committed(wanted, timeout=30)
            return bool(found)

        try:
            _wait_until(ask, f"The offsets of group {group} cannot be had")
        finally:
            consumer.close()
        return {each.partition: each.offset for each in found if each.offset >= 0}


def _dying_with_us(command: list[str]) -> list[str]:
    """The command, killed by the system when this thread ends, however it ends: where Linux's setpriv is."""
    return ["setpriv", "--pdeathsig", "KILL", *command] if shutil.which("setpriv") else command


def _done(futures: Mapping[Any, Any]) -> None:
    """Wait for an administrator's request; raises what the broker answered."""
    for future in futures.values():
        future.result(60)


def _wait_until(happened: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        if time.monotonic() > deadline:
            raise BrokerFailed(otherwise)
        time.sleep(0.02)


class _Delivery:
    """Sends messages and waits until the broker has them all."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._error: KafkaError | None = None

    def send(self, hub: str, value: bytes | None, **options: Any) -> None:
        while True:
            try:
                self._producer.produce(hub, value, on_delivery=self._note, **options)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def wait(self) -> None:
        left = self._producer.flush(120)
        if left or self._error:
            raise BrokerFailed(f"Messages could not be sent: {self._error or f'{left} left'}")

    def _note(self, error: KafkaError | None, _: Message) -> None:
        self._error = self._error or error


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that systems take for outgoing connections.

    Outgoing ones could be in the way when a killed broker comes back to its own.
    """
    found: list[int] = []
    for port in random.sample(range(15_000, 30_000), 15_000):
        with contextlib.closing(socket.socket()) as trial:
            if trial.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            return found
    raise BrokerFailed("No free ports")
