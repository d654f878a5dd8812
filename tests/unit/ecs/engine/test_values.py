from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_defender.ecs.engine.values import (
    MISMATCH,
    UnreadableError,
    clean_text,
    convert,
    json_text,
    parse_object,
)


@pytest.mark.parametrize("kind", ["string", "identifier", "long", "double", "boolean", "time", "json"])
@pytest.mark.parametrize("value", [None, "", "-", "N/A"])
def test_absent_values_are_none_for_every_kind(kind: Any, value: Any) -> None:
    assert convert(kind, value) is None


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "text", "text"),
        ("string", 17, "17"),
        ("string", 1.5, "1.5"),
        ("string", True, "true"),
        ("string", {"a": 1}, MISMATCH),
        ("string", ["a"], MISMATCH),
        ("string", "\ud800x", "\ufffdx"),
        ("identifier", 1126093, "1126093"),
        ("identifier", "28282", "28282"),
        ("identifier", True, MISMATCH),
        ("identifier", [1], MISMATCH),
        ("long", 5, 5),
        ("long", "5", 5),
        ("long", "-5", -5),
        ("long", 5.0, 5),
        ("long", 5.5, MISMATCH),
        ("long", "5.5", MISMATCH),
        ("long", "1_000", MISMATCH),
        ("long", "٣", MISMATCH),
        ("long", True, MISMATCH),
        ("long", 2**63 - 1, 2**63 - 1),
        ("long", 2**63, MISMATCH),
        ("long", -(2**63), -(2**63)),
        ("long", "9" * 5000, MISMATCH),
        ("long", [], MISMATCH),
        ("double", 1, 1.0),
        ("double", "1e3", 1000.0),
        ("double", "NaN", MISMATCH),
        ("double", "1_0", MISMATCH),
        ("double", 10**400, MISMATCH),
        ("double", False, MISMATCH),
        ("boolean", True, True),
        ("boolean", 0, False),
        ("boolean", 1.0, True),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("boolean", 2, MISMATCH),
        ("boolean", "yes", MISMATCH),
        ("boolean", {}, MISMATCH),
        ("time", "2021-01-26T20:33:59.2Z", "2021-01-26T20:33:59.2Z"),
        ("time", "2021-02-30T00:00:00Z", MISMATCH),
        ("time", "0001-01-01T00:00:00+02:00", MISMATCH),
        ("time", "9999-12-31T23:59:59-02:00", MISMATCH),
        ("time", 1611693239, MISMATCH),
        ("json", {"a": [1, None]}, '{"a":[1,null]}'),
        ("json", "text", '"text"'),
    ],
)
def test_conversion(kind: Any, value: Any, expected: Any) -> None:
    result = convert(kind, value)
    assert result == expected
    assert type(result) is type(expected)


def test_clean_text_keeps_pairs_and_replaces_lone_surrogates() -> None:
    assert clean_text("😀 שלום") == "😀 שלום"
    assert clean_text("a\udc80b\ud83d") == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":NaN,"b":-Infinity}', {"a": "NaN", "b": "-Infinity"}),
        (b'{"a":1e999}', {"a": "1e999"}),
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b'{"a":123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b'{"a":"1\n2\t3\x1b4\x005"}', {"a": "1\n2\t3\x1b4\x005"}),
        (b'{"b":"\\ud800","a":' + b"9" * 5000 + b"}", {"b": "\ud800", "a": "9" * 5000}),
    ],
)
def test_what_a_strict_parser_refuses_is_read(data: bytes, expected: Any) -> None:
    assert parse_object(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"a":1', "not JSON"),
        (b'{"a":"\n\\x"}', "not JSON"),
        (b'{"a":"\t\\u12"}', "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b"[1]", "object was expected"),
        (b"null", "object was expected"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"b":NaN,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        parse_object(data)


def test_json_text_holds_what_utf8_and_64_bits_cannot() -> None:
    assert json_text({"a": "\ud800"}) == '{"a":"\\ud800"}'
    assert json_text({"a": 2**80}) == f'{{"a":{2**80}}}'
