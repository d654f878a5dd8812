"""Pausing Python's garbage collection."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause garbage collection: reading makes many tuples but no cycles, and collections are slow.

    Thousands of tuples at once make Python look through all that the process has ever loaded, which takes
    longer than reading them.
    """
    if not gc.isenabled():
        yield
        return
    try:
        gc.disable()
        yield
    finally:
        gc.enable()
