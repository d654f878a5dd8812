"""A hub's drain ended at each single step in the store: the next one ends in the same rows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from airflow_provider_defender.lake import (
    Commit,
    Covered,
    HubPartitionPosition,
    Lake,
    LakeError,
    OffsetsChange,
    OffsetsLedger,
    OffsetsPosition,
)
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.faults import Crash, FaultAt, SteppedStorage, Take, kill_at_every_step
from tests.unit.lake.offsets.support import (
    committed_offsets,
    each,
    events,
    hub_backfill,
    hub_drain,
    hub_position,
    hub_rejects,
    offsets_in,
    open_hub,
    rejected_offsets,
    visible_offsets,
)
from tests.unit.lake.support import local_lake

BAD = (0, 19)
MEANWHILE = {0: (6, 14), 1: (2, 4)}
"""What a backfill covers while the drain reads."""

ROWS = [(*row, 0) for row in each({0: [(0, 19)], 1: [(0, 8)]})]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def second_drain(lake: Lake, root: Path, meanwhile: bool) -> Commit[OffsetsPosition] | None:
    """Rows for two hours, and one record for the quarantine; another run may commit before this one."""
    log = open_hub(lake)
    head = log.head()
    ranges = {partition: head.position.missing(partition, 0, end) for partition, end in ((0, 20), (1, 8))}
    wanted = each(ranges)
    with log.begin(head, OffsetsLedger(), kind="drain") as transaction:
        transaction.write("events/DeviceInfo", events(row for row in wanted if row != BAD), Partitioning.HOUR)
        if BAD in wanted:
            transaction.quarantine(hub_rejects([BAD]))
        if meanwhile:
            hub_backfill(local_lake(root), MEANWHILE)
        return transaction.commit(OffsetsChange({0: Covered(ranges[0], 20), 1: Covered(ranges[1], 8)}))


def check_nothing_early(root: Path) -> None:
    """What a reader sees is whole and committed, and the position says so."""
    records = list(open_hub(local_lake(root)).commits())
    paths = {file.path for record in records for file in record.added}
    for path in (root / "events").rglob("*.parquet"):
        assert str(path.relative_to(root)) in paths
        offsets_in([path])
    assert set(committed_offsets(root)) <= set(ROWS)
    landed = sum(file.rows for record in records for file in record.files)
    covered = hub_position(local_lake(root)).partitions.values()
    assert landed == sum(end - start for stands in covered for start, end in stands.covered)


def check_recovery(root: Path) -> None:
    check_nothing_early(root)
    second_drain(local_lake(root), root, meanwhile=False)
    assert visible_offsets(root) == committed_offsets(root) == ROWS
    assert rejected_offsets(root) == [BAD]
    assert hub_position(local_lake(root)).partitions == {
        0: HubPartitionPosition(20, ((0, 20),)),
        1: HubPartitionPosition(8, ((0, 8),)),
    }


def roots(folder: Path) -> Iterator[Path]:
    """Lakes that hold a first drain."""
    hub_drain(local_lake(folder / "0"), {0: 3})
    for number in count(1):
        yield shutil.copytree(folder / "0", folder / str(number))


def with_steps(root: Path, take: Take) -> Lake:
    lake = local_lake(root)
    lake.storage = SteppedStorage(lake.storage, take)
    lake.retry_waits = (0.0,)
    return lake


@pytest.mark.parametrize("meanwhile", [False, True], ids=["alone", "upon a backfill"])
@pytest.mark.parametrize("fault", ["crash", "refused", "lost answer"])
def test_at_every_step_in_the_store(tmp_path: Path, fault: str, meanwhile: bool) -> None:
    for number, root in enumerate(roots(tmp_path), 1):
        take = FaultAt(number, fault)
        with suppress(Crash, LakeError, OSError):
            second_drain(with_steps(root, take), root, meanwhile)
        check_recovery(root)
        if len(take.steps) < number:
            break
    assert number > (35 if meanwhile else 20)


def test_a_process_that_is_killed_at_every_step(tmp_path: Path) -> None:
    def work(root: Path, take: Take) -> None:
        second_drain(with_steps(root, take), root, meanwhile=True)

    assert kill_at_every_step(roots(tmp_path), work, check_recovery) > 35
