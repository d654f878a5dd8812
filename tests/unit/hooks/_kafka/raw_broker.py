"""A broker that gives out record batches byte for byte, also damaged ones, as no real broker would take them.

It speaks just enough of Kafka's protocol for a consumer: ApiVersions 0, Metadata 1, ListOffsets 1, Fetch 4.
Sources: Kafka's protocol guide; KIP-98 for the format of batches (magic 2).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from tests.unit.hooks._kafka.kafka_cluster import _read_frame, _write_frame

_FETCH, _LIST_OFFSETS, _METADATA, _COORDINATOR, _API_VERSIONS = 1, 2, 3, 10, 18
# Producing and groups are named, since librdkafka reads batches only of a broker that has them all.
_VERSIONS = {
    0: 7,
    _FETCH: 4,
    _LIST_OFFSETS: 1,
    _METADATA: 1,
    8: 2,
    9: 1,
    _COORDINATOR: 0,
    11: 0,
    12: 0,
    13: 0,
    14: 0,
    _API_VERSIONS: 0,
}
_CODECS = {None: 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_HEAD = struct.Struct(">qiibI")
_BODY = struct.Struct(">hiqqqhii")
OUT_OF_RANGE = 1


# Batches ------------------------------------------------------------------------------------------


def _castagnoli() -> list[int]:
    table = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _castagnoli()


def crc32c(data: bytes) -> int:
    """The checksum of batches."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def varint(number: int) -> bytes:
    """A signed integer of variable length."""
    left, parts = number << 1 ^ number >> 63, bytearray()
    while left > 0x7F:
        parts.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*parts, left])


def record(delta: int, value: bytes | None) -> bytes:
    """One record of a batch, without key and headers."""
    body = b"\0" + varint(0) + varint(delta) + varint(-1)
    body += varint(-1) if value is None else varint(len(value)) + value
    body += varint(0)
    return varint(len(body)) + body


def batch(base: int, values: Sequence[bytes | None], *, codec: str | None = None) -> bytes:
    """A batch of magic 2 whose first offset is `base`."""
    records = b"".join(record(delta, value) for delta, value in enumerate(values))
    return sealed(base, packed(records, codec), len(values), codec=codec)


def packed(records: bytes, codec: str | None) -> bytes:
    """Records as a codec of Kafka packs them."""
    import pyarrow as pa

    return records if codec is None else bytes(pa.Codec(codec).compress(records))


def sealed(base: int, records: bytes, count: int, *, codec: str | None = None, attributes: int = 0) -> bytes:
    """A batch around records that are packed already, with a checksum that fits."""
    stamp = 1_700_000_000_000
    body = _BODY.pack(attributes | _CODECS[codec], count - 1, stamp, stamp, -1, -1, -1, count) + records
    return _HEAD.pack(base, 9 + len(body), 0, 2, crc32c(body)) + body


# The broker ---------------------------------------------------------------------------------------


@dataclass
class RawPartition:
    """Batches, in order: (first offset, offset behind the last, bytes)."""

    batches: list[tuple[int, int, bytes]] = field(default_factory=list)
    low: int = 0

    @property
    def high(self) -> int:
        return self.batches[-1][1] if self.batches else self.low

    def add(
        self, *values: bytes | None, codec: str | None = None, bad: Callable[[bytes], bytes] = bytes
    ) -> None:
        """Add a batch; `bad` may damage it."""
        base = self.high
        self.batches.append((base, base + len(values), bad(batch(base, values, codec=codec))))

    def read(self, offset: int, size: int) -> bytes:
        """From the batch that holds `offset` on: at least one, and no more than `size` allows, cut there."""
        found = [data for _, end, data in self.batches if end > offset]
        return b"".join(found)[: max(size, len(found[0]))] if found else b""


