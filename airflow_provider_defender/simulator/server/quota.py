"""The quotas of APIs: so many calls a minute and an hour for each caller (an application at one API)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from airflow_provider_defender.simulator.server.clock import ServiceClock

__all__ = ["Quota"]


@dataclass
class _Window:
    name: str
    seconds: float
    begins: float = -math.inf
    calls: int = 0


class Quota:
    """Fixed windows that begin with the first call in them; a refused call does not count.

    `per_minute` and `per_hour` may be changed at any time; None switches that limit off.
    """

    def __init__(self, clock: ServiceClock, per_minute: int | None, per_hour: int | None) -> None:
        self.per_minute = per_minute
        self.per_hour = per_hour
        self._clock = clock
        self._windows: dict[str, tuple[_Window, _Window]] = {}
        self._blocked: dict[str, tuple[float, str]] = {}

    def refusal(self, caller: str) -> tuple[int, str] | None:
        """Count a call; when there are too many, the seconds to wait and the text that says so."""
        now = self._clock.seconds()
        until, text = self._blocked.get(caller, (-math.inf, ""))
        if now < until:
            return math.ceil(until - now), text
        windows = self._windows.setdefault(caller, (_Window("00:01:00", 60.0), _Window("01:00:00", 3600.0)))
        limits = (self.per_minute, self.per_hour)
        for window in windows:
            if now >= window.begins + window.seconds:
                window.begins, window.calls = now, 0
        for window, limit in reversed(list(zip(windows, limits, strict=True))):
            if limit is not None and window.calls >= limit:
                return math.ceil(window.begins + window.seconds - now), _text(limit, window.name)
        for window in windows:
            window.calls += 1
        return None

    def block(self, caller: str, seconds: float, *, hour: bool = False) -> None:
        """Refuse this caller's calls for some time, whatever it has used."""
        text = _text(1500, "01:00:00") if hour else _text(100, "00:01:00")
        self._blocked[caller] = (self._clock.seconds() + seconds, text)

    def reset(self) -> None:
        """Forget all calls and blocks."""
        self._windows.clear()
        self._blocked.clear()


def _text(limit: int, window: str) -> str:
    return f"API calls quota exceeded! maximum allowed {limit} per {window}"
