"""P9: memory is bounded by the batch, not by the drain. Each drain is measured in a process of its own.

A million alerts against ten thousand take minutes: `make bench` measures them. Here what would grow with a
drain is made large by other means, so that few alerts show it. `make test` runs the first; the others have
half a minute each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.simulator import Simulator, Tenant
from tests.helpers.airflow import START, connect
from tests.reliability.support import landed_rows

MEGABYTE = 1_000_000
ROOT = Path(__file__).parents[2]


def drain(simulator: Simulator, lake: Path, source: str = "endpoint_alerts") -> tuple[dict[str, Any], int]:
    """Run the operator in a process of its own: its summary and its peak memory in bytes."""
    command = [
        sys.executable,
        "-m",
        "tests.reliability.landing_process",
        lake.as_uri(),
        simulator.tenant.now().isoformat(),
        source,
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    found = json.loads(done.stdout.splitlines()[-1])
    return found["summary"], found["peak"]


def tenant_with(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    simulator.tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch)
    simulator.page_size = 1_000
    return simulator.tenant


def test_three_times_as_many_alerts_through_the_operator(
    simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, records and tables do not pile up."""
    peaks = {}
    for count in (10_000, 30_000):
        tenant = tenant_with(simulator, monkeypatch)
        tenant.add_alerts(count, evidence=1, over=timedelta(hours=20))
        tenant.advance(timedelta(minutes=1))
        summary, peaks[count] = drain(simulator, fast_folder / str(count))
        assert (summary["versions"], summary["rows"]) == (count, count)
    print({count: f"{peak / MEGABYTE:.0f} MB" for count, peak in peaks.items()})
    assert peaks[30_000] - peaks[10_000] < 75 * MEGABYTE


@pytest.mark.integration
def test_two_hundred_and_fifty_row_groups_in_thirty_partitions(tmp_path: Path) -> None:
    """What the footers will say of them does not pile up either; it is 0.9 MB for each."""
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.bench_memory", "--json", str(results)]
    command += ["--alerts", "20000", "50000", "--evidence", "1", "--row-group-rows", "200"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=240)
    few, many = (each["peak_bytes"] for each in json.loads(results.read_text())["drains"])
    assert many - few < 100 * MEGABYTE


@pytest.mark.integration
def test_five_hundred_items_with_a_description_of_a_megabyte(
    simulator: Simulator, fast_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a gigabyte of rows from one alert: every row repeats the alert's own properties."""
    peaks = {}
    for name, items, text in (("small", 1, "short"), ("large", 500, "Ünïcødé 😀" * 70_000)):
        tenant = tenant_with(simulator, monkeypatch)
        tenant.add_alert(evidence=items, description=text)
        tenant.add_alert(evidence=1)
        tenant.advance(timedelta(minutes=1))
        lake = fast_folder / name
        summary, peaks[name] = drain(simulator, lake)
        assert (summary["versions"], summary["rows"], summary["rejects"]) == (2, items + 1, 0)
        assert len(landed_rows(lake)) == items + 1
    print({name: f"{peak / MEGABYTE:.0f} MB" for name, peak in peaks.items()})
    assert peaks["large"] - peaks["small"] < 250 * MEGABYTE
