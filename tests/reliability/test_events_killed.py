"""P2 and P3 for events: a real process drains a hub and is killed with SIGKILL, at every step that it takes.

Before each step of the lake in its store, before each batch of messages, and in the middle of writing a
file. Afterwards a plain reader finds committed rows only; the next run, with or without the dead one's disk,
ends with every offset of the hub in the lake exactly once.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake import _lake, _local
from airflow_provider_defender.simulator.events import EmbeddedHub
from tests.reliability import events_worker
from tests.reliability.events_support import Namespace, assert_exactly_once, assert_sound
from tests.reliability.events_worker import Worker
from tests.reliability.test_killed import Steps
from tests.unit.event_fixtures import EventLake, drain

MESSAGES = 7


@pytest.fixture(scope="module", params=["first", "later"])
def scene(
    request: pytest.FixtureRequest, embedded: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory
) -> Scene:
    """A hub that stands still, and the lake before the run: none, or one that has half of the messages."""
    scene = Scene(Namespace(embedded), tmp_path_factory.mktemp("before"), request.param)
    scene.namespace.fill(MESSAGES)
    if request.param == "later":
        with pytest.MonkeyPatch.context() as patch:
            scene.namespace.connect(patch)
            drain(EventLake(scene.before))
        scene.namespace.fill(MESSAGES)
    return scene


@dataclass
class Scene:
    """A hub, and a lake of which each run gets a copy."""

    namespace: Namespace
    before: Path
    name: str

    def kill(self, folder: Path, prepare: Any, signum: int, *, lose_disk: bool) -> None:
        """A run that ends so; then one that is not disturbed lands the rest, and a third one nothing."""
        lake, disk = EventLake(folder / "lake"), folder / "worker"
        shutil.copytree(self.before, lake.path)
        assert Worker(disk, lake.path, {}, prepare).code() == -signum
        assert_sound(lake)
        if lose_disk:
            shutil.rmtree(disk, ignore_errors=True)
        drain(lake)
        assert_exactly_once(lake, self.namespace)
        assert drain(lake)["commit"] is None
        shutil.rmtree(lake.path)

    def steps(self, folder: Path) -> list[str]:
        """All steps in the store that an undisturbed run takes."""
        lake, steps = EventLake(folder / "counted"), Steps(None)
        shutil.copytree(self.before, lake.path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_lake, "_open_storage", _lake._open_storage)
            patch.setattr(_local, "os", os)
            steps.install()
            drain(lake)
        assert_exactly_once(lake, self.namespace)
        return steps.taken


def test_killed_before_any_step_in_the_store(
    scene: Scene, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.namespace.connect(monkeypatch)
    steps = scene.steps(fast_folder)
    assert len(steps) >= 20
    for number in range(0, len(steps), 1 if scene.name == "later" else 4):
        prepare = partial(events_worker.die_at_step, number)
        scene.kill(fast_folder, prepare, signal.SIGKILL, lose_disk=number % 2 == 0)


def test_killed_between_two_batches(scene: Scene, fast_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.namespace.connect(monkeypatch)
    for number in range(2 * MESSAGES // events_worker.BATCH_RECORDS):
        prepare = partial(events_worker.signal_before_batch, number, signal.SIGKILL)
        scene.kill(fast_folder, prepare, signal.SIGKILL, lose_disk=True)


@pytest.mark.parametrize("size", [4, 1_000, 5_000])
def test_killed_in_the_middle_of_writing_a_file(
    scene: Scene, fast_folder: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    scene.namespace.connect(monkeypatch)
    prepare = partial(events_worker.limit_files, size)
    scene.kill(fast_folder, prepare, signal.SIGXFSZ, lose_disk=False)


def test_killed_again_and_again_while_messages_come(
    embedded: EmbeddedHub, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = Namespace(embedded)
    namespace.connect(monkeypatch)
    lake, draw = EventLake(fast_folder / "lake"), random.Random(5)
    for _ in range(6):
        namespace.fill(3)
        prepare = partial(events_worker.die_at_step, draw.randrange(2, 30))
        code = Worker(fast_folder / "worker", lake.path, {}, prepare).code()
        assert code in (-signal.SIGKILL, 0)
        assert_sound(lake)
    drain(lake)
    assert_exactly_once(lake, namespace)
    assert len(lake.records()) > 1
