"""Parsing of hosts in connections and page links."""

from __future__ import annotations

import re

__all__ = ["link_host", "parse_host"]

_DEFAULT_PORT = 443
_LARGEST_PORT = 65535
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?P<name>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]{{2,45}}\])(?::(?P<port>[0-9]{{1,5}}))?\Z")
# The whole authority part must be host and port only, so that no parser can read another host from it.
_LINK = re.compile(r"https://(?P<host>[A-Za-z0-9_.:\[\]-]+)(?:[/?][^\x00-\x1f\x7f\\]*)?\Z", re.ASCII)


def parse_host(text: str, default_port: int = _DEFAULT_PORT) -> str:
    """Normalise `host[:port]` or `https://host[:port][/]` to lower-case `host` or `host:port`.

    The default port is left out. Raises ValueError, with a reason for people, for anything else.
    """
    host = text.strip().lower()
    scheme, separator, rest = host.partition("://")
    if separator:
        if scheme != "https":
            raise ValueError("only https is allowed")
        host = rest.removesuffix("/")
    if "@" in host:
        raise ValueError("it must not hold a user name or a password")
    if any(mark in host for mark in "/?#"):
        raise ValueError("it must be a bare host, or an https URL without a path")
    match = _NAME.match(host)
    if match is None:
        raise ValueError("it is not a host name with an optional port")
    port = int(match["port"] or default_port)
    if not 0 < port <= _LARGEST_PORT:
        raise ValueError("the port must be between 1 and 65535")
    return match["name"] if port == default_port else f"{match['name']}:{port}"


def link_host(link: str) -> str:
    """Return the normalised host of an absolute https link. Raises ValueError if it is not clearly one."""
    match = _LINK.match(link)
    if match is None:
        raise ValueError("it is not a plain https link")
    return parse_host(match["host"])
