"""The general REST source: what it asks for, how far it has come, what it lets through."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.ecs import registry
from airflow_provider_defender.exceptions import FailNow, StopAndLook, TryAgain
from airflow_provider_defender.lake import Head, VersionsPosition, Watermark
from airflow_provider_defender.sources.paging import KeysetPages, Query, Reached, UnorderedPages
from airflow_provider_defender.sources.rest import RestRead, RestSource
from airflow_provider_defender.sources.source import Limits, Result
from airflow_provider_defender.sources.window import Window
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks, parse_ticks

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
TICKS = datetime_to_ticks(NOW)
MINUTE = timedelta(minutes=1)
TICKS_PER_MINUTE = 600_000_000
TENANT = "0a1b2c3d-0000-4000-8000-00000000000f"


@pytest.fixture(autouse=True)
def mapped() -> Iterator[None]:
    before = dict(registry._MAPPINGS)
    shape = ecs.Shape({"id": "identifier", "updated": "time", "level": "string"})
    ecs.register(
        ecs.Mapping("notes", "notes", shape, "microsoft.notes", times=("updated",), version="updated")
    )
    yield
    registry._MAPPINGS.clear()
    registry._MAPPINGS.update(before)


@dataclass(frozen=True)
class Answered:
    records: Sequence[bytes]
    last: bool = True
    served_at: datetime = NOW
    complete_until: int | None = None


@dataclass(frozen=True)
class Levels:
    levels: tuple[str, ...]

    def as_dict(self) -> dict[str, Sequence[str]]:
        return {"level": self.levels}

    def warnings(self, seen: Any) -> Sequence[str]:
        return [f"seen: {sorted(seen.get('level', ()))}"]


@dataclass(frozen=True, kw_only=True)
class Notes(RestSource):
    name: ClassVar[str] = "notes"
    updated: ClassVar[str] = "updated"
    created: ClassVar[str] = "made"
    noun: ClassVar[str] = "note"
    answers: Sequence[Answered | Exception] = ()
    asked: list[tuple[Query, bool]] = field(default_factory=list)
    clock: Clock = field(default_factory=lambda: Clock(now=lambda: NOW))

    @property
    def tenant_id(self) -> str:
        return TENANT

    def pages(self, query: Query, *, max_seconds: float, reached_before: bool) -> Iterator[Answered]:
        self.asked.append((query, reached_before))
        for answer in self.answers:
            if isinstance(answer, Exception):
                raise answer
            yield answer

    def has_updated_after(self, ticks: int, *, reached_before: bool) -> bool:
        self.asked.append((Query("after", ticks), reached_before))
        return True


@dataclass
class Time:
    limit: timedelta = timedelta(hours=1)
    left: float = 3600.0
    is_over: bool = False


def note(number: int, updated: datetime, **values: Any) -> bytes:
    stamp = format_ticks(datetime_to_ticks(updated))
    return json.dumps({"id": f"n{number}", "updated": stamp, **values}).encode()


def head(watermark: int | None = None, **values: Any) -> Head[VersionsPosition]:
    position = VersionsPosition(watermark=watermark, **values)
    return Head(0, None, position, NOW, finished=True)


def read(
    source: Notes, at: Head[VersionsPosition], window: Window | None = None, time: Any = None
) -> RestRead:
    return source.read(window or Window("watermark"), at, Limits(time or Time()))


def drained(source: Notes, at: Head[VersionsPosition]) -> RestRead:
    made = read(source, at)
    list(made)
    return made


# What is asked ------------------------------------------------------------------------------------


def test_an_incremental_read_begins_below_the_watermark_by_the_overlap() -> None:
    source = Notes(overlap=15 * MINUTE)
    drained(source, head(TICKS))
    [(query, reached_before)] = source.asked
    assert query == Query("updated", TICKS - 15 * TICKS_PER_MINUTE)
    assert query.odata() == "updated ge 2026-11-20T11:45:00.0000000Z"
    assert not reached_before


def test_without_a_watermark_it_begins_at_the_look_back_or_where_a_cut_off_one_began() -> None:
    source = Notes(lookback=60 * MINUTE)
    for begun, expected in (
        (None, TICKS - 60 * TICKS_PER_MINUTE),
        (TICKS - 90 * TICKS_PER_MINUTE, TICKS - 90 * TICKS_PER_MINUTE),
        (TICKS - 30 * TICKS_PER_MINUTE, TICKS - 60 * TICKS_PER_MINUTE),
    ):
        drained(source, head(begun_from=begun))
        assert source.asked[-1][0].since == expected


@pytest.mark.parametrize(("basis", "name"), [("created", "made"), ("updated", "updated")])
def test_a_window_is_read_by_the_time_that_it_bounds(basis: Any, name: str) -> None:
    source = Notes()
    bounds = (NOW - MINUTE, NOW)
    made = read(source, head(TICKS), Window("explicit since/until", bounds, basis))
    list(made)
    [(query, _)] = source.asked
    assert query == Query(name, TICKS - TICKS_PER_MINUTE, TICKS)
    expected = f"{name} ge 2026-11-20T11:59:00.0000000Z and {name} lt 2026-11-20T12:00:00.0000000Z"
    assert query.odata() == expected
    assert (made.kind, made.change(Result())) == ("backfill", None)


def test_the_backlog_is_asked_beyond_the_watermark() -> None:
    source = Notes(lookback=60 * MINUTE)
    assert source.backlog(head(TICKS)).waiting
    source.backlog(head())
    assert [query.since for query, _ in source.asked] == [TICKS, TICKS - 60 * TICKS_PER_MINUTE]
    replace(source, reached_before=True).backlog(head())
    assert [reached for _, reached in source.asked] == [False, False, True]


# How far it has come ------------------------------------------------------------------------------


def test_the_watermark_is_the_newest_update_read() -> None:
    newest = NOW - 2 * MINUTE
    source = Notes(answers=[Answered([note(1, newest), note(2, newest - MINUTE)])])
    assert drained(source, head()).change(Result()) == Watermark(datetime_to_ticks(newest), 15 * MINUTE)


def test_it_never_passes_the_moment_when_the_reading_began() -> None:
    """By the service's clock or by ours, whichever is earlier."""
    later = [note(1, NOW + 60 * MINUTE)]
    for served_at, expected in ((NOW - MINUTE, TICKS - TICKS_PER_MINUTE), (NOW + MINUTE, TICKS)):
        source = Notes(answers=[Answered(later, served_at=served_at)])
        change = drained(source, head()).change(Result())
        assert change is not None
        assert change.ticks == expected


