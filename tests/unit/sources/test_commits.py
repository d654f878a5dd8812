"""What a commit has landed, as the summary and Airflow's asset events say it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_defender.lake import Commit, DataFile
from airflow_provider_defender.sources.commits import files_by_partition, rows_by_dataset, run_partition_keys

MOMENT = datetime(2026, 11, 22, tzinfo=timezone.utc)


def file(dataset: str, partition: str, rows: int, size: int = 100) -> DataFile:
    return DataFile(f"{dataset}/{partition}/a.parquet", dataset, partition, rows, size, "0" * 64)


def commit(*added: DataFile, rejects: tuple[DataFile, ...] = ()) -> Commit[Any]:
    return Commit("log", {}, 1, "token", "drain", MOMENT, MOMENT, added=added, rejects=rejects)


WHOLE = commit(
    file("events/DeviceInfo", "date=2026-11-22/hour=13", 5, 50),
    file("alerts", "date=2026-11-23", 1, 10),
    file("alerts", "date=2026-11-22", 2, 20),
    file("alerts", "date=2026-11-22", 3, 30),
    rejects=(file("quarantine", "date=2026-11-24", 9, 90),),
)


def test_rows_are_summed_by_dataset_without_rejects() -> None:
    assert list(rows_by_dataset(WHOLE).items()) == [("alerts", 6), ("events/DeviceInfo", 5)]


def test_files_are_summed_by_partition_of_the_lake_without_rejects() -> None:
    assert list(files_by_partition(WHOLE).items()) == [
        ("alerts/date=2026-11-22", {"files": 2, "rows": 5, "bytes": 50}),
        ("alerts/date=2026-11-23", {"files": 1, "rows": 1, "bytes": 10}),
        ("events/DeviceInfo/date=2026-11-22/hour=13", {"files": 1, "rows": 5, "bytes": 50}),
    ]


def test_run_partition_keys_are_the_days_and_hours_each_once() -> None:
    assert run_partition_keys(WHOLE) == ["2026-11-22T00:00:00", "2026-11-22T13:00:00", "2026-11-23T00:00:00"]


@pytest.mark.parametrize("partition", ["", "other=1", "date=2026-11-22/hour=1", "date=2026-11-22/other=1"])
def test_a_partition_that_is_neither_a_day_nor_an_hour_has_no_key(partition: str) -> None:
    assert run_partition_keys(commit(file("alerts", partition, 1))) == []


def test_no_commit_has_landed_nothing() -> None:
    assert (rows_by_dataset(None), files_by_partition(None), run_partition_keys(None)) == ({}, {}, [])
