"""The commits of one log, from the first to the newest, and whether each follows from the one before it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from airflow_provider_defender.lake.errors import CommitUnreadable
from airflow_provider_defender.lake.log.commit import Commit
from airflow_provider_defender.lake.log.commits import Hint
from airflow_provider_defender.lake.log.digest import FIRST, chain_digest, position_digest
from airflow_provider_defender.lake.log.format import parse_commit
from airflow_provider_defender.lake.log.layout import LogPaths
from airflow_provider_defender.lake.storage.storage import Storage
from airflow_provider_defender.lake.verification.checkpoints import CheckpointCheck
from airflow_provider_defender.lake.verification.differences import Difference, DifferenceType, Findings
from airflow_provider_defender.lake.verification.index import FileIndex

__all__ = ["Chain"]

_READ_AT_ONCE = 64
_BYTES_AT_ONCE = 16 * 1024 * 1024
"""Commits hold up to 100,000 keys: of large ones fewer are read at once."""

_MAX_NUMBER = 10**12
"""Above it lies no commit, and SQLite's integers end."""


class _Newest(NamedTuple):
    """What is kept of the newest commit."""

    token: str
    has_files: bool
    has_position: bool
    origin: Mapping[str, str]
    digest: str


class Chain:
    """Reads a log once, as far as it goes, and later what has come since.

    `noted`: a digest that one of its commits must have. `number`: the newest commit read so far; `commits`:
    how many could be read; `proved`: the number of the one that has the digest noted.
    """

    def __init__(
        self, storage: Storage, log: str, index: FileIndex, findings: Findings, noted: str | None = None
    ) -> None:
        self.paths = LogPaths(log)
        self.log = log
        self.number = 0
        self.commits = 0
        self.proved: int | None = None
        self._storage = storage
        self._index = index
        self._findings = findings
        self._noted = noted
        self._newest: _Newest | None = None
        self._before: tuple[str, ...] = (FIRST,)
        self._most = _READ_AT_ONCE
        self._digests: dict[int, str] = {}
        self._broken: int | None = None

    @property
    def digest(self) -> str:
        """The digest of the newest commit, empty where it cannot be read."""
        return self._newest.digest if self._newest else ""

    @property
    def origin(self) -> Mapping[str, str]:
        """What the newest commit says that the log is of."""
        return self._newest.origin if self._newest else {}

    # Reading ------------------------------------------------------------------------------------

    def read(self) -> Iterator[None]:
        """Read the log for the first time; a step after each few commits."""
        hinted = self._hinted()  # first: what it names has been there by then
        checkpoints = CheckpointCheck(self._storage, self.paths, self._index)
        self._digests = dict.fromkeys((number for number, _ in checkpoints.names), "")
        self._index.note_listed(self.log, self._listed())
        yield from self._read_on()
        self._check_end(hinted)
        whole_to = self.number if self._broken is None else self._broken - 1
        for number, path, expected, found in checkpoints.differences(self._digests, self.number, whole_to):
            self._report(DifferenceType.CHECKPOINT_WRONG, number, path=path, expected=expected, found=found)

    def advance(self) -> bool:
        """Read the commits that have come since; whether there were any."""
        before = self.number
        for _ in self._read_on():
            pass
        return self.number > before

    def _listed(self) -> Iterator[int]:
        for name in self._storage.scan_folder(self.paths.commits) or ():
            number = self.paths.commit_number(name) or 0
            if 0 < number <= _MAX_NUMBER and self.paths.commit(number) == f"{self.paths.commits}/{name}":
                yield number

    def _read_on(self) -> Iterator[None]:
        while True:
            for bodies in self._following():
                for body in bodies:
                    self._take(self.number + 1, body)
                yield
            above = self._index.next_listed(self.log, self.number)
            if above is None:
                return
            self._skip_to(max(above - 1, self.number + 1))

    def _following(self) -> Iterator[list[bytes]]:
        """The commits that come next without a gap, more and more at once, then fewer where they end."""
        count, grows = 1, True
        while count:
            first = self.number + 1
            try:
                bodies = self._storage.read_many([self.paths.commit(n) for n in range(first, first + count)])
            except FileNotFoundError:
                count, grows = count // 2, False
                continue
            longest = max(1, *map(len, bodies))  # a damaged one can be empty
            self._most = max(1, min(_READ_AT_ONCE, _BYTES_AT_ONCE // longest))
            yield bodies
            count = min(2 * count if grows else count, self._most)

    def _skip_to(self, number: int) -> None:
        """Commits are missing up to this one: what comes after cannot be compared with them."""
        first = self.number + 1
        self._broken = self._broken or first
        expected = f"commit {first}" if first == number else f"commits {first} to {number}"
        self._report(DifferenceType.COMMIT_MISSING, first, expected=expected)
        self.number, self._before, self._newest = number, (), None

    # One commit ---------------------------------------------------------------------------------

    def _take(self, number: int, body: bytes) -> None:
        before, self._before, self._newest = self._before, (), None
        self.number = number
        commit = self._parsed(number, body)
        if commit is None:
            self._broken = self._broken or number
            return
        if number in self._digests:
            self._digests[number] = commit.digest
        try:
            self._check(commit, body, before)
            self._index.add(commit)
        except (ValueError, OverflowError, RecursionError) as error:  # no run has written such values
            self._broken = self._broken or number
            self._report(DifferenceType.COMMIT_UNREADABLE, number, found=repr(error))
        self.commits += 1
        self._newest = _Newest(
            commit.token, bool(commit.files), commit.position is not None, commit.origin, commit.digest
        )
        if commit.digest == self._noted:
            self.proved = number

    def _check(self, commit: Commit[Any], body: bytes, before: tuple[str, ...]) -> None:
        values = msgspec.json.decode(body)
        self._check_text(commit.number, body, values)
        self._check_position(commit.number, values)
        self._check_digest(commit, values, before)

    def _parsed(self, number: int, body: bytes) -> Commit[Any] | None:
        path = self.paths.commit(number)
        try:
            commit = parse_commit(body, path)
        except CommitUnreadable as error:
            self._report(DifferenceType.COMMIT_UNREADABLE, number, found=str(error))
            return None
        if (commit.number, commit.log) == (number, self.log):
            return commit
        self._report(
            DifferenceType.COMMIT_MISPLACED,
            number,
            expected=f"commit {number} of {self.log}",
            found=f"commit {commit.number} of {commit.log}",
        )
        return None

    def _check_text(self, number: int, body: bytes, values: dict[str, Any]) -> None:
        """A key that stands twice: one reader takes the first value, another the last."""
        if msgspec.json.encode(values) == body:  # as it was written
            return
        repeated: set[str] = set()

        def note(pairs: list[tuple[str, Any]]) -> None:
            met: set[str] = set()
            for key, _ in pairs:
                (repeated if key in met else met).add(key)

        json.loads(body, object_pairs_hook=note)
        if repeated:
            self._report_change(number, "each key once", f"{', '.join(sorted(repeated))} more than once")

    def _check_position(self, number: int, values: dict[str, Any]) -> None:
        if values["position"] is None:  # it was shortened
            return
        expected, found = values["position_sha256"], position_digest(values["position"])
        if found != expected:
            self._report_change(number, f"a position with the SHA-256 {expected}", f"one with {found}")

    def _check_digest(self, commit: Commit[Any], values: dict[str, Any], before: tuple[str, ...]) -> None:
        """After a difference the next commit may follow from what is there or from what was computed."""
        computed = tuple(chain_digest(each, values) for each in before)
        self._before = (commit.digest,)
        if computed and commit.digest not in computed:
            found = f"what has {computed[0]}"
            if commit.number > 1:
                found += f", unless it is commit {commit.number - 1} that was changed"
            self._report_change(commit.number, f"what has the digest {commit.digest}", found)
            self._before += computed

    def _report_change(self, number: int, expected: str, found: str) -> None:
        self._report(DifferenceType.COMMIT_CHANGED, number, expected=expected, found=found)

    # The end ------------------------------------------------------------------------------------

    def _hinted(self) -> int:
        """The number in the hint, 0 where there is none."""
        try:
            hint = msgspec.json.decode(self._storage.read(self.paths.head), type=Hint)
        except FileNotFoundError:
            return 0
        except (ValueError, msgspec.MsgspecError, RecursionError) as error:
            self._report(DifferenceType.HINT_UNREADABLE, None, path=self.paths.head, found=str(error))
            return 0
        return 0 if hint.number is msgspec.UNSET else hint.number

    def _check_end(self, hinted: int) -> None:
        newest = f"commit {self.number}" if self.number else "nothing"
        if hinted > self.number:
            self._report(
                DifferenceType.HINT_AHEAD,
                hinted,
                path=self.paths.head,
                expected=f"commit {hinted}",
                found=newest,
            )
        if self._newest is not None and not self._newest.has_position:
            self._report_change(self.number, "a position, which every newest commit has", "none")
        if self._noted is not None and self.proved is None:
            self._report(
                DifferenceType.DIGEST_UNKNOWN,
                None,
                expected=self._noted,
                found=f"{newest} with {self.digest}" if self.digest else newest,
            )

    def _report(
        self, what: DifferenceType, number: int | None, *, path: str = "", expected: str = "", found: str = ""
    ) -> None:
        if not path and number is not None:
            path = self.paths.commit(number)
        self._findings.add(Difference(what, self.log, number, path, expected, found))

    # Files under way ----------------------------------------------------------------------------

    def staged(self, path: str, number: int) -> str | None:
        """Where a file of the newest commit lies until it is published; None for all others."""
        if self._newest is None or number != self.number:
            return None
        return f"{self.paths.staging(self._newest.token)}/{self.paths.staged_name(path)}"

    def may_be_removing(self, number: int) -> bool:
        """Whether what a commit replaces may still be there: it is the newest, and not finished.

        Its staging folder goes last; without files it has none, and the next run finishes it.
        """
        newest = self._newest
        if newest is None or number != self.number:
            return False
        staging = self.paths.staging(newest.token)
        return not newest.has_files or self._storage.list_folder(staging) is not None
