"""`verify` in object stores: their stand-ins, spoken to over HTTP by clients from Airflow's connections."""

from __future__ import annotations

import hashlib
import re
from unittest.mock import patch

import pytest

from airflow_provider_defender.__main__ import main
from airflow_provider_defender.lake import Lake, reading, verify
from airflow_provider_defender.lake.verification.files import CHUNK_BYTES, read
from tests.object_stores.fixtures import running_store, store
from tests.object_stores.store import BUCKET, Store
from tests.unit.lake.offsets.support import HUB
from tests.unit.lake.support import LOG, START, Clock
from tests.unit.lake.verification.support import (
    change_byte,
    commit_path,
    digests,
    edit_commit,
    found_in,
    land_history,
    paths_that_count,
    types,
)

__all__ = ["running_store", "store"]

pytestmark = pytest.mark.integration


@pytest.fixture
def lake(store: Store) -> Lake:
    """A lake as it is landed in a store."""
    clock = Clock(START)
    lake = Lake(store.filesystem(), f"{BUCKET}/lake", clock=clock, sleep=lambda _: None)
    land_history(lake, clock)
    return Lake(store.filesystem(), f"{BUCKET}/lake")


def test_nothing_differs_in_a_lake_as_it_was_landed(lake: Lake, store: Store) -> None:
    noted = digests(lake)
    store.front.requests.clear()
    result = verify(lake, digests=noted)
    assert result.differences == ()
    assert [(log.name, log.commits, log.files, log.proved) for log in result.logs] == [
        (LOG, 6, 12, 6),
        (HUB, 5, 16, 5),
    ]
    assert {request.method for request in store.front.requests} <= {"GET", "HEAD"}  # nothing is written


def test_tampering_is_found(lake: Lake) -> None:
    noted = digests(lake)
    for log in (LOG, HUB):
        changed, removed, copied, *_ = paths_that_count(lake, log)
        bodies = {path: lake.storage.read(path) for path in (changed, removed)}
        change_byte(lake, changed)
        lake.storage.delete(removed)
        put_in = f"{copied.rpartition('/')[0]}/evil.parquet"
        lake.storage.replace(put_in, lake.storage.read(copied))
        assert {(each.what.name, each.path) for each in found_in(lake, digests=noted)} == {
            ("FILE_CHANGED", changed),
            ("FILE_MISSING", removed),
            ("FILE_UNKNOWN", put_in),
        }
        lake.storage.delete(put_in)
        for path, body in bodies.items():
            lake.storage.replace(path, body)
    commits = [lake.storage.read(commit_path(HUB, number)) for number in range(1, 6)]
    edit_commit(lake, HUB, 5, lambda body: body.update(kind="backfill"), recompute=True)
    assert found_in(lake) == []
    assert types(found_in(lake, digests=noted)) == ["DIGEST_UNKNOWN"]
    lake.storage.replace(commit_path(HUB, 5), commits[4])
    lake.storage.delete(commit_path(HUB, 1))
    assert types(found_in(lake, digests=noted)) == ["COMMIT_MISSING", "FILE_UNKNOWN"]
    for number, body in ((1, commits[1]), (2, commits[0])):
        lake.storage.replace(commit_path(HUB, number), body)
    assert types(found_in(lake, digests=noted)) == ["COMMIT_MISPLACED", "FILE_UNKNOWN"]


def test_large_files_are_read_in_pieces(store: Store) -> None:
    """Not 50 MiB ahead, as s3fs does by default: eight files are read at once."""
    lake = Lake(store.filesystem(), f"{BUCKET}/lake")
    body = bytes(range(256)) * (36 * 1024)  # 9 MiB
    lake.storage.replace("alerts/large.parquet", body)
    store.front.requests.clear()
    assert read(lake.storage, "alerts/large.parquet") == (len(body), hashlib.sha256(body).hexdigest())
    headers = [request.headers for request in store.front.requests if request.method == "GET"]
    ranges = [
        re.search(r"bytes=(\d+)-(\d+)", each.get("x-ms-range") or each.get("range", "")) for each in headers
    ]
    sizes = [int(found[2]) - int(found[1]) + 1 for found in ranges if found]
    assert len(sizes) >= 3
    assert max(sizes) <= CHUNK_BYTES


def test_the_command(lake: Lake, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"{store.scheme}://{BUCKET}/lake"
    with patch.object(reading, "url_to_fs", lambda address: (store.filesystem(), address)):
        assert main(["verify", url]) == 0
        assert capsys.readouterr().out.count("  digest of commit ") == 2
        lake.storage.delete(commit_path(LOG, 1))
        assert main(["verify", url]) == 1
        assert f"COMMIT_MISSING: {LOG} lacks commit 1, " in capsys.readouterr().out
        assert main(["verify", f"{url}-of-nobody"]) == 2
        assert "there is no lake in " in capsys.readouterr().err
