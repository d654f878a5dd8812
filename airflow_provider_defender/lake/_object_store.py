"""A lake in an object store, through fsspec: requests that happen whole or not at all, and no folders."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import IO, Any, TypeVar, cast

from fsspec import AbstractFileSystem

from airflow_provider_defender.lake._bounded import (
    REQUEST_SECONDS,
    TRANSFER_SECONDS,
    BoundedInput,
    as_os_error,
    within,
)
from airflow_provider_defender.lake._errors import StoreRefused
from airflow_provider_defender.lake._layout import HIDDEN

__all__ = ["ObjectStorage"]

T = TypeVar("T")

_CONDITIONAL = {"s3fs": "S3FileSystem", "adlfs": "AzureBlobFileSystem", "gcsfs": "GCSFileSystem"}
"""fsspec's file systems whose mode `create` is a conditional request; elsewhere it looks first, then writes.

Each since its release 2024.12.
"""

_BLOCK_BYTES = 8 * 1024 * 1024
"""Size of the parts of an upload: this much memory, not s3fs' 50 MiB."""

_AZURE_REQUESTS = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
"""It tells every request and answer with all headers, in some 20 lines, at the level of a task's own log."""

_PROBE = f"{HIDDEN}/create.probe"
_PROBE_BODY = b"Written to find out whether this store refuses to create an object that exists.\n"


class ObjectStorage:
    """`Storage` below a prefix of an object store."""

    def __init__(self, filesystem: AbstractFileSystem, root: str, *, single_writer: bool = False) -> None:
        self._fs = filesystem
        self._root = filesystem._strip_protocol(root).rstrip("/")
        if self._root.partition("/")[2].startswith("/"):
            # Clients write below such a name, but list another: staged files would never be shown.
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
        """One request about a path, fresh: fsspec caches listings, and answers questions from them."""
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

    def exists(self, path: str) -> bool:
        # Not `isfile` or `exists`, for which a store that does not answer has no such file.
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
        """Adlfs takes the first folder below the container for a host when it has written; not all can be."""
        folder = self._root.partition("/")[2]
        try:
            self._fs._parent(f"{folder}/{HIDDEN}")
        except ValueError as error:
            raise StoreRefused(
                f"the client for Azure cannot write below {folder!r} ({error}): take brackets and colons out "
                "of the first folder below the container"
            ) from error

    def _probe(self) -> None:
        """Create an object that exists: a server that only claims to be S3 may let that pass."""
        for _ in range(2):  # the first time ever, the first create is to succeed
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
        """Nothing to ask: an object store has no folders, and `check_create` writes."""

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

    def show(self, source: str, target: str) -> None:
        self._fs.invalidate_cache()
        if self._is_azure:
            self._copy_through_here(source, target)
        else:
            within(TRANSFER_SECONDS, self._fs.cp_file, self._place(source), self._place(target))

    def _copy_through_here(self, source: str, target: str) -> None:
        """Azure's copy may go on after its answer and be seen half done; a block list is all or nothing."""
        with BoundedInput(self._ask(self._fs.open, source, "rb", block_size=_BLOCK_BYTES)) as file:
            try:
                within(TRANSFER_SECONDS, _send, self._fs, self._place(target), file)
            except OSError:
                # Another run that shows the same file takes away this one's blocks by committing its own.
                if not self.exists(target):
                    raise

    def sync_folder(self, path: str) -> None:
        """Nothing to do: what an object store has answered is durable."""

    def delete(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._ask(self._fs.rm_file, path)

    def delete_folder(self, path: str) -> None:
        for name in self.list_folder(path) or ():
            self.delete(f"{path}/{name}")
        if self._is_azure:
            # A hierarchical namespace keeps folders that have become empty.
            with contextlib.suppress(OSError):
                self.delete(path)


class _Upload:
    """A file that is written to the worker's disk and uploaded when it is whole.

    So its memory does not grow with the number of open files, nor with their size. The disk's file has no
    name: nothing of it is left, however the process ends.
    """

    def __init__(self, filesystem: AbstractFileSystem, place: str) -> None:
        self._fs = filesystem
        self._place = place
        self.sink: Any = tempfile.TemporaryFile()  # noqa: SIM115

    def finish(self) -> int:
        with self.sink as file:
            size: int = file.seek(0, 2)
            file.seek(0)
            within(TRANSFER_SECONDS, _send, self._fs, self._place, file)
        return size

    def abandon(self) -> None:
        with contextlib.suppress(OSError):
            self.sink.close()


def _send(filesystem: AbstractFileSystem, place: str, source: IO[bytes]) -> None:
    target = filesystem.open(place, "wb", block_size=_BLOCK_BYTES)
    try:
        shutil.copyfileobj(source, target, _BLOCK_BYTES)
    except BaseException:
        target.closed = True  # fsspec would complete the object with what there is
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
