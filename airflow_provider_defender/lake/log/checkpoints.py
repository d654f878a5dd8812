"""Checkpoints of a log: all files that count after a commit, so that no reader has to read all commits.

A checkpoint is a Parquet file, `checkpoints/<number>-<digest>.parquet`. It has a row for each file, with what
its commit says of it and the commit's number, sorted by dataset and partition: the statistics of the row
groups say which ones hold a dataset's day. The footer's metadata say which commit of which log it belongs to,
with that commit's chain digest. Pages have checksums, and the digest in the name is that of the footer, since
a damaged statistic there would silently leave files out.

Checkpoints are derived from the commits, and nothing depends on them. One that is missing, damaged, or does
not fit the commits is passed over; all of them may be deleted.
"""

from __future__ import annotations

import hashlib
import io
import logging
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import IO, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_defender.lake.log.commit import Commit, DataFile
from airflow_provider_defender.lake.log.commits import Commits
from airflow_provider_defender.lake.log.layout import (
    QUARANTINE,
    LogPaths,
    new_token,
    partition_span,
    place_of,
)
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = [
    "DAMAGED",
    "FORMAT",
    "Changes",
    "Checkpoint",
    "LoggedFile",
    "Selection",
    "checkpoint_names",
    "newest_checkpoint",
    "open_checkpoint",
    "within",
    "write_checkpoint",
    "write_if_due",
]

_logger = logging.getLogger(__name__)

FORMAT = 1
"""The number of the format that this release writes, and the only one that it reads."""

DAMAGED = (OSError, pa.ArrowException, ValueError, KeyError, TypeError, OverflowError, msgspec.MsgspecError)
"""What reading a file that is no checkpoint can raise. pyarrow has plain `OSError` for damaged pages."""

_METADATA = b"defender.checkpoint"
_ROW_GROUP_ROWS = 2048
"""A day of one dataset is a few hundred files. A million files make a footer of half a megabyte."""

_TAIL_BYTES = 64 * 1024
"""What is read first of a checkpoint's end: more than most footers have, in one request."""

_KEPT = 2
_FILES_AT_ONCE = 50_000
"""Files of later commits that are held in memory while a checkpoint is extended."""

_LISTED_AGAIN = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)

_KEY = ("dataset", "partition", "commit", "path")
_OFFSETS = pa.list_(pa.struct([("hub_partition", pa.int64()), ("first", pa.int64()), ("last", pa.int64())]))
_SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("commit", pa.int64(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.binary(32), nullable=False),
        pa.field("min_timestamp", pa.timestamp("us", "UTC")),
        pa.field("max_timestamp", pa.timestamp("us", "UTC")),
        pa.field("offsets", _OFFSETS),
    ]
)


_WRITTEN: dict[str, Any] = {
    "compression": "zstd",
    "write_page_checksum": True,
    "write_statistics": ["dataset", "partition"],
    "use_dictionary": ["dataset", "partition"],
}
"""How Parquet is written."""


class _About(msgspec.Struct):
    """The metadata of a checkpoint. `datasets`: how many files each has."""

    format: int
    log: str
    origin: dict[str, str]
    number: int
    digest: str
    datasets: dict[str, int]


class _Key(NamedTuple):
    """What the files of a log are sorted by."""

    dataset: str
    partition: str
    commit: int
    path: str


@dataclass(frozen=True)
class LoggedFile:
    """A file that counts, and the number of the commit that has added it."""

    file: DataFile
    commit: int

    @property
    def key(self) -> _Key:
        """What the files of a log are sorted by."""
        return _Key(self.file.dataset, self.file.partition, self.commit, self.file.path)


def within(partition: str, since: datetime | None, until: datetime | None) -> bool:
    """Whether a partition meets a span of time; None: without a bound."""
    start, end = partition_span(partition)
    return (since is None or end > since) and (until is None or start < until)


