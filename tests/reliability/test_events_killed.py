"""P2 and P3 for events: a real process drains a hub and is killed with SIGKILL, at every step that it takes.

Before each step of the lake in its store, before each batch of messages, and in the middle of writing a
file. Afterwards a plain reader finds committed rows only; the next run, with or without the dead one's disk,
ends with every offset of the hub in the lake exactly once.
"""

from __future__ import annotations

import itertools
import random
import shutil
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.simulator.events import EmbeddedHub
from tests.helpers.event_hubs import EventLake, drain
from tests.reliability import events_worker
from tests.reliability.events_support import Namespace, assert_exactly_once, assert_sound
from tests.reliability.events_worker import Worker

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
        assert self.disturb(folder, prepare, lose_disk=lose_disk) == -signum

    def disturb(self, folder: Path, prepare: Any, *, lose_disk: bool) -> int | None:
        """As `kill`; returns how the first run has ended."""
        lake, disk = EventLake(folder / "lake"), folder / "worker"
        shutil.copytree(self.before, lake.path)
        code = Worker(disk, lake.path, {}, prepare).code()
        assert_sound(lake)
        if lose_disk:
            shutil.rmtree(disk, ignore_errors=True)
        drain(lake)
        assert_exactly_once(lake, self.namespace)
        assert drain(lake)["commit"] is None
        shutil.rmtree(lake.path)
        return code


def test_killed_before_any_step_in_the_store(
    scene: Scene, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.namespace.connect(monkeypatch)
    for number in itertools.count(0, 1 if scene.name == "later" else 4):
        prepare = partial(events_worker.die_at_step, number)
        code = scene.disturb(fast_folder, prepare, lose_disk=number % 2 == 0)
        if code != -signal.SIGKILL:  # files are closed in threads: the number of steps is not always the same
            break
    assert code == 0
    assert number >= 20


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
