"""Peak memory of draining a million alerts into a lake, beside that of ten thousand.

    python -m benchmarks.bench_memory [--alerts 10000 1000000] [--evidence 3] [--json results.json]

Each drain has a process of its own, in which everything from a page's bytes on is real: cutting the page into
records, bookkeeping, mapping, writing, commit. Only the network is not: pages of 10,000 alerts are made from
one page of realistic alerts, with ids and times of their own, within thirty days. The peak is the process's
high-water mark (`VmHWM`), Python and the libraries included. The goal: at most 100 MB between the two.

With `--row-group-rows` a small drain makes as many row groups as a large one does.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.generator import AlertGenerator
from benchmarks.report import found_by, peak_bytes

ROOT = Path(__file__).parents[1]
TENANT = "a839b112-1253-6432-9bf6-94542403f21c"
PAGE = 10_000
START = datetime(2026, 11, 1, tzinfo=timezone.utc)
SPAN = timedelta(days=30)
GOAL_BYTES = 100_000_000
_ID, _CREATED, _UPDATED = "@id@", "@created@", "@updated@"


class PageSource:
    """Stands for the hook: pages of alerts without a network."""

    tenant_id = TENANT

    def __init__(self, alerts: int, evidence: int) -> None:
        self._alerts = alerts
        self._evidence = evidence

    def alert_pages(self, *, filter: str, **limits: Any) -> Iterator[Any]:
        """All pages, in the order of ids; one body in memory at a time."""
        from airflow_provider_defender.hooks._rest.pages import Page, read_page

        bodies = alert_bodies(self._alerts, self._evidence)
        for number, first in enumerate(range(0, self._alerts, PAGE), start=1):
            body = b'{"value":[' + b",".join(islice(bodies, min(PAGE, self._alerts - first))) + b"]}"
            yield Page(read_page(body).value, START + SPAN, number)


def alert_bodies(alerts: int, evidence: int) -> Iterator[bytes]:
    """Alerts as the API sends them, made from some realistic ones, with ids and times of their own."""
    templates = [_template(record) for record in AlertGenerator(evidence=evidence).records(min(PAGE, 2_000))]
    step = SPAN / alerts
    return (_alert(templates, row, step) for row in range(alerts))


def _template(record: bytes) -> bytes:
    alert = {**json.loads(record), "id": _ID, "alertCreationTime": _CREATED, "lastUpdateTime": _UPDATED}
    return json.dumps(alert, separators=(",", ":"), ensure_ascii=False).encode()


def _alert(templates: Sequence[bytes], row: int, step: timedelta) -> bytes:
    moment = (START + step * row).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
    alert = templates[row % len(templates)].replace(_ID.encode(), b"da%018d_1" % row)
    return alert.replace(_CREATED.encode(), moment).replace(_UPDATED.encode(), moment)


def drain(alerts: int, evidence: int, row_group_rows: int | None = None) -> dict[str, Any]:
    """Drain into a temporary lake, in this process."""
    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.ingest.run import Run
    from airflow_provider_defender.ingest.stages import DrainClock, Stages
    from airflow_provider_defender.lake import Lake, WriterSettings
    from airflow_provider_defender.sources.endpoint_alerts import EndpointAlerts
    from airflow_provider_defender.sources.source import Limits
    from airflow_provider_defender.sources.window import Window

    pages: Any = PageSource(alerts, evidence)
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
        settings = (
            WriterSettings() if row_group_rows is None else WriterSettings(row_group_rows=row_group_rows)
        )
        source = EndpointAlerts(hook=pages, lookback=SPAN, clock=Clock(now=lambda: START + SPAN))
        clock = DrainClock()
        run = Run(
            source=source,
            lake=Lake(LocalFileSystem(), folder, settings=settings),
            window=Window("watermark"),
            limits=Limits(clock),
            stages=Stages(clock, logging.getLogger("bench")),
            started=START + SPAN,
        )
        begun, cpu = time.perf_counter(), time.process_time()
        result = run.execute().result
        if result.new != alerts:
            raise RuntimeError(f"{result.new} of {alerts} alerts landed")
        return {
            "alerts": alerts,
            "rows": result.rows.total(),
            "peak_bytes": peak_bytes(),
            "seconds": round(time.perf_counter() - begun, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        }


def in_a_process(alerts: int, evidence: int, row_group_rows: int | None = None) -> dict[str, Any]:
    """`drain` in a process of its own."""
    options = ["--here", "--alerts", str(alerts), "--evidence", str(evidence)]
    if row_group_rows is not None:
        options += ["--row-group-rows", str(row_group_rows)]
    return found_by("bench_memory", *options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--alerts", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--evidence", type=int, default=3)
    parser.add_argument("--row-group-rows", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(drain(given.alerts[0], given.evidence, given.row_group_rows)))
        return
    found = [in_a_process(alerts, given.evidence, given.row_group_rows) for alerts in given.alerts]
    for each in found:
        print(
            f"{each['alerts']:>9,} alerts, {each['rows']:>9,} rows: peak {each['peak_bytes'] / 1e6:,.0f} MB, "
            f"{each['seconds']:.0f} s ({each['cpu_seconds']:.0f} CPU s)"
        )
    growth = found[-1]["peak_bytes"] - found[0]["peak_bytes"]
    print(f"growth {growth / 1e6:,.0f} MB (goal: at most {GOAL_BYTES / 1e6:.0f} MB)")
    if given.json:
        given.json.write_text(json.dumps({"drains": found, "growth_bytes": growth}, indent=2))


if __name__ == "__main__":
    main()