class RawBroker:
    """One broker on a port of this machine, with hubs of raw batches."""

    def __init__(self) -> None:
        self.hubs: dict[str, list[RawPartition]] = {}
        self.fetched: list[tuple[int, int]] = []
        """(partition, offset) of every Fetch."""
        self.spoil: Callable[[int, int, bytes], bytes | int] = lambda partition, offset, data: data
        """What becomes of an answer to a Fetch: other bytes, or an error code of the partition's."""
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> RawBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def create(self, hub: str, partitions: int = 1) -> list[RawPartition]:
        self.hubs[hub] = [RawPartition() for _ in range(partitions)]
        return self.hubs[hub]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        no_coordinator = struct.pack(">hi", 15, -1) + _text("") + struct.pack(">i", -1)
        answers: dict[int, Callable[[_Reader], bytes]] = {
            _METADATA: self._metadata,
            _LIST_OFFSETS: self._offsets,
            _FETCH: self._fetch,
            _COORDINATOR: lambda _: no_coordinator,
        }
        with contextlib.suppress(OSError, EOFError), connection:
            while True:
                request = _Reader(_read_frame(connection))
                kind, version, number = request.take(">hhi")
                request.text()
                if kind != _API_VERSIONS:
                    answer = answers[kind](request)
                elif version:
                    answer = struct.pack(">hi", 35, 0)
                else:
                    each = b"".join(struct.pack(">hhh", name, 0, top) for name, top in _VERSIONS.items())
                    answer = struct.pack(">hi", 0, len(_VERSIONS)) + each
                _write_frame(connection, struct.pack(">i", number) + answer)

    def _metadata(self, request: _Reader) -> bytes:
        count = request.take(">i")[0]
        names = list(self.hubs) if count < 0 else [request.text() for _ in range(count)]
        answer = struct.pack(">ii", 1, 1) + _text("127.0.0.1") + struct.pack(">ih", self.port, -1)
        answer += struct.pack(">ii", 1, len(names))
        for name in names:
            there = self.hubs.get(name, [])
            answer += struct.pack(">h", 0 if there else 3) + _text(name) + struct.pack(">bi", 0, len(there))
            for number in range(len(there)):
                answer += struct.pack(">hiiiiii", 0, number, 1, 1, 1, 1, 1)
        return answer

    def _offsets(self, request: _Reader) -> bytes:
        request.take(">i")
        answer = b""
        hubs = request.take(">i")[0]
        for _ in range(hubs):
            name, count = request.text(), request.take(">i")[0]
            answer += _text(name) + struct.pack(">i", count)
            for _ in range(count):
                number, moment = request.take(">iq")
                there = self.hubs[name][number]
                offset = {-1: there.high, -2: there.low}.get(moment, -1)
                answer += struct.pack(">ihqq", number, 0, -1, offset)
        return struct.pack(">i", hubs) + answer

    def _fetch(self, request: _Reader) -> bytes:
        _, wait, _, _, _, hubs = request.take(">iiiibi")
        answer, empty = b"", True
        for _ in range(hubs):
            name, count = request.text(), request.take(">i")[0]
            answer += _text(name) + struct.pack(">i", count)
            for _ in range(count):
                number, offset, size = request.take(">iqi")
                there = self.hubs[name][number]
                self.fetched.append((number, offset))
                spoiled = self.spoil(number, offset, there.read(offset, size))
                code, data = (0, spoiled) if isinstance(spoiled, bytes) else (spoiled, b"")
                if not there.low <= offset <= there.high:
                    code, data = OUT_OF_RANGE, b""
                empty = empty and not data
                answer += struct.pack(">ihqqi", number, code, there.high, there.high, 0)
                answer += struct.pack(">i", len(data)) + data
        if empty:
            threading.Event().wait(min(wait, 50) / 1000)
        return struct.pack(">ii", 0, hubs) + answer


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._data, self._place)
        self._place += struct.calcsize(layout)
        return values

    def text(self) -> str:
        size = self.take(">h")[0]
        self._place += max(0, size)
        return self._data[self._place - max(0, size) : self._place].decode()


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()
