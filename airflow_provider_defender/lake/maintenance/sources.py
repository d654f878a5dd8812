"""The files that maintenance reads, checked against their commits."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from typing import IO

from airflow_provider_defender.lake.errors import FileChanged
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.storage.hashing import content_of
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = ["sources"]

_WHOLE_BYTES = 8 * 1024 * 1024
_AT_ONCE = 64


def sources(storage: Storage, files: Sequence[DataFile]) -> Iterator[IO[bytes]]:
    """Yield each file opened; small ones are read whole, some at once.

    Raises `FileChanged` if a file's bytes are not those that its commit names, `FileNotFoundError`, and what
    the store raises.
    """
    for group in _groups(files):
        if group[0].bytes > _WHOLE_BYTES:
            with storage.open_stream(group[0].path) as stream:
                _check(group[0], content_of(stream).sha256)
            yield storage.open_input(group[0].path)
            continue
        for file, body in zip(group, storage.read_many([file.path for file in group]), strict=True):
            _check(file, hashlib.sha256(body).hexdigest())
            yield io.BytesIO(body)


def _groups(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    """Divide files into those that are read at once."""
    group: list[DataFile] = []
    for file in files:
        if group and (
            len(group) == _AT_ONCE or sum(each.bytes for each in group) + file.bytes > _WHOLE_BYTES
        ):
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def _check(file: DataFile, sha256: str) -> None:
    if sha256 != file.sha256:
        raise FileChanged(
            f"{file.path} has the SHA-256 {sha256}, but its commit says {file.sha256}: it was altered or "
            "damaged. Restore it, for example from a version that the store kept, and verify the lake; until "
            "then its partition is not merged"
        )
