"""The lake's writer of partitions: what it holds in memory, and the files and row groups that come of it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.lake import VersionsLedger, WriterSettings
from airflow_provider_defender.lake import parquet as parquet_module
from airflow_provider_defender.lake.parquet import partitions
from airflow_provider_defender.lake.storage.local import LocalStorage
from airflow_provider_defender.lake.storage.storage import WholeFile, Written
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.support import START, alerts, local_lake, open_log, version

ROWS = 20
TEXT = "x" * 400  # so that the rows of a write take more memory than the objects that hold them
LEAVES = 5  # columns of a row of `alerts`, as Parquet counts
UNIT = LEAVES * parquet_module._FOOTER_BYTES


class Held:
    """What the writers of all open files hold for their footers: one for each file and each row group."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units: dict[int, int] = {}
        self.most = 0
        held = self

        class Writer(pq.ParquetWriter):  # type: ignore[misc]
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                held.units[id(self)] = 1

            def write_table(self, table: pa.Table, row_group_size: int | None = None) -> None:
                held.most = max(held.most, sum(held.units.values()))
                super().write_table(table, row_group_size)
                held.units[id(self)] += -(-table.num_rows // (row_group_size or table.num_rows))

            def close(self) -> None:
                super().close()
                held.units.pop(id(self), None)

        monkeypatch.setattr(f"{parquet_module.__name__}.pq.ParquetWriter", Writer)


def write(root: Path, days: Iterable[int], **options: int) -> list[pq.FileMetaData]:
    """Write `ROWS` rows of each of these days, one day after the other: what the files say."""
    lake = local_lake(root, settings=WriterSettings(**options))
    log = open_log(lake)
    rows = 0
    with log.begin(log.head(), VersionsLedger(), kind="drain") as transaction:
        for day in days:
            moment = START + timedelta(days=day)
            keys = (f"k{rows + n}" for n in range(ROWS))
            transaction.write(
                "alerts", alerts(((key, version(START), moment) for key in keys), text=TEXT), Partitioning.DAY
            )
            rows += ROWS
        record = transaction.commit()
    assert record is not None
    found = [pq.read_metadata(root / file.path) for file in record.added]
    assert sum(each.num_rows for each in found) == rows
    return found


def row_groups(files: list[pq.FileMetaData]) -> int:
    return sum(each.num_row_groups for each in files)


def size_of_a_write() -> int:
    rows = alerts(((f"k{n}", version(START), START) for n in range(ROWS)), text=TEXT)
    assert rows.get_total_buffer_size() > LEAVES * parquet_module._PIECE_BYTES
    return int(rows.get_total_buffer_size())


def test_the_leaves_of_these_tests_are_counted_right(tmp_path: Path) -> None:
    [file] = write(tmp_path, [0])
    assert file.num_columns == LEAVES


def test_what_footers_will_say_is_held_for_few_row_groups_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9: a writer keeps it until the file is closed, 0.9 MB a row group of alerts."""
    held = Held(monkeypatch)
    files = write(tmp_path, Random(7).choices(range(10), k=400), buffer_bytes=0, footer_bytes=40 * UNIT)
    assert row_groups(files) == 400
    assert held.most <= 40 + 1  # a file that is begun only then
    assert not held.units


def test_the_bound_counts_the_row_groups_of_one_large_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    files = write(tmp_path, [0] * 6, row_group_rows=2, buffer_bytes=0, footer_bytes=20 * UNIT)
    assert (len(files), row_groups(files)) == (3, 60)
    assert held.most <= 20


def test_without_need_no_file_is_closed_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    files = write(tmp_path, [*range(10), *range(10)], buffer_bytes=0)
    assert (len(files), row_groups(files)) == (10, 20)
    assert held.most > 20


def test_a_file_that_waits_for_the_disk_holds_no_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9: closed, one holds as much memory as before."""
    encoders: weakref.WeakSet[pq.ParquetWriter] = weakref.WeakSet()
    closed: list[bool] = []
    new_file = LocalStorage.new_file

    class Writer(pq.ParquetWriter):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            encoders.add(self)

    def noted(self: LocalStorage, path: str) -> WholeFile:
        file = new_file(self, path)
        finish = file.finish

        def finish_noted() -> Written:
            closed.extend(not each.is_open for each in encoders)
            return finish()

        file.finish = finish_noted  # type: ignore[method-assign]
        return file

    monkeypatch.setattr(f"{parquet_module.__name__}.pq.ParquetWriter", Writer)
    monkeypatch.setattr(LocalStorage, "new_file", noted)
    assert len(write(tmp_path, range(6), closed_at_once=1, buffer_bytes=0)) == 6
    assert closed
    assert not any(closed)


def test_what_the_source_has_left_behind_is_closed_first(tmp_path: Path) -> None:
    """Sorted by time, a million rows make one file a day, whatever the bound and however busy a day was."""
    days = [day for day, groups in enumerate([1, 1, 1, 1, 6, 1, 1, 1, 6, 1, 1]) for _ in range(4 * groups)]
    files = write(tmp_path, days, buffer_bytes=4 * size_of_a_write(), footer_bytes=10 * UNIT)
    assert len(files) == 11


def test_else_the_files_with_the_largest_footers_are_closed(tmp_path: Path) -> None:
    """Those longest unused would make 65 files here."""
    days = [day for _ in range(40) for day in (0, 0, 0, 0, 1, 2, 3)]
    files = write(tmp_path, days, row_group_rows=ROWS, footer_bytes=20 * UNIT)
    assert len(files) < 45


def test_rows_that_the_source_has_left_behind_leave_room_for_the_next(tmp_path: Path) -> None:
    """Held back until theirs are the most, they would make ever smaller row groups of the others."""
    days = [day for day in range(12) for _ in range(27)]
    files = write(tmp_path, days, buffer_bytes=5 * size_of_a_write())
    assert len(files) == 12
    assert row_groups(files) <= 12 * 6


def test_small_pieces_become_one_rather_than_row_groups(tmp_path: Path) -> None:
    """A piece of few rows takes more memory than its rows do."""
    pieces = 20
    lake = local_lake(
        tmp_path, settings=WriterSettings(buffer_bytes=pieces * LEAVES * parquet_module._PIECE_BYTES)
    )
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="drain") as transaction:
        for number in range(150):
            transaction.write("alerts", alerts([(f"k{number}", version(START), START)]), Partitioning.DAY)
            waiting = [
                table for file in transaction._staging._writer._files.values() for table in file.waiting
            ]
            assert len(waiting) <= pieces
        record = transaction.commit()
    assert record is not None
    [file] = record.added
    assert pq.read_metadata(tmp_path / file.path).num_row_groups == 1


