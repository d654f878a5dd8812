"""How fast `lake.verify` reads a lake, beside SHA-256 of the same files alone, and how much memory it takes.

    python -m benchmarks.bench_verify [--commits 200 2000] [--runs 3] [--quick] [--json results.json]

Two lakes: one of many commits with ten small files each, one of large files. The baseline opens, reads and
hashes the same files one after the other, as `sha256sum` does, with a list of them at hand. Of small files
most of the time goes into commits, the index and listings; of large ones several are hashed at once. Both
read from the page cache. Memory is the high-water mark (`VmHWM`) of a process that verifies a lake of small
files, and of one that verifies ten times as many commits and files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.report import Check, found_by, peak_bytes, print_checks, print_table, save

START = datetime(2026, 11, 22, tzinfo=timezone.utc)
SMALL_FILES = 10
LARGE_BYTES = 64 * 1024 * 1024
MEMORY_GOAL = 16_000_000
SMALL_RATIO, LARGE_RATIO = 0.1, 0.85
_CHUNK = 1024 * 1024


def land(root: Path, commits: int, files: int, size: int) -> None:
    """A hub's log of so many commits, each with so many files of a size; without waiting for the disk."""
    import pyarrow as pa
    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_defender.lake import (
        Covered,
        Lake,
        OffsetsChange,
        OffsetsLedger,
        OffsetsPosition,
        WriterSettings,
    )
    from airflow_provider_defender.landing import Partitioning

    kafka = pa.struct([("partition", pa.int32()), ("offset", pa.int64())])
    schema = pa.schema(
        [
            ("@timestamp", pa.timestamp("us", "UTC")),
            ("landing", pa.struct([("kafka", kafka)])),
            ("text", pa.binary()),
        ]
    )
    settings = WriterSettings(file_bytes=2 * size)
    lake = Lake(LocalFileSystem(), str(root), settings=settings)
    log = lake.log("event_hub-bench", OffsetsPosition, origin={"source": "event_hub", "hub": "bench"})
    with patch.object(os, "fsync", lambda descriptor: None):
        for number in range(commits):
            with log.begin(log.head(), OffsetsLedger(), kind="drain") as transaction:
                first = number * files
                for offset in range(first, first + files):
                    pieces = [os.urandom(min(size, _CHUNK)) for _ in range(max(1, size // _CHUNK))]
                    moment = START + timedelta(hours=offset % 480)
                    landing = {"kafka": {"partition": 0, "offset": offset}}
                    rows = [[moment] * len(pieces), [landing] * len(pieces), pieces]
                    transaction.write("events/Bench", pa.table(rows, schema=schema), Partitioning.HOUR)
                covered = Covered(read=[(first, first + files)], next=first + files)
                transaction.commit(OffsetsChange({0: covered}))


def hash_alone(paths: Sequence[str]) -> list[str]:
    """The baseline."""
    found = []
    for path in paths:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        found.append(digest.hexdigest())
    return found


def verify_whole(root: Path) -> None:
    """Verify a lake in which nothing differs."""
    from airflow_provider_defender import lake

    result = lake.verify(root)
    if result.found:
        raise RuntimeError(result.differences[0].text)


def seconds(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def compared(name: str, root: Path, runs: int) -> dict[str, Any]:
    """Both ways, in turns."""
    paths = sorted(str(path) for path in (root / "events").rglob("*.parquet"))
    size = sum(os.path.getsize(path) for path in paths)
    hash_alone(paths)
    ours, alone = [], []
    for _ in range(runs):
        alone.append(seconds(lambda: hash_alone(paths)))
        ours.append(seconds(lambda: verify_whole(root)))
    return {
        "lake": name,
        "files": len(paths),
        "bytes": size,
        "verify_mb_s": round(size / statistics.median(ours) / 1e6, 1),
        "verify_files_s": round(len(paths) / statistics.median(ours)),
        "hash_mb_s": round(size / statistics.median(alone) / 1e6, 1),
        "ratio": round(statistics.median(a / o for a, o in zip(alone, ours, strict=True)), 2),
    }


def here(root: Path) -> None:
    """In a process of its own: verify a lake, for its memory."""
    verify_whole(root)
    print(json.dumps({"peak_bytes": peak_bytes()}))


def measure(commits: Sequence[int], runs: int, large: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as folder:
        roots = [Path(folder) / str(count) for count in commits]
        for root, count in zip(roots, commits, strict=True):
            land(root, count, SMALL_FILES, 2048)
        land(Path(folder) / "large", large, 2, LARGE_BYTES)
        return {
            "speed": [
                compared("small files", roots[-1], runs),
                compared("large files", Path(folder) / "large", runs),
            ],
            "memory": [
                {"commits": count, **found_by("bench_verify", "--here", str(root))}
                for root, count in zip(roots, commits, strict=True)
            ],
        }


def checks_of(found: dict[str, Any]) -> list[Check]:
    small, large = found["speed"]
    first, last = found["memory"]
    growth = last["peak_bytes"] - first["peak_bytes"]
    return [
        Check(
            f"verify reads small files at {SMALL_RATIO} of the speed of SHA-256 alone ({small['ratio']})",
            small["ratio"] >= SMALL_RATIO,
            True,
        ),
        Check(
            f"verify reads large files at {LARGE_RATIO} of the speed of SHA-256 alone ({large['ratio']})",
            large["ratio"] >= LARGE_RATIO,
            True,
        ),
        Check(
            f"memory of {last['commits']:,} commits is within {MEMORY_GOAL / 1e6:.0f} MB of that of "
            f"{first['commits']:,} ({growth / 1e6:.0f} MB)",
            growth <= MEMORY_GOAL,
            True,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--commits", type=int, nargs=2, default=[200, 2000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", type=int, default=4, help="commits with two large files each")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        here(given.here)
        return
    if given.quick:
        given.commits, given.large = [50, 500], 1
    found = measure(given.commits, given.runs, given.large)
    print_table(
        ["", "files", "MB", "verify MB/s", "files/s", "SHA-256 MB/s", "ratio"],
        [
            [
                each["lake"],
                f"{each['files']:,}",
                f"{each['bytes'] / 1e6:,.0f}",
                each["verify_mb_s"],
                f"{each['verify_files_s']:,}",
                each["hash_mb_s"],
                each["ratio"],
            ]
            for each in found["speed"]
        ],
    )
    for each in found["memory"]:
        print(f"{each['commits']:>9,} commits of small files: peak {each['peak_bytes'] / 1e6:,.0f} MB")
    checks = checks_of(found)
    print_checks(checks)
    save(given.json, found, checks)


if __name__ == "__main__":
    main()
