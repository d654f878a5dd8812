"""The log of the requests that were answered."""

from __future__ import annotations

import collections
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

__all__ = ["LoggedRequest", "RequestLog"]

_LOG_LENGTH = 100_000


@dataclass(frozen=True)
class LoggedRequest:
    """A request that was answered. Never holds secrets or tokens: neither headers nor bodies are kept.

    `client_id` is the application whose token the API accepted; `fault` the effect of its fault.
    """

    method: str
    path: str
    query: str
    status: int
    client_id: str | None = None
    fault: str | None = None


class RequestLog(Sequence[LoggedRequest]):
    """The requests answered so far, oldest first; the last 100,000 of them."""

    def __init__(self) -> None:
        self._entries: collections.deque[LoggedRequest] = collections.deque(maxlen=_LOG_LENGTH)
        self._lock = threading.Lock()

    def add(self, entry: LoggedRequest) -> None:
        """Write a request down."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._entries.clear()

    def to(self, part: str) -> list[LoggedRequest]:
        """The requests whose path contains `part`."""
        return [entry for entry in self.all() if part in entry.path]

    def all(self) -> list[LoggedRequest]:
        """A copy of the whole log."""
        with self._lock:
            return list(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> LoggedRequest: ...

    @overload
    def __getitem__(self, index: slice) -> list[LoggedRequest]: ...

    def __getitem__(self, index: int | slice) -> LoggedRequest | list[LoggedRequest]:
        return self.all()[index]
