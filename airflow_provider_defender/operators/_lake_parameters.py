"""Checks of what the operators that maintain a lake are given: dataset patterns, ages, switches."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_defender.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_defender.lake import Lake

__all__ = ["check_patterns", "parse_ages", "parse_names", "parse_switch", "parse_text"]

_LONGEST_DAYS = 36_500
_SWITCHES = {"true": True, "false": False, "1": True, "0": False, "": False, "none": False}
_AGES = "ages={'events/*': 90, 'alerts': 400}, or ages=365 for all datasets"


def parse_switch(name: str, given: Any) -> bool:
    """Parse a switch: a bool, or the text that a template makes of one.

    Raises:
        ConfigurationError: it is neither true nor false.
    """
    found = _SWITCHES.get(str(given).strip().lower())
    if found is None:
        raise ConfigurationError(f"{name}={given!r} must be true or false.")
    return found


def parse_text(given: str | None) -> str | None:
    """Parse a text that may be left out: None, also for an empty one or what a template makes of None."""
    return None if _is_blank(given) else given


def parse_names(name: str, given: Any) -> list[str] | None:
    """Parse names or patterns: a list, or a text with commas or blanks between. None or an empty text: all.

    Raises:
        ConfigurationError: it lists none, or something that is no text.
    """
    if _is_blank(given):
        return None
    values = re.findall(r"[^\s,]+", given) if isinstance(given, str) else given
    usable = isinstance(values, Iterable) and all(
        isinstance(value, str) and value.strip() for value in values
    )
    names = [value.strip() for value in values] if usable else []
    if not names:
        raise ConfigurationError(f"{name}={given!r} must be a list of names or patterns; None means all.")
    return names


# Ages ---------------------------------------------------------------------------------------------


def parse_ages(given: Any) -> dict[str, timedelta]:
    """Parse how long datasets are kept: days by name or pattern, or days for all; also as JSON text.

    An age without a value (None or an empty text) is left out; so is all of an empty text.

    Raises:
        ConfigurationError: an age is not a number of days from 1 to 36,500.
    """
    values = _decoded(given)
    if not isinstance(values, Mapping):
        values = {"*": values}
    return {
        str(pattern).strip(): _age(str(pattern), value)
        for pattern, value in values.items()
        if not _is_blank(value)
    }


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def _decoded(given: Any) -> Any:
    if not isinstance(given, str) or _is_blank(given):
        return given
    try:
        return json.loads(given)
    except ValueError:
        raise ConfigurationError(f"ages={given!r} must be days by dataset: {_AGES}.") from None


def _age(pattern: str, value: Any) -> timedelta:
    days = value / timedelta(days=1) if isinstance(value, timedelta) else _number(value)
    if days is None or not 1 <= days <= _LONGEST_DAYS:
        raise ConfigurationError(
            f"ages[{pattern!r}]={value!r} must be a number of days from 1 to {_LONGEST_DAYS:,}: {_AGES}."
        )
    return timedelta(days=days)


def _number(value: Any) -> float | None:
    """A number, or one that a template has made a text of; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


# Patterns -----------------------------------------------------------------------------------------


def check_patterns(name: str, patterns: Iterable[str], lake: Lake, *, also: Sequence[str] = ()) -> None:
    """Refuse a pattern that matches neither a dataset of the lake nor any that this release lands.

    `also`: further names that may be meant.

    Raises:
        ConfigurationError: it names the pattern, and what was probably meant.
    """
    known = sorted({*_landed_names(), *_names_in(lake), *also})
    for pattern in patterns:
        if not any(fnmatchcase(dataset, pattern) for dataset in known):
            raise ConfigurationError(
                f"{name}: {pattern!r} matches no dataset of this lake, and none that this release lands."
                f"{_meant(pattern, known)}"
            )


def _landed_names() -> list[str]:
    from airflow_provider_defender import ecs

    return ["alerts", "incidents", *(f"events/{table}" for table in ecs.known_event_tables())]


def _names_in(lake: Lake) -> list[str]:
    return [*(lake.storage.list_folder("") or ()), *lake.datasets("events")]


def _meant(pattern: str, known: Sequence[str]) -> str:
    from airflow_provider_defender.hooks import nearest

    by_folded = {name.lower(): name for name in ("events/*", *known)}
    near = nearest(pattern, by_folded)
    return f" Did you mean {by_folded[near]!r}?" if near else " Examples: 'alerts', 'events/*', '*'."
