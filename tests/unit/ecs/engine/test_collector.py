"""Pausing garbage collection: nothing is collected meanwhile, and afterwards all is as before."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.engine.collector import collector_paused


@pytest.fixture(params=[True, False], ids=["enabled", "disabled"])
def is_enabled(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


def test_afterwards_the_collector_is_as_it_was(is_enabled: bool) -> None:
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled() is is_enabled


def test_an_error_leaves_the_collector_as_it_was(is_enabled: bool) -> None:
    with pytest.raises(ValueError, match="broken"), collector_paused():
        raise ValueError("broken")
    assert gc.isenabled() is is_enabled


@pytest.mark.parametrize("is_enabled", [True], indirect=True)
def test_many_identities_set_off_no_collection_each_few_hundred(is_enabled: bool) -> None:
    records = [b'{"id":"%d","lastUpdateTime":"2026-11-01T00:00:00Z"}' % number for number in range(20_000)]
    collections: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            collections.append(info["generation"])

    gc.callbacks.append(note)
    try:
        found = ecs.identities("endpoint_alerts", records, tenant="t")
    finally:
        gc.callbacks.remove(note)
    assert found[-1].key == "t/19999"
    assert len(collections) <= 2
