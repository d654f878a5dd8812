"""Calls into a store's client with a limit of time, whatever the client does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import IO, Any, TypeVar

__all__ = ["REQUEST_SECONDS", "TRANSFER_SECONDS", "BoundedInput", "as_os_error", "within"]

REQUEST_SECONDS = 300.0
"""The longest that one small request may take, including the client's own retries."""

TRANSFER_SECONDS = 1800.0
"""The longest that the upload or copy of one file may take."""

T = TypeVar("T")


def within(seconds: float, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Return what `function` returns. Raises `TimeoutError` if it takes longer, `OSError` for its errors.

    Clients raise errors of many classes, also of their own: a caller could not tell them from a bug here.
    Clients have timeouts of their own, but fsspec's do not cover the wait for a free connection, an answer
    that trickles in, or their own retries. A call that takes too long continues in its thread, just as a
    request that was sent can still arrive: the lake's protocol expects that.
    """
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(function(*args, **kwargs))
        except BaseException as error:
            outcome.set_exception(as_os_error(error))

    threading.Thread(target=work, daemon=True, name="lake-request").start()
    try:
        return outcome.result(seconds)
    except FutureTimeout:
        if outcome.done():  # the call itself has raised it
            raise
        name = getattr(function, "__name__", "a request")
        raise TimeoutError(f"the store did not answer {name} within {seconds:.0f} s") from None


def as_os_error(error: BaseException) -> BaseException:
    """The error itself, or an `OSError` with the error as its cause."""
    if isinstance(error, (OSError, MemoryError)) or not isinstance(error, Exception):
        return error
    wrapped = OSError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


class BoundedInput:
    """A file of a store, opened for reading, each of whose reads is bounded."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        return within(REQUEST_SECONDS, self._file.read, size)

    def __enter__(self) -> BoundedInput:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
