"""A plan that relies on what earlier runs have merged is the plan that looks at all files."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_defender.lake import (
    CompactionPlan,
    CompactionSettings,
    FileChanged,
    Lake,
    RetentionSettings,
    VersionsLedger,
    apply_retention,
    committed_files,
    compact,
    plan_compaction,
)
from airflow_provider_defender.lake.maintenance import compaction, latest, plan
from airflow_provider_defender.lake.maintenance.horizon import is_small
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.maintenance.support import DAYS, alerts_lake
from tests.unit.lake.support import (
    START,
    Clock,
    alerts,
    committed,
    drain,
    local_lake,
    noting,
    open_log,
    version,
    visible,
)
from tests.unit.lake.versions.support import home

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_NUMBERS = itertools.count()


def note(root: Path) -> Path:
    return home(root) / "compacted.json"


def land(lake: Lake, hours_ago: int) -> None:
    """A file in the partition of an earlier hour, as a backfill writes it, and one in that of its day."""
    moment = lake.now() - hours_ago * HOUR
    rows = alerts([(f"k{next(_NUMBERS)}", version(moment), moment)])
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.write("alerts", rows, Partitioning.DAY)
        transaction.write("events/DeviceInfo", rows, Partitioning.HOUR)
        transaction.commit()


def whole_plan(lake: Lake, root: Path, chosen: CompactionSettings) -> CompactionPlan:
    """The plan without the notes."""
    notes = [note(root), home(root) / "latest.json"]
    bodies = {path: path.read_bytes() for path in notes if path.exists()}
    for path in bodies:
        path.unlink()
    whole = plan_compaction(lake, chosen)
    for path, body in bodies.items():
        path.write_bytes(body)
    return whole


chosen_settings = st.builds(
    CompactionSettings,
    min_files=st.sampled_from([2, 2, 3]),
    hours_older_than=st.sampled_from([timedelta(0), 2 * HOUR, 30 * HOUR]),
    days_older_than=st.sampled_from([timedelta(0), timedelta(days=2), timedelta(days=7)]),
    max_partitions=st.sampled_from([None, None, 1]),
    target_bytes=st.sampled_from([128 * 1024 * 1024] * 3 + [4_000]),
    latest=st.booleans(),
)
histories = st.lists(
    st.one_of(
        st.lists(st.sampled_from([0, 0, 1, 5, 26, 50, 24 * 9]), min_size=1, max_size=3),
        st.sampled_from([HOUR, 9 * HOUR, 26 * HOUR, 3 * DAYS, -5 * HOUR]),
        chosen_settings,
        st.just(RetentionSettings({"*": 2 * DAYS})),
    ),
    min_size=4,
    max_size=16,
)


@settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
@given(histories, st.lists(chosen_settings, min_size=1, max_size=2))
def test_nothing_is_overlooked(
    tmp_path_factory: pytest.TempPathFactory, history: list[Any], asked: list[CompactionSettings]
) -> None:
    root, clock = tmp_path_factory.mktemp("lake"), Clock()
    lake = local_lake(root, clock, commits_per_checkpoint=3)
    for step in [*history, 26 * HOUR, asked[0], HOUR]:
        if isinstance(step, CompactionSettings):
            compact(lake, step)
        elif isinstance(step, RetentionSettings):
            apply_retention(lake, step)
        elif isinstance(step, timedelta):
            clock.advance(step)
        else:
            for hours_ago in step:
                land(lake, hours_ago)
        for each in asked:  # `CompactionPlan` compares what is to be done
            assert plan_compaction(lake, each) == whole_plan(lake, root, each)


def looked_at(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The days of `alerts` whose files a plan looks at."""
    seen: set[str] = set()

    def noting_small(file: Any, chosen: CompactionSettings) -> bool:
        if file.dataset == "alerts":
            seen.add(file.partition)
        return is_small(file, chosen)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "is_small", noting_small)
        plan_compaction(lake)
    return seen


def grown(root: Path) -> tuple[Lake, Clock]:
    """Ten days with two files of each, all merged, and the merges settled and noted."""
    clock = Clock()
    lake = local_lake(root, clock)
    for _ in range(10):
        land(lake, 0)
        land(lake, 0)
        clock.advance(DAY)
    for _ in range(3):
        clock.advance(2 * DAY)
        compact(lake)
        land(lake, 0)
    return lake, clock


@pytest.fixture(scope="module")
def lake_and_root(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path]:
    """A lake of which tests change the note only."""
    root = tmp_path_factory.mktemp("grown")
    return grown(root)[0], root


def test_only_what_has_changed_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, clock = grown(tmp_path)
    land(lake, 24 * 12)
    late = f"date={clock.now - 12 * DAY:%Y-%m-%d}"
    for _ in range(2):
        clock.advance(DAY + HOUR)
        land(lake, 0)
    seen = looked_at(lake, monkeypatch)
    assert late in seen
    assert len(seen) <= 4, "and the days that are open"
    found = plan_compaction(lake, datasets=["alerts"]).logs[0].partitions
    assert late in [each.partition for each in found]


