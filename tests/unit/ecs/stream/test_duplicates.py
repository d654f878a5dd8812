"""The memory for duplicates: what it knows, and what it forgets when it is full."""

from __future__ import annotations

import hashlib

from airflow_provider_defender.ecs.stream.duplicates import HASH_BYTES, RecentHashes

BUCKETS = 1_000_000 // 8


def digest(number: int) -> int:
    return int.from_bytes(hashlib.sha256(b"%d" % number).digest()[:HASH_BYTES], "little")


def in_one_bucket(number: int) -> int:
    return digest(number) // BUCKETS * BUCKETS


def test_a_bucket_remembers_its_last_sixteen_and_forgets_its_oldest() -> None:
    for last in range(50):
        recent = RecentHashes()
        assert all(recent.add(in_one_bucket(number)) for number in range(last + 1))
        known = range(max(0, last - 15), last + 1)
        assert not any(recent.add(in_one_bucket(number)) for number in known)
        assert last < 16 or recent.add(in_one_bucket(last - 16))


def test_half_as_many_as_the_capacity_are_all_but_remembered() -> None:
    recent = RecentHashes(80_000)
    assert all(recent.add(digest(number)) for number in range(40_000))
    assert sum(recent.add(digest(number)) for number in range(40_000)) <= 5


def test_of_as_many_as_the_capacity_about_one_in_a_hundred_is_forgotten() -> None:
    recent = RecentHashes(80_000)
    for number in range(80_000):
        recent.add(digest(number))
    forgotten = sum(recent.add(digest(number)) for number in range(80_000))
    assert forgotten < 1_200


def test_what_is_forgotten_is_added_anew() -> None:
    recent = RecentHashes(8)
    assert all(recent.add(in_one_bucket(number)) for number in range(17))
    assert recent.add(in_one_bucket(0))
    assert not recent.add(in_one_bucket(0))
