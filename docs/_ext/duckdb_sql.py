"""SQL as DuckDB writes it: braces, which the lexer for `sql` does not know, hold structs."""

from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import inherit
from pygments.lexers.sql import SqlLexer
from pygments.token import Punctuation
from sphinx.application import Sphinx


class DuckDbLexer(SqlLexer):
    """SQL with structs."""

    tokens: ClassVar[dict[str, Any]] = {"root": [(r"[{}]", Punctuation), inherit]}


def setup(app: Sphinx) -> dict[str, Any]:
    """Use it for the blocks named `sql`."""
    app.add_lexer("sql", DuckDbLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
