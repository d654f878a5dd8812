"""`alerts_latest` has the newest version of each alert, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.lake import (
    CompactionSettings,
    Lake,
    RetentionSettings,
    VersionsLedger,
    apply_retention,
    committed_files,
    compact,
    plan_compaction,
    verify,
)
from airflow_provider_defender.lake.maintenance import latest
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.support import LOG, START, Clock, alerts, committed, drain, local_lake, open_log, visible

DAY = timedelta(days=1)
SETTINGS = CompactionSettings(latest=True, min_files=99, days_older_than=timedelta(days=99))
"""Nothing is merged, so that only the latest alerts change."""

Row = tuple[str, str, datetime]


def land(lake: Lake, rows: Iterable[Row], items: int = 1) -> None:
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.write("alerts", alerts(rows, items), Partitioning.DAY)
        transaction.commit()


def latest_of(lake: Lake) -> list[tuple[str, str, int]]:
    return committed(lake, "alerts_latest")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with two alerts of three and one version, in two files, and one of the next day."""
    lake = local_lake(tmp_path, Clock())
    land(lake, [("a", "1", START), ("b", "5", START)], items=2)
    land(lake, [("a", "3", START), ("a", "2", START), ("c", "1", START + DAY)])
    lake.now.advance(3 * DAY)  # type: ignore[attr-defined]
    return lake


def test_all_rows_of_the_newest_version(lake: Lake, tmp_path: Path) -> None:
    everything = committed(lake)
    plan = plan_compaction(lake, SETTINGS)
    assert plan.as_dict()["logs"][0]["latest"] == ["date=2026-11-22", "date=2026-11-23"]
    assert plan.describe()[0] == f"{LOG}: alerts_latest: 2 partitions"
    assert compact(lake, SETTINGS).total.latest_partitions == 2
    assert latest_of(lake) == [("a", "3", 0), ("b", "5", 0), ("b", "5", 1), ("c", "1", 0)]
    assert visible(tmp_path, "alerts_latest") == latest_of(lake)
    assert committed(lake) == visible(tmp_path) == everything, "readers of alerts see nothing of it"
    assert not verify(lake).differences
    assert not plan_compaction(lake, SETTINGS)


def test_only_what_has_changed_is_written_anew(lake: Lake) -> None:
    compact(lake, SETTINGS)
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    before = committed_files(lake, "alerts_latest")
    land(lake, [("a", "4", START)])
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    assert compact(lake, SETTINGS).total.latest_partitions == 1
    assert latest_of(lake) == [("a", "4", 0), ("b", "5", 0), ("b", "5", 1), ("c", "1", 0)]
    assert len(set(before).intersection(committed_files(lake, "alerts_latest"))) == 1


