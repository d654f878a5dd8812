"""Building URLs from paths and parameters given by users, checked before a token is sent with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_defender.exceptions import ConfigurationError

__all__ = ["address"]

# The characters of a path (RFC 3986, section 3.3), without escapes that a server could read as separators.
_ESCAPE = r"%(?!2[EeFf5]|5[Cc]|[01]|7[Ff])[0-9A-Fa-f]{2}"
_PATH = re.compile(rf"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_ESCAPE})+)+\Z")


def address(host: str, path: str, params: Mapping[str, Any] | None = None) -> str:
    """The URL of `path` at `host`. `params` become the query; values of None are left out.

    Raises `ConfigurationError` if `path` is not a plain path: it could lead to another host.
    """
    if not isinstance(path, str) or not _PATH.match(path) or ".." in path:
        raise ConfigurationError(
            f"path={path!r} is not a path of the API: give it from its first / on, such as /api/machines, "
            "without a host, `..` or empty parts, and what follows the ? as params."
        )
    given = {name: _text(value) for name, value in (params or {}).items() if value is not None}
    query = urlencode(given, quote_via=quote, safe="$':,()")
    return f"https://{host}{path}" + (f"?{query}" if query else "")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
