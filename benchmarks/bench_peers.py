"""A drain beside the same full work by hand, by DuckDB and by Tenzir, in turns in one run.

    python -m benchmarks.bench_peers [--records 200000] [--runs 3] [--tables IdentityLogonEvents ...]
                                     [--tenzir .venv-tenzir/bin/tenzir] [--quick] [--json results.json]

What full work is, and what each of them does, is in `peer_ways`, and for `alerts` in `alert_ways`. Each run
is a process of its own, from the same file of messages or pages, with an empty folder; imports are not timed.
The ways take turns, so that a busy machine slows all of them; CPU seconds are those of the process and its
children. All figures are the least of the runs. Tenzir is no dependency: `make bench-tenzir` puts it into a
virtual environment of its own, and without it this benchmark says that it was left out. The same goes for
DuckDB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import alert_ways
from benchmarks.event_records import EventRecords
from benchmarks.peer_ways import WAYS, timed
from benchmarks.report import Check, found_by, machine, print_checks, print_table, save

ROOT = Path(__file__).parents[1]
TENZIR = ROOT / ".venv-tenzir" / "bin" / "tenzir"
ALERTS = "alerts"
TABLES = ("IdentityLogonEvents", "DeviceProcessEvents", ALERTS)
GOALS = {"hand": 1.4, "tenzir": 3.0, "duckdb": 1.75}
"""Records a CPU-second of a drain of logons, as a multiple of each peer's."""
WARM_RECORDS = 200


def ways_here(tenzir: Path) -> list[str]:
    """The ways that can run here; says which are left out, and why."""
    missing = {
        "duckdb": None if find_spec("duckdb") else "duckdb is not installed",
        "tenzir": None if tenzir.exists() else f"there is no {tenzir}; `make bench-tenzir` installs it",
    }
    for way, reason in missing.items():
        if reason:
            print(f"{way} is left out: {reason}")
    return [way for way in WAYS if not missing.get(way)]


def write_messages(path: Path, table: str, records: int) -> int:
    """A file with a message of one record in each line, or a page of alerts; its size in bytes."""
    if table == ALERTS:
        return alert_ways.write_pages(path, records)
    with path.open("wb") as file:
        for message in EventRecords(table).messages(records):
            file.write(message + b"\n")
        return file.tell()


def run(way: str, work: Mapping[str, Any]) -> dict[str, Any]:
    """One run in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as target:
        given = json.dumps({**work, "target": target})
        return found_by("bench_peers", "--here", way, "--work", given)


def in_turns(ways: Sequence[str], runs: int) -> Iterator[str]:
    """The ways, in another order each time."""
    for turn in range(runs):
        yield from ways[turn % len(ways) :]
        yield from ways[: turn % len(ways)]


def compared(table: str, ways: Sequence[str], given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The least CPU seconds, seconds and memory of each way."""
    size = write_messages(folder / "messages", table, given.records)
    write_messages(folder / "warm", table, WARM_RECORDS)
    work = {
        "source": str(folder / "messages"),
        "warm": str(folder / "warm"),
        "table": table,
        "tenzir": str(given.tenzir),
    }
    expected = given.records * (alert_ways.EVIDENCE if table == ALERTS else 1)
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for way in in_turns(ways, given.runs):
        runs[way].append(run(way, work))
        if runs[way][-1]["rows"] != expected:
            raise RuntimeError(f"{way} wrote {runs[way][-1]['rows']} of {expected} rows")
    least = {
        way: {name: min(each[name] for each in found) for name in found[0]} for way, found in runs.items()
    }
    return {"table": table, "records": given.records, "bytes": size / given.records, "ways": least}


def rows_of(case: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of the printed table: ratios first, each of the package to the peer."""
    own = case["ways"]["package"]
    for way, found in case["ways"].items():
        yield (
            f"{case['table']}: {way}",
            f"{found['cpu'] / own['cpu']:.2f}",
            f"{found['wall'] / own['wall']:.2f}",
            f"{case['records'] / found['cpu']:,.0f}",
            f"{case['records'] / found['wall']:,.0f}",
            f"{found['peak_bytes'] / 1e6:,.0f}",
            f"{found['written_bytes'] / case['records']:,.0f}",
            found["files"],
        )


def checks_of(cases: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The goals for logons. They are no ratio that fails a run: each peer has its own progress."""
    return [
        Check(
            f"logons: {goal} × the records a CPU-second of the same work by {way} "
            f"({case['ways'][way]['cpu'] / case['ways']['package']['cpu']:.2f})",
            case["ways"][way]["cpu"] / case["ways"]["package"]["cpu"] >= goal,
            False,
        )
        for case in cases
        if case["table"] == "IdentityLogonEvents"
        for way, goal in GOALS.items()
        if way in case["ways"]
    ]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--records", type=int)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--tenzir", type=Path, default=TENZIR)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.records = given.records or (20_000 if given.quick else 200_000)
    given.runs = given.runs or (1 if given.quick else 3)
    return given


def main() -> None:
    given = options()
    if given.here:
        ways_of_table = alert_ways.WAYS if given.work["table"] == ALERTS else WAYS
        print(json.dumps(timed(ways_of_table[given.here], given.here, given.work)))
        return
    ways = ways_here(given.tenzir)
    cases = []
    for table in given.tables:
        with tempfile.TemporaryDirectory(prefix="bench-peers-messages-") as folder:
            cases.append(compared(table, ways, given, Path(folder)))
    heads = (
        "full work",
        "package ÷ it, CPU",
        "wall",
        "records a CPU s",
        "a second",
        "MB",
        "B a record",
        "files",
    )
    print_table(heads, [row for case in cases for row in rows_of(case)])
    checks = checks_of(cases)
    print_checks(checks)
    save(given.json, {"load": machine()["load"], "runs": given.runs, "cases": cases}, checks)


if __name__ == "__main__":
    main()
