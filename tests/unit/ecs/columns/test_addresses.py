"""IP addresses, names of hosts, MAC addresses, hashes."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.ecs import columns

SHA1 = "0a4d55a8d778e5022fab701977c5d840bbc486d0"


def texts(*values: Any) -> pa.Array:
    return pa.array(values, pa.string())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1f05:0:0:0:0:1077", "2001:db8:1f05::1077"),
        ("2001:DB8::00FF", "2001:db8::ff"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:0201", "192.0.2.1"),
        ("192.0.2.1:8080", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%12]:80", "fe80::1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("::1", "::1"),
        ("1.2.3", None),
        ("1.2.3.4.5", None),
        ("256.1.1.1", None),
        ("192.0.2.0/24", None),
        ("192.0.2.1, 192.0.2.2", None),
        ("host7", None),
        ("3221225985", None),
        ("[192.0.2.1", None),
        (":", None),
        ("", None),
        (None, None),
        ("1" * 10000, None),
    ],
)
def test_ip_addresses(text: Any, expected: Any) -> None:
    assert columns.canonical_ip(text) == expected
    assert columns.only_ip(texts(text, "192.0.2.9")).to_pylist() == [expected, "192.0.2.9"]


@given(st.ip_addresses(), st.sampled_from(["{}", " {}", "[{}]", "[{}]:443", "{}%eth0"]))
def test_whatever_stands_around_an_address_it_is_the_same(address: Any, form: str) -> None:
    expected = getattr(address, "ipv4_mapped", None) or address
    found = columns.canonical_ip(form.format(address.exploded))
    assert found == str(expected)
    assert ip_address(found) == expected
    if isinstance(address, IPv4Address):
        assert columns.canonical_ip(f"{address}:{8080}") == str(address)


def test_usual_addresses_are_not_copied() -> None:
    column = texts("192.0.2.1", None, "203.0.113.7")
    assert columns.only_ip(column) is column


def test_addresses_keep_what_is_no_ip_address() -> None:
    column = texts(
        "192.0.2.1:80", " host.contoso.example ", "-", "", None, "00000000-" + "0000-" * 3 + "0" * 12
    )
    assert columns.addresses(column).to_pylist() == [
        "192.0.2.1",
        "host.contoso.example",
        *(None, None, None, None),
    ]
    assert columns.addresses(texts("192.0.2.1", None)).to_pylist() == ["192.0.2.1", None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Host-7.Contoso.EXAMPLE", "host-7.contoso.example"),
        ("host.contoso.example.", "host.contoso.example"),
        (" host ", "host"),
        ("_ldap._tcp.contoso.example", "_ldap._tcp.contoso.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "bücher.example"),
        ("हिन्दी.example", "हिन्दी.example"),
        ("3com", "3com"),
        ("2001", "2001"),
        ("192.0.2.1", None),
        ("192.0.2.1.", None),
        ("[2001:db8::1]", None),
        ("a..example", None),
        (".example", None),
        ("a.example..", None),
        ("uri=https", None),
        ("a.example*", None),
        ("*.contoso.example", None),
        ("a b", None),
        ("a.example:443", None),
        ("DOMAIN\\host", None),
        ("NT AUTHORITY", None),
        ("a@b.example", None),
        ("--", None),
        ("-", None),
        (".", None),
        ("a\n", "a"),
        ("a\u202eb", None),
        ("a" * 254, None),
        ("a" * 253, "a" * 253),
        ("", None),
        (None, None),
    ],
)
def test_host_names(text: Any, expected: Any) -> None:
    assert columns.host_name(text) == expected
    assert columns.only_host(texts(text, "b")).to_pylist() == [expected, "b"]


@given(st.lists(st.none() | st.text(st.sampled_from("aZ09.-_:/ =éİK\u0301\u202e"), max_size=12), max_size=6))
def test_columns_of_hosts_are_as_single_ones(values: list[Any]) -> None:
    assert columns.only_host(texts(*values)).to_pylist() == [columns.host_name(value) for value in values]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:5e:00:53:23", "00-00-5E-00-53-23"),
        ("00-00-5E-00-53-23", "00-00-5E-00-53-23"),
        ("00005E005323", "00-00-5E-00-53-23"),
        ("0000.5e00.5323", "00-00-5E-00-53-23"),
        ("02:00:5E:10:00:00:00:01", "02-00-5E-10-00-00-00-01"),
        (" 00005e005323 ", "00-00-5E-00-53-23"),
        ("00:00:00:00:00:00", None),
        ("000000000000", None),
        ("00:00:5e-00:53:23", None),
        ("00:00:5e:00:53", None),
        ("00:00:5e:00:53:23:01", None),
        ("zz:00:5e:00:53:23", None),
        ("", None),
        (None, None),
    ],
)
def test_mac_addresses(text: Any, expected: Any) -> None:
    assert columns.mac_address(text) == expected
    assert columns.only_mac(texts(text)).to_pylist() == [expected]


def test_hashes() -> None:
    odd = [SHA1.upper(), f" {SHA1}", "0" * 40, SHA1[:-1], SHA1[:-1] + "g", SHA1[:-1] + ":", "", None]
    assert columns.only_hash(texts(SHA1, *odd), "sha1").to_pylist() == [SHA1, SHA1, SHA1, *(None,) * 6]
    assert columns.hash_of(SHA1, "md5") is None
    assert columns.hash_of("A" * 64, "sha256") == "a" * 64


def test_usual_hashes_are_not_copied() -> None:
    column = texts("x", SHA1, None, SHA1).slice(1)
    assert columns.only_hash(column, "sha1") is column


@given(
    st.lists(st.none() | st.text(st.sampled_from("019afgAF:`/ "), min_size=32, max_size=33), max_size=4),
    st.integers(0, 4),
)
def test_columns_of_hashes_are_as_single_ones(values: list[Any], start: int) -> None:
    column = texts(*values).slice(min(start, len(values)))
    expected = [columns.hash_of(value, "md5") for value in column.to_pylist()]
    assert columns.only_hash(column, "md5").to_pylist() == expected


@pytest.mark.parametrize(
    "function",
    [columns.only_ip, columns.addresses, columns.only_host, columns.only_mac, columns.only_known],
)
def test_nothing_stays_nothing(function: Callable[[pa.Array], pa.Array]) -> None:
    assert function(texts()).to_pylist() == []
    assert function(texts(None, None)).to_pylist() == [None, None]
