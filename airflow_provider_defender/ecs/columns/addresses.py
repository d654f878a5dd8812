"""Addresses and names of hosts: IP addresses, domains, MAC addresses."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import pyarrow as pa
import pyarrow.compute as pc

from .distinct import by_distinct
from .short import each_value, is_short
from .values import known_text, lower_text, only_where

__all__ = [
    "addresses",
    "canonical_ip",
    "host_name",
    "is_ip",
    "mac_address",
    "network_type",
    "network_types",
    "only_host",
    "only_ip",
    "only_mac",
    "without_brackets",
]

_IPV4 = r"\A(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\z"
_is_ipv4 = re.compile(_IPV4[:-2] + r"\Z", re.ASCII).match

_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::\d{1,5})?\Z", re.ASCII)
_WITH_PORT = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}\Z", re.ASCII)
_LONGEST_ADDRESS = 256
"""Characters, with blanks, brackets, zone and port: a longer text is no address."""


def canonical_ip(text: str | None) -> str | None:
    """An IP address as RFC 5952 writes it, IPv4 for IPv4-mapped; None if the text is none.

    Blanks, brackets, a port behind IPv4 or brackets, and a zone are taken off. `0.0.0.0` and `::` are
    addresses: a process listens on them, a name resolves to them.
    """
    return _canonical_ip(text) if text and len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=16384)
def _canonical_ip(text: str) -> str | None:
    if _is_ipv4(text):
        return text
    plain = text.strip()
    match = _BRACKETED.match(plain) or _WITH_PORT.match(plain)
    try:
        address = ip_address((match[1] if match else plain).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def only_ip(column: pa.Array) -> pa.Array:
    """`canonical_ip` for a column: ECS `ip` fields accept nothing else, and joins need one spelling."""
    if is_short(column):
        return each_value(canonical_ip, column)
    usual = pc.match_substring_regex(column, _IPV4)
    if pc.all(usual).as_py():
        return column
    others = only_where(pc.invert(usual), column)
    (found,) = by_distinct(lambda text: (canonical_ip(text),), (pa.string(),), others)
    return pc.if_else(usual, column, found)


def addresses(column: pa.Array) -> pa.Array:
    """For `*.address`: the canonical address where the text is one, else the text as sent, trimmed.

    Null for placeholders.
    """
    found = only_ip(column)
    if found.null_count == column.null_count:
        return found
    (others,) = by_distinct(
        lambda text: (known_text(text),), (pa.string(),), only_where(pc.is_null(found), column)
    )
    return pc.coalesce(found, others)


def network_type(address: str | None) -> str | None:
    """`network.type`, ipv4 or ipv6, by an address as `canonical_ip` gives it."""
    return None if address is None else "ipv6" if ":" in address else "ipv4"


def network_types(address: pa.Array) -> pa.Array:
    """`network_type` for a column, by addresses as `only_ip` gives them."""
    if is_short(address):
        return each_value(network_type, address)
    return pc.if_else(pc.match_substring(address, ":"), "ipv6", "ipv4")


def without_brackets(domain: pa.Array) -> pa.Array:
    """A URL's domain without the brackets around an IPv6 address."""
    if is_short(domain):
        return each_value(lambda text: text.strip("[]"), domain)
    return pc.utf8_trim(domain, "[]")


def is_ip(text: str | None) -> bool:
    """Whether the text is an IPv4 or IPv6 address without a scope zone."""
    if not text or "%" in text or not (":" in text or text[-1].isdigit()):
        return False
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


_USUAL_HOST = r"\A(?:[a-z0-9_-]+\.)*[a-z0-9_-]*[a-z][a-z0-9_-]*\z"
"""Names whose last label has a letter, which no IPv4 address has."""
_LONGEST_HOST = 253
"""Characters that DNS allows."""
_LABELS = re.compile(r"[\w-]+(?:\.[\w-]+)*\Z")


def host_name(text: str | None) -> str | None:
    """A host's or domain's name in lower case, without blanks around it and without a final dot.

    None for what is no name: it is made of labels of letters and digits of any script, `-` and `_`, with dots
    between them, has a letter or digit, and is no IP address.
    """
    return _host_name(text) if text and len(text) <= 2 * _LONGEST_HOST else None


@lru_cache(maxsize=16384)
def _host_name(text: str) -> str | None:
    name = lower_text(text.strip().removesuffix("."))
    plain = name if name.isascii() else "".join("x" if _is_mark(each) else each for each in name)
    if len(name) > _LONGEST_HOST or _LABELS.match(plain) is None or not any(map(str.isalnum, plain)):
        return None
    return name if canonical_ip(name) is None else None


def _is_mark(character: str) -> bool:
    """Whether it is a vowel sign or the like, which belongs to the letter before it."""
    return unicodedata.category(character) in ("Mn", "Mc")


def only_host(column: pa.Array) -> pa.Array:
    """`host_name` for a column: for `*.domain` and `related.hosts`."""
    if is_short(column):
        return each_value(host_name, column)
    if column.null_count == len(column):
        return column
    encoded = column.dictionary_encode()
    names = pc.utf8_lower(encoded.dictionary)
    short = pc.less_equal(pc.binary_length(names), _LONGEST_HOST)
    usual = pc.and_(short, pc.match_substring_regex(names, _USUAL_HOST))
    if not pc.all(usual).as_py():
        texts = encoded.dictionary.to_pylist()
        names = pa.array([host_name(text) for text in texts], pa.string())
    return names.take(encoded.indices)


_MAC = re.compile(
    r"[0-9a-f]{2}([:-]?)[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}(?:(?:\1[0-9a-f]{2}){2})?\Z"
    r"|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2,3}\Z",
    re.IGNORECASE,
)


def mac_address(text: str | None) -> str | None:
    """A MAC address of 6 or 8 bytes as ECS writes it, `00-00-5E-00-53-23`; None for zeros and other texts."""
    plain = (text or "").strip()
    if _MAC.match(plain) is None:
        return None
    digits = re.sub("[^0-9A-F]", "", plain.upper())
    return "-".join(re.findall("..", digits)) if digits.strip("0") else None


def only_mac(column: pa.Array) -> pa.Array:
    """`mac_address` for a column: for `*.mac`."""
    return by_distinct(lambda text: (mac_address(text),), (pa.string(),), column)[0]
