"""Keeping secrets out of logs, and quoting foreign texts in messages: short, on one line, without secrets."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from airflow.sdk.log import mask_secret

__all__ = ["excerpt", "mask"]

_SHORTEST_SECRET = 4


def mask(secrets: Iterable[str]) -> None:
    """Have Airflow replace these texts in all logs of this process."""
    for secret in secrets:
        mask_secret(secret)


def excerpt(text: str | bytes, hide: Iterable[str] = (), length: int = 200) -> str:
    """The first characters of `text` as one printable line, with every text of `hide` replaced.

    Also replaces them in the forms that they have in a URL, a form, JSON or HTML.
    """
    if isinstance(text, bytes):
        # Far more than `length`, so that a secret is replaced whole before the cut.
        text = text[: 64 * 1024].decode("utf-8", "replace")
    forms = {form for secret in hide if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: length * 4]).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
    }
