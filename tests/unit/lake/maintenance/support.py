"""Lakes with a history that maintenance has something to do with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_provider_defender.lake import Lake
from tests.unit.lake.offsets.support import hub_drain
from tests.unit.lake.support import START, Clock, drain, local_lake

DAYS = timedelta(days=3)


def alerts_lake(root: Path, count: int = 4, **options: Any) -> tuple[Lake, Clock]:
    """A lake with `count` files of one day that may be merged, and one of a later day."""
    clock = Clock()
    lake = local_lake(root, clock, **options)
    for number in range(count):
        drain(lake, [(f"k{number}", START + timedelta(minutes=number))])
    clock.advance(DAYS)
    drain(lake, [("new", clock.now)])
    clock.advance(DAYS)
    return lake, clock


def events_lake(root: Path, **options: Any) -> tuple[Lake, Clock]:
    """A lake with events of two hub partitions in two hours, several files each, and some of a later hour."""
    clock = Clock()
    lake = local_lake(root, clock, **options)
    for end in range(5, 25, 5):
        hub_drain(lake, {0: end, 1: end})
    clock.advance(DAYS)
    hub_drain(lake, {0: 40})
    clock.advance(DAYS)
    return lake, clock
