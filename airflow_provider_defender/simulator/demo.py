"""`make demo`: the shipped DAG in a real Airflow, against the simulator."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import requests

from airflow_provider_defender.simulator._airflow import LocalAirflow, LocalAirflowError

_DAG = "defender_alerts"
_TASK = "land_alerts"
_BEGUN = time.monotonic()
_QUERY = """\
select host.name as host, event.severity, count(distinct event.id) as alerts, count(*) as rows
from "{lake}/alerts/*/*.parquet" group by all order by alerts desc limit 5"""


def _say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _step(text: str) -> None:
    _say(f"\n[{time.monotonic() - _BEGUN:3.0f} s] {text}")


class _Tenant:
    """The simulator in a process of its own, as a user would start it."""

    def __init__(self, folder: Path) -> None:
        self._ready_file = folder / "ready.json"
        self._log = folder / "simulator.log"
        folder.mkdir(parents=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-m", "airflow_provider_defender.simulator", "--port", "0", "--quiet"),
                    *("--alerts", "300", "--days", "6", "--ready-file", str(self._ready_file)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> _Tenant:
        deadline = time.monotonic() + 60
        while not self._ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise LocalAirflowError(f"The simulator did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)
        self.facts: dict[str, Any] = json.loads(self._ready_file.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def environment(self) -> dict[str, str]:
        """The connection that the DAG uses."""
        connection = self.facts["connections"]["defender_default"]
        return {"AIRFLOW_CONN_DEFENDER_DEFAULT": json.dumps(connection)}

    def advance(self, span: timedelta) -> None:
        """Let time pass in the tenant."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.facts['url']}/_simulator/advance",
                json={"seconds": span.total_seconds()},
                verify=self.facts["ca_bundle"],
                timeout=30,
            )
        answer.raise_for_status()


# The DAG ------------------------------------------------------------------------------------------


def _dag_source() -> Path:
    package = Path(__file__).parents[1]
    for folder in (package / "example_dags", package.parent / "dags"):
        if (folder / "defender_alerts.py").exists():
            return folder / "defender_alerts.py"
    raise LocalAirflowError("The example DAG is missing from this installation; install the package again.")


def _copy_dag(folder: Path) -> None:
    """The shipped DAG, with daily runs (so that a backfill over three days is three runs) and no retries."""
    text = _dag_source().read_text("utf-8")
    for shipped, here in (('"*/15 * * * *"', '"@daily"'), ('"retries": 3', '"retries": 0')):
        if shipped not in text:
            raise LocalAirflowError(f"The example DAG no longer holds {shipped}, which the demo changes.")
        text = text.replace(shipped, here)
    folder.mkdir(parents=True)
    (folder / "defender_alerts.py").write_text(text, "utf-8")


