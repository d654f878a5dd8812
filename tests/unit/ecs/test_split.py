"""Where documents begin and end in rubbish: whatever the bytes, the work grows with their number only."""

from __future__ import annotations

import pytest

from airflow_provider_defender.ecs import _split
from airflow_provider_defender.ecs._split import documents


def whole(data: bytes) -> list[bytes]:
    return [data[piece.start : piece.end] for piece in documents(data) if piece.whole]


def test_documents_among_rubbish() -> None:
    data = b'{"a":1} {"b":"}"}\nrubbish\n{"open":\n[2]\n' + b"text\n{}\n" * 50
    assert whole(data) == [b'{"a":1}', b'{"b":"}"}', b"[2]", *[b"{}"] * 50]


@pytest.mark.parametrize(
    "data",
    [b"{\n" * 20_000, b"[\n" * 20_000, b'{"' + b'\\"' * 500_000, b'{"a' * 20_000, b'{"\n' * 20_001],
    ids=["objects", "lists", "escaped quotes", "quotes", "strings"],
)
def test_what_never_ends_is_looked_at_a_few_times_only(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = 0

    class Counted:
        def finditer(self, *arguments: int) -> object:
            nonlocal tokens
            for token in structure.finditer(*arguments):  # type: ignore[call-overload]
                tokens += 1
                yield token

    structure = _split._STRUCTURE
    monkeypatch.setattr(_split, "_STRUCTURE", Counted())
    *_, last = documents(data)
    assert not data[last.end :].strip()
    assert tokens <= 10 * len(data)
