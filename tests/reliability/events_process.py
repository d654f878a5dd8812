"""One drain of many events in a process of its own; prints its summary and its peak memory as JSON.

    python -m tests.reliability.events_process <lake's folder> <messages>

The messages are of all tables, some 20 events each, in two partitions of a hub in memory: a hundred of
them, which come again and again, so that the hub itself takes next to none.
"""

from __future__ import annotations

import json
import sys
from itertools import cycle, islice
from pathlib import Path

from airflow_provider_defender.simulator.events import EventStream
from tests.helpers.event_hubs import NOW, EventLake, MemoryHook, MemoryHub, drain
from tests.reliability.landing_process import peak_bytes

DIFFERENT = 100


def main(lake: str, messages: str) -> None:
    hub = MemoryHub()
    hub.batch_messages = 100
    stream = EventStream(3, duplicates=0, records_a_message=20, start=NOW)
    for number, value in enumerate(islice(cycle(list(stream.messages(DIFFERENT))), int(messages))):
        hub.send(value, number % 2)
    summary = drain(
        EventLake(Path(lake)),
        drop_duplicates=False,
        hook=lambda conn_id, **_: MemoryHook(hub, conn_id, None),
    )
    print(json.dumps({"summary": summary, "peak": peak_bytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
