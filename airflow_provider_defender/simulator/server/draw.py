"""Random numbers that come out the same for the same seed, in every process."""

from __future__ import annotations

import random

__all__ = ["Draw", "draw_for"]

Draw = random.Random


def draw_for(*parts: object) -> Draw:
    """The sequence of random numbers that belongs to a seed and a purpose."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 - a made-up tenant needs no secrecy
