"""The rows of files of any schemas come out sorted, each once, and with all their values."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.lake import DataFile, FileChanged
from airflow_provider_defender.lake.maintenance import merge as merging
from airflow_provider_defender.lake.maintenance.merge import Merge
from airflow_provider_defender.lake.storage.local import LocalStorage

START = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
KAFKA = pa.struct([("partition", pa.int32()), ("offset", pa.int64())])

COLUMNS: dict[str, list[tuple[pa.DataType, st.SearchStrategy[Any]]]] = {
    "landing": [
        (
            pa.struct([("key", pa.string()), ("version", pa.string()), ("item", pa.int32())]),
            st.fixed_dictionaries(
                {
                    "key": st.sampled_from([None, "a", "b", "c"]),
                    "version": st.sampled_from([None, "", "1"]),
                    "item": st.sampled_from([None, 0, 1]),
                }
            ),
        ),
        (
            pa.struct([("key", pa.string()), ("kafka", KAFKA)]),
            st.fixed_dictionaries(
                {
                    "key": st.sampled_from([None, "a", "b"]),
                    "kafka": st.none()
                    | st.fixed_dictionaries({"partition": st.integers(0, 1), "offset": st.integers(0, 3)}),
                }
            ),
        ),
    ],
    "host": [
        (
            pa.struct([("name", pa.string())]),
            st.none() | st.fixed_dictionaries({"name": st.sampled_from("xy")}),
        ),
        (pa.struct([("id", pa.string())]), st.fixed_dictionaries({"id": st.none() | st.sampled_from("xy")})),
        (pa.string(), st.none() | st.sampled_from("xy")),
    ],
    "tags": [(pa.list_(pa.string()), st.none() | st.lists(st.none() | st.text(max_size=2), max_size=2))],
    "parts": [
        (
            pa.list_(pa.struct([("size", pa.int64())])),
            st.none() | st.lists(st.none() | st.fixed_dictionaries({"size": st.integers(0, 9)}), max_size=3),
        ),
        (
            pa.list_(pa.struct([("name", pa.string()), ("tags", pa.list_(pa.string()))])),
            st.none()
            | st.lists(
                st.fixed_dictionaries(
                    {"name": st.none() | st.just("n"), "tags": st.none() | st.lists(st.just("t"), max_size=2)}
                ),
                max_size=2,
            ),
        ),
    ],
    "number": [(pa.int64(), st.none() | st.integers(-5, 5)), (pa.string(), st.none() | st.text(max_size=2))],
    "raw": [(pa.binary(), st.none() | st.binary(max_size=2))],
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A file's rows: any columns of any of their types."""
    chosen = {
        name: kinds[draw(st.integers(0, len(kinds) - 1))]
        for name, kinds in COLUMNS.items()
        if name == "landing" or draw(st.booleans())
    }
    count = draw(st.integers(1, 7))
    columns: dict[str, pa.Array] = {}
    for name, (kind, values) in chosen.items():
        columns[name] = pa.array([draw(values) for _ in range(count)], kind)
    times = [START + timedelta(seconds=draw(st.integers(0, 2))) for _ in range(count)]
    return pa.table({"@timestamp": pa.array(times, pa.timestamp("us", "UTC")), **columns})


def data_file(root: Path, name: str, table: pa.Table) -> DataFile:
    path = root / name
    pq.write_table(table, path, store_schema=False)
    body = path.read_bytes()
    return DataFile(
        name, "alerts", "date=2026-11-22", table.num_rows, len(body), hashlib.sha256(body).hexdigest()
    )


def text(row: dict[str, Any]) -> str:
    """A row without what is null, as a column that its file lacks is."""
    return json.dumps(pruned(row), sort_keys=True, default=repr)


def pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: pruned(each) for name, each in value.items() if each is not None}
    return [pruned(each) for each in value] if isinstance(value, list) else value


def identity(row: dict[str, Any]) -> tuple[Any, ...] | None:
    landing, host = row["landing"], row.get("host") or {}
    host = {} if isinstance(host, str) else host
    if landing["key"] is None:
        return None
    name = host.get("name")
    name = host.get("id") if name is None else name
    return (row["@timestamp"], name, landing["key"], landing.get("version"), landing.get("item"))


def check(read: Sequence[pa.Table], merged: Sequence[pa.Table], duplicates: int) -> None:
    """Nothing is new, nothing is gone but copies, and of each row's copies, some are there."""
    before = [row for table in read for row in table.to_pylist()]
    after = [row for table in merged for row in table.to_pylist()]
    assert not Counter(map(text, after)) - Counter(map(text, before)), "rows that no file had"
    assert len(before) == len(after) + duplicates
    keyless = [Counter(text(row) for row in rows if identity(row) is None) for rows in (before, after)]
    assert keyless[0] == keyless[1], "rows without a key are no copies"
    assert set(map(identity, before)) == set(map(identity, after)), "a row is gone"


def merged(root: Path, files: Iterable[DataFile], memory_bytes: int) -> tuple[Merge, list[pa.Table]]:
    with tempfile.TemporaryDirectory() as folder:
        merge = Merge(LocalStorage(str(root)), Path(folder), memory_bytes)
        result = list(merge.tables(list(files)))
        assert not list(Path(folder).iterdir()), "sorted runs are deleted as soon as they are merged"
        return merge, result