@dataclass(frozen=True)
class Selection:
    """Which files are wanted.

    Attributes:
        dataset: those of one dataset; None: of all but the quarantine.
        since: only those of partitions that end after this time.
        until: only those of partitions that begin before this time.
        partitions: only those of these partitions, sorted; `since` and `until` are None then.
    """

    dataset: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    partitions: Sequence[str] | None = None

    def wants(self, dataset: str, partition: str) -> bool:
        """Whether files of a partition are wanted."""
        right = dataset != QUARANTINE if self.dataset is None else dataset == self.dataset
        return right and self.wants_partition(partition)

    def wants_partition(self, partition: str) -> bool:
        """Whether files of a partition are wanted, if they are of the right dataset."""
        if self.partitions is None:
            return within(partition, self.since, self.until)
        return self.wants_between(partition, partition)

    def wants_between(self, first: str, last: str) -> bool:
        """Whether a partition from `first` up to `last` may be wanted."""
        if self.partitions is None:
            return last >= self.lowest and first < self.highest
        at = bisect_left(self.partitions, first)
        return at < len(self.partitions) and self.partitions[at] <= last

    @property
    def lowest(self) -> str:
        """A text that is not above any partition that is wanted."""
        if self.partitions:
            return self.partitions[0]
        return "" if self.since is None else f"date={_day(self.since)}"

    @property
    def highest(self) -> str:
        """A text that is above every partition that is wanted."""
        if self.partitions:
            return f"{self.partitions[-1]}0"
        return "e" if self.until is None else f"date={_day(self.until)}0"


def _day(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).date().isoformat()


