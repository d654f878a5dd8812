"""A lake in an object store, without a server: odd names, slow copies, requests without an end."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.lake import (
    CommitStateUnknown,
    Lake,
    NotPublished,
    VersionsLedger,
    committed_files,
)
from airflow_provider_defender.lake.storage import bounded, object_store
from airflow_provider_defender.lake.storage.bounded import within
from airflow_provider_defender.lake.storage.object_store import ObjectStorage
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.support import LOG, START, Clock, alerts, drain, open_log, rows_of, version

LATER = START + timedelta(minutes=5)
ODD = ["a[b]", "a*", "a?b", "{a,b}", "a#b", "a%20b", "a b", "ä☃", "[!a]", "a[", "]a", "**", "a+b&c=d;e'f\"g"]


@pytest.fixture(autouse=True)
def _empty_store() -> None:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def lake_in(filesystem: AbstractFileSystem, root: str = "/lake", **options: Any) -> Lake:
    lake = Lake(filesystem, root, single_writer=True, clock=Clock(), sleep=lambda _: None, **options)
    lake.retry_waits = (0.0,)
    return lake


def land_and_compact(lake: Lake) -> None:
    """All that the protocol asks of a store: reads of one and many, listings, copies, deletions."""
    drain(lake, [("a", START), ("b", START - timedelta(days=1))])
    drain(lake, [("c", LATER)])
    log = open_log(lake)
    with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
        pairs = [("a", version(START)), ("d", version(START))]
        transaction.select_new(pairs)
        transaction.write("alerts", alerts((*pair, START) for pair in pairs), Partitioning.DAY)
        transaction.commit()
    inputs = [file.path for record in log.commits() for file in record.added]
    with log.begin(log.head(), VersionsLedger(), kind="compaction") as transaction:
        transaction.write(
            "alerts", alerts([(key, version(START), START) for key in "abcd"]), Partitioning.DAY
        )
        transaction.remove(inputs)
        transaction.commit()


# Names that look like patterns -------------------------------------------------------------------


class Literal(MemoryFileSystem):
    """A store in memory that refuses every call in which fsspec takes paths for patterns."""

    def __getattribute__(self, name: str) -> Any:
        if name in (
            "cat",
            "glob",
            "expand_path",
            "rm",
            "cp",
            "copy",
            "mv",
            "move",
            "get",
            "put",
            "find",
            "walk",
        ):
            raise AssertionError(f"{name} takes paths for patterns")
        return super().__getattribute__(name)


@pytest.mark.parametrize("name", ODD)
def test_a_root_may_have_any_name_in_an_object_store(name: str) -> None:
    neighbours = MemoryFileSystem()
    for neighbour in ("ab", "a", "axb", "b"):  # what the names would match if they were patterns
        neighbours.pipe_file(f"/{neighbour}/lake/_defender/{LOG}/commits/00000001.json", b"{")
    lake = lake_in(Literal(), f"/{name}/lake")
    land_and_compact(lake)
    [path] = committed_files(lake, "alerts")
    assert lake.storage.exists(path.partition(f"/{name}/lake/")[2])
    assert f"/{name}/lake/alerts/" in path
    assert len(neighbours.find("/")) == 4 + len(neighbours.find(f"/{name}/lake"))


@pytest.mark.parametrize("name", ODD)
def test_a_root_may_have_any_name_on_a_disk(tmp_path: Path, name: str) -> None:
    lake = Lake(LocalFileSystem(), str(tmp_path / name / "lake"), clock=Clock(), sleep=lambda _: None)
    land_and_compact(lake)
    assert [key for key, _, _ in rows_of(committed_files(lake, "alerts"))] == list("abcd")
    assert committed_files(str(tmp_path / name / "lake"), "alerts") == committed_files(lake, "alerts")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_a_root_of_any_text_is_one_folder(name: str) -> None:
    if name in (".", "..") or "::" in name:
        return
    MemoryFileSystem.store.clear()
    lake = lake_in(Literal(), f"/x{name}x/lake")
    drain(lake, [("a", START)])
    assert lake.storage.read_many([open_log(lake).paths.commit(1)] * 2)[0].startswith(b"{")
    assert {path.split("/")[1] for path in MemoryFileSystem.store} == {f"x{name}x"}


def test_many_records_of_which_one_is_missing_are_an_error_not_a_text() -> None:
    storage = ObjectStorage(MemoryFileSystem(), "/lake")
    storage.replace("a", b"1")
    with pytest.raises(FileNotFoundError):
        storage.read_many(["a", "b"])
    assert storage.read_many([]) == []
    assert storage.read_many(["a"]) == [b"1"]


def test_a_store_that_does_not_answer_is_not_one_without_the_file() -> None:
    """`exists` decides whether another run has shown a file: a lost answer must not say so."""

    class Away(MemoryFileSystem):
        def info(self, path: str, **options: Any) -> Any:
            raise TimeoutError("no answer")

    with pytest.raises(TimeoutError):
        ObjectStorage(Away(), "/lake").exists("alerts/a")


# Copies that go on after their answer ------------------------------------------------------------


class AzureBlobFileSystem(MemoryFileSystem):
    """Like adlfs in what matters here: a copy is under way when it has been answered, and seen in part."""

    copies = 0

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        type(self).copies += 1
        self.pipe_file(path2, self.cat_file(path1)[:4])

    cp = copy = mv = move = cp_file


AzureBlobFileSystem.__module__ = "adlfs.spec"


def test_azure_never_shows_a_copy_that_is_under_way() -> None:
    lake = lake_in(AzureBlobFileSystem(skip_instance_cache=True))
    land_and_compact(lake)
    filesystem = MemoryFileSystem()
    for url in committed_files(lake, "alerts"):
        content = filesystem.cat_file(url)
        assert content[:4] == content[-4:] == b"PAR1"
    assert AzureBlobFileSystem.copies == 0


# Requests without an end -------------------------------------------------------------------------


def test_what_a_call_returns_or_raises_comes_through() -> None:
    assert within(60, int, "7", base=8) == 7
    with pytest.raises(OSError, match="ValueError: invalid literal") as error:  # clients raise what they like
        within(60, int, "x")
    assert isinstance(error.value.__cause__, ValueError)
    with pytest.raises(TimeoutError, match="mine"):
        within(60, _raise, TimeoutError("mine"))
    with pytest.raises(KeyboardInterrupt):
        within(60, _raise, KeyboardInterrupt())


def _raise(error: BaseException) -> None:
    raise error


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An event that requests wait for; the bounds are short."""
    monkeypatch.setattr(object_store, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(object_store, "TRANSFER_SECONDS", 0.2)
    event = threading.Event()
    yield event
    event.set()


def calls_of(storage: ObjectStorage) -> dict[str, Callable[[], Any]]:
    """What the lake asks of a store, by the call of fsspec that it takes."""
    return {
        "cat_file": lambda: storage.read("a"),
        "cat_ranges": lambda: storage.read_many(["a", "a"]),
        "open": lambda: storage.open_input("a"),
        "info": lambda: storage.exists("a"),
        "ls": lambda: storage.list_folder(""),
        "modified": lambda: storage.modified("a"),
        "pipe_file": lambda: storage.replace("a", b"2"),
        "cp_file": lambda: storage.publish("a", "b"),
        "rm_file": lambda: storage.delete("a"),
    }


@pytest.mark.parametrize("name", calls_of(ObjectStorage(MemoryFileSystem(), "/lake")))
def test_no_request_is_waited_for_without_a_bound(endless: threading.Event, name: str) -> None:
    filesystem = MemoryFileSystem(skip_instance_cache=True)
    storage = ObjectStorage(filesystem, "/lake", single_writer=True)
    storage.replace("a", b"1")
    setattr(filesystem, name, lambda *args, **options: endless.wait(60))
    with pytest.raises(TimeoutError, match="did not answer"):
        calls_of(storage)[name]()


def test_neither_is_an_upload_or_a_read(endless: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = MemoryFileSystem(skip_instance_cache=True)
    storage = ObjectStorage(filesystem, "/lake", single_writer=True)
    storage.replace("a", b"1")
    monkeypatch.setattr(bounded, "REQUEST_SECONDS", 0.2)
    with storage.open_input("a") as file:
        file._file.read = lambda size: endless.wait(60)  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError, match="did not answer"):
            file.read(1)
    filesystem.open = lambda *args, **options: endless.wait(60)
    with pytest.raises(TimeoutError, match="did not answer"):
        storage.new_file("c").finish()


def test_a_commit_that_gets_no_answer_ends(endless: threading.Event) -> None:
    """In time, and with nothing deleted: the request may still arrive, and does."""
    filesystem = MemoryFileSystem(skip_instance_cache=True)
    pipe = filesystem.pipe_file

    def late(path: str, value: bytes, **options: Any) -> None:
        if "/commits/" in path:
            endless.wait(60)
        pipe(path, value, **options)

    filesystem.pipe_file = late
    with pytest.raises(CommitStateUnknown) as raised:
        drain(lake_in(filesystem), [("a", START)])
    assert isinstance(raised.value.__cause__, TimeoutError)
    endless.set()
    lake = lake_in(MemoryFileSystem(skip_instance_cache=True))
    for thread in threading.enumerate():
        if thread.name == "lake-request":
            thread.join(60)
    assert open_log(lake).head().number == 1
    assert len(committed_files(lake, "alerts")) == 1


def test_files_that_no_answer_comes_for_are_moved_by_the_next_run(endless: threading.Event) -> None:
    filesystem = MemoryFileSystem(skip_instance_cache=True)
    filesystem.cp_file = lambda *args, **options: endless.wait(60)
    with pytest.raises(NotPublished, match="did not answer"):
        drain(lake_in(filesystem), [("a", START)])
    lake = lake_in(MemoryFileSystem(skip_instance_cache=True))
    assert open_log(lake).head().number == 1
    assert len(committed_files(lake, "alerts")) == 1


def test_small_pieces_are_uploaded_whole() -> None:
    storage = ObjectStorage(MemoryFileSystem(skip_instance_cache=True), "/lake", single_writer=True)
    file = storage.new_file("pieces")
    for _ in range(100_000):
        file.sink.write(b"0123456789")
    content = b"0123456789" * 100_000
    assert file.finish() == (len(content), hashlib.sha256(content).hexdigest())
    assert storage.read("pieces") == content


def test_a_file_whose_upload_failed_can_be_abandoned() -> None:
    filesystem = MemoryFileSystem(skip_instance_cache=True)
    file = ObjectStorage(filesystem, "/lake", single_writer=True).new_file("a")
    filesystem.open = _refuse
    file.sink.write(b"1")
    with pytest.raises(OSError, match="refused"):
        file.finish()
    file.abandon()


def test_a_file_on_a_full_disk_can_be_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("w+b", buffering=0)  # noqa: SIM115
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
    file = ObjectStorage(MemoryFileSystem(), "/lake", single_writer=True).new_file("a")
    file.sink.write(b"1")
    with pytest.raises(OSError, match="No space left"):
        file.finish()
    file.abandon()


def _refuse(*args: Any, **options: Any) -> None:
    raise OSError("refused")
