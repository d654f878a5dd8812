"""Small files become few, and the rows stay the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow_provider_defender.lake import (
    CompactionSettings,
    OffsetsPosition,
    VersionsPosition,
    committed_files,
    compact,
    plan_compaction,
    verify,
)
from tests.unit.lake.offsets.support import HUB, committed_offsets, hub_drain, visible_offsets
from tests.unit.lake.support import LOG, START, Clock, committed, drain, local_lake, visible

DAYS = timedelta(days=3)


def test_alerts_become_one_file_a_day(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    for number in range(6):
        drain(lake, [(f"k{number}", START + timedelta(minutes=number))])
    clock.advance(DAYS)
    drain(lake, [("new", clock.now)])
    clock.advance(DAYS)
    before = committed(lake)
    plan = plan_compaction(lake)
    assert plan.as_dict()["total"]["files"] == 6
    assert lake.log(LOG).snapshot().number == 7, "a plan changes nothing"
    result = compact(lake)
    assert result.total.files_removed == 6
    assert result.total.files_added == 1
    assert committed(lake) == before == visible(tmp_path)
    assert len(committed_files(lake, "alerts")) == 2
    assert not plan_compaction(lake)
    assert compact(lake).as_dict()["logs"] == []
    assert not verify(lake).differences


def test_events_become_one_file_an_hour(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    for end in range(4, 44, 4):
        hub_drain(lake, {0: end, 1: end})
    clock.advance(DAYS)
    hub_drain(lake, {0: 50})
    clock.advance(DAYS)
    before = committed_offsets(lake)
    result = compact(lake)
    assert result.total.partitions == 4
    assert committed_offsets(lake) == before == visible_offsets(tmp_path)
    assert len(committed_files(lake, "events/DeviceInfo")) == 5
    newest = lake.log(HUB).newest()
    assert newest is not None and newest.added[0].offsets == {0: (0, 9), 1: (0, 9)}
    assert not verify(lake).differences
