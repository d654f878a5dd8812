"""An event hub in memory behind the hook's interface, and a lake that knows about offsets.

The hub gives what a real one gives, offsets by time included, without a broker: for tests of what is made of
it. The hook itself is tested against brokers; `tests/reliability` joins both.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import DefenderError
from airflow_provider_defender.hooks import MessageBatch, Offsets, OversizedMessage
from airflow_provider_defender.operators.event_hub import EventHubToParquetOperator
from tests.helpers.airflow import context

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
"""When the hub's clock starts."""
TENANT = "0a1b2c3d-0000-4000-8000-00000000000f"
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

Ledger = Counter[tuple[int, int]]
"""(partition, offset) → how many rows and rejects come of the message, or were found."""


INJECTED: dict[str, Any] = {}
"""What the running test gives the operators and the sensor of hubs in the place of their own: hook, clock."""

# Messages -----------------------------------------------------------------------------------------


def message(*rows: Mapping[str, Any], table: str = "DeviceInfo", at: datetime = NOW) -> bytes:
    """What Defender's exporter sends: some rows of a table in one message."""
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.1234567Z"
    records = [
        {
            "time": stamp,
            "tenantId": TENANT,
            "operationName": "Publish",
            "category": f"AdvancedHunting-{table}",
            "properties": {"Timestamp": stamp, **row},
            "Tenant": "DefaultTenant",
        }
        for row in rows
    ]
    return json.dumps({"records": records}).encode()


@dataclass
class Partition:
    """Messages and the times (ms since 1970) at which they entered, from offset `low` on."""

    values: list[bytes | None] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    low: int = 0
    damaged: set[int] = field(default_factory=set)

    @property
    def high(self) -> int:
        return self.low + len(self.values)


class MemoryHub:
    """Partitions with messages; `ledger` says what must be found of each in the lake."""

    namespace = "contoso.servicebus.windows.net"
    name = "defender"

    def __init__(self, partitions: int = 2) -> None:
        self.partitions = {number: Partition() for number in range(partitions)}
        self.now = NOW
        self.ledger: Ledger = Counter()
        self.rows_sent = 0
        self.commits: list[tuple[dict[int, int], str]] = []
        self.reads: list[dict[int, list[tuple[int, int]]]] = []
        self.failure: tuple[int, DefenderError] | None = None
        """After so many messages, reading fails with this error."""
        self.before_batch: Callable[[int], None] = lambda number: None
        self.before_last_question: Callable[[], None] = lambda: None
        self.refusal: DefenderError | None = None
        self.batch_messages = 3

    def send(self, value: bytes | None, partition: int = 0, parts: int = 1) -> int:
        """Add a message of which `parts` rows or rejects must come; its offset."""
        there = self.partitions[partition]
        offset = there.high
        there.values.append(value)
        there.times.append(int(self.now.timestamp() * 1000))
        self.ledger[partition, offset] = parts
        return offset

    def fill(self, messages: int, *, rows: int = 1, table: str = "DeviceInfo") -> None:
        """Add messages, to the partitions in turn, each with rows that nobody has sent before."""
        for number in range(messages):
            fresh = [{"DeviceId": f"device-{self.rows_sent + row}"} for row in range(rows)]
            self.rows_sent += rows
            self.send(message(*fresh, table=table, at=self.now), number % len(self.partitions), rows)

    def advance(self, span: timedelta) -> None:
        self.now += span

    def expire(self, partition: int, below: int) -> None:
        """Retention deletes the messages below an offset."""
        there = self.partitions[partition]
        gone = below - there.low
        del there.values[:gone], there.times[:gone]
        there.low = below

    def recreate(self) -> None:
        """Somebody deletes the hub and makes one of the same name."""
        self.partitions = {number: Partition() for number in self.partitions}


