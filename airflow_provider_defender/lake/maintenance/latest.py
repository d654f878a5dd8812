"""`alerts_latest`: of each alert, the rows of its newest version, beside the dataset of all versions.

The versions of an alert lie in one partition, that of its creation, so each partition of `alerts` has one of
`alerts_latest`, which is written anew when files have come or gone since. Should an alert's creation time
change, it has a newest version in two partitions; the view `latest_alerts` over `alerts` shows one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_defender.lake.errors import CommitConflict
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.layout import partition_span, place_of
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.publishing import BeforeRemoval
from airflow_provider_defender.lake.log.snapshot import LoggedFile, Snapshot
from airflow_provider_defender.lake.maintenance.damage import Damage
from airflow_provider_defender.lake.maintenance.horizon import LatestHorizon, note_latest, noted_latest
from airflow_provider_defender.lake.maintenance.merge import Merge, leaf, scratch
from airflow_provider_defender.lake.maintenance.progress import Progress
from airflow_provider_defender.lake.maintenance.result import LogResult
from airflow_provider_defender.lake.maintenance.settings import LATEST, CompactionSettings
from airflow_provider_defender.lake.maintenance.settling import settled_below
from airflow_provider_defender.lake.maintenance.sources import sources
from airflow_provider_defender.lake.maintenance.writing import check_inputs, new_ledger, partitioning
from airflow_provider_defender.lake.storage.storage import Storage
from airflow_provider_defender.lake.versions.keys import DigestSet
from airflow_provider_defender.lake.versions.landed import row_versions
from airflow_provider_defender.landing import TIMESTAMP, VERSION_COLUMNS

__all__ = ["changed_partitions", "write_latest"]

_SOURCE = "alerts"
_AS_OF = "alerts_latest_of"
"""In the window of a commit: the number of the commit up to which `alerts` was read."""

_FILES = "alerts_latest_files"
"""In the window of a commit: how many files of `alerts` were read, by partition."""

_BATCH_ROWS = 16 * 1024
_REDUCED_ROWS = 512 * 1024


class _Read(NamedTuple):
    """What a commit says of the alerts that it has made its partitions of `alerts_latest` from."""

    number: int
    files: Mapping[str, int]

    def is_all(self, partition: str, files: Sequence[LoggedFile]) -> bool:
        """Whether these files of a partition, all that count now, are those that were read."""
        return self.files.get(partition) == len(files) and all(each.commit <= self.number for each in files)


def changed_partitions(log: Log[Any], snapshot: Snapshot, settings: CompactionSettings) -> tuple[str, ...]:
    """The closed partitions of `alerts_latest` that are not made from the files of `alerts` that count now.

    A partition whose files were written less than a day ago waits: a copy of them may still be under way.
    """
    stale = _stale_partitions(log, snapshot, noted_latest(log, snapshot))
    return _ready(log, stale, settings)


def _ready(log: Log[Any], stale: Mapping[str, set[int]], settings: CompactionSettings) -> tuple[str, ...]:
    """The stale partitions that are closed, and whose files may be removed."""
    if not stale:
        return ()
    now, settled = log.lake.now(), settled_below(log)
    return tuple(
        partition
        for partition, written in stale.items()
        if now - partition_span(partition)[1] >= settings.hours_older_than
        and all(number < settled for number in written)
    )


def _stale_partitions(log: Log[Any], snapshot: Snapshot, last: LatestHorizon | None) -> dict[str, set[int]]:
    """The partitions that are missing, behind, or made from files that have gone, sorted.

    Their values are the numbers of the commits that have written their files. `last`: what was noted by an
    earlier run; only partitions that were stale then, or have changed since, are looked at.
    """
    partitions = None if last is None else {*last.stale, *_changed_since(log, snapshot, last.number)}
    alerts, latest = (_by_partition(snapshot, dataset, partitions) for dataset in (_SOURCE, LATEST))
    read = _read_by(log, {each.commit for files in latest.values() for each in files})
    stale = {}
    for partition in sorted({*alerts, *latest}):
        written = {each.commit for each in latest.get(partition, ())}
        if len(written) != 1 or not read[min(written)].is_all(partition, alerts.get(partition, [])):
            stale[partition] = written
    return stale


def _changed_since(log: Log[Any], snapshot: Snapshot, number: int) -> set[str]:
    """The partitions in which later commits have added or removed alerts, also in `alerts_latest`."""
    commits = takewhile(lambda commit: commit.number <= snapshot.number, log.commits(number))
    paths = (path for commit in commits for path in (*commit.removed, *(file.path for file in commit.added)))
    return {partition for dataset, partition in map(place_of, paths) if dataset in (_SOURCE, LATEST)}


def _by_partition(
    snapshot: Snapshot, dataset: str, partitions: Collection[str] | None
) -> dict[str, list[LoggedFile]]:
    """The files of a dataset by partition; `partitions`: only these; None: all."""
    files = snapshot.files(dataset) if partitions is None else snapshot.files_in(partitions, dataset)
    found: dict[str, list[LoggedFile]] = {}
    for each in files:
        found.setdefault(each.file.partition, []).append(each)
    return found


def _read_by(log: Log[Any], numbers: set[int]) -> dict[int, _Read]:
    """What the commits of these numbers have read of `alerts`."""
    windows = {number: commit.window for number in sorted(numbers) if (commit := log.commit(number))}
    return {number: _read_in(windows.get(number, {})) for number in numbers}


def _read_in(window: Mapping[str, object]) -> _Read:
    files = window.get(_FILES)
    return _Read(int(str(window.get(_AS_OF, 0))), files if isinstance(files, Mapping) else {})


def write_latest(
    log: Log[Any],
    settings: CompactionSettings,
    result: LogResult,
    progress: Progress,
    *,
    damage: Damage,
    before_removal: BeforeRemoval | None = None,
) -> None:
    """Write the partitions of `alerts_latest` that `changed_partitions` names; adds to `result`.

    `before_removal`: as in `Transaction.commit`.
    """
    write = partial(_write, progress=progress, damage=damage, before_removal=before_removal)
    for attempt in reversed(range(settings.attempts)):
        snapshot = log.snapshot()
        try:
            for partitions in _batches(log, snapshot, settings):
                result.add(write(log, snapshot, settings, partitions))
            return
        except CommitConflict:
            if not attempt:
                raise


def _batches(log: Log[Any], snapshot: Snapshot, settings: CompactionSettings) -> Iterator[tuple[str, ...]]:
    last = noted_latest(log, snapshot)
    stale = _stale_partitions(log, snapshot, last)
    _note_stale(log, snapshot, stale, last)
    changed = _ready(log, stale, settings)
    for start in range(0, len(changed), settings.commit_partitions):
        yield changed[start : start + settings.commit_partitions]


def _note_stale(log: Log[Any], snapshot: Snapshot, stale: Iterable[str], last: LatestHorizon | None) -> None:
    """Note what is stale. What the run writes afterwards shows in its commits."""
    has_alerts = not {_SOURCE, LATEST}.isdisjoint(snapshot.datasets())
    if has_alerts and snapshot.number != (0 if last is None else last.number):
        walked_at = log.lake.now() if last is None else last.walked_at
        note_latest(log, LatestHorizon(snapshot.number, snapshot.digest, tuple(stale), walked_at))


def _write(
    log: Log[Any],
    snapshot: Snapshot,
    settings: CompactionSettings,
    partitions: Sequence[str],
    *,
    progress: Progress,
    damage: Damage,
    before_removal: BeforeRemoval | None,
) -> LogResult:
    """Write some partitions in one commit; those with a damaged file are left out."""
    alerts, latest = (_by_partition(snapshot, dataset, partitions) for dataset in (_SOURCE, LATEST))
    old = {partition: [each.file.path for each in latest.get(partition, ())] for partition in partitions}
    read = {partition: [each.file for each in alerts.get(partition, ())] for partition in partitions}
    head, done = log.head(), 0
    check_inputs(log, list(chain.from_iterable(old.values())), after=snapshot.number)
    counts = {partition: len(files) for partition, files in read.items()}
    window = {_AS_OF: snapshot.number, _FILES: counts, "partitions": len(partitions)}
    with log.begin(head, new_ledger(head), kind="compaction", window=window) as transaction:
        for partition, files in read.items():
            with scratch() as folder:
                rows = partial(_latest_rows, log.storage, files, settings, Path(folder))
                tables = damage.unless_damaged(log, files, snapshot.number, rows)
                for table in tables or ():
                    transaction.write(LATEST, table, partitioning(partition))
            if tables is not None:
                transaction.remove(old[partition])
                done += 1
            progress(partial("{:,} of {:,} partitions of {}".format, done, len(read), LATEST))
        commit = transaction.commit(before_removal=before_removal)
    return LogResult(log.name, commits=(commit.number,) if commit else (), latest_partitions=done)


def _latest_rows(
    storage: Storage, files: Sequence[DataFile], settings: CompactionSettings, folder: Path
) -> Iterator[pa.Table]:
    """The rows of the newest version of each alert, sorted; all files are read first, as by `Merge`."""
    newest = _newest_versions(storage, files)
    merge = Merge(
        storage,
        folder,
        settings.memory_bytes,
        keep=lambda batch: batch.filter(newest.found(row_versions(batch, VERSION_COLUMNS))),
    )
    return merge.tables(files)


def _newest_versions(storage: Storage, files: Sequence[DataFile]) -> DigestSet:
    """The newest version of each alert, in the order of the view `latest_alerts`. 20 bytes for each."""
    found = _reduced([])
    waiting: list[pa.Table] = []
    for source in sources(storage, files):
        with source, pq.ParquetFile(source) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=["landing", "event.ingested"]):
                waiting.append(_states(batch))
                if sum(table.num_rows for table in waiting) >= _REDUCED_ROWS:
                    found, waiting = _reduced([found, *waiting]), []
    found = _reduced([found, *waiting])
    newest = DigestSet()
    newest.add_rows(found["key"].combine_chunks(), found["version"].combine_chunks())
    return newest


_STATES = pa.schema(
    [("key", pa.string()), ("updated", TIMESTAMP), ("ingested", TIMESTAMP), ("version", pa.string())]
)

_LEAST: Mapping[str, Any] = {
    "landing.key": "",
    "landing.updated": 0,
    "event.ingested": 0,
    "landing.version": "",
}
"""The columns of a state, and what stands for null: it comes before all other values."""


def _states(batch: pa.RecordBatch) -> pa.Table:
    columns = [
        pc.fill_null(leaf(batch, name).cast(field.type), pa.scalar(least, field.type))
        for (name, least), field in zip(_LEAST.items(), _STATES, strict=True)
    ]
    return pa.table(columns, schema=_STATES)


def _reduced(tables: Sequence[pa.Table]) -> pa.Table:
    """The newest state of each key."""
    states = pa.concat_tables(tables) if tables else _STATES.empty_table()
    if not states.num_rows:
        return states
    order = [("key", "ascending"), *((name, "descending") for name in ("updated", "ingested", "version"))]
    states = states.take(pc.sort_indices(states, order)).combine_chunks()
    keys = states["key"].combine_chunks()
    is_first = pc.not_equal(keys.slice(1), keys.slice(0, len(keys) - 1))
    return states.filter(pa.concat_arrays([pa.array([True]), is_first]))
