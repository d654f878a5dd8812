"""A lake in a local or mounted folder: plain system calls, made durable by fsync."""

# What counts here is which system calls are made, and in what order.
# ruff: noqa: PTH102, PTH104, PTH105, PTH106, PTH108, PTH110, PTH112, PTH114, PTH115, PTH116, PTH120, PTH123, PTH208

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa

from airflow_provider_defender.lake.errors import StoreRefused
from airflow_provider_defender.lake.storage.hashing import content_of
from airflow_provider_defender.lake.storage.storage import SINK_BYTES, NotCreated, Written

__all__ = ["LocalStorage"]

T = TypeVar("T")

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_COPY_BYTES = 8 * 1024 * 1024


class LocalStorage:
    """`Storage` below a local folder."""

    def __init__(self, root: str, *, single_writer: bool = False) -> None:
        self._root = Path(root).absolute()
        self._single_writer = single_writer

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}"

    # Reading ------------------------------------------------------------------------------------

    def read(self, path: str) -> bytes:
        return Path(self._place(path)).read_bytes()

    def read_many(self, paths: Sequence[str]) -> list[bytes]:
        return [self.read(path) for path in paths]

    def open_input(self, path: str) -> IO[bytes]:
        return Path(self._place(path)).open("rb")

    def open_stream(self, path: str) -> IO[bytes]:
        return open(self._place(path), "rb", buffering=0)

    def for_each(self, call: Callable[[T], None], items: Iterable[T]) -> None:
        for item in items:
            call(item)

    def exists(self, path: str) -> bool:
        return os.path.lexists(self._place(path))

    def list_folder(self, path: str) -> list[str] | None:
        place = self._place(path)
        try:
            return os.listdir(place)
        except NotADirectoryError:
            return None
        except FileNotFoundError:
            _check_links(place)  # a mount that is away must not pass for an empty lake
            return None

    def scan_folder(self, path: str) -> Iterator[str] | None:
        place = self._place(path)
        try:
            return (entry.name for entry in os.scandir(place))
        except NotADirectoryError:
            return None
        except FileNotFoundError:
            _check_links(place)
            return None

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(os.stat(self._place(path)).st_mtime, timezone.utc)

    def url(self, path: str) -> str:
        return self._place(path)

    # Writing ------------------------------------------------------------------------------------

    def check_create(self) -> None:
        """Does nothing: `create` itself finds out whether hard links are missing."""

    def check_folder(self, path: str) -> None:
        place = self._place(path)
        _check_links(place)
        while not os.path.exists(place):
            place = os.path.dirname(place)
        if not f"{place}/".startswith(f"{self._root}/"):  # nothing is written outside the lake
            if os.access(place, os.W_OK | os.X_OK):
                return
            reason = errno.EACCES if os.path.isdir(place) else errno.ENOTDIR
            raise OSError(reason, os.strerror(reason), place)
        try:
            tempfile.TemporaryFile(dir=place).close()
        except OSError as error:  # not as its cause: it names the file that was tried
            raise OSError(error.errno, error.strerror, place) from None

    def create(self, path: str, body: bytes, scratch: str) -> None:
        target = self._place(path)
        folder = os.path.dirname(target)
        try:
            self._create(self._place(scratch), target, body)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # The commits are on another file system than the staging folders.
            self._create(folder, target, body)

    def _create(self, scratch: str, target: str, body: bytes) -> None:
        # Not open("xb"): a crash inside it would leave an empty commit for ever.
        temporary = f"{scratch}/.commit.{secrets.token_hex(8)}"
        folder = os.path.dirname(target)
        try:
            self._make_folder(scratch)
            self._make_folder(folder)
            _write_durably(temporary, body)
        except OSError as error:
            with suppress(OSError):  # nothing sweeps temporary files in the commits' folder
                _unlink(temporary)
            raise NotCreated from error
        try:
            self._link(temporary, target)
            _sync(folder)
        finally:
            _unlink(temporary)

    def _link(self, temporary: str, target: str) -> None:
        apart = os.path.dirname(temporary) != os.path.dirname(target)
        try:
            os.link(temporary, target)
        except OSError as error:
            if error.errno not in _NO_LINKS or (error.errno == errno.EXDEV and apart):
                raise
            if not self._single_writer:
                raise NotCreated from StoreRefused(
                    f"the file system of {self._root} cannot create hard links ({error.strerror}), so two "
                    "runs could overwrite each other's commits: move the lake, or say single_writer=True if "
                    "only one run writes at a time"
                )
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
            os.rename(temporary, target)

    def replace(self, path: str, body: bytes) -> None:
        target = self._place(path)
        folder, name = os.path.split(target)
        temporary = f"{folder}/.{name}.{secrets.token_hex(8)}"
        self._make_folder(folder)
        try:
            _write_durably(temporary, body)
            os.replace(temporary, target)
        except OSError:
            _unlink(temporary)
            raise
        _sync(folder)

    def new_file(self, path: str) -> _LocalFile:
        place = self._place(path)
        self._make_folder(os.path.dirname(place))
        return _LocalFile(place)

    def publish(self, source: str, target: str) -> None:
        origin, place = self._place(source), self._place(target)
        self._make_folder(os.path.dirname(place))
        try:
            os.rename(origin, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy_whole(origin, place)

    def sync_folder(self, path: str) -> None:
        _sync(self._place(path))

    def delete(self, path: str) -> None:
        _unlink(self._place(path))

    def delete_folder(self, path: str, names: Sequence[str] | None = None) -> None:
        place = self._place(path)
        for name in self.list_folder(path) or ():
            _unlink(f"{place}/{name}")
        try:
            os.rmdir(place)
        except OSError as error:  # another run is finishing the same commit, or has done so
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise

    def _make_folder(self, place: str) -> None:
        """Make a folder and its parents; every new name is durable when this returns."""
        if os.path.isdir(place):
            return
        parent = os.path.dirname(place)
        self._make_folder(parent)
        with suppress(FileExistsError):
            os.mkdir(place)
        _sync(parent)


class _LocalFile:
    """A file written in place: it is in staging, where no reader looks."""

    def __init__(self, place: str) -> None:
        self._place = place
        self.sink = pa.BufferedOutputStream(pa.OSFile(place, "wb"), SINK_BYTES)

    def finish(self) -> Written:
        self.sink.close()
        with open(self._place, "rb") as file:
            os.fsync(file.fileno())
            return content_of(file)

    def abandon(self) -> None:
        with suppress(OSError):
            self.sink.close()


def _check_links(place: str) -> None:
    """Raise `NotADirectoryError` if `place` is missing because of a broken symbolic link on its path."""
    while not os.path.exists(place):
        if os.path.islink(place):
            reason = f"a symbolic link to {os.readlink(place)}, which is not there"
            raise NotADirectoryError(errno.ENOTDIR, reason, place)
        place = os.path.dirname(place)


def _copy_whole(origin: str, place: str) -> None:
    """Copy a file to another file system, under a hidden name until it is whole and durable."""
    folder, name = os.path.split(place)
    temporary = f"{folder}/.{name}.{secrets.token_hex(8)}"
    try:
        with open(origin, "rb") as source, open(temporary, "xb") as copy:
            shutil.copyfileobj(source, copy, _COPY_BYTES)
            copy.flush()
            os.fsync(copy.fileno())
        os.replace(temporary, place)
    except FileNotFoundError:
        _unlink(temporary)
        if not os.path.lexists(place):  # otherwise another run has copied it and deleted this copy
            raise
    except OSError:
        _unlink(temporary)
        raise
    for left in os.listdir(folder):  # by runs that were killed in the middle
        if left.startswith(f".{name}."):
            _unlink(f"{folder}/{left}")


def _write_durably(place: str, body: bytes) -> None:
    with open(place, "xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync(place: str) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(place: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(place)
