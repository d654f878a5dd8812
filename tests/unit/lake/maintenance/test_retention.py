"""Old partitions go, by dataset, and nothing else does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake import (
    CompactionSettings,
    RetentionSettings,
    VersionsLedger,
    apply_retention,
    committed_files,
    compact,
    plan_retention,
    rejected_rows,
    verify,
)
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.maintenance.support import DAYS, alerts_lake, events_lake
from tests.unit.lake.offsets.support import committed_offsets, hub_backfill, hub_drain, hub_position
from tests.unit.lake.support import (
    START,
    Clock,
    alerts,
    committed,
    drain,
    local_lake,
    open_log,
    quarantined,
    rejects,
    version,
    visible,
)

FIVE = timedelta(days=5)


def test_partitions_go_when_they_end_longer_ago_than_their_age(tmp_path: Path) -> None:
    lake, clock = alerts_lake(tmp_path)
    clock.advance(timedelta(hours=-1) - DAYS + timedelta(days=2))  # the 22nd ended 4 days 11 hours ago
    settings = RetentionSettings({"alerts": timedelta(days=4, hours=11, seconds=1)})
    assert plan_retention(lake, settings).describe() == ["nothing to do"]
    assert apply_retention(lake, settings).logs == ()
    clock.advance(timedelta(seconds=1))
    assert plan_retention(lake, settings).as_dict()["total"]["files"] == 4
    total = apply_retention(lake, settings).total
    assert (total.partitions, total.files_removed, total.rows_before, total.rows_after) == (1, 4, 4, 0)
    assert committed(lake) == visible(tmp_path) == [("new", version(START + DAYS), 0)]
    newest = open_log(lake).newest()
    assert newest is not None
    assert newest.kind == "retention"
    assert not plan_retention(lake, settings)
    assert not verify(lake).differences


def test_each_dataset_has_its_age(tmp_path: Path) -> None:
    alerts_lake(tmp_path)
    lake, _ = events_lake(tmp_path)
    before = committed_offsets(lake)
    for ages in (
        {"incidents": FIVE},
        {"events/EmailEvents": FIVE},
        {"events/*": timedelta(days=99), "*": FIVE},
    ):
        plan = plan_retention(lake, RetentionSettings(ages), datasets=["events/*"])
        assert not plan, "the first pattern that matches decides"
    apply_retention(lake, RetentionSettings({"events/*": FIVE}))
    assert len(committed(lake)) == 5
    assert committed_offsets(lake) == [row for row in before if row[1] >= 20]
    assert plan_retention(lake, RetentionSettings({"*": FIVE})).as_dict()["total"]["files"] == 4


def test_the_latest_alerts_are_kept_no_longer_than_all() -> None:
    year, month = timedelta(days=365), timedelta(days=30)
    assert RetentionSettings({"alerts": month, "*": year}).age("alerts_latest") == month
    assert RetentionSettings({"alerts_latest": month, "*": year}).age("alerts_latest") == month
    assert RetentionSettings({"alerts": month}).age("alerts_latest") == month
    assert RetentionSettings({"events/*": month}).age("alerts_latest") is None


def test_positions_stay(tmp_path: Path) -> None:
    """No drain reads the removed rows again, and neither does a hub's backfill, since offsets are covered."""
    lake, _ = events_lake(tmp_path)
    position = hub_position(lake)
    apply_retention(lake, RetentionSettings({"*": FIVE}))
    assert hub_position(lake) == position
    after = committed_offsets(lake)
    hub_drain(lake, {0: 40})
    hub_backfill(lake, {0: (0, 20)})
    assert committed_offsets(lake) == after


def test_a_backfill_of_alerts_lands_them_again(tmp_path: Path) -> None:
    lake, _ = alerts_lake(tmp_path)
    settings = RetentionSettings({"*": FIVE})
    apply_retention(lake, settings)
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        pairs = [("k0", version(START))]
        assert transaction.select_new(pairs) == [True]
        transaction.write("alerts", alerts([("k0", version(START), START)]), Partitioning.DAY)
        transaction.commit()
    assert [key for key, _, _ in committed(lake)] == ["k0", "new"]
    lake.now.advance(DAYS)  # type: ignore[attr-defined]
    drain(lake, [("newer", lake.now())])
    lake.now.advance(DAYS)  # type: ignore[attr-defined]
    apply_retention(lake, settings)
    assert [key for key, _, _ in committed(lake)] == ["newer"]


def test_rejects_go_by_their_own_name_only(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    log = open_log(lake)
    for key in ("r1", "r2"):
        with log.begin(log.head(), VersionsLedger(), kind="drain") as transaction:
            transaction.quarantine(rejects([(key, "1")]))
            transaction.commit()
        clock.advance(DAYS)
    drain(lake, [("new", clock.now)])
    clock.advance(DAYS)
    assert not plan_retention(lake, RetentionSettings({"*": FIVE}))
    apply_retention(lake, RetentionSettings({"quarantine": FIVE + DAYS}))
    assert quarantined(tmp_path) == [("r2", "1")]
    assert [row for batch in rejected_rows(log, ["key"]) for row in batch.to_pylist()] == [{"key": "r2"}]
    assert not plan_retention(lake, RetentionSettings({"quarantine": FIVE + DAYS}))
    assert not verify(lake).differences


def test_the_latest_alerts_go_with_the_alerts(tmp_path: Path) -> None:
    lake, _ = alerts_lake(tmp_path)
    compact(lake, CompactionSettings(latest=True))
    lake.now.advance(DAYS)  # type: ignore[attr-defined]
    drain(lake, [("newer", lake.now())])
    lake.now.advance(DAYS)  # type: ignore[attr-defined]
    apply_retention(lake, RetentionSettings({"alerts": timedelta(days=10)}))
    keys = [[key for key, _, _ in committed(lake, name)] for name in ("alerts", "alerts_latest")]
    assert keys == [["new", "newer"], ["new"]]


@pytest.mark.parametrize(("datasets", "left"), [(["alerts"], 0), (["alert*"], 0), (["incidents"], 2)])
def test_who_names_the_alerts_means_the_latest_alerts_too(
    datasets: list[str], left: int, tmp_path: Path
) -> None:
    lake, clock = alerts_lake(tmp_path)
    compact(lake, CompactionSettings(latest=True))
    for _ in range(2):
        clock.advance(DAYS)
        drain(lake, [("newer", clock.now)])
    apply_retention(lake, RetentionSettings({"alerts": timedelta(days=1)}), datasets=datasets)
    old = START + 2 * DAYS
    files = [committed_files(lake, name, until=old) for name in ("alerts", "alerts_latest")]
    assert [len(each) for each in files] == [left, left]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"ages": {}}, "ages is empty"),
        ({"ages": {"alerts": timedelta(hours=5)}}, "the age for 'alerts' is 5:00:00"),
        ({"ages": {"alerts": FIVE}, "attempts": 0}, "attempts is 0"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        RetentionSettings(**values)
