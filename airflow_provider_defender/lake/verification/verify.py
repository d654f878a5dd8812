"""Verifying a lake: the commits of each log from the first on, then all files that they name, then others."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from airflow_provider_defender.lake.lake import Lake
from airflow_provider_defender.lake.log.layout import HIDDEN
from airflow_provider_defender.lake.reading import as_lake
from airflow_provider_defender.lake.verification.chain import Chain
from airflow_provider_defender.lake.verification.differences import (
    Difference,
    DifferenceType,
    Findings,
    Verification,
    VerifiedLog,
)
from airflow_provider_defender.lake.verification.files import FileCheck
from airflow_provider_defender.lake.verification.index import FileIndex

__all__ = ["verify"]

_logger = logging.getLogger(__name__)

_PROGRESS_SECONDS = 10.0
_DIGEST = re.compile("[0-9a-f]{64}")


def verify(
    lake: Lake | str | os.PathLike[str] | Any,
    *,
    digests: Mapping[str, str] | None = None,
    files: bool = True,
    threads: int = 8,
    max_differences: int = 1000,
) -> Verification:
    """Whether all that has landed is still as it was landed: every commit, every file, and nothing else.

    `lake`: as for `committed_files`. `digests`: for the names of logs, a chain digest noted earlier, from the
    summary of a run or from an earlier `verify`. `files`: whether to look at the files, too, or only at the
    commits. `threads`: how many files are read at once. `max_differences`: how many differences are kept;
    more are only counted.

    The chain of digests is computed again from commit 1 on. Each file that counts, of data and of quarantine,
    is read and compared by size and SHA-256. Files in the folders of datasets and of the quarantine that do
    not count are told. What a run that was killed has left is no difference, nor is what runs land meanwhile.

    What this proves depends on `digests`. Without them it is found what contradicts itself, such as a file
    that is not what its commit says. Who can write to the lake can also write all of a log's commits anew, or
    take the newest ones away together with their files, and nothing contradicts that: only a digest that
    was noted elsewhere does, and then all up to the commit that has it is proved: files, counts, origin, and
    the position as long as the commit holds one. What no digest covers is the hint `head.json`, which is told
    if it names a commit that is not there or cannot be read, and staging folders that no commit names.

    Memory does not grow with the lake: what commits say of files goes into a temporary database on disk, of
    about 500 bytes a file. On an object store, the client holds the listing of one folder at a time.
    Nothing is written into the lake. Progress is logged every 10 seconds.

    Raises `FileNotFoundError` where there is no lake, `ValueError` for a digest that is none, `LakeError`,
    and what the store raises.
    """
    lake = as_lake(lake)
    noted = {name: _checked(name, digest) for name, digest in (digests or {}).items()}
    names = _log_names(lake)
    with closing(FileIndex()) as index, ThreadPoolExecutor(threads, "lake-verify") as executor:
        findings = Findings(max_differences)
        chains = {name: Chain(lake.storage, name, index, findings, noted.pop(name, None)) for name in names}
        for name, digest in noted.items():
            findings.add(Difference(DifferenceType.DIGEST_UNKNOWN, name, expected=digest, found="nothing"))
        check = FileCheck(lake.storage, index, chains, findings, executor)
        for _ in _Progress(chains, check).of(_steps(chains, check, files=files)):
            pass
        return _verification(chains, check, findings)


def _steps(chains: dict[str, Chain], check: FileCheck, *, files: bool) -> Iterator[None]:
    for chain in list(chains.values()):
        yield from chain.read()
    if files:
        yield from check.check_landed()
        yield from check.check_others()
        yield from check.check_landed()  # of commits that came meanwhile


def _log_names(lake: Lake) -> list[str]:
    if lake.storage.list_folder(HIDDEN) is None:
        url = lake.storage.url("")
        raise FileNotFoundError(
            f"there is no lake in {url}: it has no folder {HIDDEN}. Name the folder or prefix that the "
            "operators have as `lake`"
        )
    return lake.log_names()


def _checked(log: str, digest: str) -> str:
    if _DIGEST.fullmatch(digest.lower()) is None:
        raise ValueError(
            f"{digest!r} is no chain digest of {log}: it has 64 hexadecimal digits, as a run's summary and "
            "`verify` print them"
        )
    return digest.lower()


def _verification(chains: dict[str, Chain], check: FileCheck, findings: Findings) -> Verification:
    logs = [
        VerifiedLog(
            name=name,
            origin=dict(chain.origin),
            number=chain.number,
            digest=chain.digest,
            commits=chain.commits,
            files=check.files.get(name, 0),
            bytes=check.bytes.get(name, 0),
            proved=chain.proved,
        )
        for name, chain in sorted(chains.items())
        if chain.number
    ]
    return Verification(tuple(logs), tuple(findings.kept), findings.count)


class _Progress:
    """Tells in the log how far it is, now and then."""

    def __init__(self, chains: Mapping[str, Chain], check: FileCheck) -> None:
        self._chains = chains
        self._check = check
        self._next = time.monotonic() + _PROGRESS_SECONDS

    def of(self, steps: Iterator[None]) -> Iterator[None]:
        """The steps."""
        for step in steps:
            yield step
            if time.monotonic() >= self._next:
                self._tell()
                self._next = time.monotonic() + _PROGRESS_SECONDS

    def _tell(self) -> None:
        _logger.info(
            "Verified so far: %d commits, %d files, %.1f GB",
            sum(chain.commits for chain in self._chains.values()),
            sum(self._check.files.values()),
            sum(self._check.bytes.values()) / 1e9,
        )
