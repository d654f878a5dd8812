"""Runs of the operator with its lake in an object store, killed and disturbed at every request they make.

The requests pass through the store's front. A run is killed with SIGKILL before any request that changes
something, which are all the states in which it can leave a store; or it meets a fault at any request, alone
or as the beginning of an outage. What plain readers find then is whole and committed, and the next run ends
in the same rows as if nothing had happened. The lake is looked at in a local copy.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.lake import Lake
from airflow_provider_defender.simulator import Simulator, Tenant
from tests.helpers.airflow import START, connect, land, run_clock, running_simulator, simulator
from tests.object_stores.fixtures import running_store, store
from tests.object_stores.front import Request
from tests.object_stores.store import BUCKET, CONNECTION, Store
from tests.reliability.conftest import unmasked
from tests.reliability.drills import bounded
from tests.reliability.support import (
    RememberingMapper,
    assert_log_is_sound,
    assert_only_committed_rows_are_seen,
    whole_tables,
)
from tests.reliability.test_killed import FORK, HOUR, backfill, first_drain, later_drain

__all__ = ["run_clock", "running_simulator", "running_store", "simulator", "store", "unmasked"]

pytestmark = pytest.mark.integration


@dataclass
class StoreLake:
    """Stands for `LakeFolder`: a lake below a prefix of the store."""

    store: Store
    name: str

    @property
    def uri(self) -> str:
        return self.store.url(self.name)

    def objects(self) -> dict[str, bytes]:
        filesystem, root = self.store.filesystem(), f"{BUCKET}/{self.name}/"
        return {path.removeprefix(root): filesystem.cat_file(path) for path in filesystem.find(root)}

    def fill(self, objects: dict[str, bytes]) -> None:
        filesystem = self.store.filesystem()
        for path, body in objects.items():
            filesystem.pipe_file(f"{BUCKET}/{self.name}/{path}", body)


@dataclass
class Scenario:
    """A tenant that stands still, a lake as it is before the run, and the rows that there are after it."""

    store: Store
    folder: Path
    arguments: dict[str, Any]
    before: dict[str, bytes]
    after: list[pa.Table] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=itertools.count)

    def lake(self) -> StoreLake:
        """A fresh copy of the lake before the run, whose name is one that needs quoting."""
        lake = StoreLake(self.store, f"lakes of/[{next(self.names)}] 100%25 ü")
        lake.fill(self.before)
        self.store.front.calm()
        return lake

    def mirrored(self, lake: StoreLake) -> Path:
        """A local copy of the lake; readers of it see what is committed, and nothing else."""
        path = self.folder / f"mirror-{next(self.names)}"
        for name, body in lake.objects().items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        assert_only_committed_rows_are_seen(path)
        return path

    def requests(self, counts: Callable[[Request], bool]) -> int:
        """How many requests of a kind an undisturbed run makes."""
        lake = self.lake()
        land(lake, **self.arguments)  # type: ignore[arg-type]
        made = list(map(counts, self.store.front.requests))
        self.after = self.after or whole_tables(self.mirrored(lake))
        return sum(made)

    def finish(self, lake: StoreLake, *, twice: bool = False) -> None:
        """An undisturbed run ends in the same rows; one after it adds nothing."""
        self.store.front.calm()
        for _ in range(1 + twice):
            land(lake, **self.arguments)  # type: ignore[arg-type]
            mirror = self.mirrored(lake)
            assert whole_tables(mirror) == self.after
            assert_log_is_sound(mirror)


@pytest.fixture(params=[first_drain, later_drain, backfill], ids=lambda prepare: prepare.__name__)
def scenario(
    request: pytest.FixtureRequest,
    store: Store,
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Scenario:
    tenant = simulator.tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch)
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", store.connection())
    monkeypatch.setattr(ecs, "RecordMapper", RememberingMapper())
    monkeypatch.setattr(Lake, "retry_waits", (0.0, 0.0))
    store.attach()
    simulator.page_size = 4
    tenant.add_raw(b'{"title": "no id"}', row_id="da0", updated=START - HOUR)
    lake = StoreLake(store, "before")
    arguments = request.param(tenant, lake)
    return Scenario(store, tmp_path, arguments, lake.objects())


EACH = {"azure": 1, "s3": 2, "google": 4}
"""At every how many requests: all on Azure, whose client has more of its own ways, and a sample on others."""


def changes(request: Request) -> bool:
    return request.method not in ("GET", "HEAD")


def killed_before_change(scenario: Scenario, lake: StoreLake, number: int) -> int | None:
    """Run in a process of its own that dies before it changes anything for the `number`th time; its end."""
    process = FORK.Process(target=_work, args=(scenario, lake))
    seen = itertools.count()

    def gate(request: Request) -> None:
        if changes(request) and next(seen) == number:
            os.kill(process.pid or 0, signal.SIGKILL)
            raise ConnectionAbortedError

    scenario.store.front.gate = gate
    process.start()
    process.join(120)
    return process.exitcode


def _work(scenario: Scenario, lake: StoreLake) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    scenario.store.attach()
    land(lake, **scenario.arguments)  # type: ignore[arg-type]


def test_killed_before_any_change(scenario: Scenario) -> None:
    steps = scenario.requests(changes)
    assert steps >= 8
    for number in range(0, steps, EACH[scenario.store.name]):
        lake = scenario.lake()
        assert killed_before_change(scenario, lake, number) == -signal.SIGKILL
        scenario.mirrored(lake)
        scenario.finish(lake, twice=number % 8 == 0)


FAULTS = ("lost", "unheard", "throttled", "broken", "cut short")


@pytest.mark.parametrize("scenario", [later_drain], indirect=True, ids=["later_drain"])
@pytest.mark.parametrize("times", [1, 10**6], ids=["once", "outage"])
def test_a_fault_at_any_request(scenario: Scenario, times: int) -> None:
    """Whatever the run raises, it does not say that it has landed what it has not."""
    kinds = itertools.cycle(FAULTS)
    for number in range(0, scenario.requests(lambda request: True), EACH[scenario.store.name]):
        lake, seen = scenario.lake(), itertools.count()
        scenario.store.front.fail(next(kinds), partial(_is_from, seen, number), times)
        with bounded():
            try:
                land(lake, **scenario.arguments)  # type: ignore[arg-type]
                landed = True
            except Exception:
                landed = False
        scenario.store.front.calm()
        mirror = scenario.mirrored(lake)
        assert not landed or whole_tables(mirror) == scenario.after
        scenario.finish(lake)


def _is_from(seen: Iterator[int], number: int, request: Request) -> bool:
    return next(seen) >= number
