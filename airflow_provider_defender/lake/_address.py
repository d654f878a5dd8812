"""What a lake's address says, where Airflow, fsspec and the standards of URLs read it differently."""

from __future__ import annotations

__all__ = ["local_path"]

_SCHEMES = ("file", "local")


def local_path(address: str) -> str | None:
    """The path of a local folder that an address names; None where it names an object store.

    Raises `ValueError`, with the cure, for addresses that can be meant in two ways: a host or a relative path
    in a `file:` URL, and characters that URLs escape (RFC 8089), but Airflow and fsspec take as they are.
    """
    scheme, _, rest = address.partition(":")
    if scheme.lower() not in _SCHEMES or "/" in scheme:
        return None if "://" in address else address
    if rest.startswith("//"):
        host, _, path = rest[2:].partition("/")
        if host and not host.endswith("@"):
            cure = f"file:///{path}" if host == "localhost" else f"file:///{host}/{path}"
            raise ValueError(
                f"{address!r} has {host!r} where a file: URL names a host, and no other host's files can be "
                f"reached. If it is a folder of this machine, write three slashes: {cure}"
            )
        path = f"/{path}"
    elif rest.startswith("/"):
        path = rest
    else:
        raise ValueError(f"{address!r} is relative: a file: URL has the whole path, as in file:///data/lake")
    if found := sorted(set("%?#") & set(path)):
        raise ValueError(
            f"{address!r} has {' and '.join(found)} in it, which some readers of URLs take as it stands and "
            "others do not. Write the path itself, without file://, as in '/data/my lake'"
        )
    return path
