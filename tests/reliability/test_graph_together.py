"""P1, P3 and P6: Endpoint API and Microsoft Graph, backfills of both and incidents at once, into one lake."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.exceptions import ConflictingRun
from airflow_provider_defender.simulator import Simulator, Tenant
from tests.helpers.airflow import START, LakeFolder, connect, land, land_incidents
from tests.reliability.graph_support import KINDS, fill
from tests.reliability.support import assert_last_versions_landed, plain_reader
from tests.reliability.test_killed import FORK, Land

HOUR = timedelta(hours=1)
BACKFILL = {"since": START - 48 * HOUR, "until": START + 48 * HOUR}
ENDPOINT = "alerts/date=*/endpoint_alerts-*.parquet"
GRAPH = "alerts/date=*/graph_alerts-*.parquet"


class Task:
    """A process that runs an operator once."""

    def __init__(self, lake: Path, run: Land, arguments: dict[str, Any]) -> None:
        self._result, sender = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=self._work, args=(lake, run, arguments, sender))
        self.process.start()

    def _work(self, lake: Path, run: Land, arguments: dict[str, Any], sender: Any) -> None:
        try:
            sender.send(run(LakeFolder(lake), **arguments)["complete"])
        except ConflictingRun:
            sender.send("conflict")

    def outcome(self) -> Any:
        assert self._result.poll(60)
        found = self._result.recv()
        self.process.join(60)
        return found


def test_all_sources_and_their_backfills_at_once(
    simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.tenant = tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch)
    lake, graph = fast_folder / "lake", partial(land, source="graph_alerts")
    runs: list[tuple[Land, dict[str, Any]]] = [
        (land, {}),
        (land, BACKFILL),
        (graph, {}),
        (graph, BACKFILL),
        (land_incidents, {}),
        (land_incidents, BACKFILL),
    ]
    with plain_reader(lake):
        for _ in range(2):
            fill(tenant, over=timedelta(minutes=5))
            outcomes = [task.outcome() for task in [Task(lake, *each) for each in runs]]
            assert outcomes == [True] * len(runs)
            tenant.advance(timedelta(minutes=30))
    assert_last_versions_landed(tenant, lake, ENDPOINT)
    assert_last_versions_landed(KINDS["alerts"].shown(tenant), lake, GRAPH)
    KINDS["incidents"].check_end(tenant, lake)
    for run, arguments in runs:
        assert run(LakeFolder(lake), **arguments)["versions"] == 0


def test_auto_moves_to_graph_once_the_role_is_granted(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was updated around the switch is lost, and the Endpoint API is not gone back to."""
    simulator.tenant = tenant = Tenant(7, alerts=0, start=START)
    fill(tenant)
    without, given = simulator.apps["endpoint reader"], simulator.apps["reader"]
    sources = []
    for app in (without, without, given, given, without):
        connect(simulator, monkeypatch, login=app.client_id, password=app.client_secret)
        fill(tenant, over=timedelta(minutes=5))
        try:
            sources.append(land(lake, source="auto")["source"])
        except Exception as error:
            sources.append(type(error).__name__)
        tenant.advance(timedelta(minutes=30))
    assert sources == ["endpoint_alerts"] * 2 + ["graph_alerts"] * 2 + ["PermissionMissing"]
    connect(simulator, monkeypatch)
    land(lake, source="auto")
    landed = lake.landed()
    of_endpoint = {version.alert_id for version in tenant.alerts}
    shown = [each for each in KINDS["alerts"].shown(tenant).alerts if each.alert_id in of_endpoint]
    assert shown
    assert [each for each in shown if each.update_time not in landed[each.alert_id]] == []