def test_alerts_latest_is_planned_from_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, clock = grown(tmp_path)
    chosen = CompactionSettings(latest=True)
    for _ in range(2):
        clock.advance(2 * DAY)
        land(lake, 0)
        compact(lake, chosen)
    land(lake, 24 * 12)
    late = f"date={clock.now - 12 * DAY:%Y-%m-%d}"
    clock.advance(DAY + HOUR)
    land(lake, 0)
    seen: list[Any] = []
    by_partition = latest._by_partition

    def noting_partitions(*arguments: Any) -> Any:
        found = by_partition(*arguments)
        seen.append(set(found))
        return found

    monkeypatch.setattr(latest, "_by_partition", noting_partitions)
    (found,) = plan_compaction(lake, chosen).logs
    assert late in found.latest
    assert all(len(partitions) <= 6 for partitions in seen)
    path = home(tmp_path) / "latest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "digest": "0" * 64}))
    seen.clear()
    assert plan_compaction(lake, chosen).logs[0].latest == found.latest
    assert len(seen[0]) >= 10, "the log was restored to what it was before"


@pytest.mark.parametrize(
    "changes",
    [
        b"",
        b"not JSON",
        b"[" * 100_000,
        b"{}",
        {"below": -1},
        {"below": 10**9},
        {"waiting": None},
        {"waiting": [7]},
        {"walked_at": "0001-01-01T00:00:00Z"},
        {"walked_at": "2999-01-01T00:00:00Z"},
        {"target_bytes": 7},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_a_note_that_does_not_fit_is_passed_over(
    changes: bytes | dict[str, Any], lake_and_root: tuple[Lake, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, root = lake_and_root
    body = note(root).read_bytes()
    assert len(looked_at(lake, monkeypatch)) <= 3
    bad = json.dumps({**json.loads(body), **changes}).encode() if isinstance(changes, dict) else changes
    note(root).write_bytes(bad)
    try:
        assert len(looked_at(lake, monkeypatch)) >= 10
    finally:
        note(root).write_bytes(body)


def test_other_settings_look_at_all_where_they_must(lake_and_root: tuple[Lake, Path]) -> None:
    lake, root = lake_and_root
    for chosen in (CompactionSettings(target_bytes=2**30), CompactionSettings(min_files=3)):
        assert plan_compaction(lake, chosen) == whole_plan(lake, root, chosen)


def test_all_is_looked_at_every_thirty_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a lake have been restored to the time before a merge, say."""
    lake, clock = grown(tmp_path)
    seen = []
    for _ in range(20):
        clock.advance(2 * DAY)
        land(lake, 0)
        seen.append(len(looked_at(lake, monkeypatch)))
        compact(lake)
    assert len([count for count in seen if count >= 10]) == 1


def test_what_a_run_had_no_room_for_comes_next(tmp_path: Path) -> None:
    lake, clock = grown(tmp_path)
    note(tmp_path).unlink()
    for days in (12, 11, 10):
        land(lake, 24 * days)
        land(lake, 24 * days)
    for _ in range(2):
        clock.advance(2 * DAY)
        land(lake, 0)
    one = CompactionSettings(max_partitions=1)
    merged = [compact(lake, one, datasets=["alerts"]).total.partitions for _ in range(3)]
    assert merged == [1, 1, 1]
    assert not note(tmp_path).exists(), "a run for some datasets tells nothing about the others"
    assert compact(lake, one).total.partitions == 1
    assert note(tmp_path).exists()
    assert [compact(lake, one).total.partitions for _ in range(3)] == [1, 1, 0]
    assert not plan_compaction(lake)


def test_partitions_that_wait_are_looked_at_again_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, clock = grown(tmp_path)
    for _ in range(2):
        land(lake, 24 * 12)
    late = f"date={clock.now - 12 * DAY:%Y-%m-%d}"
    for _ in range(2):
        clock.advance(DAY + HOUR)
        land(lake, 0)
    patient = CompactionSettings(min_files=4, days_older_than=timedelta(days=99))
    compact(lake, patient)
    assert late in json.loads(note(tmp_path).read_bytes())["waiting"]
    for _ in range(2):
        clock.advance(2 * DAY)
        land(lake, 0)
        compact(lake, patient)
    assert len(looked_at(lake, monkeypatch)) <= 3
    found = plan_compaction(lake, datasets=["alerts"]).logs[0].partitions
    assert [each.partition for each in found] == [late]


def test_a_partition_with_a_damaged_file_is_tried_again(tmp_path: Path) -> None:
    lake, clock = alerts_lake(tmp_path)
    path = Path(committed_files(lake, "alerts")[1])
    body = path.read_bytes()
    path.write_bytes(body[:-1] + b"?")
    for _ in range(2):
        with pytest.raises(FileChanged, match=path.name):
            compact(lake)
        clock.advance(DAYS)
        drain(lake, [("newer", clock.now)])
    path.write_bytes(body)
    assert compact(lake).total.partitions >= 1
    assert len(committed_files(lake, "alerts", until=START + DAY)) == 1


def test_a_run_that_another_one_disturbs_notes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, clock = alerts_lake(tmp_path)
    merge = compaction._Run._merge

    def disturbed(run: Any, *arguments: Any) -> Any:
        monkeypatch.setattr(compaction._Run, "_merge", merge)
        apply_retention(local_lake(tmp_path, clock), RetentionSettings({"alerts": timedelta(days=2)}))
        return merge(run, *arguments)

    monkeypatch.setattr(compaction._Run, "_merge", disturbed)
    compact(lake)
    assert not note(tmp_path).exists()
    compact(lake)
    assert note(tmp_path).exists()


def test_idle_runs_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, _ = alerts_lake(tmp_path)
    compact(lake)
    paths: list[str] = []
    monkeypatch.setattr(lake.storage, "replace", noting(lake.storage.replace, paths))
    compact(lake)
    assert paths == []


def test_a_note_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    lake, _ = alerts_lake(tmp_path)
    before = committed(lake)
    note(tmp_path).mkdir()
    compact(lake)
    assert committed(lake) == before == visible(tmp_path)
