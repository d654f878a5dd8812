"""What can happen to a lake and to its runs, whatever they read.

`LAKE_MODEL_EXAMPLES` and `LAKE_MODEL_STEPS` set how far it goes.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow_provider_defender.lake import Lake
from tests.unit.lake.support import Clock, local_lake
from tests.unit.lake.world import World

EXAMPLES = int(os.environ.get("LAKE_MODEL_EXAMPLES", "16"))
STEPS = int(os.environ.get("LAKE_MODEL_STEPS", "40"))
_ROOTS = itertools.count()
_LONG_SEARCH = 10
_MET: Counter[str] = Counter()
"""How often the runs of a search have met each other in which way."""

index = st.integers(0, 5)
places = st.sampled_from(
    ["create", "create", "pause", "publish", "delete", "replace", "sync", "finish", "read", "wait", "end"]
)
faults = st.sampled_from(["none", "none", "crash", "crash", "refused", "lost answer", "late"])


class LakeMachine(RuleBasedStateMachine):
    """The turns of runs and the moods of the store; subclasses have a world with a source."""

    world: World

    @initialize(days=st.sampled_from([0, 0, 3, 4]))
    def the_lake_has_a_history(self, days: int) -> None:
        """Without one, hardly any history gets old enough for a compaction."""
        for number in range(days):
            self.world.a_day_passes(number)

    @rule(by=st.sampled_from([1, 1, 10, 10, 60, 6 * 60, 26 * 60, 8 * 24 * 60, 32 * 24 * 60]))
    def time_passes(self, by: int) -> None:
        self.world.pass_time(timedelta(minutes=by))

    @precondition(lambda self: len(self.world.runs) < 3 and self.world.can_compact())
    @rule(until=places)
    def a_compaction_starts(self, until: str) -> None:
        self.world.turn_until(self.world.start("compaction", self.world.compaction()), until)

    @precondition(lambda self: len(self.world.runs) < 3)
    @rule(days=st.sampled_from([1, 2, 5]), until=places)
    def a_retention_starts(self, days: int, until: str) -> None:
        self.world.turn_until(self.world.start("retention", self.world.retention(days)), until)

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

    @precondition(lambda self: len(self.world.runs) < 3)
    @rule(owner_dies=st.booleans(), published=st.integers(0, 4), turns=st.lists(st.booleans(), max_size=12))
    def a_run_waits_for_the_owner_of_a_commit(
        self, owner_dies: bool, published: int, turns: list[bool]
    ) -> None:
        """The owner dies meanwhile, or both publish at the same time, in any order of their steps."""
        owner, other = (self.world.start(f"rival {n}", work) for n, work in enumerate(self.world.rivals()))
        self.world.turn_until(other, "create")
        self.world.turn_until(owner, "publish")
        for _ in range(published):
            self.world.turn_unless_over(owner)
        self.world.turn_until(other, "wait")
        if owner.over or other.over:
            return
        self.world.met["waits for an owner"] += 1
        if owner_dies:
            self.world.turn(owner, "crash")
        self.world.turn_until(other, "publish")
        helps = "helps one that died" if owner_dies else "publishes with the owner"
        self.world.met[helps] += other.step.startswith("publish")
        for owners in turns:
            self.world.turn_unless_over(owner if owners else other)

    # The store ----------------------------------------------------------------------------------

    @precondition(lambda self: self.world.late)
    @rule(number=index)
    def a_late_request_arrives(self, number: int) -> None:
        self.world.deliver(number)

    @rule(body=st.sampled_from([None, b"", b'{"number": 1}', b'{"number": 2}', b'{"number": 99}']))
    def the_hint_is_wrong(self, body: bytes | None) -> None:
        path = f"_defender/{self.world.log_name}/head.json"
        if body is None:
            self.world.storage.delete(path)
        else:
            self.world.storage.replace(path, body)

    @rule(number=index, harm=st.sampled_from(["deleted", "cut", "changed", "renamed"]))
    def a_checkpoint_is_harmed(self, number: int, harm: str) -> None:
        self.world.harm_checkpoint(number, harm)

    @invariant()
    def nothing_is_lost_doubled_or_shown_early(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        _MET.update(self.world.met)
        try:
            self.world.settle()
        finally:
            self.world.abandon()


def search(machine: type[LakeMachine], examples: int = EXAMPLES) -> None:
    """Let the machine run. Unless the search is a short one, it must meet runs that wait, and that help.

    Whether a dead owner was helped, or one that goes on, is left to chance: `test_waiting` has both.
    """
    _MET.clear()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
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
    waits = _MET["waits for an owner"]
    helps = _MET["helps one that died"] + _MET["publishes with the owner"]
    assert examples < _LONG_SEARCH or (waits and helps), f"not all was met: {_MET}"


def in_a_folder(folder: Path) -> Callable[[Clock], Lake]:
    """Opens a new lake below a local folder, as often as it is called."""
    root = folder / str(next(_ROOTS))
    return lambda clock: local_lake(root, clock)


def in_an_object_store() -> Callable[[Clock], Lake]:
    """The same in a store whose steps are atomic, as requests are; showing is a copy and a deletion."""
    root = f"/lake{next(_ROOTS)}"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    return lambda clock: Lake(
        MemoryFileSystem(), root, single_writer=True, clock=clock, sleep=lambda seconds: None
    )
