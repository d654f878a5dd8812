"""Reading a log: the head, and commits that are missing."""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_defender.lake import (
    CommitUnreadable,
    Lake,
    OffsetsPosition,
    OriginMismatch,
    VersionsLedger,
    VersionsPosition,
    committed_files,
)
from tests.unit.lake.offsets.support import HUB, hub_drain
from tests.unit.lake.support import (
    LOG,
    START,
    Clock,
    committed,
    drain,
    local_lake,
    noting,
    open_log,
    visible,
)
from tests.unit.lake.versions.support import LATER, fill, home, staged


@pytest.mark.parametrize("hint", [None, b"", b"[]", b'{"number": "x"}', b'{"number": 1}', b'{"number": 9}'])
def test_the_hint_is_never_trusted_alone(tmp_path: Path, hint: bytes | None) -> None:
    lake = local_lake(tmp_path)
    for minute in range(3):
        drain(lake, [("a", START + timedelta(minutes=minute))])
    if hint is None:
        (home(tmp_path) / "head.json").unlink()
    else:
        (home(tmp_path) / "head.json").write_bytes(hint)
    assert open_log(lake).head().number == 3


RUBBISH = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"[" * 100_000, b'{"number": ' + b"9" * 400 + b"}", b'{"number": ' + b"9" * 5000 + b"}"]
    ),
    st.builds(
        lambda values: json.dumps(values).encode(),
        st.dictionaries(
            st.sampled_from(["number", "shortened_below", "x"]),
            st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=3), st.none()),
        ),
    ),
)


