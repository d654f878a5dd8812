"""Random histories of a lake with all that can happen to it, and what its commits must then amount to.

Two REST logs land in the same partitions, and a hub in others. Drains, backfills, compaction, retention,
sweeps and the followers of open tables take turns, at clocks that step; many of them are killed. What must
hold is computed from the JSON of the commits and the files alone, without the code under test.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from airflow_provider_defender.lake import (
    CompactionSettings,
    DifferenceType,
    Lake,
    Log,
    NotPublished,
    RetentionSettings,
    VersionsLedger,
    VersionsPosition,
    Watermark,
    apply_retention,
    committed_files,
    compact,
    sweep,
    verify,
)
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.timestamps import datetime_to_ticks
from tests.unit.lake.faults import Crash, FaultAt, InjectedError, SteppedStorage
from tests.unit.lake.offsets.support import hub_backfill, hub_drain
from tests.unit.lake.support import OVERLAP, START, Clock, alerts, local_lake, version, watermark

ENDPOINT, GRAPH = LOGS = ("endpoint_alerts-tenant", "graph_alerts-tenant")
ALERTS, LATEST, DEVICES = "alerts", "alerts_latest", "events/DeviceInfo"
DATASETS = (ALERTS, LATEST, DEVICES)
HUB_PARTITIONS = 2

_LEAST_AGE = timedelta(days=3)
_EXPECTED = (Crash, InjectedError, NotPublished)
_STEPS_OF_A_RUN = 70

Row = tuple[str, str, str]
"""The dataset of a row, its key and its version."""


class Follower(Protocol):
    """Tables of one format that follow a lake."""

    def follow(self, lake: Lake) -> None:
        """Bring the tables up to date."""

    def remove(self, dataset: str) -> None:
        """Remove a table, not its files."""

    def files(self, dataset: str) -> list[str] | None:
        """The paths of the files of a table, sorted; None: there is no table."""

    def keys(self, dataset: str) -> list[tuple[str, str]]:
        """The keys and versions of all rows that a query of the table finds, sorted."""


class History:
    """A lake, its sources, and what happens to them.

    Attributes:
        met: how often each thing has happened; those that were killed have names of their own.
    """

    def __init__(self, root: Path, seed: int, followers: Iterable[Follower]) -> None:
        self.root = root
        self.chance = random.Random(seed)
        self.clock = Clock(START)
        self.met: Counter[str] = Counter()
        self._followers = list(followers)
        self._is_harmed = False
        self._every = self.chance.choice((2, 3))
        self._source: dict[str, list[tuple[str, datetime, datetime]]] = {log: [] for log in LOGS}
        self._ends = dict.fromkeys(range(HUB_PARTITIONS), 0)
        self._rows: dict[str, list[Row]] = {}
        self._has_latest = self.chance.random() < 0.6

    # What happens -------------------------------------------------------------------------------

    def step(self) -> None:
        """Let one thing happen, perhaps killed, and check what must hold at any moment."""
        works: Mapping[str, tuple[int, Callable[[Lake], Any]]] = {
            "drain": (6, self._drain),
            "backfill": (2, self._backfill),
            "drain of the hub": (4, self._hub_drain),
            "backfill of the hub": (2, self._hub_backfill),
            "compaction": (5, self._compact),
            "retention": (2, self._retire),
            "sweep": (1, self._sweep),
            "harm": (2, self._harm_checkpoint),
            "follower": (5, self._follow),
        }
        name = self.chance.choices(list(works), [weight for weight, _ in works.values()])[0]
        self._run(name, works[name][1], faulty=self.chance.random() < 0.35)
        self.check()
        self._let_time_pass()

    def _run(self, name: str, work: Callable[[Lake], Any], *, faulty: bool = False) -> None:
        lake = self.lake()
        if faulty:
            kind = self.chance.choice(("crash", "crash", "refused", "lost answer"))
            lake.storage = SteppedStorage(
                lake.storage, FaultAt(self.chance.randrange(1, _STEPS_OF_A_RUN), kind)
            )
        try:
            work(lake)
            self.met[name] += 1
        except _EXPECTED:
            if not faulty:
                raise
            self.met[f"{name}, killed"] += 1

    def lake(self) -> Lake:
        """The lake, opened anew, as each run does it."""
        lake = local_lake(self.root, self.clock, commits_per_checkpoint=self._every)
        lake.retry_waits = (0.0,)
        return lake

    def _let_time_pass(self) -> None:
        steps = (timedelta(minutes=3), timedelta(hours=2), timedelta(hours=26), timedelta(days=8))
        self.clock.advance(self.chance.choices(steps, (10, 4, 5, 1))[0])
        if self.chance.random() < 0.1:
            self.clock.advance(-timedelta(minutes=2))

    def _drain(self, lake: Lake) -> None:
        name = self.chance.choice(LOGS)
        for _ in range(self.chance.randint(0, 3)):
            self._alert(name)
        self._drain_log(lake, name)

    def _alert(self, name: str) -> None:
        """A new alert, or a new version of one, since the last one."""
        source = self._source[name]
        last = max((updated for _, updated, _ in source), default=START)
        moment = max(last, self.clock.now) + timedelta(seconds=self.chance.randint(1, 300))
        key, created = f"{name}/{len(source)}", moment
        if source and self.chance.random() < 0.3:
            key, _, created = self.chance.choice(source)
        source.append((key, moment, created))

    def _drain_log(self, lake: Lake, name: str) -> None:
        log = _open(lake, name)
        head = log.head()
        last = head.position.watermark
        since = None if last is None else Watermark(last, OVERLAP).overlap_start
        with log.begin(head, VersionsLedger(since=since), kind="drain") as transaction:
            source = self._source[name]
            read = [each for each in source if since is None or datetime_to_ticks(each[1]) >= since]
            self._write(transaction, read)
            newest = max((updated for _, updated, _ in read), default=None)
            transaction.commit(None if newest is None else watermark(newest))

    def _backfill(self, lake: Lake) -> None:
        name = self.chance.choice(LOGS)
        if not self._source[name]:
            return
        log = _open(lake, name)
        first = self.chance.randrange(len(self._source[name]))
        window = self._source[name][first : first + self.chance.randint(1, 6)]
        with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
            self._write(transaction, window)
            transaction.commit()

    @staticmethod
    def _write(transaction: Any, read: list[tuple[str, datetime, datetime]]) -> None:
        new = transaction.select_new([(key, version(updated)) for key, updated, _ in read])
        rows = [
            (key, version(updated), created)
            for (key, updated, created), is_new in zip(read, new, strict=True)
            if is_new
        ]
        transaction.write(ALERTS, alerts(rows), Partitioning.DAY)

    def _hub_drain(self, lake: Lake) -> None:
        for partition in self._ends:
            self._ends[partition] += self.chance.randint(0, 6)
        hub_drain(lake, self._ends)

    def _hub_backfill(self, lake: Lake) -> None:
        partition = self.chance.randrange(HUB_PARTITIONS)
        start = self.chance.randrange(self._ends[partition] + 1)
        hub_backfill(lake, {partition: (start, min(start + 8, self._ends[partition]))})

    def _compact(self, lake: Lake) -> None:
        compact(lake, CompactionSettings(commit_partitions=2, latest=self._has_latest))

    def _retire(self, lake: Lake) -> None:
        age = self.chance.choice((_LEAST_AGE, 2 * _LEAST_AGE))
        dataset = self.chance.choice(("*", ALERTS, "events/*"))
        apply_retention(lake, RetentionSettings({dataset: age}, commit_files=3))

    def _sweep(self, lake: Lake) -> None:
        found = sweep(lake, delete=True)
        assert not found.files, "a file that no commit names"

    def _harm_checkpoint(self, lake: Lake) -> None:
        checkpoints = sorted(self.root.glob("_defender/*/checkpoints/*.parquet"))
        if not checkpoints:
            return
        self._is_harmed = True
        path = self.chance.choice(checkpoints)
        body = path.read_bytes()
        path.unlink()
        harm = self.chance.choice(("gone", "cut", "changed"))
        if harm == "cut":
            path.write_bytes(body[: len(body) // 2])
        elif harm == "changed":
            at = self.chance.randrange(len(body))
            path.write_bytes(body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])

    def _follow(self, lake: Lake) -> None:
        if not self._followers:
            return
        follower = self.chance.choice(self._followers)
        if self.chance.random() < 0.15:
            follower.remove(self.chance.choice(DATASETS))
        follower.follow(lake)
        self.check_tables([follower])

    # What must hold -----------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `AssertionError` if a reader could see a wrong row now."""
        shown = self._shown()
        model = Model(self.root, self._rows_of)
        counts, under_way = set(model.files), set(model.under_way)
        assert counts - under_way <= shown, "files that count are not there"
        if under_way:
            assert shown <= counts | under_way, "files are shown that no commit names"
        else:
            assert shown == counts, "a plain reader finds other files than count"
        assert not [row for row, times in model.rows().items() if times > 1], "a row is there twice"
        if not under_way:
            for dataset in DATASETS:
                expected = sorted(str(self.root / path) for path in counts if path.startswith(f"{dataset}/"))
                assert sorted(committed_files(self.lake(), dataset)) == expected, dataset
        self._check_no_table_doubles()

    def _check_no_table_doubles(self) -> None:
        """No table, however far it has come, has a row twice."""
        for follower in self._followers:
            for dataset in DATASETS:
                paths = [self._relative(path) for path in follower.files(dataset) or ()]
                rows = Counter(row for path in paths for row in self._rows_of(path))
                assert not [row for row, times in rows.items() if times > 1], f"{dataset}: twice in a table"

    def check_tables(self, followers: Iterable[Follower], *, rows: bool = False) -> None:
        """Raise `AssertionError` unless the tables are what their logs' finished commits say."""
        model = Model(self.root, self._rows_of, finished=True)
        for follower in followers:
            for dataset in DATASETS:
                expected = sorted(path for path in model.files if path.startswith(f"{dataset}/"))
                found = follower.files(dataset)
                assert sorted(map(self._relative, found or ())) == expected, dataset
                if rows and found is not None:
                    landed = sorted(row[1:] for path in expected for row in self._rows_of(path))
                    assert follower.keys(dataset) == landed, dataset

    def end(self) -> None:
        """Let undisturbed runs bring all that is left, and check that all is there, once."""
        hub_drain(self.lake(), self._ends)
        for _ in range(3):  # what a commit has added can be merged when the next one is a day old
            for name in LOGS:
                self._alert(name)
                self._drain_log(self.lake(), name)
            self.clock.advance(timedelta(days=2))
            self._compact(self.lake())
            self.check()
        model = Model(self.root, self._rows_of)
        assert model.landed == self._all_rows(), "not all that the sources have has landed"
        assert not model.under_way
        for follower in self._followers:
            follower.follow(self.lake())
        self.check_tables(self._followers, rows=True)
        self._check_latest(model)
        found = verify(self.lake()).differences
        harmed = DifferenceType.CHECKPOINT_WRONG if self._is_harmed else None  # on purpose, and rightly told
        assert not [each.text for each in found if each.what is not harmed]

    def _all_rows(self) -> set[Row]:
        rows = {(ALERTS, key, version(updated)) for name in LOGS for key, updated, _ in self._source[name]}
        return rows | {
            (DEVICES, f"{partition}/{offset}/0", "")
            for partition, end in self._ends.items()
            for offset in range(end)
        }

    def _check_latest(self, model: Model) -> None:
        """Closed days have the newest versions, also those of which retention has removed a part."""
        if not self._has_latest:
            return
        newest: dict[tuple[str, str], str] = {}
        shown = Counter[tuple[str, str, str]]()
        for path in model.files:
            dataset, day = path.split("/")[:2]
            for _, key, value in self._rows_of(path):
                if dataset == ALERTS:
                    newest[day, key] = max(value, newest.get((day, key), ""))
                elif dataset == LATEST:
                    shown[day, key, value] += 1
        end = f"date={self.clock.now - timedelta(days=2):%Y-%m-%d}"
        expected = Counter((day, key, value) for (day, key), value in newest.items())
        for day in {row[0] for row in (*expected, *shown)}:
            if day < end:
                found, wanted = ({row for row in rows if row[0] == day} for rows in (shown, expected))
                assert found == wanted, f"{LATEST} of {day}"
        assert set(shown.values()) <= {1}, "an alert is there twice"

    # Files --------------------------------------------------------------------------------------

    def _shown(self) -> set[str]:
        """What a plain reader finds: each file is whole."""
        places = [
            place
            for top in (ALERTS, LATEST, "events")
            for place in (self.root / top).rglob("date=*/**/*.parquet")
        ]
        found = {self._relative(str(place)) for place in places}
        for path in found:
            self._rows_of(path)
        return found

    def _relative(self, path: str) -> str:
        return str(Path(path).relative_to(self.root))

    def _rows_of(self, path: str, staged: Path | None = None) -> list[Row]:
        """The rows of a file, read once: a file of one name never changes."""
        if path not in self._rows:
            place = self.root / path
            if staged is not None and not place.exists():
                place = staged
            dataset = path.partition("/date=")[0]
            landing = pq.ParquetFile(place).read(columns=["landing"])["landing"].to_pylist()
            self._rows[path] = [(dataset, each["key"], each["version"]) for each in landing]
        return self._rows[path]


