"""A lake in an object store, through fsspec: atomic requests, and no folders."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import IO, Any, TypeVar, cast

import pyarrow as pa
from fsspec import AbstractFileSystem

from airflow_provider_defender.lake.errors import StoreRefused
from airflow_provider_defender.lake.log.layout import HIDDEN
from airflow_provider_defender.lake.storage.bounded import (
    REQUEST_SECONDS,
    TRANSFER_SECONDS,
    BoundedInput,
    as_os_error,
    within,
)
from airflow_provider_defender.lake.storage.hashing import content_of
from airflow_provider_defender.lake.storage.storage import SINK_BYTES, Written

__all__ = ["ObjectStorage"]

T = TypeVar("T")

_CONDITIONAL = {"s3fs": "S3FileSystem", "adlfs": "AzureBlobFileSystem", "gcsfs": "GCSFileSystem"}
"""The fsspec file systems whose mode `create` is one conditional request; others look first, then write.

Each since its release 2024.12.
"""

_BLOCK_BYTES = 8 * 1024 * 1024
"""Size of the parts of an upload, and so of its memory; s3fs' default is 50 MiB."""

_REQUESTS_AT_ONCE = 16
_AZURE_REQUESTS_AT_ONCE = 8
"""Each copy of Azure's holds a block of 8 MiB."""

_AZURE_REQUESTS = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
"""It logs every request and answer with all headers, some 20 lines each, at the level of the task's log."""

_PROBE = f"{HIDDEN}/create.probe"
_PROBE_BODY = b"Written to find out whether this store refuses to create an object that exists.\n"


