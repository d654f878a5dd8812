"""The ledger of REST sources, which knows the landed versions of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.lake.errors import CommitConflict
from airflow_provider_defender.lake.log.commit import MAINTENANCE, Commit, DataFile
from airflow_provider_defender.lake.log.format import as_json
from airflow_provider_defender.lake.log.layout import LogPaths
from airflow_provider_defender.lake.log.ledger import Ledger, Scope
from airflow_provider_defender.lake.storage.storage import Storage
from airflow_provider_defender.lake.versions.keys import DigestSet, NewestVersions, digest
from airflow_provider_defender.lake.versions.landed import LandedVersions, row_versions, versions_in
from airflow_provider_defender.lake.versions.position import (
    KEYS_LIMIT,
    VersionsChange,
    VersionsPosition,
    Watermark,
)
from airflow_provider_defender.landing import REJECT_VERSION_COLUMNS, VERSION_COLUMNS

__all__ = ["VersionsLedger"]


class VersionsLedger(Ledger[VersionsPosition, Watermark]):
    """The ledger of one run of a REST source; rows and rejects name their key and version.

    `since`: the update time, in ticks of 100 ns, from which on a drain reads its source; None: all of it.
    `filters`: the run's filters, as JSON values.
    """

    _scope: Scope[VersionsPosition]

    def __init__(self, since: int | None = None, filters: Mapping[str, Any] | None = None) -> None:
        self._since = since
        self._filters = as_json(filters)
        self._read = NewestVersions(KEYS_LIMIT, since)
        self._seen = DigestSet()
        self._known = DigestSet()
        self._known_read = 0
        self._dropped = DigestSet()
        self._landed: LandedVersions | None = None
        self._is_open = False
        self._advances = False

    def open(self, scope: Scope[VersionsPosition]) -> None:
        """Begin. Raises `ValueError` if the ledger has served a transaction before."""
        if self._is_open:
            raise ValueError("a ledger serves one transaction only: make a new one")
        self._is_open = True
        self._scope = scope
        keys = scope.head.position.keys
        self._known.add_rows(keys["key"], keys["version"])
        if self._must_look_into_files():
            self._landed = self._files()

    def _must_look_into_files(self) -> bool:
        """Whether the position's keys may lack versions that this run can read."""
        head, kind = self._scope.head, self._scope.kind
        position = head.position
        if head.commit is None or kind in MAINTENANCE:
            return False
        if kind == "backfill" or position.watermark is None or position.keys_from is None:
            return True
        return self._since is None or self._since < position.keys_from or self._filters != position.filters

    def _files(self) -> LandedVersions:
        return LandedVersions(self._scope.storage, self._scope.paths)

    def select_new(
        self, versions: Iterable[tuple[str, str]], ticks: Sequence[int | None] | None = None
    ) -> list[bool]:
        """For each version (key, version) read, whether its rows must still be mapped and written.

        False: it has landed or was rejected before, as far as the position shows, or occurred before in this
        run. Every version that the run reads must pass through here, since the next run's position is built
        from it. `ticks`: the update time of each, if it is known.
        """
        answers, places = [], []
        keys, texts = [], []  # not as pairs: thousands of tuples set off Python's garbage collection
        for place, (key, version) in enumerate(versions):
            value = digest(key, version)
            if not self._seen.add(value):
                answers.append(False)
                continue
            keys.append(key)
            texts.append(version)
            places.append(place)
            answers.append(value not in self._known)
            self._known_read += not answers[-1]
        self._read.add(keys, texts, None if ticks is None else [ticks[place] for place in places])
        if self._read.strays and self._landed is None and self._scope.head.commit is not None:
            # The position's keys begin where this run begins to read: only the files show older versions.
            self._landed = self._files()
        return answers

    def unlanded(self, folder: str, rows: pa.Table) -> pa.Table:
        """The rows for a partition's folder that have not landed yet."""
        if self._landed is None or not rows.num_rows:
            return rows
        if self._scope.paths.is_reject(folder):
            return _without(rows, REJECT_VERSION_COLUMNS, self._landed.in_quarantine(), self._dropped)
        return _without(rows, VERSION_COLUMNS, self._landed.in_partition(folder), self._dropped)

    def note(self, path: str, rows: pa.Table) -> None:
        """Does nothing: rows name their versions themselves."""

    def described(self, file: DataFile) -> DataFile:
        """The file as it is."""
        return file

    def change(self, change: Watermark | None) -> VersionsChange:
        """What the run adds to the position; `change`: the new watermark of a drain, None if it stays."""
        kind = self._scope.kind
        if change is not None and kind != "drain":
            raise ValueError(f"a {kind} leaves the watermark where it is")
        self._advances = change is not None
        read, complete_from = self._read.result()
        return VersionsChange(
            read,
            complete_from,
            self._since,
            change,
            self._filters,
            cut_off=kind == "drain" and (change is None or not change.complete),
            first=self._scope.head.commit is None,
        )

    def counts(self, rows: int, rejected: int) -> dict[str, int]:
        """Versions read, known before, landed and rejected, and rows landed."""
        known = self._known_read + len(self._dropped)
        return {
            "read": len(self._seen),
            "known": known,
            "landed": max(0, len(self._seen) - known - rejected),
            "rejected": rejected,
            "rows": rows,
        }

    def check_conflict(
        self, other: Commit[VersionsPosition], before: VersionsPosition, after: VersionsPosition
    ) -> None:
        """Raise `CommitConflict` if this is a drain and `other` has moved the watermark.

        Also if `other` was the log's first drain, was cut off, and began earlier: a watermark set by this one
        would hide what is still to be read.
        """
        if self._scope.kind == "drain" and (after.moved_from(before) or self._began_after(after)):
            raise CommitConflict(
                f"another run ({other.kind}, commit {other.number}) moved {self._scope.log} while this one "
                "was reading: nothing of this run has landed, and the next one continues from there. Let "
                "only one scheduled run work at a time (max_active_runs=1)"
            )

    def _began_after(self, position: VersionsPosition) -> bool:
        """Whether an earlier drain, which has yet to be completed, began before this one."""
        begun = position.begun_from
        if not self._advances or begun is None or self._since is None:
            return False
        return begun < self._since

    def landed_by(
        self, other: Commit[VersionsPosition], before: VersionsPosition, after: VersionsPosition
    ) -> _LandedVersions:
        """What `other` has landed, by the versions in its files."""
        storage = self._scope.storage
        landed = versions_in(storage, (file.path for file in other.added), VERSION_COLUMNS)
        landed.update(versions_in(storage, (file.path for file in other.rejects), REJECT_VERSION_COLUMNS))
        return _LandedVersions(storage, self._scope.paths, landed, self._dropped)


