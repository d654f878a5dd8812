"""The quickstart's commands, one after the other, in a fresh environment with Airflow and our wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest

from airflow_provider_defender.simulator import Simulator, Tenant
from tests.unit.docs.pages import ROOT, blocks

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

INSTALL = "pip install ."
CONNECTION = re.compile(r"(connections add (\w+) --conn-json) '(.*?)'(?=\n|\Z)", re.DOTALL)
PAGE = [block for block in blocks() if block.page == "docs/quickstart.md"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    tenant = Tenant(seed=7, alerts=60, history=timedelta(days=2), start=datetime.now(timezone.utc))
    with Simulator(tenant=tenant, events=True) as simulator:
        simulator.exporter.send(200)
        yield simulator


class Shell:
    """Runs commands where nothing but Airflow and our wheel is installed, in a home of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        python = self._install()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self._environment = {
            **kept,
            "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "NO_PROXY": "127.0.0.1",
        }

    def _install(self) -> Path:
        dist, environment = self.folder / "dist", self.folder / "environment"
        python = environment / "bin" / "python"
        uv = [sys.executable, "-m", "uv"]
        self._call([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)])
        self._call([*uv, "venv", "--quiet", "--python", sys.executable, str(environment)])
        constraint = ["--constraint", str(ROOT / "requirements.lock")]
        self._call(
            [
                *uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                str(python),
                *constraint,
                *map(str, dist.iterdir()),
            ]
        )
        return python

    def _call(self, command: list[str]) -> None:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, text: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", text],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout + done.stderr


def with_own_values(text: str, simulator: Simulator, lake: Path) -> str:
    """The commands with the simulator's connections and the test's lake, as a user puts in their own."""
    connections = simulator.connections()
    text = CONNECTION.sub(lambda match: f"{match[1]} '{json.dumps(connections[match[2]])}'", text)
    return text.replace("file:///data/lake", lake.as_uri())


def test_the_quickstart_to_the_letter(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, lake = Shell(tmp_path), tmp_path / "lake"
    shell.run("airflow db migrate")  # what any Airflow has done before
    commands = [block.text for block in PAGE if block.language == "bash" and block.text != "make demo"]
    assert commands[0] == INSTALL  # done above, by the wheel that it makes
    assert len(CONNECTION.findall("\n".join(commands))) == 2
    shown = [shell.run(with_own_values(text, simulator, lake)) for text in commands[1:]]

    found = [name for each in shown for name in re.findall(r"Marking run <DagRun (\w+) .*> successful", each)]
    assert found == ["defender_alerts", "defender_incidents", "defender_events"]
    assert {path.name for path in (tmp_path / "airflow" / "dags").iterdir()} >= {
        "defender_alerts.py",
        "defender_events.py",
        "defender_incidents.py",
        "defender_lake.py",
    }
    listed = shell.run("airflow dags list --output plain 2>/dev/null")
    assert re.findall(r"^(defender_\w+) .* (True|False) ", listed, flags=re.MULTILINE) == [
        ("defender_alerts", "False"),
        ("defender_events", "False"),
        ("defender_incidents", "False"),
        ("defender_lake", "False"),
    ]
    [query] = [block.text for block in PAGE if block.run == "duckdb"]
    monkeypatch.chdir(tmp_path)
    answer = duckdb.sql(query)
    assert answer is not None
    assert len(answer.fetchall()) > 3
    views = shell.run("python -m airflow_provider_defender sql")
    with duckdb.connect() as connection:
        connection.execute(views)
        [(events,)] = connection.execute(
            "select count(*) from events('lake', 'DeviceProcessEvents')"
        ).fetchall()
        assert events == simulator.exporter.stream.truth.rows["DeviceProcessEvents"]
