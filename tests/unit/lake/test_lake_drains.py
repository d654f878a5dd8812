"""Live drains and backfills, undisturbed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from lake_support import (
    LOG,
    START,
    Clock,
    alerts,
    committed,
    drain,
    local_lake,
    quarantined,
    rejects,
    version,
    visible,
    watermark,
)

from airflow_provider_defender.lake import committed_files


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
    log = lake.log(LOG)
    with log.begin(
        log.head(), kind="drain", window={"until": "now"}, filters={"severity": ["High"]}
    ) as draft:
        draft.select_new([("a", version(START)), ("b", "content:1")])
        draft.write("alerts", alerts([("a", version(START), START)], items=2))
        draft.quarantine(rejects([("b", "content:1")]))
        record = draft.commit(watermark(START))
    assert record is not None
    values = json.loads((tmp_path / "_defender" / LOG / "commits" / "00000001.json").read_bytes())
    size = (tmp_path / record.added[0].path).stat().st_size
    bad = (tmp_path / record.rejects[0].path).stat().st_size
    assert values == {
        "format": 1,
        "log": LOG,
        "number": 1,
        "token": record.token,
        "kind": "drain",
        "started_at": "2026-11-22T12:00:00.000000+00:00",
        "committed_at": "2026-11-22T12:00:00.000000+00:00",
        "window": {"until": "now"},
        "added": [
            {"path": f"alerts/date=2026-11-22/{LOG}-{record.token}-1.parquet", "rows": 2, "bytes": size}
        ],
        "removed": [],
        "rejects": [
            {
                "path": f"_defender/{LOG}/quarantine/date=2026-11-22/{LOG}-{record.token}-2.parquet",
                "rows": 1,
                "bytes": bad,
            }
        ],
        "counts": {"read": 2, "known": 0, "landed": 1, "rejected": 1, "rows": 2},
        "position": {
            "type": "rest",
            "watermark": "2026-11-22T12:00:00.0000000Z",
            "filters": {"severity": ["High"]},
            "keys_from": "2026-11-22T11:45:00.0000000Z",
            "keys_capped": False,
            "keys": {"key": ["a", "b"], "version": ["2026-11-22T12:00:00.0000000Z", "content:1"]},
        },
    }
    assert quarantined(tmp_path) == [("b", "content:1")]


def test_a_drain_with_nothing_to_say_writes_no_record(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    assert drain(lake, []) is None
    assert lake.log(LOG).head().number == 0
    drain(lake, [("a", START)])
    assert drain(lake, [("a", START)]) is None
    assert lake.log(LOG).head().number == 1


def test_the_watermark_never_goes_back(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    drain(lake, [("b", START - timedelta(minutes=5))], to=START - timedelta(minutes=5))
    assert lake.log(LOG).head().position.watermark_text == version(START)


def test_the_same_backfill_again_adds_nothing(tmp_path: Path) -> None:
    lake = local_lake(tmp_path, Clock())
    log = lake.log(LOG)
    for expected in (1, None):
        with log.begin(log.head(), kind="backfill") as draft:
            pairs = [(f"k{n}", version(START - timedelta(hours=n))) for n in range(50)]
            wanted = draft.select_new(pairs)
            rows = [(*pair, START - timedelta(hours=n)) for n, pair in enumerate(pairs) if wanted[n]]
            draft.write("alerts", alerts(rows, items=2))
            draft.quarantine(rejects([("reject:1", "")]))
            record = draft.commit()
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
    head = lake.log(LOG).head()
    assert ("stray" in head.position.keys["key"].to_pylist()) is True
    with lake.log(LOG).begin(head, kind="drain", since=head.position.keys_from) as draft:
        assert draft.select_new([(stray[0], version(stray[1]))]) == [False]
