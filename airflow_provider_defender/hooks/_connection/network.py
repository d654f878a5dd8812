"""How a connection's hosts are reached: CA bundle, proxy and timeouts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from airflow_provider_defender.hooks._connection.fields import Fields
from airflow_provider_defender.hooks._connection.shown import shown_path

__all__ = ["Network", "proxy_passwords", "read_network"]

_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0


@dataclass(frozen=True)
class Network:
    """How to reach hosts. The connection's CA bundle and proxy override the environment's."""

    ca_bundle: str | None
    proxy: str | None = field(repr=False)
    connect_timeout: float
    read_timeout: float


def read_network(fields: Fields) -> Network:
    """Read how to reach hosts."""
    return Network(
        ca_bundle=_ca_bundle(fields),
        proxy=_proxy(fields),
        connect_timeout=fields.seconds("connect_timeout", _CONNECT_TIMEOUT),
        read_timeout=fields.seconds("read_timeout", _READ_TIMEOUT),
    )


def _ca_bundle(fields: Fields) -> str | None:
    path = fields.text("ca_bundle")
    if path is None:
        return None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(path)
    except OSError as error:  # ssl.SSLError is one, too
        remedy = f"no certificates can be read from it ({_os_reason(error)})"
        fields.wrong("ca_bundle", remedy, shown_path(path))
    return path


def _proxy(fields: Fields) -> str | None:
    proxy = fields.text("proxy")
    if proxy is None:
        return None
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not proxy.isascii():
        fields.wrong("proxy", "it must be a URL, such as http://proxy.example.com:3128")
    try:  # basic authentication, as requests sends it
        unquote(f"{parts.username}{parts.password}", errors="strict").encode("latin-1")
    except ValueError:
        fields.wrong("proxy", "its user name and password may hold characters of Latin-1 only")
    return proxy


def _os_reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def proxy_passwords(proxy: str | None) -> set[str]:
    """The proxy's password, URL-encoded and decoded."""
    password = urlsplit(proxy).password if proxy else None
    return {password, unquote(password)} if password else set()
