"""The sensor of incidents: true when one was updated beyond the watermark."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.sensors import DefenderIncidentSensor
from airflow_provider_defender.simulator import Simulator
from tests.helpers.airflow import INJECTED, LakeFolder, context, incidents_operator

MINUTE = timedelta(minutes=1)


def poke(lake: LakeFolder, **arguments: Any) -> bool:
    given = {**INJECTED, "hook": INJECTED["hook"]["graph_alerts"], **arguments}
    return DefenderIncidentSensor(task_id="wait", lake=lake.uri, **given).poke(context())  # type: ignore[arg-type]


def test_what_has_landed_is_not_waited_for(simulator: Simulator, lake: LakeFolder) -> None:
    assert not poke(lake)
    simulator.graph.portal.add_alert()
    simulator.tenant.advance(MINUTE)
    assert poke(lake)
    incidents_operator(lake).execute(context())  # type: ignore[arg-type]
    assert not poke(lake)
    [incident] = simulator.graph.portal.incidents
    simulator.graph.portal.comment_incident(incident.row_id, "look again")
    assert poke(lake)


def test_filters_narrow_what_is_waited_for(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.graph.portal.add_alert()
    assert not poke(lake, status="resolved")
    assert poke(lake, status=["active", "inProgress"])


def test_without_a_watermark_the_look_back_counts(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.graph.portal.add_alert()
    simulator.tenant.advance(120 * MINUTE)
    assert poke(lake)
    assert not poke(lake, initial_lookback=60 * MINUTE)


@pytest.mark.parametrize("arguments", [{"status": "open"}, {"initial_lookback": 5}])
def test_parameters_are_checked(lake: LakeFolder, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        DefenderIncidentSensor(task_id="wait", lake=lake.uri, **arguments).poke(context())  # type: ignore[arg-type]
