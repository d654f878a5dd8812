"""Maps records of Microsoft Defender to Arrow tables in the Elastic Common Schema. No I/O, clock or Airflow.

`map_records` takes raw JSON records and returns tables with a fixed schema, and the records that cannot land.
A drain does the same batch by batch with a `Mapper`: a `RecordMapper` for a REST source, an `EventMapper` for
an event hub. `identities` returns key and version of each record without mapping it. The mapping of a source
is data (`Mapping`); `register` adds your own mappings. `schema` and `partitioning` describe a dataset.
"""

from __future__ import annotations

from airflow_provider_defender.landing import HUB_REJECTS_SCHEMA, REJECTS_SCHEMA, Partitioning

from .engine.identities import Identity, identities
from .engine.mapped import MappedRecords, Mapper
from .engine.records import RecordMapper, map_batches
from .fields import ECS_VERSION
from .mapper import map_records
from .mapping import (
    ENVELOPE,
    ColumnType,
    Computed,
    Derived,
    Deviation,
    Fields,
    ListOf,
    Mapping,
    Scalar,
    Shape,
)
from .registry import find_mapping, partitioning, register, registered, schema
from .stream.event_hub import EventMapper, known_event_tables, unread_messages

__all__ = [
    "ECS_VERSION",
    "ENVELOPE",
    "HUB_REJECTS_SCHEMA",
    "REJECTS_SCHEMA",
    "ColumnType",
    "Computed",
    "Derived",
    "Deviation",
    "EventMapper",
    "Fields",
    "Identity",
    "ListOf",
    "MappedRecords",
    "Mapper",
    "Mapping",
    "Partitioning",
    "RecordMapper",
    "Scalar",
    "Shape",
    "find_mapping",
    "identities",
    "known_event_tables",
    "map_batches",
    "map_records",
    "partitioning",
    "register",
    "registered",
    "schema",
    "unread_messages",
]
