"""The exporter at work."""

from __future__ import annotations

from collections import Counter

from confluent_kafka import Consumer, TopicPartition

from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.simulator.events import (
    EventStream,
)


def test_the_exporter_sends_to_the_embedded_hub() -> None:
    with Simulator(tenant=Tenant(7, alerts=5), events=True, event_partitions=3) as simulator:
        exporter = simulator.exporter
        connection = simulator.connections()["event_hub_default"]
        assert connection["conn_type"] == "event_hub"
        assert f"{connection['host']}:{connection['port']}" == exporter.namespace.bootstrap_servers
        exporter.send(200, oddities=["tombstone", "cut off"])
        exporter.send_over(30, seconds=0)
        for thread in exporter._threads:
            thread.join(30)
        state = exporter.state()
        assert (state["records"], state["pending"], state["failure"]) == (230, 0, None)
        assert state["broken"] == {"tombstone": 1, "cut off": 1}
        reader = Consumer({"bootstrap.servers": exporter.namespace.bootstrap_servers, "group.id": "tests"})
        offsets = [reader.get_watermark_offsets(TopicPartition(exporter.hub, n)) for n in range(3)]
        assert sum(high for _, high in offsets) == state["messages"]
        assert all(high > 0 for _, high in offsets)
        reader.assign([TopicPartition(exporter.hub, number, 0) for number in range(3)])
        values = [message.value() for message in reader.consume(state["messages"], 20)]
        reader.close()
    whole = EventStream(7, tenant=Tenant(7, alerts=5))
    sent = [whole.oddity("tombstone"), whole.oddity("cut off"), *whole.records(200)]
    assert Counter(sent) - Counter(values) == Counter()
