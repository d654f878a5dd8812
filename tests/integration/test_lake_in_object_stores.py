"""The lake in object stores: their stand-ins, spoken to over HTTP by clients from Airflow's connections."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest

from airflow_provider_defender.lake import (
    Commit,
    CommitStateUnknown,
    CommitUnreadable,
    Covered,
    Lake,
    NotPublished,
    OffsetsChange,
    OffsetsLedger,
    StoreRefused,
    VersionsLedger,
    VersionsPosition,
    WriterSettings,
    committed_files,
)
from airflow_provider_defender.landing import Partitioning
from tests.object_stores.fixtures import running_store, store
from tests.object_stores.front import Request
from tests.object_stores.store import BUCKET, CONNECTION, Store
from tests.unit.lake.offsets.support import each, events, open_hub
from tests.unit.lake.support import LOG, START, Clock, alerts, drain, open_log, version, watermark

__all__ = ["running_store", "store"]

pytestmark = pytest.mark.integration

LATER = START + timedelta(minutes=5)


def lake_of(store: Store, clock: Clock | None = None, **options: Any) -> Lake:
    """A lake as another process would open it."""
    lake = Lake(store.filesystem(), f"{BUCKET}/lake", clock=clock or Clock(), sleep=lambda _: None, **options)
    lake.retry_waits = (0.0,)
    return lake


def names(store: Store, under: str = "") -> list[str]:
    return sorted(
        path.removeprefix(f"{BUCKET}/lake/") for path in store.filesystem().find(f"{BUCKET}/lake/{under}")
    )


def keys(store: Store) -> list[str]:
    """The keys of committed rows; a reader of `*.parquet` must find the same ones."""
    filesystem = store.filesystem()
    committed = _keys(filesystem, committed_files(lake_of(store), "alerts"))
    assert committed == _keys(filesystem, filesystem.glob(f"{BUCKET}/lake/alerts/date=*/*.parquet"))
    return committed


def _keys(filesystem: Any, paths: list[str]) -> list[str]:
    found = []
    for path in paths:
        with filesystem.open(path, "rb") as file:
            found += [row["key"] for row in pq.ParquetFile(file).read()["landing"].to_pylist()]
    return sorted(found)


def test_drains_of_several_processes(store: Store) -> None:
    drain(lake_of(store), [("a", START), ("b", START - timedelta(days=1))])
    drain(lake_of(store), [("a", START), ("c", LATER)])
    assert drain(lake_of(store), [("c", LATER)]) is None
    assert keys(store) == ["a", "b", "c"]
    assert [path for path in names(store) if "staging" in path] == []
    assert [path for path in names(store) if "commits" in path] == [
        f"_defender/{LOG}/commits/00000001.json",
        f"_defender/{LOG}/commits/00000002.json",
    ]
    assert all(
        path.startswith(store.filesystem().unstrip_protocol(f"{BUCKET}/lake/alerts/"))
        for path in committed_files(lake_of(store), "alerts")
    )


def test_what_other_processes_do_is_seen_in_spite_of_cached_listings(store: Store) -> None:
    mine = lake_of(store)
    drain(mine, [("a", START)])
    mine.storage.list_folder("alerts/date=2026-11-22")
    drain(lake_of(store), [("b", LATER)])
    with open_log(mine).begin(open_log(mine).head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.select_new([("b", version(LATER)), ("c", version(START))])
        transaction.write(
            "alerts", alerts([("b", version(LATER), LATER), ("c", version(START), START)]), Partitioning.DAY
        )
        transaction.commit()
    assert keys(store) == ["a", "b", "c"]


def test_compaction_removes_what_it_replaces(store: Store) -> None:
    lake = lake_of(store)
    records = [drain(lake, [(f"k{day}", START + timedelta(days=day))]) for day in (0, 1)]
    inputs = [file.path for record in records if record is not None for file in record.added]
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="compaction") as transaction:
        for path in inputs:
            with lake.storage.open_input(path) as source:
                transaction.write("alerts", pq.ParquetFile(source).read(), Partitioning.DAY)
        transaction.remove(inputs)
        transaction.commit()
    assert keys(store) == ["k0", "k1"]
    assert not set(inputs) & set(names(store))


def test_a_failed_upload_lands_nothing(store: Store) -> None:
    drain(lake_of(store), [("a", START)])
    store.front.fail("broken", store.stages)
    with pytest.raises(OSError, match="no"):
        drain(lake_of(store), [("b", LATER)])
    store.front.faults.clear()
    assert keys(store) == ["a"]
    assert [path for path in names(store) if "staging" in path] == []
    drain(lake_of(store), [("b", LATER)])
    assert keys(store) == ["a", "b"]


def large_drain(store: Store) -> Commit[VersionsPosition] | None:
    """One file of 20 MiB: an upload in parts."""
    lake = lake_of(store, settings=WriterSettings(compression_level=1))
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="drain") as transaction:
        for part in range(10):
            text = os.urandom(1024 * 1024).hex()
            pair = (f"k{part}", version(START))
            transaction.select_new([pair])
            transaction.write("alerts", alerts([(*pair, START)], text=text * 2), Partitioning.DAY)
        return transaction.commit(watermark(START))


def test_an_upload_in_parts(store: Store) -> None:
    record = large_drain(store)
    assert record is not None
    assert record.added[0].bytes > 10 * 1024 * 1024
    assert any(store.part(request) > 1 for request in store.front.requests)
    assert keys(store) == sorted(f"k{part}" for part in range(10))


def test_an_upload_in_parts_that_fails_leaves_nothing(store: Store) -> None:
    store.front.fail("broken", lambda request: store.part(request) == 2)
    with pytest.raises(OSError, match="no"):
        large_drain(store)
    assert not [path for path in names(store) if "commits" in path or "staging" in path]
    assert store.unfinished_uploads() == []


@pytest.mark.parametrize("kind", ["lost", "throttled", "unheard"])
def test_a_repeated_upload(store: Store, kind: str) -> None:
    fault = store.front.fail(kind, store.stages, times=1)
    drain(lake_of(store), [("a", START)])
    assert fault.met == 1
    assert keys(store) == ["a"]


@pytest.mark.parametrize("times", [1, 3, 12])
def test_a_commit_whose_answer_is_lost(store: Store, times: int) -> None:
    """Once: the client repeats it by itself and is refused. More often: it gives up. The record is there."""
    fault = store.front.fail("lost", store.creates, times=times)
    record = drain(lake_of(store), [("a", START)])
    assert fault.met >= min(times, 2) or times == 1
    assert record is not None
    assert open_log(lake_of(store)).head().number == 1
    assert keys(store) == ["a"]
    drain(lake_of(store), [("a", START), ("b", LATER)])
    assert keys(store) == ["a", "b"]


@pytest.mark.parametrize("late", [False, True])
def test_a_commit_that_is_not_heard(store: Store, late: bool) -> None:
    """Its request may still arrive, so nothing is deleted; the next run takes things as they are then."""
    bodies: list[bytes] = []
    lake = lake_of(store)
    create = lake.storage.create

    def noted(path: str, body: bytes, scratch: str) -> None:
        bodies.append(body)
        create(path, body, scratch)

    lake.storage.create = noted  # type: ignore[method-assign]
    store.front.fail("unheard", store.creates)
    with pytest.raises(CommitStateUnknown, match="run again"):
        drain(lake, [("a", START)])
    store.front.faults.clear()
    assert len(set(bodies)) == 1
    assert len(bodies) == 2
    assert len([path for path in names(store) if "staging" in path]) == 1
    assert keys(store) == []
    if late:
        lake_of(store).storage.create(f"_defender/{LOG}/commits/00000001.json", bodies[0], "")
    drain(lake_of(store), [("a", START), ("b", START)])
    assert keys(store) == ["a", "b"]
    if not late:
        with pytest.raises(FileExistsError):
            lake_of(store).storage.create(f"_defender/{LOG}/commits/00000001.json", bodies[0], "")
        assert keys(store) == ["a", "b"]


@pytest.mark.parametrize("kind", ["throttled", "lost"])
def test_a_copy_that_succeeds_at_the_second_try(store: Store, kind: str) -> None:
    fault = store.front.fail(kind, store.publishes, times=1)
    drain(lake_of(store), [("a", START)])
    assert fault.met == 1
    assert keys(store) == ["a"]


@pytest.mark.parametrize("kind", ["throttled", "broken", "unheard"])
def test_a_copy_that_fails(store: Store, kind: str) -> None:
    """The commit counts; the next run shows it before anything else."""
    store.front.fail(kind, lambda request: store.publishes(request) and "date=2026-11-21" in request.path)
    with pytest.raises(NotPublished, match="counts"):
        drain(lake_of(store), [("a", START), ("b", START - timedelta(days=1))])
    store.front.faults.clear()
    assert committed_files(lake_of(store), "alerts") == []
    assert drain(lake_of(store), [("a", START)]) is None
    assert keys(store) == ["a", "b"]
    assert [path for path in names(store) if "staging" in path] == []


@pytest.mark.parametrize("running_store", ["s3"], indirect=True)
def test_a_copy_whose_error_comes_late(store: Store) -> None:
    """S3 has begun its answer 200 by then; the error is in the body."""
    fault = store.front.fail("late error", store.publishes, times=1)
    drain(lake_of(store), [("a", START)])
    assert fault.met == 1
    store.front.fail("late error", store.publishes)
    with pytest.raises(NotPublished, match="counts"):
        drain(lake_of(store), [("b", LATER)])
    store.front.faults.clear()
    assert drain(lake_of(store), [("b", LATER)]) is None
    assert keys(store) == ["a", "b"]


@pytest.mark.parametrize("running_store", ["azure"], indirect=True)
def test_a_copy_that_goes_on_after_its_answer(store: Store) -> None:
    """Azure may copy in the background, and readers would see an object without content meanwhile."""
    store.front.fail("pending copy", lambda request: "x-ms-copy-source" in request.headers)
    drain(lake_of(store), [("a", START)])
    assert keys(store) == ["a"]


def test_first_runs_at_the_same_moment(store: Store) -> None:
    """Both find out whether the store creates conditionally, by the same object."""
    barrier = threading.Barrier(2)
    waited = threading.local()

    def together(request: Request) -> None:
        if store.completes(request).endswith(".probe") and not hasattr(waited, "once"):
            waited.once = True
            with suppress(threading.BrokenBarrierError):
                barrier.wait(timeout=5)

    store.front.gate = together
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda lake: lake.storage.check_create(), [lake_of(store), lake_of(store)]))
    assert names(store) == ["_defender/create.probe"]


def test_two_runs_show_the_same_file_at_the_same_moment(store: Store) -> None:
    """Of two uploads in blocks to one Azure blob, the first to end takes away the other's blocks."""
    store.front.fail("broken", store.publishes)
    with pytest.raises(NotPublished):
        drain(lake_of(store), [("a", START)])
    store.front.calm()
    barrier = threading.Barrier(2)

    def together(request: Request) -> None:
        if store.publishes(request):
            with suppress(threading.BrokenBarrierError):
                barrier.wait(timeout=5)

    store.front.gate = together
    with ThreadPoolExecutor(2) as pool:
        heads = list(pool.map(lambda lake: open_log(lake).head(), [lake_of(store), lake_of(store)]))
    assert [head.number for head in heads] == [1, 1]
    assert keys(store) == ["a"]


