"""The commits of a log, read from its store: step 1 of the protocol."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any, Generic

import msgspec

from airflow_provider_defender.lake.errors import CommitUnreadable, OriginMismatch
from airflow_provider_defender.lake.log.commit import Commit
from airflow_provider_defender.lake.log.environment import Environment
from airflow_provider_defender.lake.log.format import parse_commit
from airflow_provider_defender.lake.log.layout import LogPaths
from airflow_provider_defender.lake.log.position import P
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = ["Commits", "Head", "Hint"]

_logger = logging.getLogger(__name__)

_READ_AT_ONCE = 64
_WALKED_AT_ONCE = 32
_NAMED_AT_ONCE = 5

_Number = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class Hint(msgspec.Struct):
    """The content of `head.json`: the newest commit's number; the number below which all are shortened.

    `swept_at`: when the latest commit was made after which staging was swept.
    """

    number: _Number | msgspec.UnsetType = msgspec.UNSET
    shortened_below: _Number | msgspec.UnsetType = msgspec.UNSET
    swept_at: Annotated[datetime, msgspec.Meta(tz=True)] | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True)
class Head(Generic[P]):
    """The newest commit of a log.

    Attributes:
        number: its number; 0 if the log has no commit yet.
        commit: the commit; None if there is none.
        position: where the source stands after it.
        read_at: when it was read, by the lake's clock. A run may commit within a day from then on.
        finished: whether all its files are in place; only then can a transaction follow it.
    """

    number: int
    commit: Commit[P] | None
    position: P
    read_at: datetime
    finished: bool


class Commits(Generic[P]):
    """The commits of one log.

    `position_type` and `origin`: what the log is expected to have; None: anything.
    """

    def __init__(
        self,
        lake: Environment,
        name: str,
        position_type: type[P] | None = None,
        origin: Mapping[str, str] | None = None,
    ) -> None:
        self.lake = lake
        self.name = name
        self.paths = LogPaths(name)
        self.position_type = position_type
        self.origin = origin

    @property
    def storage(self) -> Storage:
        """The lake's store."""
        return self.lake.storage

    # The newest ---------------------------------------------------------------------------------

    def newest(self) -> Commit[P] | None:
        """Return the newest commit, None without any. Raises `CommitUnreadable` and `OriginMismatch`."""
        hinted = self.hint().number
        commit = None if hinted is msgspec.UNSET else self.commit(hinted)
        if commit is None:
            commit = self._from_listing()
            self._warn_if_older(commit, hinted)
        return None if commit is None else self._walked_up(commit)

    def _walked_up(self, commit: Commit[P]) -> Commit[P]:
        walked = 0
        while (above := self.commit(commit.number + 1)) is not None:
            commit, walked = above, walked + 1
            if walked % _WALKED_AT_ONCE == 0:  # the hint is far behind
                commit = self._from_listing() or commit
        return commit

    def position(self, commit: Commit[P]) -> P:
        """Where the source stood after one of the newest commits; raises `CommitUnreadable`."""
        if commit.position is None:
            raise CommitUnreadable(
                f"{self.paths.commit(commit.number)} is the newest commit of {self.name} and has no "
                "position: newer commits must have been deleted by hand; restore them"
            )
        return commit.position

    def hint(self) -> Hint:
        """Return the hint; empty if it is missing, damaged or unreadable, since it is only a hint."""
        try:
            return msgspec.json.decode(self.storage.read(self.paths.head), type=Hint)
        except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
            return Hint()

    def _warn_if_older(self, commit: Commit[P] | None, hinted: int | msgspec.UnsetType) -> None:
        """Warn if the hint names a later commit: hints are written after their commits, so it is gone."""
        found = 0 if commit is None else commit.number
        if hinted is not msgspec.UNSET and hinted > found:
            _logger.warning(
                "%s names commit %d of %s, but the newest commit found is %d. Either that file is damaged, "
                "or commits were deleted: restore them, or what they cover will land again",
                self.paths.head,
                hinted,
                self.name,
                found,
            )

    def _from_listing(self) -> Commit[P] | None:
        numbers = self._numbers()
        return self.commit(numbers[-1]) if numbers else None

    def _numbers(self) -> list[int]:
        names = self.storage.list_folder(self.paths.commits) or []
        return sorted(number for name in names if (number := self.paths.commit_number(name)) is not None)

    # One and all --------------------------------------------------------------------------------

    def commit(self, number: int) -> Commit[P] | None:
        """Return the commit with this number, None if there is none.

        Raises `CommitUnreadable` and `OriginMismatch`.
        """
        path = self.paths.commit(number)
        try:
            body = self.storage.read(path)
        except FileNotFoundError:
            return None
        return self._parsed(body, path)

    def newest_before(self, moment: datetime) -> int:
        """Return the number of the newest commit that was made before a moment; 0 if there is none.

        Commits carry the times of many workers' clocks, so these only nearly ascend. If no clock is wrong by
        more than s, every commit up to the returned one was made before `moment` + s, and every commit after
        it later than `moment` - s. Reads few commits, about twice log2 of the number of those made since.
        Raises as `commit` does, and `CommitUnreadable` if a commit is missing.
        """
        newest = self.newest()
        high = 1 + (0 if newest is None else newest.number)
        low, step = high - 1, 1
        while low > 0 and not self._was_before(low, moment):
            low, high, step = max(0, low - step), low, 2 * step
        while high - low > 1:  # commit `low` was made before the moment, commit `high` was not
            middle = (low + high) // 2
            low, high = (middle, high) if self._was_before(middle, moment) else (low, middle)
        return low

    def _was_before(self, number: int, moment: datetime) -> bool:
        commit = self.commit(number)
        if commit is None:
            raise CommitUnreadable(self._missing_text([range(number, number + 1)]))
        return commit.committed_at < moment

    def commits(self, after: int = 0, *, whole: bool = True) -> Iterator[Commit[P]]:
        """Yield the commits with numbers above `after`, oldest first; it reads no others.

        Numbers have no gaps, so a missing one means that a commit was deleted, and the files that it lists
        would silently be left out: this raises `CommitUnreadable`, too. With `whole=False` it is a warning,
        for callers that can do with the rest. Raises `OriginMismatch`, and what the store raises.
        """
        hinted = self.hint().number  # first: what it names has been there by then
        number = after
        for commit in self._without_gap(after, None if hinted is msgspec.UNSET else hinted):
            yield commit
            number = commit.number
        # The hint tells whether commits lie above a gap, unless it is none or too old for what was asked.
        if after and hinted is not msgspec.UNSET and after <= hinted <= number:
            return
        above = [each for each in self._numbers() if each > after]
        self._check_whole(above, after, whole)
        rest = [each for each in above if each > number]
        for start in range(0, len(rest), _READ_AT_ONCE):
            part = rest[start : start + _READ_AT_ONCE]
            try:
                yield from self._read(part)
            except FileNotFoundError as error:
                raise CommitUnreadable(f"a commit of {self.name} was deleted just now: {error}") from error

    def _without_gap(self, after: int, hinted: int | None) -> Iterator[Commit[P]]:
        """The commits above `after` up to the first number that has none."""
        number, count, grows = after, 1, True
        while count:
            if hinted is not None and hinted > number:
                count = min(hinted - number, _READ_AT_ONCE)
            try:
                commits = self._read(range(number + 1, number + 1 + count))
            except FileNotFoundError:  # the hint is wrong, or this is the end
                hinted, count, grows = None, count // 2, False
                continue
            yield from commits
            number += count
            if number == hinted:
                count = 1
            elif grows:
                count = min(2 * count, _READ_AT_ONCE)

    def _read(self, numbers: Sequence[int]) -> list[Commit[P]]:
        paths = [self.paths.commit(number) for number in numbers]
        return [
            self._parsed(body, path) for path, body in zip(paths, self.storage.read_many(paths), strict=True)
        ]

    def _check_whole(self, numbers: list[int], after: int, whole: bool) -> None:
        """Complete the numbers of a listing; warn or raise `CommitUnreadable` if commits are missing."""
        # A listing made during commits may contain one of them, but not the one before it.
        latest = chain.from_iterable(map(reversed, reversed(_missing(numbers, after))))
        there = [number for number in islice(latest, _READ_AT_ONCE) if self.commit(number) is not None]
        numbers[:] = sorted({*numbers, *there})
        missing = _missing(numbers, after)
        if missing and whole:
            raise CommitUnreadable(self._missing_text(missing))
        if missing:
            _logger.warning("%s", self._missing_text(missing))

    def warn_if_beheaded(self) -> None:
        """Log a warning if the log has lost its beginning, which lifecycle rules delete first."""
        if not self.storage.exists(self.paths.commit(1)):
            _logger.warning("%s", self._missing_text(_missing(self._numbers())))

    def _missing_text(self, missing: list[range]) -> str:
        count = sum(map(len, missing))
        named = ", ".join(map(str, islice(chain.from_iterable(missing), _NAMED_AT_ONCE)))
        more = f" and {count - _NAMED_AT_ONCE} more" if count > _NAMED_AT_ONCE else ""
        return (
            f"{self.name} lacks commit {named}{more} in {self.storage.url(self.paths.commits)}, although its "
            "numbers have no gaps: commits were deleted, and only they list the files that count. Restore "
            "them (a version that the store kept, a backup), and let no lifecycle rule delete anything below "
            "_defender/. Until then, read all files of the dataset: <dataset>/date=*/…/*.parquet"
        )

    # Whether it is the right one ----------------------------------------------------------------

    def _parsed(self, body: bytes, path: str) -> Commit[P]:
        commit = parse_commit(body, path)
        if self.paths.commit(commit.number) != path or commit.log != self.name:
            raise CommitUnreadable(
                f"{path} holds commit {commit.number} of {commit.log}, so it was put there by hand, "
                "perhaps as a copy: restore the commit that belongs there, for example from a version that "
                "the store kept; do not delete it"
            )
        self._check_position_type(commit, path)
        self._check_origin(commit, path)
        return commit

    def _check_position_type(self, commit: Commit[Any], path: str) -> None:
        expected = self.position_type
        if expected is not None and not isinstance(commit.position, (expected, type(None))):
            raise CommitUnreadable(
                f"{path} has a {type(commit.position).__name__} instead of a {expected.__name__}: the log "
                f"{self.name} belongs to another type of source, so its name cannot be used for this one"
            )

    def _check_origin(self, commit: Commit[Any], path: str) -> None:
        if self.origin is not None and dict(commit.origin) != dict(self.origin):
            raise OriginMismatch(
                f"{path} is a commit of {_text(commit.origin)}, but {_text(self.origin)} is to be landed: "
                f"both have the log name {self.name}. Land this one in a lake of its own"
            )


def _missing(numbers: list[int], after: int = 0) -> list[range]:
    """The missing numbers between `after` and the highest, as ranges: a stray file's number may be huge."""
    gaps = (range(low + 1, high) for low, high in zip([after, *numbers], numbers, strict=False))
    return [gap for gap in gaps if gap]


def _text(origin: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in origin.items())
