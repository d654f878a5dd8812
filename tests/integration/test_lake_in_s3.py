"""The lake in an S3-compatible store: moto's server, spoken to by s3fs over HTTP."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "lake"))

from lake_hub_support import HUB, each, events
from lake_support import LOG, START, Clock, alerts, drain, version, watermark
from s3_server import REGION, Request, S3Server

from airflow_provider_defender.lake import (
    CommitStateUnknown,
    Covered,
    HubChange,
    HubPosition,
    Lake,
    NotShown,
    Record,
    RecordUnreadable,
    StoreRefused,
    WriterSettings,
    committed_files,
)

pytestmark = pytest.mark.integration

BUCKET = "lake-bucket"
LATER = START + timedelta(minutes=5)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    logging.getLogger("werkzeug").disabled = True  # it reports the connections that tests cut
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _empty_bucket(server: S3Server) -> Iterator[None]:
    filesystem = server.filesystem()
    filesystem.mkdir(BUCKET)
    yield
    server.faults.clear()
    server.requests.clear()
    server.gate = lambda request: None
    filesystem.invalidate_cache()
    filesystem.rm(BUCKET, recursive=True)


def lake_of(server: S3Server, clock: Clock | None = None, **options: Any) -> Lake:
    """A lake as another process would open it."""
    lake = Lake(
        server.filesystem(), f"s3://{BUCKET}/lake", clock=clock or Clock(), sleep=lambda _: None, **options
    )
    lake.retry_waits = (0.0,)
    return lake


def names(server: S3Server, under: str = "") -> list[str]:
    return sorted(
        path.removeprefix(f"{BUCKET}/lake/") for path in server.filesystem().find(f"{BUCKET}/lake/{under}")
    )


def keys(server: S3Server) -> list[str]:
    """The keys of committed rows; a reader of `*.parquet` must find the same ones."""
    filesystem = server.filesystem()
    committed = _keys(filesystem, committed_files(lake_of(server), "alerts"))
    assert committed == _keys(filesystem, filesystem.glob(f"{BUCKET}/lake/alerts/**/*.parquet"))
    return committed


def _keys(filesystem: Any, paths: list[str]) -> list[str]:
    found = []
    for path in paths:
        with filesystem.open(path, "rb") as file:
            found += [row["key"] for row in pq.ParquetFile(file).read()["landing"].to_pylist()]
    return sorted(found)


def is_create(request: Request) -> bool:
    return request.method == "PUT" and "/commits/" in request.path


def is_upload(request: Request) -> bool:
    return request.method in ("PUT", "POST") and ".staged" in request.path


def is_copy(request: Request) -> bool:
    return request.method == "PUT" and "x-amz-copy-source" in request.headers


def test_drains_of_several_processes(server: S3Server) -> None:
    drain(lake_of(server), [("a", START), ("b", START - timedelta(days=1))])
    drain(lake_of(server), [("a", START), ("c", LATER)])
    assert drain(lake_of(server), [("c", LATER)]) is None
    assert keys(server) == ["a", "b", "c"]
    assert [path for path in names(server) if "staging" in path] == []
    assert [path for path in names(server) if "commits" in path] == [
        f"_defender/{LOG}/commits/00000001.json",
        f"_defender/{LOG}/commits/00000002.json",
    ]
    assert all(
        path.startswith(f"s3://{BUCKET}/lake/alerts/") for path in committed_files(lake_of(server), "alerts")
    )


def test_what_other_processes_do_is_seen_in_spite_of_cached_listings(server: S3Server) -> None:
    mine = lake_of(server)
    drain(mine, [("a", START)])
    mine.storage.list_folder("alerts/date=2026-11-22")
    drain(lake_of(server), [("b", LATER)])
    with mine.log(LOG).begin(mine.log(LOG).head(), kind="backfill") as draft:
        draft.select_new([("b", version(LATER)), ("c", version(START))])
        draft.write("alerts", alerts([("b", version(LATER), LATER), ("c", version(START), START)]))
        draft.commit()
    assert keys(server) == ["a", "b", "c"]


def test_compaction_removes_what_it_replaces(server: S3Server) -> None:
    lake = lake_of(server)
    records = [drain(lake, [(f"k{day}", START + timedelta(days=day))]) for day in (0, 1)]
    inputs = [file.path for record in records if record is not None for file in record.added]
    log = lake.log(LOG)
    with log.begin(log.head(), kind="compaction") as draft:
        for path in inputs:
            with lake.storage.open_input(path) as source:
                draft.write("alerts", pq.ParquetFile(source).read())
        draft.remove(inputs)
        draft.commit()
    assert keys(server) == ["k0", "k1"]
    assert not set(inputs) & set(names(server))


def test_a_failed_upload_lands_nothing(server: S3Server) -> None:
    drain(lake_of(server), [("a", START)])
    server.fail("broken", is_upload)
    with pytest.raises(OSError, match=r"no|InternalError"):
        drain(lake_of(server), [("b", LATER)])
    server.faults.clear()
    assert keys(server) == ["a"]
    assert [path for path in names(server) if "staging" in path] == []
    drain(lake_of(server), [("b", LATER)])
    assert keys(server) == ["a", "b"]


def large_drain(server: S3Server) -> Record | None:
    """One file of 20 MiB: an upload in parts."""
    lake = lake_of(server, settings=WriterSettings(compression_level=1))
    log = lake.log(LOG)
    with log.begin(log.head(), kind="drain") as draft:
        for part in range(10):
            text = os.urandom(1024 * 1024).hex()
            pair = (f"k{part}", version(START))
            draft.select_new([pair])
            draft.write("alerts", alerts([(*pair, START)], text=text * 2))
        return draft.commit(watermark(START))


def test_an_upload_in_parts(server: S3Server) -> None:
    record = large_drain(server)
    assert record is not None
    assert record.added[0].bytes > 10 * 1024 * 1024
    assert any("partNumber" in request.query for request in server.requests)
    assert keys(server) == sorted(f"k{part}" for part in range(10))


def test_an_upload_in_parts_that_fails_leaves_nothing(server: S3Server) -> None:
    server.fail("broken", lambda request: "partNumber=2" in request.query)
    with pytest.raises(OSError, match=r"no|InternalError"):
        large_drain(server)
    assert not [path for path in names(server) if "commits" in path or "staging" in path]
    assert server.filesystem().list_multipart_uploads(BUCKET) == []


@pytest.mark.parametrize("kind", ["lost", "throttled", "unheard"])
def test_a_repeated_upload(server: S3Server, kind: str) -> None:
    fault = server.fail(kind, is_upload, times=1)
    drain(lake_of(server), [("a", START)])
    assert fault.met == 1
    assert keys(server) == ["a"]


@pytest.mark.parametrize("times", [1, 3, 12])
def test_a_commit_whose_answer_is_lost(server: S3Server, times: int) -> None:
    """Once: the client repeats it by itself and is refused. More often: it gives up. The record is there."""
    fault = server.fail("lost", is_create, times=times)
    record = drain(lake_of(server), [("a", START)])
    assert fault.met >= min(times, 2) or times == 1
    assert record is not None
    assert lake_of(server).log(LOG).head().number == 1
    assert keys(server) == ["a"]
    drain(lake_of(server), [("a", START), ("b", LATER)])
    assert keys(server) == ["a", "b"]


@pytest.mark.parametrize("late", [False, True])
def test_a_commit_that_is_not_heard(server: S3Server, late: bool) -> None:
    """Its request may still arrive, so nothing is deleted; the next run takes things as they are then."""
    bodies: list[bytes] = []
    lake = lake_of(server)
    create = lake.storage.create
    lake.storage.create = lambda path, body, scratch: (bodies.append(body), create(path, body, scratch))[1]  # type: ignore[method-assign]
    server.fail("unheard", is_create)
    with pytest.raises(CommitStateUnknown, match="run again"):
        drain(lake, [("a", START)])
    server.faults.clear()
    assert len(set(bodies)) == 1
    assert len(bodies) == 2
    assert len([path for path in names(server) if "staging" in path]) == 1
    assert keys(server) == []
    if late:
        lake_of(server).storage.create(f"_defender/{LOG}/commits/00000001.json", bodies[0], "")
    drain(lake_of(server), [("a", START), ("b", START)])
    assert keys(server) == ["a", "b"]
    if not late:
        with pytest.raises(FileExistsError):
            lake_of(server).storage.create(f"_defender/{LOG}/commits/00000001.json", bodies[0], "")
        assert keys(server) == ["a", "b"]


@pytest.mark.parametrize("kind", ["throttled", "lost", "late error"])
def test_a_copy_that_succeeds_at_the_second_try(server: S3Server, kind: str) -> None:
    fault = server.fail(kind, is_copy, times=1)
    drain(lake_of(server), [("a", START)])
    assert fault.met == 1
    assert keys(server) == ["a"]


@pytest.mark.parametrize("kind", ["throttled", "broken", "unheard", "late error"])
def test_a_copy_that_fails(server: S3Server, kind: str) -> None:
    """The commit counts; the next run shows it before anything else."""
    server.fail(kind, lambda request: is_copy(request) and "date=2026-11-21" in request.path)
    with pytest.raises(NotShown, match="counts"):
        drain(lake_of(server), [("a", START), ("b", START - timedelta(days=1))])
    server.faults.clear()
    assert committed_files(lake_of(server), "alerts") == []
    assert drain(lake_of(server), [("a", START)]) is None
    assert keys(server) == ["a", "b"]
    assert [path for path in names(server) if "staging" in path] == []


def test_writers_racing_for_one_number(server: S3Server) -> None:
    """Four backfills with overlapping windows send their creates at the same moment."""
    drain(lake_of(server), [("a", START)])
    barrier = threading.Barrier(4)
    waited = threading.local()

    def together(request: Request) -> None:
        if is_create(request) and "00000002" in request.path and not hasattr(waited, "once"):
            waited.once = True
            barrier.wait(timeout=30)

    def backfill(number: int) -> int:
        lake = lake_of(server)
        log = lake.log(LOG)
        with log.begin(log.head(), kind="backfill") as draft:
            pairs = [(key, version(START)) for key in (f"own{number}", "common")]
            draft.select_new(pairs)
            draft.write("alerts", alerts((*pair, START) for pair in pairs))
            record = draft.commit()
        assert record is not None
        return record.number

    server.gate = together
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(backfill, range(4)))
    assert sorted(numbers) == [2, 3, 4, 5]
    assert keys(server) == ["a", "common", *(f"own{n}" for n in range(4))]


def test_mapped_tasks_of_a_hub_racing_for_one_number(server: S3Server) -> None:
    """Three live drains of a partition each, and a backfill of what one of them reads."""
    barrier = threading.Barrier(4)
    waited = threading.local()

    def together(request: Request) -> None:
        if is_create(request) and "00000001" in request.path and not hasattr(waited, "once"):
            waited.once = True
            barrier.wait(timeout=30)

    def run(partition: int) -> int:
        live = partition < 3
        read = {partition if live else 0: (0, 20) if live else (5, 30)}
        log = lake_of(server).log(HUB, HubPosition)
        with log.begin(log.head(), kind="drain" if live else "backfill") as draft:
            draft.write("events/DeviceInfo", events(each({key: [piece] for key, piece in read.items()})))
            record = draft.commit(
                HubChange({key: Covered([piece], piece[1] if live else None) for key, piece in read.items()})
            )
        assert record is not None
        return record.number

    server.gate = together
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(run, range(4)))
    assert sorted(numbers) == [1, 2, 3, 4]
    filesystem = server.filesystem()
    found = []
    for path in committed_files(lake_of(server), "events/DeviceInfo"):
        with filesystem.open(path, "rb") as file:
            for landing in pq.ParquetFile(file).read()["landing"].to_pylist():
                found.append((landing["kafka"]["partition"], landing["kafka"]["offset"]))
    assert sorted(found) == each({0: [(0, 30)], 1: [(0, 20)], 2: [(0, 20)]})
    assert [path for path in names(server) if "staging" in path] == []


def test_a_server_that_does_not_heed_conditions_is_refused(server: S3Server) -> None:
    server.fail("unconditional", lambda request: "if-none-match" in request.headers)
    with pytest.raises(StoreRefused, match="single_writer=True"):
        drain(lake_of(server), [("a", START)])
    assert drain(lake_of(server, single_writer=True), [("a", START)]) is not None
    assert keys(server) == ["a"]


def test_the_probe_costs_one_request_once_it_is_there(server: S3Server) -> None:
    def probes() -> int:
        return len([request for request in server.requests if request.path.endswith(".probe")])

    lake = lake_of(server)
    drain(lake, [("a", START)])
    drain(lake, [("b", LATER)])
    assert probes() == 2
    drain(lake_of(server), [("c", LATER)])
    assert probes() == 3


def test_a_server_in_trouble_is_not_taken_for_one_without_conditions(server: S3Server) -> None:
    server.fail("broken", lambda request: request.path.endswith(".probe"))
    with pytest.raises(OSError, match=r"no|InternalError"):
        drain(lake_of(server), [("a", START)])


# As tasks meet it ---------------------------------------------------------------------------------


@pytest.fixture
def connection(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's connection `lake_store`."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_LAKE_STORE",
        '{"conn_type": "aws", "login": "key", "password": "secret", "extra": '
        f'{{"endpoint_url": "{server.url}", "region_name": "{REGION}"}}}}',
    )


@pytest.mark.parametrize("name", ["a[b]", "a*", "{a,b}", "a#b", "a%20b", "a?b", "a b", "ä☃", "a+b&c=d"])
def test_a_root_of_any_name_through_airflows_path(server: S3Server, connection: None, name: str) -> None:
    from airflow_provider_defender.operators._lake import opened_lake

    server.filesystem().pipe_file(f"{BUCKET}/ab/lake/_defender/{LOG}/commits/00000001.json", b"{")
    root = f"s3://lake_store@{BUCKET}/{name}/lake"
    drain(opened_lake(root), [("a", START)])
    drain(opened_lake(root), [("a", START), ("b", LATER)])
    lake = opened_lake(root)
    with lake.log(LOG).begin(lake.log(LOG).head(), kind="backfill") as draft:
        draft.select_new([("b", version(LATER)), ("c", version(START))])
        draft.write("alerts", alerts([("b", version(LATER), START), ("c", version(START), START)]))
        draft.commit()
    filesystem = server.filesystem()
    assert all(
        path.startswith(f"s3://{BUCKET}/{name}/lake/alerts/") for path in committed_files(lake, "alerts")
    )
    assert _keys(filesystem, committed_files(lake, "alerts")) == ["a", "b", "c"]
    assert not [
        path for path in filesystem.find(f"{BUCKET}") if f"/{name}/" not in path and "/ab/" not in path
    ]


def test_what_is_wrong_with_a_store_is_said_with_the_cure(
    server: S3Server, connection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_defender.exceptions import (
        ConfigurationError,
        CredentialError,
        PermissionMissing,
        StoreUnavailable,
    )
    from airflow_provider_defender.operators._lake import lake_errors, opened_lake

    def land(root: str) -> None:
        with lake_errors(root):
            lake = opened_lake(root)
            lake.storage._fs.retries = 1  # type: ignore[attr-defined]
            drain(lake, [("a", START)])

    root = f"s3://lake_store@{BUCKET}/lake"
    with pytest.raises(ConfigurationError, match=r"no-such-bucket/lake'.*NoSuchBucket.*Create the bucket"):
        land("s3://lake_store@no-such-bucket/lake")
    for code, status, expected in (
        ("AccessDenied", "403 Forbidden", PermissionMissing),
        ("InvalidAccessKeyId", "403 Forbidden", CredentialError),
        ("SlowDown", "503 Slow Down", StoreUnavailable),
    ):
        server.faults.clear()
        server.fail(f"{status}|{code}", lambda request: True)
        with pytest.raises(expected, match=f"{re.escape(root)}.*{code}"):
            land(root)
    server.faults.clear()
    monkeypatch.setenv(
        "AIRFLOW_CONN_NOWHERE",
        '{"conn_type": "aws", "login": "key", "password": "secret", "extra": '
        f'{{"endpoint_url": "http://127.0.0.1:9", "region_name": "{REGION}"}}}}',
    )
    with pytest.raises(StoreUnavailable, match="does not answer"):
        land(f"s3://nowhere@{BUCKET}/lake")
    land(root)
    assert keys(server) == ["a"]


def test_a_lifecycle_rule_that_takes_records_away_is_said(server: S3Server, caplog: Any) -> None:
    for minute in range(3):
        drain(lake_of(server), [(f"k{minute}", START + timedelta(minutes=minute))])
    server.filesystem().rm_file(f"{BUCKET}/lake/_defender/{LOG}/commits/00000001.json")
    with pytest.raises(RecordUnreadable, match=r"lacks commit 1 in s3://.*lifecycle"):
        committed_files(lake_of(server), "alerts")
    assert drain(lake_of(server), [("new", START + timedelta(minutes=9))]) is not None
    assert "lacks commit 1 in" in caplog.text


def test_through_airflows_object_storage_path(server: S3Server, connection: None) -> None:
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(f"s3://lake_store@{BUCKET}/lake")
    drain(Lake(path.fs, path.path), [("a", START)])
    assert keys(server) == ["a"]
    assert committed_files(path, "alerts") == committed_files(lake_of(server), "alerts")
