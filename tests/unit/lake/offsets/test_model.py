"""The commit protocol as a model, for hubs: live drains of some partitions each, backfills over ranges that
overlap, and compactions take turns at each step in the store, crash, lose answers and wake up late, while
messages come and retention takes others away. Each offset is in one file, in quarantine or lost.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from airflow_provider_defender.lake import Lake
from tests.unit.lake.machine import EXAMPLES, LakeMachine, in_a_folder, in_an_object_store, places, search
from tests.unit.lake.offsets.model import HubWorld
from tests.unit.lake.support import Clock

some_partitions = st.sampled_from([[0], [1], [2], [0, 1], [1, 2], [0, 1, 2]])


class HubMachine(LakeMachine):
    """What can happen to a hub."""

    world: HubWorld

    def __init__(self, new_lake: Callable[[Clock], Lake]) -> None:
        super().__init__()
        self.world = HubWorld(new_lake)

    @rule(partition=st.integers(0, 2), count=st.integers(1, 15))
    def messages_come(self, partition: int, count: int) -> None:
        self.world.enqueue(partition, count)

    @rule(partition=st.integers(0, 2), count=st.integers(1, 10))
    def retention_takes_messages(self, partition: int, count: int) -> None:
        self.world.delete_old(partition, count)

    @precondition(lambda self: len(self.world.runs) < 4)
    @rule(partitions=some_partitions, most=st.sampled_from([5, 1000, 1000]), until=places)
    def a_live_drain_starts(self, partitions: list[int], most: int, until: str) -> None:
        self.world.turn_until(self.world.start("live", self.world.live(partitions, most)), until)

    @precondition(lambda self: len(self.world.runs) < 4)
    @rule(until=places)
    def mapped_tasks_start(self, until: str) -> None:
        for partition in list(self.world.hub)[:2]:
            self.world.turn_until(self.world.start("task", self.world.live([partition])), until)

    @precondition(lambda self: len(self.world.runs) < 4)
    @rule(partitions=some_partitions, start=st.integers(0, 30), count=st.integers(1, 30), until=places)
    def a_backfill_starts(self, partitions: list[int], start: int, count: int, until: str) -> None:
        work = self.world.backfill(partitions, start, start + count)
        self.world.turn_until(self.world.start("backfill", work), until)


def test_in_a_local_folder(folder: Path) -> None:
    class Machine(HubMachine):
        def __init__(self) -> None:
            super().__init__(in_a_folder(folder))

    search(Machine, max(1, EXAMPLES * 2 // 3))


def test_in_an_object_store() -> None:
    class Machine(HubMachine):
        def __init__(self) -> None:
            super().__init__(in_an_object_store())

    search(Machine, max(1, EXAMPLES * 2 // 3))
