"""A lake: the root folder or prefix of all logs and datasets."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, overload

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_defender.lake.log.layout import HIDDEN, is_dataset, is_log_name
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.log.position import P
from airflow_provider_defender.lake.parquet import WriterSettings
from airflow_provider_defender.lake.storage.local import LocalStorage
from airflow_provider_defender.lake.storage.object_store import ObjectStorage
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = ["Lake"]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Lake:
    """A lake in a store.

    Args:
        filesystem: an fsspec file system, such as `ObjectStoragePath.fs`.
        root: the lake's root in it, such as `ObjectStoragePath.path`.
        single_writer: the user's promise that only one run writes at a time. Only with it are stores accepted
            that cannot create an object only if it is absent.
        settings: how data files are written; None: the defaults.
        commits_per_checkpoint: after how many commits of a log the next checkpoint is written; at least 1.
        clock: returns the current time as an aware datetime.
        sleep: waits for a number of seconds.
        random_number: returns a number from 0 up to 1, for waits of random length.
    """

    retry_waits: Sequence[float] = (0.5, 1.0, 2.0, 4.0)
    """Seconds between retries of a create whose outcome is unknown."""

    def __init__(
        self,
        filesystem: AbstractFileSystem,
        root: str,
        *,
        single_writer: bool = False,
        settings: WriterSettings | None = None,
        commits_per_checkpoint: int = 100,
        clock: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] = time.sleep,
        random_number: Callable[[], float] = random.random,
    ) -> None:
        if commits_per_checkpoint < 1:
            raise ValueError(f"commits_per_checkpoint is {commits_per_checkpoint}: at least 1 is needed")
        self.commits_per_checkpoint = commits_per_checkpoint
        self.filesystem = filesystem
        self.storage = _open_storage(filesystem, root, single_writer)
        self.settings = settings or WriterSettings()
        self.now = clock
        self.sleep = sleep
        self.random = random_number

    @overload
    def log(self, name: str) -> Log[Any]: ...

    @overload
    def log(self, name: str, position_type: type[P], *, origin: Mapping[str, str]) -> Log[P]: ...

    def log(
        self, name: str, position_type: type[Any] | None = None, *, origin: Mapping[str, str] | None = None
    ) -> Log[Any]:
        """Return the log of this name, whether it has commits or not.

        `position_type`: the type of its position, `VersionsPosition` or `OffsetsPosition`; reading a log with
        another type raises `CommitUnreadable`. `origin`: what the log belongs to, such as a source and a
        tenant, as recorded in each commit; reading a log of another origin raises `OriginMismatch`. Without
        both arguments, any log can be read, but not written.

        Raises `ValueError` for a name that is not safe as a folder name.
        """
        return Log(self, name, position_type, origin)

    def logs(self) -> list[Log[Any]]:
        """Return all logs that have commits, with the origin and position type found in their newest commit.

        Raises `CommitUnreadable`, and what the store raises.
        """
        found = ((name, Log[Any](self, name).newest()) for name in self.log_names())
        return [
            Log(self, name, type(newest.position) if newest.position else None, newest.origin)
            for name, newest in found
            if newest is not None
        ]

    def log_names(self) -> list[str]:
        """Return the names of all folders that can hold a log."""
        names = self.storage.list_folder(HIDDEN) or []
        return sorted(name for name in names if is_log_name(name) and not name.endswith(".probe"))

    def datasets(self, folder: str) -> list[str]:
        """Return the datasets below a folder such as `events`: `["events/DeviceInfo", …]`.

        Makes one listing, not one for each dataset.
        """
        names = self.storage.list_folder(folder) or []
        return sorted(path for name in names if is_dataset(path := f"{folder}/{name}"))


def _open_storage(filesystem: AbstractFileSystem, root: str, single_writer: bool) -> Storage:
    if isinstance(filesystem, LocalFileSystem):
        return LocalStorage(filesystem._strip_protocol(root), single_writer=single_writer)
    return ObjectStorage(filesystem, root, single_writer=single_writer)