class _LandedVersions:
    """The versions that another run's commit has landed; the versions left out are added to `dropped`."""

    def __init__(self, storage: Storage, paths: LogPaths, landed: DigestSet, dropped: DigestSet) -> None:
        self._storage = storage
        self._paths = paths
        self._landed = landed
        self._dropped = dropped

    def meets(self, file: DataFile, staged: str) -> bool:
        """Whether any of the versions has rows in a staged file."""
        mine = versions_in(self._storage, [staged], self._columns(file.path))
        return not mine.isdisjoint(self._landed)

    def remaining(self, path: str, rows: pa.Table) -> pa.Table:
        """The rows whose versions the other commit has not landed."""
        return _without(rows, self._columns(path), self._landed, self._dropped)

    def _columns(self, path: str) -> tuple[str, str]:
        return REJECT_VERSION_COLUMNS if self._paths.is_reject(path) else VERSION_COLUMNS


def _without(rows: pa.Table, columns: Sequence[str], landed: DigestSet, dropped: DigestSet) -> pa.Table:
    """The rows whose versions have not landed; the versions of the others are added to `dropped`."""
    if not len(landed):
        return rows
    versions = row_versions(rows, columns)
    found = landed.found(versions)
    if not found.true_count:
        return rows
    dropped.add_texts(versions.filter(found))
    return rows.filter(pc.invert(found))
