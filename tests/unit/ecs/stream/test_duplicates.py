"""The memory for duplicates: what it knows, and what it forgets when it is full."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable

from airflow_provider_defender.ecs.stream.duplicates import HASH_BYTES, RecentHashes

BUCKETS = 1_000_000 // 8


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()[:HASH_BYTES]


def keys(numbers: Iterable[int]) -> bytes:
    return b"".join(map(key, numbers))


def in_one_bucket(number: int) -> bytes:
    """A key whose first word is the same multiple of all numbers of buckets for each number."""
    return BUCKETS.to_bytes(4, sys.byteorder) + key(number)[4:]


def test_a_bucket_remembers_its_last_sixteen_and_forgets_its_oldest() -> None:
    for last in range(50):
        recent = RecentHashes()
        assert not any(recent.add(in_one_bucket(number)) for number in range(last + 1))
        known = range(max(0, last - 15), last + 1)
        assert all(recent.add(in_one_bucket(number)) for number in known)
        assert last < 16 or not recent.add(in_one_bucket(last - 16))


def test_half_as_many_as_the_capacity_are_all_but_remembered() -> None:
    recent = RecentHashes(80_000)
    assert recent.add(keys(range(40_000))) == []
    assert len(recent.add(keys(range(40_000)))) >= 40_000 - 5


def test_of_as_many_as_the_capacity_about_one_in_a_hundred_is_forgotten() -> None:
    recent = RecentHashes(80_000)
    recent.add(keys(range(80_000)))
    assert len(recent.add(keys(range(80_000)))) > 80_000 - 1_200


def test_what_is_forgotten_is_added_anew() -> None:
    recent = RecentHashes(8)
    assert not any(recent.add(in_one_bucket(number)) for number in range(17))
    assert recent.add(in_one_bucket(0)) == []
    assert recent.add(in_one_bucket(0)) == [0]


def test_keys_of_one_call_are_known_to_the_later_ones_of_it() -> None:
    recent = RecentHashes()
    assert recent.add(b"") == []
    assert recent.add(keys([1, 2, 1, 3, 2, 2])) == [2, 4, 5]
    assert recent.add(keys([4, 3])) == [1]


def test_a_few_take_little_memory_and_growing_forgets_nothing() -> None:
    """One call or many, each growth keeps all that was added before, in its order."""
    recent = RecentHashes(300_000)
    sizes = [len(recent._hashes)]
    for start in range(0, 60_000, 500):
        assert recent.add(keys(range(start, start + 500))) == []
        if len(recent._hashes) != sizes[-1]:
            sizes.append(len(recent._hashes))
            assert len(recent.add(keys(range(start + 500)))) >= start + 499
    assert sizes == [number * 16 * HASH_BYTES for number in (1000, 5000, 25_000)]
    at_once = RecentHashes(300_000)
    at_once.add(keys(range(200_000)))
    assert len(at_once._hashes) == 37_500 * 16 * HASH_BYTES


def test_growing_keeps_the_order_of_a_bucket() -> None:
    recent = RecentHashes(80_000)
    for number in range(20):
        recent.add(in_one_bucket(number))
    recent.add(keys(range(30_000)))
    assert recent._buckets > 1000
    recent.add(in_one_bucket(20))
    assert all(recent.add(in_one_bucket(number)) for number in range(13, 21))
