"""Peak memory of draining ten million logons from a hub into a lake, beside that of a hundred thousand.

    python -m benchmarks.bench_event_memory [--events 100000 10000000] [--hours 24] [--json results.json]

Each drain has a process of its own, in which everything from a message's bytes on is real: reading,
mapping, duplicates, writing, commit. Only the broker is not: messages of one record each are made from the
simulator's, with times of their own, spread over so many hours. The peak is the process's high-water mark
(`VmHWM`), Python and the libraries included. The goals: at most 400 MB, and at most 100 MB between the two.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.event_records import EventRecords
from benchmarks.peer_ways import MessageFile, drain
from benchmarks.report import Check, found_by, peak_bytes, print_checks, print_table, save

TABLE = "IdentityLogonEvents"
GOAL_BYTES, GOAL_GROWTH_BYTES = 400_000_000, 100_000_000


class MadeMessages(MessageFile):
    """Stands for the hook of a hub: messages that are made when they are read."""

    def __init__(self, events: int, span: timedelta) -> None:
        self._count = events
        self._records = EventRecords(TABLE, span=span)

    def messages(self) -> Iterator[bytes]:
        """All messages, made one by one."""
        return self._records.messages(self._count)


def measured(events: int, hours: float) -> dict[str, Any]:
    """A drain into a temporary lake, in this process."""
    hub = MadeMessages(events, timedelta(hours=hours))
    with tempfile.TemporaryDirectory(prefix="bench-event-memory-") as folder:
        begun, cpu = time.perf_counter(), time.process_time()
        rows = drain(hub, Path(folder))
        if rows != events:
            raise RuntimeError(f"{rows} of {events} records landed")
        files = [path.stat().st_size for path in Path(folder).rglob("date=*/**/*.parquet")]
    return {
        "events": events,
        "files": len(files),
        "written_bytes": sum(files),
        "peak_bytes": peak_bytes(),
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
    }


def in_a_process(events: int, hours: float) -> dict[str, Any]:
    """`measured` in a process of its own."""
    return found_by("bench_event_memory", "--here", "--events", str(events), "--hours", str(hours))


def checks_of(found: list[dict[str, Any]]) -> list[Check]:
    """The goals; that for growth binds, since both are of this run."""
    most = max(each["peak_bytes"] for each in found)
    growth = found[-1]["peak_bytes"] - found[0]["peak_bytes"]
    return [
        Check(f"at most {GOAL_BYTES / 1e6:.0f} MB ({most / 1e6:.0f})", most <= GOAL_BYTES, False),
        Check(
            f"{found[-1]['events']:,} events are within {GOAL_GROWTH_BYTES / 1e6:.0f} MB of "
            f"{found[0]['events']:,} ({growth / 1e6:.0f} MB)",
            growth <= GOAL_GROWTH_BYTES,
            True,
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measured(given.events[0], given.hours)))
        return 0
    found = [in_a_process(events, given.hours) for events in given.events]
    print_table(
        ("events", "peak, MB", "s", "CPU s", "files", "B a record"),
        [
            (
                f"{each['events']:,}",
                f"{each['peak_bytes'] / 1e6:,.0f}",
                each["seconds"],
                each["cpu_seconds"],
                each["files"],
                f"{each['written_bytes'] / each['events']:,.0f}",
            )
            for each in found
        ],
    )
    checks = checks_of(found)
    print_checks(checks)
    save(given.json, {"drains": found}, checks)
    return 0 if all(check.holds or not check.binds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
