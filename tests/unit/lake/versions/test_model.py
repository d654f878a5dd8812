"""The commit protocol as a model: runs, backfills and compactions of a tenant's alerts take turns at each
step in the store, crash, lose answers, wake up late, and nothing may be lost, doubled or shown before it
counts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from airflow_provider_defender.lake import Lake
from tests.unit.lake.machine import LakeMachine, in_a_folder, in_an_object_store, index, places, search
from tests.unit.lake.support import Clock
from tests.unit.lake.versions.model import TenantWorld

minutes = st.sampled_from([0, 0, 0, 5, 14]).map(lambda count: timedelta(minutes=count))


class TenantMachine(LakeMachine):
    """What can happen to a tenant."""

    world: TenantWorld

    def __init__(self, new_lake: Callable[[Clock], Lake]) -> None:
        super().__init__()
        self.world = TenantWorld(new_lake)
        self.world.tenant.appear(0, timedelta())
        self.world.tenant.appear(1, timedelta())

    @rule(count=st.integers(1, 4), days_ago=st.integers(0, 2), late=minutes)
    def alerts_appear(self, count: int, days_ago: int, late: timedelta) -> None:
        for _ in range(count):
            self.world.tenant.appear(days_ago, late)

    @rule(number=index, late=minutes)
    def an_alert_changes(self, number: int, late: timedelta) -> None:
        self.world.tenant.update(number, late)

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
    @rule(
        pages=st.sampled_from([1, 2, 3, None]),
        high_only=st.sampled_from([False, False, False, True]),
        overlap=st.sampled_from([15, 15, 15, 60]),
        until=places,
    )
    def a_live_drain_in_order_starts(
        self, pages: int | None, high_only: bool, overlap: int, until: str
    ) -> None:
        work = self.world.live_in_order(pages=pages, high_only=high_only, overlap=timedelta(minutes=overlap))
        self.world.turn_until(self.world.start("live", work), until)

    @precondition(lambda self: len(self.world.runs) < 3)
    @rule(first=st.integers(2, 5), days=st.integers(1, 4), until=places)
    def a_backfill_starts(self, first: int, days: int, until: str) -> None:
        self.world.turn_until(self.world.start("backfill", self.world.backfill(first, days)), until)


def test_in_a_local_folder(folder: Path) -> None:
    class Machine(TenantMachine):
        def __init__(self) -> None:
            super().__init__(in_a_folder(folder))

    search(Machine)


def test_in_an_object_store() -> None:
    class Machine(TenantMachine):
        def __init__(self) -> None:
            super().__init__(in_an_object_store())

    search(Machine)