@pytest.mark.parametrize("kind", ["broken", "unheard", "cut short"])
def test_what_cannot_be_read_is_not_taken_for_absent(store: Store, kind: str) -> None:
    record = drain(lake_of(store), [("a", START)])
    assert record is not None
    storage, file = lake_of(store).storage, record.added[0].path
    store.front.fail(kind, lambda request: request.method in ("GET", "HEAD"))
    questions: list[Callable[[str], object]] = [
        storage.read,
        lambda path: storage.read_many([path, path]),
        storage.list_folder,
    ]
    if kind != "cut short":  # the answer is in the headers
        questions += [storage.exists, storage.modified]
    for ask in questions:
        with pytest.raises(OSError, match=r".") as error:
            ask(file)
        assert not isinstance(error.value, FileNotFoundError)


@pytest.mark.parametrize("running_store", ["azure"], indirect=True)
def test_folders_of_a_hierarchical_namespace_go_with_their_files(store: Store) -> None:
    """Azurite has none. There a folder is a blob whose metadata say so, and stays when it is empty."""
    storage = lake_of(store).storage
    storage.replace("_defender/staging/token/1.staged", b"1")
    with store.filesystem().open(f"{BUCKET}/lake/_defender/staging/token", "wb") as marker:
        marker.metadata = {"hdi_isfolder": "true"}
    assert not storage.exists("_defender/staging/token")
    assert storage.list_folder("_defender/staging/token") == ["1.staged"]
    storage.delete_folder("_defender/staging/token")
    assert names(store) == []
    assert storage.list_folder("_defender/staging") is None


