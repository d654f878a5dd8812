"""Delta tables of lakes in object stores: their stand-ins, spoken to over HTTP by real clients."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from airflow_provider_defender.lake import Lake, committed_files, follow_delta
from tests.object_stores.fixtures import running_store, store
from tests.object_stores.store import BUCKET, Store
from tests.unit.lake.support import Clock
from tests.unit.lake.tables.support import DEVICES, ENDPOINT, GRAPH, compact, land

__all__ = ["running_store", "store"]

pytestmark = pytest.mark.integration

LAKE = f"{BUCKET}/lake"


def lake_of(store: Store) -> Lake:
    return Lake(store.filesystem(), LAKE, clock=Clock(), sleep=lambda _: None)


def assert_equal(store: Store, place: Path, rows: dict[str, int]) -> None:
    """Copies of the tables, read with deltalake and Polars, hold the committed files."""
    filesystem = store.filesystem()
    for path in filesystem.find(LAKE):
        copy = place / path.removeprefix(f"{LAKE}/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(filesystem.cat_file(path))
    for dataset, count in rows.items():
        folder = str(place / dataset)
        files = {file.removeprefix(f"{place}/") for file in DeltaTable(folder).file_uris()}
        assert files == {file.partition(f"{LAKE}/")[2] for file in committed_files(lake_of(store), dataset)}
        assert pl.scan_delta(folder).select(pl.len()).collect().item() == count


def test_a_table_follows_the_lake(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.tables.delta_checkpoint.EVERY", 2)
    lake = lake_of(store)
    for log in (ENDPOINT, GRAPH):
        land(lake, log=log)
    land(lake, DEVICES)
    assert [(each.dataset, each.version) for each in follow_delta(lake_of(store))] == [
        ("alerts", 0),
        (DEVICES, 0),
    ]
    land(lake)
    compact(lake)
    assert [(each.added, each.removed) for each in follow_delta(lake_of(store))] == [(1, 1), (0, 0)]
    names = [path.rpartition("/")[2] for path in store.filesystem().find(f"{LAKE}/alerts/_delta_log")]
    assert sorted(names) == [
        f"{0:020d}.json",
        f"{1:020d}.checkpoint.parquet",
        f"{1:020d}.json",
        "_last_checkpoint",
    ]
    land(lake)
    (found,) = follow_delta(lake_of(store), "alerts")
    assert (found.version, found.added) == (2, 1)
    assert_equal(store, tmp_path, {"alerts": 4, DEVICES: 1})


def test_of_two_followers_one_is_first(store: Store, tmp_path: Path) -> None:
    land(lake_of(store))
    slow = lake_of(store)
    create = slow.storage.create

    def late(path: str, body: bytes, scratch: str) -> None:
        if path.endswith(f"{0:020d}.json"):
            follow_delta(lake_of(store))
            land(lake_of(store))
        create(path, body, scratch)

    slow.storage.create = late  # type: ignore[method-assign]
    (found,) = follow_delta(slow)
    assert (found.version, found.versions, found.added) == (1, 1, 1)
    assert_equal(store, tmp_path, {"alerts": 2})


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_lost_request_or_answer(store: Store, tmp_path: Path, lost: str) -> None:
    land(lake_of(store))
    lake = lake_of(store)
    create = lake.storage.create

    def broken(path: str, body: bytes, scratch: str) -> None:
        if lost == "answer":
            create(path, body, scratch)
        raise OSError("connection reset")

    lake.storage.create = broken  # type: ignore[method-assign]
    with suppress(OSError):
        assert follow_delta(lake)[0].version == 0
        assert lost == "answer"
    follow_delta(lake_of(store))
    assert_equal(store, tmp_path, {"alerts": 1})
    assert len(store.filesystem().find(f"{LAKE}/alerts/_delta_log")) == 1