def test_a_version_that_lands_meanwhile_comes_with_the_next_run(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit of the latest alerts then has a higher number than the version's, which it did not read."""
    newest_versions = latest._newest_versions

    def and_then(*arguments: Any) -> Any:
        monkeypatch.setattr(latest, "_newest_versions", newest_versions)
        found = newest_versions(*arguments)
        land(lake, [("a", "9", START)])
        return found

    monkeypatch.setattr(latest, "_newest_versions", and_then)
    compact(lake, SETTINGS)
    assert ("a", "3", 0) in latest_of(lake)
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    drain(lake, [("new", lake.now())])
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    compact(lake, SETTINGS)
    assert ("a", "9", 0) in latest_of(lake)
    assert ("a", "3", 0) not in latest_of(lake)


def test_files_of_a_day_ago_wait(lake: Lake) -> None:
    """A copy of them may still be under way, and would bring their rows back."""
    compact(lake, SETTINGS)
    land(lake, [("a", "4", START)])
    assert not plan_compaction(lake, SETTINGS)
    lake.now.advance(DAY + timedelta(seconds=1))  # type: ignore[attr-defined]
    assert plan_compaction(lake, SETTINGS).as_dict()["logs"][0]["latest"] == ["date=2026-11-22"]


def test_a_partition_without_a_source_goes(lake: Lake) -> None:
    compact(lake, SETTINGS)
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    drain(lake, [("new", lake.now())])
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    apply_retention(lake, RetentionSettings({"alerts_latest": timedelta(days=99), "alerts": 6 * DAY}))
    compact(lake, SETTINGS)
    assert {key for key, _, _ in latest_of(lake)} == {"c", "new"}


@pytest.mark.parametrize("is_noted", [True, False])
def test_alerts_that_retention_has_removed_go_with_the_next_run(
    is_noted: bool, lake: Lake, tmp_path: Path
) -> None:
    """The file of the latest alerts was too young to go with them, and nothing has come since."""
    compact(lake, SETTINGS)
    apply_retention(lake, RetentionSettings({"alerts": DAY}))
    assert committed(lake) == [("a", "2", 0), ("a", "3", 0), ("c", "1", 0)]
    assert ("b", "5", 0) in latest_of(lake)
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    if not is_noted:
        (tmp_path / open_log(lake).paths.latest).unlink()
    assert plan_compaction(lake, SETTINGS).as_dict()["logs"][0]["latest"] == ["date=2026-11-22"]
    compact(lake, SETTINGS)
    assert latest_of(lake) == [("a", "3", 0), ("c", "1", 0)]
    assert not plan_compaction(lake, SETTINGS)


def test_alerts_that_retention_removes_meanwhile_go_with_the_next_run(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows had been read by then, so the first files of the latest alerts still have them."""
    latest_rows = latest._latest_rows

    def and_then(*arguments: Any) -> Any:
        monkeypatch.undo()
        tables = list(latest_rows(*arguments))
        apply_retention(lake, RetentionSettings({"alerts": DAY}))
        return iter(tables)

    monkeypatch.setattr(latest, "_latest_rows", and_then)
    compact(lake, SETTINGS)
    assert ("b", "5", 0) not in committed(lake)
    assert ("b", "5", 0) in latest_of(lake)
    lake.now.advance(DAY)  # type: ignore[attr-defined]
    drain(lake, [("new", lake.now())])
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    compact(lake, SETTINGS)
    assert [key for key, _, _ in latest_of(lake)] == ["a", "c", "new"]


def test_two_first_runs_at_once_are_put_right(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither removes a file of the other, so both count, until the next run."""
    write = latest._write

    def after_another(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(latest, "_write", write)
        compact(lake, SETTINGS)
        return write(*arguments, **options)

    monkeypatch.setattr(latest, "_write", after_another)
    compact(lake, SETTINGS)
    assert len(latest_of(lake)) == 8
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    drain(lake, [("new", lake.now())])
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    compact(lake, SETTINGS)
    assert [key for key, _, _ in latest_of(lake)] == ["a", "b", "b", "c", "new"]


def test_two_runs_that_replace_the_same_files(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one sees that its old files have gone between its plan and its head, and plans again."""
    compact(lake, SETTINGS)
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    land(lake, [("a", "4", START)])
    lake.now.advance(2 * DAY)  # type: ignore[attr-defined]
    write = latest._write

    def after_another(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(latest, "_write", write)
        compact(lake, SETTINGS)
        return write(*arguments, **options)

    monkeypatch.setattr(latest, "_write", after_another)
    compact(lake, SETTINGS)
    assert latest_of(lake) == [("a", "4", 0), ("b", "5", 0), ("b", "5", 1), ("c", "1", 0)]


STATES = pa.schema(
    [
        ("@timestamp", pa.timestamp("us", "UTC")),
        ("event", pa.struct([("ingested", pa.timestamp("us", "UTC"))])),
        (
            "landing",
            pa.struct(
                [
                    ("key", pa.string()),
                    ("version", pa.string()),
                    ("updated", pa.timestamp("us", "UTC")),
                    ("item", pa.int32()),
                ]
            ),
        ),
    ]
)


@pytest.mark.parametrize(
    ("states", "newest"),
    [
        ([("1", 5, 1), ("2", 3, 2)], "1"),
        ([("1", None, 9), ("2", 3, 2)], "2"),
        ([("1", None, 9), ("2", None, 2)], "1"),
        ([("1", 3, 2), ("2", 3, 2)], "2"),
    ],
    ids=["updated", "without an update time", "ingested", "version"],
)
def test_the_order_is_that_of_the_view(
    states: list[tuple[str, int | None, int]], newest: str, tmp_path: Path
) -> None:
    lake = local_lake(tmp_path, Clock())
    rows = [
        {
            "@timestamp": START,
            "event": {"ingested": START + timedelta(minutes=ingested)},
            "landing": {
                "key": "k",
                "version": version,
                "updated": None if updated is None else START + timedelta(minutes=updated),
                "item": 0,
            },
        }
        for version, updated, ingested in states
    ]
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.write("alerts", pa.Table.from_pylist(rows, STATES), Partitioning.DAY)
        transaction.commit()
    lake.now.advance(3 * DAY)  # type: ignore[attr-defined]
    compact(lake, SETTINGS)
    assert latest_of(lake) == [("k", newest, 0)]
