from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs import columns

TEXTS = pa.list_(pa.string())


def texts(*values: Any) -> pa.Array:
    return pa.array(values, pa.string())


def test_by_distinct_calls_once_for_each_combination() -> None:
    calls = []

    def function(*arguments: Any) -> tuple[Any]:
        calls.append(arguments)
        return ("|".join(map(str, arguments)),)

    lists = pa.array([["x", "y"], None, ["x", "y"], [], []], TEXTS)
    (result,) = columns.by_distinct(function, (pa.string(),), texts("a", None, "a", "b", "b"), lists)
    assert result.to_pylist() == ["a|['x', 'y']", "None|None", "a|['x', 'y']", "b|[]", "b|[]"]
    assert len({repr(call) for call in calls}) == len(calls)


def test_by_distinct_of_nothing_keeps_types() -> None:
    results = columns.by_distinct(lambda text: (text, 1), (pa.string(), pa.int64()), texts())
    assert [(len(result), result.type) for result in results] == [(0, pa.string()), (0, pa.int64())]


def test_collect_keeps_order_and_drops_repeats_and_nulls() -> None:
    result = columns.collect(
        texts("a", None, "b", None), texts("a", "c", "d", None), texts("e", None, "b", None)
    )
    assert result.to_pylist() == [["a", "e"], ["c"], ["b", "d"], None]


def test_collect_of_lists_short_and_long() -> None:
    short = pa.array([["a", "b"], None, [], ["c"]], TEXTS)
    assert columns.collect(texts("b", None, None, "c"), short).to_pylist() == [["b", "a"], None, None, ["c"]]
    long = pa.array([["a", "b", "c", "a", "d", "e"], None, [], ["c"]], TEXTS)
    expected = [["b", "a", "c", "d", "e"], None, None, ["c"]]
    assert columns.collect(texts("b", None, None, "c"), long).to_pylist() == expected


def test_collect_equals_the_plain_way() -> None:
    source = random.Random(5)
    for _ in range(50):
        rows = source.randrange(6)
        values: list[list[Any]] = [
            [source.choice([None, "a", "b", "c"]) for _ in range(rows)] for _ in range(source.randrange(1, 5))
        ]
        plain = [
            list(dict.fromkeys(v for v in row if v is not None)) or None for row in zip(*values, strict=True)
        ]
        assert columns.collect(*(pa.array(column, pa.string()) for column in values)).to_pylist() == plain


@pytest.mark.parametrize(
    ("directory", "name", "expected"),
    [
        (
            "C:\\Windows\\System32",
            "notepad.exe",
            ("C:\\Windows\\System32", "C:\\Windows\\System32\\notepad.exe", "exe"),
        ),
        ("C:\\", "a.TXT", ("C:\\", "C:\\a.TXT", "txt")),
        ("/usr/bin", "python3.11", ("/usr/bin", "/usr/bin/python3.11", "11")),
        ("/", "init", ("/", "/init", None)),
        ("/usr/bin/bash", "bash", ("/usr/bin", "/usr/bin/bash", None)),
        ("c:\\temp\\A.dll", "a.dll", ("c:\\temp", "c:\\temp\\A.dll", "dll")),
        ("\\\\server\\share", "x", ("\\\\server\\share", "\\\\server\\share\\x", None)),
        ("D:", ".bashrc", ("D:", "D:\\.bashrc", None)),
        (None, "a.b.c", (None, None, "c")),
        ("/tmp", None, ("/tmp", None, None)),
        (None, None, (None, None, None)),
    ],
)
def test_file_parts(directory: Any, name: Any, expected: Any) -> None:
    assert tuple(part[0].as_py() for part in columns.file_parts(texts(directory), texts(name))) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://bob:pw@Evil.example.com:8443/a/b.PHP?x=1&y#top",
            {
                "scheme": "https",
                "domain": "evil.example.com",
                "port": 8443,
                "path": "/a/b.PHP",
                "extension": "php",
                "query": "x=1&y",
                "fragment": "top",
                "username": "bob",
                "password": "pw",
            },
        ),
        ("evil.example.com/path", {"domain": "evil.example.com", "path": "/path"}),
        ("http://[2001:db8::1]/", {"scheme": "http", "domain": "2001:db8::1", "path": "/"}),
        ("http://[broken", {}),
        ("FTP://a.example", {"scheme": "ftp", "domain": "a.example"}),
        ("a.example:8080?q#f", {"domain": "a.example", "port": 8080, "query": "q", "fragment": "f"}),
        ("mailto:bob@a.example", {}),
        ("data:text/html,x", {}),
        ("https://a.example/x y\n", {"scheme": "https", "domain": "a.example", "path": "/x y\n"}),
        ("https:///path", {}),
        ("http://host:99999/", {}),
        ("not a url", {}),
        ("", {}),
        (None, {}),
    ],
)
def test_url_parts(url: Any, expected: dict[str, Any]) -> None:
    parts = zip(columns.URL_PARTS, columns.url_parts(texts(url)), strict=True)
    assert {name: part[0].as_py() for name, part in parts if part[0].is_valid} == expected


@pytest.mark.parametrize("text", ["203.0.113.7", "::1", "2001:db8::ff"])
def test_addresses(text: str) -> None:
    assert columns.only_ip(texts(text)).to_pylist() == [text]


@pytest.mark.parametrize(
    "text", ["1.2.3", "1.2.3.4.5", "256.1.1.1", "host7", "fe80::1%eth0", " 1.2.3.4", "", None]
)
def test_other_texts_are_no_addresses(text: Any) -> None:
    assert columns.only_ip(texts(text)).to_pylist() == [None]


def test_difference_is_exact_and_never_negative() -> None:
    start, end = pa.array([100, 5, None], pa.int64()), pa.array([101, 4, 7], pa.int64())
    assert columns.difference_in_nanoseconds(start, end).to_pylist() == [100, None, None]


def test_join_known_needs_all_parts() -> None:
    joined = columns.join_known("-", texts("m", "m", None), pa.array([1, None, 3], pa.int64()))
    assert joined.to_pylist() == ["m-1", None, None]
