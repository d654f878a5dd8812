"""What a log needs of its lake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from airflow_provider_defender.lake.parquet import WriterSettings
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = ["Environment"]


class Environment(Protocol):
    """A store, settings, a clock and random numbers. `Lake` is one."""

    storage: Storage
    settings: WriterSettings
    retry_waits: Sequence[float]
    """Seconds between retries of a create whose outcome is unknown."""

    commits_per_checkpoint: int
    """After how many commits of a log the next checkpoint is written."""

    def now(self) -> datetime:
        """The current time, as an aware datetime."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait for a number of seconds."""
        ...

    def random(self) -> float:
        """A random number from 0 up to 1, for waits of random length."""
        ...
