"""Files that readers in other processes find whole."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file in one step, so that a reader finds the old or the new content."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    hidden.replace(path)
