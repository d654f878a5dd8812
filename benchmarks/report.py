"""What the benchmarks share: processes of their own, checks against goals, the machine's state, tables."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
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


def found_by(
    module: str, *options: str, root: Path = ROOT, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What a module of the benchmarks, run in a process of its own, prints as its last line.

    `root`: where its package is, for another commit's. `environment`: variables besides those of this one.
    """
    return result_of(started("-m", f"benchmarks.{module}", *options, root=root, environment=environment))


def started(
    *arguments: str, root: Path = ROOT, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Python in a process of its own, at work as soon as this returns, with the packages of `root`."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, **(environment or {}), "PYTHONPATH": str(root)},
    )


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process that was started prints as its last line. Raises `CalledProcessError` if it fails."""
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def peak_bytes() -> int:
    """The most memory that this process has had, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


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
