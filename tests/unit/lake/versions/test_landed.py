"""What a drain or backfill finds in the files, where the keys do not tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake import committed_files, compact
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.timestamps import datetime_to_ticks
from tests.unit.lake.faults import SteppedStorage
from tests.unit.lake.maintenance.support import alerts_lake
from tests.unit.lake.support import (
    START,
    alerts,
    committed,
    drain,
    local_lake,
    open_log,
    quarantined,
    rejects,
    version,
    visible,
    watermark,
)
from tests.unit.lake.versions.support import LATER, begin, fill


def test_dropped_versions_in_the_overlap_stay_in_the_keys(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START), ("old", START - timedelta(minutes=14))])
    drain(lake, [("a", START), ("b", LATER)])
    keys = open_log(lake).head().position.keys
    assert sorted(keys["key"].to_pylist()) == ["a", "b"]


def test_rejected_versions_are_not_read_again(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    for expected in ([True, True], [False, False]):
        with begin(lake) as transaction:
            pairs = [("bad", version(START)), ("reject:1", "")]
            assert transaction.select_new(pairs) == expected
            transaction.quarantine(rejects(pair for pair, new in zip(pairs, expected, strict=True) if new))
            transaction.commit(watermark(START))
    assert quarantined(tmp_path) == [("bad", version(START)), ("reject:1", "")]


@pytest.mark.parametrize(
    "options",
    [
        {"since": None},
        {"since": datetime_to_ticks(START - timedelta(hours=1))},
        {"filters": {"severity": ["High"]}},
    ],
    ids=["all of it", "a wider overlap", "other filters"],
)
def test_where_the_keys_do_not_reach_the_files_tell(tmp_path: Path, options: dict[str, Any]) -> None:
    lake = local_lake(tmp_path)
    early = START - timedelta(minutes=50)
    drain(lake, [("early", early), ("a", START)])
    with begin(lake, **options) as transaction:
        assert transaction.select_new([("early", version(early)), ("new", version(early))]) == [True, True]
        transaction.write(
            "alerts", alerts((key, version(early), early) for key in ("early", "new")), Partitioning.DAY
        )
        record = transaction.commit(watermark(START))
    assert record is not None
    assert record.counts == {"read": 2, "known": 1, "landed": 1, "rejected": 0, "rows": 1}
    assert [key for key, _, _ in committed(tmp_path)] == ["a", "early", "new"]


def test_the_first_drain_finds_what_backfills_have_landed(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    with begin(lake, "backfill") as transaction:
        fill(transaction, "a", "b")
        transaction.commit()
    drain(lake, [("a", LATER), ("b", LATER), ("c", LATER)])
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c"]


def test_versions_that_a_first_drain_could_not_read_are_looked_up(tmp_path: Path) -> None:
    """Its watermark may lie so close to its lower bound that the next overlap reaches below that."""
    lake = local_lake(tmp_path)
    before = START - timedelta(minutes=10)
    with begin(lake, "backfill") as transaction:
        fill(transaction, "a", at=before)
        transaction.commit()
    with begin(lake, since=datetime_to_ticks(START)) as transaction:
        fill(transaction, "b", at=START)
        transaction.commit(watermark(START))
    drain(lake, [("a", before), ("b", START), ("c", LATER)])
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c"]


def test_a_listing_in_parts_during_a_compaction(tmp_path: Path) -> None:
    """It has neither the inputs, whose names come late in it, nor the merged file, whose name comes early."""
    _, clock = alerts_lake(tmp_path)
    calls = 0

    def take(name: str, path: str, step: Callable[[], Any]) -> Any:
        nonlocal calls
        if name != "list" or not path.startswith("alerts/date="):
            return step()
        calls += 1
        if calls > 1:
            return step()
        inputs = {Path(file).name for file in committed_files(local_lake(tmp_path, clock), "alerts")}
        compact(local_lake(tmp_path, clock))
        return [name for name in step() if name in inputs]

    reader = local_lake(tmp_path, clock)
    reader.storage = SteppedStorage(reader.storage, take)
    with begin(reader, "backfill") as transaction:
        moment = START + timedelta(minutes=1)
        transaction.select_new([("k1", version(moment))])
        transaction.write("alerts", alerts([("k1", version(moment), moment)]), Partitioning.DAY)
        transaction.commit()
    assert len(set(visible(tmp_path))) == len(visible(tmp_path)) == 5
