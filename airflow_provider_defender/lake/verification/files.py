"""The files of a lake: whether those that count are as they were landed, and whether there are others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from itertools import chain

from airflow_provider_defender.lake.log.layout import is_dataset, is_log_name
from airflow_provider_defender.lake.storage.hashing import content_of
from airflow_provider_defender.lake.storage.storage import Storage, Written
from airflow_provider_defender.lake.verification.chain import Chain
from airflow_provider_defender.lake.verification.differences import Difference, DifferenceType, Findings
from airflow_provider_defender.lake.verification.index import FileIndex, LandedFile

__all__ = ["CHUNK_BYTES", "FileCheck", "read"]

CHUNK_BYTES = 4 * 1024 * 1024
"""How much of a file is read at once: of an object store, by one request."""

_BATCH_FILES = 16
"""How many files a thread takes at a time: handing over each of many small ones takes as long as it."""

_LOOKS = 3
"""How often a file is looked at again because of commits that come meanwhile.

It can be published between two looks, and be replaced between two others, each only once. A file that was
there before its log was read on has its commit in it, since a commit is created before its files appear.
"""

_LANDED = re.compile(r"(.+)-[0-9a-f]{16}-\d+\.parquet", re.ASCII)

_Look = Callable[[str, "str | None"], "Difference | None"]
"""Looks at the file of a path, perhaps of a log, for what differs about it."""

_Places = tuple[str, "str | None"]
"""Where a file is to lie, and where it lies until it is published."""


class FileCheck:
    """Looks at files. What seems wrong is looked at again, with what its log has committed meanwhile.

    `chains`: all logs by name, to which those that are met meanwhile are added.
    """

    def __init__(
        self,
        storage: Storage,
        index: FileIndex,
        chains: dict[str, Chain],
        findings: Findings,
        executor: Executor,
    ) -> None:
        self.files: dict[str, int] = {}
        self.bytes: dict[str, int] = {}
        self._storage = storage
        self._index = index
        self._chains = chains
        self._findings = findings
        self._executor = executor

    # Those that count ---------------------------------------------------------------------------

    def check_landed(self) -> Iterator[None]:
        """Read all files that count and were not read yet; a step after each few."""
        for files in self._index.unchecked():
            places = [(file.path, self._chains[file.log].staged(file.path, file.number)) for file in files]
            batches = [places[start : start + _BATCH_FILES] for start in range(0, len(places), _BATCH_FILES)]
            contents = chain.from_iterable(self._executor.map(self._contents, batches))
            for file, found in zip(files, contents, strict=True):
                self._count(file, found)
                if set(found.values()) != {file.content}:
                    self._look_again(file.path, file.log, self._look_at_landed)
            yield

    def _contents(self, places: Sequence[_Places]) -> list[dict[str, Written]]:
        return [self._content(*each) for each in places]

    def _count(self, file: LandedFile, found: dict[str, Written]) -> None:
        if found:
            size, _ = next(iter(found.values()))
            self.files[file.log] = self.files.get(file.log, 0) + 1
            self.bytes[file.log] = self.bytes.get(file.log, 0) + size

    def _content(self, path: str, staging: str | None) -> dict[str, Written]:
        """Of a file in its place and in staging, where it is there: the next run publishes what is staged."""
        found: dict[str, Written] = {}
        for place in (path, staging):
            if place is not None:
                with suppress(FileNotFoundError):
                    found[place] = read(self._storage, place)
        return found

    # Those that do not --------------------------------------------------------------------------

    def check_others(self) -> Iterator[None]:
        """Look for files that readers find, but that do not count; a step after each folder or file."""
        folders = self._storage.list_folder("") or []
        for folder in sorted(name for name in folders if is_dataset(name)):
            yield from self._check_below(folder, ours=folder in self._index.folders)
        for name, each in list(self._chains.items()):
            yield from self._check_below(each.paths.quarantine, ours=True, log=name)

    def _check_below(self, folder: str, *, ours: bool, log: str | None = None) -> Iterator[None]:
        """`ours`: whether the folder belongs to the lake; else only files that look like ours are told."""
        waiting = [folder]
        while waiting:
            path = waiting.pop()
            names = self._storage.scan_folder(path)
            if names is not None:
                below = (f"{path}/{name}" for name in names if not _is_hidden(name))
                waiting += [each for each in below if self._is_odd(each, ours=ours)]
            elif _is_read(path) if ours else _log_in(path):
                self._look_again(path, log or _log_in(path), self._look_at_other)
            yield

    def _is_odd(self, path: str, *, ours: bool) -> bool:
        """Whether it is no file that counts, but a folder, or a file to look at."""
        return not self._index.counts(path) and (ours or _may_be_ours(path))

    # Again --------------------------------------------------------------------------------------

    def _look_again(self, path: str, log: str | None, look: _Look) -> None:
        its_log, looks = self._chain(log), 1
        while (difference := look(path, log)) is not None:
            if looks == _LOOKS or its_log is None or not its_log.advance():
                self._findings.add(difference)
                return
            looks += 1

    def _chain(self, log: str | None) -> Chain | None:
        if log is None or not is_log_name(log):
            return None
        if log not in self._chains:  # it may have begun since
            self._chains[log] = Chain(self._storage, log, self._index, self._findings)
        return self._chains[log]

    def _look_at_landed(self, path: str, log: str | None) -> Difference | None:
        file = self._index.get(path)
        if file is None or file.removed_by is not None:  # it was replaced meanwhile
            return None
        found = self._content(path, self._chains[file.log].staged(path, file.number))
        if not found:
            return Difference(DifferenceType.FILE_MISSING, file.log, file.number, path)
        changed = next((each for each in found.items() if each[1] != file.content), None)
        if changed is None:
            return None
        expected, actual = map(_text, (file.content, changed[1]))
        return Difference(DifferenceType.FILE_CHANGED, file.log, file.number, changed[0], expected, actual)

    def _look_at_other(self, path: str, log: str | None) -> Difference | None:
        file = self._index.get(path)
        if file is None:
            difference = Difference(DifferenceType.FILE_UNKNOWN, log, path=path)
        elif file.removed_by is None or self._chains[file.log].may_be_removing(file.removed_by):
            return None  # it was landed meanwhile and is still to be read, or is about to go
        else:
            difference = Difference(DifferenceType.FILE_NOT_REMOVED, file.log, file.removed_by, path)
        return difference if self._storage.exists(path) else None


def read(storage: Storage, path: str) -> Written:
    """Size and SHA-256 of a file; raises `FileNotFoundError`."""
    with storage.open_stream(path) as file:
        return content_of(file, CHUNK_BYTES)


def _text(content: tuple[int, str]) -> str:
    return f"{content[0]} bytes with the SHA-256 {content[1]}"


def _is_hidden(name: str) -> bool:
    """Whether readers pass a name over; globs of `*.parquet` do not, if it ends so."""
    return name[0] in "._" and not name.endswith(".parquet")


def _is_read(path: str) -> bool:
    """Whether readers of a dataset read a file: Spark and Trino all of a partition, globs by the name."""
    return path.endswith(".parquet") or "=" in path


def _may_be_ours(path: str) -> bool:
    """Whether to look at it in a folder that no commit names: it may be another program's."""
    return is_dataset(path) or "=" in path.rpartition("/")[2] or _log_in(path) is not None


def _log_in(path: str) -> str | None:
    """The log that a file's name says it is of."""
    found = _LANDED.fullmatch(path.rpartition("/")[2])
    return None if found is None else found[1]
