"""An Event Hubs namespace in this process: librdkafka's mock cluster, which speaks Kafka's own protocol.

It is inside every confluent-kafka wheel, and its functions (`rd_kafka_mock.h`) are exported from the shared
library, so that no broker has to be installed. What it lacks, a real broker must show: TLS and SASL, offsets
by time (it answers "none" always), transactions, administration.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from confluent_kafka import Producer

__all__ = ["EmbeddedHub", "EmbeddedHubError", "produce"]

_TEXT = 512
_LISTENER = "127.0.0.1"
#: Messages keep their order, batches stay below the service's 1 MB, and a stopped hub is not reported.
_PRODUCER_SETTINGS = {
    "linger.ms": 5,
    "enable.idempotence": True,
    "message.max.bytes": 1_000_000,
    "log.connection.close": False,
}

_POINTER, _STRING, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_INT16, _INT32, _INT64, _SIZE = ctypes.c_int16, ctypes.c_int32, ctypes.c_int64, ctypes.c_size_t
#: Name → (result, arguments) of what is called, from librdkafka's rdkafka.h and rdkafka_mock.h.
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "rd_kafka_conf_new": (_POINTER, ()),
    "rd_kafka_conf_set": (_INT, (_POINTER, _STRING, _STRING, _STRING, _SIZE)),
    "rd_kafka_new": (_POINTER, (_INT, _POINTER, _STRING, _SIZE)),
    "rd_kafka_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_new": (_POINTER, (_POINTER, _INT)),
    "rd_kafka_mock_cluster_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_bootstraps": (_STRING, (_POINTER,)),
    "rd_kafka_mock_topic_create": (_INT, (_POINTER, _STRING, _INT, _INT)),
    "rd_kafka_mock_topic_set_error": (None, (_POINTER, _STRING, _INT)),
    "rd_kafka_mock_push_request_errors_array": (None, (_POINTER, _INT16, _SIZE, ctypes.POINTER(_INT))),
    "rd_kafka_mock_clear_request_errors": (None, (_POINTER, _INT16)),
    "rd_kafka_mock_broker_set_down": (_INT, (_POINTER, _INT32)),
    "rd_kafka_mock_broker_set_up": (_INT, (_POINTER, _INT32)),
    "rd_kafka_mock_broker_set_rtt": (_INT, (_POINTER, _INT32, _INT)),
    "rd_kafka_mock_partition_delete_records": (_INT, (_POINTER, _STRING, _INT32, _INT64)),
}
#: Kafka's API keys of the requests that can be made to fail.
_REQUESTS = {
    "produce": 0,
    "fetch": 1,
    "list_offsets": 2,
    "metadata": 3,
    "offset_commit": 8,
    "offset_fetch": 9,
}


class EmbeddedHubError(RuntimeError):
    """The mock cluster could not be created, or an operation failed; the text has the reason."""


def _library_path() -> Path:
    """The librdkafka that the confluent_kafka module of this process uses.

    Raises EmbeddedHubError where it cannot be found, as with a build that links it statically.
    """
    import confluent_kafka

    maps = Path("/proc/self/maps")
    if maps.exists():
        for line in maps.read_text().splitlines():
            path = Path(line.split(maxsplit=5)[-1])
            if path.name.startswith("librdkafka"):
                return path
    package = Path(confluent_kafka.__file__).parent
    for folder in (package.with_name("confluent_kafka.libs"), package / ".dylibs", package):
        for path in sorted(folder.glob("librdkafka*")):
            return path
    raise EmbeddedHubError(f"No librdkafka beside {package}: install confluent-kafka as a wheel.")


@functools.cache
def _library() -> ctypes.CDLL:
    if find_spec("confluent_kafka") is None:
        raise EmbeddedHubError("The embedded event hub needs confluent-kafka, which is not installed.")
    library = ctypes.CDLL(str(_library_path()))
    try:
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, list(arguments)
    except AttributeError as error:
        raise EmbeddedHubError(f"This librdkafka has no mock cluster: {error}") from error
    return library


@dataclass(frozen=True)
class _Cluster:
    """The two handles of librdkafka: a client that does nothing else, and the cluster that lives on it."""

    client: int
    cluster: int

    @classmethod
    def start(cls) -> _Cluster:
        library, reason = _library(), ctypes.create_string_buffer(_TEXT)
        settings = library.rd_kafka_conf_new()
        # Without this it warns on stderr that the client has no servers, which is so on purpose.
        library.rd_kafka_conf_set(settings, b"log_level", b"3", reason, _TEXT)
        client = library.rd_kafka_new(0, settings, reason, _TEXT)
        if not client:
            raise EmbeddedHubError(f"librdkafka does not start: {reason.value.decode(errors='replace')}")
        cluster = library.rd_kafka_mock_cluster_new(client, 1)
        if not cluster:
            library.rd_kafka_destroy(client)
            raise EmbeddedHubError("librdkafka's mock cluster does not start; no port may be free.")
        return cls(client, cluster)

    def stop(self) -> None:
        _library().rd_kafka_mock_cluster_destroy(self.cluster)
        _library().rd_kafka_destroy(self.client)


class EmbeddedHub:
    """A namespace of event hubs with one broker on a port of 127.0.0.1: plaintext, gone when stopped.

    Use it as a context manager. Messages are kept in memory: a partition keeps the newest 5 MiB or 100,000
    batches, which librdkafka fixes; use more partitions for more. Unlike a real namespace, it creates a hub
    with four partitions if a producer names an unknown one. All methods may be called from any thread.

    Raises EmbeddedHubError if it cannot start.
    """

    def __init__(self) -> None:
        self._running: _Cluster | None = _Cluster.start()
        port = _library().rd_kafka_mock_cluster_bootstraps(self._cluster).decode().rpartition(":")[2]
        self.port = int(port)
        self._partitions: dict[str, int] = {}

    # -- the namespace

    @property
    def bootstrap_servers(self) -> str:
        """Address and port, as for Kafka clients."""
        return f"{_LISTENER}:{self.port}"

    @property
    def hubs(self) -> dict[str, int]:
        """The hubs created with `create`, with the number of their partitions."""
        return dict(self._partitions)

    def create(self, hub: str, partitions: int = 4) -> None:
        """Create a hub. Raises EmbeddedHubError if one of this name exists."""
        self._check(
            _library().rd_kafka_mock_topic_create(self._cluster, hub.encode(), partitions, 1),
            f"create the hub {hub!r} with {partitions} partitions",
        )
        self._partitions[hub] = partitions

    def producer(self, **settings: Any) -> Producer:
        """A producer for this namespace; `settings` are librdkafka's, with underscores for dots."""
        from confluent_kafka import Producer

        given = {name.replace("_", "."): value for name, value in settings.items()}
        return Producer({"bootstrap.servers": self.bootstrap_servers, **_PRODUCER_SETTINGS, **given})

    def send(self, hub: str, messages: Iterable[bytes | None], *, partition: int | None = None) -> int:
        """Produce messages and wait until they are in the hub; see `produce`."""
        return produce(messages, self.producer(), hub, partitions=self._spread(hub, partition))

    def _spread(self, hub: str, partition: int | None) -> Sequence[int]:
        return range(self._partitions.get(hub, 4)) if partition is None else (partition,)

    # -- faults

    def refuse(self, request: str, *codes: int) -> None:
        """Answer the next requests to one API with Kafka error codes, one each.

        `request` is one of produce, fetch, list_offsets, metadata, offset_commit, offset_fetch; a code as in
        `confluent_kafka.KafkaError`. Raises KeyError for another name.
        """
        numbers = (ctypes.c_int * len(codes))(*codes)
        _library().rd_kafka_mock_push_request_errors_array(
            self._cluster, _REQUESTS[request], len(codes), numbers
        )

    def forgive(self, request: str) -> None:
        """Forget the errors that `refuse` has left for one API."""
        _library().rd_kafka_mock_clear_request_errors(self._cluster, _REQUESTS[request])

    def set_hub_error(self, hub: str, code: int) -> None:
        """Answer every request about a hub with an error code (0: no error), as for a missing right."""
        _library().rd_kafka_mock_topic_set_error(self._cluster, hub.encode(), code)

    def down(self) -> None:
        """Break all connections and accept no new ones, until `up`; messages are kept."""
        self._check(_library().rd_kafka_mock_broker_set_down(self._cluster, 1), "go down")

    def up(self) -> None:
        """Accept connections again."""
        self._check(_library().rd_kafka_mock_broker_set_up(self._cluster, 1), "come up")

    def slow(self, milliseconds: int) -> None:
        """Let every answer take this long."""
        self._check(_library().rd_kafka_mock_broker_set_rtt(self._cluster, 1, milliseconds), "be slow")

    def expire(self, hub: str, partition: int, before: int) -> None:
        """Delete the messages below an offset, as retention does."""
        self._check(
            _library().rd_kafka_mock_partition_delete_records(self._cluster, hub.encode(), partition, before),
            f"delete what stands below {before} in partition {partition} of {hub!r}",
        )

    # -- life

    @property
    def _cluster(self) -> int:
        if self._running is None:
            raise EmbeddedHubError("The embedded event hub is stopped.")
        return self._running.cluster

    @staticmethod
    def _check(code: int, what: str) -> None:
        if code:
            from confluent_kafka import KafkaError

            raise EmbeddedHubError(f"The embedded event hub could not {what}: {KafkaError(code).str()}")

    def stop(self) -> None:
        """Close the port and drop all messages; a second call does nothing."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def __enter__(self) -> EmbeddedHub:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def produce(
    messages: Iterable[bytes | None],
    producer: Producer,
    hub: str,
    *,
    partitions: Sequence[int] = (0,),
    seconds: float = 60,
) -> int:
    """Send messages to any Kafka broker, to the given partitions in turn. Returns the number delivered.

    None is a tombstone. Like Defender's exporter, it sends no keys.

    Raises EmbeddedHubError if one is refused, or if not all are delivered within `seconds`.
    """
    refused: list[str] = []
    count = 0

    def delivered(error: Any, _message: object) -> None:
        if error is not None:
            refused.append(error.str())

    for message in messages:
        target = partitions[count % len(partitions)]
        while True:
            try:
                producer.produce(hub, value=message, partition=target, on_delivery=delivered)
                break
            except BufferError:  # the queue is full until some are delivered
                producer.poll(0.1)
        count += 1
    left = producer.flush(seconds)
    if refused or left:
        reason = refused[0] if refused else f"no answer within {seconds:.0f} seconds"
        raise EmbeddedHubError(f"{len(refused) + left} of {count} messages are not in {hub!r}: {reason}")
    return count
