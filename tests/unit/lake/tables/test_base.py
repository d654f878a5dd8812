from __future__ import annotations

import random
from pathlib import Path

import pytest

from airflow_provider_defender.lake import Lake, LakeError, TableUnusable, committed_files
from airflow_provider_defender.lake.tables.base import Change, Followed, batches, changes, chosen_datasets
from tests.unit.lake.support import START, local_lake
from tests.unit.lake.tables.support import (
    DEVICES,
    ENDPOINT,
    GRAPH,
    compact,
    goes_on,
    land,
    new_rows,
    open_log,
    restored,
    retire,
)


class Table:
    """The simplest table: a set of paths, and how far it has come."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.files: set[str] = set()
        self.numbers: dict[str, int] = {}
        self.digests: dict[str, str] = {}

    @property
    def followed(self) -> Followed:
        return Followed(self.numbers, self.digests)

    def write(self, change: Change) -> None:
        assert not self.files & change.added.keys()
        self.files = (self.files - set(change.removed)) | change.added.keys()
        self.numbers.update(change.numbers)
        self.digests.update(change.digests)

    def follow(self, lake: Lake) -> None:
        (change,) = changes(lake, {self.dataset: self.followed})
        if change:
            self.write(change)


def follow_all(lake: Lake, tables: list[Table]) -> None:
    found = changes(lake, {table.dataset: table.followed for table in tables})
    for table, change in zip(tables, found, strict=True):
        if change:
            table.write(change)


def paths(lake: Lake, root: Path, dataset: str) -> set[str]:
    return {str(Path(path).relative_to(root)) for path in committed_files(lake, dataset)}


def only(lake: Lake, numbers: dict[str, int], dataset: str = "alerts") -> Change:
    (change,) = changes(lake, {dataset: Followed(numbers)})
    return change


# What has changed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_table_that_follows_now_and_then_has_the_committed_files(folder: Path, seed: int) -> None:
    chance, lake = random.Random(seed), local_lake(folder)
    tables = [Table("alerts"), Table(DEVICES)]
    for _ in range(6):
        goes_on(lake, chance, chance.randrange(6))
        if chance.random() < 0.3:
            tables[0].follow(lake)
        follow_all(lake, tables)
        for table in (*tables, new := Table("alerts")):
            if table is new:
                table.follow(lake)
            assert table.files == paths(lake, folder, table.dataset)


def test_nothing_is_to_be_written_when_nothing_has_changed(folder: Path) -> None:
    lake = local_lake(folder)
    assert not only(lake, {})
    first = land(lake)
    change = only(lake, {})
    assert list(change.added) == [first.added[0].path]
    assert change.numbers == {ENDPOINT: 1}
    assert change.commits == {first.added[0].path: (ENDPOINT, 1)}
    assert change.rows == 1
    assert not only(lake, {ENDPOINT: 1})


def test_a_file_that_came_and_went_since_is_in_neither(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    retire(lake)
    land(lake, DEVICES)
    change = only(lake, {GRAPH: 0, ENDPOINT: 0})
    assert not change
    land(lake)
    numbers = {ENDPOINT: 3}
    retire(lake)
    assert not only(lake, numbers)


def test_a_table_of_a_quiet_dataset_notes_how_far_it_has_come(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.tables.base._NUMBERS_BEHIND", 3)
    lake = local_lake(folder)
    land(lake)
    for _ in range(2):
        land(lake, DEVICES)
    assert not only(lake, {ENDPOINT: 1})
    land(lake, DEVICES)
    change = only(lake, {ENDPOINT: 1})
    assert (change.numbers, change.added, change.removed) == ({ENDPOINT: 4}, {}, ())
    assert not only(lake, {}, "incidents")  # no table is made for nothing


def test_a_commit_whose_files_are_under_way_waits(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    commit = land(lake)
    path = folder / commit.added[0].path
    staging = folder / "_defender" / ENDPOINT / "staging" / commit.token
    staging.mkdir()
    path.rename(staging / "1.staged")
    assert only(lake, {}).numbers == {ENDPOINT: 1}
    assert not only(lake, {ENDPOINT: 1})
    open_log(lake).head()
    assert only(lake, {ENDPOINT: 1}).numbers == {ENDPOINT: 2}


@pytest.mark.parametrize("commits", [0, 1, 3])
def test_a_table_ahead_of_its_log_is_refused(folder: Path, commits: int) -> None:
    lake = local_lake(folder)
    for _ in range(commits):
        land(lake)
    land(lake, log=GRAPH)
    with pytest.raises(
        TableUnusable, match=rf"alerts has followed {ENDPOINT} up to commit 4.* delete the table"
    ):
        changes(lake, {DEVICES: Followed(), "alerts": Followed({ENDPOINT: 4})})


@pytest.mark.parametrize("since", [0, 2])
def test_a_log_that_was_restored_and_has_landed_since_is_told(folder: Path, since: int) -> None:
    lake = local_lake(folder)
    for _ in range(2):
        land(lake)
    land(lake, log=GRAPH)
    tables = [Table("alerts"), Table(DEVICES)]
    with restored(folder):
        land(lake)
        tables[0].follow(lake)
    for _ in range(1 + since):
        land(lake)
    text = (
        rf"alerts has followed {ENDPOINT} up to commit 3 with the digest \w+…, but the log's commit 3 "
        "has .*: the log was restored .*[Dd]elete the table"
    )
    unusable: list[LakeError] = []
    (change,) = changes(lake, {table.dataset: table.followed for table in tables}, unusable)
    assert change.dataset == DEVICES
    with pytest.raises(TableUnusable, match=text):
        raise unusable[0]
    tables[0].digests = {}  # as an older release has written it
    tables[0].follow(lake)


def test_a_part_of_a_change_has_no_wrong_digest(folder: Path) -> None:
    lake = local_lake(folder)
    table = Table("alerts")
    land(lake)
    table.follow(lake)
    for _ in range(4):
        land(lake)
    (change,) = changes(lake, {"alerts": table.followed})
    table.write(next(iter(batches(change, 2))))
    assert table.followed == Followed({ENDPOINT: 3}, {ENDPOINT: ""})
    table.follow(lake)
    assert table.files == paths(lake, folder, "alerts")
    assert table.digests == {ENDPOINT: open_log(lake).read_head().commit.digest}  # type: ignore[union-attr]


# Whether rows change ------------------------------------------------------------------------------


def test_a_compaction_changes_no_rows_and_retention_does(folder: Path) -> None:
    lake = local_lake(folder)
    old = [land(lake).added[0].path for _ in range(2)]
    merged = compact(lake).added[0].path
    change = only(lake, {ENDPOINT: 2})
    assert set(change.removed) == set(old)
    assert change.rewritten == {*old, merged}
    again = compact(lake).added[0].path
    assert only(lake, {ENDPOINT: 2}).rewritten == {*old, again}
    retire(lake)
    change = only(lake, {ENDPOINT: 2})
    assert set(change.removed) == set(old)
    assert (change.added, change.rewritten) == ({}, frozenset())


def test_a_compaction_of_files_that_are_new_to_the_table_brings_rows(folder: Path) -> None:
    lake = local_lake(folder)
    for _ in range(2):
        land(lake)
    merged = compact(lake).added[0].path
    change = only(lake, {ENDPOINT: 1})
    assert list(change.added) == [merged]
    assert change.rewritten == frozenset()
    assert only(lake, {}).rewritten == frozenset()


# Which datasets, and in which parts ---------------------------------------------------------------


def test_all_datasets_with_a_partition_or_a_table_are_followed(folder: Path) -> None:
    lake = local_lake(folder)
    assert chosen_datasets(lake, None, "_delta_log") == []
    land(lake)
    land(lake, DEVICES)
    (folder / "notes").mkdir()
    (folder / "incidents" / "_delta_log").mkdir(parents=True)
    assert chosen_datasets(lake, None, "_delta_log") == ["alerts", DEVICES, "incidents"]
    assert chosen_datasets(lake, "alerts", "_delta_log") == ["alerts"]
    assert chosen_datasets(lake, [DEVICES, "alerts", "alerts"], "_delta_log") == ["alerts", DEVICES]
    with pytest.raises(ValueError, match="'Alerts!' is not a dataset name"):
        chosen_datasets(lake, ["Alerts!"], "_delta_log")


def test_a_first_change_comes_in_parts_from_which_a_follower_can_go_on(folder: Path) -> None:
    lake = local_lake(folder)
    for log in (ENDPOINT, GRAPH):
        for _ in range(3):
            land(lake, log=log)
        land(lake, DEVICES, log=log)
    land(lake, rows=new_rows([START, START.replace(day=23), START.replace(day=24)]))
    parts = list(batches(only(lake, {}), 2))
    assert [len(part.added) for part in parts] == [2, 4, 2, 1]
    for killed in range(len(parts) + 1):
        table = Table("alerts")
        for part in parts[:killed]:
            table.write(part)
        table.follow(lake)
        assert table.files == paths(lake, folder, "alerts")
        assert table.numbers == {ENDPOINT: 5, GRAPH: 4}


def test_parts_end_with_whole_commits_where_these_land_in_several_partitions(folder: Path) -> None:
    lake = local_lake(folder)
    for _ in range(3):
        land(lake, rows=new_rows([START, START.replace(day=23)]))
    parts = list(batches(only(lake, {}), 2))
    assert [(len(part.added), part.numbers) for part in parts] == [
        (2, {ENDPOINT: 1}),
        (2, {ENDPOINT: 2}),
        (2, {ENDPOINT: 3}),
    ]
    table = Table("alerts")
    table.write(parts[0])
    table.follow(lake)
    assert table.files == paths(lake, folder, "alerts")


def test_a_change_that_replaces_files_stays_whole(folder: Path) -> None:
    lake = local_lake(folder)
    for _ in range(4):
        land(lake)
    compact(lake)
    land(lake)
    change = only(lake, {ENDPOINT: 4})
    assert list(batches(change, 1)) == [change]
