"""Partition files."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.lake import (
    VersionsLedger,
    WriterSettings,
    parquet,
)
from airflow_provider_defender.lake.encoding import write_small
from airflow_provider_defender.lake.parquet import partitions
from airflow_provider_defender.lake.storage.local import LocalStorage
from airflow_provider_defender.lake.storage.storage import WholeFile, Written
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.support import ALERTS, START, alerts, local_lake, open_log, version


def write(
    root: Path, table: pa.Table, dataset: str = "alerts", slices: int = 1, **options: int
) -> list[Path]:
    size = -(-table.num_rows // slices)
    return write_tables(
        root, (table.slice(start, size) for start in range(0, table.num_rows, size)), **options
    )


def write_tables(root: Path, tables: Iterable[pa.Table], **options: int) -> list[Path]:
    lake = local_lake(root, settings=WriterSettings(**options))
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="drain") as transaction:
        for table in tables:
            transaction.write("alerts", table, Partitioning.DAY)
        record = transaction.commit()
    assert record is not None
    assert [file.rows for file in record.added] == [
        pq.ParquetFile(root / file.path).metadata.num_rows for file in record.added
    ]
    return [root / file.path for file in record.added]


def many(rows: int) -> pa.Table:
    return alerts((f"k{n}", version(START), START) for n in range(rows))


def test_files_have_statistics_and_a_page_index(tmp_path: Path) -> None:
    [path] = write(tmp_path, many(5000))
    metadata = pq.ParquetFile(path).metadata
    for number in range(metadata.num_columns):
        column = metadata.row_group(0).column(number)
        assert column.is_stats_set
        assert column.has_column_index
        assert column.has_offset_index
    assert pq.ParquetFile(path).schema_arrow.equals(ALERTS)


def test_files_with_a_page_a_column_have_statistics_only(tmp_path: Path) -> None:
    [path] = write(tmp_path, many(2000))
    metadata = pq.ParquetFile(path).metadata
    columns = [metadata.row_group(0).column(number) for number in range(metadata.num_columns)]
    assert all(column.is_stats_set for column in columns)
    assert not any(column.has_column_index or column.has_offset_index for column in columns)


def test_few_rows_with_pages_of_long_texts_have_a_page_index(tmp_path: Path) -> None:
    [path] = write(tmp_path, alerts(((f"k{n}", version(START), START) for n in range(2000)), text="x" * 1000))
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).has_offset_index


def compressions(path: Path) -> dict[str, str]:
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return {column.path_in_schema: column.compression for column in columns}


def test_columns_of_3_kib_or_more_are_compressed(tmp_path: Path) -> None:
    few, many_rows = (write(tmp_path / str(rows), many(rows))[0] for rows in (10, 1000))
    assert set(compressions(few).values()) == {"UNCOMPRESSED"}
    assert compressions(many_rows)["landing.key"] == "ZSTD"


def test_nested_schemas_read_back_equal_without_a_copy_of_them_in_the_file(tmp_path: Path) -> None:
    table = alerts([("a", version(START), START)])
    inner = pa.struct(
        [("when", pa.timestamp("us", "UTC")), ("names", pa.list_(pa.string())), ("n", pa.int32())]
    )
    rows = pa.array([{"when": START, "names": ["x", None], "n": 1}], inner)
    table = table.append_column("nested", rows).append_column(
        "lists", pa.array([[{"n": 1}]], pa.list_(inner))
    )
    [path] = write(tmp_path, table)
    file = pq.ParquetFile(path)
    assert b"ARROW:schema" not in (file.metadata.metadata or {})
    assert file.schema_arrow.equals(table.schema)
    assert file.read().equals(table)


def test_columns_without_values_and_long_texts_are_written_plainly(tmp_path: Path) -> None:
    """In files of row groups."""
    table = many(10).append_column(
        "empty", pa.array([{"leaf": None}] * 10, pa.struct([("leaf", pa.string())]))
    )
    table = table.append_column("long", pa.array([f"{n}" * 2000 for n in range(10)]))
    [path] = write(tmp_path, table, buffer_bytes=0)
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert columns["empty.leaf"].compression == "UNCOMPRESSED"
    assert columns["empty.leaf"].statistics.null_count == 10
    assert columns["long"].compression == "ZSTD"
    assert not columns["long"].has_dictionary_page
    assert not columns["long"].is_stats_set
    assert columns["landing.key"].has_dictionary_page
    assert pq.ParquetFile(path).read().equals(table)


def encodings(path: Path) -> dict[str, bool]:
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return {column.path_in_schema: column.has_dictionary_page for column in columns}


def test_files_of_few_rows_have_no_dictionaries(tmp_path: Path) -> None:
    few, enough = (write(tmp_path / str(rows), many(rows))[0] for rows in (7, 8))
    assert not any(encodings(few).values())
    assert all(encodings(enough).values())


def test_long_texts_of_few_rows_are_compressed_and_have_no_statistics(tmp_path: Path) -> None:
    """In files of row groups, however deep they lie, and beside short ones."""
    inner = pa.struct([("long", pa.string()), ("short", pa.string()), ("number", pa.int64())])
    rows = [{"long": f"{n}" * 3000, "short": "x", "number": n} for n in range(3)]
    table = many(3).append_column("lists", pa.array([[each] for each in rows], pa.list_(inner)))
    [path] = write(tmp_path, table, buffer_bytes=0)
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert {name for name, each in columns.items() if each.compression == "ZSTD"} == {
        "lists.list.element.long"
    }
    assert {name for name, each in columns.items() if not each.is_stats_set} == {"lists.list.element.long"}
    assert pq.ParquetFile(path).read().equals(table)


def test_the_memory_around_a_slice_does_not_count(tmp_path: Path) -> None:
    texts = pa.array(["x" * 100_000, *("y" * 10 for _ in range(20))])
    [path] = write(tmp_path, many(21).append_column("text", texts).slice(1))
    assert compressions(path)["text"] == "UNCOMPRESSED"
    assert encodings(path)["text"]


def test_schemas_of_the_same_names_are_told_apart(tmp_path: Path) -> None:
    for number, arrow_type in enumerate([pa.int64(), pa.struct([("leaf", pa.string())]), pa.string()]):
        table = many(10).append_column("last", pa.array([None] * 10, arrow_type))
        [path] = write(tmp_path / str(number), table)
        assert pq.ParquetFile(path).read().equals(table)
        assert encodings(path)["landing.key"]


def test_columns_that_fill_later_in_a_file_land_too(tmp_path: Path) -> None:
    rows = pa.concat_tables(
        many(5).append_column("late", pa.array([value] * 5, pa.list_(pa.string()))) for value in (None, ["x"])
    )
    [path] = write(tmp_path, rows, slices=2, buffer_bytes=0)
    assert pq.ParquetFile(path).metadata.num_row_groups == 2
    assert pq.ParquetFile(path).read().equals(rows)


def test_only_files_whose_rows_are_all_there_are_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def noted(sink: Any, rows: pa.Table, level: int) -> None:
        written.append(rows.num_rows)
        write_small(sink, rows, level)

    monkeypatch.setattr(parquet, "write_small", noted)
    write(tmp_path / "pieces", many(300), slices=10)
    write(tmp_path / "large", many(1001), slices=10)
    write(tmp_path / "row groups", many(100), slices=10, row_group_rows=30)
    assert written == [300]


def test_small_writes_become_large_row_groups(tmp_path: Path) -> None:
    assert WriterSettings().row_group_rows == 128 * 1024
    [path] = write(tmp_path, many(3000), slices=100, row_group_rows=1000)
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert max(groups) == 1000
    assert len(groups) <= 5


def test_rows_wait_in_bounded_memory(tmp_path: Path) -> None:
    [path] = write(tmp_path, many(10_000), slices=100, buffer_bytes=64 * 1024)
    assert pq.ParquetFile(path).metadata.num_row_groups > 5


def test_memory_that_waiting_rows_share_counts_once(tmp_path: Path) -> None:
    rows = many(10_000)
    size = rows.get_total_buffer_size()
    [path] = write(tmp_path, rows, slices=100, buffer_bytes=size + 64 * 1024)
    assert pq.ParquetFile(path).metadata.num_row_groups == 1


def test_a_file_that_is_large_enough_is_followed_by_another(tmp_path: Path) -> None:
    paths = write(tmp_path, many(10_000), slices=10, buffer_bytes=0, file_bytes=8 * 1024)
    assert len(paths) > 2
    assert len({path.parent for path in paths}) == 1


def test_the_least_recently_used_file_is_closed(tmp_path: Path) -> None:
    days = [0, 1, 0, 2, 0, 1]
    table = alerts((f"k{n}", version(START), START + timedelta(days=day)) for n, day in enumerate(days))
    paths = write(tmp_path, table, slices=len(days), open_files=2, buffer_bytes=0)
    names = sorted((path.parent.name, pq.ParquetFile(path).metadata.num_rows) for path in paths)
    assert names == [
        ("date=2026-11-22", 3),
        ("date=2026-11-23", 1),
        ("date=2026-11-23", 1),
        ("date=2026-11-24", 1),
    ]


def test_rows_of_many_small_partitions_wait_rather_than_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file a partition, in whatever order their rows come, and few of them open at once."""
    counts = count_open_files(monkeypatch)
    days = [n % 50 for n in range(500)]
    table = alerts((f"k{n}", version(START), START + timedelta(days=day)) for n, day in enumerate(days))
    paths = write(tmp_path, table, slices=25, open_files=4)
    assert len(paths) == len({path.parent for path in paths}) == 50
    assert all(pq.ParquetFile(path).metadata.num_row_groups == 1 for path in paths)
    assert counts.most <= 4


