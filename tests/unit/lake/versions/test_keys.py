"""Sets of versions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_defender.lake import (
    VersionsLedger,
)
from airflow_provider_defender.lake.versions.keys import (
    TIMELESS,
    DigestSet,
    NewestVersions,
    bound_for,
    digest,
    joined,
    since,
    ticks_of,
)
from airflow_provider_defender.timestamps import format_ticks
from tests.unit.lake.support import local_lake, open_log
from tests.unit.lake.versions.support import keys

T0 = 17_953_488_000_000_000


MINUTE = 600_000_000


texts = st.text(max_size=3)


@example([("", "\0"), ("\0", "")])
@given(st.lists(st.tuples(texts, texts), max_size=60))
def test_a_digest_set_is_a_set(pairs: list[tuple[str, str]]) -> None:
    ours, theirs = DigestSet(), set()
    for pair in pairs:
        assert ours.add(digest(*pair)) == (pair not in theirs)
        theirs.add(pair)
    assert len(ours) == len(theirs)
    rows = joined(
        pa.array([key for key, _ in pairs], pa.string()), pa.array([v for _, v in pairs], pa.string())
    )
    half = DigestSet()
    half.add_texts(rows.slice(0, len(pairs) // 2))
    assert half.found(rows).to_pylist() == [pair in set(pairs[: len(pairs) // 2]) for pair in pairs]
    assert set(half) <= set(ours)
    assert half.isdisjoint(ours) == (len(pairs) < 2)


def test_a_match_across_two_digests_is_none() -> None:
    found = DigestSet()
    first, second = b"AA" + bytes(14), b"AA" + bytes(range(14))
    found.add(first)
    found.add(second)
    across = (first + second)[14:30]
    assert across[:2] == bytes(2)
    bucket = bytes(2) + b"A" * 14
    other = DigestSet()
    other.add(bytes(2) + bytes(12) + b"\0\0")
    other.add(bytes(16)[:2] + b"A" * 14)
    assert bucket in other
    assert bytes(15) + b"A" not in other


def pages(count: int) -> Iterator[list[tuple[str, str]]]:
    for page in range(count // 10_000):
        yield [(f"tenant/{n}", format_ticks(T0 + n)) for n in range(page * 10_000, (page + 1) * 10_000)]


def test_a_hundred_thousand_versions_take_little_memory(tmp_path: Path) -> None:
    """As sets of strings they would take 30 MB; and a million take ten times the bytes in digests only."""
    log = open_log(local_lake(tmp_path))
    ledger = VersionsLedger()
    with log.begin(log.head(), ledger, kind="drain") as transaction:
        before = pa.total_allocated_bytes()
        for page in pages(100_000):
            assert all(transaction.select_new(page))
        digests = sum(map(sys.getsizeof, ledger._seen._buckets.values()))
        assert digests < 100_000 * 80
        assert pa.total_allocated_bytes() - before < 25_000_000
        assert not any(transaction.select_new(page)[0] for page in pages(100_000))


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 10))
def test_the_newest_versions_are_kept_down_to_an_exact_bound(ticks: list[int], limit: int) -> None:
    kept = NewestVersions(limit)
    for n, tick in enumerate(ticks):
        kept.add([f"k{n}"], [format_ticks(T0 + tick)])
    table, complete_from = kept.result()
    assert table.num_rows <= limit
    if complete_from is None:
        assert sorted(table["ticks"].to_pylist()) == sorted(T0 + tick for tick in ticks)
    else:
        assert len(ticks) > limit
        assert sorted(table["ticks"].to_pylist()) == sorted(T0 + t for t in ticks if T0 + t >= complete_from)


@given(st.lists(st.one_of(st.none(), st.integers(-3, 12)), max_size=40), st.one_of(st.none(), st.just(T0)))
def test_times_that_are_known_count_as_if_parsed(ticks: list[int | None], floor: int | None) -> None:
    times = [None if tick is None else T0 + tick for tick in ticks]
    names = [f"k{n}" for n in range(len(times))]
    versions = ["" if time is None else format_ticks(time) for time in times]
    parsed, known = NewestVersions(10, floor), NewestVersions(10, floor)
    parsed.add(names, versions)
    known.add(names, versions, times)
    assert known.result() == parsed.result()
    assert known.strays == parsed.strays


def test_a_repeated_version_takes_no_other_ones_time(tmp_path: Path) -> None:
    ledger = VersionsLedger()
    log = open_log(local_lake(tmp_path))
    times = [T0, T0, None, T0 + 2]
    pairs = [("a", format_ticks(T0)), ("a", format_ticks(T0)), ("b", ""), ("c", format_ticks(T0 + 2))]
    with log.begin(log.head(), ledger, kind="drain") as transaction:
        assert transaction.select_new(pairs, times) == [True, False, True, True]
        assert ledger.change(None).read["ticks"].to_pylist() == [T0, TIMELESS, T0 + 2]


def test_versions_without_a_time_count_as_newest() -> None:
    assert ticks_of("content:abc") == ticks_of("") == TIMELESS
    table = keys(("a", T0), ("timeless", TIMELESS), ("b", T0 + 1))
    assert bound_for(table["ticks"], 2) == T0 + 1
    assert since(table, T0 + 1)["key"].to_pylist() == ["timeless", "b"]
    crowd = keys(("a", TIMELESS), ("b", TIMELESS))
    assert since(crowd, bound_for(crowd["ticks"], 1) or 0).num_rows == 0