# Reading ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """The files that count after a commit of a log, read from the store as they are asked for.

    Attributes:
        log: the log's name.
        origin: what the log belongs to.
        number: the commit's number.
        digest: the commit's chain digest.
        datasets: how many files each dataset has, the quarantine included.
        path: the checkpoint's own path.
    """

    log: str
    origin: Mapping[str, str]
    number: int
    digest: str
    datasets: Mapping[str, int]
    path: str
    _storage: Storage
    _footer: pq.FileMetaData
    _known: dict[int, _Bounds] = field(default_factory=dict, repr=False, compare=False)

    def files(self, selection: Selection, after: _Key | None = None) -> Iterator[LoggedFile]:
        """Yield the files that are wanted, sorted by their keys; `after`: only those with higher ones.

        Raises one of `DAMAGED`; `FileNotFoundError` if the checkpoint was deleted.
        """
        for table in self._tables(self._groups(selection)):
            for each in _logged(_selected(table, selection)):
                if after is None or each.key > after:
                    yield each

    def all_files(self) -> Iterator[LoggedFile]:
        """Yield all files, in the order of the rows. Raises as `files` does."""
        for table in self.tables():
            yield from _logged(table)

    def tables(self) -> Iterator[pa.Table]:
        """Yield all rows, a row group at a time. Raises as `files` does."""
        return self._tables(list(self._all_groups))

    def _tables(self, groups: list[int]) -> Iterator[pa.Table]:
        if not groups:
            return
        with self._storage.open_input(self.path) as source:
            file = pq.ParquetFile(source, metadata=self._footer, page_checksum_verification=True)
            for group in groups:
                yield file.read_row_group(group, use_threads=False)

    def _groups(self, selection: Selection) -> list[int]:
        """The row groups that may hold files that are wanted.

        Rows are sorted by dataset and partition, so few statistics are looked at, however many there are.
        """
        one = selection.dataset
        found = set[int]()
        for dataset in set(self.datasets) - {QUARANTINE} if one is None else [one]:
            first = bisect_left(self._all_groups, dataset, key=lambda group: self._bounds(group).last_dataset)
            end = bisect_right(
                self._all_groups, dataset, lo=first, key=lambda group: self._bounds(group).first_dataset
            )
            found.update(self._groups_between(first, end, selection))
        return sorted(found)

    def _groups_between(self, first: int, end: int, selection: Selection) -> Iterator[int]:
        """Of the row groups with rows of one dataset, those that may hold files that are wanted.

        Only the first and the last can have rows of other datasets, too. Their partitions of this one do not
        go beyond those of the row groups between.
        """
        inner = self._all_groups[first + 1 : max(first + 1, end - 1)]
        ends = {first, end - 1} if first < end else set[int]()
        for group in ends:
            low, high = self._bounds(group).partitions
            if inner and group == first:
                high = min(high, self._bounds(inner[0]).partitions[0])
            elif inner:
                low = max(low, self._bounds(inner[-1]).partitions[1])
            if selection.wants_between(low, high):
                yield group
        start = bisect_left(inner, selection.lowest, key=lambda group: self._bounds(group).partitions[1])
        stop = bisect_left(inner, selection.highest, key=lambda group: self._bounds(group).partitions[0])
        yield from (
            group for group in inner[start:stop] if selection.wants_between(*self._bounds(group).partitions)
        )

    @property
    def _all_groups(self) -> range:
        return range(self._footer.num_row_groups)

    def _bounds(self, group: int) -> _Bounds:
        if group not in self._known:
            self._known[group] = _bounds(self._footer, group)
        return self._known[group]


class _Bounds(NamedTuple):
    """The lowest and highest values of a row group."""

    first_dataset: str
    last_dataset: str
    partitions: tuple[str, str]


def _bounds(footer: pq.FileMetaData, group: int) -> _Bounds:
    columns = footer.row_group(group)
    dataset, partition = columns.column(0).statistics, columns.column(1).statistics
    if dataset is None or partition is None or not (dataset.has_min_max and partition.has_min_max):
        raise ValueError(f"its row group {group} has no statistics")
    return _Bounds(dataset.min, dataset.max, (partition.min, partition.max))


def _selected(table: pa.Table, selection: Selection) -> pa.Table:
    """The rows that are wanted."""
    dataset, partition = table["dataset"], table["partition"]
    if selection.dataset is None:
        right = pc.not_equal(dataset, QUARANTINE)
    else:
        right = pc.equal(dataset, selection.dataset)
    near = pc.and_(pc.greater_equal(partition, selection.lowest), pc.less(partition, selection.highest))
    chosen = pc.and_(right, near)
    partitions = pc.unique(partition.filter(chosen)).to_pylist()
    wanted = [each for each in partitions if selection.wants_partition(each)]
    if len(wanted) < len(partitions):
        chosen = pc.and_(chosen, pc.is_in(partition, pa.array(wanted, pa.string())))
    return table.filter(chosen)


def _logged(table: pa.Table) -> Iterator[LoggedFile]:
    columns = {name: table[name] for name in table.column_names}
    for name in ("min_timestamp", "max_timestamp"):  # small images lack Arrow's time zone database
        columns[name] = columns[name].cast(pa.int64())
    for values in pa.table(columns).to_pylist():
        commit = values.pop("commit")
        if place_of(values["path"]) != (values["dataset"], values["partition"]):
            raise ValueError(f"{values['path']} is not in {values['partition']} of {values['dataset']}")
        values["sha256"] = values["sha256"].hex()
        for name in ("min_timestamp", "max_timestamp"):
            since_epoch = values[name]
            values[name] = None if since_epoch is None else _EPOCH + since_epoch * _MICROSECOND
        if values["offsets"] is not None:
            values["offsets"] = {
                each["hub_partition"]: (each["first"], each["last"]) for each in values["offsets"]
            }
        yield LoggedFile(DataFile(**values), commit)


def checkpoint_names(storage: Storage, paths: LogPaths) -> list[tuple[int, str]]:
    """The checkpoints of a log, newest first: the numbers of their commits, and their file names."""
    names = storage.list_folder(paths.checkpoints) or []
    found = ((paths.checkpoint_number(name), name) for name in names)
    return sorted(((number, name) for number, name in found if number is not None), reverse=True)


def open_checkpoint(storage: Storage, paths: LogPaths, name: str) -> Checkpoint:
    """Open a checkpoint and read its footer.

    Raises one of `DAMAGED`, `FileNotFoundError` if it is not there.
    """
    path = f"{paths.checkpoints}/{name}"
    with storage.open_input(path) as source:
        tail = _read_tail(source)
    if paths.checkpoint_name(paths.checkpoint_number(name) or 0, _footer_digest(tail)) != name:
        raise ValueError("its footer is not the one that its name says")
    file = pq.ParquetFile(pa.BufferReader(b"PAR1" + tail))
    footer, schema = file.metadata, file.schema_arrow
    about = msgspec.json.decode((footer.metadata or {})[_METADATA], type=_About)
    if about.format != FORMAT:
        raise ValueError(f"it has format {about.format}, and this release reads format {FORMAT} only")
    if not schema.equals(_SCHEMA, check_metadata=False):
        raise ValueError("it has other columns than a checkpoint")
    if (about.log, about.number) != (paths.log, paths.checkpoint_number(name)):
        raise ValueError(f"it belongs to commit {about.number} of {about.log}")
    if footer.num_rows != sum(about.datasets.values()):
        raise ValueError(f"it has {footer.num_rows} rows instead of {sum(about.datasets.values())}")
    return Checkpoint(
        about.log, about.origin, about.number, about.digest, about.datasets, path, storage, footer
    )


def _read_tail(source: IO[bytes]) -> bytes:
    """The footer of a Parquet file, with its length and the magic number."""
    size = source.seek(0, io.SEEK_END)
    source.seek(max(0, size - _TAIL_BYTES))
    tail = source.read()
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if length > size:
        raise ValueError("its end is missing")
    if length > len(tail):
        source.seek(size - length)
        tail = source.read()
    return tail[-length:]


def _footer_digest(tail: bytes) -> str:
    """The digest in a checkpoint's name: 16 hexadecimal digits of the SHA-256 of its footer."""
    return hashlib.sha256(tail).hexdigest()[:16]


