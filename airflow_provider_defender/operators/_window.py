"""Which records a run reads: decided once, from parameters and the Airflow run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.operators._timetables import next_interval_start, next_partition_start
from airflow_provider_defender.timestamps import datetime_to_ticks, parse_iso_8601, ticks_to_datetime

if TYPE_CHECKING:
    from logging import Logger

    from structlog.typing import FilteringBoundLogger

__all__ = ["Window", "parse_moment", "resolve_window"]

Basis = Literal["created", "updated", "enqueued"]
_AS_ISO_8601 = (
    "Write it as ISO 8601, for example 2026-11-22T00:00:00Z or 2026-11-22; for now, leave until empty."
)


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


def parse_moment(name: str, value: Any) -> datetime | None:
    """Read a parameter that is a time: ISO 8601 text, a date, or a datetime. Without a zone it is UTC.

    An empty text and `"None"` (what a template makes of an absent value) are None.

    Raises:
        ConfigurationError: the value is no time, or one that UTC has no year for.
    """
    if value is None:
        return None
    try:
        if isinstance(value, datetime):
            ticks: int | None = datetime_to_ticks(value)
        elif isinstance(value, date):
            ticks = datetime_to_ticks(datetime.combine(value, time()))
        elif not isinstance(value, str):
            raise ConfigurationError(f"{name}={value!r} is of type {type(value).__name__}. {_AS_ISO_8601}")
        elif value.strip() in ("", "None"):
            return None
        else:
            ticks = parse_iso_8601(value.strip())
        if ticks is None:
            raise ConfigurationError(f"{name}={value!r} is not a time. {_AS_ISO_8601}")
        return ticks_to_datetime(ticks)  # a plain datetime, also from Airflow's pendulum
    except OverflowError:
        raise ConfigurationError(f"{name}={value!r} lies outside the years 1 to 9999 in UTC.") from None


def resolve_window(
    context: Mapping[str, Any],
    *,
    since: str | date | None,
    until: str | date | None,
    by: Basis,
    partition_span: timedelta | None,
    now: datetime,
    logger: Logger | FilteringBoundLogger,
) -> Window:
    """Decide the window: explicit bounds, then a backfill run's interval or partition, then the watermark.

    `by` is the time that bounds are about; `enqueued` is that of a hub, which has a position for a watermark.
    What is given and not used is logged.

    Raises:
        ConfigurationError: bounds that contradict each other or the run, begin in the future, or a backfill
            run without an interval.
    """
    explicit = _explicit_bounds(since, until, now)
    if _run_type(context) == "backfill":
        window = _backfill_window(context, by, partition_span, explicit, logger)
    elif explicit is not None:
        window = Window("explicit since/until", explicit, by)
    else:
        _log_unused_interval(context, logger)
        return Window("position", basis=by) if by == "enqueued" else Window("watermark")
    _check_against_now(window, now, logger)
    return window


def _explicit_bounds(
    since: str | date | None, until: str | date | None, now: datetime
) -> tuple[datetime, datetime] | None:
    start, end = parse_moment("since", since), parse_moment("until", until)
    if start is None:
        if end is not None:
            raise ConfigurationError(f"until={until!r} needs since as well: give both, or neither.")
        return None
    if end is None:
        end = max(start, now)
    if start >= end and start <= now:
        raise ConfigurationError(f"since={start.isoformat()} must lie before until={end.isoformat()}.")
    return start, end


def _check_against_now(window: Window, now: datetime, logger: Logger | FilteringBoundLogger) -> None:
    """Refuse a window of which nothing can be there yet; tell of one that is not over."""
    start, end = window.bounds or (now, now)
    if start > now:
        raise ConfigurationError(
            f"The window ({window.origin}) begins at {start.isoformat()}, but it is {now.isoformat()} now: "
            "there is nothing to read yet.\nCheck the year and the time zone; without a zone, a time is UTC."
        )
    if end > now:
        logger.warning(
            "The window ends in the future, at %s. What comes from now on is not read by this run.",
            end.isoformat(),
        )


def _run_type(context: Mapping[str, Any]) -> str:
    run_type = getattr(context.get("dag_run"), "run_type", "")
    return str(getattr(run_type, "value", run_type))


def _given(context: Mapping[str, Any], name: str) -> Any:
    """A value of the run: from the context, else from its `dag_run`."""
    value = context.get(name)
    return getattr(context.get("dag_run"), name, None) if value is None else value


def _interval(context: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """The run's data interval; None where it has none, or an empty one."""
    start = parse_moment("data_interval_start", context.get("data_interval_start"))
    end = parse_moment("data_interval_end", context.get("data_interval_end"))
    return None if start is None or end is None or start >= end else (start, end)


