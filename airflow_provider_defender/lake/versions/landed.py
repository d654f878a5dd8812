"""Which versions the files of a log hold."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import pyarrow as pa

from airflow_provider_defender.lake.log.layout import LogPaths
from airflow_provider_defender.lake.parquet import read_columns
from airflow_provider_defender.lake.storage.storage import Storage
from airflow_provider_defender.lake.versions.keys import DigestSet, joined
from airflow_provider_defender.landing import REJECT_VERSION_COLUMNS, VERSION_COLUMNS

__all__ = ["LandedVersions", "row_versions", "versions_in"]

_DIGESTS_KEPT = 1_000_000


def row_versions(table: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> pa.DictionaryArray:
    """The version of each row, as `DigestSet.found` takes it."""
    return joined(*(_column(table, name) for name in columns))


def _column(table: pa.Table | pa.RecordBatch, name: str) -> pa.Array | pa.ChunkedArray:
    root, *leaves = name.split(".")
    column = table.column(root)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    for leaf in leaves:
        column = column.field(leaf)
    return column


def versions_in(storage: Storage, paths: Iterable[str], columns: Sequence[str]) -> DigestSet:
    """The versions of the rows in some files. Raises `FileNotFoundError`."""
    found = DigestSet()
    for path in paths:
        with storage.open_input(path) as source:
            for batch in read_columns(source, columns):
                found.add_rows(*(_column(batch, name) for name in columns))
    return found


class LandedVersions:
    """The versions that a log has landed, looked up in its files, one lake partition at a time.

    Only files of finished commits have their final names, and a commit's files are in place before it
    removes others, so two equal listings of a partition show no less than the commits do.
    """

    def __init__(self, storage: Storage, paths: LogPaths) -> None:
        self._storage = storage
        self._paths = paths
        self._partitions: OrderedDict[str, DigestSet] = OrderedDict()
        self._quarantine: DigestSet | None = None

    def in_partition(self, folder: str) -> DigestSet:
        """The versions with rows in a partition. Keeps those of the partitions used last."""
        if folder not in self._partitions:
            self._partitions[folder] = self._load(folder, VERSION_COLUMNS)
            while len(self._partitions) > 1 and sum(map(len, self._partitions.values())) > _DIGESTS_KEPT:
                self._partitions.popitem(last=False)
        self._partitions.move_to_end(folder)
        return self._partitions[folder]

    def in_quarantine(self) -> DigestSet:
        """The versions in quarantine."""
        if self._quarantine is None:
            folder = self._paths.quarantine
            dates = self._storage.list_folder(folder) or []
            self._quarantine = DigestSet()
            for date in dates:
                self._quarantine.update(self._load(f"{folder}/{date}", REJECT_VERSION_COLUMNS))
        return self._quarantine

    def _load(self, folder: str, columns: Sequence[str]) -> DigestSet:
        before: list[str] = []
        while True:
            paths = self._listed(folder)
            try:
                return versions_in(self._storage, paths, columns)
            except FileNotFoundError:
                # A compaction is replacing files, one after the other: a new listing shows what is left.
                if paths == before:
                    raise
                before = paths

    def _listed(self, folder: str) -> list[str]:
        """The log's files in a folder, all from one moment.

        A store gives a long listing in parts. Between two of them, a compaction can add its file to the first
        and delete its inputs from the second, so that the listing has neither. Then the next one differs.
        """
        paths: list[str] | None = None
        while True:
            before, names = paths, self._storage.list_folder(folder) or []
            paths = [f"{folder}/{name}" for name in sorted(names) if self._paths.owns(name)]
            if paths == before:
                return paths
