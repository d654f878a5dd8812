"""Which part of the simulator may import which; imports inside of functions and for types count."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import airflow_provider_defender.simulator

ROOT = Path(airflow_provider_defender.simulator.__file__).parent
PACKAGE = airflow_provider_defender.simulator.__name__
#: Part → what it may import beside itself.
ARROWS = {
    "server": set(),
    "entra": {"server"},
    "defender": {"server"},
    "graph": {"defender", "server"},
    "hub": {"defender", "server"},
    "attack": {"graph", "hub", "defender", "server"},
    "demo": {"graph", "hub", "defender", "entra", "server"},
}


def imported(path: Path) -> set[str]:
    """The simulator's parts that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = [name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")]
    return {part.partition(".")[0] for part in parts}


@pytest.mark.parametrize("part", ARROWS)
def test_arrows_go_down(part: str) -> None:
    modules = sorted((ROOT / part).glob("**/*.py"))
    assert len(modules) > 2
    for module in modules:
        assert imported(module) <= ARROWS[part] | {part}, module.name


def test_every_part_is_known() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ARROWS)
