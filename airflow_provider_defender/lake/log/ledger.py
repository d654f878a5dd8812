"""What a transaction asks about rows that have landed already: the protocols of ledgers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from airflow_provider_defender.lake.log.commit import Commit, DataFile
from airflow_provider_defender.lake.log.commits import Head
from airflow_provider_defender.lake.log.layout import LogPaths
from airflow_provider_defender.lake.log.position import Change, P
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = ["C", "Landed", "Ledger", "Scope"]

C = TypeVar("C")
"""What `commit` receives: how far the source was read."""

C_contra = TypeVar("C_contra", contravariant=True)


@dataclass(frozen=True)
class Scope(Generic[P]):
    """What a ledger serves: one transaction of `kind` that follows `head`, in the log named `log`."""

    log: str
    head: Head[P]
    kind: str
    storage: Storage
    paths: LogPaths


class Landed(Protocol):
    """What another run's commit has landed, so that this run must not land it again."""

    def meets(self, file: DataFile, staged: str) -> bool:
        """Whether it includes any rows of a staged file; `staged`: the file's current path."""
        ...

    def remaining(self, path: str, rows: pa.Table) -> pa.Table:
        """The rows of a file that it does not include; `path`: the file's final path."""
        ...


class Ledger(Protocol[P, C_contra]):
    """Knows what has landed already, and decides when another run's commit is a conflict.

    A ledger serves one transaction, which opens it. Each type of position has a ledger of its own.
    """

    def open(self, scope: Scope[P]) -> None:
        """Begin. Raises `ValueError` if the ledger has served a transaction before."""
        ...

    def select_new(
        self, versions: Iterable[tuple[str, str]], ticks: Sequence[int | None] | None = None
    ) -> list[bool]:
        """For each record read, by key and version, whether it must still be mapped and written.

        `ticks`: the update time of each, if the caller has parsed the versions already.
        """
        ...

    def unlanded(self, folder: str, rows: pa.Table) -> pa.Table:
        """The rows for a partition's folder that have not landed yet."""
        ...

    def note(self, path: str, rows: pa.Table) -> None:
        """Register rows that were staged for a file, named by its final path."""
        ...

    def described(self, file: DataFile) -> DataFile:
        """The file, all of whose rows are registered, with what the ledger adds to it."""
        ...

    def change(self, change: C_contra | None) -> Change[P]:
        """What the run adds to the position. Raises `ValueError` if that is impossible."""
        ...

    def counts(self, rows: int, rejected: int) -> Mapping[str, int]:
        """The counts of the commit; `rows` in its data files, `rejected` in its quarantine files."""
        ...

    def check_conflict(self, other: Commit[P], before: P, after: P) -> None:
        """Raise `CommitConflict` if `other` has advanced the part of the position that this run advances.

        `before` and `after`: where the source stood before and after that commit.
        """
        ...

    def landed_by(self, other: Commit[P], before: P, after: P) -> Landed:
        """What `other` has landed; `before` and `after` as above."""
        ...
