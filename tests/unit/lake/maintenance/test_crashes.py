"""Maintenance that dies or fails at any step: the rows stay the same, and the next run completes it."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake import (
    CommitStateUnknown,
    CompactionSettings,
    Lake,
    NotPublished,
    RetentionSettings,
    apply_retention,
    committed_files,
    compact,
    plan_compaction,
)
from tests.unit.lake.faults import FaultAt, InjectedError, SteppedStorage, Take, kill_at_every_step
from tests.unit.lake.maintenance.support import alerts_lake
from tests.unit.lake.support import Clock, committed, local_lake, visible

SETTINGS = CompactionSettings(latest=True)
RETENTION = RetentionSettings({"*": timedelta(days=5)})

_READING = ("read", "open", "exists", "list", "modified", "check")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Clock]:
    """A lake to be copied."""
    root = tmp_path_factory.mktemp("before")
    return root, alerts_lake(root, count=2)[1]


def copies(before: Path, folder: Path) -> Iterator[Path]:
    for number in itertools.count():
        root = folder / str(number)
        shutil.copytree(before, root)
        yield root


def stepped(root: Path, clock: Clock, take: Take) -> Lake:
    """A lake that asks `take` before it changes anything in the store."""

    def changing(name: str, path: str, step: Callable[[], Any]) -> Any:
        return step() if name in _READING else take(name, path, step)

    lake = local_lake(root, clock)
    lake.storage = SteppedStorage(lake.storage, changing)
    lake.retry_waits = (0.0,)
    return lake


def check(root: Path, clock: Clock, rows: list[tuple[str, str, int]]) -> None:
    """At any time no row is missing; after one more run, none is there twice, and nothing is left to do."""
    assert set(visible(root)) >= set(rows), "a plain reader lacks rows"
    lake = local_lake(root, clock)
    assert committed(lake) == rows
    compact(lake, SETTINGS)
    assert not plan_compaction(lake, SETTINGS)
    assert committed(lake) == visible(root) == rows
    assert committed(lake, "alerts_latest") == visible(root, "alerts_latest") == rows
    assert len(committed_files(lake, "alerts_latest")) == len(committed_files(lake, "alerts")) == 2


def test_a_compaction_killed_at_every_step(before: tuple[Path, Clock], tmp_path: Path) -> None:
    root, clock = before
    rows = committed(root)
    killed = kill_at_every_step(
        copies(root, tmp_path),
        lambda copy, take: compact(stepped(copy, clock, take), SETTINGS),
        lambda copy: check(copy, clock, rows),
    )
    assert killed > 20


@pytest.mark.parametrize("fault", ["refused", "lost answer"])
def test_a_compaction_that_fails_at_every_step(
    fault: str, before: tuple[Path, Clock], tmp_path: Path
) -> None:
    root, clock = before
    rows = committed(root)
    for number, copy in enumerate(copies(root, tmp_path), start=1):
        take = FaultAt(number, fault)
        with contextlib.suppress(InjectedError, CommitStateUnknown, NotPublished):
            compact(stepped(copy, clock, take), SETTINGS)
        check(copy, clock, rows)
        if len(take.steps) < number:
            assert number > 20
            return


def test_a_retention_killed_at_every_step(before: tuple[Path, Clock], tmp_path: Path) -> None:
    root, clock = before
    rows = committed(root)

    def work(copy: Path, take: Take) -> None:
        apply_retention(stepped(copy, clock, take), RETENTION)

    def check_retired(copy: Path) -> None:
        lake = local_lake(copy, clock)
        assert committed(lake) in (rows, rows[-1:])
        apply_retention(lake, RETENTION)
        assert committed(lake) == visible(copy) == rows[-1:]

    assert kill_at_every_step(copies(root, tmp_path), work, check_retired) > 5
