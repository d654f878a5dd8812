"""Where JSON values begin and end in rubbish: whatever the bytes, the work grows with their number only."""

from __future__ import annotations

import json
import sys
import time
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs, json_scanner
from airflow_provider_defender.json_scanner import (
    count_values,
    cut_list,
    documents,
    elements,
    members,
    parse_strictly,
    value_end,
)


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

    structure = json_scanner._STRUCTURE
    monkeypatch.setattr(json_scanner, "_STRUCTURE", Counted())
    *_, last = documents(data)
    assert not data[last.end :].strip()
    assert tokens <= 10 * len(data)


def work(data: bytes) -> int:
    """How many lines of the module run to split the data."""
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        steps += event == "line"
        return trace if frame.f_code.co_filename == json_scanner.__file__ else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for piece in documents(data):
            if piece.whole:
                list(elements(data, piece.start, piece.end))
                list(members(data, piece.start, piece.end))
    finally:
        sys.settrace(before)
    return steps


HOSTILE = {
    "escaped quotes": lambda n: b'{"' + b'\\"' * n,
    "escaped quotes that end": lambda n: b'{"a":"' + b'\\"' * n + b'"}',
    "backslashes": lambda n: b'{"a":"' + b"\\\\" * n + b'"}',
    "open backslashes": lambda n: b'["' + b"\\" * (2 * n + 1),
    "line feeds": lambda n: b'{"a' + b"\n" * n,
    "line feeds between": lambda n: b"{" + b"\n\r" * n + b"x",
    "lines of brackets": lambda n: b"{\n" * n,
    "blanks": lambda n: b"[" + b" " * n + b"," + b" " * n + b"]",
    "keys": lambda n: b"{" + b'"a":1,' * n + b'"a":1}',
    "lists of records": lambda n: b"{" + b'"records":[],' * n + b'"a":1}',
    "nested": lambda n: b"[" * n + b"]" * n,
    "documents": lambda n: b"{}" * n,
    "rubbish": lambda n: b"x\n" * n,
    "quotes": lambda n: b'"a' * n,
    "commas": lambda n: b"[" + b"," * n + b"]",
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_twice_as_much_takes_twice_the_work(make: Any) -> None:
    few, many = work(make(2_000)), work(make(4_000))
    assert many <= 2.2 * few + 200


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_it_are_read_within_a_minute(name: str) -> None:
    """Expressions count no steps; a quadratic one takes an hour for this."""
    unit = len(HOSTILE[name](1_001)) - len(HOSTILE[name](1)) or 1
    data = HOSTILE[name](1_000_000 * 1_000 // unit)
    started = time.monotonic()
    mapped = ecs.map_records("event_hub", [data])
    assert mapped.rejects.num_rows >= 1
    assert sum(table.num_rows for table in mapped.tables.values()) == 0
    assert time.monotonic() - started < 60


def test_a_string_of_any_length_is_one() -> None:
    """Beyond 1,000 escapes an expression is run again: nothing inside a string becomes a bracket."""
    for escapes in (0, 1, 999, 1_000, 1_001, 2_000, 2_001, 5_000):
        for inside in (b'\\"', b"\\\\", b'a\\"}]{[', b"\\n"):
            text = b'"' + inside * escapes + b'"'
            data = b'{"a":' + text + b',"b":[' + text + b"," + text + b"]} {}"
            assert whole(data) == [data[:-3], b"{}"]
            pairs = [(key, data[piece.start : piece.end]) for key, piece in members(data, 0, len(data) - 3)]
            assert pairs == [(b'"a"', text), (b'"b"', b"[" + text + b"," + text + b"]")]
            assert not any(piece.whole for piece in documents(data[: len(text) // 2 + 3]))


def _containers(inner: Any) -> Any:
    return st.lists(inner) | st.dictionaries(st.text(), inner)


@settings(deadline=None)
@given(st.recursive(st.none() | st.text() | st.integers(), _containers))
def test_pieces_are_those_of_a_parser(value: Any) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    if isinstance(value, list):
        found = [json.loads(data[piece.start : piece.end]) for piece in elements(data, 0, len(data))]
        assert found == value
    elif isinstance(value, dict):
        pairs = members(data, 0, len(data))
        assert {json.loads(key): json.loads(data[piece.start : piece.end]) for key, piece in pairs} == value
    count = count_values(data, 10**9)
    assert _values(value) <= count + 1
    assert count_values(data, 3) <= 4


def _values(value: Any) -> int:
    inside = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return 1 + sum(map(_values, inside))


@settings(deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.text() | st.integers(), _containers),
    st.sampled_from(["", " ", "\n\t"]),
)
def test_the_strict_way_finds_what_a_parser_finds(value: Any, blanks: str) -> None:
    text = json.dumps(
        value, ensure_ascii=False, separators=(f"{blanks},{blanks}", f"{blanks}:{blanks}")
    ).encode()
    assert value_end(b"  " + text + b" ]}", 2) == 2 + len(text)
    items = [value, "]", value]
    data = json.dumps(items).encode()
    cut, end = cut_list(b"[" + data + b"," + data + b"]", 1 + len(data) + 1, most=3)
    assert [json.loads(bytes(each)) for each in cut] == items
    assert end == 2 + 2 * len(data)
    with pytest.raises(ValueError, match="more than 2 records"):
        cut_list(data, 0, most=2)


@pytest.mark.parametrize(
    "data",
    [b"", b" 1", b"]", b'"a', b'"a\\"', b"[1", b"[1}", b'{"a":[}]', b'["a]', b'{"a"\\":1}', b"[" * 1000],
)
def test_the_strict_way_takes_nothing_that_does_not_match(data: bytes) -> None:
    with pytest.raises(ValueError, match="broken JSON"):
        value_end(data, 0)


@pytest.mark.parametrize("data", [b"[1 2]", b"[tru]", b"[1,]", b"[,1]", b"[1", b"[{} {}]", b'["a" b]'])
def test_a_list_between_whose_elements_is_more_than_a_comma_is_not_cut(data: bytes) -> None:
    with pytest.raises(ValueError, match="broken JSON"):
        cut_list(data, 0, most=10)


def test_the_inside_of_an_element_may_be_broken() -> None:
    data = b'[{"a" 1,,"\\ud800"}, "\xff", []]!'
    cut, end = cut_list(data, 0, most=10)
    assert (list(map(bytes, cut)), end) == ([b'{"a" 1,,"\\ud800"}', b'"\xff"', b"[]"], len(data) - 1)


@pytest.mark.parametrize("text", [b"", b"nan", b"[1,]", b'"\xff"', b"[" * 100_000, b"1 2"])
def test_what_is_no_strict_json_is_not_parsed(text: bytes) -> None:
    with pytest.raises(ValueError, match="broken JSON"):
        parse_strictly(text)
