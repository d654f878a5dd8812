"""The fixtures that tests with a broker share."""

from __future__ import annotations

from tests.kafka_broker.fixtures import broker, entra, running_broker

__all__ = ["broker", "entra", "running_broker"]
