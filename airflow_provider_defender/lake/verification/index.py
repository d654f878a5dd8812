"""What commits say of their files, kept outside of memory, as a lake can have millions of them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from airflow_provider_defender.lake.log.commit import Commit, DataFile
from airflow_provider_defender.lake.log.format import dump_file
from airflow_provider_defender.lake.log.layout import HIDDEN

__all__ = ["FileIndex", "LandedFile"]

_CACHE_KIB = 8 * 1024
_PAGE_FILES = 512

_TABLES = f"""
pragma cache_size = -{_CACHE_KIB};
pragma journal_mode = off;
pragma synchronous = off;
create table files (
    id integer primary key, path text unique, log text, number integer,
    bytes integer, sha256 text, described blob, removed_by integer
);
create table listed (log text, number integer, primary key (log, number)) without rowid;
"""

_ADD = """
insert into files (path, log, number, bytes, sha256, described) values (?, ?, ?, ?, ?, ?)
on conflict (path) do update set log = excluded.log, number = excluded.number, bytes = excluded.bytes,
    sha256 = excluded.sha256, described = excluded.described, removed_by = null
"""
_REMOVE = """
insert into files (path, log, removed_by) values (?, ?, ?)
on conflict (path) do update set removed_by = excluded.removed_by
"""
_COLUMNS = "path, log, number, bytes, sha256, removed_by"
_PAGE = (
    f"select id, {_COLUMNS} from files where id > ? and removed_by is null order by id limit {_PAGE_FILES}"  # noqa: S608
)


class LandedFile(NamedTuple):
    """A file as the commits say: which one has added it, and which one, if any, has replaced it since."""

    path: str
    log: str
    number: int
    bytes: int
    sha256: str
    removed_by: int | None

    @property
    def content(self) -> tuple[int, str]:
        """Its size and SHA-256."""
        return self.bytes, self.sha256


class FileIndex:
    """A temporary SQLite database, which takes 8 MiB of memory however large it is.

    It lies in the system's folder for temporary files, about 500 bytes for each file that was ever landed,
    and has no name there: nothing of it is left, however the process ends.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.executescript(_TABLES)
        self._last_checked = 0
        self.folders: set[str] = set()
        """The folders of the lake's root that the files of commits lie in."""

    def close(self) -> None:
        """Let the database go."""
        self._database.close()

    def add(self, commit: Commit[Any]) -> None:
        """Take over what a commit adds and removes; a log's commits come in their order."""
        files = [
            (file.path, commit.log, commit.number, file.bytes, file.sha256, _digest(file))
            for file in commit.files
        ]
        self._database.executemany(_ADD, files)
        removed = [(path, commit.log, commit.number) for path in commit.removed]
        self._database.executemany(_REMOVE, removed)
        self.folders.update({path.partition("/")[0] for path, *_ in files} - {HIDDEN})

    def get(self, path: str) -> LandedFile | None:
        """What is known of a file, None where no commit names it."""
        found = self._database.execute(f"select {_COLUMNS} from files where path = ?", [path]).fetchone()  # noqa: S608
        return None if found is None else LandedFile(*found)

    def counts(self, path: str) -> bool:
        """Whether a commit has added the file and none has replaced it."""
        query = "select 1 from files where path = ? and removed_by is null"
        return self._database.execute(query, [path]).fetchone() is not None

    def described(self, file: DataFile, log: str, number: int, after: int) -> bool:
        """Whether a log's commit `number` describes a file in just this way, and it counts after another."""
        query = (
            "select 1 from files where path = ? and log = ? and number = ? and number <= ? and described = ? "
            "and (removed_by is null or removed_by > ?)"
        )
        values = [file.path, log, number, after, _digest(file), after]
        return self._database.execute(query, values).fetchone() is not None

    def count(self, log: str, after: int) -> int:
        """How many files of a log count after one of its commits."""
        query = "select count(*) from files where log = ? and number <= ? and ifnull(removed_by, ?) > ?"
        found: int = self._database.execute(query, [log, after, after + 1, after]).fetchone()[0]
        return found

    def unchecked(self) -> Iterator[list[LandedFile]]:
        """The files that count and were not given yet, in pages; also those added meanwhile."""
        while rows := self._database.execute(_PAGE, [self._last_checked]).fetchall():
            self._last_checked = rows[-1][0]
            yield [LandedFile(*row[1:]) for row in rows]

    def note_listed(self, log: str, numbers: Iterable[int]) -> None:
        """Keep the numbers of the commits that a log's folder holds."""
        self._database.executemany("insert or ignore into listed values (?, ?)", ((log, n) for n in numbers))

    def next_listed(self, log: str, number: int) -> int | None:
        """The lowest number above this one among those kept."""
        query = "select min(number) from listed where log = ? and number > ?"
        found: int | None = self._database.execute(query, [log, number]).fetchone()[0]
        return found


def _digest(file: DataFile) -> bytes:
    """A digest of all that a commit says of a file."""
    return hashlib.blake2b(msgspec.json.encode(dump_file(file)), digest_size=16).digest()
