"""The lake's parts: Parquet files, sets of versions, positions, exact reading."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from lake_support import ALERTS, LOG, START, alerts, drain, local_lake, version

from airflow_provider_defender.lake import Lake, RestPosition, Watermark, WriterSettings, committed_files
from airflow_provider_defender.lake import _position as position_module
from airflow_provider_defender.lake._keys import (
    KEYS,
    TIMELESS,
    DigestSet,
    NewestVersions,
    bound_for,
    digest,
    joined,
    since,
    ticks_of,
)
from airflow_provider_defender.lake._local import LocalStorage
from airflow_provider_defender.lake._parquet import partitions
from airflow_provider_defender.lake._position import RestChange, parse_position
from airflow_provider_defender.lake._storage import WholeFile
from airflow_provider_defender.timestamps import format_ticks

T0 = 17_953_488_000_000_000
MINUTE = 600_000_000


# Parquet ------------------------------------------------------------------------------------------


def write(
    root: Path, table: pa.Table, dataset: str = "alerts", slices: int = 1, **options: int
) -> list[Path]:
    size = -(-table.num_rows // slices)
    return write_tables(
        root, (table.slice(start, size) for start in range(0, table.num_rows, size)), **options
    )


def write_tables(root: Path, tables: Iterable[pa.Table], **options: int) -> list[Path]:
    lake = local_lake(root, settings=WriterSettings(**options))
    log = lake.log(LOG)
    with log.begin(log.head(), kind="drain") as draft:
        for table in tables:
            draft.write("alerts", table)
        record = draft.commit()
    assert record is not None
    assert [file.rows for file in record.added] == [
        pq.ParquetFile(root / file.path).metadata.num_rows for file in record.added
    ]
    return [root / file.path for file in record.added]


def many(rows: int) -> pa.Table:
    return alerts((f"k{n}", version(START), START) for n in range(rows))


def test_files_are_zstd_with_statistics_and_page_index(tmp_path: Path) -> None:
    [path] = write(tmp_path, many(1000))
    metadata = pq.ParquetFile(path).metadata
    for number in range(metadata.num_columns):
        column = metadata.row_group(0).column(number)
        assert column.compression == "ZSTD"
        assert column.is_stats_set
        assert column.has_column_index
        assert column.has_offset_index
    assert pq.ParquetFile(path).schema_arrow.equals(ALERTS)


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
    table = many(10).append_column(
        "empty", pa.array([{"leaf": None}] * 10, pa.struct([("leaf", pa.string())]))
    )
    table = table.append_column("long", pa.array([f"{n}" * 2000 for n in range(10)]))
    [path] = write(tmp_path, table)
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert columns["empty.leaf"].compression == "UNCOMPRESSED"
    assert columns["empty.leaf"].statistics.null_count == 10
    assert columns["long"].compression == "ZSTD"
    assert not columns["long"].has_dictionary_page
    assert not columns["long"].is_stats_set
    assert columns["landing.key"].has_dictionary_page
    assert pq.ParquetFile(path).read().equals(table)


def test_columns_that_fill_later_in_a_file_land_too(tmp_path: Path) -> None:
    rows = pa.concat_tables(
        many(5).append_column("late", pa.array([value] * 5, pa.list_(pa.string()))) for value in (None, ["x"])
    )
    [path] = write(tmp_path, rows, slices=2, buffer_bytes=0)
    assert pq.ParquetFile(path).metadata.num_row_groups == 2
    assert pq.ParquetFile(path).read().equals(rows)


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
    assert counts.most == 1


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

        def finish_counted() -> int:
            counts.change(-1)
            return finish()

        file.finish = finish_counted  # type: ignore[method-assign]
        return file

    monkeypatch.setattr(LocalStorage, "new_file", counted)
    return counts


def test_rows_go_by_utc_date_and_events_by_hour(tmp_path: Path) -> None:
    moments = [
        "1969-12-31T23:59:59",
        "2026-11-22T00:00:00",
        "2026-11-22T23:59:59.999999",
        "2026-11-23T00:00:00",
    ]
    rows = [("k", "1", datetime.fromisoformat(text).replace(tzinfo=timezone.utc)) for text in moments]
    assert [folder for folder, _ in partitions("alerts", alerts(rows))] == [
        "alerts/date=1969-12-31",
        "alerts/date=2026-11-22",
        "alerts/date=2026-11-23",
    ]
    assert [folder for folder, _ in partitions("events/DeviceInfo", alerts(rows))] == [
        "events/DeviceInfo/date=1969-12-31/hour=23",
        "events/DeviceInfo/date=2026-11-22/hour=00",
        "events/DeviceInfo/date=2026-11-22/hour=23",
        "events/DeviceInfo/date=2026-11-23/hour=00",
    ]


# Sets of versions ---------------------------------------------------------------------------------

texts = st.text(max_size=3)


@given(st.lists(st.tuples(texts, texts), max_size=60))
def test_a_digest_set_is_a_set(pairs: list[tuple[str, str]]) -> None:
    ours, theirs = DigestSet(), set()
    for pair in pairs:
        assert ours.add(digest(*pair)) == (pair not in theirs)
        theirs.add(pair)
    assert len(ours) == len(theirs)
    rows = joined(
        pa.array([key for key, _ in pairs], pa.string()), pa.array([v for _, v in pairs], pa.string())
    )
    half = DigestSet()
    half.add_texts(rows.slice(0, len(pairs) // 2))
    assert half.found(rows).to_pylist() == [pair in set(pairs[: len(pairs) // 2]) for pair in pairs]
    assert set(half) <= set(ours)
    assert half.isdisjoint(ours) == (len(pairs) < 2)


def test_a_match_across_two_digests_is_none() -> None:
    found = DigestSet()
    first, second = b"AA" + bytes(14), b"AA" + bytes(range(14))
    found.add(first)
    found.add(second)
    across = (first + second)[14:30]
    assert across[:2] == bytes(2)
    bucket = bytes(2) + b"A" * 14
    other = DigestSet()
    other.add(bytes(2) + bytes(12) + b"\0\0")
    other.add(bytes(16)[:2] + b"A" * 14)
    assert bucket in other
    assert bytes(15) + b"A" not in other


def pages(count: int) -> Iterator[list[tuple[str, str]]]:
    for page in range(count // 10_000):
        yield [(f"tenant/{n}", format_ticks(T0 + n)) for n in range(page * 10_000, (page + 1) * 10_000)]


def test_a_hundred_thousand_versions_take_little_memory(tmp_path: Path) -> None:
    """As sets of strings they would take 30 MB; and a million take ten times the bytes in digests only."""
    log = local_lake(tmp_path).log(LOG)
    with log.begin(log.head(), kind="drain") as draft:
        before = pa.total_allocated_bytes()
        for page in pages(100_000):
            assert all(draft.select_new(page))
        digests = sum(map(sys.getsizeof, draft._seen._buckets.values()))
        assert digests < 100_000 * 80
        assert pa.total_allocated_bytes() - before < 25_000_000
        assert not any(draft.select_new(page)[0] for page in pages(100_000))


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 10))
def test_the_newest_versions_are_kept_down_to_an_exact_bound(ticks: list[int], limit: int) -> None:
    kept = NewestVersions(limit)
    for n, tick in enumerate(ticks):
        kept.add([(f"k{n}", format_ticks(T0 + tick))])
    table, complete_from = kept.result()
    assert table.num_rows <= limit
    if complete_from is None:
        assert sorted(table["ticks"].to_pylist()) == sorted(T0 + tick for tick in ticks)
    else:
        assert len(ticks) > limit
        assert sorted(table["ticks"].to_pylist()) == sorted(T0 + t for t in ticks if T0 + t >= complete_from)


def test_versions_without_a_time_count_as_newest() -> None:
    assert ticks_of("content:abc") == ticks_of("") == TIMELESS
    table = keys(("a", T0), ("timeless", TIMELESS), ("b", T0 + 1))
    assert bound_for(table["ticks"], 2) == T0 + 1
    assert since(table, T0 + 1)["key"].to_pylist() == ["timeless", "b"]
    crowd = keys(("a", TIMELESS), ("b", TIMELESS))
    assert since(crowd, bound_for(crowd["ticks"], 1) or 0).num_rows == 0


# Positions ----------------------------------------------------------------------------------------


def keys(*pairs: tuple[str, int]) -> pa.Table:
    rows = [(key, "" if ticks == TIMELESS else format_ticks(ticks), ticks) for key, ticks in pairs]
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[], [], []], schema=KEYS)


def names(position: RestPosition) -> list[str]:
    return sorted(position.keys["key"].to_pylist())


def test_a_position_survives_its_record() -> None:
    position = RestPosition(T0, {"severity": ["High"]}, keys(("a", T0), ("b", TIMELESS)), T0 - MINUTE, True)
    again = parse_position(position.dump())
    assert again.dump() == position.dump()
    assert again.keys.equals(position.keys)
    with pytest.raises(ValueError, match="moon"):
        parse_position({"type": "moon"})


def test_a_drain_keeps_the_keys_of_the_next_overlap() -> None:
    old = RestPosition(T0, {}, keys(("below", T0 - 10 * MINUTE), ("in", T0)), T0 - 15 * MINUTE)
    read = keys(("in", T0), ("new", T0 + 10 * MINUTE))
    change = RestChange(read, None, T0 - 15 * MINUTE, Watermark(T0 + 10 * MINUTE))
    after = change.apply(old, rebased=False)
    assert (after.watermark, after.keys_from) == (T0 + 10 * MINUTE, T0 - 5 * MINUTE)
    assert names(after) == ["in", "new"]


def test_a_backfill_adds_keys_and_moves_nothing() -> None:
    old = RestPosition(T0, {"x": 1}, keys(("in", T0)), T0 - 15 * MINUTE)
    after = RestChange(keys(("new", T0 + 1), ("old", T0 - 20 * MINUTE))).apply(old, rebased=False)
    assert (after.watermark, after.keys_from, after.filters) == (T0, T0 - 15 * MINUTE, {"x": 1})
    assert names(after) == ["in", "new"]
    assert not after.moved_from(old)
    assert RestChange(keys(("new", T0))).apply(RestPosition(), rebased=False) == RestPosition()


def test_too_many_keys_are_cut_and_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound then says from where on they are complete, so that the next drain looks into the files."""
    monkeypatch.setattr(position_module, "KEYS_LIMIT", 3)
    read = keys(*((f"k{n}", T0 + n // 2) for n in range(6)))
    after = RestChange(read, None, None, Watermark(T0 + 2)).apply(RestPosition(), rebased=False)
    assert (names(after), after.keys_from, after.keys_capped) == (["k4", "k5"], T0 + 2, True)
    tie = keys(*((f"k{n}", T0) for n in range(6)))
    after = RestChange(tie, None, None, Watermark(T0)).apply(RestPosition(), rebased=False)
    assert (names(after), after.keys_from, after.keys_capped) == ([], T0 + 1, True)
    lost = keys(*((f"k{n}", TIMELESS) for n in range(6)))
    after = RestChange(lost, None, None, Watermark(T0)).apply(RestPosition(), rebased=False)
    assert (names(after), after.keys_from, after.keys_capped) == ([], None, True)


def test_ten_versions_on_one_timestamp_beyond_the_limit_land_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_module, "KEYS_LIMIT", 3)
    lake = local_lake(tmp_path)
    versions = [(f"k{n}", START) for n in range(10)]
    first = drain(lake, versions)
    assert first is not None
    assert first.position is not None
    assert first.position.keys_capped
    assert drain(lake, versions) is None
    again = drain(lake, [*versions, ("new", START)])
    assert again is not None
    assert again.counts["landed"] == 1


def test_a_version_without_a_time_is_forgotten_once_a_drain_does_not_meet_it() -> None:
    old = RestPosition(T0, {}, keys(("gone", TIMELESS), ("here", TIMELESS)), T0 - 15 * MINUTE)
    change = RestChange(keys(("here", TIMELESS)), None, T0 - 15 * MINUTE, Watermark(T0 + 1))
    assert names(change.apply(old, rebased=False)) == ["here"]
    assert names(change.apply(old, rebased=True)) == ["gone", "here"]


# Reading ------------------------------------------------------------------------------------------


def test_committed_files_by_date(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [(f"k{day}", START + timedelta(days=day)) for day in range(4)])

    def dates(since: date | datetime | None, until: date | datetime | None) -> list[str]:
        return sorted(Path(path).parent.name[-2:] for path in committed_files(lake, "alerts", since, until))

    assert dates(None, None) == ["22", "23", "24", "25"]
    assert dates(date(2026, 11, 23), date(2026, 11, 25)) == ["23", "24"]
    assert dates(datetime(2026, 11, 23, 12), datetime(2026, 11, 24, 0, 0, 1)) == ["23", "24"]
    east = timezone(timedelta(hours=3))
    assert dates(datetime(2026, 11, 24, 2, tzinfo=east), None) == ["23", "24", "25"]
    assert committed_files(lake, "incidents") == []


def test_committed_files_of_a_path_a_url_and_a_store(tmp_path: Path) -> None:
    drain(local_lake(tmp_path), [("a", START)])
    files = committed_files(tmp_path, "alerts")
    assert len(files) == 1
    assert (
        committed_files(str(tmp_path), "alerts") == committed_files(f"file://{tmp_path}", "alerts") == files
    )
    assert committed_files(tmp_path / "nothing", "alerts") == []
    MemoryFileSystem.store.clear()
    drain(Lake(MemoryFileSystem(), "/lake", single_writer=True), [("a", START)])
    [url] = committed_files("memory://lake", "alerts")
    assert url.startswith("memory://")


def test_a_commit_that_is_half_shown_is_left_out(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    record = drain(lake, [("b", START), ("c", START + timedelta(days=1))])
    assert record is not None
    staging = tmp_path / "_defender" / LOG / "staging" / record.token
    staging.mkdir(parents=True)
    (tmp_path / record.added[0].path).rename(staging / "1.staged")
    assert len(committed_files(lake, "alerts")) == 1
    lake.log(LOG).head()
    assert len(committed_files(lake, "alerts")) == 3
