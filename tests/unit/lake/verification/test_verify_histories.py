"""`verify` finds nothing in random histories with kills, at any moment after one, and none beside live runs.

`LAKE_MODEL_EXAMPLES=1000` tries a thousand histories, 250 of each kind. Without it there are 3 of each kind.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import rule

from airflow_provider_defender.lake import DifferenceType, Lake, verify
from tests.unit.lake.machine import EXAMPLES, in_a_folder, in_an_object_store, search
from tests.unit.lake.offsets.model import HubWorld
from tests.unit.lake.offsets.test_model import HubMachine
from tests.unit.lake.support import Clock
from tests.unit.lake.versions.model import TenantWorld
from tests.unit.lake.versions.test_model import TenantMachine
from tests.unit.lake.world import Run, World

HISTORIES = max(1, EXAMPLES // (4 if "LAKE_MODEL_EXAMPLES" in os.environ else 5))


class VerifiedWorld(World):
    """Verifies the lake after each kill and each end of a run, with the digests noted the last time."""

    noted: dict[str, str]
    harmed = False

    def harm_checkpoint(self, number: int, harm: str) -> None:
        super().harm_checkpoint(number, harm)
        self.harmed = True  # and `verify` may tell it

    def turn(self, run: Run, fault: str = "none") -> None:
        super().turn(run, fault)
        if fault == "crash" or run.over:
            self.verify()

    def deliver(self, number: int) -> None:
        super().deliver(number)
        self.verify()

    def verify(self) -> None:
        lake = self._new_lake(self.clock)
        if lake.storage.list_folder("_defender") is None:  # nobody has come so far
            return
        result = verify(lake, digests=getattr(self, "noted", None), threads=1)
        allowed = {DifferenceType.CHECKPOINT_WRONG} if self.harmed else set()
        others = [each.text for each in result.differences if each.what not in allowed]
        assert others == []
        self.noted = result.digests

    def check_end(self) -> None:
        super().check_end()  # type: ignore[safe-super]  # of the tenant or of the hub
        self.verify()


class VerifiedTenant(VerifiedWorld, TenantWorld):
    """A tenant."""


class VerifiedHub(VerifiedWorld, HubWorld):
    """A hub."""


class VerifiedTenantMachine(TenantMachine):
    """What can happen to a tenant's lake, but for a hint that says what is not so, which `verify` tells."""

    the_hint_is_wrong = None  # type: ignore[assignment]  # a rule less

    def __init__(self, new_lake: Callable[[Clock], Lake]) -> None:
        super().__init__(new_lake)
        tenant = self.world.tenant
        self.world = VerifiedTenant(new_lake)
        self.world.tenant = tenant
        tenant.clock = self.world.clock

    @rule()
    def the_hint_is_lost(self) -> None:
        self.world.storage.delete(f"_defender/{self.world.log_name}/head.json")


class VerifiedHubMachine(HubMachine):
    """The same for a hub's."""

    the_hint_is_wrong = None  # type: ignore[assignment]  # a rule less

    def __init__(self, new_lake: Callable[[Clock], Lake]) -> None:
        super().__init__(new_lake)
        self.world = VerifiedHub(new_lake)

    @rule()
    def the_hint_is_lost(self) -> None:
        self.world.storage.delete(f"_defender/{self.world.log_name}/head.json")


@pytest.mark.parametrize("machine", [VerifiedTenantMachine, VerifiedHubMachine])
def test_silence_in_a_local_folder(folder: Path, machine: Any) -> None:
    class Machine(machine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(in_a_folder(folder))

    search(Machine, HISTORIES)


@pytest.mark.parametrize("machine", [VerifiedTenantMachine, VerifiedHubMachine])
def test_silence_in_an_object_store(machine: Any) -> None:
    class Machine(machine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(in_an_object_store())

    search(Machine, HISTORIES)


# Beside live runs --------------------------------------------------------------------------------


class Beside:
    """A storage before each step of which others take some."""

    def __init__(self, storage: Any, others: Callable[[], None]) -> None:
        self._storage = storage
        self._others = others
        self._turn = threading.RLock()  # files are read by a thread of their own

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)

        def step(*args: Any) -> Any:
            with self._turn:
                self._others()
                return method(*args)

        return step


def starts(world: TenantWorld | HubWorld, chance: random.Random) -> None:
    """A run of any sort begins."""
    if isinstance(world, TenantWorld):
        world.tenant.appear(chance.randrange(3), timedelta())
        kinds = [world.live(), world.live(), world.backfill(chance.randrange(2, 5), 2)]
    else:
        world.enqueue(chance.randrange(2), chance.randrange(1, 15))
        kinds = [world.live([0, 1]), world.live([1]), world.backfill([0, 1], chance.randrange(30), 40)]
    if (
        world.can_compact()
        and not any(run.name == "compaction" for run in world.runs)
        and chance.random() < 0.3
    ):
        world.start("compaction", world.compaction())  # of two at once, one would miss its inputs
    else:
        world.start("run", chance.choice(kinds))


def goes_on(world: TenantWorld | HubWorld, chance: random.Random) -> None:
    """Time passes, runs begin, and those under way take some steps or are killed."""
    if chance.random() < 0.05:
        world.pass_time(chance.choice([timedelta(minutes=10), timedelta(hours=26), timedelta(days=32)]))
    if len(world.runs) < 2 and chance.random() < 0.5:
        starts(world, chance)
    for _ in range(chance.randrange(12)):
        if world.runs:
            world.turn(chance.choice(world.runs), "crash" if chance.random() < 0.002 else "none")


@pytest.mark.parametrize("new_world", [TenantWorld, HubWorld])
@pytest.mark.parametrize("where", ["local", "object store"])
def test_runs_that_go_on_meanwhile_are_no_difference(folder: Path, new_world: Any, where: str) -> None:
    """Commits that come, files that are published, and files that a compaction replaces while it reads."""
    grown = 0
    for seed in range(HISTORIES):
        chance = random.Random(seed)
        world = new_world(in_a_folder(folder) if where == "local" else in_an_object_store())
        for _ in range(40):
            goes_on(world, chance)
        lake = world._new_lake(world.clock)
        before = len(world._records())
        lake.storage = Beside(lake.storage, partial(goes_on, world, chance))
        result = verify(lake, threads=1)
        assert result.differences == (), (seed, [each.text for each in result.differences])
        grown += len(world._records()) > before
        world.settle()
        world.abandon()
    assert grown > HISTORIES / 2
