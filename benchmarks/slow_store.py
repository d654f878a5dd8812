"""An object store in memory whose requests take time, and which counts them.

It stands for S3, Azure or Google Cloud Storage in one respect: each request takes about as long as one of
theirs. Each is atomic, and a create is conditional.
"""

from __future__ import annotations

import io
import posixpath
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from fsspec import AbstractFileSystem

_SPREAD = 0.5
"""The standard deviation of the logarithm of a request's time: one of a hundred takes three times longer."""


class S3FileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The store. `median_seconds`: of a request's time; `requests`: how many there were of each kind."""

    cachable = False
    protocol = "s3"

    def __init__(self, median_seconds: float, seed: int = 0) -> None:
        super().__init__()
        self.requests: Counter[str] = Counter()
        self._median = median_seconds
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._objects: dict[str, bytes] = {}
        self._modified: dict[str, datetime] = {}
        self._folders: dict[str, set[str]] = {}

    @contextmanager
    def _request(self, kind: str) -> Iterator[None]:
        """Take the time of a request, in whose middle the block runs at once."""
        with self._lock:
            self.requests[kind] += 1
            seconds = self._median * self._random.lognormvariate(0, _SPREAD)
        time.sleep(seconds / 2)
        try:
            with self._lock:
                yield
        finally:
            time.sleep(seconds / 2)

    def _put(self, path: str, body: bytes) -> None:
        self._objects[path] = body
        self._modified[path] = datetime.now(timezone.utc)
        while path:
            folder = posixpath.dirname(path)
            names = self._folders.setdefault(folder, set())
            if path in names:
                return
            names.add(path)
            path = folder

    def _drop(self, path: str) -> None:
        self._objects.pop(path, None)
        self._modified.pop(path, None)
        while path:
            folder = posixpath.dirname(path)
            names = self._folders.get(folder, set())
            names.discard(path)
            if names:
                return
            self._folders.pop(folder, None)
            path = folder

    # Requests -----------------------------------------------------------------------------------

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        with self._request("read"):
            if path not in self._objects:
                raise FileNotFoundError(path)
            return self._objects[path][start:end]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        with self._request("info"):
            if path not in self._objects:
                raise FileNotFoundError(path)
            return {"name": path, "type": "file", "size": len(self._objects[path])}

    def modified(self, path: str) -> datetime:
        with self._request("info"):
            if path not in self._objects:
                raise FileNotFoundError(path)
            return self._modified[path]

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        with self._request("list"):
            names = sorted(self._folders.get(path.rstrip("/"), ()))
        if not names:
            raise FileNotFoundError(path)
        return [{"name": name} for name in names] if detail else names

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        with self._request("create" if mode == "create" else "write"):
            if mode == "create" and path in self._objects:
                raise FileExistsError(path)
            self._put(path, value)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        with self._request("copy"):
            if path1 not in self._objects:
                raise FileNotFoundError(path1)
            self._put(path2, self._objects[path1])

    def rm_file(self, path: str) -> None:
        with self._request("delete"):
            self._drop(path)

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode == "rb":
            return io.BytesIO(self.cat_file(path))
        return _Upload(self, path)


S3FileSystem.__module__ = "s3fs.core"
"""The lake goes by the names of the file systems whose creates are conditional."""


class _Upload(io.BytesIO):
    """An object that is sent when it is closed, by one request as small files are."""

    def __init__(self, store: S3FileSystem, path: str) -> None:
        super().__init__()
        self._store = store
        self._path = path

    def close(self) -> None:
        if not self.closed:
            with self._store._request("upload"):
                self._store._put(self._path, self.getvalue())
        super().close()
