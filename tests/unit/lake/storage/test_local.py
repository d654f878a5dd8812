"""A local lake whose folders lie elsewhere, lead nowhere or cannot be written, and how it is made durable."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from airflow_provider_defender.lake import LakeError, NotPublished, StoreRefused
from airflow_provider_defender.lake.storage import local as local_module
from airflow_provider_defender.lake.storage.local import LocalStorage
from tests.unit.lake.log.test_crashes import (
    BAD,
    LATER,
    ROWS,
    FaultySystem,
    check_recovery,
    first_drain,
    second_drain,
)
from tests.unit.lake.support import LOG, committed, drain, local_lake, open_log, quarantined, visible

HOME = f"_defender/{LOG}"


# Another file system below the lake --------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than `tmp_path`."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system to write to (/dev/shm)")
    with tempfile.TemporaryDirectory(dir=memory) as path:
        yield Path(path)


def move_away(root: Path, folder: str, elsewhere: Path) -> None:
    """Let a folder of the lake lie on the other file system, with all that is in it."""
    place, target = root / folder, elsewhere / folder.replace("/", "-")
    place.mkdir(parents=True, exist_ok=True)
    shutil.copytree(place, target)
    shutil.rmtree(place)
    place.symlink_to(target)


FOLDERS = ["alerts", "alerts/date=2026-11-22", "_defender", HOME, f"{HOME}/commits", f"{HOME}/staging"]
FOLDERS += [f"{HOME}/quarantine"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_another_file_system_is_as_good(tmp_path: Path, elsewhere: Path, folder: str) -> None:
    first_drain(local_lake(tmp_path))
    move_away(tmp_path, folder, elsewhere)
    check_recovery(tmp_path)
    assert list((tmp_path / HOME / "staging").iterdir()) == []
    assert hidden_files(tmp_path, elsewhere) == []


def test_a_commit_that_was_stuck_between_file_systems_is_finished_by_the_next_run(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_drain(local_lake(tmp_path))
    move_away(tmp_path, "alerts", elsewhere)
    with monkeypatch.context() as patched:

        def refused(origin: str, place: str) -> None:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), origin)

        patched.setattr(local_module, "_copy_whole", refused)
        with pytest.raises(NotPublished):
            second_drain(local_lake(tmp_path))
    assert len(visible(elsewhere, "alerts")) == 2
    assert open_log(local_lake(tmp_path)).head().number == 2
    assert visible(elsewhere, "alerts") == committed(tmp_path) == ROWS
    assert quarantined(tmp_path) == BAD


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space"), KeyboardInterrupt()])
def test_at_every_system_call_of_a_copy_to_another_file_system(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for number in range(1, 200):
        root, away = tmp_path / str(number), elsewhere / str(number)
        first_drain(local_lake(root))
        away.mkdir()
        move_away(root, "alerts", away)
        system = FaultySystem(number, error)
        with monkeypatch.context() as patched:
            patched.setattr(local_module, "os", system)
            patched.setattr(local_module, "open", system.open_file, raising=False)
            with suppress(LakeError, OSError, KeyboardInterrupt):
                second_drain(local_lake(root))
        assert set(visible(away, "alerts")) <= set(ROWS)
        check_recovery(root)
        assert hidden_files(away) == []
        if len(system.calls) < number:
            break
        shutil.rmtree(away)
    assert number > 30


def test_a_copy_that_a_killed_run_left_is_cleared_away(tmp_path: Path, elsewhere: Path) -> None:
    first_drain(local_lake(tmp_path))
    move_away(tmp_path, "alerts", elsewhere)
    storage = LocalStorage(str(tmp_path))
    (tmp_path / "x").write_bytes(b"whole")
    half = tmp_path / "alerts" / ".a-1.parquet.0123456789abcdef"
    half.write_bytes(b"wh")
    storage.publish("x", "alerts/a-1.parquet")
    assert (tmp_path / "alerts" / "a-1.parquet").read_bytes() == b"whole"
    assert not half.exists()


def test_two_runs_may_copy_one_file_at_a_time(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes second finds its copy cleared away, and the file in its place."""
    first_drain(local_lake(tmp_path))
    move_away(tmp_path, "alerts", elsewhere)
    storage = LocalStorage(str(tmp_path))
    (tmp_path / "x").write_bytes(b"whole")
    replace: Callable[..., None] = os.replace

    def late(temporary: str, place: str) -> None:
        monkeypatch.setattr(os, "replace", replace)
        storage.publish("x", "alerts/a-1.parquet")
        replace(temporary, place)

    monkeypatch.setattr(os, "replace", late)
    storage.publish("x", "alerts/a-1.parquet")
    assert (tmp_path / "alerts" / "a-1.parquet").read_bytes() == b"whole"


def hidden_files(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob(".*")]