class MemoryHook:
    """`EventHubHook` of a hub in memory, with small batches, each of which takes a second."""

    def __init__(self, memory: MemoryHub, conn_id: str, hub: str | None) -> None:
        self._memory = memory
        self.conn_id = conn_id
        self.namespace = memory.namespace
        self.hub = hub or memory.name
        self.log_name = f"event_hub-{self.namespace}-{self.hub}"
        self.log_origin = {"source": "event_hub", "namespace": self.namespace, "hub": self.hub}
        self.tenant_id = None
        self.waited_seconds = self.throttled_seconds = 0.0

    def close(self) -> None:
        """Nothing is open."""

    def partitions(self) -> list[int]:
        if self._memory.refusal is not None:
            raise self._memory.refusal
        return sorted(self._memory.partitions)

    def watermarks(
        self, partitions: Sequence[int] | None = None, *, seconds: float = 60
    ) -> dict[int, Offsets]:
        if seconds < 60:
            self._memory.before_last_question()
        return {
            number: Offsets(there.low, there.high)
            for number, there in self._memory.partitions.items()
            if partitions is None or number in partitions
        }

    def offsets_at(self, moment: datetime, partitions: Sequence[int] | None = None) -> dict[int, int]:
        stamp = int(moment.timestamp() * 1000)
        return {
            number: there.low + bisect_left(there.times, stamp)
            for number, there in self._memory.partitions.items()
            if partitions is None or number in partitions
        }

    def enqueued_at(self, offsets: Mapping[int, int], *, seconds: float = 60) -> dict[int, datetime | None]:
        found: dict[int, datetime | None] = {}
        for number, offset in offsets.items():
            there = self._memory.partitions[number]
            held = there.low <= offset < there.high
            stamp = there.times[offset - there.low] if held else None
            found[number] = None if stamp is None else datetime.fromtimestamp(stamp / 1000, timezone.utc)
        return found

    def batches(
        self,
        ranges: Mapping[int, Sequence[tuple[int, int]]],
        *,
        max_messages: int | None = None,
        max_bytes: int | None = None,
        max_duration: float | None = None,
    ) -> Iterator[MessageBatch]:
        memory = self._memory
        memory.reads.append({partition: list(parts) for partition, parts in ranges.items()})
        wanted = [
            (partition, offset)
            for partition, parts in ranges.items()
            for start, end in parts
            for offset in range(start, end)
        ]
        if max_messages is not None:
            del wanted[max_messages:]
        if max_duration == 0:
            return
        given = 0
        size = memory.batch_messages
        for number, place in enumerate(range(0, len(wanted), size)):
            memory.before_batch(number)
            batch = MessageBatch()
            for partition, offset in wanted[place : place + size]:
                if memory.failure is not None and given == memory.failure[0]:
                    if batch.reached:
                        yield batch
                    raise memory.failure[1]
                given += self._give(batch, partition, offset)
            yield batch
            if (max_duration or 60) < 1 or (max_bytes is not None and batch.bytes >= max_bytes):
                return

    def _give(self, batch: MessageBatch, partition: int, offset: int) -> int:
        there = self._memory.partitions[partition]
        batch.reached[partition] = offset + 1
        if offset < there.low:
            batch.lost.append((partition, offset, offset + 1))
            return 0
        if offset in there.damaged:
            batch.damaged.append((partition, offset, offset + 1))
            return 0
        value = there.values[offset - there.low]
        if value is not None and len(value) > 1_000_000:
            digest = hashlib.sha256(value).hexdigest()
            stamp = there.times[offset - there.low]
            batch.oversized.append(OversizedMessage(partition, offset, stamp, len(value), digest))
            return 1
        batch.values.append(value)
        batch.partitions.append(partition)
        batch.offsets.append(offset)
        batch.enqueued.append(there.times[offset - there.low])
        batch.bytes += len(value or b"")
        return 1

    def commit(self, offsets: Mapping[int, int], *, group: str) -> None:
        self._memory.commits.append((dict(offsets), group))


# The lake -----------------------------------------------------------------------------------------


class EventLake:
    """A lake on disk, with what tests of events ask of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uri = path.as_uri()

    def files(self, table: str = "*") -> list[Path]:
        """What a plain reader of `*.parquet` finds of one table or of all."""
        return sorted(self.path.glob(f"events/{table}/date=*/**/*.parquet"))

    def rows(self, table: str) -> pa.Table:
        return pa.concat_tables([pq.read_table(file, partitioning=None) for file in self.files(table)])

    def quarantine(self) -> list[Path]:
        return sorted(self.path.glob("_defender/*/quarantine/**/*.parquet"))

    def rejects(self) -> list[dict[str, Any]]:
        return [
            row for file in self.quarantine() for row in pq.read_table(file, partitioning=None).to_pylist()
        ]

    def places(self) -> Counter[tuple[int, int, int]]:
        """(partition, offset, record) of every row and of every reject."""
        found: Counter[tuple[int, int, int]] = Counter()
        for file in self.files():
            with pq.ParquetFile(file) as parquet:
                kafka = parquet.read(columns=["landing.kafka"])["landing"].combine_chunks().field("kafka")
            found.update((row["partition"], row["offset"], row["record"]) for row in kafka.to_pylist())
        found.update((row["partition"], row["offset"], row["record"]) for row in self.rejects())
        return found

    def ledger(self) -> Ledger:
        """How many rows and rejects there are of each message; none of them twice."""
        places = self.places()
        assert {place: count for place, count in places.items() if count > 1} == {}
        return Counter((partition, offset) for partition, offset, _ in places)

    def records(self) -> list[dict[str, Any]]:
        """The commits, oldest first."""
        return [json.loads(path.read_text()) for path in sorted(self.path.glob("_defender/*/commits/*.json"))]

    def position(self) -> dict[str, Any]:
        """The partitions in the newest commit's position."""
        partitions: dict[str, Any] = self.records()[-1]["position"]["partitions"]
        return partitions

    def nexts(self) -> dict[int, int | None]:
        return {int(partition): each["next"] for partition, each in self.position().items()}


@pytest.fixture
def event_lake(tmp_path: Path) -> EventLake:
    return EventLake(tmp_path / "lake")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> MemoryHub:
    """The hub that every connection leads to, and whose clock runs start by."""
    memory = MemoryHub()

    def hook(conn_id: str, *, hub: str | None = None, **_: Any) -> MemoryHook:
        return MemoryHook(memory, conn_id, hub)

    monkeypatch.setitem(INJECTED, "clock", Clock(now=lambda: memory.now))
    monkeypatch.setitem(INJECTED, "hook", hook)
    return memory


def hub_operator(lake: EventLake, **arguments: Any) -> EventHubToParquetOperator:
    """The operator, with the test's own hook and clock."""
    given = {"lake": lake.uri, **INJECTED, **arguments}
    return EventHubToParquetOperator(task_id="land", **given)


def drain(lake: EventLake, given: Mapping[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """Run the operator as one task of a scheduled run, or in the context `given`; its summary."""
    return hub_operator(lake, **arguments).execute(given or context())  # type: ignore[arg-type]


def backfill(lake: EventLake, start: datetime, end: datetime, **arguments: Any) -> dict[str, Any]:
    """Run the operator as one task of a backfill run over this data interval."""
    given = context("backfill", data_interval_start=start, data_interval_end=end)
    return drain(lake, given, **arguments)
