"""A world for the lake's model tests: runs that take turns step by step, a store that loses answers, and what
must hold whatever happens. Its subclasses have a source to read."""

from __future__ import annotations

import json
import random
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_defender.lake import (
    CommitConflict,
    CommitStateUnknown,
    CompactionSettings,
    Lake,
    Ledger,
    Log,
    NotPublished,
    RetentionSettings,
    TransactionTooOld,
    apply_retention,
    compact,
    plan_compaction,
)
from airflow_provider_defender.lake.log import transaction
from airflow_provider_defender.lake.log.format import dump_file
from airflow_provider_defender.lake.storage.storage import Storage
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.faults import Crash, InjectedError, SteppedStorage
from tests.unit.lake.support import START, Clock

EXPECTED = (CommitConflict, CommitStateUnknown, TransactionTooOld, NotPublished, InjectedError, Crash)
"""How a run may end in such a world."""

COMPACTION = CompactionSettings(commit_partitions=2, attempts=2, latest=True)
"""Several commits a run, as in a large lake."""

LATEST = "alerts_latest/"
"""A copy of rows, which has a check of its own."""


class Run:
    """A run in a thread of its own, which halts before every step that it takes in the store."""

    def __init__(self, world: World, name: str, work: Callable[[Lake], Any], lake: Lake) -> None:
        self.name = name
        self.started = world.clock.now
        self.error: BaseException | None = None
        self.result: Any = None
        self.step = "start"
        self.over = False
        self.waits = 0
        self._world = world
        self._go = threading.Semaphore(0)
        self._halted = threading.Semaphore(0)
        self._fault = "none"
        self._dead = False
        lake.storage = SteppedStorage(world.storage, self._take)
        lake.sleep = self._wait
        lake.random = random.Random(name).random
        self._thread = threading.Thread(target=self._main, args=(work, lake), daemon=True)
        self._thread.start()
        self._halted.acquire()

    def _main(self, work: Callable[[Lake], Any], lake: Lake) -> None:
        try:
            self.halt("start")
            self.result = work(lake)
        except BaseException as error:
            self.error = error
        self.over = True
        self._halted.release()

    def halt(self, step: str) -> str:
        """In the run's thread: wait for the next turn; the fault to have."""
        if self._dead:
            raise Crash
        self.step = step
        self._halted.release()
        self._go.acquire()
        fault, self._fault = self._fault, "none"
        if fault == "crash":
            self._dead = True
            raise Crash
        return fault

    def turn(self, fault: str = "none") -> None:
        """In the model's thread: let the run take one step."""
        self._fault = fault
        self._go.release()
        self._halted.acquire()

    def _wait(self, seconds: float) -> None:
        """A wait is a step as well, at which others go on, and no time passes unless the model says so."""
        self.waits += 1
        self.halt("wait")

    def _take(self, name: str, path: str, step: Callable[[], Any]) -> Any:
        fault = self.halt(f"{name} {path}")
        if fault == "refused":
            raise InjectedError
        if fault == "late":
            if name in ("create", "publish"):
                self._world.late.append((f"{name} {path}", step))
            raise InjectedError
        result = step()
        if name in ("finish", "create", "replace"):
            self._world.touched[path] = self._world.clock.now
        if fault == "lost answer":
            raise InjectedError
        return result


