"""The simulated tenant and hub, connections and lakes, as the operators' own tests have them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_defender.hooks._connection import redaction
from airflow_provider_defender.lake.log import waiting
from airflow_provider_defender.simulator.events import EmbeddedHub
from tests.helpers.airflow import LakeFolder, run_clock, running_simulator, simulator
from tests.helpers.event_hubs import EventLake

__all__ = ["fast_folder", "lake", "run_clock", "running_simulator", "simulator"]


@pytest.fixture(autouse=True)
def unmasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's masker makes one pattern of all secrets ever seen: too slow for thousands of tokens.

    It would also hide what must not be logged in the first place.
    """
    monkeypatch.setattr(redaction, "mask_secret", lambda secret: None)


@pytest.fixture(autouse=True)
def brief_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run after one that was killed helps it soon: these tests kill hundreds."""
    monkeypatch.setattr(waiting, "_PATIENCE", 0.01)


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a RAM disk where the machine has one: these tests make many small lakes, each synced."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="defender-tests-", dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lake(fast_folder: Path) -> LakeFolder:
    return LakeFolder(fast_folder / "lake")


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedHub]:
    """Brokers that a module's tests share, each with a hub of its own."""
    with EmbeddedHub() as embedded:
        yield embedded


@pytest.fixture
def event_lake(fast_folder: Path) -> EventLake:
    return EventLake(fast_folder / "lake")
