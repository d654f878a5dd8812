"""The interface between the lake and a store, behind which the stores' differences are hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, Any, NamedTuple, Protocol, TypeVar

__all__ = ["SINK_BYTES", "NotCreated", "Storage", "WholeFile", "Written"]

T = TypeVar("T")

SINK_BYTES = 128 * 1024
"""What a sink collects before it writes: pyarrow writes each page and its header for themselves."""


class NotCreated(Exception):  # noqa: N818
    """A create failed with `__cause__`, and it is certain that nothing was or will be created."""


class Written(NamedTuple):
    """What was written: the size in bytes, and SHA-256 in hexadecimal digits."""

    bytes: int
    sha256: str


class WholeFile(Protocol):
    """A new file that is written once, from beginning to end."""

    sink: Any
    """The file object that the Parquet file is written to."""

    def finish(self) -> Written:
        """Make the file durable under its name."""
        ...

    def abandon(self) -> None:
        """Stop, whatever is left behind; never raises an `OSError`."""
        ...


class Storage(Protocol):
    """A store below one root. Paths are relative to it; every listing and reading is fresh, never cached."""

    def read(self, path: str) -> bytes:
        """A file's content. Raises `FileNotFoundError`."""
        ...

    def read_many(self, paths: Sequence[str]) -> list[bytes]:
        """The content of each file. Raises `FileNotFoundError`."""
        ...

    def open_input(self, path: str) -> IO[bytes]:
        """Open a file for random-access reading. Raises `FileNotFoundError`."""
        ...

    def open_stream(self, path: str) -> IO[bytes]:
        """A file opened to be read once, from beginning to end; raises `FileNotFoundError`."""
        ...

    def for_each(self, call: Callable[[T], None], items: Iterable[T]) -> None:
        """Call a function for each item: side by side where each call waits for a request, else in order.

        Raises what one of the calls has raised, when all that have begun are over.
        """
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file now."""
        ...

    def list_folder(self, path: str) -> list[str] | None:
        """Names of the files and folders in a folder; None if the folder does not exist."""
        ...

    def scan_folder(self, path: str) -> Iterator[str] | None:
        """As `list_folder`, but one after the other, where the store can do that without holding them all."""
        ...

    def modified(self, path: str) -> datetime:
        """When a file (or a local folder) was last written, by the store's clock. `FileNotFoundError`."""
        ...

    def url(self, path: str) -> str:
        """The address for readers: an absolute path, or a URL with the store's scheme."""
        ...

    def check_create(self) -> None:
        """Raise `StoreRefused` if `create` could overwrite what another run has created."""
        ...

    def check_folder(self, path: str) -> None:
        """Raise an `OSError` if no file could be put into a folder, as far as that can be known.

        The folder need not exist yet. Only local stores can check this without a request.
        """
        ...

    def create(self, path: str, body: bytes, scratch: str) -> None:
        """Create a file durably and whole, only if there is none of that name.

        Raises `NotCreated` if it was certainly not created, any other error if it may have been. `scratch` is
        a folder of this run's own for temporary files.
        """
        ...

    def replace(self, path: str, body: bytes) -> None:
        """Write a file whole and durably; overwrites an existing one."""
        ...

    def new_file(self, path: str) -> WholeFile:
        """A new file that no reader sees yet."""
        ...

    def publish(self, source: str, target: str) -> None:
        """Move a file to its final path atomically: readers see all of it or nothing.

        The source may remain. Raises `FileNotFoundError` if there is no source.
        """
        ...

    def sync_folder(self, path: str) -> None:
        """Make the names in a folder durable, if the store does not do so itself."""
        ...

    def delete(self, path: str) -> None:
        """Delete a file; no error if it is absent."""
        ...

    def delete_folder(self, path: str, names: Sequence[str] | None = None) -> None:
        """Delete a folder and its files; no error if they are absent.

        `names`: the files in it, for a store that would have to be asked for them.
        """
        ...
