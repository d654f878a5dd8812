"""Runs that wait for each other: they spare requests, and depend on nobody."""

from __future__ import annotations

import io
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake import (
    Covered,
    Lake,
    OffsetsChange,
    OffsetsLedger,
)
from airflow_provider_defender.landing import Partitioning
from benchmarks.slow_store import S3FileSystem
from tests.unit.lake.faults import Crash, FaultAt, SteppedStorage
from tests.unit.lake.offsets.support import events, hub_drain, offsets_in, open_hub, visible_offsets
from tests.unit.lake.support import START, Clock, local_lake

PATIENCE = 3.0


class Sleeps:
    """Notes how long a run has slept, and lets something happen meanwhile."""

    def __init__(self, clock: Clock, meanwhile: Callable[[int], object] = lambda number: None) -> None:
        self.seconds: list[float] = []
        self._clock = clock
        self._meanwhile = meanwhile

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._clock.advance(timedelta(seconds=seconds))
        self._meanwhile(len(self.seconds))


def a_commit_whose_owner_died(root: Path, clock: Clock, partition: int = 0) -> None:
    """Counts, and its files are in staging."""

    class Dies:
        def __call__(self, name: str, path: str, step: Callable[[], Any]) -> Any:
            if name == "publish":
                raise Crash
            return step()

    lake = local_lake(root, clock)
    lake.storage = SteppedStorage(lake.storage, Dies())
    with pytest.raises(Crash):
        hub_drain(lake, {partition: 3})


def test_the_owner_of_a_commit_that_removes_files_has_longer(tmp_path: Path) -> None:
    """Before they go, open tables follow the commit."""
    clock = Clock()
    owner = local_lake(tmp_path, clock)
    hub_drain(owner, {0: 3})
    log = open_hub(owner)
    head = log.head()
    assert head.commit is not None
    path = head.commit.files[0].path
    waits: list[float] = []

    def another_run(commit: Any) -> None:
        sleeps = Sleeps(clock)
        open_hub(waiting_lake(tmp_path, clock, sleeps, FaultAt(0, "none"))).head()
        waits.append(sum(sleeps.seconds))

    with log.begin(head, OffsetsLedger(), kind="retention") as transaction:
        transaction.remove([path])
        transaction.commit(before_removal=another_run)
    assert 10 * PATIENCE <= waits[0] <= 20 * PATIENCE
    assert not (tmp_path / path).exists()


def waiting_lake(root: Path, clock: Clock, sleeps: Sleeps, steps: FaultAt) -> Lake:
    lake = local_lake(root, clock, random_number=random.Random(0).random)
    lake.sleep = sleeps
    lake.storage = SteppedStorage(lake.storage, steps)
    return lake


def published_by(steps: FaultAt) -> int:
    return sum(step.startswith("publish") for step in steps.steps)


def test_a_new_run_waits_for_the_owner_of_the_newest_commit(tmp_path: Path) -> None:
    """It leaves the work to the owner, who is at it."""
    clock = Clock()
    a_commit_whose_owner_died(tmp_path, clock)
    newest = open_hub(local_lake(tmp_path)).read_head().commit
    assert newest is not None

    def owner(number: int) -> None:
        if number == 3:
            open_hub(local_lake(tmp_path)).finish(newest)

    sleeps, steps = Sleeps(clock, owner), FaultAt(0, "none")
    assert open_hub(waiting_lake(tmp_path, clock, sleeps, steps)).head().finished
    assert len(sleeps.seconds) == 3
    assert published_by(steps) == 0


def test_an_owner_that_died_is_helped_after_a_bounded_wait(tmp_path: Path) -> None:
    clock = Clock()
    a_commit_whose_owner_died(tmp_path, clock)
    sleeps, steps = Sleeps(clock), FaultAt(0, "none")
    assert open_hub(waiting_lake(tmp_path, clock, sleeps, steps)).head().finished
    assert PATIENCE <= sum(sleeps.seconds) < 2 * PATIENCE
    assert len(sleeps.seconds) < 20
    assert published_by(steps) == 1
    assert len(visible_offsets(tmp_path)) == 3


def test_an_old_commit_is_helped_at_once(tmp_path: Path) -> None:
    """The owner has had its time: the next scheduled run does not wait for one that was killed."""
    clock = Clock()
    a_commit_whose_owner_died(tmp_path, clock)
    clock.advance(timedelta(minutes=5))
    sleeps = Sleeps(clock)
    open_hub(waiting_lake(tmp_path, clock, sleeps, FaultAt(0, "none"))).head()
    assert sleeps.seconds == []
    assert len(visible_offsets(tmp_path)) == 3


def test_a_clock_that_is_behind_does_not_make_a_run_wait_longer(tmp_path: Path) -> None:
    a_commit_whose_owner_died(tmp_path, Clock(START + timedelta(hours=3)))
    clock = Clock()
    sleeps = Sleeps(clock)
    open_hub(waiting_lake(tmp_path, clock, sleeps, FaultAt(0, "none"))).head()
    assert sum(sleeps.seconds) < 2 * PATIENCE


