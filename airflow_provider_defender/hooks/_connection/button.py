"""The "Test" button of Airflow's connection form: a result within ten seconds, whatever hangs."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from airflow_provider_defender.exceptions import DefenderError

__all__ = ["run_test"]


class HasRemarks(Protocol):
    """Settings of a connection, with warnings about suspicious fields."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The sentences."""


Settings = TypeVar("Settings", bound=HasRemarks)

_LIMIT_SECONDS = 10.0
_REQUESTS_END_BEFORE = 1.0


def run_test(
    conn_id: str, load: Callable[[], Settings], check: Callable[[Settings, float], str]
) -> tuple[bool, str]:
    """Run `check(load(), deadline)`; return whether it succeeded and its message, within ten seconds.

    `load` reads the connection. The deadline (`time.monotonic`) limits the requests; a thread limits what has
    no timeout of its own, such as resolving a name.
    """
    try:
        settings = load()
    except DefenderError as error:
        return False, str(error)
    except Exception as error:
        # Not the text: a parser quotes what it could not read, and that may be the secret.
        return False, f"Connection {conn_id!r} cannot be read: {type(error).__name__}; see the log."
    answers: list[tuple[bool, str]] = []
    deadline = time.monotonic() + _LIMIT_SECONDS - _REQUESTS_END_BEFORE

    def work() -> None:
        try:
            answers.append((True, " ".join((check(settings, deadline), *settings.remarks))))
        except DefenderError as error:
            answers.append((False, str(error)))
        except Exception as error:
            # Not the text: it is unknown what a library puts into it.
            answers.append((False, f"The test ended with {type(error).__name__}; see the log."))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    thread.join(_LIMIT_SECONDS)
    return (
        answers[0] if answers else (False, f"No result within {_LIMIT_SECONDS:.0f} s: check host and proxy.")
    )
