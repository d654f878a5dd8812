"""What `verify` finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

__all__ = ["Difference", "DifferenceType", "Findings", "Verification", "VerifiedLog"]

_RESTORE = "restore it from a backup, or from a version that the store kept, and find out who did it"


class DifferenceType(Enum):
    """What is not as it was landed. The value is the explanation, with the fields of the difference."""

    FILE_CHANGED = (
        "{path}, a file of commit {number} of {log}, is not what was landed. The commit says {expected}, and "
        f"there are {{found}}: {_RESTORE}"
    )
    FILE_MISSING = f"{{path}}, a file of commit {{number}} of {{log}}, is not there: {_RESTORE}"
    FILE_UNKNOWN = (
        "{path} is named by no commit, yet readers of the folder read it: someone has put it in, or the "
        "commit that names it is missing or damaged. If another difference speaks of a commit, restore that "
        "first; otherwise take the file out of the lake"
    )
    FILE_NOT_REMOVED = (
        "{path} was replaced by commit {number} of {log}, and is there all the same, so that readers of the "
        "folder read its rows twice: someone has put it back; delete it"
    )
    COMMIT_CHANGED = (
        "{path}, commit {number} of {log}, does not hold what was committed: expected {expected}, found "
        f"{{found}}; {_RESTORE}"
    )
    COMMIT_MISSING = (
        "{log} lacks {expected}, {path}, although it has later ones. The files that are named there, and the "
        f"commit that comes next, cannot be checked: {_RESTORE}"
    )
    COMMIT_MISPLACED = (
        "{path} holds {found} in the place of {expected}: it was swapped or copied there. Its files cannot "
        "be checked: restore the commit that belongs there"
    )
    COMMIT_UNREADABLE = "commit {number} of {log} cannot be read, nor its files be checked: {found}"
    DIGEST_UNKNOWN = (
        "no commit of {log} has the digest {expected} that you noted; its newest is {found}. Commits were "
        "cut off, or its history was rewritten: nothing that it says is proved. Restore the lake from a "
        "backup and verify that"
    )
    CHECKPOINT_WRONG = (
        "{path}, a checkpoint of {log}, does not say what the commits say: expected {expected}, found "
        "{found}. It is derived from them: if no other difference speaks of a commit, delete it, and a run "
        "writes the next one"
    )
    HINT_AHEAD = (
        "{path} says that {log} had {expected}, but its newest is {found}. Either someone has edited that "
        "file, or the newest commits were cut off: restore them, or what they cover will be landed again; "
        "if none was, delete the file"
    )
    HINT_UNREADABLE = (
        "{path} is not what a run of {log} has written ({found}). It is only a hint where the newest commit "
        "is: delete it, the next run writes it again"
    )


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was landed.

    `log`: whose file or commit it is, None where nothing tells. `number`: of the commit; of several missing
    ones the first. `path`: relative to the lake's root. `expected`, `found`: what should be there and what
    is, in words; empty where there is nothing to say. `text` explains it and says what to do.
    """

    what: DifferenceType
    log: str | None
    number: int | None = None
    path: str = ""
    expected: str = ""
    found: str = ""

    @property
    def text(self) -> str:
        """What it is and what to do, in a sentence or two."""
        return self.what.value.format(
            log=self.log, number=self.number, path=self.path, expected=self.expected, found=self.found
        )


@dataclass(frozen=True)
class VerifiedLog:
    """What was checked of one log.

    `number` and `digest`: of its newest commit; the digest is empty where that cannot be read. If nothing
    differs, note the digest where nobody who can write to the lake can change it: given to a later `verify`,
    it proves everything up to that commit.
    `commits`: how many could be read; `files`, `bytes`: how much of what they name was read and compared.
    `proved`: the commit that has the digest given, so all up to it is proved if nothing differs; None where
    none was given or none has it.
    """

    name: str
    origin: Mapping[str, str]
    number: int
    digest: str
    commits: int
    files: int
    bytes: int
    proved: int | None


@dataclass(frozen=True)
class Verification:
    """What `verify` has found.

    `logs`: those that have commits, by name. `differences`: in the order in which they were met, the first
    `max_differences` of them; `found`: how many there are in all.
    """

    logs: tuple[VerifiedLog, ...]
    differences: tuple[Difference, ...]
    found: int

    @property
    def digests(self) -> dict[str, str]:
        """The chain digest of each log's newest commit, as a later `verify` takes them."""
        return {log.name: log.digest for log in self.logs if log.digest}


class Findings:
    """The differences so far, as many as are wanted, and how many there are."""

    def __init__(self, most: int) -> None:
        self.kept: list[Difference] = []
        self.count = 0
        self._most = most

    def add(self, difference: Difference) -> None:
        """One more."""
        self.count += 1
        if len(self.kept) < self._most:
            self.kept.append(difference)
