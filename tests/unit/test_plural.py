"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from airflow_provider_defender._plural import counted


@pytest.mark.parametrize(
    ("number", "noun", "plural", "text"),
    [
        (0, "page", None, "0 pages"),
        (1, "page", None, "1 page"),
        (2, "page", None, "2 pages"),
        (1, "try", "tries", "1 try"),
        (3, "try", "tries", "3 tries"),
    ],
)
def test_a_noun_follows_its_number(number: int, noun: str, plural: str | None, text: str) -> None:
    assert counted(number, noun, plural) == text