def test_else_the_largest_row_groups_are_written(tmp_path: Path) -> None:
    """Those longest without new rows would make 133 here."""
    files = write(tmp_path, Random(7).choices(range(10), k=400), buffer_bytes=20 * size_of_a_write())
    assert len(files) == 10
    assert row_groups(files) < 110


def test_most_rows_of_a_table_are_not_copied_where_they_lie_together() -> None:
    """A source sorted by time is cut where the day ends; 490 columns take a while to copy."""
    days = [0] * 7 + [1] * 3 + [2] * 30 + [1] * 2
    table = alerts((f"k{n}", version(START), START + timedelta(days=day)) for n, day in enumerate(days))
    found = [rows for _, rows in partitions("alerts", table, Partitioning.DAY)]
    assert [rows.num_rows for rows in found] == [7, 5, 30]
    for day, rows in enumerate(found):
        assert rows.equals(table.filter(pa.array([each == day for each in days])))
    assert [shares_memory(rows, table) for rows in found] == [False, False, True]
    apart = alerts((f"k{n}", version(START), START + timedelta(days=n % 3 // 2)) for n in range(30))
    assert [rows.num_rows for _, rows in partitions("alerts", apart, Partitioning.DAY)] == [20, 10]
    assert not any(shares_memory(rows, apart) for _, rows in partitions("alerts", apart, Partitioning.DAY))


def shares_memory(rows: pa.Table, whole: pa.Table) -> bool:
    values, all_values = (table["@timestamp"].chunk(0).buffers()[1] for table in (rows, whole))
    return bool(values.address == all_values.address)
