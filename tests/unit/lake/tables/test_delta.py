"""Delta tables over the landed files: read back with deltalake and Polars, they are what has landed."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from airflow_provider_defender.lake import (
    Lake,
    TableConflict,
    TableResult,
    TableUnusable,
    committed_files,
    follow_delta,
)
from airflow_provider_defender.lake.tables import delta_checkpoint
from airflow_provider_defender.lake.tables.delta_log import DeltaLog
from tests.unit.lake.faults import Crash, FaultAt, SteppedStorage, Take, kill_at_every_step
from tests.unit.lake.support import START, Clock, local_lake, rows_of
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


def follow(lake: Lake, dataset: str = "alerts") -> TableResult:
    (result,) = follow_delta(lake, dataset)
    return result


def table_files(root: Path, dataset: str = "alerts") -> list[str]:
    return sorted(DeltaTable(str(root / dataset)).file_uris())


def table_rows(root: Path, dataset: str = "alerts") -> list[tuple[str, str, int]]:
    landing = pl.scan_delta(str(root / dataset)).select("landing").collect()["landing"].to_list()
    return sorted((row["key"], row["version"], row["item"]) for row in landing)


def assert_equal(lake: Lake, root: Path, dataset: str = "alerts") -> None:
    """The table holds the committed files, and so their rows."""
    files = committed_files(lake, dataset)
    if not (root / dataset / "_delta_log").exists():
        assert files == []
        return
    assert table_files(root, dataset) == sorted(files)
    assert table_rows(root, dataset) == rows_of(files)


def versions(root: Path, dataset: str = "alerts") -> list[list[dict[str, Any]]]:
    """The actions of each version that has a file."""
    files = sorted((root / dataset / "_delta_log").glob("*.json"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def of_kind(actions: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [action[kind] for action in actions if kind in action]


# Equal to what has landed -------------------------------------------------------------------------


def test_the_table_has_what_has_landed(folder: Path) -> None:
    lake = local_lake(folder)
    assert follow_delta(lake) == []
    land(lake)
    land(lake, log=GRAPH)
    land(lake, DEVICES)
    before = sorted(path for path in folder.rglob("*.parquet"))
    results = follow_delta(lake)
    assert [each.dataset for each in results] == ["alerts", DEVICES]
    assert results[0] == TableResult("alerts", 0, 1, 2, 0, 2, {ENDPOINT: 2, GRAPH: 1})
    assert results[0].as_dict()["numbers"] == {ENDPOINT: 2, GRAPH: 1}
    assert sorted(path for path in folder.rglob("*.parquet")) == before
    for dataset in ("alerts", DEVICES):
        assert_equal(lake, folder, dataset)
    assert follow_delta(lake) == [
        TableResult("alerts", 0, numbers={ENDPOINT: 2, GRAPH: 1}),
        TableResult(DEVICES, 0, numbers={ENDPOINT: 2, GRAPH: 1}),
    ]
    assert follow(lake, "incidents") == TableResult("incidents", None)


@pytest.mark.parametrize("seed", range(4))
def test_random_histories(folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two logs in the same partitions land, are compacted and lose files; tables are rebuilt now and then."""
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta_checkpoint.EVERY", 3)
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta._FILES", 2)
    chance, lake = random.Random(seed), local_lake(folder)
    for _ in range(8):
        goes_on(lake, chance, chance.randrange(1, 5))
        if chance.random() < 0.15:
            remove_log(folder)
        follow_delta(lake, None if chance.random() < 0.8 else "alerts")
        assert_equal(lake, folder)
    follow_delta(lake)
    for dataset in ("alerts", DEVICES):
        assert_equal(lake, folder, dataset)


