"""Foreign texts in messages: on one line, short, and without secrets."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["excerpt"]

_SHORTEST_SECRET = 4


def excerpt(text: str | bytes, hide: Iterable[str] = (), length: int = 200) -> str:
    """The first characters of `text` as one printable line, with every text of `hide` replaced."""
    if isinstance(text, bytes):
        # Far more than `length`, so that a secret is replaced whole before the cut.
        text = text[: 64 * 1024].decode("utf-8", "replace")
    for secret in sorted(hide, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: length * 4]).split())
    return line if len(line) <= length else line[: length - 1] + "…"
