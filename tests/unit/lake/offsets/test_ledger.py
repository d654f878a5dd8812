"""Drains and backfills of a hub, alone and side by side."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake import (
    CommitConflict,
    CommitUnreadable,
    Covered,
    DataFile,
    HubPartitionPosition,
    OffsetsChange,
    OffsetsLedger,
    OffsetsPosition,
    PositionTooLarge,
    Transaction,
    TransactionTooOld,
    VersionsLedger,
    VersionsPosition,
    WriterSettings,
    committed_files,
)
from airflow_provider_defender.lake.log.format import parse_commit, parse_file
from airflow_provider_defender.lake.offsets import position as position_module
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.offsets.support import (
    HUB,
    committed_offsets,
    each,
    events,
    hub_backfill,
    hub_drain,
    hub_position,
    hub_rejects,
    open_hub,
    rejected_offsets,
    visible_offsets,
)
from tests.unit.lake.support import LOG, START, Clock, alerts, drain, local_lake, noting, open_log, version


def begin(root: Path, kind: str = "drain", **options: Any) -> Transaction[OffsetsPosition, OffsetsChange]:
    log = open_hub(local_lake(root, **options))
    return log.begin(log.head(), OffsetsLedger(), kind=kind)


def fill(
    transaction: Transaction[OffsetsPosition, OffsetsChange], *rows: tuple[int, range], records: int = 1
) -> None:
    """Write rows of a table for some partitions' offsets."""
    wanted = [(partition, offset) for partition, offsets in rows for offset in offsets]
    transaction.write("events/DeviceInfo", events(wanted, records), Partitioning.HOUR)


def change(read: Mapping[int, tuple[int, int]], *, live: bool = True) -> OffsetsChange:
    return OffsetsChange(
        {partition: Covered([piece], piece[1] if live else None) for partition, piece in read.items()}
    )


def offsets(*rows: tuple[int, range]) -> list[tuple[int, int, int]]:
    return [(partition, offset, 0) for partition, some in rows for offset in some]


def staged(root: Path) -> list[Path]:
    return list((root / "_defender" / HUB / "staging").rglob("*"))


