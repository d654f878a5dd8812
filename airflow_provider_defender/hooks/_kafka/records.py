"""The records of a hub's messages as dicts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_defender.hooks._kafka.messages import MessageBatch

__all__ = ["records_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_STREAM = "AdvancedHunting-"


def records_of(batch: MessageBatch) -> Iterator[dict[str, Any]]:
    """Yield the records of a batch's messages, each with its place in the hub.

    Never fails: what is no record of Defender's is returned as it was sent.
    """
    messages = zip(batch.values, batch.partitions, batch.offsets, batch.enqueued, strict=True)
    for value, partition, offset, milliseconds in messages:
        enqueued = _EPOCH + timedelta(milliseconds=milliseconds) if milliseconds >= 0 else None
        place = {"hub_partition": partition, "offset": offset, "enqueued": enqueued}
        for record in _records(value):
            yield {**_readable(record), **place}


def _records(value: bytes | None) -> list[Any]:
    """The contents of a message: the elements of its `records`, or else itself; a text if it is not JSON."""
    if value is None:
        return []  # a tombstone
    text = value.decode("utf-8", "replace")
    try:
        message = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return [text]
    records = message.get("records") if isinstance(message, dict) else None
    if isinstance(records, list):
        return records
    return message if isinstance(message, list) else [message]


def _readable(record: Any) -> dict[str, Any]:
    """Table, time and properties of a Streaming API record; any other record is its own `properties`."""
    table = time = None
    properties = record
    if isinstance(record, dict):
        time = record.get("time") or record.get("TimeGenerated")
        category = record.get("category")
        if isinstance(category, str) and isinstance(record.get("properties"), dict):
            table, properties = category.removeprefix(_STREAM), record["properties"]
    return {"table": table, "time": time, "properties": properties}
