"""Iceberg tables over the landed files: read back with pyiceberg and Polars, they are what has landed."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pyarrow as pa
import pytest
from adlfs import AzureBlobFileSystem
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from airflow_provider_defender.lake import (
    Lake,
    TableConflict,
    TableResult,
    TableUnusable,
    VersionsLedger,
    committed_files,
    follow_iceberg,
)
from airflow_provider_defender.lake.tables.iceberg import table_name
from airflow_provider_defender.lake.tables.iceberg_catalog import location
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.faults import Crash, SteppedStorage, Take
from tests.unit.lake.support import START, Clock, local_lake, rows_of
from tests.unit.lake.tables.support import (
    DEVICES,
    ENDPOINT,
    GRAPH,
    compact,
    goes_on,
    inputs_of,
    land,
    new_rows,
    open_log,
    restored,
    retire,
)

at_least: Any = GreaterThanOrEqual
below: Any = LessThan

Answer = Callable[[Callable[[], Any]], Any]


class Catalog(SqlCatalog):
    """A SQL catalog whose next commits can be given an answer other than its own."""

    answers: list[Answer]

    def __init__(self, folder: Path, **properties: str) -> None:
        self.answers = []
        place = f"sqlite:///{folder}/catalog.db"
        super().__init__("tests", uri=place, warehouse=f"file://{folder}/warehouse", **properties)

    def commit_table(self, *arguments: Any) -> Any:
        commit = partial(super().commit_table, *arguments)
        return self.answers.pop(0)(commit) if self.answers else commit()


class SteppedFileIO(PyArrowFileIO):
    """pyiceberg's files, each of whose openings is a step."""

    take: ClassVar[Take]

    def new_input(self, location: str) -> Any:
        return type(self).take("input", location, lambda: super(SteppedFileIO, self).new_input(location))

    def new_output(self, location: str) -> Any:
        return type(self).take("output", location, lambda: super(SteppedFileIO, self).new_output(location))


@pytest.fixture
def catalog(folder: Path) -> Iterator[Catalog]:
    opened = Catalog(folder)
    yield opened
    opened.close()


@pytest.fixture
def root(folder: Path) -> Path:
    """A lake's root whose name has what URLs escape."""
    return folder / "la ke%20ü=1"


def loaded(catalog: SqlCatalog, dataset: str = "alerts") -> Table:
    return catalog.load_table(f"defender.{table_name(dataset)}")


def table_files(table: Table) -> list[str]:
    return sorted(task.file.file_path.removeprefix("file://") for task in table.scan().plan_files())


def table_rows(table: Table, times: Any = None) -> list[tuple[str, str, int]]:
    scan = table.scan(selected_fields=("landing",))
    found = (scan if times is None else scan.filter(times)).to_arrow()["landing"].to_pylist()
    return sorted((row["key"], row["version"], row["item"]) for row in found)


def assert_equal(catalog: SqlCatalog, lake: Lake, dataset: str = "alerts") -> None:
    """The table holds the committed files, and so their rows."""
    files = committed_files(lake, dataset)
    if not catalog.table_exists(f"defender.{table_name(dataset)}"):
        assert files == []
        return
    assert table_files(loaded(catalog, dataset)) == sorted(files)
    assert table_rows(loaded(catalog, dataset)) == rows_of(files)


# Equal to what has landed -------------------------------------------------------------------------


