"""The columns that `ecs` writes and `lake` reads back: the struct `landing`, and the columns of rejects.

A leaf, so that neither side imports the other. It defines column names and types, and knows nothing about
records or files.
"""

from __future__ import annotations

from enum import Enum

import pyarrow as pa

__all__ = [
    "HUB_REJECTS_SCHEMA",
    "LANDING_TYPE",
    "OFFSET_COLUMNS",
    "ORIGIN_FIELDS",
    "REJECTS_SCHEMA",
    "REJECT_OFFSET_COLUMNS",
    "REJECT_VERSION_COLUMNS",
    "TIMESTAMP",
    "VERSION_COLUMNS",
    "Partitioning",
]

TIMESTAMP = pa.timestamp("us", tz="UTC")
"""The type of every time that lands."""


class Partitioning(Enum):
    """How a dataset's rows are divided into folders, by their `@timestamp` in UTC."""

    DAY = "day"
    """`date=2026-11-22/`"""
    HOUR = "hour"
    """`date=2026-11-22/hour=13/`"""


LANDING_TYPE = pa.struct(
    [
        pa.field("source", pa.string()),
        pa.field("log", pa.string()),
        pa.field("tenant", pa.string()),
        pa.field("key", pa.string()),
        pa.field("version", pa.string()),
        pa.field("updated", TIMESTAMP),
        pa.field("item", pa.int32()),
        pa.field("time_origin", pa.string()),
        pa.field(
            "kafka",
            pa.struct(
                [
                    pa.field("namespace", pa.string()),
                    pa.field("hub", pa.string()),
                    pa.field("partition", pa.int32()),
                    pa.field("offset", pa.int64()),
                    pa.field("record", pa.int32()),
                    pa.field("enqueued", TIMESTAMP),
                ]
            ),
        ),
    ]
)
"""The struct `landing` of every row. It identifies the row's origin: enough to find its record again, to
recognise a duplicate, and to order the states of a record by `updated`. That is the time of `version` or, for
a record of a hub, the time when the broker received it; null if there is none."""

ORIGIN_FIELDS = (
    pa.field("namespace", pa.string()),
    pa.field("hub", pa.string()),
    pa.field("partition", pa.int32()),
    pa.field("offset", pa.int64()),
    pa.field("enqueued", TIMESTAMP),
    pa.field("tenant", pa.string()),
)
"""What is known about a hub's message besides its value: where it was read, when the broker received it, and
the hub's tenant."""

REJECTS_SCHEMA = pa.schema(
    [
        pa.field("bytes", pa.binary()),
        pa.field("error", pa.string()),
        pa.field("path", pa.string()),
        pa.field("record_index", pa.int64()),
        pa.field("key", pa.string()),
        pa.field("version", pa.string()),
        pa.field("tenant", pa.string()),
    ]
)
"""Rejected records: their exact bytes, the error and its place (a property's name), their index among the
records given, and the key and version from `ecs.identities`."""

HUB_REJECTS_SCHEMA = pa.schema(
    [
        *REJECTS_SCHEMA,
        *(field for field in ORIGIN_FIELDS if field.name != "tenant"),
        pa.field("record", pa.int32()),
    ]
)
"""Rejected messages of an event hub, or records of them: `record_index` is the message's index among those
given, `record` the record's index in its message; key is `reject:<sha256 of the bytes>`, version ""."""

VERSION_COLUMNS = ("landing.key", "landing.version")
"""The columns that identify the record version of a row."""
OFFSET_COLUMNS = ("landing.kafka.partition", "landing.kafka.offset")
"""The columns that identify the hub message of a row."""
REJECT_VERSION_COLUMNS = ("key", "version")
"""Like `VERSION_COLUMNS`, for rejects."""
REJECT_OFFSET_COLUMNS = ("partition", "offset")
"""Like `OFFSET_COLUMNS`, for rejects."""
