"""How long a drain takes, stage by stage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["timed"]


@contextmanager
def timed(seconds: defaultdict[str, float], stage: str) -> Iterator[None]:
    """Add what the block takes to the stage's seconds, also where it raises."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] += time.perf_counter() - begun
