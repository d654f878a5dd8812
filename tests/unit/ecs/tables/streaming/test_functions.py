"""The functions that several mappings share, on columns."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs.columns import arguments, file_paths, first_known, only_ip
from airflow_provider_defender.ecs.tables.streaming.functions import (
    cloud_provider,
    collect_with,
    device_event_id,
    json_items,
    network_type,
    process_number,
    protocol_fields,
    threat_fields,
)

TEXTS = pa.list_(pa.string())


def texts(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


@pytest.mark.parametrize(
    ("command_line", "expected"),
    [
        ("a.exe -b  c\td", ["a.exe", "-b", "c", "d"]),
        ("  a  ", ["a"]),
        ("", None),
        ("  \t", None),
        ('"C:\\Program Files\\a.exe" /x', ["C:\\Program Files\\a.exe", "/x"]),
        ('a x="b c"d e', ["a", "x=b cd", "e"]),
        ('a "" b', ["a", "", "b"]),
        ('a "b c', ["a", "b c"]),
        ('a "b \\"c\\" d" e', ["a", 'b "c" d', "e"]),
        ('a "c:\\dir\\\\" b', ["a", "c:\\dir\\", "b"]),
        ('a \\"b c\\"', ["a", '"b', 'c"']),
        ('a "b\tc" d', ["a", "b\tc", "d"]),
        ('a "b\x1fc" d', ["a", "b\x1fc", "d"]),
        ("a 'b c'", ["a", "'b", "c'"]),
        ("a\xa0b", ["a\xa0b"]),
        (None, None),
    ],
)
def test_arguments(command_line: str | None, expected: list[str] | None) -> None:
    words, counts = arguments(texts(command_line))
    assert words.to_pylist() == [expected]
    assert counts.to_pylist() == [None if expected is None else len(expected)]


def test_arguments_of_many_command_lines_are_those_of_each() -> None:
    lines = ['"a b" c', None, "a b", 'x "y\\" z" w', '""', "\\\\", 'a"b"c "d', "é \u2028 ü", '"\t"']
    lines += ["".join(parts) for parts in itertools.product('ab\\" ', repeat=4)]
    lines = [line for line in lines if line is None or line.strip()]
    together = arguments(texts(*lines))[0].to_pylist()
    assert together == [arguments(texts(line))[0].to_pylist()[0] for line in lines]
    sliced = arguments(texts("skip", *lines).slice(1))[0].to_pylist()
    assert sliced == together


def test_number_of_arguments_is_that_of_the_whole_column() -> None:
    words, counts = arguments(texts('a "b c" d', "a b"))
    assert counts.to_pylist() == [len(each) for each in words.to_pylist()]
    assert counts.type == pa.int64()


@pytest.mark.parametrize(
    ("categories", "techniques", "expected"),
    [
        ("Initial Access", None, (["TA0001"], None, None)),
        ("CommandAndControl", None, (["TA0011"], None, None)),
        ('["Execution","Persistence","Execution"]', None, (["TA0002", "TA0003"], None, None)),
        ("Execution,Impact", None, (["TA0002", "TA0040"], None, None)),
        ("Malware", None, (None, None, None)),
        (None, "Valid Accounts (T1078)", (None, ["T1078"], None)),
        (None, "T1055.012", (None, ["T1055"], ["T1055.012"])),
        (None, '["A (T1059)","B, C (T1059.001)"]', (None, ["T1059"], ["T1059.001"])),
        (None, "XT10781 T107", (None, None, None)),
        (None, None, (None, None, None)),
    ],
)
def test_threat(categories: str | None, techniques: str | None, expected: tuple[Any, ...]) -> None:
    found = [column.to_pylist()[0] for column in threat_fields(texts(categories), texts(techniques))]
    framework, tactic, _, technique, _, sub_technique, _ = found
    assert (tactic, technique, sub_technique) == expected
    assert framework == ("MITRE ATT&CK" if any(expected) else None)


@pytest.mark.parametrize(
    ("techniques", "expected"),
    [
        ('["A (T1059)","B, C (T1059.001)"]', (["T1059"], ["A"], ["T1059.001"], ["B, C"])),
        (
            '["B (T1078.002)","A (T1566)","C (T1566.002)","T1059.001"]',
            (
                ["T1566", "T1078", "T1059"],
                ["A"],
                ["T1078.002", "T1566.002", "T1059.001"],
                ["B", "C"],
            ),
        ),
        (
            '["T1055","T1087.001","A (T1087.002)","A (T1136.002)"]',
            (
                ["T1055", "T1087", "T1136"],
                None,
                ["T1087.002", "T1136.002", "T1087.001"],
                ["A", "A"],
            ),
        ),
        ("B (T1078.002)", (["T1078"], None, ["T1078.002"], ["B"])),
        ("T1078", (["T1078"], None, None, None)),
    ],
)
def test_every_name_of_a_technique_stands_at_the_place_of_its_id(
    techniques: str, expected: tuple[Any, ...]
) -> None:
    columns = threat_fields(texts(None), texts(techniques))
    assert tuple(column.to_pylist()[0] for column in columns[3:]) == expected


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("C:\\a\\B.exe", "b.EXE", "C:\\a\\B.exe"),
        ("C:\\a", "b.exe", "C:\\a\\b.exe"),
        ("/usr/bin", "sh", "/usr/bin/sh"),
        ("C:\\a\\b.exe", None, "C:\\a\\b.exe"),
        (None, "b.exe", None),
    ],
)
def test_the_path_with_the_name_else_as_it_is(
    path: str | None, name: str | None, expected: str | None
) -> None:
    folders = texts(path)
    assert first_known(file_paths(folders, texts(name))[1], folders).to_pylist() == [expected]


@pytest.mark.parametrize(
    ("text", "transport", "protocol"),
    [
        ("Tcp", "tcp", None),
        ("UDP", "udp", None),
        ("IcmpV6", "ipv6-icmp", None),
        ("Kerberos", None, "kerberos"),
        ("Unknown", None, None),
        (None, None, None),
    ],
)
def test_protocols(text: str | None, transport: str | None, protocol: str | None) -> None:
    assert [column.to_pylist()[0] for column in protocol_fields(texts(text))] == [transport, protocol]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "ipv4"),
        ("2001:db8::1", "ipv6"),
        ("::ffff:192.0.2.1", "ipv4"),
        ("::FFFF:c000:201", "ipv4"),
        ("0:0:0:0:0:ffff:192.0.2.1", "ipv4"),
        ("64:ff9b::192.0.2.1", "ipv6"),
        ("::ffff:1", "ipv6"),
        ("::ffff:1:2:3", "ipv6"),
        (None, None),
    ],
)
def test_network_type(address: str | None, expected: str | None) -> None:
    assert network_type(only_ip(texts(address)), texts(None)).to_pylist() == [expected]


def test_event_id_needs_all_its_parts() -> None:
    reports, ticks = pa.array([7, None]), pa.array([5, 5])
    assert device_event_id(texts("d", "d"), reports, ticks).to_pylist() == ["d-7-5", None]


def test_lists_get_more_values_without_duplicates() -> None:
    lists = pa.array([["a"], ["a"], None, None], TEXTS)
    more = pa.array([None, ["a", "b"], ["c"], None], TEXTS)
    assert collect_with(lists, more).to_pylist() == [["a"], ["a", "b"], ["c"], None]
    assert collect_with(lists, pa.nulls(4, TEXTS)).to_pylist() == lists.to_pylist()


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[1,2]", [1, 2]),
        ('{"a":1}', [{"a": 1}]),
        ('["\\ud800"]', ["\ufffd"]),
        ("[NaN", []),
        ("text", []),
        ("[" * 100_000, []),
        ("", []),
        (None, []),
    ],
)
def test_json_items(text: str | None, items: list[Any]) -> None:
    assert json_items(text) == items


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("0x3B0", 944),
        ("1_0", None),
        ("0x", None),
        ("1" * 19, None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_process_numbers(text: str | None, number: int | None) -> None:
    assert process_number(text) == number


def test_clouds_by_their_names() -> None:
    first = texts("Azure", "Amazon Web Services", "GCP", "x", None)
    second = texts("AWS", None, None, "Google", None)
    assert cloud_provider(first, second).to_pylist() == ["azure", "aws", "gcp", "gcp", None]


def test_names_may_stand_behind_their_ids_and_new_tactics_are_known() -> None:
    spellings = [
        "T1059.001: PowerShell, t1078 (Valid Accounts)",
        '["PowerShell (T1059.001)", "Valid Accounts (T1078)"]',
        ' ["PowerShell (T1059.001)", "Valid Accounts (T1078)"]',
        "PowerShell (t1059.001), Valid Accounts (T1078)",
    ]
    columns = threat_fields(texts(*["Stealth, DefenseImpairment"] * 4), texts(*spellings))
    for row in zip(*(column.to_pylist() for column in columns), strict=True):
        assert row == (
            "MITRE ATT&CK", ["TA0005", "TA0112"], ["Stealth", "Defense Impairment"],
            ["T1078", "T1059"], ["Valid Accounts"], ["T1059.001"], ["PowerShell"],
        )  # fmt: skip
