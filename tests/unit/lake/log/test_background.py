"""Work beside the caller: order, bound, errors, and that its thread always ends."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from airflow_provider_defender.lake.log.background import BackgroundWork
from tests.unit.lake.faults import InjectedError

NAME = "test-writer"


def work(inline_bytes: int = 0, waiting_bytes: int = 100) -> BackgroundWork:
    return BackgroundWork(NAME, inline_bytes=inline_bytes, waiting_bytes=waiting_bytes)


def is_running() -> bool:
    return any(thread.name == NAME for thread in threading.enumerate())


def test_a_little_work_is_done_at_once_and_needs_no_thread() -> None:
    done: list[threading.Thread] = []
    given = work(inline_bytes=100)
    for _ in range(10):
        given.do(10, lambda: done.append(threading.current_thread()))
    assert done == [threading.current_thread()] * 10
    assert not is_running()
    given.do(1, lambda: done.append(threading.current_thread()))
    given.finish()
    assert done[10].name == NAME


@pytest.mark.parametrize("inline_bytes", [0, 55, 10**6])
def test_all_is_done_in_order_before_it_is_finished(inline_bytes: int) -> None:
    done: list[int] = []
    given = work(inline_bytes)
    for number in range(200):
        given.do(10, partial(done.append, number))
    given.finish()
    assert done == list(range(200))
    assert not is_running()
    given.do(10, partial(done.append, 200))  # as after a commit that another run has overtaken
    given.finish()
    assert done[-1] == 200


def test_no_more_waits_than_has_room_however_slow_the_work_is() -> None:
    """What is under way waits no longer: the next calls come while a row group is encoded."""
    begun, gate = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait(60)

    given = work(waiting_bytes=100)
    given.do(60, slow)
    begun.wait(60)
    given.do(60, lambda: None)
    given.do(40, lambda: None)
    assert not gate.is_set()
    opener = threading.Timer(0.3, gate.set)
    opener.start()
    given.do(1, lambda: None)
    assert gate.is_set()  # there was room only after the first was done
    given.do(1000, lambda: None)  # a single table may be larger than all the room
    given.finish()
    opener.join()


@pytest.mark.parametrize("late", [False, True])
def test_an_error_is_raised_by_the_next_call_and_nothing_more_is_done(late: bool) -> None:
    done: list[int] = []
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise InjectedError

    def do_more() -> None:
        for _ in range(3):  # the first one may still come before the thread has told
            given.do(100, partial(done.append, 1))

    given = work()
    given.do(100, fail)
    if late:
        failed.wait()
        with pytest.raises(InjectedError):
            do_more()
    with pytest.raises(InjectedError):
        given.finish()
    assert done == []
    with pytest.raises(InjectedError):
        given.do(1, partial(done.append, 1))
    assert done == []
    assert not is_running()


def test_what_is_given_up_is_dropped_and_no_thread_remains() -> None:
    done: list[int] = []
    begun, gate = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait()
        done.append(0)

    given = work()
    given.do(10, slow)
    for number in range(1, 5):
        given.do(10, partial(done.append, number))
    begun.wait()
    opener = threading.Timer(0.1, gate.set)
    opener.start()
    given.abandon()
    assert done == [0]  # what was under way has ended: nobody uses its file any more
    assert not is_running()
    given.abandon()
    opener.join()


def test_an_interrupt_of_the_process_is_raised_too() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    given = work()
    given.do(1, stop)
    with pytest.raises(KeyboardInterrupt):
        given.finish()
