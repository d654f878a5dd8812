"""A Delta table for each dataset, over the landed files: nothing is copied or rewritten."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from airflow_provider_defender._plural import counted
from airflow_provider_defender.lake.errors import LakeError, TableConflict, TableUnusable
from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.reading import as_lake
from airflow_provider_defender.lake.tables.base import (
    Change,
    Followed,
    TableResult,
    Written,
    batches,
    changes,
    chosen_datasets,
    follow_all,
)
from airflow_provider_defender.lake.tables.delta_actions import actions
from airflow_provider_defender.lake.tables.delta_checkpoint import keep_short
from airflow_provider_defender.lake.tables.delta_log import DELTA_LOG, DeltaLog, State

__all__ = ["follow_delta"]

_logger = logging.getLogger(__name__)

_ATTEMPTS = 10
"""How often a table is looked at again because another follower was faster, or a file has just gone."""

_FILES = 10_000
"""The most files that the versions of a first run add, about; each is some 600 bytes."""


def follow_delta(
    lake: Any, datasets: str | Iterable[str] | None = None, *, new_tables: bool = True
) -> list[TableResult]:
    """Bring what the lake's logs have committed into a Delta table for each dataset.

    The table's log is `<dataset>/_delta_log` in the lake; the landed files are the table's files, as they
    are. Each run writes one version for each dataset that has changed: all of its new files appear at once,
    and those that a compaction has merged go in the same version. Only a table that begins with more than
    10,000 files gets them in several versions. Columns that only newer files have are added.

    It can be killed at any time, run again, and run twice at once: a table says itself how far it has come.
    A table whose `_delta_log` was deleted is made anew. The tables of the other datasets are brought up to
    date before an error of one is raised.

    Args:
        lake: a `Lake`, a local path, a URL that fsspec understands, or an Airflow `ObjectStoragePath`.
        datasets: the datasets, such as `alerts` or `events/DeviceInfo`; None: all that the lake has.
        new_tables: make a table for a dataset that has none; False: leave that dataset alone.

    Returns:
        What was done, by dataset; also for those whose tables were up to date.

    Raises:
        ModuleNotFoundError: the extra `[delta]` (the package `deltalake`) is not installed.
        TableUnusable: a table is ahead of a log, or has followed other commits than the log has now; or
            another program has changed its files or its protocol, or a column's type has changed.
        TableConflict: others kept writing to a table.
        CommitUnreadable: a commit of the lake is damaged, or was deleted.
        ValueError: a dataset's name is invalid. Errors of the store pass through.
    """
    if find_spec("deltalake") is None:
        raise ModuleNotFoundError(
            "Delta tables need the package deltalake: pip install 'airflow-provider-defender[delta]'",
            name="deltalake",
        )
    lake = as_lake(lake)
    lake.storage.check_create()
    tables = {each: _Table(lake, each) for each in chosen_datasets(lake, datasets, DELTA_LOG)}
    failures: list[LakeError] = []
    lake.storage.for_each(lambda table: table.read(failures), tables.values())
    usable = {
        name: table.followed
        for name, table in tables.items()
        if table.is_read and (new_tables or table.state.version >= 0)
    }
    return follow_all(lake, usable, failures, lambda change: tables[change.dataset].follow(change))


class _Table:
    """The Delta table of one dataset."""

    def __init__(self, lake: Lake, dataset: str) -> None:
        self.lake = lake
        self.dataset = dataset
        self.log = DeltaLog(lake.storage, dataset)
        self.state = State()
        self.is_read = False
        self._written = Written()

    def read(self, failures: list[LakeError]) -> None:
        """Read where the table stands; an error of the table itself is noted."""
        try:
            self.state = self.log.read()
            self.is_read = True
        except TableUnusable as error:
            failures.append(error)

    @property
    def followed(self) -> Followed:
        """How far the table has come."""
        return Followed(self.state.numbers, self.state.digests)

    def follow(self, change: Change) -> TableResult:
        """Write what has changed, from the table's state on; if another writer is faster, what remains."""
        for _ in range(_ATTEMPTS):
            try:
                if all(self._write(part) for part in batches(change, _FILES)):
                    return self._result()
                gone: FileNotFoundError | None = None
            except FileNotFoundError as error:  # a commit that came meanwhile may have removed it
                gone = error
            self.state = self.log.read()
            (change,) = changes(self.lake, {self.dataset: self.followed})
        if gone is not None:
            raise TableUnusable(
                f"a file of {self.dataset} that counts is not there, so its table cannot follow: {gone}. "
                "Restore it; `verify` names all that are missing"
            ) from gone
        raise TableConflict(
            f"others wrote to the Delta table of {self.dataset} faster, {_ATTEMPTS} times: run it again, and "
            "let only one run follow the lake at a time"
        )

    def _write(self, change: Change) -> bool:
        """Write one version. False: another writer was faster."""
        if not change:
            return True
        version = self.state.version + 1
        written = actions(self.lake.storage, self.state, change, self.lake.now(), self.log.remake())
        if not self.log.create(version, written):
            return False
        self.state = self.state.after(version, written)
        self._count(version, change)
        newest = keep_short(self.lake, self.log, version, self.state.checkpoint)
        self.state = replace(self.state, checkpoint=newest)
        return True

    def _count(self, version: int, change: Change) -> None:
        self._written.add(change)
        _logger.info(
            "%s: version %d of its Delta table adds %s and removes %s",
            self.dataset,
            version,
            counted(len(change.added), "file"),
            counted(len(change.removed), "file"),
        )

    def _result(self) -> TableResult:
        version = self.state.version if self.state.version >= 0 else None
        return self._written.result(self.dataset, version, self.state.numbers)
