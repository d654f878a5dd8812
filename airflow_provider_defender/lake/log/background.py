"""Work that a thread of its own does beside the caller: calls in order, a bounded amount of them waiting."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["BackgroundWork"]


class BackgroundWork:
    """Does calls one after another, beside the caller once that is worth a thread.

    The first calls are done at once, by the caller. After `inline_bytes` of them a thread does the rest,
    until `finish` or `abandon`, which end it. A call that fails there ends the work: its error is raised by
    every later `do` and `finish`, and no further call is done. Not for use by several callers.

    Args:
        name: the thread's name.
        inline_bytes: the size of all calls, in bytes, up to which no thread is begun.
        waiting_bytes: the most bytes that wait for the thread, without the call that it is doing, and except
            for a single call of more. `do` waits until there is room.
    """

    def __init__(self, name: str, *, inline_bytes: int, waiting_bytes: int) -> None:
        self._name = name
        self._inline_bytes = inline_bytes
        self._most_waiting = waiting_bytes
        self._given = 0
        self._calls: deque[tuple[int, Callable[[], None]]] = deque()
        self._waiting_bytes = 0
        self._is_ending = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def do(self, size: int, call: Callable[[], None]) -> None:
        """Do a call whose data has `size` bytes, now or later. Raises what an earlier call has raised.

        A call that the caller itself does raises its own error, which ends nothing: the caller knows it.
        """
        self._check()
        self._given += size
        if self._thread is None:
            if self._given <= self._inline_bytes:
                call()
                return
            self._begin()
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(size))
            self._check()
            self._calls.append((size, call))
            self._waiting_bytes += size
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until all calls are done, and end the thread. Raises what a call has raised."""
        self._end()
        self._check()

    def abandon(self) -> None:
        """Drop the calls that wait, and end the thread after the one that it is doing. Raises nothing."""
        with self._changed:
            while self._calls:
                self._waiting_bytes -= self._calls.popleft()[0]
        self._end()

    def _has_room(self, size: int) -> bool:
        fits = not self._waiting_bytes or self._waiting_bytes + size <= self._most_waiting
        return fits or self._error is not None

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _begin(self) -> None:
        # With a copy of the context, the work's log lines are the task's own.
        run = contextvars.copy_context().run
        self._is_ending = False
        # Where the process must end at once, a daemon does not keep it from doing so.
        self._thread = threading.Thread(target=run, args=(self._work,), name=self._name, daemon=True)
        self._thread.start()

    def _end(self) -> None:
        if self._thread is None:
            return
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._thread.join()
        self._thread = None

    def _work(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except BaseException as error:  # raised again in the caller
                self._fail(error)
                return
            finally:
                del call  # or its data would be held until the next one comes

    def _next(self) -> Callable[[], None] | None:
        """The next call, which waits no longer; None when all are done and no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._is_ending)
            if not self._calls:
                return None
            size, call = self._calls.popleft()
            self._waiting_bytes -= size
            self._changed.notify_all()
            return call

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = error
            self._calls.clear()
            self._waiting_bytes = 0
            self._changed.notify_all()
