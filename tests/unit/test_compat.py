"""What differs between Airflow versions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from airflow_provider_defender import compat, timetables


def test_it_imports_nothing_of_this_package() -> None:
    tree = ast.parse(Path(compat.__file__).read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in modules if name.startswith("airflow_provider_defender")]


def test_the_timetable_is_airflows_own() -> None:
    timetable = timetables.CronDataIntervalTimetable("0 * * * *", timezone="UTC")
    assert type(timetable).__module__.partition(".")[0] == "airflow"
    with pytest.raises(AttributeError, match="'CronTimetable'"):
        _ = timetables.CronTimetable


def test_airflows_metrics_take_a_gauge() -> None:
    compat.stats().gauge("defender.test", 1.0)