def _log_unused_interval(context: Mapping[str, Any], logger: Logger | FilteringBoundLogger) -> None:
    """Say what of a manual run decides nothing: who chose it expects that it does."""
    if _run_type(context) != "manual":
        return
    interval, key = _interval(context), _given(context, "partition_key")
    if key is not None:
        unused = f"partition {key}"
    elif interval is not None:
        unused = f"data interval, {interval[0].isoformat()} to {interval[1].isoformat()},"
    else:
        return
    logger.info("This manual run's %s is not used: it goes on from where the lake stands.", unused)
    logger.info("To read that time alone, trigger a run with since and until, or start a backfill.")


# Backfills --------------------------------------------------------------------------------------


def _backfill_window(
    context: Mapping[str, Any],
    by: Basis,
    partition_span: timedelta | None,
    explicit: tuple[datetime, datetime] | None,
    logger: Logger | FilteringBoundLogger,
) -> Window:
    start = parse_moment("partition_date", _given(context, "partition_date"))
    interval = _interval(context)
    if start is not None:
        window = Window(
            "backfill partition", (start, _partition_end(context, start, partition_span, logger)), by
        )
    elif interval is not None:
        window = Window("backfill data interval", (interval[0], _interval_end(context, interval, logger)), by)
    elif explicit is not None:
        raise _contradiction("the time of its own range")
    else:
        raise ConfigurationError(
            "This backfill run has an empty data interval, so there is nothing that it could read.\n"
            "Airflow 3 gives a bare cron string empty intervals: set "
            'schedule=CronDataIntervalTimetable("0 * * * *", '
            'timezone="UTC"), or land the time by one manual run with since and until.'
        )
    if explicit not in (None, window.bounds, interval):
        raise _contradiction(" to ".join(moment.isoformat() for moment in window.bounds or ()))
    return window


def _contradiction(own: str) -> ConfigurationError:
    return ConfigurationError(
        f"since is given, but this is a backfill run: each reads {own}.\n"
        "Leave since and until empty in backfills, or land their time by one manual run."
    )


def _partition_end(
    context: Mapping[str, Any],
    start: datetime,
    span: timedelta | None,
    logger: Logger | FilteringBoundLogger,
) -> datetime:
    """Where the timetable's next partition begins: a day on which clocks change is shorter or longer."""
    following = next_partition_start(context.get("dag"), start)
    end = parse_moment("the next partition", following)
    if end is not None:
        if span is not None and start + span != end:
            logger.warning(
                "partition_span=%s is not used: by the DAG's timetable, this partition ends at %s.",
                span,
                end.isoformat(),
            )
        return end
    if not span:
        raise ConfigurationError(
            "This backfill run has a partition, and the DAG's timetable does not tell where the next one "
            "begins.\nGive the operator partition_span, for example partition_span=timedelta(days=1)."
        )
    logger.warning(
        "This partition ends at %s by partition_span: the DAG's timetable does not tell where it ends.",
        (start + span).isoformat(),
    )
    logger.warning("Make sure that no partition is longer than partition_span, or the rest is left out.")
    return start + span


def _interval_end(
    context: Mapping[str, Any],
    interval: tuple[datetime, datetime],
    logger: Logger | FilteringBoundLogger,
) -> datetime:
    """The end of a data interval, or where that of the timetable's next run begins if that is later.

    A timetable of triggers takes a fixed length off each run's time, so its intervals leave out an hour where
    clocks are set back, and more where the length is shorter than the time between two runs.
    """
    end = interval[1]
    following = next_interval_start(context.get("dag"), *interval)
    begins = parse_moment("the next data interval", following)
    if begins is None or begins <= end:
        return end
    logger.warning(
        "This run's data interval ends at %s, and the next one begins at %s: it reads up to there.",
        end.isoformat(),
        begins.isoformat(),
    )
    return begins
