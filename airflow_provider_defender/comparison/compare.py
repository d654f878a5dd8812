"""Comparing what both sources of alerts have landed in a lake."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing
from datetime import datetime
from typing import Any

from airflow_provider_defender.comparison.coverage import Coverage, coverage_of
from airflow_provider_defender.comparison.landed import ENDPOINT, GRAPH, SOURCES, Landed, LandedAlerts, Source
from airflow_provider_defender.comparison.reasons import Reason, why_alone, why_different
from airflow_provider_defender.comparison.report import (
    ComparedAlert,
    Comparison,
    Listed,
    SourceFigures,
    TenantComparison,
)
from airflow_provider_defender.lake import Lake, Log, as_lake
from airflow_provider_defender.timestamps import format_ticks

__all__ = ["compare_sources"]

_Logs = dict[Source, Log[Any]]


def compare_sources(
    lake: Lake | str | os.PathLike[str] | Any,
    *,
    tenant: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    max_listed: int = 100,
) -> Comparison:
    """Compare the alerts that `endpoint_alerts` and `graph_alerts` have landed in one lake.

    For each tenant with both logs: which alerts only one source shows, and why; of which alerts both show
    different states; whether there are update times that neither log has read.

    Args:
        lake: as for `committed_files`.
        tenant: only this tenant's GUID; None: all.
        since: only alerts created from this time on (inclusive, UTC); None: from the first on.
        until: only alerts created before this time (exclusive, UTC); None: up to the last.
        max_listed: how many alerts are named for each tenant; all are counted.

    Reads committed rows only, and of them a dozen columns, and all commits of both logs. Memory does not grow
    with the lake: a temporary database on disk takes about 300 bytes for each alert and source. Nothing is
    written into the lake.

    Raises:
        LookupError: the lake, or the tenant asked for, has no logs of both sources.
        CommitUnreadable: a commit is damaged or was deleted.
        Errors of the store pass through.
    """
    lake = as_lake(lake)
    wanted = None if tenant is None else tenant.strip().lower()
    by_tenant = _logs(lake)
    if wanted is not None:
        by_tenant = {name: logs for name, logs in by_tenant.items() if name == wanted}
    both = {name: logs for name, logs in by_tenant.items() if len(logs) == len(SOURCES)}
    if not both:
        raise LookupError(_nothing_to_compare(by_tenant, wanted))
    tenants = [_compare(name, logs, since, until, max_listed) for name, logs in sorted(both.items())]
    single = [log.name for name in by_tenant.keys() - both for log in by_tenant[name].values()]
    return Comparison(tuple(tenants), tuple(sorted(single)))


def _logs(lake: Lake) -> dict[str, _Logs]:
    sources = {source.name: source for source in SOURCES}
    found: dict[str, _Logs] = {}
    for log in lake.logs():
        origin = log.origin or {}
        if (source := sources.get(origin.get("source", ""))) is not None:
            found.setdefault(origin.get("tenant", ""), {})[source] = log
    return found


def _nothing_to_compare(found: dict[str, _Logs], tenant: str | None) -> str:
    there = sorted(log.name for logs in found.values() for log in logs.values())
    of = "" if tenant is None else f" of the tenant {tenant}"
    return (
        f"it needs a log of endpoint_alerts and one of graph_alerts{of}, and has "
        f"{', '.join(there) or 'neither'}. Land the other source into the same lake first, with "
        "DefenderAlertsToParquetOperator(source=…)"
    )


def _compare(
    tenant: str, logs: _Logs, since: datetime | None, until: datetime | None, max_listed: int
) -> TenantComparison:
    coverage = {source: coverage_of(log) for source, log in logs.items()}
    with closing(LandedAlerts(since, until)) as landed:
        for source in SOURCES:
            landed.read(source, logs[source], coverage[_other(source)])
        listed = Listed(max_listed)
        both, different = _both(landed, coverage, listed)
        return TenantComparison(
            tenant=tenant,
            endpoint=_figures(landed, ENDPOINT, coverage, listed),
            graph=_figures(landed, GRAPH, coverage, listed),
            both=both,
            different=different,
            gap=_gap(coverage[ENDPOINT], coverage[GRAPH]),
            listed=listed.result(),
        )


def _figures(
    landed: LandedAlerts, source: Source, coverage: dict[Source, Coverage], listed: Listed
) -> SourceFigures:
    alone = _alone(landed, source, coverage[_other(source)], listed)
    return SourceFigures(coverage[source], landed.count(source), alone)


def _other(source: Source) -> Source:
    return GRAPH if source is ENDPOINT else ENDPOINT


def _alone(landed: LandedAlerts, source: Source, other: Coverage, listed: Listed) -> dict[Reason, int]:
    counts: Counter[Reason] = Counter()
    for alert, quarantined, other_id in landed.alone(source):
        reason = why_alone(alert, source, other, quarantined=quarantined, other_id=other_id)
        counts[reason] += 1
        listed.add(_compared(alert, source, reason))
    return dict(counts)


def _both(
    landed: LandedAlerts, coverage: dict[Source, Coverage], listed: Listed
) -> tuple[int, dict[Reason, int]]:
    both = 0
    counts: Counter[Reason] = Counter()
    for endpoint, graph in landed.both():
        both += 1
        states = endpoint.state, graph.state
        different = {name: (states[0][name], states[1][name]) for name in states[0]}
        different = {name: pair for name, pair in different.items() if pair[0] != pair[1]}
        if not different:
            continue
        graph_is_newer = (graph.updated or 0) >= (endpoint.updated or 0)
        newer, source = (graph, GRAPH) if graph_is_newer else (endpoint, ENDPOINT)
        reason = why_different(newer, coverage[_other(source)])
        counts[reason] += 1
        listed.add(_compared(newer, source, reason, different))
    return both, dict(counts)


def _compared(
    alert: Landed, source: Source, reason: Reason, different: dict[str, tuple[str, str]] | None = None
) -> ComparedAlert:
    created, updated = (
        None if each is None else format_ticks(each) for each in (alert.created, alert.updated)
    )
    return ComparedAlert(alert.key, source.name, reason, created, updated, alert.title, different or {})


def _gap(endpoint: Coverage, graph: Coverage) -> tuple[int, int] | None:
    """The update times between the end of what one log has read and the beginning of the other."""
    for earlier, later in ((endpoint, graph), (graph, endpoint)):
        start, end = earlier.watermark, later.begun
        if start is not None and end is not None and start < end:
            read = (*earlier.backfills, *later.backfills)
            is_read = any(by == "updated" and since <= start and end <= until for by, since, until in read)
            return None if is_read else (start, end)
    return None
