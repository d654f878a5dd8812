"""What is to happen later: steps in order of their time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Agenda"]

_Subject = TypeVar("_Subject")


class Agenda(Generic[_Subject]):
    """Steps with their times in ticks; those of one time are taken as they were planned."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, int, Callable[[int, _Subject], None], _Subject]] = []
        self._planned = 0

    def plan(self, at: int, step: Callable[[int, _Subject], None], subject: _Subject) -> None:
        """Plan `step(at, subject)`."""
        self._planned += 1
        heapq.heappush(self._steps, (at, self._planned, step, subject))

    def live_until(self, now: int) -> None:
        """Take all steps whose time has come, also those that are planned meanwhile."""
        while self._steps and self._steps[0][0] <= now:
            at, _, step, subject = heapq.heappop(self._steps)
            step(at, subject)