def test_only_the_first_pages_moment_counts() -> None:
    pages = [Answered([note(1, NOW)], last=False, served_at=NOW - 9 * MINUTE), Answered([note(2, NOW)])]
    change = drained(Notes(answers=pages), head()).change(Result())
    assert change is not None
    assert change.ticks == TICKS - 9 * TICKS_PER_MINUTE


def test_it_never_goes_back() -> None:
    source = Notes(answers=[Answered([note(1, NOW - 9 * MINUTE)])])
    change = drained(source, head(TICKS - TICKS_PER_MINUTE)).change(Result())
    assert change is not None
    assert change.ticks == TICKS - TICKS_PER_MINUTE


def test_an_empty_first_read_is_complete_up_to_where_it_began_and_a_later_one_says_nothing() -> None:
    source = Notes(answers=[Answered([])], lookback=60 * MINUTE)
    change = drained(source, head()).change(Result())
    assert change is not None
    assert change.ticks == TICKS - 60 * TICKS_PER_MINUTE
    assert drained(source, head(TICKS)).change(Result()) is None


def test_what_is_filtered_out_counts_for_the_watermark() -> None:
    source = Notes(answers=[Answered([note(1, NOW - MINUTE, level="low")])], filters=Levels(("high",)))
    made = read(source, head())
    [batch] = list(made)
    assert (batch.records, batch.identities) == ([], [])
    change = made.change(Result())
    assert change is not None
    assert change.ticks == TICKS - TICKS_PER_MINUTE


ticks = st.none() | st.integers(0, 100)


@given(newest=ticks, until=ticks, served=st.integers(0, 100), complete=st.booleans())
def test_unordered_pages_give_no_watermark_that_could_skip_a_record(
    newest: int | None, until: int | None, served: int, complete: bool
) -> None:
    watermark = UnorderedPages().watermark(Reached(served, newest, until, complete))
    assert (watermark is None) == (not complete or newest is None)
    assert watermark is None or watermark == min(newest or 0, served)


@given(newest=ticks, until=ticks, served=st.integers(0, 100), complete=st.booleans())
def test_pages_in_order_give_a_watermark_as_far_as_they_are_complete(
    newest: int | None, until: int | None, served: int, complete: bool
) -> None:
    watermark = KeysetPages().watermark(Reached(served, newest, until, complete))
    bounds = [newest, served] if complete else [newest, served, until]
    known = [bound for bound in bounds if bound is not None]
    assert watermark == (min(known) if len(known) == len(bounds) else None)


# How far it has come when it ends early -----------------------------------------------------------


class OrderedNotes(Notes):
    paging = KeysetPages()


def page(*minutes: int, last: bool = False, until: int | None = None, **values: Any) -> Answered:
    """A page of notes, updated some minutes after an hour ago, complete up to such a minute."""
    records = [note(minute, NOW + (minute - 60) * MINUTE) for minute in minutes]
    return Answered(records, last, complete_until=None if until is None else at_minute(until), **values)


