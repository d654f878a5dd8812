"""Reading ahead: order, one item ahead, errors in their place, and that its thread always ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from airflow_provider_defender.sources.ahead import ReadAhead

NAME = "read-ahead"


def is_running() -> bool:
    return any(thread.name == NAME for thread in threading.enumerate())


class Items:
    """A generator of numbers that notes which of them were fetched, by which thread, and its end."""

    def __init__(self, count: int, error: BaseException | None = None) -> None:
        self.fetched: list[int] = []
        self.threads: set[str] = set()
        self.is_closed = False
        self._count = count
        self._error = error

    def numbers(self) -> Iterator[int]:
        try:
            for number in range(self._count):
                self.fetched.append(number)
                self.threads.add(threading.current_thread().name)
                yield number
            if self._error is not None:
                raise self._error
        finally:
            self.is_closed = True


@pytest.mark.parametrize("fetched", [(), (0,), range(7), (2, 3, 5)])
def test_all_items_come_in_order_whichever_were_fetched_ahead(fetched: tuple[int, ...]) -> None:
    items, found = Items(7), []
    with closing(ReadAhead(items.numbers())) as ahead:
        for number in ahead:
            found.append(number)
            if number in fetched:
                ahead.fetch()
    assert found == list(range(7))
    assert items.is_closed
    assert not is_running()
    assert (NAME in items.threads) == bool(set(fetched) - {6})


def test_no_more_than_one_item_is_fetched_ahead() -> None:
    items = Items(100)
    with closing(ReadAhead(items.numbers())) as ahead:
        for number in ahead:
            assert items.fetched == list(range(number + 1))
            ahead.fetch()
            if number == 20:
                break
    assert len(items.fetched) <= 22
    assert items.is_closed
    assert not is_running()


@pytest.mark.parametrize("error", [OSError("gone"), KeyboardInterrupt()])
def test_an_error_comes_after_the_items_before_it(error: BaseException) -> None:
    with closing(ReadAhead(Items(3, error).numbers())) as ahead:
        for number in range(3):
            assert next(ahead) == number
            ahead.fetch()
        with pytest.raises(type(error)):
            next(ahead)
    assert not is_running()


def test_an_item_that_does_not_come_holds_up_nobody_for_long() -> None:
    """The caller has failed; a request without an answer must not keep it from saying so."""
    begun, gate, closed = threading.Event(), threading.Event(), threading.Event()

    def stuck() -> Iterator[int]:
        try:
            yield 0
            begun.set()
            gate.wait()
            yield 1
        finally:
            closed.set()

    ahead = ReadAhead(stuck(), patience=0.01)
    assert next(ahead) == 0
    ahead.fetch()
    begun.wait()
    ahead.close()
    assert not closed.is_set()
    gate.set()
    assert closed.wait(60)  # the source's connection is closed by the thread