def newest_checkpoint(
    log: Commits[Any], *, up_to: int | None = None, without: Collection[str] = ()
) -> Checkpoint | None:
    """The newest checkpoint that fits the log's commits; None if there is none.

    `up_to`: only of this commit or an earlier one. `without`: paths of checkpoints to pass over. Logs a
    warning for each that is damaged or does not fit. Raises as `Commits.commit` does.
    """
    passed = set(without)
    for _ in range(_LISTED_AGAIN):
        deleted = False
        for number, name in checkpoint_names(log.storage, log.paths):
            path = f"{log.paths.checkpoints}/{name}"
            if path in passed or (up_to is not None and number > up_to):
                continue
            try:
                return _fitting(log, name)
            except FileNotFoundError:
                deleted = True  # by a run that has written a newer one since it was listed
            except DAMAGED as error:
                warn_of_damage(path, error)
            passed.add(path)
        if not deleted:
            break
    return None


def _fitting(log: Commits[Any], name: str) -> Checkpoint:
    found = open_checkpoint(log.storage, log.paths, name)
    commit = log.commit(found.number)
    if commit is None or commit.digest != found.digest:
        there = "does not exist" if commit is None else f"has the digest {commit.digest}"
        raise ValueError(f"it was made of a commit with the digest {found.digest}, and that commit {there}")
    return found


def warn_of_damage(path: str, error: BaseException) -> None:
    """Log a warning that a checkpoint is passed over."""
    _logger.warning(
        "The checkpoint %s is passed over: %s. Reading takes longer, and nothing is lost; delete it",
        path,
        error,
    )


# Writing ----------------------------------------------------------------------------------------


class Changes:
    """What commits have added and removed since a checkpoint; commits are taken in their order."""

    def __init__(self) -> None:
        self._added: dict[str, LoggedFile] = {}
        self.removed: set[str] = set()
        """Paths of files that commits have removed, among them those of the checkpoint."""

    def __len__(self) -> int:
        return len(self._added) + len(self.removed)

    def take(self, commit: Commit[Any]) -> None:
        """Take over what a commit adds and removes."""
        for path in commit.removed:
            if self._added.pop(path, None) is None:
                self.removed.add(path)
        self._added.update({file.path: LoggedFile(file, commit.number) for file in commit.files})

    @cached_property
    def added(self) -> list[LoggedFile]:
        """The files that commits have added and that still count, sorted; only when all were taken."""
        return sorted(self._added.values(), key=lambda each: each.key)


def write_if_due(log: Commits[Any], newest: Commit[Any]) -> None:
    """Write a checkpoint after every so many commits; `newest`: a commit whose files are all in place.

    Nothing depends on it, so a failure is a warning.
    """
    if newest.number % log.lake.commits_per_checkpoint:
        return
    try:
        write_checkpoint(log, newest.number)
    except Exception as error:  # whatever a store's client raises
        _logger.warning("Writing the checkpoint %d of %s failed: %r", newest.number, log.name, error)


def write_checkpoint(log: Commits[Any], number: int) -> None:
    """Write the checkpoint of a commit whose files are all in place, and delete older ones but one.

    It extends the newest one that is there. Memory does not grow with the log: where there are many commits
    since, this writes checkpoints between. Raises as `Commits.commits` does, and what the store raises.
    """
    base = newest_checkpoint(log, up_to=number)
    passed: set[str] = set()
    while base is None or base.number < number:
        try:
            base = _extended(log, base, number)
        except DAMAGED as error:
            if base is None or base.path in passed:
                raise
            warn_of_damage(base.path, error)
            passed.add(base.path)
            base = newest_checkpoint(log, up_to=number, without=passed)
    _delete_older(log, number)


