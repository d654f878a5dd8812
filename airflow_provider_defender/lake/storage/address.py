"""Parsing a lake's address, which Airflow, fsspec and the URL standards read differently."""

from __future__ import annotations

__all__ = ["local_path"]

_SCHEMES = ("file", "local")


def local_path(address: str) -> str | None:
    """The local path that an address names; None if it names an object store.

    Raises `ValueError`, with what to write instead, for ambiguous addresses: a host or a relative path in a
    `file:` URL, and characters that URLs escape (RFC 8089) but that Airflow and fsspec read literally.
    """
    scheme, _, rest = address.partition(":")
    if scheme.lower() not in _SCHEMES or "/" in scheme:
        return None if "://" in address else address
    if rest.startswith("//"):
        host, _, path = rest[2:].partition("/")
        if host and not host.endswith("@"):
            remedy = f"file:///{path}" if host == "localhost" else f"file:///{host}/{path}"
            raise ValueError(
                f"{address!r} has {host!r} where a file: URL names a host, and no other host's files can be "
                f"reached. If it is a folder of this machine, write three slashes: {remedy}"
            )
        path = f"/{path}"
    elif rest.startswith("/"):
        path = rest
    else:
        raise ValueError(f"{address!r} is relative: a file: URL has the whole path, as in file:///data/lake")
    if found := sorted(set("%?#") & set(path)):
        raise ValueError(
            f"{address!r} has {' and '.join(found)} in it, which some readers of URLs take literally and "
            "others do not. Write the path itself, without file://, as in '/data/my lake'"
        )
    return path