@pytest.mark.parametrize("running_store", ["azure"], indirect=True)
@pytest.mark.parametrize("folder", ["[new]", "a:b"])
def test_folders_that_the_client_of_azure_cannot_write_to_are_refused(store: Store, folder: str) -> None:
    lake = Lake(store.filesystem(), f"{BUCKET}/{folder}/lake")
    with pytest.raises(StoreRefused, match="first folder"):
        drain(lake, [("a", START)])
    assert store.filesystem().find(BUCKET) == []


@pytest.mark.parametrize("running_store", ["azure"], indirect=True)
def test_requests_to_azure_do_not_fill_a_tasks_log(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        drain(lake_of(store), [("a", START)])
    assert [record.name for record in caplog.records if record.name.startswith("azure")] == []


def test_writers_racing_for_one_number(store: Store) -> None:
    """Four backfills with overlapping windows send their creates at the same moment."""
    drain(lake_of(store), [("a", START)])
    barrier = threading.Barrier(4)
    waited = threading.local()

    def together(request: Request) -> None:
        if store.creates(request) and "00000002" in request.path and not hasattr(waited, "once"):
            waited.once = True
            barrier.wait(timeout=30)

    def backfill(number: int) -> int:
        lake = lake_of(store)
        log = open_log(lake)
        with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
            pairs = [(key, version(START)) for key in (f"own{number}", "common")]
            transaction.select_new(pairs)
            transaction.write("alerts", alerts((*pair, START) for pair in pairs), Partitioning.DAY)
            record = transaction.commit()
        assert record is not None
        return record.number

    store.front.gate = together
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(backfill, range(4)))
    assert sorted(numbers) == [2, 3, 4, 5]
    assert keys(store) == ["a", "common", *(f"own{n}" for n in range(4))]


