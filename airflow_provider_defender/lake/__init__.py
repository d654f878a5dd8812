"""The lake: partition files in a folder or an object store, and the commits that make them count.

It knows nothing of Airflow or Defender. The public names are those exported here; the modules are private. A
run of a REST source looks like this::

    lake = Lake(filesystem, root)
    log = lake.log("endpoint_alerts-<tenant>", VersionsPosition, origin={"source": "endpoint_alerts", ...})
    head = log.head()
    ledger = VersionsLedger(since=head.position.watermark - overlap)
    with log.begin(head, ledger, kind="drain") as transaction:
        for page in pages:
            wanted = transaction.select_new(versions(page))
            transaction.write("alerts", rows(page, wanted), Partitioning.DAY)
        transaction.commit(Watermark(newest, timedelta(minutes=15)))

and a run of a hub, whose log tracks offsets instead of versions::

    log = lake.log("event_hub-<namespace>-<hub>", OffsetsPosition, origin={"source": "event_hub", ...})
    head = log.head()
    start = head.position.next(partition)
    with log.begin(head, OffsetsLedger(), kind="drain") as transaction:
        for batch in batches(head.position.missing(partition, start, end)):
            transaction.write("events/DeviceInfo", rows(batch), Partitioning.HOUR)
        transaction.commit(OffsetsChange({partition: Covered(read=[(start, end)], next=end)}))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_defender.lake.errors import (
    CommitConflict,
    CommitStateUnknown,
    CommitUnreadable,
    FileChanged,
    LakeError,
    NotPublished,
    OriginMismatch,
    PositionTooLarge,
    StoreRefused,
    TableConflict,
    TableUnusable,
    TransactionTooOld,
)
from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.commit import Commit, DataFile
from airflow_provider_defender.lake.log.commits import Head
from airflow_provider_defender.lake.log.ledger import Ledger
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.position import Position
from airflow_provider_defender.lake.log.transaction import Transaction
from airflow_provider_defender.lake.maintenance.compaction import compact
from airflow_provider_defender.lake.maintenance.plan import CompactionPlan, plan_compaction
from airflow_provider_defender.lake.maintenance.result import MaintenanceResult
from airflow_provider_defender.lake.maintenance.retention import apply_retention, plan_retention
from airflow_provider_defender.lake.maintenance.settings import CompactionSettings, RetentionSettings
from airflow_provider_defender.lake.maintenance.sweeping import SweepResult, sweep
from airflow_provider_defender.lake.offsets.ledger import OffsetsLedger
from airflow_provider_defender.lake.offsets.position import (
    Covered,
    HubPartitionPosition,
    OffsetsChange,
    OffsetsPosition,
)
from airflow_provider_defender.lake.parquet import WriterSettings
from airflow_provider_defender.lake.reading import as_lake, committed_files, committed_rows, rejected_rows
from airflow_provider_defender.lake.storage.address import local_path
from airflow_provider_defender.lake.tables.base import TableResult
from airflow_provider_defender.lake.tables.delta import follow_delta
from airflow_provider_defender.lake.verification.differences import (
    Difference,
    DifferenceType,
    Verification,
    VerifiedLog,
)
from airflow_provider_defender.lake.verification.verify import verify
from airflow_provider_defender.lake.versions.ledger import VersionsLedger
from airflow_provider_defender.lake.versions.position import VersionsPosition, Watermark

if TYPE_CHECKING:
    from airflow_provider_defender.lake.tables.iceberg import follow_iceberg as follow_iceberg

__all__ = [
    "Commit",
    "CommitConflict",
    "CommitStateUnknown",
    "CommitUnreadable",
    "CompactionPlan",
    "CompactionSettings",
    "Covered",
    "DataFile",
    "Difference",
    "DifferenceType",
    "FileChanged",
    "Head",
    "HubPartitionPosition",
    "Lake",
    "LakeError",
    "Ledger",
    "Log",
    "MaintenanceResult",
    "NotPublished",
    "OffsetsChange",
    "OffsetsLedger",
    "OffsetsPosition",
    "OriginMismatch",
    "Position",
    "PositionTooLarge",
    "RetentionSettings",
    "StoreRefused",
    "SweepResult",
    "TableConflict",
    "TableResult",
    "TableUnusable",
    "Transaction",
    "TransactionTooOld",
    "Verification",
    "VerifiedLog",
    "VersionsLedger",
    "VersionsPosition",
    "Watermark",
    "WriterSettings",
    "apply_retention",
    "as_lake",
    "committed_files",
    "committed_rows",
    "compact",
    "follow_delta",
    "local_path",
    "plan_compaction",
    "plan_retention",
    "rejected_rows",
    "sweep",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import `follow_iceberg`, which `__all__` leaves out: `import *` must work without its extra."""
    if name != "follow_iceberg":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:  # pyiceberg is an extra, and takes long to import
        from airflow_provider_defender.lake.tables.iceberg import follow_iceberg
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Iceberg tables need the package pyiceberg ({error}): "
            "pip install 'airflow-provider-defender[iceberg]'",
            name=error.name,
        ) from error
    return follow_iceberg
