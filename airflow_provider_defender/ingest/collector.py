"""Garbage collection during a run: what was there before is left out."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["older_objects_left_out"]


@contextmanager
def older_objects_left_out() -> Iterator[None]:
    """Let collections pass over all objects that exist already, until the end of the block.

    A process with Airflow in it has 300,000 or more that are tracked. To go through them takes 0.2 s, as long
    as to map 10,000 records, and the many objects of a run cause that once or more. Objects of the block
    itself are collected as ever, and once more at its end: brought back with the old ones, what they left
    would be left out again by the next block, and pile up in a process of many runs.

    Does nothing if objects are left out already, by `gc.freeze`: only all of them together can be brought
    back, and whoever left them out may still need that.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect(1)
    try:
        gc.freeze()
        yield
    finally:
        try:
            gc.collect()
        finally:
            gc.unfreeze()