def test_a_log_of_another_kind_says_so(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    hub_drain(lake, {0: 5})
    drain(lake, [("a", START)])
    with pytest.raises(CommitUnreadable, match="has a OffsetsPosition instead of a VersionsPosition"):
        open_log(lake, HUB).head()
    with pytest.raises(CommitUnreadable, match="belongs to another type of source"):
        open_hub(lake, LOG).head()
    assert [type(log.read_head().position) for log in lake.logs()] == [VersionsPosition, OffsetsPosition]


def test_records_without_offsets_still_parse() -> None:
    place = {"dataset": "events/DeviceInfo", "partition": "date=2026-11-22/hour=12"}
    file = {
        "path": "{dataset}/{partition}/x.parquet".format(**place),
        **place,
        "rows": 1,
        "bytes": 2,
        "sha256": "ab",
    }
    assert parse_file(file) == DataFile(**file)  # type: ignore[arg-type]
    assert parse_file({**file, "offsets": {"3": [1, 5]}}).offsets == {3: (1, 5)}


def test_the_record_is_complete(tmp_path: Path) -> None:
    with begin(tmp_path) as transaction:
        fill(transaction, (0, range(8, 12)), (1, range(3)), records=2)
        transaction.quarantine(hub_rejects([(1, 3)]))
        record = transaction.commit(
            OffsetsChange(
                {0: Covered([(8, 12)], 12, lost=[(5, 8)]), 1: Covered([(0, 4)], 4)},
                counts={"read": 9, "duplicates": 1},
            )
        )
    assert record is not None
    values = json.loads((tmp_path / "_defender" / HUB / "commits" / "00000001.json").read_bytes())
    assert {file["path"][:43]: file["offsets"] for file in values["added"]} == {
        "events/DeviceInfo/date=2026-11-22/hour=12/e": {"0": [8, 9], "1": [0, 2]},
        "events/DeviceInfo/date=2026-11-22/hour=13/e": {"0": [10, 11]},
    }
    assert [file["offsets"] for file in values["rejects"]] == [{"1": [3, 3]}]
    assert values["counts"] == {"read": 9, "duplicates": 1, "rows": 14, "rejected": 1}
    assert values["position"] == {
        "type": "offsets",
        "partitions": {
            "0": {"next": 12, "covered": [[8, 12]], "lost": [[5, 8]]},
            "1": {"next": 4, "covered": [[0, 4]], "lost": []},
        },
    }
    assert parse_commit(json.dumps(values).encode(), "x") == record
    assert rejected_offsets(tmp_path) == [(1, 3)]


def test_drains_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    hub_drain(lake, {0: 15, 1: 4})
    hub_drain(lake, {0: 30})
    assert hub_position(lake).partitions == {
        0: HubPartitionPosition(30, ((0, 30),)),
        1: HubPartitionPosition(4, ((0, 4),)),
    }
    assert visible_offsets(tmp_path) == committed_offsets(lake) == offsets((0, range(30)), (1, range(4)))


def test_a_drain_without_news_writes_no_record(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    assert hub_drain(lake, {0: 5}) is not None
    assert hub_drain(lake, {0: 5}) is None
    assert open_hub(lake).head().number == 1


@pytest.mark.parametrize("covered", [Covered(next=7), Covered(lost=[(0, 3)], next=3), Covered([(0, 3)], 3)])
def test_a_drain_that_moved_or_lost_writes_a_record_without_files(tmp_path: Path, covered: Covered) -> None:
    """It began at the hub's end; or found nothing but a gap; or offsets without messages."""
    with begin(tmp_path) as transaction:
        record = transaction.commit(OffsetsChange({0: covered}))
    assert record is not None
    assert record.files == ()
    assert record.position is not None
    assert record.position.next(0) == covered.next


def test_a_live_drain_passes_over_what_a_backfill_has_landed(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    hub_drain(lake, {0: 10})
    hub_backfill(lake, {0: (20, 30), 1: (5, 8)})
    assert hub_position(lake).next(0) == 10
    assert hub_position(lake).partition(0).covered == ((0, 10), (20, 30))
    hub_drain(lake, {0: 40, 1: 10})
    assert hub_position(lake).partition(0) == HubPartitionPosition(40, ((0, 40),))
    assert visible_offsets(tmp_path) == offsets((0, range(40)), (1, range(10)))


def test_a_backfill_that_found_no_message_is_remembered(tmp_path: Path) -> None:
    for expected in (1, None):
        with begin(tmp_path, "backfill") as transaction:
            missing = hub_position(local_lake(tmp_path)).missing(0, 3, 9)
            record = transaction.commit(OffsetsChange({0: Covered(missing)}))
        assert (record and record.number) == expected


def test_the_same_backfill_again_adds_nothing(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    assert hub_backfill(lake, {0: (5, 25)}) is not None
    assert hub_backfill(lake, {0: (5, 25)}) is None
    assert hub_backfill(lake, {0: (0, 30)}) is not None
    assert hub_position(lake).partitions == {0: HubPartitionPosition(None, ((0, 30),))}
    assert visible_offsets(tmp_path) == offsets((0, range(30)))


def test_offsets_that_were_covered_before_are_refused(tmp_path: Path) -> None:
    hub_drain(local_lake(tmp_path), {0: 10})
    with begin(tmp_path, "backfill") as transaction:
        fill(transaction, (0, range(5, 12)))
        with pytest.raises(ValueError, match="partition 0: offsets 5 to 9 was covered"):
            transaction.commit(change({0: (5, 12)}, live=False))
    assert staged(tmp_path) == []
    assert visible_offsets(tmp_path) == offsets((0, range(10)))


@pytest.mark.parametrize(
    ("covered", "passed"),
    [
        (Covered([(10, 15)], 20), "offsets 15 to 19"),
        (Covered([(12, 20)], 20, lost=[(10, 11)]), "offsets 11 to 11"),
        (Covered(next=12), "offsets 10 to 11"),
    ],
)
def test_a_live_drain_that_would_pass_over_offsets_is_refused(
    tmp_path: Path, covered: Covered, passed: str
) -> None:
    hub_drain(local_lake(tmp_path), {0: 10})
    with begin(tmp_path) as transaction, pytest.raises(ValueError, match=f"pass over {passed}"):
        transaction.commit(OffsetsChange({0: covered}))


def test_a_first_drain_passes_over_nothing_behind_its_first_offset(tmp_path: Path) -> None:
    with begin(tmp_path) as transaction, pytest.raises(ValueError, match="pass over offsets 60 to 69"):
        transaction.commit(OffsetsChange({0: Covered([(50, 60)], 70)}))


def test_rows_that_were_not_read_are_refused(tmp_path: Path) -> None:
    """They would land once more, since no position covers them."""
    with begin(tmp_path) as transaction:
        fill(transaction, (0, range(5, 12)))
        with pytest.raises(ValueError, match="partition 0: a row of offset 11, which was not read"):
            transaction.commit(change({0: (5, 11)}))
    with begin(tmp_path) as transaction:
        transaction.quarantine(hub_rejects([(1, 5)]))
        with pytest.raises(ValueError, match="partition 1: a row of offset 5"):
            transaction.commit(change({0: (5, 11)}))


def test_only_drains_move_and_compactions_cover_nothing(tmp_path: Path) -> None:
    with (
        begin(tmp_path, "backfill") as transaction,
        pytest.raises(ValueError, match="leaves the next offset"),
    ):
        transaction.commit(change({0: (0, 5)}))
    with begin(tmp_path, "compaction") as transaction, pytest.raises(ValueError, match="covers no offsets"):
        transaction.commit(change({0: (0, 5)}, live=False))


def test_too_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backfills may not add any, but join them; the live drain always goes on."""
    monkeypatch.setattr(position_module, "PIECES_LIMIT", 3)
    lake = local_lake(tmp_path)
    for start in (10, 20, 30):
        hub_backfill(lake, {0: (start, start + 2)})
    with pytest.raises(PositionTooLarge, match="partition 0 would have 4 separate ranges"):
        hub_backfill(lake, {0: (40, 42)})
    with begin(tmp_path) as transaction:
        transaction.commit(OffsetsChange({0: Covered(next=50)}))
        assert hub_position(lake).next(0) == 50
    with begin(tmp_path) as transaction:
        fill(transaction, (0, range(55, 60)))
        transaction.commit(OffsetsChange({0: Covered([(55, 60)], 60, lost=[(50, 55)])}))
    hub_backfill(lake, {0: (12, 15)})
    assert len(hub_position(lake).partition(0).covered) == 4
    hub_backfill(lake, {0: (15, 20)})
    assert hub_position(lake).partition(0).covered == ((10, 22), (30, 32), (55, 60))


def test_mapped_tasks_commit_side_by_side_and_rewrite_nothing(tmp_path: Path) -> None:
    with begin(tmp_path) as one, begin(tmp_path) as two:
        fill(one, (0, range(15)), (2, range(15)))
        fill(two, (1, range(15)))
        assert one.commit(change({0: (0, 15), 2: (0, 15)})) is not None
        second = two.commit(change({1: (0, 15)}))
    assert second is not None
    assert second.number == 2
    assert [file.path[-9:] for file in second.added] == ["1.parquet", "2.parquet"]
    assert visible_offsets(tmp_path) == offsets((0, range(15)), (1, range(15)), (2, range(15)))
    assert hub_position(local_lake(tmp_path)).partitions == {
        partition: HubPartitionPosition(15, ((0, 15),)) for partition in range(3)
    }


def test_many_tasks_at_the_same_moment(tmp_path: Path) -> None:
    """Eight live drains of a partition each, and eight backfills of the same offsets of another one."""
    ready = threading.Barrier(16)

    def run(number: int) -> None:
        live = number < 8
        partition = number if live else 8
        with begin(tmp_path, "drain" if live else "backfill") as transaction:
            fill(transaction, (partition, range(15)))
            ready.wait(timeout=60)
            transaction.commit(change({partition: (0, 15)}, live=live))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(run, range(16)))
    assert visible_offsets(tmp_path) == offsets(*((partition, range(15)) for partition in range(9)))
    assert hub_position(local_lake(tmp_path)).partitions == {
        partition: HubPartitionPosition(15 if partition < 8 else None, ((0, 15),)) for partition in range(9)
    }
    assert staged(tmp_path) == []


def test_two_drains_of_the_same_partition_conflict(tmp_path: Path) -> None:
    with begin(tmp_path) as one, begin(tmp_path) as two:
        fill(one, (0, range(5)))
        fill(two, (0, range(7)), (1, range(7)))
        assert one.commit(change({0: (0, 5)})) is not None
        with pytest.raises(
            CommitConflict, match=r"in partitions 0 while this one was reading.*max_active_runs=1"
        ):
            two.commit(change({0: (0, 7), 1: (0, 7)}))
    assert staged(tmp_path) == []
    assert visible_offsets(tmp_path) == offsets((0, range(5)))


def test_a_partition_in_which_a_drain_does_not_move_is_no_conflict(tmp_path: Path) -> None:
    hub_drain(local_lake(tmp_path), {0: 5})
    with begin(tmp_path) as one:
        fill(one, (1, range(5)))
        hub_drain(local_lake(tmp_path), {0: 9})
        record = one.commit(OffsetsChange({0: Covered(next=5), 1: Covered([(0, 5)], 5)}))
    assert record is not None
    assert record.position is not None
    assert (record.position.next(0), record.position.next(1)) == (9, 5)


def test_a_drain_drops_what_a_backfill_has_covered_meanwhile(tmp_path: Path) -> None:
    """Rows and rejects; also of offsets that the backfill has found empty, or rejected."""
    with begin(tmp_path) as transaction:
        fill(transaction, (0, range(20)), (1, range(5)), records=3)
        transaction.quarantine(hub_rejects([(0, 20), (0, 21)]))
        with begin(tmp_path, "backfill") as other:
            fill(other, (0, range(4, 6)), (0, range(8, 12)))
            other.quarantine(hub_rejects([(0, 21)]))
            other.commit(OffsetsChange({0: Covered([(4, 6), (7, 12), (21, 22), (30, 40)])}))
        record = transaction.commit(OffsetsChange({0: Covered([(0, 22)], 22), 1: Covered([(0, 5)], 5)}))
    assert record is not None
    kept = [offset for offset in range(20) if offset not in (4, 5, 7, 8, 9, 10, 11)]
    mine = each({1: [(0, 5)]}) + [(0, offset) for offset in kept]
    landed = [(*row, record) for row in mine for record in range(3)]
    landed += [(0, offset, 0) for offset in (4, 5, 8, 9, 10, 11)]
    assert visible_offsets(tmp_path) == committed_offsets(tmp_path) == sorted(landed)
    assert rejected_offsets(tmp_path) == [(0, 20), (0, 21)]
    assert record.counts == {"read": 0, "duplicates": 0, "rows": 3 * len(mine), "rejected": 1}
    spans = sorted((file.rows, file.offsets) for file in record.added)
    assert spans == [(24, {0: (12, 19)}), (30, {0: (0, 6), 1: (0, 4)})]
    assert record.position is not None
    assert record.position.partition(0) == HubPartitionPosition(22, ((0, 22), (30, 40)))


def test_files_whose_offsets_are_not_concerned_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begin(tmp_path) as transaction:
        fill(transaction, (0, range(30)), (1, range(30)))
        hub_backfill(local_lake(tmp_path), {0: (12, 15)})
        opened: list[str] = []
        noted = noting(transaction._storage.open_input, opened)
        monkeypatch.setattr(transaction._storage, "open_input", noted)
        transaction.commit(change({0: (0, 30), 1: (0, 30)}))
    assert [Path(path).name for path in opened] == ["2.staged"]
    assert visible_offsets(tmp_path) == offsets((0, range(30)), (1, range(30)))


def test_a_backfill_drops_what_a_drain_has_covered_and_moves_nothing(tmp_path: Path) -> None:
    with begin(tmp_path, "backfill") as transaction:
        fill(transaction, (0, range(10, 30)))
        hub_drain(local_lake(tmp_path), {0: 20})
        hub_drain(local_lake(tmp_path), {0: 25, 1: 3})
        record = transaction.commit(change({0: (10, 30)}, live=False))
    assert record is not None
    assert record.counts["rows"] == 5
    assert hub_position(local_lake(tmp_path)).partition(0) == HubPartitionPosition(25, ((0, 30),))
    assert visible_offsets(tmp_path) == offsets((0, range(30)), (1, range(3)))


def test_a_backfill_of_which_nothing_is_left_writes_no_record(tmp_path: Path) -> None:
    with begin(tmp_path, "backfill") as transaction:
        fill(transaction, (0, range(10, 20)))
        hub_drain(local_lake(tmp_path), {0: 25})
        assert transaction.commit(change({0: (10, 20)}, live=False)) is None
    assert staged(tmp_path) == []
    assert visible_offsets(tmp_path) == offsets((0, range(25)))


def test_a_run_that_slept_in_its_commit_until_records_were_shortened(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path, "backfill", clock=clock) as transaction:
        fill(transaction, (0, range(10, 20)))
        create = transaction._storage.create

        def late_create(path: str, body: bytes, scratch: str) -> None:
            for end in (5, 15, 25, 35):
                hub_drain(local_lake(tmp_path, clock), {0: end})
                clock.advance(timedelta(days=20))
            create(path, body, scratch)

        transaction._storage.create = late_create  # type: ignore[method-assign]
        with pytest.raises(TransactionTooOld):
            transaction.commit(change({0: (10, 20)}, live=False))
    assert open_hub(local_lake(tmp_path)).commit(1).position is None  # type: ignore[union-attr]
    assert visible_offsets(tmp_path) == offsets((0, range(35)))


def test_a_drain_goes_on_upon_a_compaction(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    first = hub_drain(lake, {0: 5})
    assert first is not None
    with begin(tmp_path) as transaction:
        fill(transaction, (0, range(5, 8)))
        with begin(tmp_path, "compaction") as other:
            fill(other, (0, range(5)))
            other.remove([file.path for file in first.added])
            compacted = other.commit()
        assert transaction.commit(change({0: (5, 8)})) is not None
    assert compacted is not None
    assert [file.offsets for file in compacted.added] == [{0: (0, 4)}]
    assert compacted.position == first.position
    assert visible_offsets(tmp_path) == committed_offsets(lake) == offsets((0, range(8)))


def test_a_compaction_goes_on_upon_a_drain_and_drops_nothing(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    first = hub_drain(lake, {0: 5})
    assert first is not None
    with begin(tmp_path, "compaction") as transaction:
        fill(transaction, (0, range(5)))
        transaction.remove([file.path for file in first.added])
        hub_drain(lake, {0: 8})
        assert transaction.commit() is not None
    assert hub_position(lake).partition(0) == HubPartitionPosition(8, ((0, 8),))
    assert visible_offsets(tmp_path) == committed_offsets(lake) == offsets((0, range(8)))


def test_committed_files_of_events_by_hour(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    hub_drain(lake, {0: 30})

    def hours(since: datetime | None, until: datetime | None) -> list[str]:
        paths = committed_files(lake, "events/DeviceInfo", since, until)
        return sorted(Path(path).parent.name for path in paths)

    assert hours(None, None) == ["hour=12", "hour=13", "hour=14"]
    assert hours(START + timedelta(hours=1), START + timedelta(hours=2)) == ["hour=13"]
    assert hours(START + timedelta(minutes=59), START + timedelta(hours=1, seconds=1)) == [
        "hour=12",
        "hour=13",
    ]
    assert committed_files(lake, "events/EmailEvents") == []


def test_datasets_of_a_lake(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    assert lake.datasets("events") == []
    with begin(tmp_path) as transaction:
        for table in ("Unknown", "DeviceInfo"):
            transaction.write(f"events/{table}", events([(0, 1)]), Partitioning.HOUR)
        transaction.commit(change({0: (1, 2)}))
    (tmp_path / "events" / "not a table").mkdir()
    drain(lake, [("a", START)])
    assert lake.datasets("events") == ["events/DeviceInfo", "events/Unknown"]


def test_logs_of_both_kinds_share_a_dataset_folder(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    hub_drain(lake, {0: 3})
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.write("alerts", alerts([("a", version(START), START)]), Partitioning.DAY)
        transaction.commit()
    assert len(committed_files(lake, "alerts")) == len(committed_files(lake, "events/DeviceInfo")) == 1


def test_a_large_partition_goes_on_in_another_file(tmp_path: Path) -> None:
    """Each file says its own offsets."""
    with begin(tmp_path, settings=WriterSettings(buffer_bytes=0, file_bytes=1)) as transaction:
        fill(transaction, (0, range(4)))
        fill(transaction, (0, range(4, 9)))
        record = transaction.commit(change({0: (0, 9)}))
    assert record is not None
    assert [file.offsets for file in record.added] == [{0: (0, 3)}, {0: (4, 8)}]


def test_all_that_a_hub_gives_is_new(tmp_path: Path) -> None:
    """Offsets tell, before anything is read."""
    with begin(tmp_path) as transaction:
        assert transaction.select_new([("a", ""), ("a", ""), ("b", "")]) == [True, True, True]
