"""The commit protocol as a model: runs, backfills and compactions take turns at each step in the store,
crash, lose answers, wake up late, and nothing may be lost, doubled or shown before it counts.

`LAKE_MODEL_EXAMPLES` and `LAKE_MODEL_STEPS` set how far it goes.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from lake_model import World
from lake_support import LOG, Clock, local_lake

from airflow_provider_defender.lake import Lake

EXAMPLES = int(os.environ.get("LAKE_MODEL_EXAMPLES", "60"))
STEPS = int(os.environ.get("LAKE_MODEL_STEPS", "40"))
_ROOTS = itertools.count()

index = st.integers(0, 5)
minutes = st.sampled_from([0, 0, 0, 5, 14]).map(lambda count: timedelta(minutes=count))
places = st.sampled_from(
    ["create", "create", "pause", "show", "delete", "replace", "sync", "finish", "read", "end"]
)
faults = st.sampled_from(["none", "none", "crash", "crash", "refused", "lost answer", "late"])


class LakeMachine(RuleBasedStateMachine):
    """What can happen to a lake."""

    new_lake: Callable[[Clock], Lake]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(type(self).fresh_lake())
        self.world.tenant.appear(0, timedelta())
        self.world.tenant.appear(1, timedelta())

    @classmethod
    def fresh_lake(cls) -> Callable[[Clock], Lake]:
        raise NotImplementedError

    # The tenant ---------------------------------------------------------------------------------

    @rule(count=st.integers(1, 4), days_ago=st.integers(0, 2), late=minutes)
    def alerts_appear(self, count: int, days_ago: int, late: timedelta) -> None:
        for _ in range(count):
            self.world.tenant.appear(days_ago, late)

    @rule(number=index, late=minutes)
    def an_alert_changes(self, number: int, late: timedelta) -> None:
        self.world.tenant.update(number, late)

    @rule(by=st.sampled_from([1, 1, 10, 10, 60, 6 * 60, 26 * 60, 8 * 24 * 60, 32 * 24 * 60]))
    def time_passes(self, by: int) -> None:
        self.world.pass_time(timedelta(minutes=by))

    # The runs -----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.world.runs) < 3)
    @rule(
        high_only=st.sampled_from([False, False, False, True]),
        stop_early=st.sampled_from([False, False, False, True]),
        overlap=st.sampled_from([15, 15, 15, 60]),
        until=places,
    )
    def a_live_drain_starts(self, high_only: bool, stop_early: bool, overlap: int, until: str) -> None:
        work = self.world.live(high_only=high_only, stop_early=stop_early, overlap=timedelta(minutes=overlap))
        self.world.turn_until(self.world.start("live", work), until)

    @precondition(lambda self: len(self.world.runs) < 3)
    @rule(first=st.integers(2, 5), days=st.integers(1, 4), until=places)
    def a_backfill_starts(self, first: int, days: int, until: str) -> None:
        self.world.turn_until(self.world.start("backfill", self.world.backfill(first, days)), until)

    @precondition(lambda self: len(self.world.runs) < 3 and self.world.can_compact())
    @rule(until=places)
    def a_compaction_starts(self, until: str) -> None:
        self.world.turn_until(self.world.start("compaction", self.world.compaction()), until)

    @precondition(lambda self: self.world.runs)
    @rule(number=index, until=places, fault=faults, more=st.integers(0, 3))
    def a_run_goes_on(self, number: int, until: str, fault: str, more: int) -> None:
        run = self.world.runs[number % len(self.world.runs)]
        self.world.turn_until(run, until)
        for _ in range(more):
            if not run.over:
                self.world.turn(run)
        if not run.over:
            self.world.turn(run, fault)

    @precondition(lambda self: self.world.runs)
    @rule(number=index)
    def a_run_gets_no_answer_to_its_commit(self, number: int) -> None:
        """All its creates are under way, and may arrive, when it gives up."""
        run = self.world.runs[number % len(self.world.runs)]
        while not run.over:
            self.world.turn(run, "late" if run.step.startswith("create") else "none")

    # The store ----------------------------------------------------------------------------------

    @precondition(lambda self: self.world.late)
    @rule(number=index)
    def a_late_request_arrives(self, number: int) -> None:
        self.world.deliver(number)

    @rule(body=st.sampled_from([None, b"", b'{"number": 1}', b'{"number": 2}', b'{"number": 99}']))
    def the_hint_is_wrong(self, body: bytes | None) -> None:
        path = f"_defender/{LOG}/head.json"
        if body is None:
            self.world.storage.delete(path)
        else:
            self.world.storage.replace(path, body)

    @invariant()
    def nothing_is_lost_doubled_or_shown_early(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.settle()
        finally:
            self.world.abandon()


def _search(machine: type[LakeMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            report_multiple_bugs=False,
            database=None,
            print_blob=True,
            derandomize=os.environ.get("LAKE_MODEL_RANDOM") is None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory where there is one; what fsync is for, power loss, is not in the model."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as path:
        yield Path(path)


def test_in_a_local_folder(folder: Path) -> None:
    class Machine(LakeMachine):
        @classmethod
        def fresh_lake(cls) -> Callable[[Clock], Lake]:
            root = folder / str(next(_ROOTS))
            return lambda clock: local_lake(root, clock)

    _search(Machine)


def test_in_an_object_store() -> None:
    """Steps are atomic here, as a store's requests are; showing is a copy and a deletion."""

    class Machine(LakeMachine):
        @classmethod
        def fresh_lake(cls) -> Callable[[Clock], Lake]:
            root = f"/lake{next(_ROOTS)}"
            MemoryFileSystem.store.clear()
            MemoryFileSystem.pseudo_dirs[:] = [""]
            return lambda clock: Lake(
                MemoryFileSystem(), root, single_writer=True, clock=clock, sleep=lambda seconds: None
            )

    _search(Machine)
