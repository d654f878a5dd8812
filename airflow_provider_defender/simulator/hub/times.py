"""Times as the exporter writes them."""

from __future__ import annotations

import functools

from airflow_provider_defender.timestamps import TICKS_PER_SECOND, ticks_to_datetime

__all__ = ["fixed_time"]


def fixed_time(ticks: int, digits: int = 7) -> str:
    """A UTC time with a fixed number of fraction digits, cut; the alerts API drops zeros at the end."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    text = _second(seconds)
    return f"{text}.{fraction:07d}"[: 20 + digits] + "Z" if digits else f"{text}Z"


@functools.lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return ticks_to_datetime(seconds * TICKS_PER_SECOND).isoformat()[:19]
