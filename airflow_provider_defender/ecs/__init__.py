"""Records of Microsoft Defender as Arrow tables in the Elastic Common Schema: no I/O, no clock, no Airflow.

`map_records` and `map_batches` take raw JSON records and give tables in a fixed schema, and the records that
cannot land. How a source is mapped is data (`Mapping`); `register` adds mappings of one's own.
"""

from __future__ import annotations

from ._mapped import HUB_REJECTS_SCHEMA, REJECTS_SCHEMA, MappedRecords
from .event_hub import EventMapper, known_event_tables, unread_messages
from .fields import ECS_VERSION
from .mapper import Version, map_batches, map_records, record_versions
from .mapping import ENVELOPE, Computed, Deviation, Kind, ListOf, Mapping, Scalar, Shape
from .registry import find_mapping, register, registered, schema

__all__ = [
    "ECS_VERSION",
    "ENVELOPE",
    "HUB_REJECTS_SCHEMA",
    "REJECTS_SCHEMA",
    "Computed",
    "Deviation",
    "EventMapper",
    "Kind",
    "ListOf",
    "MappedRecords",
    "Mapping",
    "Scalar",
    "Shape",
    "Version",
    "find_mapping",
    "known_event_tables",
    "map_batches",
    "map_records",
    "record_versions",
    "register",
    "registered",
    "schema",
    "unread_messages",
]
