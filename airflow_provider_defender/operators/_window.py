"""Which records a run reads: decided once, from parameters and the Airflow run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.timestamps import datetime_to_ticks, parse_ticks, ticks_to_datetime

__all__ = ["Window", "parse_moment", "resolve_window"]

Basis = Literal["created", "updated", "enqueued"]


@dataclass(frozen=True)
class Window:
    """What one run reads.

    `bounds` are start (inclusive) and end (exclusive) in UTC, of the time that `basis` names. Without them
    it is an incremental drain, from the log's watermark (a hub: its position) to where the source stands.
    """

    origin: str
    bounds: tuple[datetime, datetime] | None = None
    basis: Basis = "updated"

    @property
    def incremental(self) -> bool:
        """Whether this run goes on from the watermark or position, and may move it."""
        return self.bounds is None

    def __str__(self) -> str:
        if self.bounds is None:
            return f"from the {self.origin} on, by {'offset' if self.basis == 'enqueued' else 'update time'}"
        since, until = self.bounds
        return f"{since.isoformat()} to {until.isoformat()} ({self.origin}), by time {self.basis}"

    def describe(self) -> dict[str, str | None]:
        """As the lake's record and the operator's summary show it."""
        since, until = self.bounds or (None, None)
        return {
            "origin": self.origin,
            "by": self.basis,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        }


def parse_moment(name: str, value: str | date | None) -> datetime | None:
    """Read a parameter that is a time: ISO 8601 text, a date, or a datetime. Without a zone it is UTC.

    An empty text and `"None"` (what a template makes of an absent value) are None.

    Raises:
        ConfigurationError: the text is not a time.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    elif value.strip() in ("", "None"):
        return None
    else:
        ticks = parse_ticks(value.strip() if "T" in value or ":" in value else f"{value.strip()}T00:00:00Z")
        if ticks is None:
            raise ConfigurationError(
                f"{name}={value!r} is not a time. Write it as ISO 8601, for example 2026-11-22T00:00:00Z."
            )
        moment = ticks_to_datetime(ticks)
    return ticks_to_datetime(datetime_to_ticks(moment))  # a plain datetime, also from Airflow's pendulum


def resolve_window(
    context: Mapping[str, Any],
    *,
    since: str | date | None,
    until: str | date | None,
    by: Basis,
    partition_span: timedelta | None,
    now: datetime,
) -> Window:
    """Decide the window: explicit bounds, then a backfill run's interval or partition, then the watermark.

    `by` is the time that bounds are about; `enqueued` is that of a hub, which has a position for a watermark.

    Raises:
        ConfigurationError: bounds that contradict each other, or a backfill run without an interval.
    """
    start, end = parse_moment("since", since), parse_moment("until", until)
    if start is None and end is not None:
        raise ConfigurationError(f"until={until!r} needs since as well: give both, or neither.")
    if start is not None:
        end = end or now
        if start >= end:
            raise ConfigurationError(f"since={start.isoformat()} must lie before until={end.isoformat()}.")
        return Window("explicit since/until", (start, end), by)
    if _run_type(context) != "backfill":
        return Window("position", basis=by) if by == "enqueued" else Window("watermark")
    return _backfill_window(context, by, partition_span)


def _run_type(context: Mapping[str, Any]) -> str:
    run_type = getattr(context.get("dag_run"), "run_type", "")
    return str(getattr(run_type, "value", run_type))


def _backfill_window(context: Mapping[str, Any], by: Basis, partition_span: timedelta | None) -> Window:
    partition_start = context.get("partition_date") or getattr(context.get("dag_run"), "partition_date", None)
    if partition_start is not None:
        if partition_span is None:
            raise ConfigurationError(
                "This backfill run has a partition but Airflow does not tell how long it is. Give the "
                "operator partition_span, for example partition_span=timedelta(days=1)."
            )
        return Window("backfill partition", (partition_start, partition_start + partition_span), by)
    start = parse_moment("data_interval_start", context.get("data_interval_start"))
    end = parse_moment("data_interval_end", context.get("data_interval_end"))
    if start is None or end is None or start >= end:
        raise ConfigurationError(
            "This backfill run has an empty data interval, so there is nothing that it could read. Airflow 3 "
            'gives a bare cron string empty intervals: set schedule=CronDataIntervalTimetable("0 * * * *", '
            'timezone="UTC"), or give the operator since and until.'
        )
    return Window("backfill data interval", (start, end), by)
