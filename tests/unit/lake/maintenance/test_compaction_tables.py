"""Open tables that follow each commit of maintenance before it removes files: no reader notices."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from airflow_provider_defender.lake import (
    Commit,
    CompactionSettings,
    Lake,
    RetentionSettings,
    VersionsLedger,
    apply_retention,
    compact,
    follow_delta,
    follow_iceberg,
)
from airflow_provider_defender.lake.log.publishing import BeforeRemoval
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.faults import Crash, SteppedStorage, Take, kill_at_every_step
from tests.unit.lake.maintenance.support import DAYS, alerts_lake
from tests.unit.lake.support import (
    START,
    Clock,
    alerts,
    committed,
    drain,
    local_lake,
    open_log,
    visible,
)

SETTINGS = CompactionSettings(latest=True)
RETENTION = RetentionSettings({"*": timedelta(days=5)})
DATASETS = ("alerts", "alerts_latest")
WRITING = ("create", "replace", "new", "finish", "publish", "sync", "delete")

Rows = list[tuple[str, str, int]]
Work = Callable[[Lake, BeforeRemoval | None], int]


class Tables:
    """The tables of a lake in one format, with a follower and a reader that begins anew each time."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self.clock = clock

    def follow(self, *, new_tables: bool = True) -> None:
        raise NotImplementedError

    def rows(self, dataset: str) -> Rows:
        raise NotImplementedError


class DeltaTables(Tables):
    def follow(self, *, new_tables: bool = True) -> None:
        follow_delta(local_lake(self.root, self.clock), DATASETS, new_tables=new_tables)

    def rows(self, dataset: str) -> Rows:
        return _rows(pl.scan_delta(str(self.root / dataset)))


class IcebergTables(Tables):
    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root, clock)
        uri, warehouse = f"sqlite:///{root}.db", f"file://{root}.warehouse"
        self.catalog = SqlCatalog("tests", uri=uri, warehouse=warehouse)

    def follow(self, *, new_tables: bool = True) -> None:
        follow_iceberg(
            local_lake(self.root, self.clock),
            self.catalog,
            datasets=DATASETS,
            keep_snapshots=None,
            new_tables=new_tables,
        )

    def rows(self, dataset: str) -> Rows:
        table = self.catalog.load_table(f"defender.{dataset}")
        return _in_order(table.scan(selected_fields=("landing",)).to_arrow()["landing"].to_pylist())


def _rows(frame: pl.LazyFrame) -> Rows:
    return _in_order(frame.select("landing").collect()["landing"].to_list())


def _in_order(landing: list[dict[str, Any]]) -> Rows:
    return sorted((row["key"], row["version"], row["item"]) for row in landing)


def small_files(root: Path) -> Clock:
    """A lake whose files are to be merged, with an `alerts_latest` that is behind."""
    lake, clock = alerts_lake(root, count=2)
    compact(lake, CompactionSettings(min_files=99, days_older_than=timedelta(days=99), latest=True))
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.write("alerts", alerts([("k0", "9", START)]), Partitioning.DAY)
        transaction.commit()
    clock.advance(DAYS)
    drain(lake, [("newest", clock.now)])
    clock.advance(DAYS)
    return clock


@pytest.fixture(params=[DeltaTables, IcebergTables])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tables]:
    root = tmp_path / "lake"
    found: Tables = request.param(root, small_files(root))
    found.follow()
    yield found
    if isinstance(found, IcebergTables):
        found.catalog.close()


def compacted(lake: Lake, before_removal: BeforeRemoval | None) -> int:
    return len(compact(lake, SETTINGS, before_removal=before_removal).total.commits)


def retired(lake: Lake, before_removal: BeforeRemoval | None) -> int:
    return len(apply_retention(lake, RETENTION, before_removal=before_removal).total.commits)


