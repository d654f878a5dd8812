"""A lake of both kinds of sources to tamper with, and ways to do so."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_defender.lake import (
    Covered,
    Difference,
    DifferenceType,
    Lake,
    OffsetsChange,
    OffsetsLedger,
    Verification,
    VersionsLedger,
    verify,
)
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.offsets.support import HUB, each, events, hub_rejects, open_hub
from tests.unit.lake.support import (
    LOG,
    START,
    Clock,
    alerts,
    digest_of,
    local_lake,
    open_log,
    rejects,
    version,
    watermark,
)

DAY = timedelta(days=1)

STORES = ("local", "object store")


def new_lake(store: str, root: Path, clock: Clock | None = None) -> Lake:
    """An empty lake in a folder, or in a store in memory, where there is only one at a time."""
    if store == "local":
        return local_lake(root / "lake", clock)
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    return Lake(MemoryFileSystem(), "/lake", single_writer=True, clock=clock or Clock(), sleep=lambda _: None)


def land_alerts(lake: Lake, keys: str, clock: Clock, broken: str = "") -> None:
    """A drain of an alert for each letter, created on one of three days; some cannot be mapped."""
    log = open_log(lake)
    head = log.head()
    now = clock.now
    with log.begin(head, VersionsLedger(since=head.position.watermark), kind="drain") as transaction:
        transaction.select_new([(key, version(now)) for key in keys + broken])
        rows = [(key, version(now), now - n % 3 * DAY) for n, key in enumerate(keys)]
        transaction.write("alerts", alerts(rows, items=2), Partitioning.DAY)
        if broken:
            transaction.quarantine(rejects((key, version(now)) for key in broken))
        transaction.commit(watermark(now))


def land_events(lake: Lake, start: int, end: int, kind: str = "drain") -> None:
    """A drain or a backfill of a hub's partition 0; every fifth message is broken."""
    log = open_hub(lake)
    ranges = {0: [(start, end)]}
    with log.begin(log.head(), OffsetsLedger(), kind=kind) as transaction:
        offsets = each(ranges)
        for table in ("DeviceInfo", "EmailEvents"):
            good = [row for row in offsets if row[1] % 5 and (row[1] % 2 == 0) == (table == "DeviceInfo")]
            transaction.write(f"events/{table}", events(good), Partitioning.HOUR)
        transaction.quarantine(hub_rejects(row for row in offsets if row[1] % 5 == 0))
        covered = Covered(read=ranges[0], next=end if kind == "drain" else None)
        transaction.commit(OffsetsChange({0: covered}))


def compact(lake: Lake, commits: int) -> None:
    """Merge the files of the first commits of the alerts' log."""
    log = open_log(lake)
    inputs = [file.path for number in range(1, commits + 1) for file in commit_of(log, number).added]
    with log.begin(log.head(), VersionsLedger(), kind="compaction") as transaction:
        for path in inputs:
            with lake.storage.open_input(path) as source:
                transaction.write("alerts", pq.ParquetFile(source).read(), Partitioning.DAY)
        transaction.remove(inputs)
        transaction.commit()


def commit_of(log: Any, number: int) -> Any:
    commit = log.commit(number)
    assert commit is not None
    return commit


def land_history(lake: Lake, clock: Clock) -> None:
    """Drains, backfills, a compaction, and so much time that the first commits are shortened.

    Six commits of alerts, of which the first two are replaced, and five of a hub.
    """
    land_alerts(lake, "abc", clock, broken="x")
    land_events(lake, 0, 12)
    clock.advance(timedelta(minutes=5))
    land_alerts(lake, "de", clock)
    land_events(lake, 12, 15)
    clock.advance(3 * DAY)
    land_alerts(lake, "f", clock, broken="y")
    land_events(lake, 30, 40, kind="backfill")
    compact(lake, 2)
    clock.advance(40 * DAY)
    land_alerts(lake, "ghi", clock, broken="z")
    land_events(lake, 15, 22)
    clock.advance(timedelta(minutes=5))
    land_alerts(lake, "j", clock, broken="w")
    land_events(lake, 22, 27)


@cache
def _history() -> dict[str, bytes]:
    """The files of such a lake, landed once."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(START)
        land_history(local_lake(Path(folder), clock), clock)
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def landed_lake(store: str, root: Path) -> Lake:
    """The lake of `land_history`."""
    lake = new_lake(store, root)
    for path, body in _history().items():
        lake.storage.replace(path, body)
    return lake


# What is in it -----------------------------------------------------------------------------------


def paths_that_count(lake: Lake, log: str) -> list[str]:
    """Files of data and of quarantine, by the commits."""
    commits = list(lake.log(log).commits())
    removed = {path for commit in commits for path in commit.removed}
    return [file.path for commit in commits for file in commit.files if file.path not in removed]


def digests(lake: Lake) -> dict[str, str]:
    """What one notes elsewhere."""
    return {log: commit_of(lake.log(log), lake.log(log).read_head().number).digest for log in (LOG, HUB)}


def commit_path(log: str, number: int) -> str:
    return f"_defender/{log}/commits/{number:08d}.json"


def head_number(lake: Lake, log: str) -> int:
    number: int = lake.log(log).read_head().number
    return number


# Tampering ---------------------------------------------------------------------------------------


def change_byte(lake: Lake, path: str, place: int = -9, by: int = 1) -> None:
    body = bytearray(lake.storage.read(path))
    body[place] = (body[place] + by) % 256
    lake.storage.replace(path, bytes(body))


def edit_commit(
    lake: Lake,
    log: str,
    number: int,
    edit: Callable[[dict[str, Any]], object],
    *,
    recompute: bool = False,
    up_to: int | None = None,
) -> None:
    """Change a commit's JSON object; with `recompute` its digest fits, and those of later ones `up_to`."""
    for each_number in range(number, (up_to or number) + 1):
        body = json.loads(lake.storage.read(commit_path(log, each_number)))
        if each_number == number:
            edit(body)
        if recompute:
            body["digest"] = digest_of(body, _digest_before(lake, log, each_number))
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        lake.storage.replace(commit_path(log, each_number), text.encode())


def _digest_before(lake: Lake, log: str, number: int) -> str:
    if number == 1:
        return ""
    digest: str = json.loads(lake.storage.read(commit_path(log, number - 1)))["digest"]
    return digest


# What is found -----------------------------------------------------------------------------------


def found_in(lake: Lake, **options: Any) -> list[Difference]:
    return list(verify(lake, threads=2, **options).differences)


def types(differences: list[Difference] | Verification) -> list[str]:
    """Their types by name, each once, sorted."""
    found = differences.differences if isinstance(differences, Verification) else differences
    return sorted({each.what.name for each in found})


def only(differences: list[Difference], what: DifferenceType) -> Difference:
    """The one difference that there is, of this type."""
    [difference] = differences
    assert difference.what is what
    return difference


def files_below(lake: Lake, folder: str) -> Iterator[str]:
    for name in lake.storage.list_folder(folder) or ():
        path = f"{folder}/{name}".lstrip("/")
        if lake.storage.list_folder(path) is None:
            yield path
        else:
            yield from files_below(lake, path)