def test_mapped_tasks_of_a_hub_racing_for_one_number(store: Store) -> None:
    """Three live drains of a partition each, and a backfill of what one of them reads."""
    barrier = threading.Barrier(4)
    waited = threading.local()

    def together(request: Request) -> None:
        if store.creates(request) and "00000001" in request.path and not hasattr(waited, "once"):
            waited.once = True
            barrier.wait(timeout=30)

    def run(partition: int) -> int:
        live = partition < 3
        read = {partition if live else 0: (0, 20) if live else (5, 30)}
        log = open_hub(lake_of(store))
        with log.begin(log.head(), OffsetsLedger(), kind="drain" if live else "backfill") as transaction:
            transaction.write(
                "events/DeviceInfo",
                events(each({key: [piece] for key, piece in read.items()})),
                Partitioning.HOUR,
            )
            record = transaction.commit(
                OffsetsChange(
                    {key: Covered([piece], piece[1] if live else None) for key, piece in read.items()}
                )
            )
        assert record is not None
        return record.number

    store.front.gate = together
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(run, range(4)))
    assert sorted(numbers) == [1, 2, 3, 4]
    filesystem = store.filesystem()
    found = []
    for path in committed_files(lake_of(store), "events/DeviceInfo"):
        with filesystem.open(path, "rb") as file:
            rows = pq.ParquetFile(file).read()["landing"].to_pylist()
            found += [(landing["kafka"]["partition"], landing["kafka"]["offset"]) for landing in rows]
    assert sorted(found) == each({0: [(0, 30)], 1: [(0, 20)], 2: [(0, 20)]})
    assert [path for path in names(store) if "staging" in path] == []


def test_a_server_that_does_not_heed_conditions_is_refused(store: Store) -> None:
    store.front.fail("unconditional", store.is_conditional)
    with pytest.raises(StoreRefused, match="single_writer=True"):
        drain(lake_of(store), [("a", START)])
    assert drain(lake_of(store, single_writer=True), [("a", START)]) is not None
    assert keys(store) == ["a"]


def test_the_probe_costs_one_request_once_it_is_there(store: Store) -> None:
    def probes() -> int:
        return len([1 for request in store.front.requests if store.completes(request).endswith(".probe")])

    lake = lake_of(store)
    drain(lake, [("a", START)])
    drain(lake, [("b", LATER)])
    assert probes() == 2
    drain(lake_of(store), [("c", LATER)])
    assert probes() == 3


