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
"""

from __future__ import annotations

from airflow_provider_defender.lake._draft import Draft
from airflow_provider_defender.lake._errors import (
    CommitConflict,
    CommitStateUnknown,
    DraftTooOld,
    LakeError,
    NotShown,
    RecordUnreadable,
    StoreRefused,
)
from airflow_provider_defender.lake._lake import Lake
from airflow_provider_defender.lake._log import Head, Log
from airflow_provider_defender.lake._parquet import WriterSettings
from airflow_provider_defender.lake._position import RestPosition, Watermark
from airflow_provider_defender.lake._read import committed_files
from airflow_provider_defender.lake._record import DataFile, Record

__all__ = [
    "CommitConflict",
    "CommitStateUnknown",
    "DataFile",
    "Draft",
    "DraftTooOld",
    "Head",
    "Lake",
    "LakeError",
    "Log",
    "NotShown",
    "Record",
    "RecordUnreadable",
    "RestPosition",
    "StoreRefused",
    "Watermark",
    "WriterSettings",
    "committed_files",
]
