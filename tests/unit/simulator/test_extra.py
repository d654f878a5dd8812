"""The simulator's dependencies are an extra, and what happens without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from airflow_provider_defender.simulator import _extra

COMMAND = 'pip install "airflow-provider-defender[simulator]"'
PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.fixture
def without_trustme(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python that has no trustme."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['trustme'] = None\n")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def python(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "module", ["airflow_provider_defender.simulator", "airflow_provider_defender.simulator.demo"]
)
def test_the_command_line_says_what_to_install(module: str, without_trustme: dict[str, str]) -> None:
    ended = python(without_trustme, "-m", module, "--help")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"The simulator needs trustme. Install it with: {COMMAND}\n"


def test_an_import_says_what_to_install(without_trustme: dict[str, str]) -> None:
    ended = python(without_trustme, "-c", "import airflow_provider_defender.simulator")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"ImportError: The simulator needs trustme. Install it with: {COMMAND}"
    )


def test_the_extra_names_every_package_that_is_looked_for() -> None:
    text = "\n".join(requires("airflow-provider-defender") or ())
    named = set(re.findall(r"^([\w-]+)[^\n]*extra == ['\"]simulator['\"]", text, re.MULTILINE))
    assert named == {"duckdb", "pyjwt", "starlette", "trustme", "uvicorn"}
    assert set(_extra._MODULES) == named - {"duckdb", "pyjwt"} | {"jwt"}


def test_the_dev_group_has_the_extra() -> None:
    """A lock file cannot name the package itself, so the group repeats what the extra says."""
    text = PYPROJECT.read_text("utf-8")
    [extra] = re.findall(r"^simulator = \[(.*)\]$", text, re.MULTILINE)
    [group] = re.findall(r"^dev = \[\n(.*?)^\]$", text, re.MULTILINE | re.DOTALL)
    for requirement in re.findall(r'"([^"]+)"', extra):
        assert f'"{requirement}"' in group
