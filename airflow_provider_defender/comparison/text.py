"""A comparison as text and as JSON, for the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_defender._plural import counted
from airflow_provider_defender.comparison.coverage import Coverage
from airflow_provider_defender.comparison.reasons import Reason
from airflow_provider_defender.comparison.report import (
    ComparedAlert,
    Comparison,
    SourceFigures,
    TenantComparison,
)
from airflow_provider_defender.timestamps import format_ticks

__all__ = ["as_json", "as_text"]

_NAMES = {"endpoint": "the Endpoint API", "graph": "Microsoft Graph"}


# JSON ---------------------------------------------------------------------------------------------


def as_json(comparison: Comparison) -> str:
    """The comparison as JSON; times are ISO 8601 with 7 digits, reasons have their names."""
    values = {
        "unexplained": comparison.unexplained,
        "tenants": [_tenant(each) for each in comparison.tenants],
        "single": list(comparison.single),
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _tenant(found: TenantComparison) -> dict[str, Any]:
    return {
        "tenant": found.tenant,
        "unexplained": found.unexplained,
        "endpoint": _figures(found.endpoint),
        "graph": _figures(found.graph),
        "both": found.both,
        "different": _by_name(found.different),
        "gap": None if found.gap is None else [format_ticks(each) for each in found.gap],
        "listed": [_alert(each) for each in found.listed],
    }


def _figures(figures: SourceFigures) -> dict[str, Any]:
    coverage = figures.coverage
    return {
        "log": coverage.log,
        "read_from": _time(coverage.begun),
        "watermark": _time(coverage.watermark),
        "alerts": figures.alerts,
        "alone": _by_name(figures.alone),
    }


def _alert(alert: ComparedAlert) -> dict[str, Any]:
    return {
        "key": alert.key,
        "source": alert.source,
        "reason": alert.reason.name,
        "text": alert.reason.value,
        "created": alert.created,
        "updated": alert.updated,
        "title": alert.title,
        "different": {
            name: {"endpoint": endpoint, "graph": graph}
            for name, (endpoint, graph) in alert.different.items()
        },
    }


def _by_name(counts: Mapping[Reason, int]) -> dict[str, int]:
    return {reason.name: count for reason, count in _in_order(counts)}


# Text ---------------------------------------------------------------------------------------------


def as_text(comparison: Comparison) -> str:
    """The comparison for people: counts by reason, then the alerts."""
    lines = [line for each in comparison.tenants for line in _tenant_lines(each)]
    lines += [
        f"{log}: its tenant has no log of the other source, so it was left out" for log in comparison.single
    ]
    if comparison.unexplained:
        lines.append(f"Not as expected: {comparison.unexplained:,}.")
    else:
        lines.append("Every difference is expected.")
    return "\n".join(lines) + "\n"


def _tenant_lines(found: TenantComparison) -> Iterator[str]:
    yield f"Tenant {found.tenant}"
    yield f"  {_log_line(found.endpoint)}"
    yield f"  {_log_line(found.graph)}"
    if found.gap is not None:
        start, end = map(format_ticks, found.gap)
        yield (
            f"  GAP: neither log has read what was last updated from {start} to {end}. Land it once with "
            f'since="{start}", until="{end}", by="updated"'
        )
    differing = sum(found.different.values())
    yield f"  Both show {counted(found.both, 'alert')}, {differing} of them in different states"
    yield from _reasons(found.different)
    for side, figures in (("endpoint", found.endpoint), ("graph", found.graph)):
        yield f"  Only {_NAMES[side]} shows {counted(sum(figures.alone.values()), 'alert')}"
        yield from _reasons(figures.alone)
    for alert in found.listed:
        yield from _alert_lines(alert)
    total = sum(sum(each.values()) for each in (found.endpoint.alone, found.graph.alone, found.different))
    if total > len(found.listed):
        yield f"  … and {total - len(found.listed):,} more"


def _log_line(figures: SourceFigures) -> str:
    coverage: Coverage = figures.coverage
    begun = _time(coverage.begun) or "no incremental run yet"
    end = _time(coverage.watermark) or "no watermark yet"
    filters = ", ".join(f"{name}: {' or '.join(sorted(values))}" for name, values in coverage.filters.items())
    filtered = f"; filters {filters}" if filters else ""
    return f"{coverage.log}: {counted(figures.alerts, 'alert')}; update times {begun} to {end}{filtered}"


def _reasons(counts: Mapping[Reason, int]) -> Iterator[str]:
    for reason, count in _in_order(counts):
        yield f"    {reason.name} {count:,}: {reason.value}"


def _alert_lines(alert: ComparedAlert) -> Iterator[str]:
    alert_id, title = map(_printable, (alert.key.partition("/")[2], alert.title))
    times = f"created {alert.created} updated {alert.updated}"
    yield f"  {alert.reason.name} {alert.source} {alert_id} {times}: {title}"
    for name, (endpoint, graph) in alert.different.items():
        yield f"    {name}: {_printable(endpoint)} (Endpoint API), {_printable(graph)} (Graph)"


def _printable(text: str) -> str:
    """A text from outside on one line: whoever names an alert must not steer the reader's terminal."""
    return "".join(each if each.isprintable() else "�" for each in text)


def _in_order(counts: Mapping[Reason, int]) -> list[tuple[Reason, int]]:
    return [(reason, counts[reason]) for reason in Reason if counts.get(reason)]


def _time(ticks: int | None) -> str | None:
    return None if ticks is None else format_ticks(ticks)
