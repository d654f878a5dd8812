"""Small files become few, and the rows stay the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.lake import (
    CompactionSettings,
    FileChanged,
    Lake,
    RetentionSettings,
    VersionsLedger,
    apply_retention,
    committed_files,
    compact,
    plan_compaction,
    verify,
)
from airflow_provider_defender.lake.maintenance import compaction, progress
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.faults import SteppedStorage
from tests.unit.lake.maintenance.support import DAYS, alerts_lake, events_lake
from tests.unit.lake.offsets.support import HUB, committed_offsets, hub_drain, visible_offsets
from tests.unit.lake.support import (
    LOG,
    ORIGIN,
    START,
    Clock,
    alerts,
    committed,
    drain,
    local_lake,
    open_log,
    version,
    visible,
)


def test_alerts_become_one_file_a_day(tmp_path: Path) -> None:
    lake, _ = alerts_lake(tmp_path)
    before = committed(lake)
    plan = plan_compaction(lake)
    assert plan.as_dict()["total"]["files"] == 4
    assert "4 files, 4 rows" in plan.describe()[0]
    assert lake.log(LOG).snapshot().number == 5, "a plan changes nothing"
    total = compact(lake).as_dict()["total"]
    assert (total["files_removed"], total["files_added"], total["rows_before"], total["rows_after"]) == (
        4,
        1,
        4,
        4,
    )
    assert committed(lake) == before == visible(tmp_path)
    assert len(committed_files(lake, "alerts")) == 2
    assert not verify(lake).differences


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    lake, clock = alerts_lake(tmp_path)
    compact(lake)
    number = open_log(lake).snapshot().number
    for _ in range(2):
        clock.advance(DAYS)
        assert plan_compaction(lake).describe() == ["nothing to do"]
        assert compact(lake).as_dict()["logs"] == []
    assert open_log(lake).snapshot().number == number, "an empty plan commits nothing"


def test_events_become_one_file_an_hour(tmp_path: Path) -> None:
    lake, _ = events_lake(tmp_path)
    before = committed_offsets(lake)
    assert compact(lake).total.partitions == 2
    assert committed_offsets(lake) == before == visible_offsets(tmp_path)
    assert len({Path(path).parent for path in committed_files(lake, "events/DeviceInfo")}) == 4
    assert len(committed_files(lake, "events/DeviceInfo")) == 4
    newest = lake.log(HUB).newest()
    assert newest is not None
    assert newest.added[0].offsets == {0: (0, 9), 1: (0, 9)}
    assert not verify(lake).differences


def test_files_wait_until_the_next_commit_is_a_day_old(tmp_path: Path) -> None:
    """Until then a copy of a removed file may still be under way, and would bring its rows back."""
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    settings = CompactionSettings(hours_older_than=timedelta(0))
    for key in ("a", "b", "c"):
        drain(lake, [(key, START - DAYS)], to=clock.now)
        clock.advance(timedelta(hours=10))
    clock.advance(timedelta(hours=24))
    drain(lake, [("d", clock.now)])
    files = plan_compaction(lake, settings).as_dict()["total"]["files"]
    assert files == 2, "the file of the third commit is old, but the fourth commit is not"
    clock.advance(timedelta(hours=24, seconds=1))
    assert plan_compaction(lake, settings).as_dict()["total"]["files"] == 3


def test_open_partitions_and_large_files_are_left_alone(tmp_path: Path) -> None:
    lake, _clock = alerts_lake(tmp_path)
    small = min(Path(path).stat().st_size for path in committed_files(lake, "alerts"))
    assert plan_compaction(lake, CompactionSettings(target_bytes=2 * small + 2))
    assert not plan_compaction(lake, CompactionSettings(target_bytes=2 * small - 2))
    assert not plan_compaction(lake, CompactionSettings(hours_older_than=timedelta(days=9)))


def test_recent_days_wait_for_more_files_than_old_ones(tmp_path: Path) -> None:
    lake, clock = alerts_lake(tmp_path)
    settings = CompactionSettings(min_files=5)
    assert not plan_compaction(lake, settings)
    clock.advance(timedelta(days=4))
    assert plan_compaction(lake, settings)


def test_datasets_logs_and_a_number_of_partitions_can_be_chosen(tmp_path: Path) -> None:
    alerts_lake(tmp_path)
    lake, _ = events_lake(tmp_path)
    everything = plan_compaction(lake).as_dict()
    assert [each["log"] for each in everything["logs"]] == [LOG, HUB]
    assert plan_compaction(lake, datasets=["events/*"]).as_dict()["logs"] == everything["logs"][1:]
    assert plan_compaction(lake, logs=[LOG]).as_dict()["logs"] == everything["logs"][:1]
    some = plan_compaction(lake, CompactionSettings(max_partitions=1))
    assert [each.partition for plan in some.logs for each in plan.partitions] == ["date=2026-11-22"]
    assert compact(lake, CompactionSettings(max_partitions=2)).total.partitions == 2
    with pytest.raises(ValueError, match="there is no log 'other' in this lake; it has endpoint_alerts"):
        compact(lake, logs=["other"])


def test_commits_are_bounded(tmp_path: Path) -> None:
    lake, _ = events_lake(tmp_path)
    before = committed_offsets(lake)
    result = compact(lake, CompactionSettings(commit_partitions=1))
    assert len(result.total.commits) == 2
    assert committed_offsets(lake) == before


def test_a_large_partition_gets_several_files(tmp_path: Path) -> None:
    lake, _ = alerts_lake(tmp_path, count=0)
    for number in range(6):
        rows = alerts(
            [(f"{number}/{key}", version(START), START) for key in range(400)], text=f"{number}" * 99
        )
        with open_log(lake).begin(open_log(lake).head(), VersionsLedger(), kind="backfill") as transaction:
            transaction.write("alerts", rows, Partitioning.DAY)
            transaction.commit()
    lake.now.advance(DAYS)  # type: ignore[attr-defined]
    drain(lake, [("new", lake.now())])
    lake.now.advance(DAYS)  # type: ignore[attr-defined]
    before = committed(lake)
    size = min(Path(path).stat().st_size for path in committed_files(lake, "alerts")[1:])
    compact(lake, CompactionSettings(target_bytes=4 * size, memory_bytes=1024 * 1024))
    assert committed(lake) == before


def test_rows_that_landed_twice_land_once(tmp_path: Path) -> None:
    """A stale hint once doubled rows: the copies carry the same key and version."""
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    drain(lake, [("a", START), ("b", START)])
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="compaction") as transaction:  # looks into no files
        transaction.write(
            "alerts", alerts([("b", version(START), START)], items=2, text="again"), Partitioning.DAY
        )
        transaction.commit()
    clock.advance(DAYS)
    drain(lake, [("new", clock.now)])
    clock.advance(DAYS)
    total = compact(lake).total
    assert (total.rows_before, total.rows_after, total.duplicates) == (4, 3, 1)
    stamp = version(START)
    assert [row for row in committed(lake) if row[0] != "new"] == [
        ("a", stamp, 0),
        ("b", stamp, 0),
        ("b", stamp, 1),
    ]


def test_only_the_logs_own_files_are_merged(tmp_path: Path) -> None:
    """Two logs share a partition, and a file of a stranger lies there, too."""
    lake, _clock = alerts_lake(tmp_path)
    other = lake.log("graph_alerts-tenant", type(open_log(lake).head().position), origin=ORIGIN)
    for key in ("g1", "g2"):
        with other.begin(other.head(), VersionsLedger(), kind="backfill") as transaction:
            transaction.write("alerts", alerts([(key, version(START), START)]), Partitioning.DAY)
            transaction.commit()
    stranger = tmp_path / "alerts/date=2026-11-22/part-0.parquet"
    pq.write_table(alerts([("s", "", START)]), stranger)
    theirs = {each.file.path for each in other.snapshot().files()}
    before = committed(lake)
    compact(lake)
    assert committed(lake) == before
    assert {each.file.path for each in other.snapshot().files()} == theirs
    assert stranger.exists()
    assert all((tmp_path / path).exists() for path in theirs)


def test_files_of_different_releases_become_one(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    log = open_log(lake)
    tables = [alerts([("a", "1", START)]).drop_columns("text"), alerts([("b", "1", START)], text="t")]
    for table in tables:
        with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
            transaction.write("alerts", table, Partitioning.DAY)
            transaction.commit()
    clock.advance(DAYS)
    drain(lake, [("new", clock.now)])
    clock.advance(DAYS)
    compact(lake)
    path = next(path for path in committed_files(lake, "alerts", until=START + timedelta(days=1)))
    assert pq.ParquetFile(path).read(columns=["text"]).to_pydict() == {"text": [None, "t"]}


def test_files_whose_schemas_contradict_each_other_are_merged_apart_once(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    log = open_log(lake)
    for number in range(4):
        table = alerts([(f"k{number}", "1", START)])
        if number % 2:
            table = table.set_column(2, "text", pa.array([number]))
        with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
            transaction.write("alerts", table, Partitioning.DAY)
            transaction.commit()
    clock.advance(DAYS)
    drain(lake, [("new", clock.now)])
    clock.advance(DAYS)
    before = committed(lake)
    total = compact(lake).total
    assert (total.files_removed, total.files_added) == (4, 2)
    assert committed(lake) == before
    clock.advance(DAYS)
    drain(lake, [("newer", clock.now)])
    clock.advance(DAYS)
    assert plan_compaction(lake, datasets=["alerts"]).describe() == ["nothing to do"]


@pytest.mark.parametrize("what", ["altered", "gone"])
def test_a_damaged_file_keeps_its_partition_as_it_is(what: str, tmp_path: Path) -> None:
    """Merged, it could no longer be told from the others. All other partitions are merged."""
    alerts_lake(tmp_path)
    lake, _ = events_lake(tmp_path)
    path = Path(committed_files(lake, "alerts")[1])
    if what == "altered":
        pq.write_table(alerts([("forged", "", START)]), path)
    else:
        path.unlink()
    before, events = visible(tmp_path), committed_offsets(lake)
    with pytest.raises(FileChanged, match=path.name):
        compact(lake, CompactionSettings(latest=True))
    assert visible(tmp_path) == before
    assert [key for key, _, _ in visible(tmp_path, "alerts_latest")] == ["new"]
    assert len(committed_files(lake, "events/DeviceInfo")) == 4
    assert committed_offsets(lake) == events == visible_offsets(tmp_path)
    assert not list((tmp_path / "_defender").glob("*/staging/*"))


@pytest.mark.parametrize("latest", [False, True])
def test_sorted_rows_that_vanish_double_nothing(
    latest: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Something clears the folder of temporary files while merged rows are being staged."""
    temporary, root = tmp_path / "temporary", tmp_path / "lake"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    clock = Clock()
    lake = local_lake(root, clock)
    for number in range(1 if latest else 4):
        rows = [(f"k{number}-{each}", version(START), START) for each in range(6_000)]
        with open_log(lake).begin(open_log(lake).head(), VersionsLedger(), kind="backfill") as transaction:
            transaction.write("alerts", alerts(rows, text="x" * 300), Partitioning.DAY)
            transaction.commit()
    clock.advance(DAYS)
    drain(lake, [("new", clock.now)])
    clock.advance(DAYS)
    before = committed(lake)

    def clear(name: str, path: str, step: Callable[[], Any]) -> Any:
        if name == "check":  # of the partition, when its first rows are staged
            for each in temporary.rglob("*.arrow"):
                each.unlink()
        return step()

    lake.storage = SteppedStorage(lake.storage, clear)
    with pytest.raises(FileNotFoundError, match="arrow"):
        compact(lake, CompactionSettings(memory_bytes=2**20, latest=latest))
    assert committed(lake) == before == visible(root)
    assert visible(root, "alerts_latest") == []