def test_a_large_partition_stays_open_beside_many_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = count_open_files(monkeypatch)
    large = [(f"l{n}", version(START), START) for n in range(4000)]
    small = [(f"s{n}", version(START), START + timedelta(days=1 + n % 10)) for n in range(400)]
    tables = [alerts(large[n * 100 :][:100] + small[n * 10 :][:10]) for n in range(40)]
    paths = write_tables(tmp_path, tables, open_files=2, buffer_bytes=128 * 1024)
    assert len(paths) == len({path.parent for path in paths}) == 11
    groups = sorted(pq.ParquetFile(path).metadata.num_row_groups for path in paths)
    assert groups[-2:] == [1, groups[-1]]
    assert groups[-1] > 2
    assert counts.most <= 2


class OpenFiles:
    """How many files of a store are open, and at most were."""

    now = most = 0

    def change(self, by: int) -> None:
        self.now += by
        self.most = max(self.most, self.now)


def count_open_files(monkeypatch: pytest.MonkeyPatch) -> OpenFiles:
    counts = OpenFiles()
    new_file = LocalStorage.new_file

    def counted(self: LocalStorage, path: str) -> WholeFile:
        file = new_file(self, path)
        finish = file.finish
        counts.change(1)

        def finish_counted() -> Written:
            counts.change(-1)
            return finish()

        file.finish = finish_counted  # type: ignore[method-assign]
        return file

    monkeypatch.setattr(LocalStorage, "new_file", counted)
    return counts


