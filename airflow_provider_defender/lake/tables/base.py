"""What open tables have to follow: the changes of all logs, for one dataset, since the table's own numbers.

The logs are the truth, and a table is derived from them. Each version of a table records, in the table's own
transaction, up to which commit of which log it has come. So a follower can be killed anywhere, be repeated,
or begin from nothing, and two followers of one table cannot add a file twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_defender.lake.errors import LakeError, TableConflict, TableUnusable
from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.commit import Commit, DataFile
from airflow_provider_defender.lake.log.layout import check_dataset, is_dataset, place_of
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.snapshot import Snapshot

__all__ = [
    "Change",
    "Followed",
    "Numbers",
    "TableResult",
    "Written",
    "batches",
    "changes",
    "chosen_datasets",
    "follow_all",
]

_logger = logging.getLogger(__name__)

Numbers = Mapping[str, int]
"""Up to which commit of which log a table has come, by the log's name; 0, or no entry: not at all."""

Digests = Mapping[str, str]
"""The digests of these commits, or how they begin, by the log's name; empty, or no entry: not known."""

_NUMBERS_BEHIND = 100
"""A table whose dataset does not change notes how far it has come after so many commits of a log.

Without that, each run would read all commits since the dataset's last change again.
"""

_LATEST = "_latest"
"""The end of the names of datasets that compaction makes: it changes their rows."""

_EVENTS = "events"
"""The folder whose folders are datasets."""


@dataclass(frozen=True)
class Followed:
    """How far a table has come.

    Attributes:
        numbers: up to which commit of which log.
        digests: the digests of these commits. A log that was restored from a backup, and has landed since,
            has other commits of the same numbers. Tables of older releases have none.
    """

    numbers: Numbers = field(default_factory=dict)
    digests: Digests = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What leads a table of one dataset from its own numbers to newer ones, to be written at once.

    Attributes:
        dataset: the dataset.
        added: the files to add, by path, in the order of their commits.
        commits: for each of them, the log and number of the commit that has added it.
        removed: paths of files to remove. A file that was added and removed since is in neither.
        rewritten: those of the added and removed files that only hold the same rows in other files, as after
            a compaction; rows of all others have come or gone.
        numbers: up to which commits the table has come with this change, for all logs whose number has
            changed.
        digests: for each of `numbers`, the digest of that commit; empty if it is not known.
    """

    dataset: str
    added: Mapping[str, DataFile] = field(default_factory=dict)
    commits: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    removed: Sequence[str] = ()
    rewritten: frozenset[str] = frozenset()
    numbers: Numbers = field(default_factory=dict)
    digests: Digests = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to write to the table."""
        return bool(self.numbers)

    @property
    def rows(self) -> int:
        """The number of rows in the added files."""
        return sum(file.rows for file in self.added.values())


