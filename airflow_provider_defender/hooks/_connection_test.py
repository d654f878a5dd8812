"""The "Test" button of Airflow's connection form: an answer in ten seconds, whatever hangs."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from airflow_provider_defender.exceptions import DefenderError
from airflow_provider_defender.hooks._access_token import AccessToken

__all__ = ["ALERT_ROLES", "describe_token", "run_test"]


class HasRemarks(Protocol):
    """Settings of a connection, with sentences about what is doubtful in it."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The sentences."""


Settings = TypeVar("Settings", bound=HasRemarks)

ALERT_ROLES = ("Alert.Read.All", "Alert.ReadWrite.All")
"""Either of these application roles of WindowsDefenderATP opens the alerts API."""

_LIMIT_SECONDS = 10.0
_REQUESTS_END_BEFORE = 1.0


def run_test(
    conn_id: str, load: Callable[[], Settings], check: Callable[[Settings, float], str]
) -> tuple[bool, str]:
    """Run `check(load(), deadline)`; return whether it succeeded and what it says, within ten seconds.

    `load` reads the connection. The deadline (`time.monotonic`) bounds the requests; the thread is for what
    has no time limit of its own, such as resolving a name.
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
            # Not the text: what a library puts into it is not known.
            answers.append((False, f"The test ended with {type(error).__name__}; see the log."))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    thread.join(_LIMIT_SECONDS)
    return (
        answers[0] if answers else (False, f"No result within {_LIMIT_SECONDS:.0f} s: check host and proxy.")
    )


def describe_token(
    token: AccessToken, client_id: str | None, tenant_id: str, cloud: str, needed: Sequence[str] = ()
) -> str:
    """Who the token is for, until when, and which roles it grants; never the token.

    `needed` are the roles of which one is needed for what the connection is used for; where none is granted,
    the first is told as missing.
    """
    who = f"application {client_id}" if client_id else "the system-assigned managed identity"
    granted = ", ".join(token.roles) or "none"
    text = (
        f"Got a token for {who} in tenant {tenant_id} ({cloud} cloud), valid until "
        f"{token.expires_at:%Y-%m-%d %H:%M:%S} UTC. Roles granted: {granted}."
    )
    if not needed:
        return text
    missing = "none" if set(token.roles) & set(needed) else needed[0]
    return f"{text} Roles missing for alerts: {missing}."