# What is shown ------------------------------------------------------------------------------------


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]], limit: int = 34) -> None:
    def cell(value: Any) -> str:
        text = "" if value is None else str(value).replace("\n", " ")
        return text if len(text) <= limit else f"{text[: limit - 1]}…"

    lines = [[cell(value) for value in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for number, line in enumerate(lines):
        _say("    " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            _say("    " + "  ".join("─" * width for width in widths))


def _show_run(name: str, summary: dict[str, Any]) -> None:
    _say(
        f"    {name}: {summary['records']} alerts read, {summary['versions']} of them new, landed as "
        f"{summary['rows']} rows in {summary['files']} {'file' if summary['files'] == 1 else 'files'}"
    )
    before, after = summary["watermark_before"], summary["watermark_after"]
    if before != after:
        _say(f"    {' ' * len(name)}  watermark {before or 'not set'} → {after}")
    else:
        _say(f"    {' ' * len(name)}  watermark stays at {after}")


def _show_partitions(lake: Path) -> None:
    import pyarrow.parquet as pq

    rows = []
    for partition in sorted((lake / "alerts").glob("date=*")):
        files = sorted(partition.glob("*.parquet"))
        counted = sum(pq.read_metadata(file).num_rows for file in files)
        size = sum(file.stat().st_size for file in files)
        rows.append((f"alerts/{partition.name}", len(files), counted, f"{size / 1000:.0f} kB"))
    _table(("partition", "files", "rows", "size"), rows)


def _show_alerts(lake: Path) -> None:
    import pyarrow.parquet as pq

    newest = sorted((lake / "alerts").glob("date=*/*.parquet"))[-1]
    rows = pq.read_table(newest, partitioning=None).slice(0, 3).to_pylist()
    shown = [
        (
            f"{row['@timestamp']:%Y-%m-%d %H:%M:%S}",
            row["event"]["severity"],
            row["message"],
            row["host"]["name"],
            row["user"]["name"],
            row["process"]["name"] or row["file"]["name"],
        )
        for row in rows
    ]
    _table(("@timestamp", "event.severity", "message", "host.name", "user.name", "process/file.name"), shown)


def _suggest_query(lake: Path) -> None:
    statement = " ".join(_QUERY.format(lake=os.path.relpath(lake)).split())
    code = f'import duckdb; print(duckdb.sql("""{statement}"""))'
    _say(f"    {os.path.relpath(sys.executable)} -c '{code}'")


# The story ----------------------------------------------------------------------------------------


def _play(folder: Path, lake: Path) -> None:
    _step("A simulated Microsoft tenant starts: Entra ID and the alerts API of Defender for Endpoint.")
    with _Tenant(folder / "simulator") as tenant:
        _say(f"    tenant {tenant.facts['tenant_id']}: {tenant.facts['alerts']} alerts of the last six days")
        _step(
            "Airflow starts in a temporary home: API server, scheduler, DAG processor (about half a minute)."
        )
        _copy_dag(folder / "dags")
        environment = {**tenant.environment, "AIRFLOW_VAR_DEFENDER_LAKE": lake.as_uri()}
        with LocalAirflow(folder / "airflow", folder / "dags", environment) as airflow:
            _run_dag(airflow, tenant)
    _step("Airflow and the tenant are stopped. What stands in the lake:")
    _say()
    _show_partitions(lake)
    _say("\n    Three rows, in the Elastic Common Schema:\n")
    _show_alerts(lake)
    _say("\n    Ask it something (this repository's environment has DuckDB):\n")
    _suggest_query(lake)
    _say(f"\nDone in {time.monotonic() - _BEGUN:.0f} seconds. The lake is kept in {os.path.relpath(lake)}.")


def _run_dag(airflow: LocalAirflow, tenant: _Tenant) -> None:
    _step("The DAG is switched on: its first scheduled run reads the last 24 hours.")
    airflow.unpause(_DAG)
    [scheduled] = airflow.wait_for_runs(_DAG, "scheduled", 1)
    _show_run("scheduled", airflow.result(_DAG, scheduled["dag_run_id"], _TASK))
    tenant.advance(timedelta(hours=2))
    _step("Two hours pass in the tenant: alerts come, change, are resolved. The DAG runs again, by hand.")
    airflow.trigger(_DAG)
    [manual] = airflow.wait_for_runs(_DAG, "manual", 1)
    _show_run("manual", airflow.result(_DAG, manual["dag_run_id"], _TASK))
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    first, last = today - timedelta(days=4), today - timedelta(days=2)
    _step(f"A backfill fills three earlier days, {first:%d %B} to {last:%d %B}.")
    airflow.backfill(_DAG, first.isoformat(), last.isoformat())
    for run in airflow.wait_for_runs(_DAG, "backfill", 3):
        _show_run(run["data_interval_start"][:10], airflow.result(_DAG, run["dag_run_id"], _TASK))


def _prepare(lake: Path) -> None:
    """An empty folder for the lake; only an earlier demo's is deleted."""
    if lake.exists() and any(lake.iterdir()):
        if not (lake / "_defender").is_dir():
            raise LocalAirflowError(f"{lake} is no lake of an earlier demo. Name another folder with --lake.")
        shutil.rmtree(lake)
    lake.mkdir(parents=True, exist_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_defender.simulator.demo", description=__doc__
    )
    parser.add_argument(
        "--lake",
        type=Path,
        default=Path("build/demo-lake"),
        help="where the lake is made (default: %(default)s)",
    )
    lake = parser.parse_args(arguments).lake.resolve()
    with tempfile.TemporaryDirectory(prefix="defender-demo-") as folder:
        try:
            _prepare(lake)
            _play(Path(folder), lake)
        except LocalAirflowError as error:
            _say(f"\nThe demo failed. {error}")
            return 1
        except KeyboardInterrupt:
            _say("\nStopped.")
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