def test_files_are_encoded_by_the_caller_and_finished_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoding in several threads takes longer: they wait for each other at every column."""
    encoders: set[str] = set()
    together = threading.Barrier(4)
    new_file = LocalStorage.new_file

    def met(self: LocalStorage, path: str) -> WholeFile:
        file = new_file(self, path)
        finish = file.finish

        def finish_together() -> Written:
            together.wait(60)
            return finish()

        file.finish = finish_together  # type: ignore[method-assign]
        return file

    def noted(*args: Any) -> None:
        encoders.add(threading.current_thread().name)
        write_small(*args)

    monkeypatch.setattr(LocalStorage, "new_file", met)
    monkeypatch.setattr(parquet, "write_small", noted)
    table = alerts((f"k{n}", version(START), START + timedelta(days=n)) for n in range(8))
    assert len(write(tmp_path, table, closed_at_once=4)) == 8
    assert encoders == {threading.current_thread().name}


@pytest.mark.parametrize("failing", [0, 3, 7])
def test_what_a_file_raises_when_it_is_finished_is_raised_by_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    new_file = LocalStorage.new_file
    numbers = itertools.count()

    def broken(self: LocalStorage, path: str) -> WholeFile:
        file = new_file(self, path)
        if next(numbers) == failing:
            file.finish = full  # type: ignore[method-assign]
        return file

    def full() -> Written:
        raise OSError(28, "no space left")

    monkeypatch.setattr(LocalStorage, "new_file", broken)
    table = alerts((f"k{n}", version(START), START + timedelta(days=n)) for n in range(8))
    with pytest.raises(OSError, match="no space left"):
        write(tmp_path, table, closed_at_once=4)
    assert open_log(local_lake(tmp_path)).head().number == 0
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("partitioning", list(Partitioning))
def test_rows_of_one_partition_are_passed_on_as_they_are(partitioning: Partitioning) -> None:
    table = many(3)
    [(_, rows)] = partitions("alerts", table, partitioning)
    assert rows is table


def test_rows_go_by_utc_date_and_events_by_hour(tmp_path: Path) -> None:
    moments = [
        "1969-12-31T23:59:59",
        "2026-11-22T00:00:00",
        "2026-11-22T23:59:59.999999",
        "2026-11-23T00:00:00",
    ]
    rows = [("k", "1", datetime.fromisoformat(text).replace(tzinfo=timezone.utc)) for text in moments]
    assert [folder for folder, _ in partitions("alerts", alerts(rows), Partitioning.DAY)] == [
        "alerts/date=1969-12-31",
        "alerts/date=2026-11-22",
        "alerts/date=2026-11-23",
    ]
    assert [folder for folder, _ in partitions("events/DeviceInfo", alerts(rows), Partitioning.HOUR)] == [
        "events/DeviceInfo/date=1969-12-31/hour=23",
        "events/DeviceInfo/date=2026-11-22/hour=00",
        "events/DeviceInfo/date=2026-11-22/hour=23",
        "events/DeviceInfo/date=2026-11-23/hour=00",
    ]
