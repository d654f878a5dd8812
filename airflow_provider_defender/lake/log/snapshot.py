"""All files that count after a commit of a log."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from airflow_provider_defender.lake.log.checkpoints import (
    DAMAGED,
    Changes,
    Checkpoint,
    LoggedFile,
    Selection,
    warn_of_damage,
    within,
)
from airflow_provider_defender.lake.log.layout import QUARANTINE, place_of

__all__ = ["LoggedFile", "Snapshot", "within"]


@dataclass(frozen=True)
class Snapshot:
    """The files of a log that count after one of its commits.

    It holds what has changed since the log's newest checkpoint; the checkpoint itself is read as files are
    asked for, no more of it than needed.

    Attributes:
        log: the log's name.
        origin: what the log belongs to; empty if it has no commit yet.
        number: the number of the newest commit whose files are all in place; 0 if there is none.
        digest: that commit's chain digest; empty if there is none.
    """

    log: str
    origin: Mapping[str, str]
    number: int
    digest: str
    _changes: Changes = field(repr=False)
    _checkpoint: Checkpoint | None = None
    _without: Callable[[str], Snapshot] | None = field(default=None, repr=False, compare=False)
    """Makes the same snapshot without the checkpoint of this path, which cannot be read."""

    def files(
        self, dataset: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[LoggedFile]:
        """Yield the files of a dataset, sorted by partition, then in the order in which they were added.

        None: of all datasets but the quarantine, sorted by dataset. `QUARANTINE` ("quarantine"): the files of
        rejects. `since`, `until`: only those of partitions that meet this span (UTC, `until` exclusive).
        Files of one commit and partition are sorted by path. Raises as `Log.commits` does, if the checkpoint
        cannot be read any longer and all commits must be instead.
        """
        return self._files(Selection(dataset, since, until), None)

    def files_in(self, partitions: Iterable[str], dataset: str | None = None) -> Iterator[LoggedFile]:
        """Yield the files of some partitions, as `files` does."""
        return self._files(Selection(dataset, partitions=sorted(set(partitions))), None)

    def _files(self, selection: Selection, last: LoggedFile | None) -> Iterator[LoggedFile]:
        """`last`: where to go on."""
        after = None if last is None else last.key
        added = (
            each
            for each in self._changes.added
            if selection.wants(each.file.dataset, each.file.partition) and (after is None or each.key > after)
        )
        if self._checkpoint is None:
            yield from added
            return
        stored = (
            each
            for each in self._checkpoint.files(selection, after)
            if each.file.path not in self._changes.removed
        )
        merged = heapq.merge(stored, added, key=lambda each: each.key)
        while True:
            try:
                each = next(merged)
            except StopIteration:
                return
            except DAMAGED as error:
                yield from self._once_more(error)._files(selection, last)
                return
            yield each
            last = each

    def _once_more(self, error: Exception) -> Snapshot:
        if self._checkpoint is None or self._without is None:
            raise error
        if not isinstance(error, FileNotFoundError):  # newer ones were written since
            warn_of_damage(self._checkpoint.path, error)
        return self._without(self._checkpoint.path)

    def datasets(self) -> list[str]:
        """Return the names of the datasets that have files, sorted; the quarantine is not among them."""
        added = {each.file.dataset for each in self._changes.added}
        stored = set() if self._checkpoint is None else set(self._checkpoint.datasets) - added
        changed = {place_of(path)[0] for path in self._changes.removed}
        left = {name for name in stored if name not in changed or any(True for _ in self.files(name))}
        return sorted((added | left) - {QUARANTINE})
