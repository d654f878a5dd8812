"""The documentation's pages, and the examples in them."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CODE_OF_CONDUCT", "CONTRIBUTING", "SECURITY")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]

sys.path.append(str(ROOT / "docs" / "_ext"))

_BLOCK = re.compile(
    r"^(?P<indent> *)(?:<!-- run: (?P<run>\w+) -->\n *)?```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block: its page, its language, how the tests run it (empty: not), and its text."""

    page: str
    language: str
    run: str
    text: str


def blocks() -> list[Block]:
    """All fenced blocks of all pages, in their order."""
    return [
        Block(
            str(page.relative_to(ROOT)),
            match["language"],
            match["run"] or "",
            "\n".join(line.removeprefix(match["indent"]) for line in match["text"].splitlines()),
        )
        for page in PAGES
        for match in _BLOCK.finditer(page.read_text())
    ]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each command of the shell examples, as words, with its page."""
    for block in blocks():
        if block.language != "bash":
            continue
        for line in _shell_lines(block.text):
            words = shlex.split(line, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                yield block.page, words


def _shell_lines(text: str) -> Iterator[str]:
    """Commands, each with its continuation lines and its quoted line breaks."""
    pending = ""
    for line in text.splitlines():
        pending = f"{pending}\n{line}" if pending else line
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        try:
            shlex.split(pending)
        except ValueError:
            continue
        yield pending
        pending = ""
