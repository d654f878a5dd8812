"""A log: the sequence of commits of one source and tenant, or of one hub."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, Any, Generic, overload

import msgspec

from airflow_provider_defender.lake._errors import RecordUnreadable
from airflow_provider_defender.lake._layout import LogPaths
from airflow_provider_defender.lake._position import P, RestPosition
from airflow_provider_defender.lake._record import Record
from airflow_provider_defender.lake._storage import Storage

if TYPE_CHECKING:
    from airflow_provider_defender.lake._draft import Draft
    from airflow_provider_defender.lake._hub import HubPosition
    from airflow_provider_defender.lake._hub_draft import HubDraft
    from airflow_provider_defender.lake._lake import Lake

__all__ = ["Head", "Log"]

_logger = logging.getLogger(__name__)

SWEEP_AGE = timedelta(days=7)
SHORTEN_AGE = timedelta(days=30)
_SHORTENED_AT_ONCE = 64
_READ_AT_ONCE = 64
_WALKED_AT_ONCE = 32
_NAMED_AT_ONCE = 5

_Number = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class _Hint(msgspec.Struct):
    """What `head.json` says: where the newest record was, and below which number records are short."""

    number: _Number | msgspec.UnsetType = msgspec.UNSET
    shortened_below: _Number | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True)
class Head(Generic[P]):
    """The newest commit of a log: `number` 0 and no `record` where there is none yet.

    `read_at`: when it was read, by the lake's clock; a run may commit for a day from then on. `finished`:
    whether its files are all in place; only such a head can be built upon.
    """

    number: int
    record: Record[P] | None
    position: P
    read_at: datetime
    finished: bool


class Log(Generic[P]):
    """One log of a lake; get it from `Lake.log`. `kind`: the kind of its positions, None for any."""

    def __init__(self, lake: Lake, name: str, kind: type[P] | None) -> None:
        self._lake = lake
        self._kind = kind
        self.name = name
        self.paths = LogPaths(name)

    @property
    def storage(self) -> Storage:
        """The lake's store."""
        return self._lake.storage

    # Steps 1 and 2 ------------------------------------------------------------------------------

    def head(self) -> Head[P]:
        """The newest commit, finished: all its files are in place. Start every run that writes with it.

        Raises `RecordUnreadable`, and what the store raises.
        """
        head = self.read_head()
        if head.record is not None:
            self.finish(head.record)
        return replace(head, finished=True)

    def read_head(self) -> Head[P]:
        """The newest commit as it is; for those who only want to know where the log stands.

        Raises `RecordUnreadable`, and what the store raises.
        """
        read_at = self._lake.now()
        hinted = self._hint().number
        record = None if hinted is msgspec.UNSET else self.record(hinted)
        if record is None:
            record = self._from_listing()
            self._warn_if_older(record, hinted)
        walked = 0
        while record is not None and (above := self.record(record.number + 1)) is not None:
            record, walked = above, walked + 1
            if walked % _WALKED_AT_ONCE == 0:  # the hint lies far behind
                record = self._from_listing() or record
        if record is None:
            kind: type[Any] = self._kind or RestPosition
            return Head(0, None, kind(), read_at, finished=False)
        return Head(record.number, record, self.position(record), read_at, finished=False)

    def position(self, record: Record[P]) -> P:
        """Where the source stood after one of the newest commits; raises `RecordUnreadable`."""
        if record.position is None:
            raise RecordUnreadable(
                f"{self.paths.record(record.number)} is the newest record of {self.name} without a position: "
                "newer records must have been deleted by hand; restore them"
            )
        return record.position

    def _warn_if_older(self, record: Record[P] | None, hinted: int | msgspec.UnsetType) -> None:
        """The hint is written after its record: one that names a later record speaks of one that is gone."""
        found = 0 if record is None else record.number
        if hinted is not msgspec.UNSET and hinted > found:
            _logger.warning(
                "%s names commit %d of %s, but the newest that is there is %d. Either that file is damaged, "
                "or records were deleted: restore them, or what they cover will be landed again",
                self.paths.head,
                hinted,
                self.name,
                found,
            )

    def _hint(self) -> _Hint:
        """The hint; empty where it is missing, damaged or cannot be read, since it is a hint only."""
        try:
            return msgspec.json.decode(self.storage.read(self.paths.head), type=_Hint)
        except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return _Hint()

    def _from_listing(self) -> Record[P] | None:
        numbers = self._numbers()
        return self.record(numbers[-1]) if numbers else None

    def _numbers(self) -> list[int]:
        names = self.storage.list_folder(self.paths.commits) or []
        return sorted(number for name in names if (number := self.paths.record_number(name)) is not None)

    def record(self, number: int) -> Record[P] | None:
        """The record with this number, None where there is none; raises `RecordUnreadable`."""
        path = self.paths.record(number)
        try:
            body = self.storage.read(path)
        except FileNotFoundError:
            return None
        return self._parsed(body, path)

    def records(self, *, whole: bool = True) -> Iterator[Record[P]]:
        """All records from the oldest to the newest; raises `RecordUnreadable`.

        Numbers have no gaps, so where one is missing its record was deleted, and the files that it names
        would be left out without a word: that raises, too. Without `whole` it is a warning, for those who can
        do with the rest.
        """
        numbers = self._numbers()
        self._check_whole(numbers, whole)
        for start in range(0, len(numbers), _READ_AT_ONCE):
            paths = [self.paths.record(number) for number in numbers[start : start + _READ_AT_ONCE]]
            for path, body in zip(paths, self._bodies(paths), strict=True):
                yield self._parsed(body, path)

    def _bodies(self, paths: Sequence[str]) -> list[bytes]:
        try:
            return self.storage.read_many(paths)
        except FileNotFoundError as error:
            raise RecordUnreadable(f"a record of {self.name} was deleted just now: {error}") from error

    def _check_whole(self, numbers: list[int], whole: bool) -> None:
        """Complete the numbers of a listing; a warning or `RecordUnreadable` where records are missing."""
        # A listing that is made while commits go on may have one of them, but not the one before it.
        latest = chain.from_iterable(map(reversed, reversed(self._missing(numbers))))
        there = [number for number in islice(latest, _READ_AT_ONCE) if self.record(number) is not None]
        numbers[:] = sorted({*numbers, *there})
        missing = self._missing(numbers)
        if missing and whole:
            raise RecordUnreadable(self._missing_text(missing))
        if missing:
            _logger.warning("%s", self._missing_text(missing))

    @staticmethod
    def _missing(numbers: list[int]) -> list[range]:
        """The numbers up to the highest that are not there; it may be a stray file's, and huge."""
        gaps = (range(low + 1, high) for low, high in zip([0, *numbers], numbers, strict=False))
        return [gap for gap in gaps if gap]

    def _missing_text(self, missing: list[range]) -> str:
        count = sum(map(len, missing))
        named = ", ".join(map(str, islice(chain.from_iterable(missing), _NAMED_AT_ONCE)))
        more = f" and {count - _NAMED_AT_ONCE} more" if count > _NAMED_AT_ONCE else ""
        return (
            f"{self.name} lacks commit {named}{more} in {self.storage.url(self.paths.commits)}, although its "
            "numbers have no gaps: records were deleted, and only they name the files that count. Restore "
            "them (a version that the store kept, a backup), and let no lifecycle rule delete anything below "
            "_defender/. Until then read the dataset's files by <dataset>/date=*/…/*.parquet, where all are"
        )

    def _parsed(self, body: bytes, path: str) -> Record[P]:
        record = Record.parse(body, path)
        if self.paths.record(record.number) != path or record.log != self.name:
            raise RecordUnreadable(
                f"{path} holds commit {record.number} of {record.log}, so it was put there by hand, "
                "perhaps as a copy: restore the record that belongs there, for example from a version that "
                "the store kept; do not delete it"
            )
        if self._kind is not None and not isinstance(record.position, (self._kind, type(None))):
            raise RecordUnreadable(
                f"{path} has a {type(record.position).__name__} in the place of a {self._kind.__name__}: the "
                f"log {self.name} belongs to a source of another kind, and its name cannot serve this one"
            )
        return record

    # Steps 2 and 6 ------------------------------------------------------------------------------

    def finish(self, record: Record[P]) -> None:
        """Show what of a commit's files is still staged, then remove what it removes. Harmless to repeat."""
        staging = self.paths.staging(record.token)
        staged = self.storage.list_folder(staging)
        if staged is None:  # it is deleted last: all is done but, perhaps, removals of a commit without files
            self._remove(record)
            return
        self.storage.sync_folder(self.paths.commits)  # the run that created the record may have died before
        for file in record.files:
            if (name := self.paths.staged_name(file.path)) in staged:
                self._show(f"{staging}/{name}", file.path)
        self._sync_parents([file.path for file in record.files])
        self._remove(record)
        self.storage.delete_folder(staging)

    def _show(self, source: str, target: str) -> None:
        try:
            self.storage.show(source, target)
        except FileNotFoundError:
            if self.storage.exists(source):
                raise
            # Another run has shown it: sources are deleted only after all files are in place.

    def _remove(self, record: Record[P]) -> None:
        for path in record.removed:
            self.storage.delete(path)
        self._sync_parents(record.removed)

    def _sync_parents(self, paths: Iterable[str]) -> None:
        for folder in {path.rpartition("/")[0] for path in paths}:
            with suppress(FileNotFoundError):  # nothing is left in it
                self.storage.sync_folder(folder)

    def is_shown(self, record: Record[P]) -> bool:
        """Whether all files of a commit are in place."""
        if self.storage.list_folder(self.paths.staging(record.token)) is None:
            return True
        return all(self.storage.exists(file.path) for file in record.files)

    # Step 3 -------------------------------------------------------------------------------------

    @overload
    def begin(
        self: Log[HubPosition],
        head: Head[HubPosition],
        *,
        kind: str,
        window: Mapping[str, Any] | None = None,
    ) -> HubDraft: ...

    @overload
    def begin(
        self: Log[RestPosition],
        head: Head[RestPosition],
        *,
        kind: str,
        window: Mapping[str, Any] | None = None,
        since: int | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> Draft: ...

    def begin(
        self: Log[Any],
        head: Head[Any],
        *,
        kind: str,
        window: Mapping[str, Any] | None = None,
        since: int | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> Draft | HubDraft:
        """A commit under way, as a context manager. Says early where the log's folders cannot be written.

        `kind`: `"drain"`, `"backfill"` or `"compaction"`. `window`: JSON values for people to read.
        For REST only: `since`, ticks of the update time from which on a drain reads its source, None for all
        of it; `filters`, what the drain's filters are, as JSON values.
        Raises `StoreRefused` where the store cannot take part in commits, and what the store raises.
        """
        from airflow_provider_defender.lake._draft import Draft
        from airflow_provider_defender.lake._hub_draft import HubDraft

        if not head.finished:
            raise ValueError(
                "a commit upon an unfinished one would hide its files for ever: begin with head()"
            )
        self.storage.check_create()
        for folder in (self.paths.commits, self.paths.all_staging):
            self.storage.check_folder(folder)
        if isinstance(head.position, RestPosition):
            return Draft(self._lake, self, head, kind, _as_json(window), since, _as_json(filters))
        return HubDraft(self._lake, self, head, kind, _as_json(window))

    # After a commit -----------------------------------------------------------------------------

    def tidy(self, record: Record[P]) -> None:
        """Write the hint, sweep old staging folders and shorten old records; only right after a commit.

        Nothing depends on it, so a failure is a warning.
        """
        try:
            self._warn_of_missing(record)
            shortened = self._shorten(record)
            hint = {"number": record.number, "shortened_below": shortened}
            self.storage.replace(self.paths.head, json.dumps(hint).encode())
            self._sweep(record)
        except Exception as error:
            _logger.warning("Tidying up after commit %d of %s failed: %r", record.number, self.name, error)

    def _warn_of_missing(self, record: Record[P]) -> None:
        """Say that the log has lost its beginning, which is what lifecycle rules take away first."""
        if not self.storage.exists(self.paths.record(1)):
            _logger.warning("%s", self._missing_text(self._missing(self._numbers())))

    def _sweep(self, record: Record[P]) -> None:
        """Delete staging folders that no commit will ever claim.

        A run may commit for a day, so a folder that was a week old when `record` was created either belongs
        to no record or to one before it, which is finished. Both ages are by the store's clock. Records after
        this one are spared all the same.
        """
        tokens = self.storage.list_folder(self.paths.all_staging) or []
        old = [token for token in tokens if token != record.token and self._is_old(token, record)]
        number = record.number
        while old and (later := self.record(number := number + 1)) is not None:
            old = [token for token in old if token != later.token]
        for token in old:
            _logger.info("Deleting the staging folder %s of %s, which no commit claims", token, self.name)
            self.storage.delete_folder(self.paths.staging(token))

    def _is_old(self, token: str, record: Record[P]) -> bool:
        folder = self.paths.staging(token)
        names = self.storage.list_folder(folder)
        if names is None:
            return False
        try:
            created = self.storage.modified(self.paths.record(record.number))
            touched = [self.storage.modified(f"{folder}/{name}") for name in names]
            return created - max(touched or [self.storage.modified(folder)]) > SWEEP_AGE
        except FileNotFoundError:  # another run is at it
            return False

    def _shorten(self, newest: Record[P]) -> int:
        """Take the position out of records older than 30 days; the number below which that is done."""
        below = self._hint().shortened_below
        start = number = 1 if below is msgspec.UNSET else min(below, newest.number)
        while number < min(newest.number, start + _SHORTENED_AT_ONCE):
            record = self.record(number)
            if record is None or newest.committed_at - record.committed_at <= SHORTEN_AGE:
                break
            if record.position is not None:
                self.storage.replace(self.paths.record(number), record.shortened().dump())
            number += 1
        return number


def _as_json(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values as a record will give them back, so that tuples and lists compare as equal."""
    result: dict[str, Any] = json.loads(json.dumps(dict(values or {})))
    return result