def test_a_loser_waits_for_the_winner_and_then_commits(tmp_path: Path) -> None:
    """Both the owner that lives and the one that died: the loser's commit follows."""
    clock = Clock()
    sleeps, steps = Sleeps(clock), FaultAt(0, "none")
    lake = waiting_lake(tmp_path, clock, sleeps, steps)
    log = open_hub(lake)
    with log.begin(log.head(), OffsetsLedger(), kind="drain") as transaction:
        transaction.write("events/DeviceInfo", events([(1, 0)]), Partitioning.HOUR)
        hub_drain(local_lake(tmp_path, clock), {0: 3})
        a_commit_whose_owner_died(tmp_path, clock, partition=2)
        commit = transaction.commit(OffsetsChange({1: Covered(read=[(0, 1)], next=1)}))
    assert commit is not None
    assert commit.number == 3
    assert PATIENCE <= sum(sleeps.seconds) < 2 * PATIENCE
    assert len(visible_offsets(tmp_path)) == 7


class Mortal:
    """A storage whose run dies at one of its steps of a name: nothing more that it does has an effect."""

    def __init__(self, storage: Any, dies_at: str, after: int | None = 0) -> None:
        self._storage = storage
        self._dies_at = dies_at
        self._left = after
        self._dead = False

    def __getattr__(self, name: str) -> Any:
        if name == self._dies_at and self._left is not None:
            self._left -= 1
            self._dead = self._dead or self._left < 0
        if self._dead:
            raise Crash
        return getattr(self._storage, name)


def test_a_commit_that_only_removes_is_finished_by_the_next_run() -> None:
    """In an object store, too, where an empty folder is none: its owner dies before it removes anything."""
    store = S3FileSystem(0.0)

    def lake() -> Lake:
        return Lake(store, "bucket/lake", clock=Clock(), sleep=lambda seconds: None)

    commit = hub_drain(lake(), {0: 3})
    assert commit is not None
    (old,) = [file.path for file in commit.added]
    dying = lake()
    dying.storage = Mortal(dying.storage, dies_at="delete")
    log = open_hub(dying)
    with log.begin(log.head(), OffsetsLedger(), kind="retention") as transaction:
        transaction.remove([old])
        with pytest.raises(Crash):
            transaction.commit()
    assert lake().storage.exists(old)
    assert open_hub(lake()).read_head().number == 2
    open_hub(lake()).head()
    assert not lake().storage.exists(old)
    assert not [path for path in store._objects if path.endswith(".staged")]
    store.requests.clear()
    open_hub(lake()).head()
    assert store.requests["delete"] == 0, "what is finished is done again"


# In an object store, by threads -------------------------------------------------------------------


FILES = 5


def commit_files(lake: Lake, partition: int) -> None:
    """Land the next offsets of a hub partition, an hour and so a file each."""
    log = open_hub(lake)
    head = log.head()
    first = head.position.next(partition) or 0
    with log.begin(head, OffsetsLedger(), kind="drain") as transaction:
        for offset in range(first, first + FILES * 10, 10):
            rows = events((partition, each) for each in range(offset, offset + 10))
            transaction.write("events/DeviceInfo", rows, Partitioning.HOUR)
        end = first + FILES * 10
        transaction.commit(OffsetsChange({partition: Covered([(first, end)], end)}))


def check_rows(store: S3FileSystem) -> int:
    """All that is covered is there, once, and is shown to a plain reader; how much that is."""
    log = open_hub(Lake(store, "bucket/lake", sleep=lambda seconds: None))
    position = log.head().position
    ends = {partition: position.next(partition) or 0 for partition in range(8)}
    expected = [(partition, offset, 0) for partition, end in ends.items() for offset in range(end)]
    bodies = [io.BytesIO(body) for path, body in store._objects.items() if path.endswith(".parquet")]
    assert offsets_in(bodies) == expected
    tokens = {commit.token for commit in log.commits()}
    staged = {path.split("/")[-2] for path in store._objects if path.endswith(".staged")}
    assert not staged & tokens, "a commit is not finished, although all runs are over"
    return len(expected)


@pytest.mark.parametrize("seed", range(3))
def test_many_runs_at_once_of_which_some_die_neither_lose_nor_double(seed: int) -> None:
    """Real threads publish and delete side by side, owners and helpers at the same time."""
    draw = random.Random(seed)
    store = S3FileSystem(0.001, seed)
    errors: list[BaseException] = []
    deaths: Counter[str] = Counter()

    def work(partition: int, dies_after: list[int | None]) -> None:
        for publishes in dies_after:
            lake = Lake(store, "bucket/lake", sleep=lambda seconds: time.sleep(seconds / 20))
            lake.storage = Mortal(lake.storage, "publish", publishes)
            try:
                commit_files(lake, partition)
            except Crash:
                deaths["while it published"] += 1
            except BaseException as error:
                errors.append(error)

    plans = [[draw.choice([None, None, draw.randrange(FILES)]) for _ in range(3)] for _ in range(8)]
    threads = [threading.Thread(target=work, args=each) for each in enumerate(plans)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert deaths["while it published"] > 3
    landed = check_rows(store)
    assert landed >= (8 * 3 - deaths["while it published"]) * FILES * 10
