"""The window that a run reads, decided once from the parameters and the Airflow run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.operators._timetables import next_interval_start, next_partition_start
from airflow_provider_defender.sources.window import Basis, Window, parse_moment

if TYPE_CHECKING:
    from logging import Logger

    from structlog.typing import FilteringBoundLogger

__all__ = ["resolve_window"]


def resolve_window(
    context: Mapping[str, Any],
    *,
    since: str | date | None,
    until: str | date | None,
    by: Basis,
    run_partition_span: timedelta | None,
    now: datetime,
    logger: Logger | FilteringBoundLogger,
) -> Window:
    """Decide the window: explicit bounds, then a backfill run's interval or partition, then the watermark.

    `by` is the time that the bounds refer to; `enqueued` is a hub's, which has a position instead of a
    watermark. Values that are given but not used are logged.

    Raises:
        ConfigurationError: the bounds contradict each other or the run, or begin in the future, or a backfill
            run has no interval.
    """
    explicit = _explicit_bounds(since, until, now)
    if _run_type(context) == "backfill":
        window = _backfill_window(context, by, run_partition_span, explicit, logger)
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
    """Refuse a window that lies in the future; warn about one that ends there."""
    start, end = window.bounds or (now, now)
    if start > now:
        raise ConfigurationError(
            f"The window ({window.origin}) begins at {start.isoformat()}, but it is {now.isoformat()} now: "
            "there is nothing to read yet.\nCheck the year and the time zone; without a zone, a time is UTC."
        )
    if end > now:
        logger.warning(
            "The window ends in the future, at %s. This run does not read what arrives from now on.",
            end.isoformat(),
        )


def _run_type(context: Mapping[str, Any]) -> str:
    run_type = getattr(context.get("dag_run"), "run_type", "")
    return str(getattr(run_type, "value", run_type))


def _given(context: Mapping[str, Any], name: str) -> Any:
    """A value of the run: from the context, or else from its `dag_run`."""
    value = context.get(name)
    return getattr(context.get("dag_run"), name, None) if value is None else value


def _interval(context: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """The run's data interval; None if it has none, or an empty one."""
    start = parse_moment("data_interval_start", context.get("data_interval_start"))
    end = parse_moment("data_interval_end", context.get("data_interval_end"))
    return None if start is None or end is None or start >= end else (start, end)


def _log_unused_interval(context: Mapping[str, Any], logger: Logger | FilteringBoundLogger) -> None:
    """Log that a manual run's interval or partition is not used: its user expects that it is."""
    if _run_type(context) != "manual":
        return
    interval, key = _interval(context), _given(context, "partition_key")
    if key is not None:
        unused = f"partition {key}"
    elif interval is not None:
        unused = f"data interval, {interval[0].isoformat()} to {interval[1].isoformat()},"
    else:
        return
    logger.info("This manual run's %s is not used: the run continues from the lake's position.", unused)
    logger.info("To read only that time, trigger a run with since and until, or start a backfill.")


# Backfills --------------------------------------------------------------------------------------


def _backfill_window(
    context: Mapping[str, Any],
    by: Basis,
    run_partition_span: timedelta | None,
    explicit: tuple[datetime, datetime] | None,
    logger: Logger | FilteringBoundLogger,
) -> Window:
    start = parse_moment("partition_date", _given(context, "partition_date"))
    interval = _interval(context)
    if start is not None:
        window = Window(
            "backfill partition", (start, _partition_end(context, start, run_partition_span, logger)), by
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
    """Where the timetable's next partition begins: a day on which clocks change is not 24 hours long."""
    following = next_partition_start(context.get("dag"), start)
    end = parse_moment("the next partition", following)
    if end is not None:
        if span is not None and start + span != end:
            logger.warning(
                "run_partition_span=%s is not used: by the DAG's timetable, this partition ends at %s.",
                span,
                end.isoformat(),
            )
        return end
    if not span:
        raise ConfigurationError(
            "This backfill run has a partition, but the DAG's timetable does not say where the next one "
            "begins.\nGive the operator run_partition_span, for example run_partition_span=timedelta(days=1)."
        )
    logger.warning(
        "This partition ends at %s by run_partition_span: the DAG's timetable does not say where it ends.",
        (start + span).isoformat(),
    )
    logger.warning("Make sure that no partition is longer than run_partition_span, or its rest is not read.")
    return start + span


def _interval_end(
    context: Mapping[str, Any],
    interval: tuple[datetime, datetime],
    logger: Logger | FilteringBoundLogger,
) -> datetime:
    """The end of a data interval, or the start of the timetable's next one if that is later.

    A trigger timetable computes each interval's start by subtracting a fixed length from the run's time. So
    its intervals leave out an hour when clocks are set back, and more if that length is shorter than the time
    between two runs.
    """
    end = interval[1]
    following = next_interval_start(context.get("dag"), *interval)
    begins = parse_moment("the next data interval", following)
    if begins is None or begins <= end:
        return end
    logger.warning(
        "This run's data interval ends at %s, but the next one begins at %s: the run reads up to there.",
        end.isoformat(),
        begins.isoformat(),
    )
    return begins
