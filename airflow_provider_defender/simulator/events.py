"""Events without a simulator: an exporter's stream, an embedded hub, and the ground truth of what was sent.

stream = EventStream(seed=7)
messages = stream.messages(100)                 # list[bytes]: values of Kafka messages
produce(messages, producer, "defender")         # to any Kafka broker
stream.truth.rows                               # {"DeviceProcessEvents": 68, …}: what must land, once
"""

from __future__ import annotations

from airflow_provider_defender.simulator.hub.embedded import EmbeddedHub, EmbeddedHubError, produce
from airflow_provider_defender.simulator.hub.exports import UNKNOWN_TABLE
from airflow_provider_defender.simulator.hub.oddities import ODDITIES
from airflow_provider_defender.simulator.hub.stream import FEEDS, STREAMING_TABLES, EventStream, Truth

__all__ = [
    "FEEDS",
    "ODDITIES",
    "STREAMING_TABLES",
    "UNKNOWN_TABLE",
    "EmbeddedHub",
    "EmbeddedHubError",
    "EventStream",
    "Truth",
    "produce",
]
