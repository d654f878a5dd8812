"""The exporter: what Defender's Streaming API sends to an event hub, made up, and the truth about it.

    stream = EventStream(seed=7)
    messages = stream.messages(100)                 # list[bytes]: values of Kafka messages
    produce(messages, producer, "defender")         # to any Kafka broker
    stream.truth.rows                               # {"DeviceProcessEvents": 68, …}: what must land, once

The same seed and settings give the same bytes, in every process.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.hub.exports import (
    EXPORTS,
    UNKNOWN_TABLE,
    azure_monitor_record,
    unknown_properties,
)
from airflow_provider_defender.simulator.hub.oddities import ODDITIES
from airflow_provider_defender.simulator.hub.rows import CATEGORY_PREFIX, Envelope, streaming_tables
from airflow_provider_defender.simulator.hub.scene import Company, Scene
from airflow_provider_defender.simulator.server.draw import draw_for
from airflow_provider_defender.timestamps import datetime_to_ticks

__all__ = [
    "FEEDS",
    "STREAMING_TABLES",
    "EventStream",
    "Truth",
]

_SECOND = 10_000_000
_AZURE_MONITOR = "AzureMonitor"
_REMEMBERED = 500
_MOST_RECORDS = 60
_ALERTS = 30

#: Names of the streaming tables.
STREAMING_TABLES: tuple[str, ...] = tuple(streaming_tables())
_BUSY = {
    "DeviceProcessEvents": 14.0,
    "DeviceNetworkEvents": 14.0,
    "DeviceFileEvents": 12.0,
    "DeviceEvents": 10.0,
    "DeviceRegistryEvents": 8.0,
    "DeviceImageLoadEvents": 8.0,
    "IdentityLogonEvents": 4.0,
    "CloudAppEvents": 4.0,
    "DeviceLogonEvents": 3.0,
    "EmailEvents": 2.0,
}
#: What a stream sends (named as its dataset in the lake), and how much of it, one beside the other.
FEEDS: Mapping[str, float] = {
    **{table: _BUSY.get(table, 0.5) for table in STREAMING_TABLES},
    **dict.fromkeys(EXPORTS, 0.3),
    _AZURE_MONITOR: 0.3,
    UNKNOWN_TABLE: 0.3,
}


@dataclass
class Truth:
    """What a stream has sent so far, by which nothing may be lost and nothing doubled.

    `records == sum(rows.values()) + duplicates`; `broken` is apart from them.
    """

    messages: int = 0
    records: int = 0
    """Readable records, duplicates among them."""
    rows: Counter[str] = field(default_factory=Counter)
    """Dataset (without `events/`) → records that differ from all before."""
    duplicates: int = 0
    """Records whose `properties` were sent before, byte by byte."""
    broken: Counter[str] = field(default_factory=Counter)
    """Oddity → messages, or elements of `records`, that can only go to quarantine."""
    odd: Counter[str] = field(default_factory=Counter)
    """Oddity → messages made so."""


class EventStream:
    """Messages as the exporter of a tenant sends them: many tables, one or more records in each.

    * `tenant`: whose devices, people and alerts the events name; by default `Tenant(seed)`.
    * `start`: when the first message is exported (aware); by default the tenant's present time.
    * `feeds`: which of `FEEDS` it sends; the first records have one of each, the others by their weight.
    * `duplicates`: the share of records that come again, minutes later, in a new envelope (3 % measured).
    * `odd`: the share of messages that are odd, in one of the ways of `ODDITIES`.
    * `records_a_message`: a fixed number, where by default there are 1 to 60.

    `duplicates` and `odd` are attributes, too, and may be set at any time. It remembers a hash of each record
    that it has sent, 16 bytes. Not safe for several threads.

    Raises ValueError for an unknown feed.
    """

    def __init__(
        self,
        seed: int | str = 7,
        *,
        tenant: Tenant | None = None,
        start: datetime | None = None,
        feeds: Sequence[str] | None = None,
        duplicates: float = 0.03,
        odd: float = 0.0,
        records_a_message: int | None = None,
    ) -> None:
        unknown = sorted(set(feeds or ()) - set(FEEDS))
        if unknown:
            raise ValueError(f"No such feeds: {', '.join(unknown)}")
        tenant = tenant or Tenant(seed, alerts=_ALERTS)
        self.truth = Truth()
        self._draw = draw_for(seed, "events")
        self._telling = draw_for(seed, "told events")
        self._company = _company(seed, tenant)
        self._envelope = Envelope(tenant.tenant_id)
        self._now = datetime_to_ticks(start) if start else tenant.now_ticks()
        self._weights = {feed: FEEDS[feed] for feed in feeds or FEEDS}
        self._wrapped_weights = {feed: w for feed, w in self._weights.items() if feed not in EXPORTS}
        self._due = list(self._weights)
        self._draw.shuffle(self._due)
        self.duplicates = duplicates
        self.odd = odd
        self._size = records_a_message
        self._number = 0
        self._sent: set[bytes] = set()
        self._recent: deque[tuple[str, bytes, int]] = deque(maxlen=_REMEMBERED)

    # -- messages

    def advance_to(self, moment: datetime) -> None:
        """Export the next message then; the stream's clock never goes back.

        By itself it goes on by a twentieth of a second from message to message, on average.
        """
        self._now = max(self._now, datetime_to_ticks(moment))

    def messages(self, count: int) -> list[bytes | None]:
        """The next messages; None (a tombstone) comes only from a stream with oddities."""
        return [self._message(_MOST_RECORDS) for _ in range(count)]

    def records(self, count: int) -> list[bytes | None]:
        """As many messages as hold this number of readable records; an odd one at the end may have more."""
        wanted, messages = self.truth.records + count, []
        while self.truth.records < wanted:
            messages.append(self._message(wanted - self.truth.records))
        return messages

    def told(self, rows: Iterable[tuple[str, Mapping[str, Any], int]]) -> list[bytes]:
        """Messages, one a row, that tell of given events: table, `properties`, and when it happened (ticks).

        They count in the truth, and draw nothing from what decides the stream's own messages.
        """
        messages = []
        for table, properties, happened in rows:
            encoded = msgspec.json.encode(properties)
            self.truth.messages += 1
            self._count(table, new=self._is_new(table, encoded))
            received = (happened + self._now) // 2
            record = self._envelope.around(
                encoded, f"{CATEGORY_PREFIX}{table}", self._telling, received=received, exported=self._now
            )
            messages.append(b'{"records":[' + record + b"]}")
        return messages

    def oddity(self, name: str) -> bytes | None:
        """One odd message, counted as all are. Raises KeyError for a name that `ODDITIES` does not have."""
        built = ODDITIES[name](self._decoded_record)
        self.truth.messages += 1
        self.truth.odd[name] += 1
        if built.broken:
            self.truth.broken[name] += built.broken
        for dataset in built.rows:
            self._count(dataset, new=True)
        return built.value

    def _message(self, most: int) -> bytes | None:
        self._now += int(self._draw.expovariate(20) * _SECOND)
        if self.odd and self._draw.random() < self.odd:
            return self.oddity(self._draw.choice(tuple(ODDITIES)))
        self.truth.messages += 1
        size = min(self._size or self._usual_size(), most)
        feed = self._next_feed()
        if feed in EXPORTS:
            self._count(feed, new=True)
            return msgspec.json.encode(EXPORTS[feed](self._scene(self._now)))
        records = [self._wrapped_record(feed)]
        while len(records) < size:
            records.append(self._wrapped_record(self._next_wrapped_feed()))
        return b'{"records":[' + b",".join(records) + b"]}"

    def _usual_size(self) -> int:
        if self._draw.random() < 0.45:
            return 1
        return min(1 + int(self._draw.expovariate(1 / 8)), _MOST_RECORDS)

    def _next_feed(self) -> str:
        if self._due:
            return self._due.pop()
        return self._random_feed(self._weights)

    def _next_wrapped_feed(self) -> str:
        """The next feed whose records stand in `records`; the others stay due."""
        for position, feed in enumerate(self._due):
            if feed not in EXPORTS:
                return self._due.pop(position)
        return self._random_feed(self._wrapped_weights)

    def _random_feed(self, weights: Mapping[str, float]) -> str:
        [feed] = self._draw.choices(tuple(weights), tuple(weights.values()))
        return feed

    # -- records

    def _wrapped_record(self, feed: str) -> bytes:
        """A record as it stands in `records`: of a feed, or one that was sent before."""
        if self._recent and not self._due and self._draw.random() < self.duplicates:
            older_half = len(self._recent) // 2 + 1
            table, properties, happened = self._recent[self._draw.randrange(older_half)]
            self._count(table, new=False)
            return self._enclosed(table, properties, happened)
        if feed == _AZURE_MONITOR:
            self._count(feed, new=True)
            return msgspec.json.encode(azure_monitor_record(self._scene(self._now)))
        properties, happened = self._properties(feed)
        self._recent.append((feed, properties, happened))
        self._count(feed, new=self._is_new(feed, properties))
        return self._enclosed(feed, properties, happened)

    def _properties(self, table: str) -> tuple[bytes, int]:
        """A new row as bytes, and when it happened."""
        if table == UNKNOWN_TABLE:
            scene = self._scene(self._now - 60 * _SECOND)
            return msgspec.json.encode(unknown_properties(scene)), scene.at
        streaming = streaming_tables()[table]
        happened = self._now - streaming.lag(self._draw)
        scene = self._scene(happened, in_container=table == "CloudProcessEvents")
        return msgspec.json.encode(streaming.properties(scene)), scene.at

    def _enclosed(self, table: str, properties: bytes, happened: int) -> bytes:
        received = happened + int(self._draw.uniform(0.3, 0.9) * (self._now - happened))
        return self._envelope.around(
            properties, f"{CATEGORY_PREFIX}{table}", self._draw, received=received, exported=self._now
        )

    def _decoded_record(self, table: str) -> dict[str, Any]:
        properties, happened = self._properties(table)
        record: dict[str, Any] = msgspec.json.decode(self._enclosed(table, properties, happened))
        return record

    def _scene(self, at: int, *, in_container: bool = False) -> Scene:
        self._number += 1
        return Scene(self._draw, self._company, at, self._number, in_container=in_container)

    # -- the truth

    def _is_new(self, table: str, properties: bytes) -> bool:
        known = len(self._sent)
        self._sent.add(hashlib.blake2b(table.encode() + b"\0" + properties, digest_size=16).digest())
        return len(self._sent) > known

    def _count(self, dataset: str, *, new: bool) -> None:
        self.truth.records += 1
        if new:
            self.truth.rows[dataset] += 1
        else:
            self.truth.duplicates += 1


def _company(seed: int | str, tenant: Tenant) -> Company:
    """What the events of a tenant have in common; a tenant without alerts lends another's."""
    alerts = tenant.alerts[:_ALERTS] or Tenant(seed, alerts=_ALERTS, domain=tenant.domain).alerts
    draw = draw_for(seed, "subscription")
    subscription = f"{draw.getrandbits(32):08x}-3cdd-484e-83b1-{draw.getrandbits(48):012x}"
    return Company(
        tenant.tenant_id, tenant.domain, tenant.population, [version.body for version in alerts], subscription
    )