@pytest.mark.integration
def test_three_hundred_random_histories_with_kills(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that land, compact and remove, and followers, end anywhere; another one goes on."""
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta_checkpoint.EVERY", 3)
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta._FILES", 3)
    killed = 0
    for seed in range(300):
        chance, root = random.Random(seed), folder / str(seed)
        for _ in range(4):
            for work in (partial(goes_on, chance=chance, steps=2), partial(follow_delta, datasets="alerts")):
                lake = local_lake(root)
                if chance.random() < 0.4:
                    lake.storage = SteppedStorage(lake.storage, FaultAt(chance.randrange(1, 60), "crash"))
                try:
                    work(lake)
                except Crash:
                    killed += 1
        for log in (ENDPOINT, GRAPH):
            open_log(local_lake(root), log).head()
        follow_delta(local_lake(root))
        for dataset in ("alerts", DEVICES):
            if (root / dataset / "_delta_log").exists():
                assert table_files(root, dataset) == sorted(committed_files(root, dataset)), seed
        assert_equal(local_lake(root), root)
        shutil.rmtree(root)
    assert killed > 300


def remove_log(root: Path, dataset: str = "alerts") -> None:
    for path in (root / dataset / "_delta_log").glob("*"):
        path.unlink()


def test_a_compaction_is_one_version_and_changes_no_rows(folder: Path) -> None:
    lake = local_lake(folder)
    for _ in range(3):
        land(lake)
    land(lake, log=GRAPH)
    follow(lake)
    rows = table_rows(folder)
    compact(lake)
    assert follow(lake).as_dict() == {
        "dataset": "alerts",
        "version": 1,
        "versions": 1,
        "added": 1,
        "removed": 3,
        "rows": 3,
        "numbers": {ENDPOINT: 4, GRAPH: 1},
    }
    assert table_rows(folder) == rows
    assert [
        each["dataChange"] for kind in ("add", "remove") for each in of_kind(versions(folder)[1], kind)
    ] == ([False] * 4)
    retire(lake)
    follow(lake)
    assert [each["dataChange"] for each in of_kind(versions(folder)[2], "remove")] == [True]
    assert_equal(lake, folder)
    assert follow(lake).versions == 0


class BetweenSteps:
    """Takes all steps; after each that deletes nothing, the table is as it should be."""

    def __init__(self, root: Path, when: str) -> None:
        self.root = root
        self.when = when
        self.steps = 0

    def __call__(self, name: str, path: str, step: Any) -> Any:
        if name == self.when and path.endswith(".parquet"):
            self.steps += 1
            follow(local_lake(self.root))
        table_rows(self.root)
        return step()


def test_a_follower_between_publishing_and_removal_spares_readers_missing_files(folder: Path) -> None:
    """The commit counts as soon as its files are in place, when what it removes is still there."""
    lake = local_lake(folder)
    for _ in range(2):
        land(lake)
    follow(lake)
    rows = table_rows(folder)
    take = BetweenSteps(folder, "delete")
    lake.storage = SteppedStorage(lake.storage, take)
    compact(lake)
    assert take.steps == 2
    assert table_rows(folder) == rows
    assert follow(local_lake(folder)).versions == 0
    assert_equal(lake, folder)


# Columns ------------------------------------------------------------------------------------------


def test_partition_columns_have_their_types_and_prune(folder: Path) -> None:
    lake = local_lake(folder)
    moments = [START.replace(hour=hour) for hour in (3, 13)]
    land(lake, DEVICES, rows=new_rows(moments))
    follow(lake, DEVICES)
    frame = pl.scan_delta(str(folder / DEVICES))
    assert frame.collect_schema()["date"] == pl.Date
    assert frame.collect_schema()["hour"] == pl.Int32
    assert frame.filter(hour=3).select("@timestamp", "date").collect().rows() == [
        (moments[0], date(2026, 11, 22))
    ]
    added = of_kind(versions(folder, DEVICES)[0], "add")
    assert {each["path"][:24]: each["partitionValues"] for each in added} == {
        "date=2026-11-22/hour=03/": {"date": "2026-11-22", "hour": "3"},
        "date=2026-11-22/hour=13/": {"date": "2026-11-22", "hour": "13"},
    }


@pytest.mark.parametrize("microsecond", [0, 1, 500, 999, 1000, 123456, 999_999])
def test_a_filter_by_time_loses_no_row(folder: Path, microsecond: int) -> None:
    lake = local_lake(folder)
    moment = START.replace(microsecond=microsecond)
    land(lake, rows=new_rows([moment]))
    land(lake, rows=new_rows([START - timedelta(hours=2)]))
    follow(lake)
    when = pl.col("@timestamp")
    for condition in (when >= moment, when == moment, when > moment - timedelta(microseconds=1)):
        assert pl.scan_delta(str(folder / "alerts")).filter(condition).collect().height == 1
    added = of_kind(versions(folder)[0], "add")
    stats = next(json.loads(each["stats"]) for each in added)
    least, most = (
        datetime.fromisoformat(stats[name]["@timestamp"].replace("Z", "+00:00"))
        for name in ("minValues", "maxValues")
    )
    assert moment - timedelta(milliseconds=1) < least <= moment <= most < moment + timedelta(milliseconds=1)
    assert stats["numRecords"] == 1


def rows_with_text(folder: Path) -> int:
    """How many rows deltalake finds by a column without statistics in the table."""
    with_text = pc.is_valid(pc.field("text")) & (pc.field("text") >= "")
    return int(DeltaTable(str(folder / "alerts")).to_pyarrow_dataset().count_rows(filter=with_text))


def test_a_filter_by_another_column_loses_no_row(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake, rows=new_rows([START]))
    follow(lake)
    assert rows_with_text(folder) == 1


def test_a_table_of_an_older_release_gets_the_settings_it_lacks_and_keeps_others(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake, rows=new_rows([START]))
    follow(lake)
    path = folder / "alerts" / "_delta_log" / f"{0:020d}.json"
    actions = versions(folder)[0]
    own = {"delta.logRetentionDuration": "interval 60 days"}
    for metadata in of_kind(actions, "metaData"):
        metadata["configuration"] = own
    path.write_text("\n".join(map(json.dumps, actions)))
    for _ in range(2):
        land(lake, rows=new_rows([START]))
        follow(lake)
    assert rows_with_text(folder) == 3
    assert [len(of_kind(actions, "metaData")) for actions in versions(folder)] == [1, 1, 0]
    assert own.items() < DeltaTable(str(folder / "alerts")).metadata().configuration.items()


def wider(rows: pa.Table) -> pa.Table:
    """The rows as a newer release lands them: one more column, and one more leaf."""
    landing = rows["landing"].combine_chunks()
    fields = [landing.field(index) for index in range(3)]
    names = [field.name for field in landing.type]
    wide = pa.StructArray.from_arrays([*fields, pa.array(["new"] * len(rows))], [*names, "fresh"])
    rows = rows.set_column(1, "landing", wide)
    return rows.append_column("host", pa.array([{"ip": ["::1"]}] * len(rows)))


def test_columns_that_newer_files_have_are_added(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    follow(lake)
    land(lake, rows=wider(new_rows([START])))
    land(lake)
    follow(lake)
    frame = pl.scan_delta(str(folder / "alerts")).collect()
    assert (
        sorted(frame["host"].to_list(), key=str) == [None, None, {"ip": ["::1"]}]
        or frame["host"].struct.field("ip").to_list().count(None) == 2
    )
    assert sorted(frame["landing"].struct.field("fresh").to_list(), key=str) == [None, None, "new"]
    assert frame["date"].to_list() == [date(2026, 11, 22)] * 3
    assert [len(of_kind(actions, "metaData")) for actions in versions(folder)] == [1, 1]
    land(lake, rows=wider(new_rows([START])))
    follow(lake)
    assert of_kind(versions(folder)[2], "metaData") == []
    assert_equal(lake, folder)


def test_a_column_of_another_type_is_an_error_that_names_it(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    land(lake, DEVICES)
    follow_delta(lake)
    rows = new_rows([START])
    other = rows.set_column(2, "text", pa.array([1] * len(rows)))
    land(lake, rows=other)
    land(lake, DEVICES)
    with pytest.raises(
        TableUnusable,
        match=r'(?s)the column text of the dataset alerts has the type "long" in alerts/date=.*"string"',
    ):
        follow_delta(lake)
    assert len(versions(folder)) == 1
    assert_equal(lake, folder, DEVICES)  # the others are brought up to date


# Others who write -----------------------------------------------------------------------------------


def test_a_table_that_another_program_has_changed_is_refused_and_can_be_remade(folder: Path) -> None:
    lake = local_lake(folder)
    for _ in range(2):
        land(lake)
    land(lake, DEVICES)
    follow_delta(lake)
    DeltaTable(str(folder / "alerts")).optimize.compact()
    land(lake, DEVICES)
    with pytest.raises(TableUnusable, match=r"version 1 .* alerts was written by another program .OPTIMIZE"):
        follow_delta(lake)
    assert_equal(lake, folder, DEVICES)
    remove_log(folder)
    assert follow(lake).version == 0
    assert table_files(folder) == sorted(committed_files(lake, "alerts"))


def test_a_table_whose_settings_were_changed_is_followed(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    follow(lake)
    DeltaTable(str(folder / "alerts")).alter.set_table_properties(
        {"delta.logRetentionDuration": "interval 60 days"}
    )
    land(lake)
    assert follow(lake).version == 2
    assert_equal(lake, folder)
    DeltaTable(str(folder / "alerts")).alter.set_table_properties({"delta.appendOnly": "true"})
    with pytest.raises(TableUnusable, match=r"delta.appendOnly=true, .*unset"):
        follow(lake)


def test_another_programs_table_is_refused(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    pl.DataFrame({"a": [1]}).write_delta(str(folder / "alerts"))
    with pytest.raises(TableUnusable, match=r"version 0 .* another program"):
        follow(lake)


def test_a_table_of_a_newer_protocol_is_refused(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    follow(lake)
    upgrade = {
        "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors"],
        }
    }
    (folder / "alerts" / "_delta_log" / f"{1:020d}.json").write_text(json.dumps(upgrade))
    with pytest.raises(TableUnusable, match=r"does not write \(deletionVectors\)"):
        follow(lake)


def test_two_followers_at_once(folder: Path) -> None:
    lake = local_lake(folder)
    for _ in range(12):
        land(lake)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(4):
                follow(local_lake(folder))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        land(lake)
    compact(lake)
    for thread in threads:
        thread.join()
    assert failures == []
    follow(lake)
    assert_equal(lake, folder)
    added = [each["path"] for actions in versions(folder) for each in of_kind(actions, "add")]
    assert len(added) == len(set(added))


class Faster:
    """Takes all steps; but before a version is created, another follower does so."""

    def __init__(self, root: Path, times: int) -> None:
        self.root = root
        self.times = times

    def __call__(self, name: str, path: str, step: Any) -> Any:
        if name == "create" and self.times:
            self.times -= 1
            other = local_lake(self.root)
            follow(other)
            land(other)
        return step()


def test_a_follower_that_comes_second_goes_on(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    lake.storage = SteppedStorage(lake.storage, Faster(folder, 2))
    result = follow(lake)
    assert (result.version, result.versions, result.added) == (2, 1, 1)
    assert_equal(lake, folder)


def test_a_follower_that_always_comes_second_gives_up(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)
    lake.storage = SteppedStorage(lake.storage, Faster(folder, 100))
    with pytest.raises(TableConflict, match="run it again"):
        follow(lake)


def test_a_table_ahead_of_its_log_does_not_hold_up_the_others(folder: Path) -> None:
    lake = local_lake(folder)
    for _ in range(2):
        land(lake)
    follow(lake)
    shutil.rmtree(folder / "_defender")
    land(lake)
    land(lake, DEVICES, log=GRAPH)
    with pytest.raises(TableUnusable, match=r"alerts has followed .* up to commit 2"):
        follow_delta(lake)
    assert_equal(lake, folder, DEVICES)
    remove_log(folder)
    follow(lake)
    assert_equal(lake, folder)


@pytest.mark.parametrize("has_checkpoint", [False, True])
def test_a_log_that_was_restored_and_has_landed_since_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, has_checkpoint: bool
) -> None:
    monkeypatch.setattr(delta_checkpoint, "EVERY", 1 if has_checkpoint else 50)
    lake = local_lake(folder)
    land(lake)
    with restored(folder):
        land(lake)
        follow(lake)
    for _ in range(2):
        land(lake)
    with pytest.raises(TableUnusable, match=r"commit 2 with the digest .* was restored"):
        follow_delta(lake)
    remove_log(folder)
    follow(lake)
    assert_equal(lake, folder)


def test_a_table_without_digests_goes_on(folder: Path) -> None:
    """As an older release has left it; from then on it has them."""
    lake = local_lake(folder)
    land(lake)
    follow(lake)
    path = folder / "alerts" / "_delta_log" / f"{0:020d}.json"
    lines = path.read_text().splitlines()
    kept = [line for line in lines if "/digest/" not in line]
    assert len(kept) == len(lines) - 1
    path.write_text("\n".join(kept))
    land(lake)
    follow(lake)
    assert DeltaLog(lake.storage, "alerts").read().digests.keys() == {ENDPOINT}
    assert_equal(lake, folder)


def test_a_version_whose_answer_was_lost_counts_as_written(folder: Path) -> None:
    lake = local_lake(folder)
    land(lake)

    def lose(name: str, path: str, step: Any) -> Any:
        done = step()
        if name == "create":
            raise OSError("connection reset")
        return done

    lake.storage = SteppedStorage(lake.storage, lose)
    assert follow(lake) == TableResult("alerts", 0, 1, 1, 0, 1, {ENDPOINT: 1})


# Killed anywhere ------------------------------------------------------------------------------------


def history(root: Path) -> None:
    lake = local_lake(root)
    for _ in range(2):
        land(lake)
    land(lake, log=GRAPH)
    follow_delta(lake)
    land(lake)
    compact(lake)


@pytest.mark.parametrize("fault", ["crash", "error", "lost answer"])
def test_a_fault_at_every_step(folder: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta_checkpoint.EVERY", 1)
    step = 0
    while True:
        step += 1
        root = folder / str(step)
        history(root)
        lake = local_lake(root)
        take = FaultAt(step, fault)
        lake.storage = SteppedStorage(lake.storage, take)
        before = table_files(root)
        with suppress(Crash, OSError):
            follow_delta(lake)
        assert table_files(root) in (before, sorted(committed_files(root, "alerts")))
        follow_delta(local_lake(root))
        assert_equal(local_lake(root), root)
        if len(take.steps) < step:
            break
    assert step > 15


def test_killed_at_every_step(folder: Path) -> None:
    roots = [folder / str(number) for number in range(60)]
    for root in roots[:40]:
        history(root)

    def work(root: Path, take: Take) -> None:
        lake = local_lake(root)
        lake.storage = SteppedStorage(lake.storage, take)
        follow_delta(lake)

    def check(root: Path) -> None:
        follow_delta(local_lake(root))
        assert_equal(local_lake(root), root)

    assert kill_at_every_step(roots[:40], work, check) > 10


# Long logs ------------------------------------------------------------------------------------------


def test_a_checkpoint_carries_the_whole_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta_checkpoint.EVERY", 4)
    lake = local_lake(folder)
    for _ in range(9):
        land(lake)
        follow(lake)
    log = folder / "alerts" / "_delta_log"
    assert (
        sorted(path.name[:31] for path in log.glob("*.parquet"))
        == [
            f"{3:020d}.checkpoint",
            f"{7:020d}.checkpoint",
        ]
        or len(list(log.glob("*.parquet"))) == 2
    )
    assert json.loads((log / "_last_checkpoint").read_text())["version"] == 7
    for number in range(8):
        (log / f"{number:020d}.json").unlink()
    assert_equal(lake, folder)
    compact(lake)
    assert follow(lake).removed == 9
    assert_equal(lake, folder)


def test_old_versions_are_deleted_when_a_checkpoint_is_older_than_a_month(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta_checkpoint.EVERY", 2)
    clock = Clock(datetime.now(timezone.utc))
    lake = local_lake(folder, clock)
    for _ in range(4):
        land(lake)
        follow(lake)
    log = folder / "alerts" / "_delta_log"
    (log / ".commit.left").touch()
    for path in log.iterdir():
        old = (clock.now - timedelta(days=31 if path.name < f"{2:020d}" else 2)).timestamp()
        os.utime(path, (old, old))
    for _ in range(2):
        land(lake)
        follow(lake)
    assert not (log / ".commit.left").exists()
    assert sorted(path.name for path in log.glob("*.json")) == [
        f"{number:020d}.json" for number in range(1, 6)
    ]
    assert_equal(lake, folder)
    assert pl.scan_delta(str(folder / "alerts"), version=1).collect().height == 2


def test_a_missing_version_is_refused(folder: Path) -> None:
    lake = local_lake(folder)
    for _ in range(3):
        land(lake)
        follow(lake)
    (folder / "alerts" / "_delta_log" / f"{1:020d}.json").unlink()
    with pytest.raises(TableUnusable, match=r"lacks version 1, .*delete its folder .*_delta_log"):
        follow(lake)


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    lake = local_lake(folder)
    path = land(lake).added[0].path
    (folder / path).unlink()
    with pytest.raises(TableUnusable, match=rf"a file of alerts that counts is not there.*{path}"):
        follow(lake)
