"""Checkpoints: whatever becomes of them, a reader sees what the commits say."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.lake import (
    Commit,
    CommitUnreadable,
    DataFile,
    DifferenceType,
    Lake,
    VersionsPosition,
    committed_files,
    verify,
)
from airflow_provider_defender.lake.log import checkpoints
from airflow_provider_defender.lake.log.checkpoints import (
    LoggedFile,
    Selection,
    newest_checkpoint,
    within,
    write_checkpoint,
)
from airflow_provider_defender.lake.log.digest import FIRST
from airflow_provider_defender.lake.log.format import chained, dump_commit
from airflow_provider_defender.lake.log.layout import QUARANTINE, LogPaths
from tests.unit.lake.faults import Crash, FaultAt, SteppedStorage
from tests.unit.lake.support import LOG, ORIGIN, START, drain, local_lake, noting, open_log
from tests.unit.lake.versions.support import home

DATASETS = ("alerts", "events/DeviceInfo", QUARANTINE)
Added = tuple[int, int]
"""A dataset's index, and the day of the partition."""


@pytest.fixture(autouse=True)
def _quick_disk_and_small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(checkpoints, "_ROW_GROUP_ROWS", 3)


class History:
    """Commits written straight to the disk, and what they say, kept apart."""

    def __init__(self, root: Path, seed: str = "") -> None:
        self.root = root
        self.lake = local_lake(root)
        self.seed = seed
        self.files: dict[str, LoggedFile] = {}
        self.number = 0
        self.digest = FIRST
        (home(root) / "commits").mkdir(parents=True)

    def commit(self, added: list[Added], removed: list[int]) -> None:
        self.number += 1
        gone = {list(self.files)[index % len(self.files)] for index in removed if self.files}
        files = [self._file(n, DATASETS[dataset], day) for n, (dataset, day) in enumerate(added, 1)]
        commit: Commit[Any] = Commit(
            log=LOG,
            origin=ORIGIN,
            number=self.number,
            token=f"{self.number:016x}",
            kind="compaction" if gone else "drain",
            started_at=START,
            committed_at=START + timedelta(minutes=self.number),
            added=tuple(file for file in files if file.dataset != QUARANTINE),
            removed=tuple(sorted(gone)),
            rejects=tuple(file for file in files if file.dataset == QUARANTINE),
            position=VersionsPosition(),
        )
        commit = chained(commit, self.digest)
        self.digest = commit.digest
        self.path(self.number).write_bytes(dump_commit(commit))
        for path in gone:
            del self.files[path]
        self.files.update({file.path: LoggedFile(file, self.number) for file in files})
        (home(self.root) / "head.json").write_text(f'{{"number": {self.number}}}')

    def _file(self, n: int, dataset: str, day: int) -> DataFile:
        partition = f"date=2026-11-{day:02d}" + ("/hour=07" if dataset.startswith("events") else "")
        rejects = dataset == QUARANTINE
        folder = f"{LogPaths(LOG).home}/{dataset}/{partition}" if rejects else f"{dataset}/{partition}"
        path = LogPaths(LOG).data_file(folder, f"{self.number:016x}", n)
        moment = None if rejects else datetime.fromisoformat(f"2026-11-{day:02d}T07:00:00.000001+00:00")
        return DataFile(
            path=path,
            dataset=dataset,
            partition=partition,
            rows=n,
            bytes=self.number,
            sha256=hashlib.sha256(f"{path}{self.seed}".encode()).hexdigest(),
            min_timestamp=moment,
            max_timestamp=moment,
            offsets={0: (self.number, self.number + n), 31: (5, 5)} if day % 2 else None,
        )

    def path(self, number: int) -> Path:
        return home(self.root) / "commits" / f"{number:08d}.json"

    def checkpoints(self) -> list[Path]:
        return sorted((home(self.root) / "checkpoints").glob("*"))

    def write(self) -> None:
        write_checkpoint(open_log(self.lake), self.number)

    def check(self) -> None:
        """A snapshot has what the commits say, for each dataset and span."""
        snapshot = open_log(self.lake).snapshot()
        assert (snapshot.number, snapshot.digest) == (self.number, self.digest)
        expected = sorted(self.files.values(), key=lambda each: each.key)
        assert list(snapshot.files()) == [each for each in expected if each.file.dataset != QUARANTINE]
        assert snapshot.datasets() == sorted({each.file.dataset for each in expected} - {QUARANTINE})
        since, until = (START.replace(day=day, hour=8) for day in (3, 5))
        for dataset in (*DATASETS, "incidents"):
            for span in ((None, None), (since, None), (None, until), (since, until)):
                assert list(snapshot.files(dataset, *span)) == [
                    each
                    for each in expected
                    if each.file.dataset == dataset and within(each.file.partition, *span)
                ]
        days = sorted({each.file.partition for each in expected})
        for partitions in ([], days[:1], days[::3], [*days[1::2], "date=2026-12-24", "date=2026-11-03"]):
            assert list(snapshot.files_in(partitions)) == [
                each
                for each in expected
                if each.file.dataset != QUARANTINE and each.file.partition in partitions
            ]