def test_a_server_in_trouble_is_not_taken_for_one_without_conditions(store: Store) -> None:
    store.front.fail("broken", lambda request: store.completes(request).endswith(".probe"))
    with pytest.raises(OSError, match="no"):
        drain(lake_of(store), [("a", START)])


# As tasks meet it ---------------------------------------------------------------------------------

BY_AIRFLOW = pytest.mark.parametrize("running_store", ["s3", "azure"], indirect=True)


@pytest.fixture
def connection(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's connection to the store."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", store.connection())
    Store.attach(store)


@BY_AIRFLOW
@pytest.mark.parametrize("name", ["a[b]", "a*", "{a,b}", "a#b", "a%20b", "a?b", "a b", "ä☃", "a+b&c=d"])
def test_a_root_of_any_name_through_airflows_path(store: Store, connection: None, name: str) -> None:
    from airflow_provider_defender.stores.opening import opened_lake

    beside = f"{BUCKET}/in/ab/lake/_defender/{LOG}/commits/00000001.json"
    store.filesystem().pipe_file(beside, b"{")
    Store.attach(store)
    root = store.url(f"in/{name}/lake")
    drain(opened_lake(root), [("a", START)])
    drain(opened_lake(root), [("a", START), ("b", LATER)])
    lake = opened_lake(root)
    with open_log(lake).begin(open_log(lake).head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.select_new([("b", version(LATER)), ("c", version(START))])
        transaction.write(
            "alerts", alerts([("b", version(LATER), START), ("c", version(START), START)]), Partitioning.DAY
        )
        transaction.commit()
    filesystem = store.filesystem()
    below = f"{BUCKET}/in/{name}/lake/"
    url = filesystem.unstrip_protocol(f"{below}alerts/")
    assert all(path.startswith(url) for path in committed_files(lake, "alerts"))
    assert _keys(filesystem, committed_files(lake, "alerts")) == ["a", "b", "c"]
    assert [path for path in filesystem.find(BUCKET) if not path.startswith(below)] == [beside]


@pytest.mark.parametrize("running_store", ["s3"], indirect=True)
def test_what_is_wrong_with_a_store_is_said_with_the_cure(
    store: Store, connection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_defender.exceptions import (
        ConfigurationError,
        CredentialError,
        PermissionMissing,
        StoreUnavailable,
    )
    from airflow_provider_defender.stores.opening import lake_errors, opened_lake

    def land(root: str) -> None:
        with lake_errors(root):
            lake = opened_lake(root)
            lake.storage._fs.retries = 1  # type: ignore[attr-defined]
            drain(lake, [("a", START)])

    root = store.url()
    with pytest.raises(ConfigurationError, match=r"no-such-bucket/lake'.*NoSuchBucket.*Create the bucket"):
        land(root.replace(BUCKET, "no-such-bucket"))
    for code, status, expected in (
        ("AccessDenied", "403 Forbidden", PermissionMissing),
        ("InvalidAccessKeyId", "403 Forbidden", CredentialError),
        ("SlowDown", "503 Slow Down", StoreUnavailable),
    ):
        store.front.faults.clear()
        store.front.fail(f"{status}|{code}", lambda request: True)
        with pytest.raises(expected, match=f"{re.escape(root)}.*{code}"):
            land(root)
    store.front.faults.clear()
    elsewhere = store.connection().replace(store.front.url, "http://127.0.0.1:9")
    monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", elsewhere)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        land(f"s3://nowhere@{BUCKET}/lake")
    land(root)
    assert keys(store) == ["a"]


def test_a_lifecycle_rule_that_takes_records_away_is_said(store: Store, caplog: Any) -> None:
    for minute in range(3):
        drain(lake_of(store), [(f"k{minute}", START + timedelta(minutes=minute))])
    store.filesystem().rm_file(f"{BUCKET}/lake/_defender/{LOG}/commits/00000001.json")
    with pytest.raises(CommitUnreadable, match=r"lacks commit 1 in .*://.*lifecycle"):
        committed_files(lake_of(store), "alerts")
    assert drain(lake_of(store), [("new", START + timedelta(minutes=9))]) is not None
    assert "lacks commit 1 in" in caplog.text


@BY_AIRFLOW
def test_through_airflows_object_storage_path(store: Store, connection: None) -> None:
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(store.url())
    drain(Lake(path.fs, path.path), [("a", START)])
    assert keys(store) == ["a"]
    assert committed_files(path, "alerts") == committed_files(lake_of(store), "alerts")
