"""The loop for all sources: read → select what is new → map → write → commit."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from airflow_provider_defender import ecs
from airflow_provider_defender.lake import CommitStateUnknown, NotPublished
from airflow_provider_defender.sources.source import Batch, Read, Result

if TYPE_CHECKING:
    from airflow_provider_defender.ecs import MappedRecords, Mapper
    from airflow_provider_defender.ingest.stages import Stages
    from airflow_provider_defender.lake import Transaction

__all__ = ["ingest"]

P = TypeVar("P")
C = TypeVar("C")


def ingest(read: Read[C, Any], mapper: Mapper, transaction: Transaction[Any, C], stages: Stages) -> Result:
    """Land the records of a read by one commit, and return what became of them.

    If the source fails in the middle, what was read until then is committed, and the caller must raise the
    read's `interruption`. Besides the batch at hand, a source may read one ahead.

    Raises:
        LakeError: the commit did not succeed; its subclasses say whether anything has landed.
        DefenderError: reading failed before anything was read.
    """
    result: Result = Result()
    with closing(_batches(read)) as batches:  # at an error, reading ahead ends before this returns
        while (batch := stages.next("reading", batches)) is not None:
            batch = _new(batch, transaction, result)
            _land(mapper.map(batch.records, batch.origins, batch.identities), transaction, stages, result)
            if batch.rejects is not None:
                _quarantine(batch.rejects, transaction, result)
            del batch  # or two would be held while the next one comes
            stages.report(read, result)
    _land(mapper.finish(), transaction, stages, result)
    with stages.committing(result.rows.total()):
        _commit(read, transaction, result)
    return result


def _batches(read: Read[Any, Any]) -> Generator[Batch]:
    yield from read


def _new(batch: Batch, transaction: Transaction[Any, Any], result: Result) -> Batch:
    """The batch without the records that have landed already."""
    if batch.identities is None:
        return batch
    fresh = transaction.select_new(
        ((each.key, each.version) for each in batch.identities), [each.updated for each in batch.identities]
    )
    new = batch.only(fresh)
    result.new += len(new.records)
    return new


def _land(
    parts: Iterable[MappedRecords],
    transaction: Transaction[Any, Any],
    stages: Stages,
    result: Result,
) -> None:
    """Stage the results of mapping part by part, so that they are never all in memory."""
    given = iter(parts)
    while (part := stages.next("mapping", given)) is not None:
        result.duplicates += part.duplicates
        result.type_mismatches.update(part.type_mismatches)
        result.unmapped_fields.update(part.unmapped_fields)
        result.unknown_actions.update(part.unknown_actions)
        with stages.clock.stage("landing"):
            _stage(part, transaction, result)
        del part


def _stage(part: MappedRecords, transaction: Transaction[Any, Any], result: Result) -> None:
    for dataset, table in part.tables.items():
        result.rows[dataset] += table.num_rows
        transaction.write(dataset, table, ecs.partitioning(dataset))
    if part.rejects.num_rows:
        _quarantine(part.rejects, transaction, result)


def _quarantine(rejects: pa.Table, transaction: Transaction[Any, Any], result: Result) -> None:
    result.rejects += rejects.num_rows
    transaction.quarantine(rejects)


def _commit(read: Read[C, Any], transaction: Transaction[Any, C], result: Result) -> None:
    """Commit. If the commit may count and this run has a gap, keep the error in `result.unfinished`.

    The caller then reports the gap as well: the next run continues after it, and would not report it.
    """
    try:
        result.commit = transaction.commit(read.change(result))
    except (NotPublished, CommitStateUnknown) as error:
        if read.gap(result) is None:
            raise
        result.unfinished = error
        result.commit = error.commit if isinstance(error, NotPublished) else None
