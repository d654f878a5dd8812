"""Processes that run the event hub operator once: for tests that kill, stop and race them.

They are forked. librdkafka allows that for clients that the child makes itself, as long as it leaves those
of its parent alone, to which it must not even say good-bye.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_defender.exceptions import ConflictingRun
from airflow_provider_defender.hooks import EventHubHook, MessageBatch
from airflow_provider_defender.lake import lake as lake_module
from airflow_provider_defender.lake.storage import local
from tests.helpers.event_hubs import INJECTED, EventLake, drain
from tests.reliability.test_killed import CALLS, FORK, Stepped, Steps

BATCH_RECORDS = 4
Preparation = Callable[[], None]


class SmallBatches(EventHubHook):
    """Hands out a few messages at a time."""

    batch_messages = BATCH_RECORDS

    def batches(self, *given: Any, **options: Any) -> Iterator[MessageBatch]:
        return super().batches(*given, **{"batch_messages": self.batch_messages, **options})


class Worker:
    """A process at work on a lake, with a disk of its own: its working and temporary folder."""

    def __init__(
        self, disk: Path, lake: Path, arguments: Mapping[str, Any], prepare: Preparation | None = None
    ) -> None:
        self._outcome, sender = FORK.Pipe(duplex=False)
        self._process = FORK.Process(target=_work, args=(disk, lake, dict(arguments), prepare, sender))
        self._process.start()
        sender.close()

    def code(self) -> int | None:
        """Wait for the end: 0, or the negative number of the signal that has killed the process."""
        self._process.join(60)
        return self._process.exitcode

    def outcome(self) -> tuple[str, Any]:
        """Wait for the end: `landed` and the summary, or `conflict` and its text."""
        assert self._outcome.poll(60)
        found: tuple[str, Any] = self._outcome.recv()
        assert self.code() == 0
        return found

    def wait_until_stopped(self) -> None:
        """Wait until the process has stopped itself."""
        assert self._process.pid is not None
        found = os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert found is not None
        assert found.si_code == os.CLD_STOPPED

    def resume(self) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)


def _work(
    disk: Path, lake: Path, arguments: dict[str, Any], prepare: Preparation | None, sender: Any
) -> None:
    gc.freeze()  # a client of the parent that is collected here would wait for threads that are not here
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    disk.mkdir(exist_ok=True)
    os.chdir(disk)
    os.environ["TMPDIR"], tempfile.tempdir = str(disk), None
    INJECTED["hook"] = SmallBatches
    if prepare is not None:
        prepare()
    try:
        sender.send(("landed", drain(EventLake(lake), **arguments)))
    except ConflictingRun as error:
        sender.send(("conflict", str(error)))


# What a process can be prepared to do -------------------------------------------------------------


def die_at_step(number: int) -> None:
    """Be killed before this step in the lake's store."""
    Steps(number).install()


def signal_before_batch(number: int, signum: signal.Signals) -> None:
    """Send oneself a signal before the batch of this number is read."""
    inner = EventHubHook.batches

    def batches(*given: Any, **options: Any) -> Iterator[MessageBatch]:
        for place, batch in enumerate(inner(*given, **options)):
            if place == number:
                os.kill(os.getpid(), signum)
            yield batch

    EventHubHook.batches = batches  # type: ignore[method-assign]


def stop_before(name: str) -> None:
    """Stop before the first step of this name in the lake's store."""
    done: list[str] = []

    def step(taken: str) -> None:
        if taken == name and not done:
            done.append(taken)
            os.kill(os.getpid(), signal.SIGSTOP)

    _watch(step)


def wait_before_commit(line: Any, then: Preparation | None = None) -> None:
    """Wait for the others right before the commit."""
    waited: list[str] = []

    def step(taken: str) -> None:
        if taken == "create" and not waited:
            waited.append(taken)
            line.wait(60)

    _watch(step)
    if then is not None:
        then()


def _watch(step: Callable[[str], None]) -> None:
    original = lake_module._open_storage
    lake_module._open_storage = lambda *given: Stepped(original(*given), step)
    local.os = Stepped(os, step, only=CALLS)  # type: ignore[attr-defined, assignment]


def offsets_by_time(known: Mapping[datetime, Mapping[int, int]]) -> None:
    """Answer for the mock cluster, which cannot: the first offsets at these moments."""

    def offsets_at(hook: Any, moment: datetime, partitions: Sequence[int]) -> dict[int, int]:
        return {partition: known[moment][partition] for partition in partitions}

    EventHubHook.offsets_at = offsets_at  # type: ignore[method-assign, assignment]


def limit_files(size: int, *, deadly: bool = True) -> None:
    """Be ended by the kernel at the first byte beyond `size` of any file, or only be refused it."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if deadly else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
