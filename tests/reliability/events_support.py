"""A hub on librdkafka's mock cluster, and what must hold of a lake that it is landed in."""

from __future__ import annotations

import json
from collections import Counter
from itertools import count, pairwise
from typing import Any

import pytest

from airflow_provider_defender.lake import committed_files
from airflow_provider_defender.simulator.events import EmbeddedHub, produce
from tests.helpers.event_hubs import EventLake, Ledger, message
from tests.reliability.support import assert_only_committed_rows_are_seen

_NUMBERS = count()
TABLES = ("EmailUrlInfo", "MessageUrlInfo")


class Namespace:
    """One hub of an embedded namespace, with a ledger of what was sent to it."""

    def __init__(self, embedded: EmbeddedHub, partitions: int = 2) -> None:
        self.embedded = embedded
        self.hub = f"defender-{next(_NUMBERS)}"
        self.partitions = partitions
        self.ledger: Ledger = Counter()
        self.highs = dict.fromkeys(range(partitions), 0)
        self._rows = 0
        embedded.create(self.hub, partitions)
        self._producer = embedded.producer(linger_ms=0)

    def connect(self, monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
        """Point the connection `event_hub_default` here."""
        connection = {
            "conn_type": "event_hub",
            "host": "127.0.0.1",
            "port": self.embedded.port,
            "extra": {"security_protocol": "PLAINTEXT", "event_hub": self.hub, **extra},
        }
        monkeypatch.setenv("AIRFLOW_CONN_EVENT_HUB_DEFAULT", json.dumps(connection))

    def send(self, values: list[bytes | None], partition: int, parts: int = 1) -> None:
        """Add messages of which `parts` rows or rejects each must come."""
        produce(values, self._producer, self.hub, partitions=[partition])
        for _ in values:
            self.ledger[partition, self.highs[partition]] = parts
            self.highs[partition] += 1

    def fill(self, messages: int) -> None:
        """Add messages to each partition: rows of two tables, and a broken one."""
        for partition in range(self.partitions):
            values: list[bytes | None] = []
            for number in range(messages):
                self._rows += 1
                values.append(message({"DeviceId": f"device-{self._rows}"}, table=TABLES[number % 2]))
            values[messages // 2] = b"{"
            self.send(values, partition)


def assert_sound(lake: EventLake) -> None:
    """P3 and P4: whole, committed files only; numbers without gaps, positions that never go back."""
    assert_only_committed_rows_are_seen(lake.path)
    records = lake.records()
    assert [record["number"] for record in records] == list(range(1, len(records) + 1))
    for before, after in pairwise(records):
        for partition, each in before["position"]["partitions"].items():
            later = after["position"]["partitions"][partition]
            assert (later["next"] or 0) >= (each["next"] or 0)


def assert_exactly_once(lake: EventLake, namespace: Namespace) -> None:
    """P1: of every offset of the hub what must come of it, once; and nothing else."""
    assert_sound(lake)
    assert lake.ledger() == namespace.ledger
    for table in TABLES:
        found = sorted(map(str, lake.files(table)))
        assert sorted(committed_files(str(lake.path), f"events/{table}")) == found