def at_minute(minute: int) -> int:
    return TICKS + (minute - 60) * TICKS_PER_MINUTE


def ended_early(
    at: Head[VersionsPosition], pages: Sequence[Any], caplog: pytest.LogCaptureFixture, **values: Any
) -> tuple[Watermark | None, str]:
    """The change after a read that is cut off after these pages, and what its log says."""
    made = OrderedNotes(answers=[*pages, TryAgain("gone")], **values)
    changed = drained(made, at)
    assert (changed.complete, isinstance(changed.interruption, TryAgain)) == (False, True)
    return changed.change(Result()), caplog.text


@pytest.mark.parametrize(
    ("pages", "minute"),
    [
        ([page(10, 20, until=20)], 20),
        ([page(10, 20, until=20), page(20, 30, until=30)], 30),
        ([page(10, 20, until=20), page(20, 30)], 20),  # what an earlier page told still holds
        ([page(40, 10)], None),
        ([page(10, 20, until=30)], 20),  # never beyond what was met
        ([page(10, 20, until=20, served_at=NOW - 50 * MINUTE)], 10),  # nor beyond the read's start
        ([page(59, until=59), page(61, 62, until=62)], 60),
    ],
)
def test_an_interrupted_read_moves_the_watermark_as_far_as_its_pages_are_complete(
    pages: list[Answered], minute: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    change, log = ended_early(head(), pages, caplog)
    if minute is None:
        assert change is None
        assert "the watermark stays" in log
        return
    assert change == Watermark(at_minute(minute), 15 * MINUTE, complete=False)
    assert f"the watermark moves to {format_ticks(at_minute(minute))}" in log


def test_an_interrupted_read_within_the_overlap_leaves_the_watermark(
    caplog: pytest.LogCaptureFixture,
) -> None:
    change, log = ended_early(head(at_minute(30)), [page(20, 30, until=30)], caplog)
    assert change is None
    assert "the watermark stays" in log


def test_the_watermark_of_a_read_of_pages_without_order_stays(caplog: pytest.LogCaptureFixture) -> None:
    made = drained(Notes(answers=[page(10, 20, until=20), TryAgain("gone")]), head())
    assert made.change(Result()) is None


def test_a_time_limit_moves_the_watermark_and_the_next_run_goes_on_from_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = OrderedNotes(answers=[page(10, 20, until=20), page(20, 30, last=True)], overlap=5 * MINUTE)
    cut = read(source, head(), time=Time(is_over=True))
    assert len(list(cut)) == 1
    change = cut.change(Result())
    assert change == Watermark(at_minute(20), 5 * MINUTE, complete=False)
    for words in ("max_duration of 1:00:00 is over after 1 page", "The next run goes on from there."):
        assert words in caplog.text
    drained(source, head(change.ticks))
    assert source.asked[-1][0].since == at_minute(15)


@pytest.mark.parametrize(("watermark", "fails"), [(at_minute(20), True), (at_minute(10), False)])
def test_a_time_limit_that_lands_nothing_fails_unless_the_watermark_moves(
    watermark: int, fails: bool
) -> None:
    """If it does, there is a commit."""
    source = OrderedNotes(answers=[page(10, 20, until=20), page(20, 30)])
    cut = read(source, head(watermark), time=Time(is_over=True))
    list(cut)
    assert (cut.change(Result()) is None) == fails
    assert isinstance(cut.shortfall(None), StopAndLook)


def test_a_backfill_never_moves_it(caplog: pytest.LogCaptureFixture) -> None:
    source = OrderedNotes(answers=[page(10, 20, until=20), TryAgain("gone")])
    made = read(source, head(), Window("explicit since/until", (NOW - 60 * MINUTE, NOW), "updated"))
    list(made)
    assert (made.complete, made.change(Result())) == (False, None)
    assert "the watermark stays" in caplog.text


# After another source -----------------------------------------------------------------------------


def test_a_first_drain_begins_no_later_than_where_its_predecessor_stands() -> None:
    for minute, expected in ((-99, -99), (30, 0), (None, 0)):
        stands = iter([None if minute is None else at_minute(minute)] * 2)
        source = Notes(lookback=60 * MINUTE, predecessor=stands.__next__)
        drained(source, head())
        source.backlog(head())
        assert [query.since for query, _ in source.asked] == [at_minute(expected)] * 2


def test_a_log_with_a_watermark_has_no_use_for_a_predecessor() -> None:
    def unasked() -> int | None:
        raise AssertionError("asked in vain")

    source = Notes(predecessor=unasked)
    drained(source, head(TICKS))
    source.backlog(head(TICKS))


# What it lets through -----------------------------------------------------------------------------


def test_a_batch_brings_the_identities_of_its_records() -> None:
    records = [note(1, NOW), b"{", note(2, NOW)]
    [batch] = list(read(Notes(answers=[Answered(records)]), head()))
    assert batch.identities == ecs.identities("notes", records, tenant=TENANT)
    assert batch.origins.to_pylist() == [{"tenant": TENANT, "log": f"notes-{TENANT}"}]


def test_a_filter_drops_what_has_another_value_and_nothing_that_it_cannot_judge() -> None:
    records = [
        note(1, NOW, level="High"),
        note(2, NOW, level="low"),
        note(3, NOW),
        note(4, NOW, level=7),
        note(5, NOW, LEVEL="HIGH"),
        b"{",
    ]
    source = Notes(answers=[Answered(records)], filters=Levels(("high",)))
    made = read(source, head())
    [batch] = list(made)
    assert batch.records == [records[place] for place in (0, 2, 3, 4, 5)]
    assert list(made.figures(Result()).warnings()) == ["seen: ['HIGH', 'High', 'low']"]
    assert made.figures(Result()).records == 6


# Ends ---------------------------------------------------------------------------------------------


def test_an_outage_after_a_page_ends_the_read_and_keeps_what_came() -> None:
    error = TryAgain("gone")
    made = read(Notes(answers=[Answered([note(1, NOW)], last=False), error]), head())
    assert len(list(made)) == 1
    assert (made.complete, made.interruption, made.change(Result())) == (False, error, None)


@pytest.mark.parametrize(
    "answers", [[TryAgain("gone")], [Answered([note(1, NOW)], last=False), FailNow("no role")]]
)
def test_an_error_before_the_first_page_or_one_that_no_retry_heals_is_raised(answers: Any) -> None:
    with pytest.raises((TryAgain, FailNow)):
        list(read(Notes(answers=answers), head()))


def test_a_time_limit_ends_the_read_between_pages_and_never_after_the_last_one() -> None:
    over = Time(is_over=True)
    pages = [Answered([note(1, NOW)], last=False), Answered([note(2, NOW)])]
    cut = read(Notes(answers=pages), head(), time=over)
    assert (len(list(cut)), cut.complete, cut.change(Result())) == (1, False, None)
    assert isinstance(cut.shortfall(None), StopAndLook)
    whole = read(Notes(answers=pages[1:]), head(), time=over)
    assert (len(list(whole)), whole.complete, whole.shortfall(None)) == (1, True, None)


def test_while_a_page_is_fetched_ahead_only_the_one_at_hand_is_held() -> None:
    import weakref

    class Watched(list[bytes]):
        """A list that can be watched."""

    held: list[int] = []

    class Slow(Notes):
        def pages(self, query: Query, *, max_seconds: float, reached_before: bool) -> Iterator[Any]:
            seen: list[weakref.ref[Watched]] = []
            for number in range(5):
                held.append(sum(each() is not None for each in seen))
                records = Watched([note(number, NOW)])
                seen.append(weakref.ref(records))
                page = Answered(records, last=number == 4)
                del records
                yield page
                del page

    batches = iter(read(Slow(), head()))
    while (batch := next(batches, None)) is not None:
        del batch
    assert len(held) == 5
    assert max(held) <= 1


def test_a_read_that_is_given_up_leaves_no_thread_and_no_open_request() -> None:
    closed: list[int] = []

    class Watched(Notes):
        def pages(self, query: Query, *, max_seconds: float, reached_before: bool) -> Iterator[Any]:
            try:
                for number in range(9):
                    yield Answered([note(number, NOW)])
            finally:
                closed.append(number)

    batches = iter(read(Watched(), head()))
    for _ in range(3):
        next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert closed in ([2], [3])
    assert not [each for each in threading.enumerate() if each.name == "read-ahead"]


def test_what_was_read_before_an_outage_is_known_and_what_was_fetched_in_vain_is_not() -> None:
    """The position comes from the pages that the caller was given."""
    pages = [Answered([note(number, NOW - timedelta(minutes=number))]) for number in range(3)]
    given = read(Notes(answers=[*pages, TryAgain("gone")]), head())
    found = [json.loads(batch.records[0])["id"] for batch in given]
    assert found == ["n0", "n1", "n2"]
    assert (given.complete, type(given.interruption)) == (False, TryAgain)
    assert given.progress() == "Page 3: 3 notes read"


def test_ticks_of_the_api_are_kept_whole() -> None:
    stamp = "2026-11-20T11:59:59.1234567Z"
    source = Notes(answers=[Answered([json.dumps({"id": "a", "updated": stamp}).encode()])])
    change = drained(source, head()).change(Result())
    assert change is not None
    assert change.ticks == parse_ticks(stamp)
