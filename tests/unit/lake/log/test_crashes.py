"""A drain ended at each single step, by a crash, an error or SIGKILL: the next one ends in the same rows."""

from __future__ import annotations

import builtins
import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake import (
    Commit,
    Lake,
    LakeError,
    NotPublished,
    VersionsLedger,
    VersionsPosition,
    WriterSettings,
)
from airflow_provider_defender.lake.storage import local as local_module
from airflow_provider_defender.lake.storage.storage import WholeFile
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.faults import Crash, FaultAt, SteppedStorage, Take, kill_at_every_step
from tests.unit.lake.support import (
    LOG,
    START,
    alerts,
    committed,
    drain,
    local_lake,
    open_log,
    quarantined,
    rejects,
    rows_of,
    version,
    visible,
    watermark,
)

LATER = START + timedelta(minutes=5)
SYSTEM_CALLS = ("link", "rename", "replace", "fsync", "unlink", "rmdir", "mkdir")


def first_drain(lake: Lake) -> None:
    drain(lake, [("a", START), ("b", START)])


def second_drain(lake: Lake) -> Commit[VersionsPosition] | None:
    """Rows for three partitions, and one record for the quarantine."""
    log = open_log(lake)
    head = log.head()
    with log.begin(head, VersionsLedger(since=head.position.watermark), kind="drain") as transaction:
        pairs = [("a", version(LATER)), ("b", version(START)), ("bad", version(LATER))]
        pairs += [(f"c{n}", version(LATER)) for n in range(6)]
        wanted = dict(zip(pairs, transaction.select_new(pairs), strict=True))
        rows = [(*pair, LATER - timedelta(days=n % 3)) for n, pair in enumerate(pairs) if wanted[pair]]
        transaction.write(
            "alerts", alerts((row for row in rows if row[0] != "bad"), items=2), Partitioning.DAY
        )
        if wanted[pairs[2]]:
            transaction.quarantine(rejects([pairs[2]]))
        return transaction.commit(watermark(LATER))


ROWS = sorted(
    [("a", version(START), 0), ("b", version(START), 0)]
    + [(key, version(LATER), item) for key in ["a", *(f"c{n}" for n in range(6))] for item in range(2)]
)
BAD = [("bad", version(LATER))]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def check_nothing_early(root: Path) -> None:
    """What a reader sees is whole and committed."""
    paths = {file.path for record in open_log(local_lake(root)).commits() for file in record.added}
    for path in (root / "alerts").rglob("*.parquet"):
        assert str(path.relative_to(root)) in paths
        rows_of([path])
    assert set(committed(root)) <= set(ROWS)


def check_recovery(root: Path, lake: Lake | None = None) -> None:
    check_nothing_early(root)
    second_drain(lake or local_lake(root))
    assert visible(root) == committed(root) == ROWS
    assert quarantined(root) == BAD
    assert open_log(local_lake(root)).head().position.watermark_text == version(LATER)


def roots(folder: Path) -> Iterator[Path]:
    """Lakes that hold the first drain."""
    first_drain(local_lake(folder / "0"))
    for number in itertools.count(1):
        yield shutil.copytree(folder / "0", folder / str(number))


def with_fault(root: Path, take: Take, closed_at_once: int = 1) -> Lake:
    lake = local_lake(root, settings=WriterSettings(closed_at_once=closed_at_once))
    lake.storage = SteppedStorage(lake.storage, take)
    lake.retry_waits = (0.0,)
    return lake


@pytest.mark.parametrize("closed_at_once", [1, 4])
@pytest.mark.parametrize("fault", ["crash", "refused", "lost answer"])
def test_at_every_step_in_the_store(tmp_path: Path, fault: str, closed_at_once: int) -> None:
    for number, root in enumerate(roots(tmp_path), 1):
        take = FaultAt(number, fault)
        with suppress(Crash, LakeError, OSError):
            second_drain(with_fault(root, take, closed_at_once))
        check_recovery(root)
        if len(take.steps) < number:
            break
    assert number > 25


def test_crashes_of_a_drain_and_of_its_recovery(tmp_path: Path) -> None:
    """Two crashes in a row: at each step from the commit on, then at every third step of the next run."""
    steps = FaultAt(0, "none")
    everywhere = roots(tmp_path)
    second_drain(with_fault(next(everywhere), steps))
    created = next(n for n, step in enumerate(steps.steps, 1) if step.startswith("create"))
    for first in range(created, len(steps.steps) + 1):
        for second in range(1 + first % 3, 100, 3):
            root = next(everywhere)
            with pytest.raises(Crash):
                second_drain(with_fault(root, FaultAt(first, "crash")))
            take = FaultAt(second, "crash")
            try:
                second_drain(with_fault(root, take))
            except Crash:
                check_recovery(root)
            else:
                check_recovery(root)
                break