@pytest.mark.parametrize("memory_bytes", [1, 2**30], ids=["each batch a run", "all in memory"])
def test_rows_stay_the_same(
    memory_bytes: int, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(merging, "_BATCH_ROWS", 2)
    monkeypatch.setattr(merging, "_FAN_IN", 3)

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.lists(tables(), min_size=1, max_size=5))
    def run(read: list[pa.Table]) -> None:
        root = tmp_path_factory.mktemp("files")
        files = [data_file(root, f"{number}.parquet", table) for number, table in enumerate(read)]
        merge, result = merged(root, files, memory_bytes)
        assert merge.rows_read == sum(table.num_rows for table in read)
        check(read, result, merge.duplicates)

    run()


def rows(times: Iterable[int], hosts: Iterable[str], *, key: str = "k", width: int = 1) -> pa.Table:
    moments = [START + timedelta(microseconds=each) for each in times]
    landing = [{"key": f"{key}{number}"} for number in range(len(moments))]
    host = [{"name": each} for each in hosts]
    return pa.table(
        {
            "@timestamp": pa.array(moments, pa.timestamp("us", "UTC")),
            "landing": landing,
            "host": host,
            "text": ["x" * width] * len(moments),
        }
    )


@pytest.mark.parametrize("memory_bytes", [8_000, 40_000, 2**30])
def test_rows_are_sorted_by_time_and_host(
    memory_bytes: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(merging, "_BATCH_ROWS", 50)
    files = []
    for number in range(20):
        times = [(each * 7919 + number * 31) % 97 for each in range(150)]
        hosts = [f"h{each % 5}" for each in range(150)]
        files.append(data_file(tmp_path, f"{number}.parquet", rows(times, hosts, key=f"{number}/")))
    _, result = merged(tmp_path, files, memory_bytes)
    found = [(row["@timestamp"], row["host"]["name"]) for table in result for row in table.to_pylist()]
    assert len(found) == 3_000
    assert found == sorted(found)


def test_copies_are_dropped_wherever_they_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where one table ends with a row and the next one begins with its copy."""
    monkeypatch.setattr(merging, "_BATCH_ROWS", 3)
    table = rows(range(30), ["h"] * 30)
    files = [data_file(tmp_path, f"{number}.parquet", table) for number in range(4)]
    merge, result = merged(tmp_path, files, 1)
    assert pa.concat_tables(result).to_pylist() == table.to_pylist()
    assert merge.duplicates == 90


def test_rows_of_one_time_and_key_are_no_copies_if_item_or_version_differ(tmp_path: Path) -> None:
    landing = [{"key": "k", "version": version, "item": item} for version in "12" for item in (0, 1)]
    table = pa.table({"@timestamp": pa.array([START] * 4, pa.timestamp("us", "UTC")), "landing": landing})
    _, result = merged(tmp_path, [data_file(tmp_path, "1.parquet", table)], 2**30)
    assert pa.concat_tables(result).to_pylist() == table.to_pylist()


def test_a_column_of_two_types_keeps_files_apart(tmp_path: Path) -> None:
    one, other = rows([2], ["h"]), rows([1], ["h"], key="o")
    other = other.set_column(3, "text", pa.array([7]))
    files = [data_file(tmp_path, "1.parquet", one), data_file(tmp_path, "2.parquet", other)]
    _, result = merged(tmp_path, files, 2**30)
    assert [table.to_pylist() for table in result] == [one.to_pylist(), other.to_pylist()]


@pytest.mark.parametrize("whole_bytes", [0, 2**20], ids=["read twice", "read at once"])
def test_an_altered_file_is_not_merged(
    whole_bytes: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.maintenance.sources._WHOLE_BYTES", whole_bytes)
    good = data_file(tmp_path, "1.parquet", rows([1], ["h"]))
    assert merged(tmp_path, [good], 2**30)[0].rows_read == 1
    pq.write_table(rows([1], ["i"]), tmp_path / "1.parquet", store_schema=False)
    with pytest.raises(FileChanged, match=r"1\.parquet has the SHA-256"):
        merged(tmp_path, [good], 2**30)


def test_memory_does_not_grow_with_the_partition(tmp_path: Path) -> None:
    files = [
        data_file(tmp_path, f"{number}.parquet", rows(range(500), ["h"] * 500, key=f"{number}/", width=1_000))
        for number in range(24)
    ]
    peaks = []
    for count in (6, 24):
        with tempfile.TemporaryDirectory() as folder:
            before = pa.default_memory_pool()
            pool = pa.proxy_memory_pool(before)
            pa.set_memory_pool(pool)
            try:
                merge = Merge(LocalStorage(str(tmp_path)), Path(folder), 2**19)
                assert sum(table.num_rows for table in merge.tables(files[:count])) == count * 500
            finally:
                pa.set_memory_pool(before)
            peaks.append(pool.max_memory())
    assert peaks[1] < 1.25 * peaks[0], peaks
    assert peaks[1] < 8 * 2**20, peaks