@pytest.mark.parametrize("work", [compacted, retired])
def test_a_reader_of_a_table_at_every_step_sees_each_row_once(tables: Tables, work: Work) -> None:
    """It never meets a missing file either: each row set is that before or after a commit."""
    seen: list[tuple[Rows, Rows]] = []

    def reading(name: str, path: str, step: Callable[[], Any]) -> Any:
        if name in WRITING:
            seen.append((tables.rows("alerts"), tables.rows("alerts_latest")))
        return step()

    lake = local_lake(tables.root, tables.clock)
    lake.storage = SteppedStorage(lake.storage, reading)
    before = committed(lake), committed(lake, "alerts_latest")
    assert work(lake, lambda commit: tables.follow()) > 0
    after = committed(lake), committed(lake, "alerts_latest")
    assert seen[0] == before != after
    assert len(seen) > 5
    assert seen[-1] == (tables.rows("alerts"), tables.rows("alerts_latest")) == after
    for number, dataset in enumerate(DATASETS):
        assert {tuple(rows[number]) for rows in seen} <= {tuple(before[number]), tuple(after[number])}
        assert visible(tables.root, dataset) == after[number]


@pytest.mark.parametrize("work", [compacted, retired])
def test_without_it_a_reader_meets_missing_files(tables: Tables, work: Work) -> None:
    work(local_lake(tables.root, tables.clock), None)
    with pytest.raises(Exception, match=r"(?i)no such file|not found|cannot find"):
        tables.rows("alerts")


@pytest.mark.parametrize("work", [compacted, retired])
def test_it_is_called_when_both_the_old_and_the_new_files_are_there(tmp_path: Path, work: Work) -> None:
    clock = small_files(tmp_path)
    lake = local_lake(tmp_path, clock)
    called: list[int] = []

    def look(commit: Commit[Any]) -> None:
        paths = [*commit.removed, *(file.path for file in commit.files)]
        assert [path for path in paths if not (tmp_path / path).exists()] == []
        assert [each.number for each in open_log(lake).published(commit.number - 1)] == [commit.number]
        called.append(commit.number)

    assert work(lake, look) == len(called) > 0


@pytest.mark.parametrize("work", [compacted, retired])
def test_a_failure_is_logged_and_stops_nothing(
    tmp_path: Path, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    lake = local_lake(tmp_path, small_files(tmp_path))

    def fail(commit: Commit[Any]) -> None:
        raise ConnectionError("the catalog is down")

    with caplog.at_level(logging.WARNING):
        assert work(lake, fail) > 0
    assert visible(tmp_path) == committed(lake)
    [warning, *_] = [record for record in caplog.records if "before commit" in record.message]
    assert "run their followers again" in warning.message
    assert "the catalog is down" in str(warning.exc_info)
    assert not list((tmp_path / "_defender").glob("*/staging/*"))


def test_a_run_that_only_adds_calls_nothing(tmp_path: Path) -> None:
    called: list[Commit[Any]] = []
    log = open_log(local_lake(tmp_path))
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.write("alerts", alerts([("k", "1", START)]), Partitioning.DAY)
        assert transaction.commit(before_removal=called.append) is not None
    assert called == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_dies_while_tables_follow_is_finished_by_the_next(tables: Tables, when: str) -> None:
    lake = local_lake(tables.root, tables.clock)
    before = committed(lake)

    def die(commit: Commit[Any]) -> None:
        if when == "after":
            tables.follow()
        raise Crash

    with pytest.raises(Crash):
        compacted(lake, die)
    assert tables.rows("alerts") == before, "the old and the new files are there, and a table has one of them"
    tables.follow()
    tables.clock.advance(timedelta(minutes=5))
    compacted(local_lake(tables.root, tables.clock), lambda commit: tables.follow())
    for dataset in DATASETS:
        assert tables.rows(dataset) == committed(lake, dataset) == visible(tables.root, dataset)


def test_a_run_killed_at_every_step_leaves_a_table_that_can_be_read(tmp_path: Path) -> None:
    first = DeltaTables(tmp_path / "first", small_files(tmp_path / "first"))
    first.follow()
    rows = committed(first.root)

    def work(root: Path, take: Take) -> None:
        lake = local_lake(root, first.clock)
        lake.storage = SteppedStorage(
            lake.storage,
            lambda name, path, step: take(name, path, step) if name in WRITING else step(),
        )
        compact(lake, before_removal=lambda commit: follow_delta(lake, "alerts"))

    def check(root: Path) -> None:
        tables = DeltaTables(root, first.clock)
        assert tables.rows("alerts") == rows
        open_log(local_lake(root, first.clock)).head()
        tables.follow()
        assert tables.rows("alerts") == visible(root) == rows

    def copies() -> Iterator[Path]:
        for number in count():
            yield shutil.copytree(first.root, tmp_path / str(number))

    assert kill_at_every_step(copies(), work, check) > 8