def ten_commits(root: Path) -> History:
    """Ten commits, with checkpoints of the sixth and the eighth."""
    history = History(root)
    for number in range(1, 11):
        history.commit([(number % 3, 1 + number % 7), (0, 4)], [number] if number % 4 == 0 else [])
        if number in (6, 8):
            history.write()
    return history


@pytest.mark.parametrize("dataset", [*DATASETS, None])
def test_few_row_groups_are_read_for_a_day(tmp_path: Path, dataset: str | None) -> None:
    """Neither one with a day like it of another dataset, nor the statistics of all."""
    history = History(tmp_path)
    for day in range(1, 29):
        history.commit([(index, day) for index in range(3) for _ in range(7)], [])
    history.write()
    found = newest_checkpoint(open_log(history.lake))
    assert found is not None
    days = {each.file.partition for each in history.files.values() if "2026-11-28" in each.file.path}
    chosen = Selection(dataset, partitions=sorted(days))
    needed = [
        group
        for group, table in enumerate(found.tables())
        if any(
            chosen.wants(*row)
            for row in zip(table["dataset"].to_pylist(), table["partition"].to_pylist(), strict=True)
        )
    ]
    assert found._groups(chosen) == needed
    if dataset:
        assert len(found._known) < 40 < found._footer.num_row_groups


harms = st.sampled_from(["none", "none", "delete", "cut", "flip", "rename", "empty"])
steps = st.tuples(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 7)), max_size=4),
    st.lists(st.integers(0, 50), max_size=2),
    st.booleans(),
    harms,
    st.integers(0, 10**6),
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(history=st.lists(steps, min_size=1, max_size=12), at_once=st.sampled_from([2, 50]))
def test_a_snapshot_is_what_all_commits_say(history: list[Any], at_once: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "_FILES_AT_ONCE", at_once)
        found = History(Path(folder))
        for added, removed, write, harm, where in history:
            found.commit(added, removed)
            if write:
                found.write()
            harm_one(found, harm, where)
        found.check()


def harm_one(history: History, harm: str, where: int) -> None:
    if harm == "none" or not (paths := history.checkpoints()):
        return
    path = paths[where % len(paths)]
    body = path.read_bytes()
    if harm == "delete":
        path.unlink()
    elif harm == "rename":
        path.rename(path.with_name(f"{1 + where % 20:08d}-{path.name.rpartition('-')[2]}"))
    elif body:
        at = where % len(body)
        flipped = body[:at] + bytes([body[at] ^ (1 << where % 8)]) + body[at + 1 :]
        path.write_bytes({"cut": body[:at], "flip": flipped, "empty": b""}[harm])


