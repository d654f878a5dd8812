"""librdkafka's mock cluster with its faults, and a front before it that asks for TLS and SASL.

The cluster is inside confluent-kafka's wheel; its C functions are declared experimental, so that a release
may change them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from confluent_kafka import Producer, cimpl

FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT = 1, 2, 3, 8
_API_VERSIONS, _SASL_HANDSHAKE, _SASL_AUTHENTICATE = 18, 17, 36
_SASL_FAILED, _UNSUPPORTED_VERSION = 58, 35


def _library() -> ctypes.CDLL:
    """The librdkafka that confluent_kafka has loaded."""
    assert cimpl.libversion()
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split()[-1]
        if "librdkafka" in os.path.basename(path):
            return ctypes.CDLL(path)
    raise RuntimeError("librdkafka is not loaded")


_POINTER, _TEXT, _INT32, _INT64 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "conf_new": (_POINTER, []),
    "conf_set": (ctypes.c_int, [_POINTER, _TEXT, _TEXT, _TEXT, ctypes.c_size_t]),
    "new": (_POINTER, [ctypes.c_int, _POINTER, _TEXT, ctypes.c_size_t]),
    "destroy": (None, [_POINTER]),
    "mock_cluster_new": (_POINTER, [_POINTER, ctypes.c_int]),
    "mock_cluster_destroy": (None, [_POINTER]),
    "mock_cluster_bootstraps": (_TEXT, [_POINTER]),
    "mock_topic_create": (ctypes.c_int, [_POINTER, _TEXT, ctypes.c_int, ctypes.c_int]),
    "mock_topic_set_error": (None, [_POINTER, _TEXT, ctypes.c_int]),
    "mock_topic_delete": (ctypes.c_int, [_POINTER, _TEXT]),
    "mock_push_request_errors_array": (
        None,
        [_POINTER, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)],
    ),
    "mock_broker_set_down": (ctypes.c_int, [_POINTER, _INT32]),
    "mock_broker_set_up": (ctypes.c_int, [_POINTER, _INT32]),
    "mock_broker_set_host_port": (None, [_POINTER, _INT32, _TEXT, ctypes.c_int]),
    "mock_broker_set_rtt": (ctypes.c_int, [_POINTER, _INT32, ctypes.c_int]),
    "mock_partition_delete_records": (ctypes.c_int, [_POINTER, _TEXT, _INT32, _INT64]),
}


class MockCluster:
    """One mock broker on a port of this machine."""

    def __init__(self) -> None:
        self._library = _library()
        text = ctypes.create_string_buffer(512)
        config = self._call("conf_new")
        for name, value in ((b"log_level", b"0"), (b"bootstrap.servers", b"127.0.0.1:1")):
            assert self._call("conf_set", config, name, value, text, 512) == 0
        self._client = self._call("new", 0, config, text, 512)
        self._cluster = self._call("mock_cluster_new", self._client, 1)
        self._producer = Producer(
            {"bootstrap.servers": self.servers, "linger.ms": 1, "batch.num.messages": 50}
        )

    def _call(self, name: str, *values: Any) -> Any:
        function = getattr(self._library, f"rd_kafka_{name}")
        function.restype, function.argtypes = _SIGNATURES[name]
        return function(*values)

    @property
    def servers(self) -> str:
        """`host:port` of the broker."""
        return str(self._call("mock_cluster_bootstraps", self._cluster).decode())

    @property
    def port(self) -> int:
        return int(self.servers.rpartition(":")[2])

    def create(self, hub: str, partitions: int = 1) -> None:
        assert self._call("mock_topic_create", self._cluster, hub.encode(), partitions, 1) == 0

    def delete(self, hub: str) -> None:
        assert self._call("mock_topic_delete", self._cluster, hub.encode()) == 0

    def send(self, hub: str, *values: bytes | None, partition: int = 0) -> None:
        """Send values, and wait until the broker has them."""
        for value in values:
            self._producer.produce(hub, value, partition=partition)
        assert self._producer.flush(10) == 0

    def refuse(self, hub: str, code: int) -> None:
        """Let the broker refuse the hub by an error code; 0 ends it."""
        self._call("mock_topic_set_error", self._cluster, hub.encode(), code)

    def fail_next(self, request: int, *codes: int) -> None:
        """Answer the next requests of a kind with errors."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._call("mock_push_request_errors_array", self._cluster, request, len(codes), array)

    def delete_records(self, hub: str, partition: int, before: int) -> None:
        """Do as retention does: remove all messages below an offset."""
        done = self._call("mock_partition_delete_records", self._cluster, hub.encode(), partition, before)
        assert done == 0

    def stop(self) -> None:
        """Hang up and refuse connections."""
        self._call("mock_broker_set_down", self._cluster, 1)

    def start(self) -> None:
        """Answer again."""
        self._call("mock_broker_set_up", self._cluster, 1)

    def slow_down(self, milliseconds: int) -> None:
        """Answer late."""
        self._call("mock_broker_set_rtt", self._cluster, 1, milliseconds)

    def advertise(self, host: str, port: int) -> None:
        """Tell clients another address."""
        self._call("mock_broker_set_host_port", self._cluster, 1, host.encode(), port)

    def close(self) -> None:
        del self._producer
        self._call("mock_cluster_destroy", self._cluster)
        self._call("destroy", self._client)


