"""URLs and their parts."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from .addresses import canonical_ip, host_name
from .distinct import by_distinct
from .paths import suffix_of

__all__ = [
    "LARGEST_PORT",
    "URL_PARTS",
    "parts_of_url",
    "url_parts",
]

URL_PARTS: dict[str, pa.DataType] = {
    "scheme": pa.string(),
    "domain": pa.string(),
    "port": pa.int64(),
    "path": pa.string(),
    "extension": pa.string(),
    "query": pa.string(),
    "fragment": pa.string(),
    "username": pa.string(),
    "password": pa.string(),
}

"""The parts that `url_parts` returns, in this order."""

_NO_URL = (None,) * len(URL_PARTS)


def url_parts(column: pa.Array) -> tuple[pa.Array, ...]:
    """The parts of URLs, as in `URL_PARTS`. A text without a scheme is taken as domain and path.

    What has no host made of the characters of a host's name, nor an address, is no URL, and has no parts:
    `uri=https://a.example/b`, a share's path, an address of mail. Only a file's URL needs no host
    (`file:///C:/a.html`). Blanks around the text do not count.

    A domain that is an IPv6 address is written as RFC 5952 has it and keeps its brackets, as ECS has it;
    `only_ip(without_brackets(…))` is the address.
    """
    return by_distinct(parts_of_url, tuple(URL_PARTS.values()), column)


_URL = re.compile(
    r"(?:([a-z][a-z0-9+.-]*)://(?:([^/?#:@]*)(?::([^/?#@]*))?@)?|(?![a-z][a-z0-9+.-]*:/))"
    r"(?:(\[[0-9a-f:.]+\])|([^/?#:@\s\[\]]+))(?::(\d{0,5}))?"
    r"(/[^?#]*)?(?:\?([^#]*))?(?:#(.*))?\Z",
    re.IGNORECASE | re.DOTALL,
)

LARGEST_PORT = 65535

_LOCAL_FILE = re.compile(r"(file)://(/[^?#]*)\Z", re.IGNORECASE)
"""The URL of a file of the machine itself, which names no host (RFC 8089)."""


def parts_of_url(text: str | None) -> tuple[Any, ...]:
    """`url_parts` for one text."""
    match = _URL.match(text.strip()) if text else None
    if match is None:
        return _local_file(text.strip()) if text else _NO_URL
    scheme, user, password, address, name, digits, path, query, fragment = match.groups()
    domain = _domain(address, name)
    port = int(digits) if digits else None
    if domain is None or (port is not None and port > LARGEST_PORT):
        return _NO_URL
    return (
        scheme.lower() if scheme else None,
        domain,
        port or None,
        path,
        suffix_of(path.rpartition("/")[2]) if path else None,
        query or None,
        fragment or None,
        user or None,
        password or None,
    )


def _local_file(text: str) -> tuple[Any, ...]:
    match = _LOCAL_FILE.match(text)
    if match is None:
        return _NO_URL
    return match[1].lower(), None, None, match[2], suffix_of(match[2].rpartition("/")[2]), *_NO_URL[5:]


def _domain(address: str | None, name: str | None) -> str | None:
    """A URL's host: a name, an IPv4 address, or an IPv6 address in brackets."""
    plain = canonical_ip(address or name)
    if plain is None:
        return host_name(name)
    return f"[{plain}]" if ":" in plain else plain
