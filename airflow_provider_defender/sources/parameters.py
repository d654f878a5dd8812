"""Checks of operators' and sensors' parameters: errors name the parameter, its value and what is valid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, cast, get_args

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.sources.window import parse_moment

__all__ = [
    "ALERT_SOURCES",
    "AlertSource",
    "Start",
    "check_choice",
    "check_counts",
    "check_kafka_config",
    "check_spans",
    "parse_hub_partitions",
    "parse_start",
]


AlertSource: TypeAlias = Literal["endpoint_alerts", "graph_alerts", "auto"]
"""Which API alerts come from; `auto` chooses one when a task runs."""
ALERT_SOURCES = get_args(AlertSource)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise `ConfigurationError`, which lists the choices, if a parameter's value is none of them."""
    if value in choices:
        return
    listed = " or ".join(filter(None, (", ".join(map(repr, choices[:-1])), repr(choices[-1]))))
    raise ConfigurationError(f"{name}={value!r} must be {listed}.{_did_you_mean(value, choices)}")


def _did_you_mean(value: Any, choices: Sequence[str]) -> str:
    """The choice that a misspelt value resembles, as a question to append to a message; else empty."""
    from airflow_provider_defender.hooks import nearest

    by_folded = {choice.lower(): choice for choice in choices}
    near = nearest(str(value).strip(), by_folded)
    return f" Did you mean {by_folded[near]!r}?" if near else ""


def check_spans(spans: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` if a parameter is neither None nor a timedelta of at least 0."""
    for name, span in spans.items():
        if span is not None and (not isinstance(span, timedelta) or span < timedelta()):
            raise ConfigurationError(f"{name}={span!r} must be a timedelta that is not negative.")


def check_counts(counts: Mapping[str, Any], *, least: int) -> None:
    """Raise `ConfigurationError` if a parameter is neither None nor a whole number of at least `least`."""
    for name, count in counts.items():
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < least):
            raise ConfigurationError(f"{name}={count!r} must be a whole number from {least} on.")


def check_kafka_config(config: Mapping[str, Any] | None) -> None:
    """Raise `ConfigurationError` if librdkafka settings, given as a parameter, contain a secret."""
    from airflow_provider_defender.hooks import is_secret

    for name in config or {}:
        if is_secret(name):
            raise ConfigurationError(
                f"kafka_config[{name!r}] is a secret: Airflow stores the arguments of tasks as they are. "
                "Put it into the extra of the connection, under its own name."
            )


# Of hubs -----------------------------------------------------------------------------------------

Start: TypeAlias = Literal["earliest", "latest"] | datetime
"""Where the first drain of a hub partition begins."""


def parse_hub_partitions(given: Any) -> list[int] | None:
    """Parse the hub partitions of a parameter: numbers, or a text such as `"0, 1"`. None means all.

    Raises:
        ConfigurationError: it lists none, or something that is no partition number.
    """
    if given is None or (isinstance(given, str) and given.strip() in ("", "None")):
        return None
    values = re.findall(r"[^\s,\[\]()]+", given) if isinstance(given, str) else given
    values = [values] if isinstance(values, int) else list(values)
    numbers = sorted({int(value) for value in values if re.fullmatch(r"\d{1,9}", str(value))})
    if not values or len(numbers) != len(set(map(str, values))):
        raise ConfigurationError(
            f"hub_partitions={given!r} must be a list of partition numbers, for example [0, 1]; None means "
            "all."
        )
    return numbers


def parse_start(given: Any) -> Start:
    """Parse where a first drain begins: `earliest`, `latest` or a time.

    Raises:
        ConfigurationError: it is none of these.
    """
    word = given.strip().lower() if isinstance(given, str) else None
    if word in ("earliest", "latest"):
        return cast("Literal['earliest', 'latest']", word)
    try:
        moment = parse_moment("start", given)
    except ConfigurationError:
        moment = None
    if moment is None:
        raise ConfigurationError(
            f"start={given!r} must be 'earliest', 'latest' or a time in ISO 8601, for example "
            f"2026-11-22T00:00:00Z.{_meant_start(word)}"
        )
    return moment


def _meant_start(word: str | None) -> str:
    if word in ("beginning", "smallest", "oldest", "first"):
        return " Did you mean 'earliest'?"
    if word in ("end", "largest", "newest", "last", "now"):
        return " Did you mean 'latest'?"
    return _did_you_mean(word or "", ("earliest", "latest"))
