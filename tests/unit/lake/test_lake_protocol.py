"""The sentences of the commit protocol, one by one."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lake_faults import InjectedError
from lake_support import (
    LOG,
    OVERLAP,
    START,
    Clock,
    alerts,
    committed,
    drain,
    local_lake,
    quarantined,
    rejects,
    version,
    visible,
    watermark,
)

from airflow_provider_defender.lake import (
    CommitConflict,
    CommitStateUnknown,
    Draft,
    DraftTooOld,
    Lake,
    Record,
    RecordUnreadable,
    StoreRefused,
    Watermark,
    committed_files,
)
from airflow_provider_defender.lake._storage import NotCreated
from airflow_provider_defender.timestamps import datetime_to_ticks

LATER = START + timedelta(minutes=5)


def home(root: Path) -> Path:
    return root / "_defender" / LOG


def staged(root: Path) -> list[Path]:
    return [path for path in (home(root) / "staging").rglob("*") if path.is_file()]


def fill(draft: Draft, *keys: str, at: datetime = LATER) -> None:
    pairs = [(key, version(at)) for key in keys]
    wanted = draft.select_new(pairs)
    draft.write("alerts", alerts((*pair, at) for pair, new in zip(pairs, wanted, strict=True) if new))


def begin(lake: Lake, kind: str = "drain", **options: Any) -> Draft:
    log = lake.log(LOG)
    head = log.head()
    if kind == "drain" and head.position.watermark is not None:
        options.setdefault("since", Watermark(head.position.watermark, OVERLAP).overlap_start)
    return log.begin(head, kind=kind, **options)


# 1. Head ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hint", [None, b"", b"[]", b'{"number": "x"}', b'{"number": 1}', b'{"number": 9}'])
def test_the_hint_is_never_trusted_alone(tmp_path: Path, hint: bytes | None) -> None:
    lake = local_lake(tmp_path)
    for minute in range(3):
        drain(lake, [("a", START + timedelta(minutes=minute))])
    if hint is None:
        (home(tmp_path) / "head.json").unlink()
    else:
        (home(tmp_path) / "head.json").write_bytes(hint)
    assert lake.log(LOG).head().number == 3


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
        assert lake.log(LOG).head().number == 2
        assert drain(lake, [("b", LATER)]) is not None
        assert lake.log(LOG).head().number == 3
        assert json.loads((home(root) / "head.json").read_bytes())["number"] == 3


def test_a_folder_in_the_place_of_the_hint_is_no_hint(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    (home(tmp_path) / "head.json").unlink()
    (home(tmp_path) / "head.json").mkdir()
    assert lake.log(LOG).head().number == 1
    assert drain(lake, [("a", LATER)]) is not None


def test_a_hint_far_behind_is_caught_up_with_by_a_listing(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    body = (home(tmp_path) / "commits" / "00000001.json").read_bytes()
    for number in range(2, 200):
        text = json.dumps({**json.loads(body), "number": number})
        (home(tmp_path) / "commits" / f"{number:08d}.json").write_text(text)
    read = lake.storage.read
    count: list[str] = []
    lake.storage.read = lambda path: (count.append(path), read(path))[1]  # type: ignore[method-assign]
    assert lake.log(LOG).read_head().number == 199
    assert len(count) < 50


def test_a_hint_of_a_commit_that_is_gone_is_said_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = local_lake(tmp_path)
    for minute in range(2):
        drain(lake, [("a", START + timedelta(minutes=minute))])
    (home(tmp_path) / "commits" / "00000002.json").unlink()
    assert lake.log(LOG).read_head().number == 1
    assert "names commit 2" in caplog.text
    assert "restore them" in caplog.text


# Records that are missing -------------------------------------------------------------------------


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
    with pytest.raises(RecordUnreadable, match=rf"lacks commit {named} in .*commits.*lifecycle rule"):
        committed(tmp_path)
    assert [record.number for record in lake.log(LOG).records(whole=False)] == [
        number for number in range(1, 6) if number not in missing
    ]


@pytest.mark.parametrize("missing", [(1,), (1, 2, 3, 4)])
def test_a_drain_lands_all_the_same_and_says_what_is_missing(
    tmp_path: Path, missing: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    lake = five_commits(tmp_path, *missing)
    assert drain(lake, [("new", START + timedelta(minutes=9))]) is not None
    assert f"lacks commit {', '.join(map(str, missing))} in" in caplog.text
    assert len(visible(tmp_path)) == 6


def test_many_missing_records_are_counted(tmp_path: Path) -> None:
    lake = five_commits(tmp_path)
    (home(tmp_path) / "commits" / "00000005.json").rename(home(tmp_path) / "commits" / "00001005.json")
    with pytest.raises(RecordUnreadable, match="lacks commit 5, 6, 7, 8, 9 and 995 more"):
        list(lake.log(LOG).records())


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
    assert [record.number for record in lake.log(LOG).records()] == [1, 2, 3, 4, 5]
    assert caplog.text == ""


def test_a_record_that_goes_while_records_are_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = five_commits(tmp_path)
    read_many = lake.storage.read_many

    def late(paths: Any) -> list[bytes]:
        (home(tmp_path) / "commits" / "00000002.json").unlink()
        return read_many(paths)

    monkeypatch.setattr(lake.storage, "read_many", late)
    with pytest.raises(RecordUnreadable, match="deleted just now"):
        list(lake.log(LOG).records())


# How long a commit can take -----------------------------------------------------------------------


def test_a_run_that_always_comes_second_gives_up_in_time(tmp_path: Path) -> None:
    """Its rows are for a later run: nothing of it has landed, and nothing is left in staging."""
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    create, others = lake.storage.create, 0

    def another_first(path: str, body: bytes, scratch: str) -> None:
        nonlocal others
        others += 1
        with begin(local_lake(tmp_path, clock), "backfill") as draft:
            fill(draft, f"other{others}")
            draft.commit()
        clock.advance(timedelta(minutes=6))
        create(path, body, scratch)

    lake.storage.create = another_first  # type: ignore[method-assign]
    with begin(lake, "backfill") as draft:
        fill(draft, "mine")
        with pytest.raises(CommitConflict, match="were faster for 0:15:00"):
            draft.commit()
    assert others == 3
    assert [key for key, _, _ in visible(tmp_path)] == ["other1", "other2", "other3"]
    assert staged(tmp_path) == []


def test_a_store_that_answers_late_is_asked_no_more_after_the_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    lake.retry_waits = (1.0,) * 100
    asked = 0

    def no_answer(path: str, body: bytes, scratch: str) -> None:
        nonlocal asked
        asked += 1
        clock.advance(timedelta(minutes=5))
        raise InjectedError

    lake.storage.create = no_answer  # type: ignore[method-assign]
    with begin(lake) as draft:
        fill(draft, "a")
        with pytest.raises(CommitStateUnknown):
            draft.commit(watermark(LATER))
    assert asked == 4
    assert staged(tmp_path) != []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_record_with_any_value_in_it_reads_or_is_unreadable(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        drain(local_lake(Path(folder)), [("a", START)])
        body = json.loads((home(Path(folder)) / "commits" / "00000001.json").read_bytes())
    places = [(body, name) for name in body] + [(body["position"], name) for name in body["position"]]
    places += [(body["added"][0], name) for name in body["added"][0]]
    holder, name = data.draw(st.sampled_from(places))
    holder[name] = data.draw(JSON)
    with suppress(RecordUnreadable):
        Record.parse(json.dumps(body).encode(), "commits/00000001.json")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"format": ' + b"9" * 400 + b"}", b"\xff"])
def test_a_record_that_is_rubbish_is_unreadable(body: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        Record.parse(body, "commits/00000001.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "1"),
        ("number", 1.0),
        ("number", None),
        ("token", 5),
        ("token", ""),
        ("token", "../x"),
        ("removed", "alerts"),
        ("removed", [1]),
        ("removed", ["../../a-1.parquet"]),
        ("removed", ["alerts/../../../a-1.parquet"]),
        ("removed", ["/data/a-1.parquet"]),
        ("added", [{"path": 5, "rows": 1, "bytes": 1}]),
        ("added", [{"path": "alerts", "rows": 1, "bytes": 1}]),
        ("added", [{"path": "alerts/date=2026-11-22/a-1.parquet", "rows": "1", "bytes": 1}]),
        ("committed_at", "2026-11-22T12:00:00"),
        ("counts", None),
        ("window", []),
        ("log", "another-log"),
        ("number", 2),
        ("number", 7),
    ],
)
def test_a_record_that_is_not_what_was_committed_stops_everybody(
    tmp_path: Path, name: str, value: Any
) -> None:
    """Such as one of another type, or a copy of another record or log: it must not be misread."""
    drain(local_lake(tmp_path), [("a", START)])
    path = home(tmp_path) / "commits" / "00000001.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {name: value}))
    with pytest.raises(RecordUnreadable, match=r"00000001\.json.*do not delete"):
        local_lake(tmp_path).log(LOG).head()
    with pytest.raises(RecordUnreadable):
        committed_files(tmp_path, "alerts")


@pytest.mark.parametrize(
    ("name", "value"), [("filters", [1]), ("filters", None), ("keys", {"key": "a", "version": "b"})]
)
def test_a_position_of_other_types_stops_everybody(tmp_path: Path, name: str, value: Any) -> None:
    drain(local_lake(tmp_path), [("a", START)])
    path = home(tmp_path) / "commits" / "00000001.json"
    body = json.loads(path.read_bytes())
    body["position"][name] = value
    path.write_text(json.dumps(body))
    with pytest.raises(RecordUnreadable, match=r"00000001\.json"):
        local_lake(tmp_path).log(LOG).head()


def test_a_stray_file_with_a_huge_number_is_told_at_once(tmp_path: Path) -> None:
    drain(local_lake(tmp_path), [("a", START)])
    (home(tmp_path) / "commits" / "999999999999.json").write_bytes(b"{}")
    with pytest.raises(RecordUnreadable, match="lacks commit 2, 3, 4, 5, 6 and 999999999992 more"):
        committed_files(tmp_path, "alerts")


def test_only_an_empty_listing_means_a_new_log(tmp_path: Path) -> None:
    head = local_lake(tmp_path).log(LOG).head()
    assert (head.number, head.record, head.position.watermark) == (0, None, None)


def test_the_head_is_found_without_reading_every_record(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    for minute in range(5):
        drain(lake, [("a", START + timedelta(minutes=minute))])
    read: list[str] = []
    original = lake.storage.read
    lake.storage.read = lambda path: (read.append(path), original(path))[1]  # type: ignore[method-assign]
    lake.log(LOG).head()
    assert [path.rsplit("/", 1)[1] for path in read] == ["head.json", "00000005.json", "00000006.json"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"format": 1}'])
def test_a_damaged_record_stops_everybody(tmp_path: Path, body: bytes) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    (home(tmp_path) / "commits" / "00000002.json").write_bytes(body)
    with pytest.raises(RecordUnreadable, match=r"00000002\.json"):
        lake.log(LOG).head()


def test_a_record_of_a_newer_release_asks_for_an_upgrade(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    path = home(tmp_path) / "commits" / "00000001.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "format": 2}))
    with pytest.raises(RecordUnreadable, match="upgrade"):
        lake.log(LOG).head()


# 2. Finish the head -------------------------------------------------------------------------------


def test_reading_the_head_alone_changes_nothing_and_cannot_be_built_upon(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    before = sorted(tmp_path.rglob("*"))
    head = lake.log(LOG).read_head()
    assert head.position.watermark_text == version(START)
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ValueError, match="begin with head"):
        lake.log(LOG).begin(head, kind="drain")


def test_a_folder_that_vanishes_is_not_taken_for_a_file_shown_by_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that deletes empty folders may strike between making the folder and moving the file."""
    lake = local_lake(tmp_path)
    original = os.rename

    def rename(source: str, target: str) -> None:
        Path(target).parent.rmdir()
        original(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(Exception, match="counts"):
        drain(lake, [("a", START)])
    monkeypatch.undo()
    assert len(staged(tmp_path)) == 1
    lake.log(LOG).head()
    assert len(visible(tmp_path)) == 1


# 3. Read, map, stage ------------------------------------------------------------------------------


def test_staged_rows_are_hidden_even_from_a_careless_glob(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as draft:
        fill(draft, "a", "b")
        draft._writer.finish()
        assert len(staged(tmp_path)) == 1
        assert list(tmp_path.rglob("*.parquet")) == []


def test_leaving_without_a_commit_deletes_what_was_staged(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as draft:
        fill(draft, "a")
        draft._writer.finish()
        assert len(staged(tmp_path)) == 1
    assert staged(tmp_path) == []
    assert committed(tmp_path) == []


def test_dropped_versions_in_the_overlap_stay_in_the_keys(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START), ("old", START - timedelta(minutes=14))])
    drain(lake, [("a", START), ("b", LATER)])
    keys = lake.log(LOG).head().position.keys
    assert sorted(keys["key"].to_pylist()) == ["a", "b"]


def test_rejected_versions_are_not_read_again(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    for expected in ([True, True], [False, False]):
        with begin(lake) as draft:
            pairs = [("bad", version(START)), ("reject:1", "")]
            assert draft.select_new(pairs) == expected
            draft.quarantine(rejects(pair for pair, new in zip(pairs, expected, strict=True) if new))
            draft.commit(watermark(START))
    assert quarantined(tmp_path) == [("bad", version(START)), ("reject:1", "")]


@pytest.mark.parametrize(
    "options",
    [
        {"since": None},
        {"since": datetime_to_ticks(START - timedelta(hours=1))},
        {"filters": {"severity": ["High"]}},
    ],
    ids=["all of it", "a wider overlap", "other filters"],
)
def test_where_the_keys_do_not_reach_the_files_tell(tmp_path: Path, options: dict[str, Any]) -> None:
    lake = local_lake(tmp_path)
    early = START - timedelta(minutes=50)
    drain(lake, [("early", early), ("a", START)])
    with begin(lake, **options) as draft:
        assert draft.select_new([("early", version(early)), ("new", version(early))]) == [True, True]
        draft.write("alerts", alerts((key, version(early), early) for key in ("early", "new")))
        record = draft.commit(watermark(START))
    assert record is not None
    assert record.counts == {"read": 2, "known": 1, "landed": 1, "rejected": 0, "rows": 1}
    assert [key for key, _, _ in committed(tmp_path)] == ["a", "early", "new"]


def test_the_first_drain_finds_what_backfills_have_landed(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    with begin(lake, "backfill") as draft:
        fill(draft, "a", "b")
        draft.commit()
    drain(lake, [("a", LATER), ("b", LATER), ("c", LATER)])
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c"]


def test_versions_that_a_first_drain_could_not_read_are_looked_up(tmp_path: Path) -> None:
    """Its watermark may lie so close to its lower bound that the next overlap reaches below that."""
    lake = local_lake(tmp_path)
    before = START - timedelta(minutes=10)
    with begin(lake, "backfill") as draft:
        fill(draft, "a", at=before)
        draft.commit()
    with begin(lake, since=datetime_to_ticks(START)) as draft:
        fill(draft, "b", at=START)
        draft.commit(watermark(START))
    drain(lake, [("a", before), ("b", START), ("c", LATER)])
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c"]


# 4. Commit ----------------------------------------------------------------------------------------


def test_a_run_older_than_a_day_commits_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with begin(local_lake(tmp_path, clock)) as draft:
        fill(draft, "a")
        clock.advance(timedelta(days=1, seconds=1))
        with pytest.raises(DraftTooOld, match="run it again"):
            draft.commit(watermark(LATER))
    assert committed(tmp_path) == []
    assert staged(tmp_path) == []


def test_a_file_system_without_hard_links_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: str, target: str) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreRefused, match="single_writer=True"):
        drain(local_lake(tmp_path), [("a", START)])
    assert staged(tmp_path) == []
    lake = local_lake(tmp_path, single_writer=True)
    drain(lake, [("a", START)])
    with pytest.raises(FileExistsError):
        lake.storage.create(f"_defender/{LOG}/commits/00000001.json", b"{}", "scratch")
    assert lake.log(LOG).head().number == 1


def test_an_unknown_file_system_is_refused() -> None:
    MemoryFileSystem.store.clear()
    lake = Lake(MemoryFileSystem(), "/lake")
    with pytest.raises(StoreRefused, match="MemoryFileSystem"):
        drain(lake, [("a", START)])
    assert drain(Lake(MemoryFileSystem(), "/lake", single_writer=True), [("a", START)]) is not None


# 5. If the create fails ---------------------------------------------------------------------------


def with_create(lake: Lake, create: Callable[..., None]) -> Lake:
    lake.storage.create = create  # type: ignore[method-assign]
    return lake


def test_a_lost_answer_of_a_create_that_happened(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    original = lake.storage.create

    def create(path: str, body: bytes, scratch: str) -> None:
        original(path, body, scratch)
        raise InjectedError

    record = drain(with_create(lake, create), [("a", START)])
    assert record is not None
    assert len(visible(tmp_path)) == 1


def test_an_absent_record_is_created_again_with_the_same_body(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    original, bodies = lake.storage.create, []

    def create(path: str, body: bytes, scratch: str) -> None:
        bodies.append((path, body))
        if len(bodies) < 3:
            raise InjectedError
        original(path, body, scratch)

    assert drain(with_create(lake, create), [("a", START)]) is not None
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


def never(path: str, body: bytes, scratch: str) -> None:
    raise InjectedError


def test_a_record_that_stays_absent_leaves_everything_as_it_is(tmp_path: Path) -> None:
    lake = with_create(local_lake(tmp_path), never)
    with pytest.raises(CommitStateUnknown, match="nothing was deleted"):
        drain(lake, [("a", START)])
    assert len(staged(tmp_path)) == 1


def test_an_unreadable_record_leaves_everything_as_it_is(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)

    def create(path: str, body: bytes, scratch: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
        raise InjectedError

    with pytest.raises(CommitStateUnknown):
        drain(with_create(lake, create), [("a", START)])
    assert len(staged(tmp_path)) == 1


def test_a_run_that_ages_while_its_commit_is_unknown_deletes_nothing(tmp_path: Path) -> None:
    clock = Clock()
    lake = with_create(local_lake(tmp_path, clock), never)
    lake.sleep = lambda seconds: clock.advance(timedelta(days=2))
    with pytest.raises(CommitStateUnknown):
        drain(lake, [("a", START)])
    assert len(staged(tmp_path)) == 1


def test_a_run_that_is_interrupted_inside_its_commit_deletes_nothing(tmp_path: Path) -> None:
    def create(path: str, body: bytes, scratch: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drain(with_create(local_lake(tmp_path), create), [("a", START)])
    assert len(staged(tmp_path)) == 1


def test_a_create_that_certainly_failed_is_not_unknown(tmp_path: Path) -> None:
    def create(path: str, body: bytes, scratch: str) -> None:
        raise NotCreated from OSError(errno.ENOSPC, "no space left")

    with pytest.raises(OSError, match="no space left"):
        drain(with_create(local_lake(tmp_path), create), [("a", START)])
    assert staged(tmp_path) == []


def test_a_drain_whose_watermark_was_moved_has_lost(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as draft:
        fill(draft, "a", "b")
        drain(local_lake(tmp_path), [("a", LATER)])
        with pytest.raises(CommitConflict, match="max_active_runs=1"):
            draft.commit(watermark(LATER))
    assert staged(tmp_path) == []
    assert [key for key, _, _ in visible(tmp_path)] == ["a"]


def test_a_drain_goes_on_upon_a_backfill(tmp_path: Path) -> None:
    """It drops what the backfill has landed or rejected, and stands on the backfill's position."""
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    with begin(lake) as draft:
        fill(draft, "b", "c")
        draft.select_new([("bad", version(LATER)), ("worse", version(LATER))])
        draft.quarantine(rejects([("bad", version(LATER)), ("worse", version(LATER))]))
        with begin(local_lake(tmp_path), "backfill") as other:
            fill(other, "c", "d")
            other.select_new([("bad", version(LATER))])
            other.quarantine(rejects([("bad", version(LATER))]))
            other.commit()
        record = draft.commit(watermark(LATER))
    assert record is not None
    assert record.number == 3
    assert record.counts == {"read": 4, "known": 2, "landed": 1, "rejected": 1, "rows": 1}
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c", "d"]
    assert quarantined(tmp_path) == [("bad", version(LATER)), ("worse", version(LATER))]
    assert record.position is not None
    assert sorted(record.position.keys["key"].to_pylist()) == ["a", "b", "bad", "c", "d", "worse"]


def test_what_a_backfill_landed_below_its_keys_is_looked_up_after_a_wider_overlap(tmp_path: Path) -> None:
    """The drain has read before the alert showed, and the backfill's record does not name it."""
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    hour, early = timedelta(hours=1), START - timedelta(minutes=30)
    since = datetime_to_ticks(START - hour)
    with begin(lake, since=since) as draft:
        fill(draft, "b")
        with begin(local_lake(tmp_path), "backfill") as other:
            fill(other, "early", at=early)
            other.commit()
        draft.commit(watermark(START, hour))
    with begin(lake, since=since) as draft:
        fill(draft, "early", at=early)
        assert draft.commit(watermark(START, hour)) is None
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "early"]


def test_a_backfill_goes_on_upon_a_drain_and_leaves_its_watermark(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    with begin(lake, "backfill") as draft:
        fill(draft, "b", "c")
        drain(local_lake(tmp_path), [("b", LATER)])
        record = draft.commit()
    assert record is not None
    assert record.position is not None
    assert record.position.watermark_text == version(LATER)
    assert [key for key, _, _ in visible(tmp_path)] == ["a", "b", "c"]


def test_a_backfill_of_which_nothing_is_left_writes_no_record(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    with begin(lake, "backfill") as draft:
        fill(draft, "a", "b")
        drain(local_lake(tmp_path), [("a", LATER), ("b", LATER)])
        assert draft.commit() is None
    assert lake.log(LOG).head().number == 1
    assert staged(tmp_path) == []


def test_a_compaction_whose_input_was_replaced_has_lost(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    record = drain(lake, [("a", START)])
    assert record is not None
    path = record.added[0].path
    with begin(lake, "compaction") as draft:
        draft.write("alerts", alerts([("a", version(START), START)]))
        draft.remove([path])
        with begin(local_lake(tmp_path), "compaction") as other:
            other.write("alerts", alerts([("a", version(START), START)]))
            other.remove([path])
            other.commit()
        with pytest.raises(CommitConflict, match="replaced 1 of the files"):
            draft.commit()
    assert [key for key, _, _ in visible(tmp_path)] == ["a"]


def test_a_backfill_does_not_move_the_watermark(tmp_path: Path) -> None:
    with (
        begin(local_lake(tmp_path), "backfill") as draft,
        pytest.raises(ValueError, match="leaves the watermark"),
    ):
        draft.commit(watermark(LATER))


# 6. Show, and after -------------------------------------------------------------------------------


def age(path: Path, by: timedelta) -> None:
    moment = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (moment, moment))


def leftover(root: Path, token: str, by: timedelta) -> Path:
    folder = home(root) / "staging" / token
    folder.mkdir(parents=True)
    (folder / "1.staged").write_bytes(b"PAR1")
    age(folder / "1.staged", by)
    return folder


def test_old_staging_folders_are_swept_after_a_commit_only(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    old = leftover(tmp_path, "0" * 16, timedelta(days=7, hours=1))
    young = leftover(tmp_path, "1" * 16, timedelta(days=6))
    assert drain(lake, [("a", START)]) is None
    assert old.exists()
    drain(lake, [("a", LATER)])
    assert not old.exists()
    assert young.exists()


def test_a_folder_of_a_later_record_is_not_swept(tmp_path: Path) -> None:
    """Should ages ever be wrong: a record's files are never swept before they are shown."""
    lake = local_lake(tmp_path)
    record = drain(lake, [("a", START)])
    drain(lake, [("b", LATER)])
    assert record is not None
    later = lake.log(LOG).head().record
    assert later is not None
    folder = leftover(tmp_path, later.token, timedelta(days=8))
    lake.log(LOG).tidy(record)
    assert folder.exists()


def test_old_records_are_shortened_and_keep_their_number(tmp_path: Path) -> None:
    clock = Clock()
    lake = local_lake(tmp_path, clock)
    for day in (0, 1, 31, 32):
        clock.now = START + timedelta(days=day)
        drain(lake, [(f"k{day}", clock.now)])
    records = {record.number: record for record in lake.log(LOG).records()}
    assert [record.position is None for record in records.values()] == [True, True, False, False]
    assert all(record.added for record in records.values())
    assert lake.log(LOG).head().number == 4
    assert len(committed(tmp_path)) == 4
    hint = json.loads((home(tmp_path) / "head.json").read_bytes())
    assert hint == {"number": 4, "shortened_below": 3}


def test_tidying_up_never_fails_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = local_lake(tmp_path)

    def replace(path: str, body: bytes) -> None:
        raise InjectedError

    monkeypatch.setattr(lake.storage, "replace", replace)
    assert drain(lake, [("a", START)]) is not None
    monkeypatch.undo()
    assert lake.log(LOG).head().number == 1


def test_a_draft_is_committed_once(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as draft:
        fill(draft, "a")
        draft.commit(watermark(LATER))
        with pytest.raises(RuntimeError, match="was committed"):
            draft.commit(watermark(LATER))


def test_rows_without_a_timestamp_are_an_error(tmp_path: Path) -> None:
    with begin(local_lake(tmp_path)) as draft:
        with pytest.raises(ValueError, match="1 rows for alerts have no @timestamp"):
            draft.write("alerts", alerts([("a", "1", None)]))  # type: ignore[list-item]
        with pytest.raises(RuntimeError, match="lacks rows"):
            draft.commit(watermark(START))


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "-x", "x" * 201])
def test_names_of_logs_that_could_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a log"):
        local_lake(tmp_path).log(name)


@pytest.mark.parametrize("name", ["", "..", "_defender", "a/../b", "events/a/b", "alerts/"])
def test_names_of_datasets_that_could_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with begin(local_lake(tmp_path)) as draft, pytest.raises(ValueError, match="is not a dataset name"):
        draft.write(name, alerts([("a", "1", START)]))


def test_logs_share_a_lake_and_do_not_meet(tmp_path: Path) -> None:
    """One log's name may begin like another's."""
    lake = local_lake(tmp_path)
    for name in (LOG, f"{LOG}-b"):
        log = lake.log(name)
        for expected in (1, None):
            with log.begin(log.head(), kind="backfill") as draft:
                fill(draft, "a")
                record = draft.commit()
            assert (record and record.number) == expected
    assert len(visible(tmp_path)) == 2
    assert [log.name for log in lake.logs()] == [LOG, f"{LOG}-b"]