class FaultySystem:
    """The `os` module and `open`, with one of their writing calls failing."""

    def __init__(self, number: int, error: BaseException | None) -> None:
        self.number = number
        self.error = error
        self.calls: list[str] = []

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls.append(name)
        if self.error is not None:
            crashed = isinstance(self.error, Crash) and len(self.calls) > self.number
            if len(self.calls) == self.number or crashed:
                raise self.error
        return function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        if name not in SYSTEM_CALLS:
            return function
        return lambda *args, **kwargs: self.call(name, function, *args, **kwargs)

    def open_file(self, place: str, mode: str) -> Any:
        file = self.call("open", builtins.open, place, mode)
        write = file.write
        file_with_faults = _File(file)
        file_with_faults.write = lambda body: self.call("write", write, body)  # type: ignore[method-assign]
        return file_with_faults


class _File:
    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def write(self, body: bytes) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize(
    "error",
    [Crash(), OSError(errno.ENOSPC, "no space"), OSError(errno.EIO, "disk")],
    ids=["crash", "ENOSPC", "EIO"],
)
def test_at_every_system_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    met: set[str] = set()
    for number, root in enumerate(roots(tmp_path), 1):
        system = FaultySystem(number, error)
        with monkeypatch.context() as patched:
            patched.setattr(local_module, "os", system)
            patched.setattr(local_module, "open", system.open_file, raising=False)
            with suppress(Crash, LakeError, OSError):
                second_drain(local_lake(root))
        check_recovery(root)
        if len(system.calls) < number:
            break
        met.add(system.calls[number - 1])
    assert met == {*SYSTEM_CALLS, "open", "write"}


class _FullDisk:
    """A file's sink that runs out of space after some bytes."""

    closed = False

    def __init__(self, sink: Any, room: int) -> None:
        self._sink = sink
        self._room = room

    def write(self, data: Any) -> int:
        self._room -= len(memoryview(data))
        if self._room < 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        return int(self._sink.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


@pytest.mark.parametrize("room", [0, 4, 500, 1000])
def test_a_disk_that_is_full_while_rows_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    first_drain(local_lake(tmp_path))
    new_file = local_module.LocalStorage.new_file

    def full(self: local_module.LocalStorage, path: str) -> WholeFile:
        file = new_file(self, path)
        file.sink = _FullDisk(file.sink, room)
        return file

    with monkeypatch.context() as patched:
        patched.setattr(local_module.LocalStorage, "new_file", full)
        with pytest.raises(OSError, match="no space"):
            second_drain(local_lake(tmp_path))
    assert not list((tmp_path / "_defender" / LOG / "staging").iterdir())
    check_recovery(tmp_path)


def test_a_draft_that_lacks_rows_cannot_be_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = local_lake(tmp_path, settings=WriterSettings(buffer_bytes=0))
    log = open_log(lake)

    def full(self: Any, path: str) -> WholeFile:
        raise OSError(errno.ENOSPC, "no space left on device")

    with log.begin(log.head(), VersionsLedger(), kind="drain") as transaction:
        transaction.select_new([("a", version(START)), ("b", version(START))])
        transaction.write("alerts", alerts([("a", version(START), START)]), Partitioning.DAY)
        with monkeypatch.context() as patched:
            patched.setattr(local_module.LocalStorage, "new_file", full)
            with pytest.raises(OSError, match="no space"):
                transaction.write(
                    "alerts", alerts([("b", version(START), START - timedelta(days=1))]), Partitioning.DAY
                )
        with pytest.raises(RuntimeError, match="lacks rows"):
            transaction.commit(watermark(START))
    assert log.head().number == 0


def test_the_order_of_a_commit(tmp_path: Path) -> None:
    """Stage, create, show all, delete the staging folder, and only then the hint."""
    steps = FaultAt(0, "none")
    second_drain(with_fault(next(roots(tmp_path)), steps))
    order = [
        step.split()[0]
        for step in steps.steps
        if step.split()[0] in ("finish", "create", "publish", "replace")
    ]
    assert order == ["finish"] * 4 + ["create"] + ["publish"] * 4 + ["replace"]
    deleted = next(n for n, step in enumerate(steps.steps) if step.startswith("delete") and "staging" in step)
    assert steps.steps[deleted - 1].startswith(("sync", "list"))
    assert deleted > max(n for n, step in enumerate(steps.steps) if step.startswith("publish"))
    assert deleted < next(n for n, step in enumerate(steps.steps) if step.startswith("replace"))


def test_a_commit_that_counts_but_is_not_shown_says_so(tmp_path: Path) -> None:
    first_drain(local_lake(tmp_path))
    steps = FaultAt(0, "none")
    second_drain(with_fault(next(roots(tmp_path / "other")), steps))
    shown = next(n for n, step in enumerate(steps.steps, 1) if step.startswith("publish"))
    with pytest.raises(NotPublished, match=r"commit 2 of .* counts"):
        second_drain(with_fault(tmp_path, FaultAt(shown, "refused")))
    assert open_log(local_lake(tmp_path)).read_head().number == 2
    check_recovery(tmp_path)


def test_a_process_that_is_killed_at_every_step(tmp_path: Path) -> None:
    def work(root: Path, take: Take) -> None:
        second_drain(with_fault(root, take))

    assert kill_at_every_step(roots(tmp_path), work, check_recovery) > 25
