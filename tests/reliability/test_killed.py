"""P2 and P3: a real process runs the operator and is killed with SIGKILL, at every step that it takes.

Killed before each step of the lake in its store and before each system call of such a step that changes
something (in `make test`: every third one), between two pages (by the service that it reads from), and in the
middle of writing a file (by the kernel, at a byte of our choice). After every kill a plain reader finds
committed rows only, in whole files; the next run ends in the same rows as if nothing had happened, and a run
after that finds nothing to do.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.lake import lake as lake_module
from airflow_provider_defender.lake.storage import local
from airflow_provider_defender.simulator import Page, Portal, Simulator, Tenant
from tests.helpers.airflow import START, LakeFolder, connect, land
from tests.helpers.breadth import first_in_make_test
from tests.reliability.support import (
    NarrowMapper,
    RememberingMapper,
    assert_last_versions_landed,
    assert_log_is_sound,
    assert_only_committed_rows_are_seen,
    records,
    whole_tables,
)

FORK = multiprocessing.get_context("fork")
HOUR = timedelta(hours=1)
EVERY = 3
"""A test kills before every third step."""
Land = Callable[..., dict[str, Any]]
"""Runs an operator: `land`, or another of its kind."""
CALLS = ("link", "rename", "replace", "unlink", "mkdir", "rmdir")
"""System calls that change what is on the disk."""
READS = ("read", "read_many", "open_input", "exists", "list_folder", "modified", "url", "check_create")
"""Steps that change nothing: a kill before them is one before the next step that does."""


# Dying --------------------------------------------------------------------------------------------


class Steps:
    """Counts what a process does to its lake, and kills the process before step `fatal` (None: never).

    Files are closed in threads, so steps are counted one at a time: two of them would pass the fatal one.
    """

    def __init__(self, fatal: int | None) -> None:
        self.taken: list[str] = []
        self._fatal = fatal
        self._one_at_a_time = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._one_at_a_time:
            if len(self.taken) == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            self.taken.append(name)

    def install(self) -> None:
        """Watch every lake that this process opens from now on."""
        original = lake_module._open_storage
        lake_module._open_storage = lambda *given: Stepped(original(*given), self)
        local.os = Stepped(os, self, only=CALLS)  # type: ignore[attr-defined, assignment]


class Stepped:
    """Stands for a storage, one of its files, or the module `os`; announces every call before it is made."""

    def __init__(self, inner: Any, step: Callable[[str], None], only: tuple[str, ...] | None = None) -> None:
        self._inner, self._step, self._only = inner, step, only

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name in READS or (self._only is not None and name not in self._only):
            return found

        def call(*given: Any) -> Any:
            self._step(name)
            result = found(*given)
            return Stepped(result, self._step) if name == "new_file" else result

        return call


class Worker:
    """A process that runs the operator once, with a disk of its own: its working and temporary folder."""

    def __init__(
        self,
        disk: Path,
        lake: Path,
        arguments: dict[str, Any],
        prepare: Callable[[], None],
        land: Land = land,
    ) -> None:
        self._disk, self._lake, self._arguments, self._prepare = disk, lake, arguments, prepare
        self._land = land
        self._process = FORK.Process(target=self._work)
        self._process.start()

    def kill(self) -> None:
        """From outside."""
        self._process.kill()

    def code(self) -> int | None:
        """Wait for the end: 0, or the negative number of the signal that has killed the process."""
        self._process.join(60)
        return self._process.exitcode

    def _work(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        self._disk.mkdir(exist_ok=True)
        os.chdir(self._disk)
        os.environ["TMPDIR"], tempfile.tempdir = str(self._disk), None
        self._prepare()
        self._land(LakeFolder(self._lake), **self._arguments)


# Scenarios ----------------------------------------------------------------------------------------


@dataclass
class Scenario:
    """A tenant that stands still, a lake as it is before the run, and the rows that there are after it."""

    simulator: Simulator
    before: Path
    arguments: dict[str, Any]
    after: list[pa.Table]
    folder: Path
    land: Land = land
    dataset: str = "alerts"
    lakes: int = 0

    def lake(self) -> Path:
        """A fresh copy of the lake before the run."""
        self.lakes += 1
        path = self.folder / f"lake-{self.lakes}"
        if self.before.exists():
            shutil.copytree(self.before, path)
        return path

    def worker(self, lake: Path, prepare: Callable[[], None] = lambda: None) -> Worker:
        """A process that is at work on a lake."""
        return Worker(self.folder / "worker", lake, self.arguments, prepare, self.land)

    def run(self, lake: Path, prepare: Callable[[], None]) -> int | None:
        """One process; its exit code. Afterwards readers see what is committed, and nothing else."""
        code = self.worker(lake, prepare).code()
        assert_only_committed_rows_are_seen(lake)
        return code

    def lose_disk(self) -> None:
        """The machine that the process ran on is gone, and its disk with it."""
        shutil.rmtree(self.folder / "worker", ignore_errors=True)

    def finish(self, lake: Path, *, twice: bool = False) -> None:
        """An undisturbed run ends in the same rows; one after it adds nothing."""
        for _ in range(1 + twice):
            self.land(LakeFolder(lake), **self.arguments)
            assert whole_tables(lake) == self.after
            assert_log_is_sound(lake, dataset=self.dataset)
        shutil.rmtree(lake)

    def pages(self) -> int:
        """How many pages an undisturbed run reads."""
        pages: list[Page] = []
        self.simulator.after_page = pages.append
        self.land(LakeFolder(self.lake()), **self.arguments)
        self.simulator.after_page = None
        return len(pages)

    def steps(self) -> list[str]:
        """All steps that an undisturbed run takes."""
        lake, steps = self.lake(), Steps(None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lake_module, "_open_storage", lake_module._open_storage)
            patch.setattr(local, "os", os)
            steps.install()
            self.land(LakeFolder(lake), **self.arguments)
        shutil.rmtree(lake)
        return steps.taken


def first_drain(tenant: Tenant, lake: LakeFolder, land: Land = land) -> dict[str, Any]:
    tenant.add_alerts(9, evidence=2, over=30 * HOUR)
    return {"initial_lookback": 48 * HOUR}


def later_drain(tenant: Tenant, lake: LakeFolder, land: Land = land) -> dict[str, Any]:
    alerts = tenant.add_alerts(9, evidence=2, over=30 * HOUR)
    tenant.advance(timedelta(minutes=1))
    land(lake, initial_lookback=48 * HOUR)
    tenant.advance(HOUR)
    tenant.update_many([alert.alert_id for alert in alerts[::2]], status="Resolved")
    tenant.add_alerts(5, evidence=1)
    return {}


def backfill(tenant: Tenant, lake: LakeFolder, land: Land = land) -> dict[str, Any]:
    alerts = tenant.add_alerts(12, evidence=2, over=60 * HOUR)
    tenant.advance(timedelta(minutes=1))
    land(lake)
    tenant.advance(HOUR)
    tenant.update_many([alert.alert_id for alert in alerts[::3]], status="Resolved")
    return {"since": START - 72 * HOUR, "until": START}


Prepare = Callable[[Tenant, LakeFolder, Land], dict[str, Any]]


def begun(
    simulator: Simulator,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Prepare,
    land: Land = land,
    dataset: str = "alerts",
) -> Scenario:
    """The scenario, with one record that cannot be mapped."""
    tenant = simulator.tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch)
    monkeypatch.setattr(ecs, "RecordMapper", RememberingMapper())
    simulator.page_size = 4
    tenant.add_raw(b'{"title": "no id"}', row_id="da0", updated=START - HOUR)
    for kind in ("alert", "incident"):
        Portal.of(tenant).add_raw(b'{"title": "no id"}', row_id="da0", type_name=kind, updated=START - HOUR)
    before = LakeFolder(folder / "before")
    arguments = prepare(tenant, before, land)
    undisturbed = LakeFolder(folder / "undisturbed")
    known = 0
    if before.path.exists():
        shutil.copytree(before.path, undisturbed.path)
        known = sum(table.num_rows for table in whole_tables(before.path))
    land(undisturbed, **arguments)
    after = whole_tables(undisturbed.path)
    assert sum(table.num_rows for table in after) > known
    return Scenario(simulator, before.path, arguments, after, folder, land, dataset)


@pytest.fixture(params=[first_drain, later_drain, backfill], ids=lambda prepare: prepare.__name__)
def scenario(
    request: pytest.FixtureRequest, simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Scenario:
    return begun(simulator, fast_folder, monkeypatch, request.param)


# Killed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", first_in_make_test(range(EVERY)))
def test_killed_before_any_step_in_the_store(scenario: Scenario, first: int) -> None:
    kill_before_steps(scenario, first)


def kill_before_steps(scenario: Scenario, first: int = 0) -> None:
    """Kill a run before every third of its steps, beginning with the first, second or third one.

    Until one gets to its end: files are closed in threads, so the number of steps is not always the same.
    """
    for number in itertools.count(first, EVERY):
        lake = scenario.lake()
        code = scenario.run(lake, Steps(number).install)
        if number % 2:
            scenario.lose_disk()
        scenario.finish(lake, twice=number % 8 == 0)
        if code != -signal.SIGKILL:
            break
    assert code == 0
    assert number >= 20


def test_killed_again_while_recovering(scenario: Scenario) -> None:
    steps, draw = scenario.steps(), random.Random(11)
    for _ in range(4):
        lake = scenario.lake()
        assert scenario.run(lake, Steps(draw.randrange(len(steps))).install) == -signal.SIGKILL
        if draw.random() < 0.5:
            scenario.lose_disk()
        scenario.run(lake, Steps(draw.randrange(len(steps))).install)
        scenario.finish(lake)


def test_killed_between_two_pages(scenario: Scenario) -> None:
    kill_between_pages(scenario)


def kill_between_pages(scenario: Scenario) -> None:
    """Kill a run by the service, at each of its pages."""
    pages = scenario.pages()
    assert pages >= 3
    for number in range(pages):
        lake, kill = scenario.lake(), KillAtPage(number)
        scenario.simulator.before_page = kill
        kill.worker = scenario.worker(lake)
        kill.started.set()
        assert kill.worker.code() == -signal.SIGKILL
        scenario.simulator.before_page = None
        assert_only_committed_rows_are_seen(lake)
        scenario.lose_disk()
        scenario.finish(lake)


class KillAtPage:
    """Kills `worker`, once it is `started`, before it gets the page after so many others."""

    def __init__(self, number: int) -> None:
        self.started = threading.Event()
        self.worker: Worker | None = None
        self._left = number

    def __call__(self, page: Page) -> None:
        assert self.started.wait(60)
        if self._left == 0 and self.worker is not None:
            self.worker.kill()
        self._left -= 1


@pytest.mark.parametrize("size", [4, 700, 1_800])
def test_killed_in_the_middle_of_writing_a_file(scenario: Scenario, size: int) -> None:
    """The kernel ends the process at the first byte beyond `size` of any file."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    lake = scenario.lake()
    assert scenario.run(lake, limit) == -signal.SIGXFSZ
    scenario.finish(lake)


def test_killed_while_the_tenant_goes_on_living(
    simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten runs in a row are killed, at ever later steps, while alerts come and change."""
    monkeypatch.setattr(ecs, "RecordMapper", NarrowMapper)
    simulator.tenant = tenant = Tenant(5, alerts=12, history=4 * HOUR, start=START)
    connect(simulator, monkeypatch)
    simulator.page_size = 4
    lake = fast_folder / "lake"
    for fatal in range(2, 22, 2):
        worker = Worker(fast_folder / "worker", lake, {}, Steps(fatal).install)
        assert worker.code() in (-signal.SIGKILL, 0)
        assert_only_committed_rows_are_seen(lake)
        tenant.advance(timedelta(minutes=20))
    land(LakeFolder(lake))
    assert_last_versions_landed(tenant, lake)
    assert_log_is_sound(lake)
    assert len(records(lake)) > 1
