"""The clock of a drain: what each stage took, when time is up, when to report."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_defender._plural import counted

if TYPE_CHECKING:
    from logging import Logger

    from structlog.typing import FilteringBoundLogger

__all__ = ["LONGEST", "DrainClock"]

LONGEST = timedelta(hours=12)
"""No drain reads for longer: the lake refuses commits of runs that began more than a day ago."""


class DrainClock:
    """Measures one drain, from its making on, by one monotonic clock.

    Args:
        limit: how long the drain may read; None, and more than `LONGEST`, mean `LONGEST`.
        now: monotonic seconds; for tests.
    """

    report_every = 15.0
    """Seconds between two reports of progress."""

    def __init__(self, limit: timedelta | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = LONGEST if limit is None else min(limit, LONGEST)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """Seconds by stage. Stages do not overlap, so their sum is at most `elapsed`."""
        self._now = now
        self._started = self._reported = now()

    @property
    def elapsed(self) -> float:
        """Seconds since the drain began."""
        return self._now() - self._started

    @property
    def left(self) -> float:
        """Seconds until the limit; 0.0 once it is over."""
        return max(0.0, self.limit.total_seconds() - self.elapsed)

    @property
    def is_over(self) -> bool:
        """Whether the drain has used up its time."""
        return self.elapsed >= self.limit.total_seconds()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add what the block takes to a stage's seconds, also where it raises."""
        begun = self._now()
        try:
            yield
        finally:
            self.seconds[name] += self._now() - begun

    @contextmanager
    def committing(self, logger: Logger | FilteringBoundLogger, *, rows: int) -> Iterator[None]:
        """The stage of the commit, which can take minutes: the log says when it begins and when it ends."""
        logger.info("%s staged after %.0f s; the commit begins", counted(rows, "row"), self.elapsed)
        with self.stage("committing"):
            yield
        logger.info("The commit is done, in %.1f s", self.seconds["committing"])

    def report_is_due(self) -> bool:
        """Whether `report_every` seconds have passed since this last said so, or since the beginning."""
        now = self._now()
        if now - self._reported < self.report_every:
            return False
        self._reported = now
        return True
