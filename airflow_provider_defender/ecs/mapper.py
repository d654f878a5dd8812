"""`map_records`: map records to Arrow tables in one call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import cast

import pyarrow as pa

from airflow_provider_defender.landing import REJECTS_SCHEMA

from .engine.identities import Record
from .engine.mapped import MappedRecords, together
from .engine.records import map_batches
from .mapping import HUB_SOURCE, Mapping
from .registry import find_mapping, schema
from .stream.event_hub import map_messages

__all__ = ["map_records"]


def map_records(
    source: str | Mapping,
    records: Iterable[Record | None],
    *,
    origins: pa.Table | None = None,
    ingested: datetime | None = None,
    keep_original: bool = True,
) -> MappedRecords:
    """Map all records at once; use `map_batches` for more than fit in memory.

    Args:
        source: the name of a registered mapping, for example `endpoint_alerts`, or a mapping; or `event_hub`
            for any messages of an event hub (see `EventMapper`).
        records: JSON objects as the source sent them, in UTF-8. For an event hub the values of its messages,
            None for a message without a value.
        origins: a table with the columns `tenant` and, optionally, `log` (strings): one row per record, or
            one row for all. For an event hub also `namespace`, `hub`, `partition`, `offset` and `enqueued`,
            with the types of `landing.ORIGIN_FIELDS`.
        ingested: the run's start (an aware datetime), for `event.ingested`.
        keep_original: whether `event.original` holds the record's text (on its first row).

    Returns:
        The tables, each with its dataset's schema (`schema`), and the rejects.

    Raises:
        ValueError: no mapping has this name, or the number of origins does not fit.
    """
    if source == HUB_SOURCE:
        values = [
            record if isinstance(record, bytes) or record is None else bytes(record) for record in records
        ]
        return map_messages(values, origins=origins, ingested=ingested, keep_original=keep_original)
    mapping = find_mapping(source)
    given = cast("Iterable[Record]", records)
    parts = map_batches(
        mapping, given, origins=origins, ingested=ingested, max_bytes=None, keep_original=keep_original
    )
    empty = {mapping.dataset: schema(mapping).empty_table()}
    return together(list(parts), MappedRecords(empty, REJECTS_SCHEMA.empty_table()))