Check = Callable[[str, bytes], str | None]
"""Mechanism and what the client shows → why it is refused, or None."""


class SaslFront:
    """A listener before the mock cluster that signs clients in as Event Hubs does.

    Kafka's protocol: KIP-43 (SaslHandshake), KIP-152 (SaslAuthenticate).
    """

    def __init__(
        self, cluster: MockCluster, check: Check, *, certificate: tuple[Path, Path] | None = None
    ) -> None:
        self.check = check
        self.shown: list[tuple[str, bytes]] = []
        self._cluster = cluster
        self._upstream = ("127.0.0.1", cluster.port)
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*map(str, certificate))
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        cluster.advertise("localhost", self.port)
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> SaslFront:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close all connections, as Event Hubs does where a token has expired."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.ExitStack() as stack:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            stack.enter_context(connection)
            self._open.append(connection)
            upstream = stack.enter_context(socket.create_connection(self._upstream))
            if self._sign_in(connection, upstream):
                threading.Thread(target=_pump, args=(upstream, connection), daemon=True).start()
                _pump(connection, upstream)

    def _sign_in(self, connection: socket.socket, upstream: socket.socket) -> bool:
        mechanism = ""
        while True:
            request = _read_frame(connection)
            kind, version, number = struct.unpack_from(">hhi", request)
            body = request[10 + struct.unpack_from(">h", request, 8)[0] :]
            if kind == _API_VERSIONS and version > 0:
                _write_frame(connection, struct.pack(">ihi", number, _UNSUPPORTED_VERSION, 0))
            elif kind == _API_VERSIONS:
                _write_frame(upstream, request)
                _write_frame(connection, _with_sasl(_read_frame(upstream)))
            elif kind == _SASL_HANDSHAKE:
                mechanism = body[2:].decode()
                names = b"".join(struct.pack(">h", len(name)) + name for name in (b"PLAIN", b"OAUTHBEARER"))
                _write_frame(connection, struct.pack(">ihi", number, 0, 2) + names)
            elif kind == _SASL_AUTHENTICATE:
                shown = body[4:]
                self.shown.append((mechanism, shown))
                refusal = self.check(mechanism, shown)
                _write_frame(connection, struct.pack(">i", number) + _authenticated(refusal, version))
                return refusal is None
            else:
                return False


def _authenticated(refusal: str | None, version: int) -> bytes:
    message = struct.pack(">h", -1)
    if refusal is not None:
        message = struct.pack(">h", len(refusal)) + refusal.encode()
    lifetime = struct.pack(">q", 0) if version else b""
    return struct.pack(">h", _SASL_FAILED if refusal else 0) + message + struct.pack(">i", 0) + lifetime


def _with_sasl(answer: bytes) -> bytes:
    """The mock broker's ApiVersions answer (version 0), with the two SASL requests."""
    number, error, count = struct.unpack_from(">ihi", answer)
    sasl = struct.pack(">hhhhhh", _SASL_HANDSHAKE, 0, 1, _SASL_AUTHENTICATE, 0, 1)
    return struct.pack(">ihi", number, error, count + 2) + answer[10:] + sasl


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _read_frame(connection: socket.socket) -> bytes:
    return _read(connection, struct.unpack(">i", _read(connection, 4))[0])


def _write_frame(connection: socket.socket, body: bytes) -> None:
    connection.sendall(struct.pack(">i", len(body)) + body)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    cluster = MockCluster()
    try:
        yield cluster
    finally:
        cluster.close()
