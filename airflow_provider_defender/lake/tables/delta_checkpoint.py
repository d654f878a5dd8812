"""Checkpoints of a Delta table's log, so that its readers need not read every version.

deltalake makes them, in a copy of the log on the worker's disk: so its form is the library's matter, and it
needs no access to the lake's store.
"""

from __future__ import annotations

import logging
import tempfile
from datetime import timedelta
from pathlib import Path

from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.tables.delta_log import DELTA_LOG, DeltaLog

__all__ = ["keep_short"]

_logger = logging.getLogger(__name__)

EVERY = 50
"""A checkpoint is made when so many versions have come since the last one."""

KEPT = timedelta(days=30)
"""How long a version can be read after it was replaced: Delta's own default (`logRetentionDuration`)."""

_LEFT_BEHIND = timedelta(days=1)


def keep_short(lake: Lake, log: DeltaLog, version: int, checkpoint: int) -> int:
    """Make a checkpoint of a version if it is due, and then delete versions that nothing needs any more.

    `checkpoint`: the version of the newest one; -1 if there is none. Returns that of the newest one now.
    Nothing depends on it, so a failure is a warning; the next run tries again.
    """
    if version - checkpoint < EVERY:
        return checkpoint
    try:
        _make(log, version, checkpoint)
        _tidy(lake, log)
    except Exception as error:  # whatever a store's client or the library raises
        _logger.warning("The checkpoint %d of the Delta table of %s failed: %r", version, log.dataset, error)
        return checkpoint
    return version


def _make(log: DeltaLog, version: int, checkpoint: int) -> None:
    from deltalake import DeltaTable

    with tempfile.TemporaryDirectory(prefix="delta-") as place:
        copy = Path(place, DELTA_LOG)
        copy.mkdir()
        parts = log.versions()[1].get(checkpoint, [])
        since = [log.path(number) for number in range(checkpoint + 1, version + 1)]
        for path in (*(f"{log.folder}/{part}" for part in parts), *since):
            (copy / path.rpartition("/")[2]).write_bytes(log.storage.read(path))
        DeltaTable(place).create_checkpoint()
        made = f"{version:020d}.checkpoint.parquet"
        for name in (made, "_last_checkpoint"):  # the hint after what it names
            log.storage.replace(f"{log.folder}/{name}", (copy / name).read_bytes())


def _tidy(lake: Lake, log: DeltaLog) -> None:
    """Delete what comes before the newest checkpoint of more than 30 days, and what killed runs have left."""
    needed = -1
    for version, parts in sorted(log.versions()[1].items()):
        if lake.now() - log.storage.modified(f"{log.folder}/{parts[0]}") <= KEPT:
            break
        needed = version
    names = log.storage.list_folder(log.folder) or []
    old = [name for name in names if name[:20].isdecimal() and int(name[:20]) < needed]
    hidden = [name for name in names if name.startswith(".")]
    left = [
        each for each in hidden if lake.now() - log.storage.modified(f"{log.folder}/{each}") > _LEFT_BEHIND
    ]
    log.storage.for_each(log.storage.delete, [f"{log.folder}/{name}" for name in (*old, *left)])
