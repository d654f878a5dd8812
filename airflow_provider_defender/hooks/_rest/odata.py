"""Parts of OData conditions (OASIS, "OData Version 4.01, URL Conventions")."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_defender.timestamps import format_ticks

__all__ = ["all_of", "any_of", "literal", "within"]


def literal(text: str) -> str:
    """A string literal: a single quote inside is doubled."""
    return "'" + text.replace("'", "''") + "'"


def any_of(field: str, values: Sequence[str]) -> str:
    """The condition that a field has one of these values."""
    equalities = [f"{field} eq {literal(value)}" for value in values]
    return equalities[0] if len(equalities) == 1 else f"({' or '.join(equalities)})"


def within(field: str, since: int | None, until: int | None) -> str | None:
    """The condition that a time lies in `[since, until)`, in ticks of 100 ns; None: no bound."""
    return all_of(
        None if since is None else f"{field} ge {format_ticks(since)}",
        None if until is None else f"{field} lt {format_ticks(until)}",
    )


def all_of(*conditions: str | None) -> str | None:
    """The condition that all of these hold; None without any."""
    return " and ".join(condition for condition in conditions if condition) or None