class ObjectStorage:
    """`Storage` below a prefix of an object store."""

    def __init__(self, filesystem: AbstractFileSystem, root: str, *, single_writer: bool = False) -> None:
        self._fs = filesystem
        self._root = filesystem._strip_protocol(root).rstrip("/")
        if self._root.partition("/")[2].startswith("/"):
            # Clients write below such a name, but list another one: staged files would never be published.
            raise StoreRefused(
                f"{self._root!r} has an empty folder name after the bucket or container: take one slash out"
            )
        self._single_writer = single_writer
        self._create_checked = False
        self._is_azure = type(filesystem).__module__.split(".")[0] == "adlfs"
        if self._is_azure and _AZURE_REQUESTS.level == logging.NOTSET:
            _AZURE_REQUESTS.setLevel(logging.WARNING)

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _ask(self, function: Callable[..., T], path: str, *args: Any, **kwargs: Any) -> T:
        """Make one uncached request about a path: fsspec caches listings, and answers from them."""
        self._fs.invalidate_cache()
        return within(REQUEST_SECONDS, function, self._place(path), *args, **kwargs)

    # Reading: by calls that take a path as it is. fsspec's `cat`, `glob`, `rm`, `cp`, `mv`, `get` and `put`
    # take it for a pattern, and a lake's root may hold `[`, `*` or `?`. ------------------------------

    def read(self, path: str) -> bytes:
        content: bytes = self._ask(self._fs.cat_file, path)
        return content

    def read_many(self, paths: Sequence[str]) -> list[bytes]:
        self._fs.invalidate_cache()
        places = [self._place(path) for path in paths]
        contents = within(REQUEST_SECONDS, self._fs.cat_ranges, places, None, None, on_error="return")
        for content in contents:
            if isinstance(content, BaseException):
                raise as_os_error(content)
        return list(contents)

    def open_input(self, path: str) -> IO[bytes]:
        return cast("IO[bytes]", BoundedInput(self._ask(self._fs.open, path, "rb")))

    def open_stream(self, path: str) -> IO[bytes]:
        # Without a cache: fsspec's keeps and fetches as much as a block ahead, 50 MiB with s3fs.
        options = {"block_size": _BLOCK_BYTES, "cache_type": "none"}
        return cast("IO[bytes]", BoundedInput(self._ask(self._fs.open, path, "rb", **options)))

    def for_each(self, call: Callable[[T], None], items: Iterable[T]) -> None:
        at_once = _AZURE_REQUESTS_AT_ONCE if self._is_azure else _REQUESTS_AT_ONCE
        with ThreadPoolExecutor(at_once, thread_name_prefix="lake-requests") as threads:
            for _ in threads.map(call, items):
                pass

    def exists(self, path: str) -> bool:
        # Not `isfile` or `exists`, which return False if the store does not answer.
        try:
            return bool(self._ask(self._fs.info, path)["type"] == "file")
        except FileNotFoundError:
            return False

    def list_folder(self, path: str) -> list[str] | None:
        place = self._place(path)
        try:
            found = self._ask(self._fs.ls, path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        names = [name.rstrip("/").rsplit("/", 1)[-1] for name in found if name.rstrip("/") != place]
        return names or None

    def scan_folder(self, path: str) -> Iterator[str] | None:
        names = self.list_folder(path)  # fsspec gives no listing in parts
        return None if names is None else iter(names)

    def modified(self, path: str) -> datetime:
        moment: datetime = self._ask(self._fs.modified, path)
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

    def url(self, path: str) -> str:
        return str(self._fs.unstrip_protocol(self._place(path)))

    # Writing ------------------------------------------------------------------------------------

    def check_create(self) -> None:
        if self._single_writer or self._create_checked:
            return
        if not any(
            _CONDITIONAL.get(kind.__module__.split(".")[0]) == kind.__name__
            for kind in type(self._fs).__mro__
        ):
            raise StoreRefused(
                f"{type(self._fs).__name__} is not known to create an object only if it is absent, so two "
                "runs could overwrite each other's commits: use s3, abfs or gs, or say single_writer=True if "
                "only one run writes at a time"
            )
        if self._is_azure:
            self._check_name()
        self._probe()
        self._create_checked = True

    def _check_name(self) -> None:
        """Refuse names on which adlfs fails: after a write, it parses the first folder as a host."""
        folder = self._root.partition("/")[2]
        try:
            self._fs._parent(f"{folder}/{HIDDEN}")
        except ValueError as error:
            raise StoreRefused(
                f"the client for Azure cannot write below {folder!r} ({error}): take brackets and colons out "
                "of the first folder below the container"
            ) from error

    def _probe(self) -> None:
        """Try to create an object that exists: some servers that imitate S3 allow it."""
        for _ in range(2):  # in a new lake, the first create succeeds
            try:
                self._create(self._place(_PROBE), _PROBE_BODY)
            except Exception as error:
                if not _says_it_exists(error):
                    raise
                return
        raise StoreRefused(
            f"the store of {self.url('')} overwrites objects that were to be created only if absent, so two "
            "runs could overwrite each other's commits: use another store, or say single_writer=True if only "
            "one run writes at a time"
        )

    def check_folder(self, path: str) -> None:
        """Does nothing: an object store has no folders, and `check_create` writes."""

    def create(self, path: str, body: bytes, scratch: str) -> None:
        place = self._place(path)
        if not self._single_writer:
            self._create(place, body)
        elif self.exists(path):
            raise FileExistsError(place)
        else:
            self.replace(path, body)

    def _create(self, place: str, body: bytes) -> None:
        # One request on every store: `open(place, "xb")` uploads a block first on Azure.
        within(REQUEST_SECONDS, self._fs.pipe_file, place, body, mode="create")

    def replace(self, path: str, body: bytes) -> None:
        self._ask(self._fs.pipe_file, path, body)

    def new_file(self, path: str) -> _Upload:
        return _Upload(self._fs, self._place(path))

    def publish(self, source: str, target: str) -> None:
        self._fs.invalidate_cache()
        if self._is_azure:
            self._copy_through_here(source, target)
        else:
            within(TRANSFER_SECONDS, self._fs.cp_file, self._place(source), self._place(target))

    def _copy_through_here(self, source: str, target: str) -> None:
        """Download and upload: Azure's copy can be visible half done; a block list is all or nothing."""
        with BoundedInput(self._ask(self._fs.open, source, "rb", block_size=_BLOCK_BYTES)) as file:
            try:
                within(TRANSFER_SECONDS, _send, self._fs, self._place(target), file)
            except OSError:
                # Another run that publishes the same file discards these blocks by committing its own.
                if not self.exists(target):
                    raise

    def sync_folder(self, path: str) -> None:
        """Does nothing: what an object store has acknowledged is durable."""

    def delete(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._ask(self._fs.rm_file, path)

    def delete_folder(self, path: str, names: Sequence[str] | None = None) -> None:
        if names is None:
            names = self.list_folder(path) or []
        self.for_each(self.delete, [f"{path}/{name}" for name in names])
        if self._is_azure:
            # A hierarchical namespace keeps folders that have become empty.
            with contextlib.suppress(OSError):
                self.delete(path)


class _Upload:
    """A file that is written to the worker's disk and uploaded when it is whole.

    So memory does not grow with the number or size of open files. The file on disk has no name, so nothing of
    it remains, however the process ends.
    """

    def __init__(self, filesystem: AbstractFileSystem, place: str) -> None:
        self._fs = filesystem
        self._place = place
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self.sink: Any = pa.BufferedOutputStream(pa.PythonFile(self._file, "w"), SINK_BYTES)

    def finish(self) -> Written:
        with self._file as file:
            self.sink.flush()
            file.seek(0)
            written = content_of(file)
            file.seek(0)
            within(TRANSFER_SECONDS, _send, self._fs, self._place, file)
        return written

    def abandon(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the latter where `finish` has closed the file
            self.sink.close()


def _send(filesystem: AbstractFileSystem, place: str, source: IO[bytes]) -> None:
    target = filesystem.open(place, "wb", block_size=_BLOCK_BYTES)
    try:
        shutil.copyfileobj(source, target, _BLOCK_BYTES)
    except BaseException:
        target.closed = True  # otherwise fsspec would complete the object with what it has
        with contextlib.suppress(Exception):
            target.discard()
        raise
    target.close()


def _says_it_exists(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, is the store's refusal to create what exists."""
    while error is not None:
        response = getattr(error, "response", None)
        status = (
            response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
        )
        statuses = {status, getattr(error, "status_code", None), getattr(error, "code", None)}
        if isinstance(error, FileExistsError) or statuses & {412, "412"}:
            return True
        error = error.__cause__
    return False
