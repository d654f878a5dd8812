"""The chain digest, beside its definition in the documentation."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake import Covered, OffsetsChange, OffsetsLedger
from airflow_provider_defender.lake.log.digest import FIRST, chain_digest
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.offsets.support import events, hub_rejects, open_hub
from tests.unit.lake.support import START, Clock, digest_of, drain, local_lake, open_log
from tests.unit.lake.versions.support import begin, fill, home


def commits(root: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((home(root) / "commits").glob("*.json"))]


def check_chain(root: Path, count: int) -> None:
    found, before = commits(root), ""
    assert len(found) == count
    for commit in found:
        assert commit["digest"] == digest_of(commit, before)
        before = commit["digest"]
    newest = open_log(local_lake(root)).head().commit
    assert newest is not None
    assert newest.digest == before


def a_commit(root: Path) -> dict[str, Any]:
    """A commit with something in each of its members."""
    log = open_hub(local_lake(root))
    with log.begin(
        log.head(), OffsetsLedger(), kind="drain", window={"since": "zwölf", "n": [1, 2.5]}
    ) as hub:
        hub.write("events/DeviceInfo", events([(0, 1)]), Partitioning.HOUR)
        hub.quarantine(hub_rejects([(0, 2)]))
        hub.remove(["events/DeviceInfo/date=2026-11-22/hour=12/x-1.parquet"])
        hub.commit(OffsetsChange({0: Covered([(0, 3)], 3)}, {"read": 3}))
    [path] = (root / "_defender" / log.name / "commits").glob("*.json")
    values: dict[str, Any] = json.loads(path.read_bytes())
    return values


def places(value: Any, *way: Any) -> list[tuple[Any, ...]]:
    """The ways to all values inside of a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way] * bool(way) + [each for name, inner in inside for each in places(inner, *way, name)]


def changed(value: Any) -> Any:
    return value + 1 if isinstance(value, (int, float)) else f"{value}."


def test_each_commit_stands_for_all_before_it(tmp_path: Path) -> None:
    for number in range(4):
        drain(local_lake(tmp_path), [(f"k{number}", START + timedelta(minutes=number))])
    check_chain(tmp_path, 4)


def test_a_commit_upon_another_runs_is_chained_to_that(tmp_path: Path) -> None:
    drain(local_lake(tmp_path), [("first", START)])
    with begin(local_lake(tmp_path), "backfill") as mine:
        fill(mine, "mine", "both")
        with begin(local_lake(tmp_path), "backfill") as other:
            fill(other, "other", "both")
            other.commit()
        mine.commit()
    check_chain(tmp_path, 3)


def test_shortening_keeps_the_chain(tmp_path: Path) -> None:
    clock = Clock()
    for day in (0, 1, 40, 80):
        clock.now = START + timedelta(days=day)
        drain(local_lake(tmp_path, clock), [(f"k{day}", clock.now)])
    assert [commit["position"] is None for commit in commits(tmp_path)] == [True, True, True, False]
    check_chain(tmp_path, 4)


def test_every_lasting_value_counts_and_no_other(tmp_path: Path) -> None:
    commit = a_commit(tmp_path)
    digest = chain_digest(FIRST, commit)
    assert digest == commit["digest"] == digest_of(commit)
    ways = places(commit)
    members = set(commit) - {"removed"}
    assert members == {way[0] for way in ways} - {"removed"}
    assert commit["removed"]
    assert commit["rejects"][0]["offsets"] == {"0": [2, 2]}
    for way in ways:
        *outer, last = way
        copy = json.loads(json.dumps(commit))
        holder = copy
        for name in outer:
            holder = holder[name]
        holder[last] = changed(holder[last])
        assert (chain_digest(FIRST, copy) == digest) is (way[0] in ("position", "digest")), way
        del holder[last]
        assert (chain_digest(FIRST, copy) == digest) is (way[0] in ("position", "digest")), way


@pytest.mark.parametrize("before", ["0" * 64, "f" * 64])
def test_what_came_before_counts(tmp_path: Path, before: str) -> None:
    commit = a_commit(tmp_path)
    assert chain_digest(before, commit) == digest_of(commit, before) != commit["digest"]
