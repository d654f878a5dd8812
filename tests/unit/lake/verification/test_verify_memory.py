"""`verify` keeps nothing in Python's memory that grows with the number of commits and files."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_defender.lake import Lake, verify
from airflow_provider_defender.lake.log.digest import chain_digest, position_digest
from tests.unit.lake.support import LOG

FILES = 10
BODY = b"PAR1"
POSITION: dict[str, Any] = {
    "type": "versions",
    "watermark": None,
    "filters": {},
    "begun_from": None,
    "keys_from": None,
    "keys_capped": False,
    "keys": {"key": [], "version": []},
}


class Generated:
    """A store with a log of so many commits, none of which is anywhere before it is read."""

    def __init__(self, commits: int) -> None:
        self.commits = commits
        self._digests = {0: ""}

    def list_folder(self, path: str) -> list[str] | None:
        return {"": ["_defender", "alerts"], "_defender": [LOG]}.get(path)

    def scan_folder(self, path: str) -> Iterator[str] | None:
        if path.endswith("/commits"):
            return (f"{number:08d}.json" for number in range(1, self.commits + 1))
        if path == "alerts":
            return iter(["date=2026-11-22"])
        if path == "alerts/date=2026-11-22":
            names = (self._names(number) for number in range(1, self.commits + 1))
            return (name for each in names for name in each)
        return None

    def _names(self, number: int) -> list[str]:
        return [f"{LOG}-{number:016x}-{file}.parquet" for file in range(FILES)]

    def read(self, path: str) -> bytes:
        raise FileNotFoundError(path)

    def read_many(self, paths: Sequence[str]) -> list[bytes]:
        return [self._commit(int(path[-13:-5]), path) for path in paths]

    def _commit(self, number: int, path: str) -> bytes:
        if number > self.commits:
            raise FileNotFoundError(path)
        files = [
            {
                "path": f"alerts/date=2026-11-22/{name}",
                "dataset": "alerts",
                "partition": "date=2026-11-22",
                "rows": 1,
                "bytes": len(BODY),
                "min_timestamp": "2026-11-22T00:00:00.000000+00:00",
                "max_timestamp": "2026-11-22T00:00:00.000000+00:00",
                "sha256": hashlib.sha256(BODY).hexdigest(),
            }
            for name in self._names(number)
        ]
        values: dict[str, Any] = {
            "format": 2,
            "log": LOG,
            "origin": {"source": "endpoint_alerts"},
            "number": number,
            "token": f"{number:016x}",
            "kind": "drain",
            "started_at": "2026-11-22T00:00:00.000000+00:00",
            "committed_at": "2026-11-22T00:00:00.000000+00:00",
            "window": {},
            "added": files,
            "removed": [],
            "rejects": [],
            "counts": {},
            "position_sha256": position_digest(POSITION),
            "position": POSITION,
        }
        digest = chain_digest(self._digests[number - 1], values)
        self._digests[number] = digest
        return json.dumps({**values, "digest": digest}).encode()

    def exists(self, path: str) -> bool:
        return True

    def open_stream(self, path: str) -> io.BytesIO:
        return io.BytesIO(BODY)


def peak(lake: Lake, commits: int) -> int:
    """Of Python's memory, while so many commits with ten files each are verified."""
    lake.storage = Generated(commits)  # type: ignore[assignment]
    tracemalloc.start()
    try:
        result = verify(lake, threads=1)
        found: int = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.differences == ()
    assert [(log.commits, log.files) for log in result.logs] == [(commits, commits * FILES)]
    return found


def test_memory_does_not_grow_with_the_lake(tmp_path: Any) -> None:
    lake = Lake.__new__(Lake)
    peak(lake, 40)  # what is made only once
    small, large = peak(lake, 160), peak(lake, 800)
    assert large - small < 300_000, (small, large)  # the paths of 6,400 files take 700,000
