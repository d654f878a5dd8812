"""What the demo writes: lines, steps with the time, tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["say", "seconds_since_start", "step", "table"]

_BEGUN = time.monotonic()


def seconds_since_start() -> float:
    """Seconds since the demo began."""
    return time.monotonic() - _BEGUN


def say(text: str = "") -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def step(text: str) -> None:
    """Write the heading of a step."""
    say(f"\n[{seconds_since_start():3.0f} s] {text}")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], limit: int = 34) -> None:
    """Write a table; cells of more than `limit` characters are cut."""

    def cell(value: Any) -> str:
        text = "" if value is None else str(value).replace("\n", " ")
        return text if len(text) <= limit else f"{text[: limit - 1]}…"

    lines = [[cell(value) for value in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for number, line in enumerate(lines):
        say("    " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            say("    " + "  ".join("─" * width for width in widths))