class _Interrupted:
    """Does something once, just before the first partition is rewritten."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
        rewrite = compaction._Run._rewrite

        def interrupted(run: Any, *arguments: Any) -> int | None:
            if work is not None:
                monkeypatch.setattr(compaction._Run, "_rewrite", rewrite)
                work()
            return rewrite(run, *arguments)

        monkeypatch.setattr(compaction._Run, "_rewrite", interrupted)


@pytest.mark.parametrize("what", ["drain", "compaction", "retention"])
def test_another_run_in_between(what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lake, clock = alerts_lake(tmp_path)

    def other() -> None:
        if what == "drain":
            drain(lake, [("later", clock.now)])
        elif what == "compaction":
            compact(local_lake(tmp_path, clock))
        else:
            apply_retention(local_lake(tmp_path, clock), RetentionSettings({"alerts": timedelta(days=2)}))

    before = committed(lake)
    _Interrupted(monkeypatch, other)
    compact(lake)
    after = committed(lake)
    if what == "retention":
        assert {key for key, _, _ in after} == {"new"}
    else:
        assert [row for row in after if row[0] != "later"] == before
    assert after == visible(tmp_path)
    assert len(committed_files(lake, "alerts", until=START + timedelta(days=1))) <= 1
    assert not verify(lake).differences


def test_a_commit_between_plan_and_head_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A transaction knows only what comes after its head."""
    lake, clock = alerts_lake(tmp_path)
    before = committed(lake)

    def plan_and_lose(lake: Lake, *arguments: Any, **options: Any) -> Any:
        plan = plan_compaction(lake, *arguments, **options)
        compact_once(local_lake(tmp_path, clock))
        return plan

    def compact_once(lake: Lake) -> None:
        monkeypatch.setattr(compaction, "plan_compaction", plan_compaction)
        compact(lake)

    monkeypatch.setattr(compaction, "plan_compaction", plan_and_lose)
    compact(lake)
    assert committed(lake) == before == visible(tmp_path)


def test_drains_and_backfills_go_on_afterwards(tmp_path: Path) -> None:
    lake, _clock = events_lake(tmp_path)
    compact(lake)
    hub_drain(lake, {0: 45, 1: 30})
    assert committed_offsets(lake) == sorted(
        [(0, offset, 0) for offset in range(45)] + [(1, offset, 0) for offset in range(30)]
    )


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    lake, _ = alerts_lake(tmp_path)
    said: list[str] = []
    compact(lake, progress=said.append)
    assert set(said) == {f"0 of 1 partitions merged, now alerts/date=2026-11-22 of {LOG}"}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"target_bytes": 0}, "target_bytes is 0"),
        ({"min_files": 1}, "min_files is 1, but must be at least 2"),
        ({"max_partitions": 0}, "max_partitions is 0"),
        ({"compression_level": 23}, "zstd has levels 1 to 22"),
        ({"days_older_than": timedelta(-1)}, "an age cannot be negative"),
        ({"memory_bytes": 10}, "memory_bytes is 10"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        CompactionSettings(**values)
