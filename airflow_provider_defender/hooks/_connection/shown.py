"""Values of fields in messages: shown if they cannot be a misplaced secret, else only their length."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["nearest", "not_shown", "shown_choice", "shown_host", "shown_name", "shown_number", "shown_path"]

# Twenty letters and digits in a row, some of each: typical of keys, secrets and tokens, rare in names.
_RANDOM = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{20}")
_NAME = re.compile(r"[\w#!()\-.:/\\ ]{1,100}\Z", re.ASCII)  # Airflow's own rule for connection IDs
_HOST = re.compile(
    r"(?P<host>(?:https?://|sb://)?"
    r"(?:localhost|[a-z][a-z-]{0,19}|(?:[a-z0-9_-]{1,63}\.)+[a-z]{2,24}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
    r"|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,6})?)(?P<path>/[^@]*)?\Z",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?:\.{0,2}/|~/|[A-Za-z]:[\\/])[\w.,: /\\-]{0,200}\Z")


def not_shown(value: object) -> str:
    """The replacement for a value that may be a secret: its length."""
    return f"({len(str(value))} characters, not shown)"


def shown_choice(value: str, choices: Iterable[str]) -> str:
    """A value that should be one of `choices`: shown if it is similar to one of them."""
    return repr(value) if nearest(value, choices) else not_shown(value)


def shown_host(value: str) -> str:
    """A value that should be a host: shown if it looks like one, without what follows the host."""
    match = _HOST.match(value)
    if match is None or _RANDOM.search(value):
        return not_shown(value)
    return repr(match["host"] + ("/…" if match["path"] not in (None, "/") else ""))


def shown_name(value: str) -> str:
    """A value that should be a name, such as a connection's ID: shown if it looks like one."""
    return repr(value) if _NAME.match(value) and not _RANDOM.search(value) else not_shown(value)


def shown_number(value: object) -> str:
    """A value that should be a number: shown if it is one."""
    return repr(value) if isinstance(value, int | float) else not_shown(value)


def shown_path(value: str) -> str:
    """A value that should be a path: shown if it looks like one."""
    return repr(value) if _PATH.match(value) and not _RANDOM.search(value) else not_shown(value)


def nearest(value: str, choices: Iterable[str]) -> str | None:
    """The choice that was probably meant; None if none is similar to `value`."""
    return next(iter(get_close_matches(value.lower(), list(choices), n=1, cutoff=0.6)), None)
