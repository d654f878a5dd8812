"""Transactions: staging, the commit, and other runs that commit meanwhile."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_defender.lake import (
    Commit,
    CommitConflict,
    CommitStateUnknown,
    Lake,
    StoreRefused,
    Transaction,
    TransactionTooOld,
    VersionsLedger,
    WriterSettings,
)
from airflow_provider_defender.lake.log import staging
from airflow_provider_defender.lake.storage.storage import NotCreated, WholeFile
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.timestamps import datetime_to_ticks
from tests.unit.lake.faults import InjectedError
from tests.unit.lake.support import (
    LOG,
    START,
    Clock,
    alerts,
    committed,
    drain,
    local_lake,
    open_log,
    quarantined,
    rejects,
    version,
    visible,
    watermark,
)
from tests.unit.lake.versions.support import LATER, begin, fill, staged


def test_a_run_that_always_comes_second_gives_up_in_time(tmp_path: Path) -> None:
    """Its rows are for a later run: nothing of it has landed, and nothing is left in staging."""
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    create, others = lake.storage.create, 0

    def another_first(path: str, body: bytes, scratch: str) -> None:
        nonlocal others
        others += 1
        with begin(local_lake(tmp_path, clock), "backfill") as transaction:
            fill(transaction, f"other{others}")
            transaction.commit()
        clock.advance(timedelta(minutes=6))
        create(path, body, scratch)

    lake.storage.create = another_first  # type: ignore[method-assign]
    with begin(lake, "backfill") as transaction:
        fill(transaction, "mine")
        with pytest.raises(CommitConflict, match="were faster for 0:15:00"):
            transaction.commit()
    assert others == 3
    assert [key for key, _, _ in visible(tmp_path)] == ["other1", "other2", "other3"]
    assert staged(tmp_path) == []


def test_a_store_that_answers_late_is_asked_no_more_after_the_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    lake.retry_waits = (1.0,) * 100
    asked = 0

    def no_answer(path: str, body: bytes, scratch: str) -> None:
        nonlocal asked
        asked += 1
        clock.advance(timedelta(minutes=5))
        raise InjectedError

    lake.storage.create = no_answer  # type: ignore[method-assign]
    with begin(lake) as transaction:
        fill(transaction, "a")
        with pytest.raises(CommitStateUnknown):
            transaction.commit(watermark(LATER))
    assert asked == 4
    assert staged(tmp_path) != []


def test_staged_rows_are_hidden_even_from_a_careless_glob(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as transaction:
        fill(transaction, "a", "b")
        transaction._staging.finish()
        assert len(staged(tmp_path)) == 1
        assert list(tmp_path.rglob("*.parquet")) == []


def test_leaving_without_a_commit_deletes_what_was_staged(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as transaction:
        fill(transaction, "a")
        transaction._staging.finish()
        assert len(staged(tmp_path)) == 1
    assert staged(tmp_path) == []
    assert committed(tmp_path) == []


def test_a_run_older_than_a_day_commits_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with begin(local_lake(tmp_path, clock)) as transaction:
        fill(transaction, "a")
        clock.advance(timedelta(days=1, seconds=1))
        with pytest.raises(TransactionTooOld, match="run it again"):
            transaction.commit(watermark(LATER))
    assert committed(tmp_path) == []
    assert staged(tmp_path) == []


def test_a_commit_that_was_created_a_month_late_is_a_conflict(tmp_path: Path) -> None:
    """Its process slept right before it, and the next commit has shortened it: its position is gone."""
    clock, waiting = Clock(), list[Transaction[Any, Any]]()
    sleeper, others = local_lake(tmp_path, clock), local_lake(tmp_path, clock)
    create = sleeper.storage.create

    def late(path: str, body: bytes, scratch: str) -> None:
        clock.advance(timedelta(days=32))
        waiting.append(begin(others, kind="backfill").__enter__())
        create(path, body, scratch)

    drain(with_create(sleeper, late), [("a", START)])
    drain(others, [("b", LATER)])
    assert [commit.position is None for commit in open_log(others).commits()] == [True, False]
    [run] = waiting
    fill(run, "c")
    with pytest.raises(CommitConflict, match=r"commit 1 of .* has been shortened already.*run it again"):
        run.commit()
    run.__exit__(None, None, None)
    assert staged(tmp_path) == []
    assert [key for key, _, _ in committed(tmp_path)] == ["a", "b"]


def test_a_file_system_without_hard_links_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: str, target: str) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreRefused, match="single_writer=True"):
        drain(local_lake(tmp_path), [("a", START)])
    assert staged(tmp_path) == []
    lake = local_lake(tmp_path, single_writer=True)
    drain(lake, [("a", START)])
    with pytest.raises(FileExistsError):
        lake.storage.create(f"_defender/{LOG}/commits/00000001.json", b"{}", "scratch")
    assert open_log(lake).head().number == 1


def test_an_unknown_file_system_is_refused() -> None:
    MemoryFileSystem.store.clear()
    lake = Lake(MemoryFileSystem(), "/lake")
    with pytest.raises(StoreRefused, match="MemoryFileSystem"):
        drain(lake, [("a", START)])
    assert drain(Lake(MemoryFileSystem(), "/lake", single_writer=True), [("a", START)]) is not None


def with_create(lake: Lake, create: Callable[..., None]) -> Lake:
    lake.storage.create = create  # type: ignore[method-assign]
    return lake


def test_a_lost_answer_of_a_create_that_happened(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    original = lake.storage.create

    def create(path: str, body: bytes, scratch: str) -> None:
        original(path, body, scratch)
        raise InjectedError

    record = drain(with_create(lake, create), [("a", START)])
    assert record is not None
    assert len(visible(tmp_path)) == 1


def test_an_absent_record_is_created_again_with_the_same_body(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    original, bodies = lake.storage.create, []

    def create(path: str, body: bytes, scratch: str) -> None:
        bodies.append((path, body))
        if len(bodies) < 3:
            raise InjectedError
        original(path, body, scratch)

    assert drain(with_create(lake, create), [("a", START)]) is not None
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


def never(path: str, body: bytes, scratch: str) -> None:
    raise InjectedError


def test_a_record_that_stays_absent_leaves_everything_as_it_is(tmp_path: Path) -> None:
    lake = with_create(local_lake(tmp_path), never)
    with pytest.raises(CommitStateUnknown, match="nothing was deleted"):
        drain(lake, [("a", START)])
    assert len(staged(tmp_path)) == 1


def test_an_unreadable_record_leaves_everything_as_it_is(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)

    def create(path: str, body: bytes, scratch: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
        raise InjectedError

    with pytest.raises(CommitStateUnknown):
        drain(with_create(lake, create), [("a", START)])
    assert len(staged(tmp_path)) == 1


def test_a_run_that_ages_while_its_commit_is_unknown_deletes_nothing(tmp_path: Path) -> None:
    clock = Clock()
    lake = with_create(local_lake(tmp_path, clock), never)
    lake.sleep = lambda seconds: clock.advance(timedelta(days=2))
    with pytest.raises(CommitStateUnknown):
        drain(lake, [("a", START)])
    assert len(staged(tmp_path)) == 1


def test_a_run_that_is_interrupted_inside_its_commit_deletes_nothing(tmp_path: Path) -> None:
    def create(path: str, body: bytes, scratch: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drain(with_create(local_lake(tmp_path), create), [("a", START)])
    assert len(staged(tmp_path)) == 1


def test_a_create_that_certainly_failed_is_not_unknown(tmp_path: Path) -> None:
    def create(path: str, body: bytes, scratch: str) -> None:
        raise NotCreated from OSError(errno.ENOSPC, "no space left")

    with pytest.raises(OSError, match="no space left"):
        drain(with_create(local_lake(tmp_path), create), [("a", START)])
    assert staged(tmp_path) == []


def test_a_drain_whose_watermark_was_moved_has_lost(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as transaction:
        fill(transaction, "a", "b")
        drain(local_lake(tmp_path), [("a", LATER)])
        with pytest.raises(CommitConflict, match="max_active_runs=1"):
            transaction.commit(watermark(LATER))
    assert staged(tmp_path) == []
    assert [key for key, _, _ in visible(tmp_path)] == ["a"]


def test_a_drain_goes_on_upon_a_backfill(tmp_path: Path) -> None:
    """It drops what the backfill has landed or rejected, and stands on the backfill's position."""
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    with begin(lake) as transaction:
        fill(transaction, "b", "c")
        transaction.select_new([("bad", version(LATER)), ("worse", version(LATER))])
        transaction.quarantine(rejects([("bad", version(LATER)), ("worse", version(LATER))]))
        with begin(local_lake(tmp_path), "backfill") as other:
            fill(other, "c", "d")
            other.select_new([("bad", version(LATER))])
            other.quarantine(rejects([("bad", version(LATER))]))
            other.commit()
        record = transaction.commit(watermark(LATER))
    assert record is not None
    assert record.number == 3
    assert record.counts == {"read": 4, "known": 2, "landed": 1, "rejected": 1, "rows": 1}
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c", "d"]
    assert quarantined(tmp_path) == [("bad", version(LATER)), ("worse", version(LATER))]
    assert record.position is not None
    assert sorted(record.position.keys["key"].to_pylist()) == ["a", "b", "bad", "c", "d", "worse"]