class Model:
    """What the JSON of all commits amounts to.

    Checks on the way that a compaction keeps its rows, that retention removes old partitions only, and that
    no drain and no backfill of a hub lands a row again.

    Attributes:
        files: the paths of the files that count.
        landed: all rows that have ever landed.
        under_way: the files that the newest commits add or remove while they are not finished.
    """

    def __init__(self, root: Path, rows_of: Callable[..., list[Row]], *, finished: bool = False) -> None:
        self.files: dict[str, list[Row]] = {}
        self.landed: set[Row] = set()
        self.under_way: list[str] = []
        self._rows_of = rows_of
        for home in sorted(path for path in (root / "_defender").glob("*") if (path / "commits").is_dir()):
            self._read(home, finished)

    def rows(self) -> Counter[Row]:
        """How often each row is there."""
        return Counter(row for rows in self.files.values() for row in rows)

    def _read(self, home: Path, finished: bool) -> None:
        paths = sorted((home / "commits").glob("*.json"))
        for number, path in enumerate(paths, 1):
            commit = json.loads(path.read_text())
            assert commit["number"] == number, "a number is missing"
            staging = home / "staging" / commit["token"]
            if number == len(paths) and staging.exists():
                added = [file["path"] for file in commit["added"]]
                if finished and not all((home.parent.parent / each).exists() for each in added):
                    return
                self.under_way += [*added, *commit["removed"]]
            self._apply(commit, staging)

    def _apply(self, commit: Mapping[str, Any], staging: Path) -> None:
        removed = [row for path in commit["removed"] for row in self.files.pop(path)]
        added = []
        for file in commit["added"]:
            name = re.sub(r".*-(\d+)\.parquet", r"\1.staged", file["path"])
            self.files[file["path"]] = rows = self._rows_of(file["path"], staging / name)
            assert len(rows) == file["rows"]
            added += rows
        _check_kind(commit, removed, added, self.landed)
        self.landed.update(row for row in added if row[0] != LATEST)


def _check_kind(commit: Mapping[str, Any], removed: list[Row], added: list[Row], landed: set[Row]) -> None:
    if commit["kind"] == "compaction":
        kept = [Counter(row for row in rows if row[0] != LATEST) for rows in (removed, added)]
        assert kept[0] == kept[1], "a compaction has changed the rows"
    elif commit["kind"] == "retention":
        assert not added
        now = datetime.fromisoformat(commit["committed_at"])
        assert all(_end(path) <= now - _LEAST_AGE for path in commit["removed"]), "removed too early"
    else:
        assert not removed
        is_hub = commit["log"] not in LOGS
        if commit["kind"] == "drain" or is_hub:
            assert landed.isdisjoint(added), f"a {commit['kind']} has landed rows again"


def _end(path: str) -> datetime:
    found = re.search(r"date=([0-9-]+)(?:/hour=(\d+))?/", path)
    assert found is not None
    start = datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc)
    return start + (timedelta(days=1) if found[2] is None else timedelta(hours=int(found[2]) + 1))


def _open(lake: Lake, name: str) -> Log[VersionsPosition]:
    return lake.log(name, VersionsPosition, origin={"source": name})
