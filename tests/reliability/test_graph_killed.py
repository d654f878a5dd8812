"""P2 and P3 for Microsoft Graph: as in `test_killed`, while alerts and incidents are landed from there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from airflow_provider_defender.simulator import Simulator
from tests.helpers.airflow import land, land_incidents
from tests.helpers.breadth import first_in_make_test
from tests.reliability.test_killed import (
    Land,
    Prepare,
    Scenario,
    backfill,
    begun,
    first_drain,
    kill_before_steps,
    kill_between_pages,
    later_drain,
)

LANDS: dict[str, tuple[Land, str]] = {
    "graph_alerts": (partial(land, source="graph_alerts"), "alerts"),
    "graph_incidents": (land_incidents, "incidents"),
}
CASES: list[tuple[str, Prepare]] = [
    ("graph_alerts", later_drain),
    ("graph_incidents", later_drain),
    ("graph_alerts", first_drain),
    ("graph_incidents", backfill),
]
IN_MAKE_TEST = 2
"""The first cases; the others run with the tests that take minutes."""


@pytest.fixture(
    params=first_in_make_test(CASES, IN_MAKE_TEST), ids=lambda case: f"{case[0]}-{case[1].__name__}"
)
def scenario(
    request: pytest.FixtureRequest, simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Scenario:
    source, prepare = request.param
    simulator.graph.largest_top = simulator.graph.incident_top = 4
    return begun(simulator, fast_folder, monkeypatch, prepare, *LANDS[source])


def test_killed_before_some_steps_in_the_store(scenario: Scenario) -> None:
    """Every third: what differs from the Endpoint API comes before the lake."""
    kill_before_steps(scenario)


def test_killed_between_two_pages(scenario: Scenario) -> None:
    """Nothing of a run lands before its end, however far the pages are known to be complete."""
    kill_between_pages(scenario)
