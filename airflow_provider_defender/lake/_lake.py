"""A lake: the root folder or prefix below which all logs and datasets lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, overload

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_defender.lake._layout import HIDDEN, is_dataset, is_log_name
from airflow_provider_defender.lake._local import LocalStorage
from airflow_provider_defender.lake._log import Log
from airflow_provider_defender.lake._object_store import ObjectStorage
from airflow_provider_defender.lake._parquet import WriterSettings
from airflow_provider_defender.lake._position import P, RestPosition
from airflow_provider_defender.lake._storage import Storage

__all__ = ["Lake"]


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Lake:
    """A lake in a store.

    `filesystem` and `root` are what an Airflow `ObjectStoragePath` has as `fs` and `path`.
    `single_writer`: the user's word that only one run writes at a time, which lets in stores that cannot
    create an object only if it is absent. `clock` gives aware datetimes, `sleep` waits for seconds.
    """

    retry_waits = (0.5, 1.0, 2.0, 4.0)
    """Seconds between the repetitions of a create whose outcome is not known."""

    def __init__(
        self,
        filesystem: AbstractFileSystem,
        root: str,
        *,
        single_writer: bool = False,
        settings: WriterSettings | None = None,
        clock: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.storage = _open_storage(filesystem, root, single_writer)
        self.settings = settings or WriterSettings()
        self.now = clock
        self.sleep = sleep

    @overload
    def log(self, name: str) -> Log[RestPosition]: ...

    @overload
    def log(self, name: str, position: type[P]) -> Log[P]: ...

    def log(self, name: str, position: type[Any] = RestPosition) -> Log[Any]:
        """The log of this name, whether it has commits or not; `ValueError` where the name is no safe one.

        `position`: the kind of position that it has, `RestPosition` or `HubPosition`; reading a log of
        another kind raises `RecordUnreadable`.
        """
        return Log(self, name, position)

    def logs(self) -> list[Log[Any]]:
        """All logs that the lake has, of any kind."""
        names = self.storage.list_folder(HIDDEN) or []
        logs = [
            Log[Any](self, name, None)
            for name in sorted(names)
            if is_log_name(name) and not name.endswith(".probe")
        ]
        return [log for log in logs if self.storage.list_folder(log.paths.commits) is not None]

    def datasets(self, folder: str) -> list[str]:
        """The datasets that have landed below a folder such as `events`: `["events/DeviceInfo", …]`.

        One listing, not of their partitions.
        """
        names = self.storage.list_folder(folder) or []
        return sorted(path for name in names if is_dataset(path := f"{folder}/{name}"))


def _open_storage(filesystem: AbstractFileSystem, root: str, single_writer: bool) -> Storage:
    if isinstance(filesystem, LocalFileSystem):
        return LocalStorage(filesystem._strip_protocol(root), single_writer=single_writer)
    return ObjectStorage(filesystem, root, single_writer=single_writer)
