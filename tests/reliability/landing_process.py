"""One run of the operator in a process of its own; prints its summary and its peak memory as JSON.

    python -m tests.reliability.landing_process <lake URI> <now, ISO 8601> [<source>]

The connection comes from `AIRFLOW_CONN_DEFENDER_DEFAULT`, as for any process of Airflow.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.operators import DefenderAlertsToParquetOperator
from tests.helpers.airflow import Outlets


def peak_bytes() -> int:
    """The most memory that this process has held; `ru_maxrss` alone begins with that of the parent."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main(lake: str, now: str, source: Any = "endpoint_alerts") -> None:
    given: Any = {"dag_run": SimpleNamespace(run_type="scheduled"), "outlet_events": Outlets()}
    clock = Clock(now=lambda: datetime.fromisoformat(now))
    operator = DefenderAlertsToParquetOperator(task_id="land", lake=lake, source=source, clock=clock)
    summary = operator.execute(given)
    print(json.dumps({"summary": summary, "peak": peak_bytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