@dataclass(frozen=True)
class TableResult:
    """What a follower has done to the table of one dataset.

    Attributes:
        dataset: the dataset.
        version: the table's version, or the ID of its snapshot, after the run; None if there is no table,
            since nothing has landed in the dataset.
        versions: how many versions, or snapshots, this run has written.
        added: the number of files that it has added.
        removed: the number of files that it has removed.
        rows: the number of rows in the added files.
        numbers: up to which commit of which log the table has come.
    """

    dataset: str
    version: int | None
    versions: int = 0
    added: int = 0
    removed: int = 0
    rows: int = 0
    numbers: Numbers = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values, for XCom."""
        return {**vars(self), "numbers": dict(self.numbers)}


@dataclass
class Written:
    """What a run has written to one table."""

    versions: int = 0
    added: int = 0
    removed: int = 0
    rows: int = 0

    def add(self, change: Change) -> None:
        """Count a change that was written."""
        self.versions += 1
        self.added += len(change.added)
        self.removed += len(change.removed)
        self.rows += change.rows

    def result(self, dataset: str, version: int | None, numbers: Numbers) -> TableResult:
        """Return what was done; `version` and `numbers` are those of the table now."""
        return TableResult(dataset, version, self.versions, self.added, self.removed, self.rows, numbers)


# Which datasets ---------------------------------------------------------------------------------


def chosen_datasets(lake: Lake, datasets: str | Iterable[str] | None, table_folder: str) -> list[str]:
    """Return the datasets to follow, sorted; None: all that have a partition or a table.

    `table_folder`: the folder, within a dataset's, that shows that there is a table, such as `_delta_log`.
    Makes a listing for each dataset if `datasets` is None. Raises `ValueError` for a name that is invalid.
    """
    if isinstance(datasets, str):
        datasets = [datasets]
    if datasets is not None:
        return sorted({check_dataset(each) for each in datasets})
    names = [name for name in lake.storage.list_folder("") or [] if is_dataset(name)]
    found = [*names, *(lake.datasets(_EVENTS) if _EVENTS in names else [])]
    return sorted(each for each in found if _is_followed(lake, each, table_folder))


def _is_followed(lake: Lake, dataset: str, table_folder: str) -> bool:
    names = lake.storage.list_folder(dataset) or ()
    return any(name == table_folder or name.startswith("date=") for name in names)


# What has changed -------------------------------------------------------------------------------


def changes(
    lake: Lake, tables: Mapping[str, Followed], unusable: list[LakeError] | None = None
) -> list[Change]:
    """Return what each table lacks; `tables`: how far each has come, by its dataset.

    Each log is read once for all tables: the commits after the oldest of their numbers and, for those that
    have none, the files that count. A change is empty (false) if its table need not be written; a table whose
    dataset stays as it is notes newer numbers only now and then.

    `unusable`: takes the errors of tables that are ahead of a log, or have followed other commits than it has
    now, which are left out; None: the first one is raised. Raises what reading the logs raises.
    """
    found = {dataset: _Span(dataset, followed) for dataset, followed in tables.items()}
    followed = (log for each in tables.values() for log in each.numbers)
    for name in sorted({*lake.log_names(), *followed}):  # a log that has gone is an error, too
        log = lake.log(name)
        spans = list(found.values())
        digests = _read(log, spans)
        for span in (span for span in spans if span.number(name)):
            try:
                _check_followed(name, span, digests)
            except TableUnusable as error:
                if unusable is None:
                    raise
                unusable.append(error)
                del found[span.dataset]
    return [span.change() for span in found.values()]


def _read(log: Log[Any], spans: Sequence[_Span]) -> dict[int, str]:
    """Bring the changes of one log into each dataset's span.

    Returns the digests of its commits, by their numbers, from the oldest on that a table has followed.
    """
    old = [span for span in spans if span.number(log.name)]
    if len(old) < len(spans):
        snapshot = log.snapshot()
        for span in spans:
            if not span.number(log.name):
                span.begin(snapshot)
    if not old:
        return {}
    start = min(span.number(log.name) for span in old)
    first = log.commit(start)
    digests = {} if first is None else {start: first.digest}
    for commit in log.published(start):
        digests[commit.number] = commit.digest
        for span in old:
            if commit.number > span.number(log.name):
                span.follow(commit)
    return digests


def _check_followed(log: str, span: _Span, digests: Mapping[int, str]) -> None:
    """Raise `TableUnusable` unless a log has the commit up to which a table has followed it."""
    number, known = span.number(log), span.digest(log)
    if number > max(digests, default=0):
        raise TableUnusable(
            f"the table of {span.dataset} has followed {log} up to commit {number}, which the log does "
            "not have: commits were deleted, or the log was restored from an older backup. Restore the "
            "commits; or, if what they landed is lost, delete the table (not its files) and run again, which "
            "makes it anew"
        )
    if not digests.get(number, known).startswith(known):
        raise TableUnusable(
            f"the table of {span.dataset} has followed {log} up to commit {number} with the digest {known}…, "
            f"but the log's commit {number} has the digest {digests[number]}: the log was restored from an "
            "older backup, and what has landed since has the same numbers. Delete the table (not its files) "
            "and run again, which makes it anew"
        )


def follow_all(
    lake: Lake,
    tables: Mapping[str, Followed],
    failures: list[LakeError],
    follow: Callable[[Change], TableResult],
) -> list[TableResult]:
    """Bring tables up to date, one after the other, and return what was done; `tables` as for `changes`.

    `failures`: errors of tables met before. Those of others join them, and the first is raised at the end,
    when all other tables are up to date. Raises also what reading the logs raises.
    """
    results = []
    for change in changes(lake, tables, failures):
        try:
            results.append(follow(change))
        except (TableUnusable, TableConflict) as error:
            failures.append(error)
    for failure in failures[1:]:
        _logger.error("%s", failure)
    if failures:
        raise failures[0]
    return results


class _Span:
    """The changes of one dataset since the numbers of its table."""

    def __init__(self, dataset: str, followed: Followed) -> None:
        self.dataset = dataset
        self._before = followed
        self._numbers: dict[str, int] = {}
        self._digests: dict[str, str] = {}
        self._added: dict[str, DataFile] = {}
        self._commits: dict[str, tuple[str, int]] = {}
        self._removed: dict[str, None] = {}
        self._rewritten: set[str] = set()

    def number(self, log: str) -> int:
        return self._before.numbers.get(log, 0)

    def digest(self, log: str) -> str:
        return self._before.digests.get(log, "")

    def begin(self, snapshot: Snapshot) -> None:
        """Add the files of a log that the table has not followed yet."""
        # By commit, not by partition: a follower that is killed between two parts goes on after a commit.
        for each in sorted(snapshot.files(self.dataset), key=lambda each: each.commit):
            self._add(each.file, snapshot.log, each.commit)
        if snapshot.number:
            self._numbers[snapshot.log] = snapshot.number
            self._digests[snapshot.log] = snapshot.digest

    def follow(self, commit: Commit[Any]) -> None:
        """Apply the next commit of a log."""
        self._numbers[commit.log] = commit.number
        self._digests[commit.log] = commit.digest
        removed = [path for path in commit.removed if place_of(path)[0] == self.dataset]
        added = [file for file in commit.added if file.dataset == self.dataset]
        new = {path for path in removed if path in self._added}
        old = [path for path in removed if path not in new]
        for path in new:
            del self._added[path], self._commits[path]
        self._removed.update(dict.fromkeys(old))
        for file in added:
            self._add(file, commit.log, commit.number)
        self._note_rewriting(commit, old, new, added)

    def _note_rewriting(
        self, commit: Commit[Any], old: Sequence[str], new: set[str], added: Sequence[DataFile]
    ) -> None:
        """Keep track of which added and removed files hold the same rows.

        A compaction of files that the table has, or that such a compaction has made since, gives such files.
        Where one of those goes in any other way, none is called rewritten, since it is not known any more
        whose rows it had.
        """
        rewrites = commit.kind == "compaction" and not self.dataset.endswith(_LATEST)
        if rewrites and added and new <= self._rewritten:
            self._rewritten -= new
            self._rewritten.update(old, (file.path for file in added))
        elif new & self._rewritten:
            self._rewritten.clear()

    def _add(self, file: DataFile, log: str, number: int) -> None:
        self._added[file.path] = file
        self._commits[file.path] = (log, number)

    def change(self) -> Change:
        files_change = bool(self._added or self._removed)
        behind = max((number - self.number(log) for log, number in self._numbers.items()), default=0)
        has_table = bool(self._before.numbers)
        if not files_change and not (has_table and behind >= _NUMBERS_BEHIND):
            return Change(self.dataset)
        return Change(
            self.dataset,
            added=self._added,
            commits={path: self._commits[path] for path in self._added},
            removed=tuple(self._removed),
            rewritten=frozenset(self._rewritten),
            numbers=self._numbers,
            digests=self._digests,
        )


def batches(change: Change, limit: int) -> Iterator[Change]:
    """Yield a change in parts of about `limit` files, if it only adds some; else whole.

    Each part ends with a whole commit of one log. Between them the table lacks rows, but has none twice. A
    change that removes files stays whole: between its parts, rows would be gone or be there twice.
    """
    if change.removed or len(change.added) <= limit:
        yield change
        return
    part: dict[str, DataFile] = {}
    numbers: dict[str, int] = {}
    for path, file in change.added.items():
        log, number = change.commits[path]
        if len(part) >= limit and numbers.get(log) != number:
            yield _part(change, part, numbers, dict.fromkeys(numbers, ""))
            part, numbers = {}, {}
        part[path] = file
        numbers[log] = number
    yield _part(change, part, change.numbers, change.digests)


def _part(change: Change, files: Mapping[str, DataFile], numbers: Numbers, digests: Digests) -> Change:
    commits = {path: change.commits[path] for path in files}
    return Change(change.dataset, files, commits, numbers=numbers, digests=digests)
