"""The interface of loggers that the hooks use."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Log"]


class Log(Protocol):
    """The part of a logger that is used here."""

    def info(self, message: str, /, *values: object) -> None:
        """Log at level INFO."""

    def warning(self, message: str, /, *values: object) -> None:
        """Log at level WARNING."""

    def debug(self, message: str, /, *values: object) -> None:
        """Log at level DEBUG."""
