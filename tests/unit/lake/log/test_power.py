"""A loss of power at any system call: what counts is on the disk, and what is on the disk is whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.lake import Commit, Lake, VersionsLedger, VersionsPosition
from airflow_provider_defender.lake.storage.local import LocalStorage
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.faults import Crash
from tests.unit.lake.log.test_crashes import (
    LATER,
    ROWS,
    check_nothing_early,
    check_recovery,
    first_drain,
    second_drain,
)
from tests.unit.lake.power import PowerLoss
from tests.unit.lake.support import alerts, local_lake, open_log, version, visible


@pytest.fixture
def lake_before(folder: Path) -> Path:
    """A lake that holds the first drain, all of it on the disk."""
    first_drain(local_lake(folder / "before"))
    return folder / "before"


def at_every_call(
    before: Path,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[Path], object],
    check: Callable[[Path, Path], None],
    prepare: Callable[[Path, PowerLoss], None] = lambda root, power: None,
) -> int:
    """Lose power at each call of some work in turn; `check` gets the lake as it was, and what is left of it.

    The number of calls.
    """
    for number in range(1, 500):
        root = shutil.copytree(before, before.parent / f"{number}")
        power = PowerLoss(root)
        try:
            prepare(root, power)
            with power.on(monkeypatch, number), suppress(Crash):
                work(root)
            for after in (power.least, power.least_without_deleted, power.most):
                left = after(root.parent / "left")
                check(root, left)
                shutil.rmtree(left)
        finally:
            power.release()
        shutil.rmtree(root)
        if len(power.calls) < number:
            return number
    raise AssertionError("the work has not ended")


def test_a_drain(lake_before: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(root: Path, left: Path) -> None:
        check_recovery(left)

    calls = at_every_call(lake_before, monkeypatch, lambda root: second_drain(local_lake(root)), check)
    assert calls > 25


def test_a_drain_whose_files_go_to_another_file_system(
    lake_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(root: Path, power: PowerLoss) -> None:
        power.apart = "/alerts/"

    def check(root: Path, left: Path) -> None:
        check_recovery(left)

    at_every_call(lake_before, monkeypatch, lambda root: second_drain(local_lake(root)), check, prepare)


def test_the_first_drain_of_a_lake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "before").mkdir()

    def check(root: Path, left: Path) -> None:
        first_drain(local_lake(left))
        check_recovery(left)

    at_every_call(folder / "before", monkeypatch, lambda root: first_drain(local_lake(root)), check)


def test_what_was_reported_as_landed_is_on_the_disk(
    lake_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lake_before
    power = PowerLoss(root)
    with power.on(monkeypatch):
        second_drain(local_lake(root))
    left = power.least(root.parent / "least")
    assert open_log(local_lake(left)).read_head().number == 2
    assert visible(left) == ROWS
    power.release()


def test_a_record_that_was_created_is_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "lake").mkdir()
    power = PowerLoss(folder / "lake")
    with power.on(monkeypatch):
        LocalStorage(str(folder / "lake")).create("commits/00000001.json", b"whole", "staging/token")
    assert (power.least(folder / "least") / "commits" / "00000001.json").read_bytes() == b"whole"
    power.release()


def test_a_run_that_finishes_the_commit_of_one_that_died_before_it_was_on_the_disk(
    lake_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record's name was not synced: nothing of the commit may be shown or cleared away before it is."""

    def die_after_the_link(root: Path, power: PowerLoss) -> None:
        with power.on(monkeypatch):
            second_drain(local_lake(shutil.copytree(root, root.parent / "counted")))
        shutil.rmtree(root.parent / "counted")
        with power.on(monkeypatch, power.calls.index("link") + 2), pytest.raises(Crash):
            second_drain(local_lake(root))
        assert open_log(local_lake(root)).read_head().number == 2
        left = power.least(root.parent / "now")
        assert open_log(local_lake(left)).read_head().number == 1
        shutil.rmtree(left)

    def check(root: Path, left: Path) -> None:
        check_recovery(left)

    at_every_call(
        lake_before, monkeypatch, lambda root: open_log(local_lake(root)).head(), check, die_after_the_link
    )


def compact(root: Path) -> Commit[VersionsPosition] | None:
    """Merge the files of every partition into one each."""
    lake = local_lake(root)
    log = open_log(lake)
    head = log.head()
    inputs = sorted({file.path for record in log.commits() for file in record.added})
    if any(record.kind == "compaction" for record in log.commits()):
        return None
    with log.begin(head, VersionsLedger(), kind="compaction") as transaction:
        for path in inputs:
            with lake.storage.open_input(path) as source:
                transaction.write("alerts", pq.ParquetFile(source).read(), Partitioning.DAY)
        transaction.remove(inputs)
        return transaction.commit()


def test_a_compaction_shows_every_row_at_every_moment(
    lake_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New files are in their places, and on the disk, before old ones go: rows may be there twice."""
    second_drain(local_lake(lake_before))
    assert visible(lake_before) == ROWS

    def check(root: Path, left: Path) -> None:
        assert set(visible(root)) == set(ROWS)
        assert set(visible(left)) == set(ROWS)
        compact(left)
        open_log(local_lake(left)).head()
        assert visible(left) == ROWS
        check_nothing_early(left)

    assert at_every_call(lake_before, monkeypatch, compact, check) > 20


@pytest.mark.parametrize("left", ["least", "most"])
def test_another_runs_commit_in_between(
    lake_before: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """What a run rewrites, as another one has landed some of its rows, is on the disk before it counts."""

    def backfill(lake: Lake, keys: list[str]) -> None:
        log = open_log(lake)
        with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
            pairs = [(key, version(LATER)) for key in keys]
            wanted = transaction.select_new(pairs)
            rows = [(*pair, LATER) for pair, new in zip(pairs, wanted, strict=True) if new]
            transaction.write("alerts", alerts(rows), Partitioning.DAY)
            if len(keys) > 1:
                backfill(local_lake(lake_before), keys[:1])
            transaction.commit()

    power = PowerLoss(lake_before)
    with power.on(monkeypatch):
        backfill(local_lake(lake_before), ["x", "y", "z"])
    after = getattr(power, left)(lake_before.parent / "after")
    assert visible(after) == visible(lake_before)
    assert [key for key, _, _ in visible(after)] == ["a", "b", "x", "y", "z"]
    power.release()
