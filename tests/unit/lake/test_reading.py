"""Reading a lake exactly."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_defender.lake import (
    Lake,
    VersionsLedger,
    committed_files,
    committed_rows,
    rejected_rows,
)
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.support import LOG, START, alerts, drain, local_lake, open_log, rejects


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
    open_log(lake).head()
    assert len(committed_files(lake, "alerts")) == 3


def test_committed_rows_have_the_columns_asked_for(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [(f"k{day}", START + timedelta(days=day)) for day in range(3)])
    asked = ["landing.key", "landing.none", "none.at.all", "text"]
    [first, second] = committed_rows(open_log(lake), "alerts", asked, until=date(2026, 11, 24))
    assert first.schema.names == asked
    assert first.to_pylist() == [{"landing.key": "k0", "landing.none": None, "none.at.all": None, "text": ""}]
    assert second.column("landing.key").to_pylist() == ["k1"]
    assert list(committed_rows(open_log(lake), "incidents", asked)) == []


def test_rows_of_a_commit_under_way_are_left_out(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    log = open_log(lake)
    for key in ("a", "b"):
        with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
            transaction.write("alerts", alerts([(key, "v", START)]), Partitioning.DAY)
            transaction.quarantine(rejects([(f"{key}-broken", "v")]))
            record = transaction.commit(None)
    assert record is not None

    def keys() -> list[list[str]]:
        found = committed_rows(log, "alerts", ["landing.key"]), rejected_rows(log, ["key"])
        return [[key for batch in batches for key in batch.column(0).to_pylist()] for batches in found]

    assert keys() == [["a", "b"], ["a-broken", "b-broken"]]
    staging = tmp_path / "_defender" / LOG / "staging" / record.token
    staging.mkdir(parents=True)
    (tmp_path / record.rejects[0].path).rename(staging / "1.staged")
    assert keys() == [["a"], ["a-broken"]]
