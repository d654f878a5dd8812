"""What the benchmarks share: checks against goals, the machine's state, tables."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]


class Check(NamedTuple):
    """One goal: whether it was reached, and whether missing it fails the run (ratios) or not (figures)."""

    text: str
    holds: bool
    binds: bool


def machine() -> dict[str, Any]:
    """Where and how busy: CPU figures of a busy machine are worse, up to twice."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def found_by(module: str, *options: str) -> dict[str, Any]:
    """What a module of the benchmarks, run in a process of its own, prints as its last line."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def print_table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as their widest cell, the first to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        first, *others = zip(row, widths, strict=True)
        print("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]))


def print_checks(checks: Sequence[Check]) -> None:
    """One line each; a missed figure is `no`, a missed ratio that fails the run `NO`."""
    for check in checks:
        answer = "yes" if check.holds else "NO" if check.binds else "no"
        print(f"{answer:<4}{check.text}{'' if check.binds else ' (a figure of this machine)'}")


def save(path: Path | None, results: dict[str, Any], checks: Sequence[Check]) -> None:
    """Results and checks as JSON, if a path is given."""
    if path is not None:
        content = {**results, "machine": machine(), "checks": [check._asdict() for check in checks]}
        path.write_text(json.dumps(content, indent=2) + "\n")
