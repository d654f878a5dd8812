"""What holds for every row of a Graph alert, whatever its evidence looks like."""

from __future__ import annotations

import copy
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_defender.ecs.engine.values import clean_text, json_text
from tests.golden.cases import rows_of
from tests.helpers.row_rules import EXPECTED_TYPES
from tests.unit.ecs.helpers.graph_records import ENUMS, EVIDENCE_TYPES, alert, full, leaves

ODD: tuple[Any, ...] = (
    *(
        None,
        "",
        " ",
        "-",
        "N/A",
        "null",
        "None",
        "0",
        0,
        -1,
        1.5,
        10**20,
        True,
        [],
        {},
        [None],
        [{}],
        {"a": [1]},
    ),
    *(
        "0.0.0.0",
        "::ffff:192.0.2.1",
        "2001:DB8:0:0::1",
        "fe80::1%eth0",
        "[2001:db8::1]:443",
        "192.0.2.1:8080",
    ),
    *("00000000-0000-0000-0000-000000000000", "00:00:00:00:00:00", "a b", "x" * 5000, "host name.example"),
    *("\\", "/", ":", "@", "a@", "@b", "C:\\folder\\file.exe", "/usr/bin/bash", "uri=https", "https://[::1/"),
    *("\ud800", "\u202e"),
)
ROLES = ENUMS["evidenceRole"]
IDENTITY = ("id", "name", "email", "full_name", "domain")
LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64}
PLACEHOLDERS = {"", "-", "n/a", "null", "00000000-0000-0000-0000-000000000000"}
HOST = re.compile(r"[\w.-]+")


@pytest.mark.parametrize("name", EVIDENCE_TYPES)
def test_a_full_item_of_each_type(name: str) -> None:
    item = full(name)
    (row,) = rows_of("graph_alerts", alert(item))["alerts"]
    check(row, item)


@example(21, ["urlEvidence"])  # with the URL 0.0.0.0
@given(st.integers(0, 2**32), st.lists(st.sampled_from(EVIDENCE_TYPES), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_items_with_odd_values(seed: int, names: list[str]) -> None:
    draw = random.Random(seed)
    items = [mutated(full(name), draw) for name in names]
    rows = rows_of("graph_alerts", alert(*items))["alerts"]
    for row, item in zip(rows, items, strict=True):
        check(row, item)


def mutated(item: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The item with other roles and with odd values in some places, in lists and inner objects, too."""
    item = copy.deepcopy(item)
    item["roles"] = draw.sample(ROLES, draw.randint(0, 2))
    places = list(containers_of(item))
    for _ in range(draw.randint(0, 6)):
        owner, key = draw.choice(places)
        if key not in ("@odata.type", "roles"):
            owner[key] = copy.deepcopy(draw.choice(ODD))
    return item


def containers_of(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from containers_of(value[key])


def check(row: dict[str, Any], item: dict[str, Any]) -> None:
    """Everything that holds for a row, with the leaves of its item to tell where its values come from."""
    fields = {name: value for name, value in row.items() if not name.startswith(("microsoft.", "landing."))}
    check_categories(fields)
    check_values(fields)
    check_related(fields)
    for prefix in ("user", "user.target"):
        check_one_identity(fields, item, prefix)


def check_categories(fields: dict[str, Any]) -> None:
    assert fields["event.kind"] == "alert"
    assert fields["event.category"]
    assert fields["event.type"]
    for category in fields["event.category"]:
        assert set(fields["event.type"]) <= set(EXPECTED_TYPES[category].split())
    assert fields.get("event.outcome", "unknown") in ("failure", "success", "unknown")


def check_values(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        assert values, name
        assert None not in values, name
        if name == "url.original":  # as sent
            continue
        assert not PLACEHOLDERS & {each.strip().lower() for each in values if isinstance(each, str)}, name
        if name.endswith((".ip", ".resolved_ip")):
            assert [canonical(each) for each in values] == values, name
        if name.rpartition(".")[2] in LENGTHS and ".hash." in name:
            length = LENGTHS[name.rpartition(".")[2]]
            assert re.fullmatch(f"[0-9A-Fa-f]{{{length}}}", value), name
        if name.endswith(".mac"):
            assert all(re.fullmatch("[0-9A-F]{2}(-[0-9A-F]{2}){5,7}", each) for each in values), name
        if name.endswith((".port", ".pid")):
            assert value >= 0, name
    for path, own in (("file.path", "file.name"), ("process.executable", "process.name")):
        if path in fields and own in fields:
            stream = fields[path].rpartition(fields[own])[2]
            assert stream == "" or stream.startswith(":"), path
    if "url.domain" in fields:
        assert HOST.fullmatch(fields["url.domain"]) or canonical(fields["url.domain"].strip("[]"))


def canonical(text: str) -> str:
    """The address as RFC 5952 writes it, IPv4 for IPv4-mapped."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def check_related(fields: dict[str, Any]) -> None:
    for name in ("related.ip", "related.hosts", "related.user", "related.hash"):
        values = fields.get(name, [])
        assert len(set(values)) == len(values), name
    for host in fields.get("related.hosts", []):
        assert HOST.fullmatch(host), host
        assert host == host.lower()
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        if name.endswith(".ip"):
            assert set(values) <= set(fields["related.ip"]), name
        if re.fullmatch(r"user(\.target)?\.(id|name|email)|email\.(from|to|sender)\.address", name):
            assert set(values) <= set(fields["related.user"]), name
        if re.fullmatch(r"(file|process|process\.parent)\.hash\.\w+", name):
            assert set(values) <= set(fields["related.hash"]), name
        if name in ("host.name", "url.domain", "source.domain", "destination.domain"):
            # A URL may name the unspecified address, which is nobody's.
            related = {*fields.get("related.hosts", ()), *fields.get("related.ip", ()), "0.0.0.0"}
            assert related.issuperset(each for each in values if HOST.fullmatch(each)), name


def check_one_identity(fields: dict[str, Any], item: dict[str, Any], prefix: str) -> None:
    """All values of an account come from one object of the item."""
    owners: dict[str, set[str]] = defaultdict(set)
    for path, value in leaves(item):
        parent = path.rpartition(".")[0]
        text = clean_text(json_text(value) if isinstance(value, bool) else str(value))
        for part in (text, *text.rpartition("@")[::2]):
            owners[part].add(parent)
    found = [owners[fields[name]] for each in IDENTITY if (name := f"{prefix}.{each}") in fields]
    assert not found or set.intersection(*found), {name: fields.get(f"{prefix}.{name}") for name in IDENTITY}


def test_a_broken_row_is_noticed() -> None:
    """The checks above fail where they should."""
    item = full("userEvidence")
    (row,) = rows_of("graph_alerts", alert(item))["alerts"]
    for name, value in (
        ("event.type", ["creation"]),
        ("host.ip", ["2001:DB8::1"]),
        ("file.hash.sha1", "abc"),
        ("user.email", "somebody@else.example"),
        ("related.user", []),
        ("host.mac", ["00:00:5e:00:53:01"]),
        ("related.hosts", ["a b"]),
        ("rule.name", "N/A"),
    ):
        with pytest.raises((AssertionError, ValueError, KeyError)):
            check({**row, name: value}, item)