def test_a_checkpoint_of_other_commits_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A copy of a log that went on by itself has other commits of the same numbers."""
    one, other = History(tmp_path / "one"), History(tmp_path / "other", seed="other")
    for history in (one, other):
        for _ in range(3):
            history.commit([(0, 1)], [])
    other.write()
    shutil.copytree(home(other.root) / "checkpoints", home(one.root) / "checkpoints")
    one.check()
    assert "that commit has the digest" in caplog.text
    other.check()
    other.path(3).unlink()
    (home(other.root) / "head.json").unlink()
    assert open_log(other.lake).snapshot().number == 2
    assert "that commit does not exist" in caplog.text


def test_only_commits_above_the_checkpoint_are_read(tmp_path: Path) -> None:
    """So reading takes as long with 100,000 commits as with 100."""
    history = ten_commits(tmp_path)
    notes: list[str] = []
    storage = history.lake.storage
    for name in ("read", "list_folder", "open_input"):
        setattr(storage, name, noting(getattr(storage, name), notes))
    assert committed_files(history.lake, "alerts")
    commits = f"{LogPaths(LOG).home}/commits"
    read = {path.removeprefix(f"{commits}/") for path in notes if path.startswith(commits)}
    assert read == {"00000008.json", "00000009.json", "00000010.json", "00000011.json"}


@pytest.mark.parametrize("missing", [9, 10])
def test_a_commit_that_is_missing_above_a_checkpoint_is_said(tmp_path: Path, missing: int) -> None:
    history = ten_commits(tmp_path)
    history.commit([(0, 1)], [])
    history.path(missing).unlink()
    with pytest.raises(CommitUnreadable, match=f"lacks commit {missing} in"):
        committed_files(tmp_path, "alerts")
    (home(tmp_path) / "head.json").unlink()
    with pytest.raises(CommitUnreadable, match=f"lacks commit {missing} in"):
        committed_files(tmp_path, "alerts")


def test_commits_that_a_checkpoint_covers_are_not_needed_to_read(tmp_path: Path) -> None:
    history = ten_commits(tmp_path)
    for number in range(1, 8):
        history.path(number).unlink()
    history.check()


def test_a_checkpoint_that_goes_while_it_is_used(tmp_path: Path) -> None:
    history = ten_commits(tmp_path)
    expected = sorted(history.files.values(), key=lambda each: each.key)
    snapshot = open_log(history.lake).snapshot()
    history.commit([(0, 1)], [0, 1, 2])
    first = next(snapshot.files("alerts"))
    for path in history.checkpoints():
        path.unlink()
    assert list(snapshot.files("alerts")) == [each for each in expected if each.file.dataset == "alerts"]
    assert first == next(snapshot.files("alerts"))


def test_damage_met_half_way_doubles_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history = ten_commits(tmp_path)
    expected = list(open_log(history.lake).snapshot().files())
    path = history.checkpoints()[-1]
    body = path.read_bytes()
    for at in range(4, len(body), 41):
        path.write_bytes(body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :])
        assert list(open_log(history.lake).snapshot().files()) == expected
    assert "is passed over" in caplog.text


def test_a_damaged_statistic_leaves_no_file_out(tmp_path: Path) -> None:
    history = ten_commits(tmp_path)
    path = history.checkpoints()[-1]
    body = path.read_bytes()
    footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    days = [found.end() - 1 for found in re.finditer(rb"date=2026-11-0\d", body) if found.start() > footer]
    assert days
    for at in days:
        path.write_bytes(body[:at] + b"9" + body[at + 1 :])
        history.check()
    for at in days:
        path.write_bytes(body[:at] + b"0" + body[at + 1 :])
        history.check()


def test_one_that_is_deleted_between_listing_and_reading(tmp_path: Path) -> None:
    history = ten_commits(tmp_path)
    storage = history.lake.storage
    opened = storage.open_input

    def late(path: str) -> Any:
        (tmp_path / path).unlink(missing_ok=True)
        storage.open_input = opened  # type: ignore[method-assign]
        return opened(path)

    storage.open_input = late  # type: ignore[method-assign]
    history.check()
    assert [path.name[:8] for path in history.checkpoints()] == ["00000006"]


def crashes(history: History) -> Iterator[Path]:
    """Copies of the lake in which a run was killed at each step of writing a checkpoint."""
    before = history.root
    for step in range(1, 100):
        root = before.with_name(f"step-{step}")
        shutil.copytree(before, root)
        lake = local_lake(root)
        take = FaultAt(step, "crash")
        lake.storage = SteppedStorage(lake.storage, take)
        try:
            write_checkpoint(open_log(lake), history.number)
        except Crash:
            yield root
        else:
            assert step > 10
            return


def test_a_run_that_is_killed_while_it_writes_one(tmp_path: Path) -> None:
    history = ten_commits(tmp_path / "lake")
    for root in crashes(history):
        history.root, history.lake = root, local_lake(root)
        history.check()
        history.write()
        assert [path.name[:8] for path in history.checkpoints()] == ["00000008", "00000010"]
        history.check()


def test_two_runs_that_write_the_same_one(tmp_path: Path) -> None:
    history = ten_commits(tmp_path)
    shutil.copytree(tmp_path, tmp_path.with_name("other"))
    for root in (tmp_path, tmp_path.with_name("other")):
        write_checkpoint(open_log(local_lake(root)), 10)
    [other] = (home(tmp_path.with_name("other")) / "checkpoints").glob("00000010-*")
    assert history.checkpoints()[-1].name == other.name


def test_runs_write_one_after_every_so_many_commits(tmp_path: Path) -> None:
    lake = local_lake(tmp_path, commits_per_checkpoint=3)
    for minute in range(10):
        drain(lake, [(f"k{minute}", START + timedelta(minutes=minute))])
    folder = home(tmp_path) / "checkpoints"
    assert sorted(path.name[:8] for path in folder.iterdir()) == ["00000006", "00000009"]
    assert not list((home(tmp_path) / "staging").glob("*"))
    assert len(committed_files(lake, "alerts")) == 10
    shutil.rmtree(folder)
    assert len(committed_files(lake, "alerts")) == 10
    open_log(lake).write_checkpoint()
    assert [path.name[:8] for path in folder.iterdir()] == ["00000010"]


def test_a_checkpoint_that_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = local_lake(tmp_path, commits_per_checkpoint=1)
    (home(tmp_path)).mkdir(parents=True)
    (home(tmp_path) / "checkpoints").write_text("not a folder")
    drain(lake, [("a", START)])
    assert "Writing the checkpoint 1" in caplog.text
    assert len(committed_files(lake, "alerts")) == 1


def wrong_checkpoints(root: Path) -> list[str]:
    found = verify(root, files=False).differences
    assert {each.what for each in found} <= {DifferenceType.CHECKPOINT_WRONG}
    return [each.found for each in found]


def test_verify_compares_checkpoints_with_the_commits(tmp_path: Path) -> None:
    history = ten_commits(tmp_path)
    assert wrong_checkpoints(tmp_path) == []
    [one, other] = history.checkpoints()
    body = other.read_bytes()
    other.write_bytes(body[:100] + bytes([body[100] ^ 1]) + body[101:])
    assert len(wrong_checkpoints(tmp_path)) == 1
    other.write_bytes(body)
    one.rename(one.with_name(f"00000099-{one.name.rpartition('-')[2]}"))
    assert wrong_checkpoints(tmp_path) == ["one of commit 99"]


@pytest.mark.parametrize("change", ["rows", "number", "more", "fewer"])
def test_verify_tells_a_checkpoint_that_someone_has_made(tmp_path: Path, change: str) -> None:
    history = ten_commits(tmp_path)
    log = open_log(history.lake)
    changes, last = checkpoints.Changes(), None
    for last in log.commits():
        changes.take(made_up(last, change) if last.number == 10 else last)
    assert last is not None
    checkpoints._write(log, None, changes, last)
    assert len(wrong_checkpoints(tmp_path)) == 1


def made_up(commit: Commit[Any], change: str) -> Commit[Any]:
    """The commit as someone would like it to be."""
    first, *others = commit.added
    if change == "number":
        return replace(commit, number=9)
    added = {
        "rows": [replace(first, rows=first.rows + 1), *others],
        "more": [*commit.added, replace(first, path=first.path.replace("-1.parquet", "-99.parquet"))],
        "fewer": others,
    }
    return replace(commit, added=tuple(added[change]))


def test_an_interval_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="commits_per_checkpoint is 0"):
        Lake(local_lake(tmp_path).storage, str(tmp_path), commits_per_checkpoint=0)
