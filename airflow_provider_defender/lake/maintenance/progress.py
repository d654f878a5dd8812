"""What long work says about itself, every now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["Progress"]

_logger = logging.getLogger(__name__)

SECONDS = 15.0


class Progress:
    """Hands a text to a function at most every 15 seconds; without one, to the logger."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or _logger.info
        self._last = time.monotonic()

    def __call__(self, text: Callable[[], str]) -> None:
        """Say how far the work is, if it is time."""
        now = time.monotonic()
        if now - self._last >= SECONDS:
            self._last = now
            self._say(text())
