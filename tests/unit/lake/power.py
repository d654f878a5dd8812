"""What a disk still holds after a loss of power: what was synced, and nothing else."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.lake.storage import local as local_module
from tests.unit.lake.faults import Crash

_STEPS = ("link", "rename", "replace", "fsync", "unlink", "rmdir", "mkdir")

Node = tuple[int, int]


class PowerLoss:
    """The `os` module of the local storage: it notes what was synced, and ends the process at a chosen call.

    A file's bytes are kept as they were at the last fsync of it, a folder's names as at the last one of it.
    All that is below `root` in the beginning counts as synced. `apart`: a part of the paths that nothing can
    be renamed to, as if they lay on another file system.
    """

    def __init__(self, root: Path) -> None:
        self.calls: list[str] = []
        self.crash_at: int | None = None
        self.apart: str | None = None
        self._root = root
        self._names: dict[Node, dict[str, Node]] = {}
        self._bytes: dict[Node, bytes] = {}
        self._held: dict[Node, int] = {}
        self._deleted: set[tuple[Node, str]] = set()
        self._top = self._hold(root)
        for place, _, files in os.walk(root):
            self._sync(place)
            for name in files:
                self._sync(f"{place}/{name}")

    @contextmanager
    def on(self, monkeypatch: pytest.MonkeyPatch, crash_at: int | None = None) -> Iterator[None]:
        """Let the local storage work with this module; a crash comes at call number `crash_at`."""
        self.calls, self.crash_at = [], crash_at
        with monkeypatch.context() as patched:
            patched.setattr(local_module, "os", self)
            yield

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        return self._step(name, function) if name in _STEPS else function

    def _step(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            if self.crash_at is not None and len(self.calls) >= self.crash_at:
                raise Crash
            if name == "rename" and self.apart is not None and self.apart in args[1]:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), args[0])
            if name == "fsync":
                return self._sync(f"/proc/self/fd/{args[0]}")
            if name == "unlink" and os.path.lexists(args[0]):
                folder, deleted = os.path.split(args[0])
                self._deleted.add((self._hold(folder), deleted))
            return function(*args, **options)

        return step

    def _hold(self, place: str | Path) -> Node:
        """What lies at a place, kept open: its number must not be given to another file."""
        status = os.stat(place)
        node = (status.st_dev, status.st_ino)
        if node not in self._held:
            self._held[node] = os.open(place, os.O_RDONLY)
        return node

    def _sync(self, place: str | Path) -> None:
        node = self._hold(place)
        if stat.S_ISDIR(os.stat(place).st_mode):
            self._names[node] = {name: self._hold(f"{place}/{name}") for name in os.listdir(place)}
        else:
            self._bytes[node] = Path(place).read_bytes()

    def release(self) -> None:
        """Let go of all files."""
        for descriptor in self._held.values():
            os.close(descriptor)

    # After the loss -----------------------------------------------------------------------------

    def least(self, target: Path) -> Path:
        """The lake where nothing survived that was not synced, in a new folder."""
        self._restore(self._top, target, self._names)
        return target

    def least_without_deleted(self, target: Path) -> Path:
        """The same, but what was deleted is gone, as if the disk had been quicker with that."""
        kept = {
            node: {name: child for name, child in names.items() if (node, name) not in self._deleted}
            for node, names in self._names.items()
        }
        self._restore(self._top, target, kept)
        return target

    def most(self, target: Path) -> Path:
        """The lake where all names survived, but only those bytes that were synced."""
        self._restore(self._hold(self._root), target, None, self._root)
        return target

    def _restore(
        self, node: Node, target: Path, names: dict[Node, dict[str, Node]] | None, now: Path | None = None
    ) -> None:
        if not stat.S_ISDIR(os.fstat(self._held[node]).st_mode):
            target.write_bytes(self._bytes.get(node, b""))
            return
        target.mkdir()
        if names is None and now is not None:
            for name in os.listdir(now):
                self._restore(self._hold(now / name), target / name, None, now / name)
        elif names is not None:
            for name, child in names.get(node, {}).items():
                self._restore(child, target / name, names)
