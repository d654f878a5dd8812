"""Storages that fail on purpose: at a chosen step, before or after it was taken."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from airflow_provider_defender.lake.storage.storage import Storage, WholeFile, Written


class Crash(BaseException):
    """The process ends here: no clean-up of it can have any effect."""


class InjectedError(OSError):
    """The store says no, or says nothing."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "injected")


T = TypeVar("T")


class Take(Protocol):
    """Takes a step of a storage, named and with its path, or does not."""

    def __call__(self, name: str, path: str, step: Callable[[], T], /) -> T: ...


class SteppedStorage:
    """Gives every step of a storage, with its name and path, to a function that may or may not take it."""

    def __init__(self, storage: Storage, take: Take) -> None:
        self.storage = storage
        self._take = take
        self._random = random.Random(0)

    def pause(self) -> None:
        """A halt that is no step in the store."""
        self._take("pause", "", lambda: None)

    def read(self, path: str) -> bytes:
        return self._take("read", path, lambda: self.storage.read(path))

    def for_each(self, call: Callable[[T], None], items: Iterable[T]) -> None:
        """In any order, and the rest too after one has failed, as if they were made side by side."""
        shuffled = list(items)
        self._random.shuffle(shuffled)
        errors = []
        for item in shuffled:
            try:
                call(item)
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def read_many(self, paths: Sequence[str]) -> list[bytes]:
        return self._take("read", paths[0], lambda: self.storage.read_many(paths))

    def open_input(self, path: str) -> IO[bytes]:
        return self._take("open", path, lambda: self.storage.open_input(path))

    def open_stream(self, path: str) -> IO[bytes]:
        return self._take("open", path, lambda: self.storage.open_stream(path))

    def exists(self, path: str) -> bool:
        return self._take("exists", path, lambda: self.storage.exists(path))

    def list_folder(self, path: str) -> list[str] | None:
        return self._take("list", path, lambda: self.storage.list_folder(path))

    def scan_folder(self, path: str) -> Iterator[str] | None:
        return self._take("list", path, lambda: self.storage.scan_folder(path))

    def modified(self, path: str) -> datetime:
        return self._take("modified", path, lambda: self.storage.modified(path))

    def url(self, path: str) -> str:
        return self.storage.url(path)

    def check_create(self) -> None:
        self.storage.check_create()

    def check_folder(self, path: str) -> None:
        self._take("check", path, lambda: self.storage.check_folder(path))

    def create(self, path: str, body: bytes, scratch: str) -> None:
        self._take("create", path, lambda: self.storage.create(path, body, scratch))

    def replace(self, path: str, body: bytes) -> None:
        self._take("replace", path, lambda: self.storage.replace(path, body))

    def new_file(self, path: str) -> _SteppedFile:
        whole = self._take("new", path, lambda: self.storage.new_file(path))
        return _SteppedFile(whole, path, self._take)

    def publish(self, source: str, target: str) -> None:
        self._take("publish", source, lambda: self.storage.publish(source, target))

    def sync_folder(self, path: str) -> None:
        self._take("sync", path, lambda: self.storage.sync_folder(path))

    def delete(self, path: str) -> None:
        self._take("delete", path, lambda: self.storage.delete(path))

    def delete_folder(self, path: str, names: Sequence[str] | None = None) -> None:
        """File by file, as the stores do it, so that a crash can leave half a folder."""
        for name in self._take("list", path, lambda: self.storage.list_folder(path)) or ():
            self._take("delete", f"{path}/{name}", partial(self.storage.delete, f"{path}/{name}"))
        self._take("delete", path, lambda: self.storage.delete_folder(path))


class _SteppedFile:
    def __init__(self, whole: WholeFile, path: str, take: Take) -> None:
        self._whole = whole
        self._path = path
        self._take = take
        self.sink = whole.sink

    def finish(self) -> Written:
        return self._take("finish", self._path, self._whole.finish)

    def abandon(self) -> None:
        self._whole.abandon()


class FaultAt:
    """Takes all steps but one: a crash before it, or an error before or after it was taken."""

    def __init__(self, number: int, fault: str) -> None:
        self._number = number
        self._fault = fault
        self.steps: list[str] = []
        self._one_at_a_time = threading.Lock()  # files are closed in threads

    def __call__(self, name: str, path: str, step: Callable[[], T]) -> T:
        with self._one_at_a_time:
            self.steps.append(f"{name} {path}")
            number = len(self.steps)
        if number < self._number or self._fault == "none":
            return step()
        if self._fault == "crash":  # and nothing after it happens either
            raise Crash
        if number > self._number:
            return step()
        if self._fault == "lost answer":
            step()
        raise InjectedError


def die_at(number: int) -> Take:
    """Takes the steps before one of them, and ends the process there."""
    steps = itertools.count(1)

    def take(name: str, path: str, step: Callable[[], Any]) -> Any:
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return step()

    return take


def kill_at_every_step(
    roots: Iterable[Path], work: Callable[[Path, Take], object], check: Callable[[Path], None]
) -> int:
    """Work in a process for each lake, killed at its first step, its second, and so on until it ends.

    Checks each lake afterwards. Returns how many were killed.
    """
    for killed, root in enumerate(roots):
        process = os.fork()
        if not process:
            try:
                work(root, die_at(killed + 1))
            finally:
                os._exit(0)
        _, status = os.waitpid(process, 0)
        check(root)
        if not os.WIFSIGNALED(status):
            return killed
    raise AssertionError("no lake is left, and the work has not ended")
