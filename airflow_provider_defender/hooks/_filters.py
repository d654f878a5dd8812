"""OData filters of the alerts API (Microsoft Learn, "List alerts API": filterable properties)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_defender.categories import ALERT_CATEGORIES
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._shown import nearest
from airflow_provider_defender.timestamps import format_ticks

if TYPE_CHECKING:
    import msgspec

__all__ = ["AlertFilter", "created_between_filter", "updated_between_filter", "updated_since_filter"]

SEVERITIES = ("UnSpecified", "Informational", "Low", "Medium", "High")
STATUSES = ("Unknown", "New", "InProgress", "Resolved")
_MOST_SEEN = 200
_ABSENT = ("", "-", "N/A")
"""Texts that mean that there is no value."""


@dataclass(frozen=True, init=False)
class AlertFilter:
    """Which alerts are wanted; an empty part wants all.

    `severity` and `status` take the API's values in any case and keep its spelling; an unknown value is
    a `ConfigurationError`, as it would land nothing without a word. `category` is free text, as in the
    API (`doubts` says what of it may be misspelt). Values are sorted and without repeats, so equal filters
    compare equal.
    """

    severity: tuple[str, ...]
    status: tuple[str, ...]
    category: tuple[str, ...]

    def __init__(
        self,
        severity: Collection[str] | str | None = None,
        status: Collection[str] | str | None = None,
        category: Collection[str] | str | None = None,
    ) -> None:
        object.__setattr__(self, "severity", _known("severity", severity, SEVERITIES))
        object.__setattr__(self, "status", _known("status", status, STATUSES))
        object.__setattr__(self, "category", _texts("category", category))

    def as_dict(self) -> Mapping[str, list[str]]:
        """The parts that narrow something, for the log's position."""
        parts = {"severity": self.severity, "status": self.status, "category": self.category}
        return {name: list(values) for name, values in parts.items() if values}

    def wanted(self, records: Sequence[msgspec.Raw], seen: dict[str, set[str]] | None = None) -> list[bool]:
        """For each raw alert, whether it passes; upper and lower case are the same, of names and of values.

        What cannot be judged passes: it is not for a filter to drop what is no readable alert, or does not
        say what is filtered by. `seen` collects the values met of each part, for `doubts`.
        """
        parts = {name: {value.casefold() for value in values} for name, values in self.as_dict().items()}
        if not parts:
            return [True] * len(records)
        return [_passes(record, parts, {} if seen is None else seen) for record in records]

    def doubts(self, seen: Mapping[str, Collection[str]]) -> list[str]:
        """A warning for each category that is not documented and that no alert read had (`seen`)."""
        met = {value.casefold() for value in seen.get("category", ())}
        documented = {value.casefold() for value in ALERT_CATEGORIES}
        known = sorted({*ALERT_CATEGORIES, *seen.get("category", ())})
        return [
            f"Filter category: no alert that was read has {value!r}, and Microsoft's documentation does not "
            f"name it{_suggestion(value, known)} If it is misspelt, the alerts it was meant for have not "
            "landed: correct it, and run this task once with since=<when it began to run>."
            for value in self.category
            if value.casefold() not in met | documented
        ]

    def odata(self) -> str | None:
        """The OData condition, or None where everything is wanted.

        Only for questions that one page answers: rows that change while pages are read would leave the set,
        and paging would pass over others.
        """
        conditions = [_any_of(name, values) for name, values in self.as_dict().items()]
        return " and ".join(conditions) or None


def updated_since_filter(ticks: int, filters: AlertFilter | None = None) -> str:
    """Alerts updated at or after `ticks` (100 ns since 1970): incremental drains, no upper bound."""
    return _joined(f"lastUpdateTime ge {format_ticks(ticks)}", filters)


def updated_after_filter(ticks: int, filters: AlertFilter | None = None) -> str:
    """Alerts updated later than `ticks`: the sensor's question."""
    return _joined(f"lastUpdateTime gt {format_ticks(ticks)}", filters)


def created_between_filter(since: int, until: int, filters: AlertFilter | None = None) -> str:
    """Alerts created in `[since, until)`, in ticks: backfills."""
    return _between("alertCreationTime", since, until, filters)


def updated_between_filter(since: int, until: int, filters: AlertFilter | None = None) -> str:
    """Alerts whose *latest* update lies in `[since, until)`, in ticks: backfills with `by="updated"`.

    An alert that is updated while the pages are read leaves the window, so paging can pass over another.
    """
    return _between("lastUpdateTime", since, until, filters)


def quote(text: str) -> str:
    """An OData string literal: a single quote inside is doubled."""
    return "'" + text.replace("'", "''") + "'"


def _between(field: str, since: int, until: int, filters: AlertFilter | None) -> str:
    if until <= since:
        raise ConfigurationError(
            f"The window from {format_ticks(since)} to {format_ticks(until)} is empty: "
            "its end must lie after its start."
        )
    return _joined(f"{field} ge {format_ticks(since)} and {field} lt {format_ticks(until)}", filters)


def _joined(window: str, filters: AlertFilter | None) -> str:
    condition = filters.odata() if filters else None
    return f"{window} and {condition}" if condition else window


def _any_of(field: str, values: Sequence[str]) -> str:
    equalities = [f"{field} eq {quote(value)}" for value in values]
    return equalities[0] if len(equalities) == 1 else f"({' or '.join(equalities)})"


def _passes(record: msgspec.Raw, parts: Mapping[str, set[str]], seen: dict[str, set[str]]) -> bool:
    import msgspec

    try:
        alert = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True
    passes = True
    for name, values in parts.items():
        text = _text_of(alert, name)
        if text is None:
            continue
        met = seen.setdefault(name, set())
        if len(met) < _MOST_SEEN:
            met.add(text)
        passes = passes and text.casefold() in values
    return passes


def _text_of(alert: Mapping[str, msgspec.Raw], name: str) -> str | None:
    """The property's text under its own spelling, else under another that differs in case, as in mapping."""
    import msgspec

    for key in (name, *(key for key in alert if key.lower() == name)):
        try:
            value = msgspec.json.decode(alert.get(key, b"null"), type=str | None)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if value is not None and value.strip() not in _ABSENT:
            return value.strip()
    return None


def _suggestion(value: str, known: Sequence[str]) -> str:
    """The end of the sentence: which known name is perhaps meant, if one is like it."""
    spelling = {_plain(name): name for name in known}
    near = nearest(_plain(value), spelling)
    return f"; did you mean {spelling[near]!r}?" if near else "."


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _texts(name: str, values: Collection[str] | str | None) -> tuple[str, ...]:
    if isinstance(values, str):
        values = [values] if values.strip() else []  # a template that renders to nothing
    try:
        texts = list(values or ())
    except TypeError:
        raise ConfigurationError(f"Filter {name}: {values!r} is not a list of names.") from None
    for text in texts:
        if not isinstance(text, str) or not text.strip() or any(mark in text for mark in ",[]"):
            raise ConfigurationError(
                f"Filter {name}: {text!r} is not a name. Give a list of names; a template gives one with "
                "render_template_as_native_obj=True on the DAG."
            )
    return tuple(sorted({text.strip() for text in texts}))


def _known(name: str, values: Collection[str] | str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    spelling = {value.lower(): value for value in known}
    texts = _texts(name, values)
    unknown = [text for text in texts if text.lower() not in spelling]
    if unknown:
        raise ConfigurationError(
            f"Filter {name}: {', '.join(map(repr, unknown))} is not a {name} of the alerts API. "
            f"It knows {', '.join(known)}."
        )
    return tuple(sorted({spelling[text.lower()] for text in texts}))