def _extended(log: Commits[Any], base: Checkpoint | None, number: int) -> Checkpoint:
    """The checkpoint of the commit with this number, or of an earlier one if there is much to add."""
    changes, last = Changes(), None
    for last in log.commits(0 if base is None else base.number):
        changes.take(last)
        if last.number == number or len(changes) >= _FILES_AT_ONCE:
            break
    if last is None:
        raise ValueError(f"{log.name} has no commit {number}")
    return _write(log, base, changes, last)


def _write(log: Commits[Any], base: Checkpoint | None, changes: Changes, last: Commit[Any]) -> Checkpoint:
    # Staged first: a local file is visible while it is written. What a killed run leaves is swept there.
    folder = log.paths.staging(new_token())
    staged = f"{folder}/checkpoint.staged"
    file = log.storage.new_file(staged)
    try:
        with pq.ParquetWriter(file.sink, _SCHEMA, **_WRITTEN) as writer:
            datasets = _write_rows(writer, base, changes)
            about = _About(FORMAT, log.name, dict(last.origin), last.number, last.digest, datasets)
            writer.add_key_value_metadata({_METADATA: msgspec.json.encode(about)})
        file.finish()
        with log.storage.open_input(staged) as source:
            name = log.paths.checkpoint_name(last.number, _footer_digest(_read_tail(source)))
        log.storage.publish(staged, f"{log.paths.checkpoints}/{name}")
        log.storage.sync_folder(log.paths.checkpoints)
    finally:
        file.abandon()
        log.storage.delete_folder(folder)
    return open_checkpoint(log.storage, log.paths, name)


def _write_rows(writer: pq.ParquetWriter, base: Checkpoint | None, changes: Changes) -> dict[str, int]:
    """Write the files that count, in row groups of one size; returns how many each dataset has."""
    datasets: dict[str, int] = {}
    waiting = _SCHEMA.empty_table()
    for table in _merged(base, changes):
        for counted in table["dataset"].value_counts().to_pylist():
            datasets[counted["values"]] = datasets.get(counted["values"], 0) + counted["counts"]
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= _ROW_GROUP_ROWS:
            writer.write_table(waiting.slice(0, _ROW_GROUP_ROWS))
            waiting = waiting.slice(_ROW_GROUP_ROWS)
    if waiting.num_rows:
        writer.write_table(waiting)
    return datasets


def _merged(base: Checkpoint | None, changes: Changes) -> Iterator[pa.Table]:
    """The rows of a checkpoint without the files removed since, and those added since, all sorted."""
    added, start = changes.added, 0
    removed = pa.array(sorted(changes.removed), pa.string())
    for table in () if base is None else base.tables():
        highest = _Key(*(table[name][-1].as_py() for name in _KEY))
        end = bisect_right(added, highest, lo=start, key=lambda each: each.key)
        if len(removed):
            table = table.filter(pc.invert(pc.is_in(table["path"], removed)))  # noqa: PLW2901
        if end > start:
            both = pa.concat_tables([table, _as_table(added[start:end])])
            table = both.sort_by([(name, "ascending") for name in _KEY])  # noqa: PLW2901
        start = end
        yield table
    for first in range(start, len(added), _ROW_GROUP_ROWS):
        yield _as_table(added[first : first + _ROW_GROUP_ROWS])


def _as_table(files: list[LoggedFile]) -> pa.Table:
    return pa.Table.from_pylist([_as_row(each) for each in files], schema=_SCHEMA)


def _as_row(each: LoggedFile) -> dict[str, Any]:
    file = each.file
    offsets = None if file.offsets is None else sorted(file.offsets.items())
    return {
        "dataset": file.dataset,
        "partition": file.partition,
        "commit": each.commit,
        "path": file.path,
        "rows": file.rows,
        "bytes": file.bytes,
        "sha256": bytes.fromhex(file.sha256),
        "min_timestamp": _microseconds(file.min_timestamp),
        "max_timestamp": _microseconds(file.max_timestamp),
        "offsets": offsets
        and [{"hub_partition": number, "first": first, "last": last} for number, (first, last) in offsets],
    }


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _delete_older(log: Commits[Any], number: int) -> None:
    """Keep the checkpoint of this commit and the one before it, each once.

    Later ones stay: other runs have written them meanwhile.
    """
    names = [(each, name) for each, name in checkpoint_names(log.storage, log.paths) if each <= number]
    first = dict(names)  # by number the first name, since they descend: two runs choose the same one
    spared = {first[each] for each in sorted(first)[-_KEPT:]}
    for _, name in names:
        if name not in spared:
            log.storage.delete(f"{log.paths.checkpoints}/{name}")