def test_single_writers_need_no_links_between_file_systems_either(tmp_path: Path, elsewhere: Path) -> None:
    first_drain(local_lake(tmp_path))
    move_away(tmp_path, f"{HOME}/commits", elsewhere)
    drain(local_lake(tmp_path, single_writer=True), [("c", LATER)])
    assert open_log(local_lake(tmp_path)).head().number == 2


def test_a_file_system_that_links_nowhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: str, target: str) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreRefused, match="single_writer"):
        first_drain(local_lake(tmp_path))


# Folders that cannot be used ---------------------------------------------------------------------


def refuse_before_the_commit(root: Path, match: str) -> None:
    with pytest.raises(OSError, match=match) as raised:
        second_drain(local_lake(root))
    assert not isinstance(raised.value, FileNotFoundError)
    commits = root / HOME / "commits"
    assert not commits.is_dir() or len([path for path in commits.iterdir() if path.suffix == ".json"]) <= 1


@pytest.mark.parametrize("folder", ["", *FOLDERS, f"{HOME}/quarantine/date=2026-11-22"])
def test_a_link_that_leads_nowhere_is_no_empty_lake(tmp_path: Path, folder: str) -> None:
    root = tmp_path / "lake"
    first_drain(local_lake(root))
    place = root / folder if folder else root
    if place.exists():
        place.rename(tmp_path / "moved")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path / "gone")
    refuse_before_the_commit(root, rf"symbolic link to {tmp_path}/gone, which is not there: '{place}'")


def test_a_reader_of_a_lake_behind_a_dangling_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "lake").symlink_to(tmp_path / "gone")
    with pytest.raises(NotADirectoryError, match="which is not there"):
        open_log(local_lake(tmp_path / "lake")).read_head()
    with pytest.raises(NotADirectoryError, match="which is not there"):
        committed(tmp_path / "lake")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_file_in_the_place_of_a_folder_is_met_before_the_commit(tmp_path: Path, folder: str) -> None:
    first_drain(local_lake(tmp_path))
    place = tmp_path / folder
    if place.exists():
        place.rename(tmp_path / "moved")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("no folder")
    refuse_before_the_commit(tmp_path, f"Not a directory: '{place}")


@pytest.mark.parametrize("folder", ["", *FOLDERS])
def test_a_folder_that_cannot_be_written_is_met_before_the_commit(tmp_path: Path, folder: str) -> None:
    root = tmp_path / "lake"
    first_drain(local_lake(root))
    (root / folder).mkdir(exist_ok=True)
    check = unwritable(root / folder, lambda: refuse_before_the_commit(root, "Permission denied"))
    # Nothing new is needed in the two at the top, as all that lies below them is there already.
    assert check == (folder not in ("", "_defender"))


def unwritable(folder: Path, check: Callable[[], None]) -> bool:
    """Run a check as a user who may not write into a folder but into all others; whether it held."""
    if os.geteuid():
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            check()
            return True
        finally:
            folder.chmod(stat.S_IRWXU)
    top = folder
    while top.parent != top and top.name != "lake":
        top = top.parent
    for path in [top, *top.rglob("*")]:
        os.chown(path, 65534, 65534)
    os.chown(folder, 0, 0)
    for parent in top.parents:
        if parent != Path("/") and not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    process = os.fork()
    if not process:
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            check()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_a_record_that_finds_no_room_leaves_nothing_beside_the_others(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_drain(local_lake(tmp_path))
    move_away(tmp_path, f"{HOME}/commits", elsewhere)
    write = local_module._write_durably

    def full(place: str, body: bytes) -> None:
        write(place, body)
        if "/commits/" in place:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)

    with monkeypatch.context() as patched:
        patched.setattr(local_module, "_write_durably", full)
        with pytest.raises(OSError, match="No space left"):
            second_drain(local_lake(tmp_path))
    assert hidden_files(tmp_path, elsewhere) == []
    check_recovery(tmp_path)


def test_small_pieces_are_written_to_a_file_at_once(tmp_path: Path) -> None:
    """pyarrow writes each page and its header for themselves: a system call each would take longer."""
    file = LocalStorage(str(tmp_path)).new_file("a")
    for _ in range(1000):
        file.sink.write(b"0123456789")
    assert (tmp_path / "a").stat().st_size == 0
    assert file.sink.tell() == 10_000
    written = file.finish()
    assert (tmp_path / "a").read_bytes() == b"0123456789" * 1000
    assert written == (10_000, hashlib.sha256(b"0123456789" * 1000).hexdigest())


def test_what_is_left_to_write_is_not_lost_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    file = LocalStorage(str(tmp_path)).new_file("full")
    file.sink.write(b"1")
    with pytest.raises(OSError, match="No space left"):
        file.finish()
    file.abandon()
