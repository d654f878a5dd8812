"""A real Apache Kafka broker, shaped like an Event Hubs namespace, for integration tests and benchmarks."""

from __future__ import annotations

from tests.kafka_broker.broker import KafkaBroker, TokenIssuer
from tests.kafka_broker.jars import BrokerFailed, missing_tools

__all__ = ["BrokerFailed", "KafkaBroker", "TokenIssuer", "missing_tools"]
