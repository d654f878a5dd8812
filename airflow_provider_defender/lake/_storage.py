"""The few steps that the lake takes in a store, so that each store's own ways stay behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import IO, Any, Protocol

__all__ = ["NotCreated", "Storage", "WholeFile"]


class NotCreated(Exception):  # noqa: N818
    """A create failed, and its `__cause__` leaves no doubt: nothing was or will be created."""


class WholeFile(Protocol):
    """A new file that is written once, from beginning to end."""

    sink: Any
    """What pyarrow writes to."""

    def finish(self) -> int:
        """Make the file durable under its name; its size in bytes."""
        ...

    def abandon(self) -> None:
        """Stop without caring what is left; never raises an `OSError`."""
        ...


class Storage(Protocol):
    """A store below one root. Paths are relative to it; every listing and reading is fresh, never cached."""

    def read(self, path: str) -> bytes:
        """A file's content; raises `FileNotFoundError`."""
        ...

    def read_many(self, paths: Sequence[str]) -> list[bytes]:
        """The content of each file; raises `FileNotFoundError`."""
        ...

    def open_input(self, path: str) -> IO[bytes]:
        """A file opened for reading at any place; raises `FileNotFoundError`."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file now."""
        ...

    def list_folder(self, path: str) -> list[str] | None:
        """Names of the files and folders in a folder, None where the folder does not exist."""
        ...

    def modified(self, path: str) -> datetime:
        """When a file (local: or a folder) was last written, by the store's clock; `FileNotFoundError`."""
        ...

    def url(self, path: str) -> str:
        """What readers open: an absolute path, or a URL with the store's scheme."""
        ...

    def check_create(self) -> None:
        """Raise `StoreRefused` where `create` could overwrite what another run has created."""
        ...

    def check_folder(self, path: str) -> None:
        """Raise an `OSError` where no file could be brought into a folder, as far as that can be known.

        The folder may be absent: then it is to be made. Only local stores can tell without a request.
        """
        ...

    def create(self, path: str, body: bytes, scratch: str) -> None:
        """Create a file durably and whole, only if there is none of that name.

        Raises `NotCreated` where it certainly was not, anything else where it may have been. `scratch` is
        a folder of this run's own for temporary files.
        """
        ...

    def replace(self, path: str, body: bytes) -> None:
        """Write a file whole and durably, in the place of another one if need be."""
        ...

    def new_file(self, path: str) -> WholeFile:
        """A new file that nobody sees yet, or that lies where nobody looks."""
        ...

    def show(self, source: str, target: str) -> None:
        """Bring a whole file to its final place, with no moment at which it is there in part.

        The source may stay. Raises `FileNotFoundError` where there is no source.
        """
        ...

    def sync_folder(self, path: str) -> None:
        """Make the names in a folder durable, where the store does not do so by itself."""
        ...

    def delete(self, path: str) -> None:
        """Delete a file; one that is absent is as good as deleted."""
        ...

    def delete_folder(self, path: str) -> None:
        """Delete a folder of files; absent ones are as good as deleted."""
        ...
