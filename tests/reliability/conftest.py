"""The simulated tenant, its connection and a lake, as the operator's own tests have them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.airflow_fixtures import LakeFolder, run_clock, running_simulator, simulator

__all__ = ["fast_folder", "lake", "run_clock", "running_simulator", "simulator"]


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