@settings(deadline=None, max_examples=40)
@given(RUBBISH)
@example(b'{"number": true}')
@example(b'{"number": -1, "shortened_below": 0}')
@example(b'{"shortened_below": 99999999}')
@example(b"\xff\xfe")
def test_whatever_stands_in_the_hint_it_is_a_hint_only(rubbish: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lake = local_lake(root)
        drain(lake, [("a", START)])
        drain(lake, [("a", LATER)])
        (home(root) / "head.json").write_bytes(rubbish)
        assert open_log(lake).head().number == 2
        assert drain(lake, [("b", LATER)]) is not None
        assert open_log(lake).head().number == 3
        assert json.loads((home(root) / "head.json").read_bytes())["number"] == 3


def test_a_folder_in_the_place_of_the_hint_is_no_hint(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    (home(tmp_path) / "head.json").unlink()
    (home(tmp_path) / "head.json").mkdir()
    assert open_log(lake).head().number == 1
    assert drain(lake, [("a", LATER)]) is not None


def test_a_hint_far_behind_is_caught_up_with_by_a_listing(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    body = (home(tmp_path) / "commits" / "00000001.json").read_bytes()
    for number in range(2, 200):
        text = json.dumps({**json.loads(body), "number": number})
        (home(tmp_path) / "commits" / f"{number:08d}.json").write_text(text)
    count: list[str] = []
    lake.storage.read = noting(lake.storage.read, count)  # type: ignore[method-assign]
    assert open_log(lake).read_head().number == 199
    assert len(count) < 50


def test_a_hint_of_a_commit_that_is_gone_is_said_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = local_lake(tmp_path)
    for minute in range(2):
        drain(lake, [("a", START + timedelta(minutes=minute))])
    (home(tmp_path) / "commits" / "00000002.json").unlink()
    assert open_log(lake).read_head().number == 1
    assert "names commit 2" in caplog.text
    assert "restore them" in caplog.text


def five_commits(root: Path, *missing: int) -> Lake:
    lake = local_lake(root)
    for minute in range(5):
        drain(lake, [(f"k{minute}", START + timedelta(minutes=minute))])
    for number in missing:
        (home(root) / "commits" / f"{number:08d}.json").unlink()
    return lake


@pytest.mark.parametrize("missing", [(1,), (3,), (1, 2, 3, 4), (2, 4)])
def test_a_record_that_was_deleted_is_never_passed_over_by_who_reads_exactly(
    tmp_path: Path, missing: tuple[int, ...]
) -> None:
    lake = five_commits(tmp_path, *missing)
    named = ", ".join(map(str, missing))
    with pytest.raises(CommitUnreadable, match=rf"lacks commit {named} in .*commits.*lifecycle rule"):
        committed(tmp_path)
    assert [record.number for record in open_log(lake).commits(whole=False)] == [
        number for number in range(1, 6) if number not in missing
    ]


@pytest.mark.parametrize("missing", [(1,), (1, 2, 3, 4)])
def test_a_drain_lands_all_the_same_and_says_once_a_day_what_is_missing(
    tmp_path: Path, missing: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    five_commits(tmp_path, *missing)
    lake = local_lake(tmp_path, Clock(START + timedelta(days=1)))
    assert drain(lake, [("new", START + timedelta(minutes=9))]) is not None
    assert f"lacks commit {', '.join(map(str, missing))} in" in caplog.text
    assert len(visible(tmp_path)) == 6


def test_many_missing_records_are_counted(tmp_path: Path) -> None:
    lake = five_commits(tmp_path)
    (home(tmp_path) / "commits" / "00000005.json").rename(home(tmp_path) / "commits" / "00001005.json")
    with pytest.raises(CommitUnreadable, match="lacks commit 5, 6, 7, 8, 9 and 995 more"):
        list(open_log(lake).commits())


def test_a_listing_that_is_older_than_its_end_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Folders are not read at one moment: a commit can be seen without the one before it."""
    lake = five_commits(tmp_path)
    listed = lake.storage.list_folder

    def without_the_fourth(path: str) -> list[str] | None:
        names = listed(path)
        return names and [name for name in names if name != "00000004.json"]

    monkeypatch.setattr(lake.storage, "list_folder", without_the_fourth)
    assert [record.number for record in open_log(lake).commits()] == [1, 2, 3, 4, 5]
    assert caplog.text == ""


def test_a_record_that_goes_while_records_are_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = five_commits(tmp_path)
    read_many = lake.storage.read_many

    def late(paths: Any) -> list[bytes]:
        (home(tmp_path) / "commits" / "00000002.json").unlink(missing_ok=True)
        return read_many(paths)

    monkeypatch.setattr(lake.storage, "read_many", late)
    with pytest.raises(CommitUnreadable, match="lacks commit 2 in"):
        list(open_log(lake).commits())


def test_a_stray_file_with_a_huge_number_is_told_at_once(tmp_path: Path) -> None:
    drain(local_lake(tmp_path), [("a", START)])
    (home(tmp_path) / "commits" / "999999999999.json").write_bytes(b"{}")
    with pytest.raises(CommitUnreadable, match="lacks commit 2, 3, 4, 5, 6 and 999999999992 more"):
        committed_files(tmp_path, "alerts")


def test_only_an_empty_listing_means_a_new_log(tmp_path: Path) -> None:
    head = open_log(local_lake(tmp_path)).head()
    assert (head.number, head.commit, head.position.watermark) == (0, None, None)


def test_the_head_is_found_without_reading_every_record(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    for minute in range(5):
        drain(lake, [("a", START + timedelta(minutes=minute))])
    read: list[str] = []
    lake.storage.read = noting(lake.storage.read, read)  # type: ignore[method-assign]
    open_log(lake).head()
    assert [path.rsplit("/", 1)[1] for path in read] == ["head.json", "00000005.json", "00000006.json"]


# Origins ------------------------------------------------------------------------------------------


OTHER = {"source": "endpoint_alerts", "tenant": "another"}


def test_a_log_of_another_origin_says_so(tmp_path: Path) -> None:
    """Names are made safe, and may be cut, so that two of them can meet."""
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    other = lake.log(LOG, VersionsPosition, origin=OTHER)
    for read in (other.head, other.read_head, lambda: list(other.commits())):
        with pytest.raises(OriginMismatch, match=r"tenant tenant, but .*tenant another is to .* of its own"):
            read()
    assert open_log(lake).head().number == 1


def test_a_log_of_another_origin_that_begins_at_the_same_time_has_won(tmp_path: Path) -> None:
    """The number is taken, so it is certain that nothing of this run counts."""
    log = local_lake(tmp_path).log(LOG, VersionsPosition, origin=OTHER)
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        fill(transaction, "mine")
        drain(local_lake(tmp_path), [("a", START)])
        with pytest.raises(OriginMismatch):
            transaction.commit()
    assert [key for key, _, _ in visible(tmp_path)] == ["a"]
    assert staged(tmp_path) == []


def test_a_lakes_logs_say_what_they_are_of(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    hub_drain(lake, {0: 5})
    (tmp_path / "_defender" / "empty" / "commits").mkdir(parents=True)
    assert [(log.name, log.origin, log.position_type) for log in lake.logs()] == [
        (LOG, {"source": "endpoint_alerts", "tenant": "tenant"}, VersionsPosition),
        (HUB, {"source": "event_hub", "namespace": "namespace", "hub": "hub"}, OffsetsPosition),
    ]


def test_a_log_that_was_opened_to_be_read_only_is_not_written(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    with pytest.raises(ValueError, match="has no commits"):
        lake.log(LOG).head()
    drain(lake, [("a", START)])
    head = lake.log(LOG).head()
    assert (head.number, type(head.position)) == (1, VersionsPosition)
    with pytest.raises(ValueError, match="name its origin"):
        lake.log(LOG).begin(head, VersionsLedger(), kind="backfill")


def test_the_newest_commit_before_a_moment(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    log = open_log(lake)
    assert log.newest_before(START) == 0
    for minute in range(9):
        drain(lake, [(f"k{minute}", START + timedelta(minutes=minute))])
        clock.advance(timedelta(minutes=1))
    halves = [START + timedelta(seconds=30 * half) for half in range(-1, 20)]
    assert [log.newest_before(moment) for moment in halves] == [
        min(9, max(0, -(-half // 2))) for half in range(-1, 20)
    ]


@pytest.mark.parametrize("count", [300, 100_000])
def test_the_newest_commit_before_a_moment_takes_as_few_reads_in_a_long_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    log = open_log(local_lake(tmp_path))
    read: list[int] = []

    def commit(number: int) -> Any:
        read.append(number)
        return SimpleNamespace(number=number, committed_at=START + timedelta(minutes=number))

    monkeypatch.setattr(log, "commit", commit)
    monkeypatch.setattr(log, "newest", lambda: SimpleNamespace(number=count))
    assert log.newest_before(START + timedelta(minutes=count - 200)) == count - 201
    assert len(read) <= 2 * 8
    assert log.newest_before(START) == 0


def test_a_commit_that_is_missing_is_said_by_who_looks_for_a_moment(tmp_path: Path) -> None:
    lake = five_commits(tmp_path, 4)
    with pytest.raises(CommitUnreadable, match="lacks commit 4"):
        open_log(lake).newest_before(START)
