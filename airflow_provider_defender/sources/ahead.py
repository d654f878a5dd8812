"""Reading ahead: the next item is fetched by a thread while the caller works on the one before."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

__all__ = ["ReadAhead"]

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """An iterator over the same items, each of which can be fetched before the caller asks for it.

    An item for which `fetch` was not called is fetched by the caller, when it asks. So is each item before
    the first `fetch`, which begins the thread. An error is raised where the caller asks for the item.

    Args:
        items: the items, which only one thread uses at a time.
        patience: how many seconds `close` waits for the item that is being fetched. Where it takes longer (a
            request without an answer, say), the thread ends when it has come, or with the process.
    """

    def __init__(self, items: Iterator[T], *, patience: float = 5.0) -> None:
        self._items = items
        self._patience = patience
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_closed = False
        self._fetched: list[T | BaseException] = []

    def fetch(self) -> None:
        """Begin to fetch the next item, which the caller must ask for before it calls this again."""
        if self._thread is None:
            # With a copy of the context, the log lines of the source are the task's own.
            run = contextvars.copy_context().run
            self._thread = threading.Thread(target=run, args=(self._work,), name="read-ahead", daemon=True)
            self._thread.start()
        with self._changed:
            self._is_wanted = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if not self._is_wanted:
            return next(self._items)
        with self._changed:
            self._changed.wait_for(lambda: self._fetched)
            self._is_wanted = False
            item = self._fetched.pop()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """End the thread, and close the items if they are a generator. What was fetched ahead is dropped."""
        with self._changed:
            self._is_closed = True
            self._fetched.clear()
            self._changed.notify_all()
        if self._thread is None:
            self._close_items()
        else:
            self._thread.join(self._patience)

    def _work(self) -> None:
        try:
            while self._must_fetch():
                self._keep(self._next())
        finally:
            self._close_items()

    def _must_fetch(self) -> bool:
        """Wait until the next item is wanted. False: no more are."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or (self._is_wanted and not self._fetched))
            return not self._is_closed

    def _next(self) -> T | BaseException:
        try:
            return next(self._items)
        except BaseException as error:  # raised again in the caller
            return error

    def _keep(self, item: T | BaseException) -> None:
        with self._changed:
            if not self._is_closed:
                self._fetched.append(item)
            self._changed.notify_all()

    def _close_items(self) -> None:
        if isinstance(self._items, Generator):
            self._items.close()