def test_the_table_has_what_has_landed(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    assert follow_iceberg(lake, catalog) == []
    land(lake)
    land(lake, log=GRAPH)
    land(lake, DEVICES)
    before = sorted(root.rglob("*"))
    alerts, devices = follow_iceberg(lake, catalog)
    assert sorted(root.rglob("*")) == before
    snapshot = loaded(catalog).current_snapshot()
    assert snapshot is not None
    assert alerts == TableResult("alerts", snapshot.snapshot_id, 1, 2, 0, 2, {ENDPOINT: 2, GRAPH: 1})
    for dataset in ("alerts", DEVICES):
        assert_equal(catalog, lake, dataset)
    assert [table[1] for table in catalog.list_tables("defender")] == ["alerts", "events_deviceinfo"]
    again = follow_iceberg(lake, catalog)
    assert [each.versions for each in again] == [0, 0]
    assert [each.version for each in again] == [alerts.version, devices.version]
    assert follow_iceberg(lake, catalog, datasets="incidents") == [TableResult("incidents", None)]
    rows = pl.scan_iceberg(loaded(catalog)).collect()
    assert rows["@timestamp"].to_list() == [START, START]


@pytest.mark.parametrize("seed", range(3))
def test_random_histories(root: Path, catalog: Catalog, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two logs in the same partitions land, are compacted and lose files; tables are rebuilt now and then."""
    monkeypatch.setattr("airflow_provider_defender.lake.tables.iceberg._FILES_AT_ONCE", 2)
    chance, lake = random.Random(seed), local_lake(root)
    for _ in range(7):
        goes_on(lake, chance, chance.randrange(1, 5))
        if chance.random() < 0.15 and catalog.table_exists("defender.alerts"):
            catalog.drop_table("defender.alerts")
        if chance.random() < 0.2:
            catalog.answers += [crash_before, crash_after][: chance.randint(1, 2)]
        for _ in range(3):  # killed up to twice
            with suppress(Crash):
                follow_iceberg(lake, catalog, datasets=None if chance.random() < 0.8 else "alerts")
        assert_equal(catalog, lake)
    follow_iceberg(lake, catalog)
    for dataset in ("alerts", DEVICES):
        assert_equal(catalog, lake, dataset)


def carry_out(commit: Callable[[], Any]) -> Any:
    return commit()


def crash_before(commit: Callable[[], Any]) -> Any:
    raise Crash


def crash_after(commit: Callable[[], Any]) -> Any:
    commit()
    raise Crash


def test_a_compaction_is_one_snapshot_with_the_same_rows(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    for _ in range(3):
        land(lake)
    land(lake, log=GRAPH)
    first = follow_iceberg(lake, catalog)[0]
    rows = table_rows(loaded(catalog))
    compact(lake)
    second = follow_iceberg(lake, catalog)[0]
    assert (second.versions, second.added, second.removed) == (1, 1, 3)
    table = loaded(catalog)
    assert table_rows(table) == rows
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.parent_snapshot_id == first.version
    assert snapshot.summary is not None
    summary = snapshot.summary.additional_properties
    assert {name: summary[name] for name in summary if name.startswith("defender.log.")} == {
        f"defender.log.{ENDPOINT}": "4",
        f"defender.log.{GRAPH}": "1",
    }


def test_a_day_of_events_in_one_file_fits_into_its_partition(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    moments = [START.replace(hour=hour) for hour in (0, 12, 23)]
    land(lake, DEVICES, rows=new_rows(moments))
    follow_iceberg(lake, catalog)
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="compaction") as transaction:
        transaction.write(DEVICES, new_rows(moments), Partitioning.DAY)
        transaction.remove([each.file.path for each in inputs_of(lake, DEVICES, ENDPOINT)])
        transaction.commit()
    (result,) = follow_iceberg(lake, catalog)
    assert (result.added, result.removed) == (1, 3)
    assert_equal(catalog, lake, DEVICES)


def test_a_dataset_without_files_any_more_has_an_empty_table(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    land(lake, DEVICES)
    follow_iceberg(lake, catalog)
    retire(lake, DEVICES)
    for folder in sorted((root / "events").rglob("*"), reverse=True):
        folder.rmdir()
    assert [each.dataset for each in follow_iceberg(lake, catalog)] == ["alerts", DEVICES]
    assert table_files(loaded(catalog, DEVICES)) == []
    assert_equal(catalog, lake)


def test_a_table_of_a_quiet_dataset_notes_how_far_it_has_come(
    root: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.tables.base._NUMBERS_BEHIND", 3)
    lake = local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    for _ in range(3):
        land(lake, DEVICES)
    (result,) = follow_iceberg(lake, catalog, datasets="alerts")
    assert (result.versions, result.added, result.numbers) == (1, 0, {ENDPOINT: 4})
    assert_equal(catalog, lake)


def test_a_condition_on_time_loses_no_rows(root: Path, catalog: Catalog) -> None:
    chance, lake = random.Random(5), local_lake(root)
    start = START.replace(hour=22)
    moments = [start + timedelta(microseconds=chance.randrange(3 * 86_400 * 10**6)) for _ in range(60)]
    moments += [datetime(2026, 11, 24, tzinfo=timezone.utc), datetime(1, 1, 1, tzinfo=timezone.utc)]
    rows = new_rows(moments)
    for part in range(4):
        land(lake, rows=rows.slice(part * 16, 16))
    follow_iceberg(lake, catalog)
    table = loaded(catalog)
    for _ in range(12):
        first, last = sorted(chance.choice(moments) for _ in range(2))
        times = And(at_least("@timestamp", first.isoformat()), below("@timestamp", last.isoformat()))
        expected = [
            tuple(row["landing"].values()) for row in rows.to_pylist() if first <= row["@timestamp"] < last
        ]
        assert table_rows(table, times) == sorted(expected)
    one_day = table.scan(at_least("@timestamp", "2026-11-25T00:00:00+00:00"))
    assert {"date=2026-11-25"} == {task.file.file_path.split("/")[-2] for task in one_day.plan_files()}


# Columns ------------------------------------------------------------------------------------------


def with_column(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.append_column(name, values)


def test_columns_of_newer_files_are_added(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    nested = pa.array([{"names": ["a", "b"], "at": START}])
    land(lake, rows=with_column(new_rows([START]), "more", nested))
    land(lake)
    follow_iceberg(lake, catalog)
    assert_equal(catalog, lake)
    found = [value for value in loaded(catalog).scan().to_arrow()["more"].to_pylist() if value]
    assert found == [{"names": ["a", "b"], "at": START}]
    read = pl.scan_iceberg(loaded(catalog)).select("more").collect()["more"].to_list()
    assert [value for value in read if value and value["names"]] == found


@pytest.mark.parametrize("kinds", [(pa.int32(), pa.int64()), (pa.int64(), pa.int32())], ids=str)
def test_a_number_may_become_wider(
    root: Path, catalog: Catalog, kinds: tuple[pa.DataType, pa.DataType]
) -> None:
    lake = local_lake(root)
    for number, kind in enumerate(kinds):
        land(lake, rows=with_column(new_rows([START]), "count", pa.array([number], kind)))
        follow_iceberg(lake, catalog)
    assert sorted(loaded(catalog).scan().to_arrow()["count"].to_pylist()) == [0, 1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (pa.array(["x"]), pa.array([1])),
        (pa.array([{"a": 1}]), pa.array([1])),
        (pa.array([1]), pa.array([{"a": 1}])),
        (pa.array([["x"]]), pa.array(["x"])),
        (pa.array([["x"]]), pa.array([[1]])),
    ],
    ids=lambda values: str(values.type),
)
def test_a_column_of_another_type_is_an_error_that_names_the_file(
    root: Path, catalog: Catalog, old: pa.Array, new: pa.Array
) -> None:
    lake = local_lake(root)
    land(lake, rows=with_column(new_rows([START]), "odd", old))
    land(lake, DEVICES)
    follow_iceberg(lake, catalog)
    before = loaded(catalog).metadata_location
    bad = land(lake, rows=with_column(new_rows([START]), "odd", new)).added[0].path
    land(lake, DEVICES)
    with pytest.raises(
        TableUnusable, match="type does not go with that in the Iceberg table of alerts"
    ) as got:
        follow_iceberg(lake, catalog)
    assert bad in str(got.value)
    assert loaded(catalog).metadata_location == before
    assert_equal(catalog, lake, DEVICES)  # the others are brought up to date


# Others at the same time --------------------------------------------------------------------------


def test_a_follower_that_comes_second_adds_no_file_twice(root: Path, catalog: Catalog) -> None:
    lake, other = local_lake(root), local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    land(lake)

    def overtaken(commit: Callable[[], Any]) -> Any:
        follow_iceberg(other, catalog)
        land(other)
        return commit()

    catalog.answers = [overtaken, carry_out, overtaken]  # the second is for the other follower
    (result,) = follow_iceberg(lake, catalog)
    assert result.numbers == {ENDPOINT: 4}
    assert_equal(catalog, lake)


def test_without_its_property_a_table_gets_it_again(root: Path, catalog: Catalog) -> None:
    """With pyiceberg's own retries, the files of an overtaken commit would be appended again."""
    lake, other = local_lake(root), local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    with loaded(catalog).transaction() as transaction:
        transaction.remove_properties("commit.retry.num-retries")
    land(lake)

    def overtaken(commit: Callable[[], Any]) -> Any:
        follow_iceberg(other, catalog)
        return commit()

    catalog.answers = [carry_out, overtaken]
    follow_iceberg(lake, catalog)
    assert_equal(catalog, lake)


def test_a_log_that_was_restored_and_has_landed_since_is_told(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    with restored(root):
        land(lake)
        follow_iceberg(lake, catalog)
    for _ in range(2):
        land(lake)
    with pytest.raises(TableUnusable, match=r"commit 2 with the digest .* was restored"):
        follow_iceberg(lake, catalog)
    catalog.drop_table("defender.alerts")
    follow_iceberg(lake, catalog)
    assert_equal(catalog, lake)


def failed(commit: Callable[[], Any]) -> Any:
    raise CommitFailedException("another was faster")


def lost_answer(commit: Callable[[], Any]) -> Any:
    commit()
    raise CommitStateUnknownException("no answer")


@pytest.mark.parametrize("answer", [failed, lost_answer])
def test_a_commit_without_success_is_looked_at_again(root: Path, catalog: Catalog, answer: Answer) -> None:
    lake = local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    land(lake)
    catalog.answers = [answer]
    (result,) = follow_iceberg(lake, catalog)
    assert result.numbers == {ENDPOINT: 2}
    assert_equal(catalog, lake)


def test_a_follower_that_always_comes_second_gives_up(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    land(lake)
    catalog.answers = [failed] * 8
    with pytest.raises(TableConflict, match="Iceberg table of alerts faster, 8 times"):
        follow_iceberg(lake, catalog)
    follow_iceberg(lake, catalog)
    assert_equal(catalog, lake)


def test_a_file_that_a_compaction_takes_away_meanwhile(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    for _ in range(2):
        land(lake)

    def take(name: str, path: str, step: Callable[[], Any]) -> Any:
        if name == "open" and not compacted:
            compacted.append(compact(local_lake(root)))
        return step()

    compacted: list[Any] = []
    lake.storage = SteppedStorage(lake.storage, take)
    (result,) = follow_iceberg(lake, catalog)
    assert result.added == 1
    assert_equal(catalog, lake)


def test_a_file_that_is_lost_is_an_error_that_names_it(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    lost = root / land(lake).added[0].path
    lost.unlink()
    with pytest.raises(TableUnusable, match="is not there") as got:
        follow_iceberg(lake, catalog)
    assert lost.name in str(got.value)


def test_killed_at_every_step(root: Path, folder: Path) -> None:
    """Before each footer that is read, and each of the table's files that is read or written."""
    lake = local_lake(root)
    land(lake, rows=new_rows([START, START + timedelta(days=1)]))
    for number in range(60):
        place = folder / str(number)
        place.mkdir()
        catalog = Catalog(place, **{"py-io-impl": f"{__name__}.SteppedFileIO"})
        steps = iter(range(number + 1))

        def take(name: str, path: str, step: Callable[[], Any], steps: Iterator[int] = steps) -> Any:
            if next(steps, None) is None:
                raise Crash
            return step()

        stepped = local_lake(root)
        stepped.storage = SteppedStorage(stepped.storage, take)
        SteppedFileIO.take = staticmethod(take)
        try:
            follow_iceberg(stepped, catalog)
            ended = True
        except Crash:
            ended = False
        catalog.close()
        catalog = Catalog(place)
        follow_iceberg(local_lake(root), catalog)
        assert_equal(catalog, lake)
        catalog.close()
        if ended:
            assert number > 10
            return
    raise AssertionError("the work has not ended")


# Tables of others ---------------------------------------------------------------------------------


def test_a_table_that_another_program_has_changed_is_refused(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    copy = root.parent / "copy.parquet"
    copy.write_bytes(Path(committed_files(lake, "alerts")[0]).read_bytes())
    loaded(catalog).add_files([f"file://{copy}"])
    land(lake)
    with pytest.raises(TableUnusable, match=r"defender.alerts was changed by another program.*never purge"):
        follow_iceberg(lake, catalog)
    catalog.drop_table("defender.alerts")
    follow_iceberg(lake, catalog)
    assert_equal(catalog, lake)


def test_a_snapshot_of_others_without_files_is_passed_over(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    with loaded(catalog).transaction() as transaction:
        transaction.update_snapshot().merge_append().commit()
    assert [each.versions for each in follow_iceberg(lake, catalog)] == [0]
    land(lake)
    assert [each.added for each in follow_iceberg(lake, catalog)] == [1]
    assert_equal(catalog, lake)


def test_a_table_rolled_back_goes_on_from_there(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    first = follow_iceberg(lake, catalog)[0]
    assert first.version is not None
    land(lake)
    follow_iceberg(lake, catalog)
    table = loaded(catalog)
    with table.transaction() as transaction:
        updates, requirements = transaction._set_ref_snapshot(first.version, "main", "branch")
        transaction._apply(updates, requirements)  # pyiceberg 0.10 has no other way
    assert [each.added for each in follow_iceberg(lake, catalog)] == [1]
    assert_equal(catalog, lake)


def test_a_table_of_another_lake_is_refused(root: Path, catalog: Catalog, folder: Path) -> None:
    lake = local_lake(root)
    land(lake)
    land(lake, DEVICES)
    other = local_lake(folder / "other")
    land(other)
    follow_iceberg(other, catalog)
    with pytest.raises(TableUnusable, match=r"alerts is not of the dataset 'alerts' of the lake .*la ke%20"):
        follow_iceberg(lake, catalog)
    assert_equal(catalog, lake, DEVICES)
    assert_equal(catalog, other)
    follow_iceberg(lake, catalog, "here")
    assert table_files(catalog.load_table("here.alerts")) == committed_files(lake, "alerts")


def test_a_table_ahead_of_its_log_is_refused(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    land(lake, log=GRAPH)
    follow_iceberg(lake, catalog)
    (root / "_defender" / GRAPH / "commits" / "00000001.json").unlink()
    (root / "_defender" / GRAPH / "head.json").unlink()
    land(lake, DEVICES)
    with pytest.raises(TableUnusable, match=f"table of alerts has followed {GRAPH} up to commit 1"):
        follow_iceberg(lake, catalog)
    assert_equal(catalog, lake, DEVICES)


def test_names_that_cannot_be_used(root: Path, catalog: Catalog, folder: Path) -> None:
    lake = local_lake(root)
    for datasets, message in (
        (["events/A", "events/a"], "would have the same table, 'events_a'"),
        ("Alerts!", "'Alerts!' is not a dataset name"),
    ):
        with pytest.raises(ValueError, match=message):
            follow_iceberg(lake, catalog, datasets=datasets)
    with pytest.raises(ValueError, match=r"has \? in its path"):
        follow_iceberg(folder / "what?", catalog)


# The table's own files, and catalogs --------------------------------------------------------------


def test_old_snapshots_go_and_no_file_with_them(root: Path, catalog: Catalog) -> None:
    clock = Clock(datetime.now(timezone.utc))
    lake = local_lake(root, clock)
    for dataset in ("alerts", DEVICES):
        for _ in range(2):
            land(lake, dataset)
            follow_iceberg(lake, catalog)
    assert len(loaded(catalog).snapshots()) == 2
    land(lake)
    compact(lake)
    clock.advance(timedelta(days=6))
    follow_iceberg(lake, catalog)
    assert len(loaded(catalog).snapshots()) == 1
    assert len(loaded(catalog, DEVICES).snapshots()) == 2  # it was not written
    land(lake, DEVICES)
    follow_iceberg(lake, catalog)
    for dataset in ("alerts", DEVICES):
        assert_equal(catalog, lake, dataset)


def test_others_may_not_delete_what_the_table_names(root: Path, catalog: Catalog) -> None:
    lake = local_lake(root)
    land(lake)
    follow_iceberg(lake, catalog)
    assert loaded(catalog).properties["gc.enabled"] == "false"


def test_pyiceberg_has_nothing_to_warn_of(
    root: Path, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    lake = local_lake(root)
    rows = new_rows([START])
    land(lake, rows=rows.set_column(2, "text", pa.array(["long " * 1000])))
    with caplog.at_level(logging.WARNING):
        follow_iceberg(lake, catalog)
    assert caplog.text == ""


def test_a_catalog_by_its_properties_or_name(
    root: Path, folder: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = local_lake(root)
    land(lake)
    place = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    follow_iceberg(root, {"name": "tests", "type": "sql", **place})
    assert_equal(catalog, lake)
    land(lake)
    for name, value in {"type": "sql", **place}.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__TESTS__{name.upper()}", value)
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", type(_env())())
    follow_iceberg(root, "tests")
    assert_equal(catalog, lake)


def _env() -> Any:
    from pyiceberg import catalog

    return catalog._ENV_CONFIG


def test_pyiceberg_is_imported_only_when_it_is_used() -> None:
    code = "import sys, airflow_provider_defender.lake; sys.exit('pyiceberg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({"account_name": "me"}, "me.dfs.core.windows.net"),
        (
            {"account_name": "me", "account_host": "me.blob.core.usgovcloudapi.net"},
            "me.dfs.core.usgovcloudapi.net",
        ),
        (
            {"connection_string": "AccountName=me;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn"},
            "me.dfs.core.chinacloudapi.cn",
        ),
    ],
)
def test_files_in_azure_are_named_with_their_account(options: dict[str, str], host: str) -> None:
    filesystem = AzureBlobFileSystem(**options, skip_instance_cache=True)
    lake = Lake(filesystem, "container/lake")
    assert location(lake, "alerts/date=2026-11-22/a.parquet") == (
        f"abfss://container@{host}/lake/alerts/date=2026-11-22/a.parquet"
    )
