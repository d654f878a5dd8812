"""The exporter at work: sends a stream's messages into the embedded hub, at once or as time goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.hub.embedded import EmbeddedHub, EmbeddedHubError, produce
from airflow_provider_defender.simulator.hub.stream import EventStream

__all__ = ["EventExporter"]

_STEP_SECONDS = 0.5


class EventExporter:
    """Sends one tenant's events into one hub, from this process or at the request of others; keeps the truth.

    The broker-free stand-in for Defender's Streaming API setting "stream to Azure Event Hubs". All methods
    may be called from any thread.
    """

    def __init__(
        self, tenant: Tenant, namespace: EmbeddedHub, hub: str = "defender", *, partitions: int = 4
    ) -> None:
        self._tenant = tenant
        self.namespace = namespace
        self.hub = hub
        namespace.create(hub, partitions)
        self.stream = EventStream(tenant.seed, tenant=tenant)
        self._partitions = range(partitions)
        self._producer = namespace.producer()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pending = 0
        self._failure: str | None = None

    def send(self, records: int = 1, *, oddities: Sequence[str] = ()) -> int:
        """Send some records, and odd messages by their names in `ODDITIES`. Returns the number of messages.

        They are in the hub when this returns. Raises KeyError for an unknown oddity, EmbeddedHubError if the
        hub does not accept them.
        """
        with self._lock:
            self.stream.advance_to(self._tenant.now())
            messages = [self.stream.oddity(name) for name in oddities]
            messages += self.stream.records(records)
            # Each call begins with another partition, so that single messages spread as many do.
            first = self.stream.truth.messages % len(self._partitions)
            turn = [*self._partitions[first:], *self._partitions[:first]]
            return produce(messages, self._producer, self.hub, partitions=turn)

    def tell(self, rows: Iterable[tuple[str, Mapping[str, Any], int]]) -> int:
        """Send given events, as `EventStream.told` writes them. Returns the number of messages.

        Raises EmbeddedHubError if the hub does not accept them.
        """
        with self._lock:
            self.stream.advance_to(self._tenant.now())
            messages = self.stream.told(rows)
            return produce(messages, self._producer, self.hub, partitions=self._partitions)

    def set_shares(self, *, odd: float | None = None, duplicates: float | None = None) -> None:
        """Set the share of odd messages and of repeated records from now on; None leaves it unchanged."""
        with self._lock:
            self.stream.odd = self.stream.odd if odd is None else odd
            self.stream.duplicates = self.stream.duplicates if duplicates is None else duplicates

    def send_over(self, records: int, seconds: float) -> None:
        """Send a number of records from a thread, spread evenly over the coming seconds."""
        with self._lock:
            self._pending += records
        self._start(records / max(seconds, _STEP_SECONDS), limit=records)

    def send_for_ever(self, records_per_minute: float) -> None:
        """Send continuously from a thread, until `stop`."""
        self._start(records_per_minute / 60)

    def _start(self, per_second: float, limit: int | None = None) -> None:
        thread = threading.Thread(
            target=self._run, args=(per_second, limit), name="event exporter", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _run(self, per_second: float, limit: int | None) -> None:
        begun, sent = time.monotonic(), 0
        while (limit is None or sent < limit) and not self._stopped.wait(_STEP_SECONDS):
            due = int(per_second * (time.monotonic() - begun)) - sent
            due = due if limit is None else min(due, limit - sent)
            if due <= 0:
                continue
            try:
                self.send(due)
            except EmbeddedHubError as error:
                self._failure = str(error)
                return
            sent += due
            if limit is not None:
                with self._lock:
                    self._pending -= due

    def state(self) -> dict[str, Any]:
        """The hub, the records still to come of `send_over`, what stopped a thread, and the truth."""
        with self._lock:
            truth = self.stream.truth
            return {
                "bootstrap_servers": self.namespace.bootstrap_servers,
                "hub": self.hub,
                "partitions": len(self._partitions),
                "pending": self._pending,
                "failure": self._failure,
                "messages": truth.messages,
                "records": truth.records,
                "rows": dict(truth.rows),
                "duplicates": truth.duplicates,
                "broken": dict(truth.broken),
                "odd": dict(truth.odd),
            }

    def connection(self) -> dict[str, Any]:
        """An Airflow connection of type `event_hub` to the hub."""
        return {
            "conn_type": "event_hub",
            "host": "127.0.0.1",
            "port": self.namespace.port,
            "extra": {"security_protocol": "PLAINTEXT", "event_hub": self.hub},
        }

    def stop(self) -> None:
        """End the threads; the hub stays."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(10)
