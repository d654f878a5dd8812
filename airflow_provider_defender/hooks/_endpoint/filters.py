"""OData filters of the alerts API (Microsoft Learn, "List alerts API": filterable properties)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from airflow_provider_defender.categories import ALERT_CATEGORIES
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._rest import odata
from airflow_provider_defender.hooks._rest.filters import ValueFilter, free_texts, known_texts
from airflow_provider_defender.timestamps import format_ticks

__all__ = [
    "TIMES",
    "AlertFilter",
    "created_between_filter",
    "updated_after_filter",
    "updated_between_filter",
    "updated_since_filter",
    "window_filter",
]

SEVERITIES = ("UnSpecified", "Informational", "Low", "Medium", "High")
TIMES = {"created": "alertCreationTime", "updated": "lastUpdateTime"}
"""The property of each time of an alert."""
STATUSES = ("Unknown", "New", "InProgress", "Resolved")
_API = "the alerts API"


@dataclass(frozen=True, init=False)
class AlertFilter(ValueFilter):
    """A filter of alerts; an empty part lets all pass.

    `severity` and `status` take the API's values in any case and store its spelling; an unknown value raises
    `ConfigurationError`, since it would silently land nothing. `category` is free text, as in the API
    (`warnings` reports values that may be misspelt). Values are sorted and without duplicates, so equal
    filters compare as equal.
    """

    documented: ClassVar[Mapping[str, Collection[str]]] = {"category": ALERT_CATEGORIES}

    severity: tuple[str, ...]
    status: tuple[str, ...]
    category: tuple[str, ...]

    def __init__(
        self,
        severity: Collection[str] | str | None = None,
        status: Collection[str] | str | None = None,
        category: Collection[str] | str | None = None,
    ) -> None:
        object.__setattr__(self, "severity", known_texts("severity", severity, SEVERITIES, _API))
        object.__setattr__(self, "status", known_texts("status", status, STATUSES, _API))
        object.__setattr__(self, "category", free_texts("category", category))

    def as_dict(self) -> Mapping[str, list[str]]:
        """The parts that are not empty, for the log's position."""
        parts = {"severity": self.severity, "status": self.status, "category": self.category}
        return {name: list(values) for name, values in parts.items() if values}


def updated_since_filter(ticks: int, filters: AlertFilter | None = None) -> str:
    """Alerts updated at or after `ticks` (100 ns since 1970): incremental drains, no upper bound."""
    return _joined(f"lastUpdateTime ge {format_ticks(ticks)}", filters)


def updated_after_filter(ticks: int, filters: AlertFilter | None = None) -> str:
    """Alerts updated later than `ticks`, for sensors."""
    return _joined(f"lastUpdateTime gt {format_ticks(ticks)}", filters)


def created_between_filter(since: int, until: int, filters: AlertFilter | None = None) -> str:
    """Alerts created in `[since, until)`, in ticks: backfills."""
    return _between(TIMES["created"], since, until, filters)


def updated_between_filter(since: int, until: int, filters: AlertFilter | None = None) -> str:
    """Alerts whose *latest* update lies in `[since, until)`, in ticks: backfills with `by="updated"`.

    An alert that is updated while the pages are read leaves the window, so paging can miss another one.
    """
    return _between(TIMES["updated"], since, until, filters)


def window_filter(by: str, since: int | None, until: int | None) -> str | None:
    """Alerts created or updated (`by`) in `[since, until)`, in ticks; None: no bound, or no condition."""
    if by not in TIMES:
        raise ConfigurationError(f"by={by!r} is wrong: it must be one of {', '.join(TIMES)}.")
    if since is not None and until is not None:
        return _between(TIMES[by], since, until, None)
    return odata.within(TIMES[by], since, until)


def _between(field: str, since: int, until: int, filters: AlertFilter | None) -> str:
    if until <= since:
        raise ConfigurationError(
            f"The window from {format_ticks(since)} to {format_ticks(until)} is empty: "
            "its end must lie after its start."
        )
    return _joined(odata.within(field, since, until) or "", filters)


def _joined(window: str, filters: AlertFilter | None) -> str:
    return odata.all_of(window, filters.odata() if filters else None) or ""