class World(ABC):
    """The store, the runs under way and the checks; subclasses have the source.

    `log_name`: the log of that source; `datasets`: the folder of its rows, with their `partitioning`;
    `open_log` and `new_ledger`: its log, and what a transaction of it asks.
    """

    log_name: str
    datasets: str
    partitioning: Partitioning
    open_log: Callable[[Lake], Log[Any]]
    new_ledger: Callable[[], Ledger[Any, Any]]

    def __init__(self, new_lake: Callable[[Clock], Lake]) -> None:
        self.clock = Clock(START)
        self._new_lake = new_lake
        self.storage: Storage = _StoreClock(new_lake(self.clock).storage, self)
        self.touched: dict[str, datetime] = {}
        self.late: list[tuple[str, Callable[[], Any]]] = []
        self.runs: list[Run] = []
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self.met: Counter[str] = Counter()
        # Who comes first in line depends on the tokens: the same ones each time.
        tokens = random.Random(0)
        self._tokens = patch.object(transaction, "new_token", lambda: f"{tokens.getrandbits(64):016x}")
        self._tokens.start()

    # Runs ---------------------------------------------------------------------------------------

    def start(self, name: str, work: Callable[[Lake], Any]) -> Run:
        lake = self._new_lake(self.clock)
        lake.retry_waits = (0.0, 0.0)
        lake.commits_per_checkpoint = 2
        run = Run(self, name, work, lake)
        self.runs.append(run)
        return run

    def turn(self, run: Run, fault: str = "none") -> None:
        run.turn(fault)
        if run.over:
            self.runs.remove(run)
            if run.error is not None and not isinstance(run.error, EXPECTED):
                raise AssertionError(f"{run.name} ended with {run.error!r}") from run.error

    def turn_unless_over(self, run: Run) -> None:
        if not run.over:
            self.turn(run)

    def turn_until(self, run: Run, step: str) -> None:
        """Let a run go on until it is about to take a step of this name."""
        while not run.over:
            self.turn(run)
            if run.step.startswith(step):
                return

    def to_end(self, run: Run) -> Run:
        while not run.over:
            self.turn(run)
        return run

    def deliver(self, number: int) -> None:
        """A request whose sender has given up arrives after all."""
        name, step = self.late.pop(number % len(self.late))
        try:
            step()
        except (FileExistsError, FileNotFoundError):
            return
        self.touched[name.split(" ", 1)[1]] = self.clock.now

    def harm_checkpoint(self, number: int, harm: str) -> None:
        """A checkpoint is deleted or damaged, or is that of an older commit."""
        folder = f"_defender/{self.log_name}/checkpoints"
        names = sorted(self.storage.list_folder(folder) or [])
        if not names:
            return
        path = f"{folder}/{names[number % len(names)]}"
        body = self.storage.read(path)
        self.storage.delete(path)
        if harm == "cut":
            self.storage.replace(path, body[: len(body) // 2])
        elif harm == "changed":
            middle = len(body) // 3
            self.storage.replace(path, body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :])
        elif harm == "renamed":
            self.storage.replace(f"{folder}/{number + 1:08d}-{path.rpartition('-')[2]}", body)

    def pass_time(self, by: timedelta) -> None:
        if by >= timedelta(hours=12):  # no request is on its way for so long
            while self.late:
                self.deliver(0)
        self.clock.advance(by)

    def compaction(self) -> Callable[[Lake], Any]:
        """Merge the files of closed partitions whose next commit is older than a day."""
        return lambda lake: compact(lake, COMPACTION)

    def can_compact(self) -> bool:
        return bool(plan_compaction(self._new_lake(self.clock), COMPACTION))

    def retention(self, days: int) -> Callable[[Lake], Any]:
        """Remove partitions that are older than some days."""
        ages = RetentionSettings({"*": timedelta(days=days), "quarantine": timedelta(days=days)})
        return lambda lake: apply_retention(lake, ages)

    def _log(self) -> Any:
        return self.open_log(self._new_lake(self.clock))

    @abstractmethod
    def a_day_passes(self, number: int) -> None:
        """An undisturbed drain lands rows in the same partitions as the day before; then 26 hours pass."""

    # What must hold -----------------------------------------------------------------------------

    @abstractmethod
    def rivals(self) -> tuple[Callable[[Lake], Any], Callable[[Lake], Any]]:
        """The work of two runs that both find something new, and do not conflict."""

    @abstractmethod
    def check(self) -> None:
        """Raise `AssertionError` where anything is wrong, at any moment."""

    @abstractmethod
    def check_end(self) -> None:
        """Raise `AssertionError` where undisturbed runs do not bring all that is there, once."""

    @abstractmethod
    def identities(self, table: pa.Table) -> list[tuple[Any, ...]]:
        """What each row of a file of data or rejects must have to itself."""

    def settle(self) -> None:
        """All runs and requests come to an end; then undisturbed runs must bring all that is there, once."""
        while self.runs:
            self.to_end(self.runs[0])
            self.check()
        while self.late:
            self.deliver(0)
        self.check_end()
        shown = Counter(row for path in self._files(self.datasets) for row in self._rows_at(path, path))
        assert shown == Counter(self._committed(self._records(), "added")), "shown is not what is committed"

    def check_files(self, records: list[dict[str, Any]]) -> None:
        """No row twice, and nothing shown before it counts."""
        added = {file["path"] for record in records for file in record["added"] + record["rejects"]}
        for path in self._files(self.datasets) + self._files(f"_defender/{self.log_name}/quarantine"):
            assert path in added, f"{path} is shown but in no commit"
            self._rows_at(path, path)
        self._check_places(records)
        self._check_snapshot(records)
        landed = Counter(self._committed(records, "added"))
        rejected = Counter(self._committed(records, "rejects"))
        assert not [row for row, times in (landed + rejected).items() if times > 1], "a row landed twice"

    def _check_places(self, records: list[dict[str, Any]]) -> None:
        """All commits but the newest are in place, and that one removes nothing before it is, too."""
        if not records:
            return
        *older, newest = records
        gone = {path for record in older for path in record["removed"]}
        if all(self.storage.exists(file["path"]) for file in newest["added"] + newest["rejects"]):
            gone |= set(newest["removed"])
        for record in older:
            for file in record["added"] + record["rejects"]:
                assert file["path"] in gone or self.storage.exists(file["path"]), "rows are not to be seen"

    def _check_snapshot(self, records: list[dict[str, Any]]) -> None:
        """The snapshot is what all commits say, one after the other."""
        log = self._log()
        snapshot = log.snapshot()
        assert snapshot.number in (len(records), len(records) - 1, 0)
        files: dict[str, tuple[Any, ...]] = {}
        for record in records[: snapshot.number]:
            for path in record["removed"]:
                files.pop(path)
            for file in record["added"] + record["rejects"]:
                files[file["path"]] = (file["path"], record["number"], file)
        found = [*snapshot.files(), *snapshot.files("quarantine")]
        shown = [(each.file.path, each.commit, dump_file(each.file)) for each in found]
        assert sorted(shown, key=str) == sorted(files.values(), key=str), "the snapshot is not the commits"

    def abandon(self) -> None:
        """End the threads."""
        self._tokens.stop()
        for run in list(self.runs):
            while not run.over:
                run.turn("crash")

    def _finish(self, name: str, work: Callable[[Lake], Any]) -> Any:
        run = self.to_end(self.start(name, work))
        assert run.error is None, run.error
        return run.result

    def _landed(self) -> Iterator[tuple[Any, ...]]:
        records = self._records()
        yield from self._committed(records, "added")
        yield from self._committed(records, "rejects")

    def _records(self) -> list[dict[str, Any]]:
        names = sorted(self.storage.list_folder(f"_defender/{self.log_name}/commits") or [])
        names = [name for name in names if name.endswith(".json")]
        assert names == [f"{number:08d}.json" for number in range(1, len(names) + 1)], "a number is missing"
        return [json.loads(self.storage.read(f"_defender/{self.log_name}/commits/{name}")) for name in names]

    def _committed(self, records: list[dict[str, Any]], kind: str) -> Iterator[tuple[Any, ...]]:
        removed = {path for record in records for path in record["removed"]}
        for record in records:
            for file in record[kind]:
                path = file["path"]
                if path in removed or path.startswith(LATEST):
                    continue
                number = path.rsplit("-", 1)[1].removesuffix(".parquet")
                staged = f"_defender/{self.log_name}/staging/{record['token']}/{number}.staged"
                place = path if self.storage.exists(path) else staged
                assert self.storage.exists(place), f"{path} is committed but nowhere"
                yield from self._rows_at(place, path)

    def _rows_at(self, place: str, path: str) -> list[tuple[Any, ...]]:
        """What is in a file, read once: a file of one name never changes."""
        if path not in self._rows:
            with self.storage.open_input(place) as source:
                self._rows[path] = self.identities(pq.ParquetFile(source).read())
        return self._rows[path]

    def retired(self, records: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
        """The rows that were in files which retention has removed."""
        removed = {path for record in records if record["kind"] == "retention" for path in record["removed"]}
        return {row for path in removed if not path.startswith(LATEST) for row in self._rows[path]}

    def _files(self, folder: str) -> list[str]:
        found = []
        for name in self.storage.list_folder(folder) or []:
            path = f"{folder}/{name}"
            found += [path] if name.endswith(".parquet") else self._files(path)
        return found


class _StoreClock:
    """A storage whose files are as old as the model's clock says."""

    def __init__(self, storage: Storage, world: World) -> None:
        self._storage = storage
        self._world = world

    def modified(self, path: str) -> datetime:
        if not self._storage.exists(path):
            raise FileNotFoundError(path)
        return self._world.touched.get(path, self._world.clock.now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)
