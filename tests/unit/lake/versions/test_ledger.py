"""Live drains and backfills, undisturbed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_defender.lake import (
    CommitConflict,
    Lake,
    VersionsLedger,
    VersionsPosition,
    committed_files,
)
from airflow_provider_defender.lake.versions.position import BEGINNING
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.timestamps import datetime_to_ticks
from tests.unit.lake.support import (
    LOG,
    START,
    Clock,
    alerts,
    committed,
    digest_of,
    drain,
    local_lake,
    open_log,
    quarantined,
    rejects,
    sha256,
    version,
    visible,
    watermark,
)
from tests.unit.lake.versions.support import begin, fill


def test_a_drain_lands_its_rows_in_the_partition_of_their_timestamp(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    record = drain(lake, [("a", START), ("b", START - timedelta(days=1))])
    assert record is not None
    assert record.number == 1
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b"]
    folders = {Path(path).parent.name for path in committed_files(lake, "alerts")}
    assert folders == {"date=2026-11-21", "date=2026-11-22"}
    assert {Path(file.path).name for file in record.added} == {
        f"{LOG}-{record.token}-{n}.parquet" for n in (1, 2)
    }
    assert not (tmp_path / "_defender" / LOG / "staging" / record.token).exists()


def test_a_second_drain_lands_only_what_is_new(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    again = drain(lake, [("a", START), ("a", START + timedelta(minutes=1)), ("b", START)])
    assert again is not None
    assert again.counts == {"read": 3, "known": 1, "landed": 2, "rejected": 0, "rows": 2}
    assert len(committed(tmp_path)) == 3
    assert committed(tmp_path) == visible(tmp_path)


def test_the_record_is_complete(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    log = open_log(lake)
    with log.begin(
        log.head(), VersionsLedger(filters={"severity": ["High"]}), kind="drain", window={"until": "now"}
    ) as transaction:
        transaction.select_new([("a", version(START)), ("b", "content:1")])
        transaction.write("alerts", alerts([("a", version(START), START)], items=2), Partitioning.DAY)
        transaction.quarantine(rejects([("b", "content:1")]))
        record = transaction.commit(watermark(START))
    assert record is not None
    values = json.loads((tmp_path / "_defender" / LOG / "commits" / "00000001.json").read_bytes())
    size = (tmp_path / record.added[0].path).stat().st_size
    bad = (tmp_path / record.rejects[0].path).stat().st_size
    assert values.pop("digest") == digest_of(values)
    assert values == {
        "format": 2,
        "log": LOG,
        "origin": {"source": "endpoint_alerts", "tenant": "tenant"},
        "number": 1,
        "token": record.token,
        "kind": "drain",
        "started_at": "2026-11-22T12:00:00.000000+00:00",
        "committed_at": "2026-11-22T12:00:00.000000+00:00",
        "window": {"until": "now"},
        "added": [
            {
                "path": f"alerts/date=2026-11-22/{LOG}-{record.token}-1.parquet",
                "dataset": "alerts",
                "partition": "date=2026-11-22",
                "rows": 2,
                "bytes": size,
                "min_timestamp": "2026-11-22T12:00:00.000000+00:00",
                "max_timestamp": "2026-11-22T12:00:00.000000+00:00",
                "sha256": sha256(tmp_path / record.added[0].path),
            }
        ],
        "removed": [],
        "rejects": [
            {
                "path": f"_defender/{LOG}/quarantine/date=2026-11-22/{LOG}-{record.token}-2.parquet",
                "dataset": "quarantine",
                "partition": "date=2026-11-22",
                "rows": 1,
                "bytes": bad,
                "sha256": sha256(tmp_path / record.rejects[0].path),
            }
        ],
        "counts": {"read": 2, "known": 0, "landed": 1, "rejected": 1, "rows": 2},
        "position_sha256": digest_of(values["position"]),
        "position": {
            "type": "versions",
            "watermark": "2026-11-22T12:00:00.0000000Z",
            "filters": {"severity": ["High"]},
            "begun_from": None,
            "keys_from": "2026-11-22T11:45:00.0000000Z",
            "keys_capped": False,
            "keys": {"key": ["a", "b"], "version": ["2026-11-22T12:00:00.0000000Z", "content:1"]},
        },
    }
    assert quarantined(tmp_path) == [("b", "content:1")]


def test_a_drain_with_nothing_to_say_writes_no_record(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    assert drain(lake, []) is None
    assert open_log(lake).head().number == 0
    drain(lake, [("a", START)])
    assert drain(lake, [("a", START)]) is None
    assert open_log(lake).head().number == 1


def test_the_watermark_never_goes_back(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    drain(lake, [("b", START - timedelta(minutes=5))], to=START - timedelta(minutes=5))
    assert open_log(lake).head().position.watermark_text == version(START)


def test_the_same_backfill_again_adds_nothing(tmp_path: Path) -> None:
    lake = local_lake(tmp_path, Clock())
    log = open_log(lake)
    for expected in (1, None):
        with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
            pairs = [(f"k{n}", version(START - timedelta(hours=n))) for n in range(50)]
            wanted = transaction.select_new(pairs)
            rows = [(*pair, START - timedelta(hours=n)) for n, pair in enumerate(pairs) if wanted[n]]
            transaction.write("alerts", alerts(rows, items=2), Partitioning.DAY)
            transaction.quarantine(rejects([("reject:1", "")]))
            record = transaction.commit()
        assert (record and record.number) == expected
    assert len(visible(tmp_path)) == 100
    assert quarantined(tmp_path) == [("reject:1", "")]
    assert log.head().position.watermark is None


def test_a_version_older_than_what_was_asked_for_lands_once(tmp_path: Path) -> None:
    """A source may show a row whose own update time contradicts the filter, time and again."""
    lake = local_lake(tmp_path)
    stray = ("stray", START - timedelta(days=30))
    for minutes in range(4):
        drain(lake, [("a", START + timedelta(minutes=minutes)), stray])
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "a", "a", "a", "stray"]
    head = open_log(lake).head()
    assert ("stray" in head.position.keys["key"].to_pylist()) is True
    with open_log(lake).begin(
        head, VersionsLedger(since=head.position.keys_from), kind="drain"
    ) as transaction:
        assert transaction.select_new([(stray[0], version(stray[1]))]) == [False]


# Where a first drain that was cut off began -------------------------------------------------------


def cut_off(lake: Lake, since: datetime | None, key: str) -> VersionsPosition:
    """A drain that does not read its source to the end; the position after it."""
    log = open_log(lake)
    ticks = None if since is None else datetime_to_ticks(since)
    with log.begin(log.head(), VersionsLedger(since=ticks), kind="drain") as transaction:
        transaction.select_new([(key, version(START))])
        transaction.write("alerts", alerts([(key, version(START), START)]), Partitioning.DAY)
        transaction.commit()
    return log.head().position


def test_the_earliest_start_of_drains_that_were_cut_off_is_kept(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    early, middle, late = (START - timedelta(days=days) for days in (3, 2, 1))
    assert open_log(lake).head().position.begun_from is None
    assert cut_off(lake, middle, "a").begun_from == datetime_to_ticks(middle)
    assert cut_off(lake, late, "b").begun_from == datetime_to_ticks(middle)
    assert cut_off(lake, early, "c").begun_from == datetime_to_ticks(early)
    assert cut_off(lake, late, "d").begun_from == datetime_to_ticks(early)
    with begin(lake, "backfill") as transaction:
        fill(transaction, "e")
        transaction.commit()
    position = open_log(lake).head().position
    assert (position.begun_from, position.dump()["begun_from"]) == (
        datetime_to_ticks(early),
        "2026-11-19T12:00:00.0000000Z",
    )
    drain(lake, [("f", START)])
    assert open_log(lake).head().position.begun_from is None
    assert cut_off(lake, early, "g").begun_from is None


def test_a_drain_of_everything_that_was_cut_off_began_at_the_beginning(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    assert cut_off(lake, None, "a").begun_from == BEGINNING
    assert open_log(lake).head().position.dump()["begun_from"] == "0001-01-01T00:00:00.0000000Z"
    assert cut_off(lake, START, "b").begun_from == BEGINNING


def test_two_drains_that_were_cut_off_side_by_side_keep_the_earlier_start(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    log = open_log(lake)
    ledger = VersionsLedger(since=datetime_to_ticks(START - timedelta(days=1)))
    with log.begin(log.head(), ledger, kind="drain") as transaction:
        fill(transaction, "a")
        cut_off(lake, START - timedelta(days=5), "b")
        transaction.commit()
    assert log.head().number == 2
    assert log.head().position.begun_from == datetime_to_ticks(START - timedelta(days=5))


def test_a_drain_that_was_cut_off_and_began_earlier_is_not_hidden_by_one_beside_it(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    log = open_log(lake)
    ledger = VersionsLedger(since=datetime_to_ticks(START - timedelta(days=1)))
    with log.begin(log.head(), ledger, kind="drain") as transaction:
        fill(transaction, "a")
        cut_off(lake, START - timedelta(days=5), "b")
        with pytest.raises(CommitConflict):
            transaction.commit(watermark(START))
    assert log.head().position.begun_from == datetime_to_ticks(START - timedelta(days=5))


def test_what_a_backfill_landed_above_a_cut_off_first_drain_lands_once(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    later = START + timedelta(minutes=5)
    with begin(lake, "backfill") as transaction:
        fill(transaction, "b", at=later)
        transaction.commit()
    with begin(lake) as transaction:
        fill(transaction, "a", at=START)
        transaction.commit(replace(watermark(START), complete=False))
    with begin(lake) as transaction:
        fill(transaction, "a", at=START)
        fill(transaction, "b", "c", at=later)
        transaction.commit(watermark(later))
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c"]
