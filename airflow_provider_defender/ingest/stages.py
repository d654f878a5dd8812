"""The stages of a run: the time of each, the limit of time, and progress reports."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_defender._plural import counted

if TYPE_CHECKING:
    from logging import Logger

    from structlog.typing import FilteringBoundLogger

    from airflow_provider_defender.sources.source import Read, Result

__all__ = ["LONGEST", "DrainClock", "Stages"]

T = TypeVar("T")

LONGEST = timedelta(hours=12)
"""The longest time that a drain reads: the lake refuses commits of runs that began over a day ago."""


class DrainClock:
    """Measures one drain with a monotonic clock, from the creation of this object.

    Args:
        limit: how long the drain may read; None, and anything above `LONGEST`, mean `LONGEST`.
        now: returns monotonic seconds; for tests.
    """

    report_every = 15.0
    """Seconds between two reports of progress."""

    def __init__(self, limit: timedelta | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = LONGEST if limit is None else min(limit, LONGEST)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """Seconds by stage for which the run was busy with it or waited for it; the sum is at most `elapsed`.

        Reading ahead and writing go on beside other stages. That time is in none of them, since it held up
        nothing: the longest stage is the one to make faster.
        """
        self._now = now
        self._started = self._reported = now()

    @property
    def elapsed(self) -> float:
        """Seconds since the drain began."""
        return self._now() - self._started

    @property
    def left(self) -> float:
        """Seconds until the limit; 0.0 after it."""
        return max(0.0, self.limit.total_seconds() - self.elapsed)

    @property
    def is_over(self) -> bool:
        """Whether the drain has used up its time."""
        return self.elapsed >= self.limit.total_seconds()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage's seconds, even if it raises."""
        begun = self._now()
        try:
            yield
        finally:
            self.seconds[name] += self._now() - begun

    def report_is_due(self) -> bool:
        """Whether `report_every` seconds have passed since the last True, or since the beginning."""
        now = self._now()
        if now - self._reported < self.report_every:
            return False
        self._reported = now
        return True


class Stages:
    """A run's stages, measured and logged.

    Args:
        clock: the run's clock.
        logger: the run's log.
    """

    def __init__(self, clock: DrainClock, logger: Logger | FilteringBoundLogger) -> None:
        self.clock = clock
        self._logger = logger

    def next(self, stage: str, items: Iterator[T]) -> T | None:
        """Return the next item, None after the last one; its time counts for the stage."""
        with self.clock.stage(stage):
            return next(items, None)

    def report(self, read: Read[Any, Any], result: Result) -> None:
        """Log the run's progress, if a report is due."""
        if not self.clock.report_is_due():
            return
        self._logger.info(
            "%s, %s staged, %d rejected, %.0f s",
            read.progress(),
            counted(result.rows.total(), "row"),
            result.rejects,
            self.clock.elapsed,
        )

    @contextmanager
    def committing(self, rows: int) -> Iterator[None]:
        """The stage of the commit, which can take minutes, so its beginning and end are logged."""
        staged = counted(rows, "row")
        self._logger.info("%s staged after %.0f s; the commit begins", staged, self.clock.elapsed)
        with self.clock.stage("committing"):
            yield
        self._logger.info("The commit is done, in %.1f s", self.clock.seconds["committing"])
