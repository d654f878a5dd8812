"""Random histories of a lake: plain readers, `committed_files`, `verify` and the open tables stay right."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError

from airflow_provider_defender.lake import Lake, follow_delta, follow_iceberg
from airflow_provider_defender.lake.tables.iceberg import table_name
from tests.reliability.table_histories import Follower, History

HISTORIES = int(os.environ.get("TABLE_HISTORIES", "60"))
"""How many histories the long test has; each has a seed of its own, from `TABLE_HISTORIES_FROM` on."""

FIRST = int(os.environ.get("TABLE_HISTORIES_FROM", "100"))

BOTH = ("delta", "iceberg")

FORMATS = os.environ.get("TABLE_FORMATS", "").split()
"""The formats of the long test, such as `iceberg`; by default `delta`, and both in each tenth history."""


class Delta:
    """Delta tables, read back with deltalake and Polars."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def follow(self, lake: Lake) -> None:
        follow_delta(lake)

    def remove(self, dataset: str) -> None:
        shutil.rmtree(self._root / dataset / "_delta_log", ignore_errors=True)

    def files(self, dataset: str) -> list[str] | None:
        if not any((self._root / dataset / "_delta_log").glob("*.json")):
            return None
        return sorted(DeltaTable(str(self._root / dataset)).file_uris())

    def keys(self, dataset: str) -> list[tuple[str, str]]:
        landing = pl.scan_delta(str(self._root / dataset)).select("landing").collect()["landing"]
        return sorted((row["key"], row["version"]) for row in landing.to_list())


class Iceberg:
    """Iceberg tables in a SQL catalog."""

    def __init__(self, catalog: SqlCatalog) -> None:
        self._catalog = catalog

    def follow(self, lake: Lake) -> None:
        follow_iceberg(lake, self._catalog)

    def remove(self, dataset: str) -> None:
        with suppress(NoSuchTableError):
            self._catalog.drop_table(f"defender.{table_name(dataset)}")

    def files(self, dataset: str) -> list[str] | None:
        table = self._table(dataset)
        if table is None:
            return None
        return sorted(task.file.file_path.removeprefix("file://") for task in table.scan().plan_files())

    def keys(self, dataset: str) -> list[tuple[str, str]]:
        table = self._table(dataset)
        assert table is not None
        landing = table.scan(selected_fields=("landing",)).to_arrow()["landing"].to_pylist()
        return sorted((row["key"], row["version"]) for row in landing)

    def _table(self, dataset: str) -> Any:
        try:
            return self._catalog.load_table(f"defender.{table_name(dataset)}")
        except NoSuchTableError:
            return None


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory where there is one; loss of power is not in these histories."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as path:
        yield Path(path)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints of tables come often, and first changes in several parts."""
    tables = "airflow_provider_defender.lake.tables"
    monkeypatch.setattr(f"{tables}.delta_checkpoint.EVERY", 3)
    monkeypatch.setattr(f"{tables}.delta._FILES", 3)
    monkeypatch.setattr(f"{tables}.iceberg._FILES_AT_ONCE", 3)


def run(folder: Path, seed: int, steps: int, formats: Sequence[str]) -> Counter[str]:
    root = folder / f"lake-{seed}"
    with ExitStack() as stack:
        followers: list[Follower] = [Delta(root)] if "delta" in formats else []
        if "iceberg" in formats:
            place = f"sqlite:///{folder}/{seed}.db"
            catalog = SqlCatalog("tests", uri=place, warehouse=f"file://{folder}/warehouse-{seed}")
            stack.callback(catalog.close)
            followers.append(Iceberg(catalog))
        history = History(root, seed, followers)
        for _ in range(steps):
            history.step()
        history.end()
    shutil.rmtree(root, ignore_errors=True)
    return history.met


@pytest.mark.parametrize("seed", range(10))
def test_a_history(folder: Path, seed: int) -> None:
    run(folder, seed, 14, ["delta"] if seed % 5 else BOTH)


@pytest.mark.integration
def test_many_histories(folder: Path) -> None:
    """With `TABLE_HISTORIES=1000`, it goes on for long; `TABLE_FORMATS=iceberg` is that format alone."""
    met: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + HISTORIES):
        print("seed", seed)  # shown if it fails
        met += run(folder, seed, 30, FORMATS or (["delta"] if seed % 10 else BOTH))
    for name in ("drain", "backfill", "compaction", "retention", "follower"):
        assert met[name], name
        assert met[f"{name}, killed"], name
