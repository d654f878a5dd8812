"""A hub on the real broker with a ledger of what was sent to it, and what must hold of a lake it lands in."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import duckdb
import pytest

from airflow_provider_defender.lake import committed_files
from tests.helpers.event_hubs import EventLake, Ledger, message
from tests.kafka_broker import KafkaBroker
from tests.reliability.support import assert_only_committed_rows_are_seen

TABLES = ("DeviceInfo", "DeviceEvents")


class BrokerHub:
    """A hub and the connection `event_hub_default` to it; `ledger` says what must be found in the lake."""

    def __init__(
        self, broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch, partitions: int = 2, **options: Any
    ) -> None:
        self.broker = broker
        self.name = broker.create_hub(partitions=partitions, **options)
        self.ledger: Ledger = Counter()
        self.highs = dict.fromkeys(range(partitions), 0)
        self._rows = 0
        monkeypatch.setenv("AIRFLOW_CONN_EVENT_HUB_DEFAULT", json.dumps(broker.connection(self.name)))

    def fill(self, messages: int, *, padding: int = 0, time: int | None = None) -> None:
        """Add messages to each partition: rows of two tables in turn, two of a table in each, one broken.

        `padding` bytes make each larger; `time` is when they enter, in ms since 1970, if they say so.
        """
        for partition in self.highs:
            values: list[bytes | None] = []
            for number in range(messages):
                rows = [
                    {"DeviceId": f"device-{self._rows + n}", "LoggedOnUsers": "." * padding} for n in (0, 1)
                ]
                self._rows += 2
                values.append(message(*rows, table=TABLES[number % 2]))
            values[messages // 2] = b"{"
            times = None if time is None else [time] * messages
            self.broker.produce(self.name, values, partition=partition, times=times)
            for value in values:
                self.ledger[partition, self.highs[partition]] = 1 if value == b"{" else 2
                self.highs[partition] += 1

    def add_partitions(self, total: int) -> None:
        self.broker.add_partitions(self.name, total)
        self.highs = {**dict.fromkeys(range(total), 0), **self.highs}

    def expire(self, partition: int, below: int, landed: int = 0) -> None:
        """Retention deletes the messages below an offset, of which those below `landed` are in the lake."""
        self.broker.delete_records_before(self.name, below, partition)
        for offset in range(landed, below):
            self.ledger.pop((partition, offset), None)


def assert_exactly_once(lake: EventLake, hub: BrokerHub) -> None:
    """P1, P3, P4: of every offset what must come of it, once, in committed files; positions never go back."""
    assert_only_committed_rows_are_seen(lake.path)
    assert lake.ledger() == hub.ledger
    for table in TABLES:
        assert sorted(committed_files(str(lake.path), f"events/{table}")) == sorted(
            map(str, lake.files(table))
        )
    for before, after in pairwise(lake.records()):
        for partition, each in before["position"]["partitions"].items():
            later = after["position"]["partitions"][partition]
            assert (later["next"] or 0) >= (each["next"] or 0)
    assert in_duckdb(lake) == {place: 2 for place, count in hub.ledger.items() if count == 2}


def in_duckdb(lake: EventLake) -> dict[tuple[int, int], int]:
    """(partition, offset) → rows, as DuckDB reads the folders of all tables together."""
    found = duckdb.execute(
        "SELECT landing.kafka.partition, landing.kafka.offset, count(DISTINCT landing.kafka.record) "
        f"FROM read_parquet('{lake.path}/events/*/date=*/hour=*/*.parquet', union_by_name = true) "
        "GROUP BY ALL"
    ).fetchall()
    return {(partition, offset): count for partition, offset, count in found}
