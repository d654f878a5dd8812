"""P9 for Microsoft Graph: memory is bounded by the batch; so are pages of incidents with large alerts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_defender.hooks import GraphSecurityHook
from airflow_provider_defender.simulator import Portal, Simulator, Tenant
from airflow_provider_defender.timestamps import datetime_to_ticks
from tests.helpers.airflow import START, connect
from tests.reliability.test_memory import MEGABYTE, drain, tenant_with

MEBIBYTE = 1024 * 1024


@pytest.mark.integration
@pytest.mark.parametrize("expand_fails", [False, True])
def test_pages_of_incidents_with_large_alerts_are_bounded(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, expand_fails: bool
) -> None:
    """Sixty incidents with 2 MiB of alerts each, 120 MiB in all: a page of fifty would take 100 MiB."""
    tenant = simulator.tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch)
    portal = Portal.of(tenant)
    for _ in range(60):
        first = portal.add_alert("microsoftDefenderForOffice365", description="x" * MEBIBYTE)
        portal.add_alert(incident=first.fields["incidentId"], description="y" * MEBIBYTE)
        tenant.advance(timedelta(seconds=10))
    simulator.graph.expand_fails = expand_fails
    pages = GraphSecurityHook(sleep=simulator.elapse).incident_pages(
        by="updated", since=datetime_to_ticks(START)
    )
    sizes = [sum(len(memoryview(each)) for each in page.records) for page in pages]
    assert sum(sizes) > 120 * MEBIBYTE
    assert max(sizes) < 40 * MEBIBYTE


@pytest.mark.integration
def test_four_times_as_many_alerts(
    simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, records, tables and what the mapping keeps do not pile up."""
    peaks = {}
    for count in (4_000, 16_000):
        tenant = tenant_with(simulator, monkeypatch)
        tenant.add_alerts(count, evidence=1, over=timedelta(hours=20))
        tenant.advance(timedelta(minutes=1))
        summary, peaks[count] = drain(simulator, fast_folder / str(count), "graph_alerts")
        assert summary["versions"] > 0.9 * count
        assert summary["complete"]
    print({count: f"{peak / MEGABYTE:.0f} MB" for count, peak in peaks.items()})
    assert peaks[16_000] - peaks[4_000] < 100 * MEGABYTE
