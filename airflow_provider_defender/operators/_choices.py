"""Parameters that take one of a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_defender.exceptions import ConfigurationError

__all__ = ["check_choice", "did_you_mean"]


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise `ConfigurationError`, with all choices, where a parameter's value is none of them."""
    if value in choices:
        return
    listed = " or ".join(filter(None, (", ".join(map(repr, choices[:-1])), repr(choices[-1]))))
    raise ConfigurationError(f"{name}={value!r} must be {listed}.{did_you_mean(value, choices)}")


def did_you_mean(value: Any, choices: Sequence[str]) -> str:
    """The choice that a misspelt value resembles, as a question after a message; empty where none does."""
    from airflow_provider_defender.hooks._shown import nearest

    by_folded = {choice.lower(): choice for choice in choices}
    near = nearest(str(value).strip(), by_folded)
    return f" Did you mean {by_folded[near]!r}?" if near else ""
