"""What dead runs and strangers leave behind is found; only what is certainly ours and old is deleted."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.lake import VersionsLedger, committed_files, sweep, verify
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.maintenance.support import alerts_lake, events_lake
from tests.unit.lake.support import LOG, START, alerts, committed, open_log, rejects

WEEK = timedelta(days=7)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    alerts_lake(tmp_path)
    events_lake(tmp_path)
    return tmp_path


def age(path: Path, by: timedelta) -> None:
    moment = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (moment, moment))


def test_a_lake_in_order_has_nothing_to_sweep(root: Path) -> None:
    lake, _ = alerts_lake(root / "other")
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="drain") as transaction:
        transaction.quarantine(rejects([("r", "1")]))
        transaction.commit()
    (root / "other/alerts/_delta_log").mkdir()
    shutil.copy(committed_files(lake, "alerts")[0], root / "other/alerts/_delta_log/1.checkpoint.parquet")
    assert sweep(lake).as_dict() == {"staging": [], "files": []}


def test_files_that_no_commit_names(root: Path) -> None:
    lake, _ = alerts_lake(root / "other")
    partition = root / "other/alerts/date=2026-11-22"
    names = [
        f"{LOG}-0123456789abcdef-1.parquet",
        f"{LOG}-0123456789abcdef-2.parquet",
        "another_log-0123456789abcdef-1.parquet",
        "part-0.parquet",
    ]
    for name in names:
        pq.write_table(alerts([("stranger", "", START)]), partition / name)
        if not name.endswith("f-2.parquet"):
            age(partition / name, WEEK + timedelta(minutes=5))
    rows = committed(lake)
    found = sweep(lake)
    assert sorted(Path(each.path).name for each in found.files) == sorted(names)
    assert not any(each.deleted for each in found.files), "only if it is asked for"
    assert all((partition / name).exists() for name in names)
    deleted = [Path(each.path).name for each in sweep(lake, delete=True).files if each.deleted]
    assert deleted == names[:1], "not what is young, another's, or a stranger's"
    assert [name for name in names if not (partition / name).exists()] == deleted
    assert committed(lake) == rows
    assert {each.path for each in sweep(lake).files} == {
        f"alerts/date=2026-11-22/{name}" for name in names[1:]
    }
    assert len(verify(lake).differences) > 0


def test_staging_of_dead_runs(root: Path) -> None:
    lake, _ = alerts_lake(root / "other")
    log = open_log(lake)
    transactions = []
    for _ in range(2):  # never left: the process has died
        transaction = log.begin(log.head(), VersionsLedger(), kind="backfill")
        transaction.write("alerts", alerts([("x", "", START)]), Partitioning.DAY)
        transaction._staging.finish()
        transactions.append(transaction)
    staging = root / "other/_defender" / LOG / "staging"
    dead = staging / transactions[0].token
    for path in dead.iterdir():
        age(path, WEEK + timedelta(minutes=5))
    assert sweep(lake, files=False).staging == (f"_defender/{LOG}/staging/{transactions[0].token}",)
    assert [path.name for path in staging.iterdir()] == [transactions[1].token]
