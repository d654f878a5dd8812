"""What the transactions of maintenance have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_defender.lake.errors import CommitConflict
from airflow_provider_defender.lake.log.commits import Head
from airflow_provider_defender.lake.log.ledger import Ledger
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.offsets.ledger import OffsetsLedger
from airflow_provider_defender.lake.offsets.position import OffsetsPosition
from airflow_provider_defender.lake.versions.ledger import VersionsLedger
from airflow_provider_defender.landing import Partitioning

__all__ = ["check_inputs", "new_ledger", "partitioning"]


def new_ledger(head: Head[Any]) -> Ledger[Any, Any]:
    """A ledger for a transaction that reads no source."""
    return OffsetsLedger() if isinstance(head.position, OffsetsPosition) else VersionsLedger()


def partitioning(partition: str) -> Partitioning:
    """How the dataset of a partition is divided."""
    return Partitioning.HOUR if "/hour=" in partition else Partitioning.DAY


def check_inputs(log: Log[Any], paths: Sequence[str], after: int) -> None:
    """Raise `CommitConflict` if a commit with a number above `after` has removed one of these files.

    A transaction sees only the commits after its head; these are the ones between the plan and that head.
    """
    inputs = set(paths)
    for commit in log.published(after):
        gone = inputs.intersection(commit.removed)
        if gone:
            raise CommitConflict(
                f"commit {commit.number} of {log.name} removed {len(gone)} of the files that this run was "
                "about to remove"
            )
