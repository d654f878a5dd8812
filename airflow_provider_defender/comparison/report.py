"""What a comparison of both sources has found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from airflow_provider_defender.comparison.coverage import Coverage
from airflow_provider_defender.comparison.reasons import Reason

__all__ = ["ComparedAlert", "Comparison", "Listed", "SourceFigures", "TenantComparison"]


@dataclass(frozen=True)
class ComparedAlert:
    """An alert that one source alone shows, or of which the sources show different states.

    `key`: `<tenant>/<id>`, as `landing.key`. `source`: which one alone shows it, or has the newer state.
    `created`, `updated`: its creation and last update in that source, ISO 8601 with 7 digits; None where it
    has none. `different`: for each property that differs, what the Endpoint API and what Graph says, in lower
    case and Graph's words; empty for an alert of one source alone.
    """

    key: str
    source: str
    reason: Reason
    created: str | None
    updated: str | None
    title: str
    different: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceFigures:
    """One source of a tenant: its log, what that has read, and how many alerts it shows in the window.

    `alone`: how many alerts only this source shows, by reason.
    """

    coverage: Coverage
    alerts: int
    alone: Mapping[Reason, int]


@dataclass(frozen=True)
class TenantComparison:
    """Both sources of one tenant.

    `both`: how many alerts both show. `different`: of how many of those the newest states differ, by reason.
    `gap`: update times (ticks, start and end) that neither log has read; None if there are none.
    `listed`: the alerts behind the figures, unexplained ones first, as many as were asked for.
    """

    tenant: str
    endpoint: SourceFigures
    graph: SourceFigures
    both: int
    different: Mapping[Reason, int]
    gap: tuple[int, int] | None
    listed: tuple[ComparedAlert, ...]

    @property
    def unexplained(self) -> int:
        """How many alerts are not as expected; a gap between the logs counts as one."""
        figures = (self.endpoint.alone, self.graph.alone, self.different)
        found = sum(count for each in figures for reason, count in each.items() if not reason.is_expected)
        return found + (self.gap is not None)


@dataclass(frozen=True)
class Comparison:
    """All tenants of a lake that both sources land, and those that only one of them does (by log)."""

    tenants: tuple[TenantComparison, ...]
    single: tuple[str, ...]

    @property
    def unexplained(self) -> int:
        """How many alerts of all tenants are not as expected."""
        return sum(tenant.unexplained for tenant in self.tenants)


class Listed:
    """The alerts to list: the first of each reason, as many as can be needed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_reason: dict[Reason, list[ComparedAlert]] = {}

    def add(self, alert: ComparedAlert) -> None:
        """One more."""
        kept = self._by_reason.setdefault(alert.reason, [])
        if len(kept) < self._most:
            kept.append(alert)

    def result(self) -> tuple[ComparedAlert, ...]:
        """Those of reasons to worry first."""
        return tuple(self._in_order())[: self._most]

    def _in_order(self) -> Iterator[ComparedAlert]:
        for reason in Reason:
            yield from self._by_reason.get(reason, ())
