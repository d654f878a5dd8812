"""What is done after a commit."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_defender.lake.log.tidying import tidy
from tests.unit.lake.faults import InjectedError
from tests.unit.lake.support import (
    START,
    Clock,
    committed,
    drain,
    local_lake,
    open_log,
)
from tests.unit.lake.versions.support import LATER, home


def age(path: Path, by: timedelta) -> None:
    moment = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (moment, moment))


def leftover(root: Path, token: str, by: timedelta) -> Path:
    folder = home(root) / "staging" / token
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1.staged").write_bytes(b"PAR1")
    age(folder / "1.staged", by)
    return folder


def test_old_staging_folders_are_swept_after_a_commit_only(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    drain(lake, [("a", START)])
    old = leftover(tmp_path, "0" * 16, timedelta(days=7, hours=1))
    young = leftover(tmp_path, "1" * 16, timedelta(days=6))
    clock.advance(timedelta(days=1))
    assert drain(lake, [("a", START)]) is None
    assert old.exists()
    drain(lake, [("a", LATER)])
    assert not old.exists()
    assert young.exists()


def test_staging_is_swept_at_most_once_a_day(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    swept = []
    for hour in range(0, 72, 6):
        clock.now = START + timedelta(hours=hour)
        old = leftover(tmp_path, "0" * 16, timedelta(days=8))
        drain(lake, [(f"k{hour}", clock.now)])
        swept.append(not old.exists())
    assert swept == [True, False, False, False] * 3


@pytest.mark.parametrize(
    "hint",
    [
        None,
        b"",
        b"not JSON",
        b'{"number": 1, "swept_at": 7}',
        b'{"number": 1, "swept_at": "2026-11-22T12:00:00"}',
        b'{"number": 1, "swept_at": "2999-01-01T00:00:00Z"}',
        b'{"number": 1, "swept_at": "0001-01-01T00:00:00Z"}',
    ],
)
def test_a_damaged_hint_puts_no_sweep_off(tmp_path: Path, hint: bytes | None) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    old = leftover(tmp_path, "0" * 16, timedelta(days=8))
    if hint is None:
        (home(tmp_path) / "head.json").unlink()
    else:
        (home(tmp_path) / "head.json").write_bytes(hint)
    assert drain(lake, [("b", LATER)]) is not None
    assert not old.exists()
    assert len(committed(tmp_path)) == 2


def test_old_records_are_shortened_as_fast_as_new_ones_come(tmp_path: Path) -> None:
    """A hub's many runs make more commits a day than one of them can shorten."""
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    for number in range(120):
        clock.now = START + timedelta(minutes=number)
        drain(lake, [(f"k{number}", clock.now)])
    for number in range(48):
        clock.now = START + timedelta(days=31, minutes=number)
        drain(lake, [(f"late{number}", clock.now)])
    whole = [record.number for record in open_log(lake).commits() if record.position is not None]
    assert whole == list(range(121, 169))


def test_a_folder_of_a_later_record_is_not_swept(tmp_path: Path) -> None:
    """Should ages ever be wrong: a record's files are never swept before they are shown."""
    lake = local_lake(tmp_path)
    record = drain(lake, [("a", START)])
    drain(lake, [("b", LATER)])
    assert record is not None
    later = open_log(lake).head().commit
    assert later is not None
    folder = leftover(tmp_path, later.token, timedelta(days=8))
    tidy(open_log(lake), record)
    assert folder.exists()


def test_old_records_are_shortened_and_keep_their_number(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    for day in (0, 1, 31, 32):
        clock.now = START + timedelta(days=day)
        drain(lake, [(f"k{day}", clock.now)])
    records = {record.number: record for record in open_log(lake).commits()}
    assert [record.position is None for record in records.values()] == [True, True, False, False]
    assert all(record.added for record in records.values())
    assert open_log(lake).head().number == 4
    assert len(committed(tmp_path)) == 4
    hint = json.loads((home(tmp_path) / "head.json").read_bytes())
    assert hint == {"number": 4, "shortened_below": 3, "swept_at": "2026-12-24T12:00:00Z"}


def test_tidying_up_never_fails_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = local_lake(tmp_path)

    def replace(path: str, body: bytes) -> None:
        raise InjectedError

    monkeypatch.setattr(lake.storage, "replace", replace)
    assert drain(lake, [("a", START)]) is not None
    monkeypatch.undo()
    assert open_log(lake).head().number == 1
