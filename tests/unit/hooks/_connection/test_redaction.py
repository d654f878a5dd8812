from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.hooks._connection.redaction import excerpt


@given(st.text() | st.binary())
def test_an_excerpt_is_one_short_printable_line(text: str | bytes) -> None:
    line = excerpt(text, length=50)
    assert len(line) <= 50
    assert line.isprintable()


@given(st.text(), st.text(alphabet="0123456789abcdef", min_size=8), st.text())
def test_a_secret_is_never_quoted(before: str, secret: str, after: str) -> None:
    assert secret not in excerpt(f"{before} {secret} {after}", [secret], length=1000)
    assert secret not in excerpt(f"{before} {secret} {after}".encode("utf-8", "replace"), [secret])


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert excerpt("x=abcdefgh", ["abcd", "abcdefgh"]) == "x=***"


def test_a_short_secret_does_not_tear_words() -> None:
    assert excerpt("HTTP 200", ["2"]) == "HTTP 200"
