"""Garbage collection during a run."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from airflow_provider_defender.ingest.collector import older_objects_left_out


class Ring:
    """An object that only garbage collection can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def nothing_is_frozen() -> Iterator[None]:
    """Leave the collector as it was found."""
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_objects_from_before_are_passed_over_and_those_of_the_block_collected() -> None:
    older = Ring()
    old = weakref.ref(older)
    with older_objects_left_out():
        del older
        newer = Ring()
        new = weakref.ref(newer)
        del newer
        gc.collect()
        assert old() is not None
        assert new() is None
    gc.collect()
    assert old() is None


def test_an_error_in_the_block_brings_the_objects_back_too() -> None:
    seen: list[int] = []

    def fail() -> None:
        with older_objects_left_out():
            seen.append(gc.get_freeze_count())
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert seen[0] > 0
    assert not gc.get_freeze_count()


def test_what_others_froze_stays_frozen() -> None:
    gc.freeze()
    older = gc.get_freeze_count()
    with older_objects_left_out():
        pass
    assert gc.get_freeze_count() == pytest.approx(older, abs=100)


def test_garbage_of_many_blocks_does_not_pile_up() -> None:
    left = []
    for _ in range(3):
        ring = Ring()
        left.append(weakref.ref(ring))
        with older_objects_left_out():
            inner = Ring()
            left.append(weakref.ref(inner))
            del ring, inner
    ends = len([ref for ref in left if ref() is not None])
    assert ends <= 3  # a block passes over what was made before it and let go in it; nothing else is left
