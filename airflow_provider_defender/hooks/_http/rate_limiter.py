"""A limiter that keeps our calls below a service's quota."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

__all__ = ["RateLimiter"]


class RateLimiter:
    """Keeps our calls within quotas such as 100 per minute and 1,500 per hour (sliding windows)."""

    def __init__(self, limits: Iterable[tuple[int, float]], clock: Callable[[], float]) -> None:
        self._limits = tuple(limits)
        self._clock = clock
        self._calls: deque[float] = deque(maxlen=max(count for count, _ in self._limits))

    def delay(self) -> float:
        """Seconds until one more call fits into every window; 0.0 when it fits now."""
        now = self._clock()
        waits = [
            self._calls[-count] + seconds - now
            for count, seconds in self._limits
            if len(self._calls) >= count
        ]
        return max([0.0, *waits])

    def note(self) -> None:
        """Count a call made now."""
        self._calls.append(self._clock())
