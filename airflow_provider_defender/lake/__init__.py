"""The lake: partition files in a folder or an object store, and the commits that make them count.

It knows nothing of Airflow, nor of Defender. A run goes like this::

    lake = Lake(filesystem, root)
    log = lake.log("endpoint_alerts-<tenant>")
    head = log.head()
    with log.begin(head, kind="drain", since=head.position.watermark - overlap) as draft:
        for page in pages:
            wanted = draft.select_new(versions(page))
            draft.write("alerts", rows(page, wanted))
        draft.commit(Watermark(newest, timedelta(minutes=15)))

and of a hub, whose log knows offsets in the place of versions::

    log = lake.log("event_hub-<namespace>-<hub>", HubPosition)
    head = log.head()
    start = head.position.next(partition)
    with log.begin(head, kind="drain") as draft:
        for batch in batches(head.position.missing(partition, start, end)):
            draft.write("events/DeviceInfo", rows(batch))
        draft.commit(HubChange({partition: Covered(read=[(start, end)], next=end)}))
"""

from __future__ import annotations

from airflow_provider_defender.lake._draft import Draft
from airflow_provider_defender.lake._errors import (
    CommitConflict,
    CommitStateUnknown,
    DraftTooOld,
    LakeError,
    NotShown,
    PositionTooLarge,
    RecordUnreadable,
    StoreRefused,
)
from airflow_provider_defender.lake._hub import Covered, HubChange, HubPosition, PartitionPosition
from airflow_provider_defender.lake._hub_draft import HubDraft
from airflow_provider_defender.lake._lake import Lake
from airflow_provider_defender.lake._log import Head, Log
from airflow_provider_defender.lake._parquet import WriterSettings
from airflow_provider_defender.lake._position import RestPosition, Watermark
from airflow_provider_defender.lake._read import committed_files
from airflow_provider_defender.lake._record import DataFile, Record

__all__ = [
    "CommitConflict",
    "CommitStateUnknown",
    "Covered",
    "DataFile",
    "Draft",
    "DraftTooOld",
    "Head",
    "HubChange",
    "HubDraft",
    "HubPosition",
    "Lake",
    "LakeError",
    "Log",
    "NotShown",
    "PartitionPosition",
    "PositionTooLarge",
    "Record",
    "RecordUnreadable",
    "RestPosition",
    "StoreRefused",
    "Watermark",
    "WriterSettings",
    "committed_files",
]
