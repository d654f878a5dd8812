"""What makers of values have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_defender.simulator.hub.scene import Scene

__all__ = ["Maker", "always", "one_of"]

#: Gets the scene and gives a JSON value: a time in ticks for a datetime column, an object or a list where the
#: wire has one (or its text), else a scalar.
Maker = Callable[[Scene], Any]


def one_of(*values: Any) -> Maker:
    """One of these values, drawn anew for each row."""
    return lambda s: s.draw.choice(values)


def always(value: Any) -> Maker:
    """The same value in each row."""
    return lambda s: value
