"""What a log of alerts has read of its source, from its commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow_provider_defender.lake import Commit, Log, VersionsPosition
from airflow_provider_defender.timestamps import TICKS_PER_SECOND, parse_iso_8601, parse_ticks

__all__ = ["Coverage", "coverage_of"]

_OVERLAP = timedelta(minutes=15)
"""The operators' default, where a position does not say from where on the next run reads."""


@dataclass(frozen=True)
class Coverage:
    """What a log has read. All times are in ticks of 100 ns since 1970.

    Attributes:
        log: the log's name.
        begun: the update time from which its first incremental run read; None: it has had none.
        watermark: the update time up to which it is complete; None before the first complete run.
        read_again_from: the update time from which on the next run reads again, None without a watermark.
        filters: the values that pass, in lower case, by property.
        backfills: the windows of its backfills: `created` or `updated`, start, end (exclusive).
    """

    log: str
    begun: int | None = None
    watermark: int | None = None
    read_again_from: int | None = None
    filters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    backfills: tuple[tuple[str, int, int], ...] = ()

    def in_backfill(self, created: int | None, updated: int | None) -> bool:
        """Whether a backfill has read a window that an alert with these times belongs to."""
        times = {"created": created, "updated": updated}
        return any(
            (time := times.get(by)) is not None and since <= time < until
            for by, since, until in self.backfills
        )


def coverage_of(log: Log[Any]) -> Coverage:
    """Read all commits of a log, since windows stand nowhere else.

    So it takes longer as the log grows. Raises `CommitUnreadable`, and what the store raises.
    """
    begun: int | None = None
    backfills: dict[tuple[str, int, int], None] = {}
    newest: Commit[Any] | None = None
    for commit in log.commits():
        newest = commit
        if commit.kind == "drain":
            since = parse_ticks(str(commit.window.get("read_from")))
            begun = since if begun is None or since is None else min(begun, since)
        elif (window := _window(commit.window)) is not None:
            backfills[window] = None
    position = None if newest is None else newest.position
    if not isinstance(position, VersionsPosition):
        return Coverage(log.name, begun, backfills=tuple(backfills))
    return Coverage(
        log.name,
        begun,
        position.watermark,
        _read_again_from(position),
        {name: _values(values) for name, values in position.filters.items()},
        tuple(backfills),
    )


def _window(window: Mapping[str, object]) -> tuple[str, int, int] | None:
    since, until = (parse_iso_8601(str(window.get(name))) for name in ("since", "until"))
    return None if since is None or until is None else (str(window.get("by")), since, until)


def _read_again_from(position: VersionsPosition) -> int | None:
    if position.watermark is None:
        return None
    if position.keys_from is not None and not position.keys_capped:
        return position.keys_from
    return position.watermark - _OVERLAP // timedelta(seconds=1) * TICKS_PER_SECOND


def _values(values: Sequence[str]) -> frozenset[str]:
    return frozenset(value.casefold() for value in values)