def test_what_a_backfill_landed_below_its_keys_is_looked_up_after_a_wider_overlap(tmp_path: Path) -> None:
    """The drain has read before the alert showed, and the backfill's record does not name it."""
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    hour, early = timedelta(hours=1), START - timedelta(minutes=30)
    since = datetime_to_ticks(START - hour)
    with begin(lake, since=since) as transaction:
        fill(transaction, "b")
        with begin(local_lake(tmp_path), "backfill") as other:
            fill(other, "early", at=early)
            other.commit()
        transaction.commit(watermark(START, hour))
    with begin(lake, since=since) as transaction:
        fill(transaction, "early", at=early)
        assert transaction.commit(watermark(START, hour)) is None
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "early"]


def test_a_backfill_goes_on_upon_a_drain_and_leaves_its_watermark(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    with begin(lake, "backfill") as transaction:
        fill(transaction, "b", "c")
        drain(local_lake(tmp_path), [("b", LATER)])
        record = transaction.commit()
    assert record is not None
    assert record.position is not None
    assert record.position.watermark_text == version(LATER)
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c"]


def test_a_backfill_of_which_nothing_is_left_writes_no_record(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    with begin(lake, "backfill") as transaction:
        fill(transaction, "a", "b")
        drain(local_lake(tmp_path), [("a", LATER), ("b", LATER)])
        assert transaction.commit() is None
    assert open_log(lake).head().number == 1
    assert staged(tmp_path) == []


def test_a_compaction_whose_input_was_replaced_has_lost(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    record = drain(lake, [("a", START)])
    assert record is not None
    path = record.added[0].path
    with begin(lake, "compaction") as transaction:
        transaction.write("alerts", alerts([("a", version(START), START)]), Partitioning.DAY)
        transaction.remove([path])
        with begin(local_lake(tmp_path), "compaction") as other:
            other.write("alerts", alerts([("a", version(START), START)]), Partitioning.DAY)
            other.remove([path])
            other.commit()
        with pytest.raises(CommitConflict, match="removed 1 of the files"):
            transaction.commit()
    assert [key for key, _, _ in visible(tmp_path)] == ["a"]


def test_a_backfill_does_not_move_the_watermark(tmp_path: Path) -> None:
    with (
        begin(local_lake(tmp_path), "backfill") as transaction,
        pytest.raises(ValueError, match="leaves the watermark"),
    ):
        transaction.commit(watermark(LATER))


def test_a_draft_is_committed_once(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as transaction:
        fill(transaction, "a")
        transaction.commit(watermark(LATER))
        with pytest.raises(RuntimeError, match="was committed"):
            transaction.commit(watermark(LATER))


def test_rows_without_a_timestamp_are_an_error(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as transaction:
        with pytest.raises(ValueError, match="1 rows for alerts have no @timestamp"):
            transaction.write("alerts", alerts([("a", "1", None)]), Partitioning.DAY)  # type: ignore[list-item]
        with pytest.raises(RuntimeError, match="lacks rows"):
            transaction.commit(watermark(START))


@pytest.mark.parametrize("name", ["", "..", "_defender", "a/../b", "events/a/b", "alerts/"])
def test_names_of_datasets_that_could_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with begin(local_lake(tmp_path)) as transaction, pytest.raises(ValueError, match="is not a dataset name"):
        transaction.write(name, alerts([("a", "1", START)]), Partitioning.DAY)


# What commits say of their files ------------------------------------------------------------------


def check_facts(read: Callable[[str], bytes], commit: Commit[Any], datasets: set[str]) -> None:
    """Compare what a commit says of its files with what they hold."""
    assert {file.dataset for file in commit.files} == datasets
    for file in commit.files:
        body = read(file.path)
        assert (file.bytes, file.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        table = pq.ParquetFile(io.BytesIO(body)).read()
        assert file.rows == table.num_rows
        if file.dataset == "quarantine":
            assert file.min_timestamp is file.max_timestamp is None
            assert f"/quarantine/{file.partition}/" in file.path
            continue
        times = table["@timestamp"].to_pylist()
        assert (file.min_timestamp, file.max_timestamp) == (min(times), max(times))
        assert file.path.startswith(f"{file.dataset}/{file.partition}/")


def spread(*keys: str) -> list[tuple[str, str, datetime]]:
    """Rows at different times, not in their order."""
    times = [
        START + timedelta(microseconds=(number * 7919) % 1000, days=number % 2) for number in range(len(keys))
    ]
    return [(key, version(LATER), moment) for key, moment in zip(keys, times, strict=True)]


@pytest.mark.parametrize("store", ["local", "object store"])
def test_a_commit_says_what_is_in_its_files_also_after_another_runs(tmp_path: Path, store: str) -> None:
    """Files whose rows another run has landed meanwhile are written again."""
    MemoryFileSystem.store.clear()
    settings = WriterSettings(row_group_rows=7)
    lakes = [
        Lake(MemoryFileSystem(), "/lake", single_writer=True, settings=settings, clock=Clock())
        if store == "object store"
        else local_lake(tmp_path, settings=settings)
        for _ in range(2)
    ]
    keys = [f"k{number}" for number in range(40)]
    with begin(lakes[0], "backfill") as mine:
        mine.select_new([(key, version(LATER)) for key in [*keys, "bad", "worse"]])
        mine.write("alerts", alerts(spread(*keys)[:9]), Partitioning.DAY)
        mine.write("alerts", alerts(spread(*keys)[9:]), Partitioning.DAY)
        mine.quarantine(rejects([("bad", version(LATER)), ("worse", version(LATER))]))
        with begin(lakes[1], "backfill") as other:
            other.select_new([(key, version(LATER)) for key in [*keys[::3], "bad"]])
            other.write(
                "alerts", alerts(row for row in spread(*keys) if row[0] in keys[::3]), Partitioning.DAY
            )
            other.quarantine(rejects([("bad", version(LATER))]))
            first = other.commit()
        second = mine.commit()
    storage = lakes[0].storage
    for commit, count, rejected in ((first, 14, 1), (second, 26, 1)):
        assert commit is not None
        assert (commit.counts["rows"], commit.counts["rejected"]) == (count, rejected)
        check_facts(storage.read, commit, {"alerts", "quarantine"})


def test_a_ledger_serves_one_transaction(tmp_path: Path) -> None:
    log, ledger = open_log(local_lake(tmp_path)), VersionsLedger()
    with log.begin(log.head(), ledger, kind="backfill"):
        pass
    with pytest.raises(ValueError, match="one transaction only"):
        log.begin(log.head(), ledger, kind="backfill")


def test_times_are_those_of_all_row_groups(tmp_path: Path) -> None:
    lake = local_lake(tmp_path, settings=WriterSettings(row_group_rows=7))
    keys = [f"k{number}" for number in range(38)]
    with begin(lake, "backfill") as transaction:
        transaction.select_new([(key, version(LATER)) for key in keys])
        for start in range(0, 38, 2):
            transaction.write("alerts", alerts(spread(*keys)[start : start + 2]), Partitioning.DAY)
        commit = transaction.commit()
    assert commit is not None
    assert [pq.ParquetFile(tmp_path / file.path).num_row_groups for file in commit.added] == [3, 3]
    check_facts(lake.storage.read, commit, {"alerts"})


# Written beside the caller ------------------------------------------------------------------------


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few the rows, a thread writes them."""
    monkeypatch.setattr(staging, "_INLINE_BYTES", 0)


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lake-writer"]


EACH_ROW = WriterSettings(row_group_rows=1, closed_at_once=1)


def test_files_written_beside_the_caller_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for place, inline_bytes in (("beside", 0), ("inline", 2**40)):
        monkeypatch.setattr(staging, "_INLINE_BYTES", inline_bytes)
        lake = local_lake(tmp_path / place, settings=EACH_ROW)
        with begin(lake) as transaction:
            for number in range(30):
                fill(transaction, f"a{number}", at=LATER + timedelta(hours=number))
            commit = transaction.commit(watermark(LATER))
        assert commit is not None
        found.append([(file.partition, file.rows, file.bytes, file.sha256) for file in commit.added])
    assert found[0] == found[1]
    assert not writers()


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("writes", [1, 5])
def test_where_writing_beside_the_caller_fails_nothing_is_committed(tmp_path: Path, writes: int) -> None:
    """The next write tells, or the commit."""
    lake = local_lake(tmp_path, settings=EACH_ROW)

    def full(path: str) -> None:
        raise InjectedError

    lake.storage.new_file = full  # type: ignore[method-assign, assignment]

    def land() -> None:
        for number in range(writes):
            fill(transaction, f"a{number}")
        transaction.commit(watermark(LATER))

    with begin(lake) as transaction:
        with pytest.raises(InjectedError):
            land()
        with pytest.raises(RuntimeError, match="lacks rows"):
            transaction.commit(watermark(LATER))
    assert (committed(tmp_path), staged(tmp_path)) == ([], [])
    assert open_log(lake).head().number == 0
    assert not writers()


@pytest.mark.usefixtures("beside")
def test_a_run_that_is_ended_while_rows_are_written_leaves_no_thread_and_no_file(tmp_path: Path) -> None:
    """Airflow ends a task by an exception in its main thread, also in the middle of a write."""
    lake = local_lake(tmp_path, settings=EACH_ROW)
    new_file, gate = lake.storage.new_file, threading.Event()
    opened: list[WholeFile] = []

    def slow(path: str) -> WholeFile:
        gate.wait(60)
        opened.append(new_file(path))
        return opened[-1]

    lake.storage.new_file = slow  # type: ignore[method-assign]
    threading.Timer(0.1, gate.set).start()

    def land() -> None:
        with begin(lake) as transaction:
            for number in range(5):
                fill(transaction, f"a{number}", at=LATER + timedelta(days=number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        land()
    assert not writers()
    assert all(each.sink.closed for each in opened)
    assert (committed(tmp_path), staged(tmp_path)) == ([], [])


@pytest.mark.usefixtures("beside")
def test_a_run_that_another_one_overtakes_writes_what_is_left_beside_the_caller_too(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock, settings=EACH_ROW)
    with begin(lake, "backfill") as transaction:
        fill(transaction, "a", "b", "c")
        with begin(local_lake(tmp_path, clock), "backfill") as other:
            fill(other, "b")
            other.commit()
        transaction.commit()
    assert [key for key, _, _ in committed(tmp_path)] == ["a", "b", "c"]
    assert not writers()
