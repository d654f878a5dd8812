"""Where a REST source stands after a commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_defender.lake import (
    VersionsPosition,
    Watermark,
)
from airflow_provider_defender.lake.log.position import dump_position, parse_position
from airflow_provider_defender.lake.versions import position as position_module
from airflow_provider_defender.lake.versions.keys import (
    TIMELESS,
)
from airflow_provider_defender.lake.versions.position import VersionsChange
from tests.unit.lake.support import START, drain, local_lake
from tests.unit.lake.versions.support import keys

T0 = 17_953_488_000_000_000


MINUTE = 600_000_000


def names(position: VersionsPosition) -> list[str]:
    return sorted(position.keys["key"].to_pylist())


def test_a_position_survives_its_record() -> None:
    position = VersionsPosition(
        T0, {"severity": ["High"]}, keys(("a", T0), ("b", TIMELESS)), T0 - MINUTE, True
    )
    again = parse_position(dump_position(position))
    assert again.dump() == position.dump()
    assert isinstance(again, VersionsPosition)
    assert again.keys.equals(position.keys)
    with pytest.raises(ValueError, match="moon"):
        parse_position({"type": "moon"})


def test_a_drain_keeps_the_keys_of_the_next_overlap() -> None:
    old = VersionsPosition(T0, {}, keys(("below", T0 - 10 * MINUTE), ("in", T0)), T0 - 15 * MINUTE)
    read = keys(("in", T0), ("new", T0 + 10 * MINUTE))
    change = VersionsChange(read, None, T0 - 15 * MINUTE, Watermark(T0 + 10 * MINUTE))
    after = change.apply(old, rebased=False)
    assert (after.watermark, after.keys_from) == (T0 + 10 * MINUTE, T0 - 5 * MINUTE)
    assert names(after) == ["in", "new"]


def test_a_backfill_adds_keys_and_moves_nothing() -> None:
    old = VersionsPosition(T0, {"x": 1}, keys(("in", T0)), T0 - 15 * MINUTE)
    after = VersionsChange(keys(("new", T0 + 1), ("old", T0 - 20 * MINUTE))).apply(old, rebased=False)
    assert (after.watermark, after.keys_from, after.filters) == (T0, T0 - 15 * MINUTE, {"x": 1})
    assert names(after) == ["in", "new"]
    assert not after.moved_from(old)
    assert VersionsChange(keys(("new", T0))).apply(VersionsPosition(), rebased=False) == VersionsPosition()


def test_too_many_keys_are_cut_and_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound then says from where on they are complete, so that the next drain looks into the files."""
    monkeypatch.setattr(position_module, "KEYS_LIMIT", 3)
    read = keys(*((f"k{n}", T0 + n // 2) for n in range(6)))
    after = VersionsChange(read, None, None, Watermark(T0 + 2)).apply(VersionsPosition(), rebased=False)
    assert (names(after), after.keys_from, after.keys_capped) == (["k4", "k5"], T0 + 2, True)
    tie = keys(*((f"k{n}", T0) for n in range(6)))
    after = VersionsChange(tie, None, None, Watermark(T0)).apply(VersionsPosition(), rebased=False)
    assert (names(after), after.keys_from, after.keys_capped) == ([], T0 + 1, True)
    lost = keys(*((f"k{n}", TIMELESS) for n in range(6)))
    after = VersionsChange(lost, None, None, Watermark(T0)).apply(VersionsPosition(), rebased=False)
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
    old = VersionsPosition(T0, {}, keys(("gone", TIMELESS), ("here", TIMELESS)), T0 - 15 * MINUTE)
    change = VersionsChange(keys(("here", TIMELESS)), None, T0 - 15 * MINUTE, Watermark(T0 + 1))
    assert names(change.apply(old, rebased=False)) == ["here"]
    assert names(change.apply(old, rebased=True)) == ["gone", "here"]


# Drains that were cut off ---------------------------------------------------------------------------


def test_a_cut_off_drain_keeps_the_keys_that_it_did_not_come_to() -> None:
    """The next one begins below its watermark and meets them, with a time or without."""
    old = VersionsPosition(T0, {}, keys(("above", T0 + 9 * MINUTE), ("gone", TIMELESS)), T0 - 15 * MINUTE)
    advance = Watermark(T0 + MINUTE, complete=False)
    change = VersionsChange(keys(("read", T0 + MINUTE)), None, T0 - 15 * MINUTE, advance, cut_off=True)
    after = change.apply(old, rebased=False)
    assert (after.watermark, after.keys_from) == (T0 + MINUTE, T0 - 14 * MINUTE)
    assert names(after) == ["above", "gone", "read"]


@pytest.mark.parametrize(("first", "keys_from"), [(True, T0 - 15 * MINUTE), (False, None)])
def test_a_first_watermark_of_a_cut_off_drain_has_all_keys_only_in_an_empty_log(
    first: bool, keys_from: int | None
) -> None:
    """Earlier backfills may have landed versions above it, which no key tells: the files must."""
    change = VersionsChange(
        keys(("read", T0)), None, T0 - 99 * MINUTE, Watermark(T0, complete=False), cut_off=True, first=first
    )
    after = change.apply(VersionsPosition(begun_from=T0 - 99 * MINUTE), rebased=False)
    assert (after.watermark, after.keys_from, after.begun_from) == (T0, keys_from, None)
