"""Tables of Defender for Endpoint: what is computed of processes, files, accounts, hashes and hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ...columns import (
    URL_PARTS,
    addresses,
    by_distinct,
    collect,
    extension_of,
    file_paths,
    first_known,
    image_paths,
    known_text,
    lower,
    only_hash,
    only_host,
    only_ip,
    only_name,
    only_named,
    only_where,
    positive,
    url_parts,
    without_brackets,
)
from ..endpoint_alerts import process_identity

__all__ = [
    "created_process_accounts",
    "file_fields",
    "hashes",
    "hashes_of_image",
    "host_and_others",
    "identified",
    "image_in_folder",
    "initiating_user",
    "library_fields",
    "logon_accounts",
    "logon_source",
    "parent_image",
    "request_accounts",
    "request_ends",
    "signature_fields",
    "user_ids",
    "working_directories",
    "working_directory",
]

Columns: TypeAlias = "tuple[pa.Array, ...]"
_TEXT = pa.string()


def identified(device: pa.Array, number: pa.Array, start: pa.Array, ticks: pa.Array) -> Columns:
    """`process.pid`, `.start` and `.entity_id`, which is machine, pid and start: null unless all are known.

    A pid of 0 and a time before 1970 are Microsoft's way to say that there is none.
    """
    pid, since = positive(number), positive(ticks)
    start = start if since is ticks else only_where(pc.is_valid(since), start)
    return pid, start, process_identity(device, pid, since)


def image_in_folder(folder: pa.Array, name: pa.Array) -> Columns:
    """`process.executable` and `.name` where the folder path is a folder, as in DeviceLogonEvents."""
    return file_paths(folder, name)[1], only_name(name)


def parent_image(name: pa.Array) -> Columns:
    """`process.parent.executable` and `.name` of a name that may be a path."""
    has_folder = pc.fill_null(pc.match_substring_regex(name, r"[\\/]"), False)
    if not pc.any(has_folder).as_py():
        return pa.nulls(len(name), _TEXT), name
    return only_where(has_folder, name), only_name(name)


class _Directories(msgspec.Struct):
    ProcessCurrentWorkingDirectory: Any = None
    InitiatingProcessCurrentWorkingDirectory: Any = None


_directories = msgspec.json.Decoder(_Directories)


def working_directories(additional: pa.Array) -> Columns:
    """The working directories of the process and of the initiating one, which Linux and macOS tell.

    Args:
        additional: `AdditionalFields` as JSON text.
    """
    told = pc.fill_null(pc.match_substring(additional, "CurrentWorkingDirectory"), False)
    if not pc.any(told).as_py():
        nothing = pa.nulls(len(additional), _TEXT)
        return nothing, nothing
    return by_distinct(_working_directories, (_TEXT, _TEXT), only_where(told, additional))


def working_directory(additional: pa.Array) -> pa.Array:
    """`process.working_directory` of the initiating process."""
    return working_directories(additional)[1]


def _working_directories(text: str | None) -> tuple[str | None, str | None]:
    try:
        found = _directories.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return None, None
    own, initiating = found.ProcessCurrentWorkingDirectory, found.InitiatingProcessCurrentWorkingDirectory
    return tuple(known_text(value) if isinstance(value, str) else None for value in (own, initiating))  # type: ignore[return-value]


def signature_fields(status: pa.Array) -> Columns:
    """`code_signature.status`, `.exists`, `.trusted` and `.valid` by Microsoft's signature status."""

    def find(text: str | None) -> tuple[bool | None, ...]:
        known = {
            "valid": (True, True, True),
            "invalid": (True, False, False),
            "unsigned": (False, False, None),
        }
        return known.get((text or "").lower(), (None, None, None))

    return only_named(status), *by_distinct(find, (pa.bool_(),) * 3, status)


def library_fields(path: pa.Array, name: pa.Array) -> Columns:
    """`dll.path` and `.name`, then `file_fields`, of a loaded image, whose path is a whole one."""
    whole, last = image_paths(path, name)
    return whole, last, *by_distinct(_file_fields, (_TEXT,) * 6, whole, last)


def file_fields(path: pa.Array, name: pa.Array) -> Columns:
    """`file.path`, `.directory`, `.drive_letter`, `.name`, `.extension` and `.fork_name`.

    The name of a stream of a file on Windows, `a.txt:b`, is `a.txt` with the fork `b`; its path has both.
    """
    whole = first_known(file_paths(path, name)[1], path)
    return by_distinct(_file_fields, (_TEXT,) * 6, whole, only_name(name))


_DRIVE = re.compile(r"([A-Za-z]):\\")


def _file_fields(path: str | None, name: str | None) -> tuple[str | None, ...]:
    drive = _DRIVE.match(path or "")
    directory, separator = _folder_of(path or "")
    if separator != "/":
        plain, _, fork = (name or "").partition(":")
        name, fork = (plain, fork.partition(":")[0]) if plain else (name, "")
    else:
        fork = ""
    return (
        path,
        directory if name else None,
        drive[1].upper() if drive else None,
        name,
        extension_of(name) if name else None,
        fork or None,
    )


def _folder_of(path: str) -> tuple[str | None, str]:
    """Folder and separator of a path; the folder of a file at the root of a drive is the root."""
    separator = "/" if "/" in path and "\\" not in path else "\\"
    head, found, _ = path.rpartition(separator)
    if found and (not head or head.endswith(":")):
        head += separator
    return head or None, found


# Accounts: name, domain, SID, user principal name and id in Entra, as Microsoft's columns have them


def _completed(account: Columns, other: Columns) -> Columns:
    """The account with what the other one tells of it, where both have the same SID: never parts of two."""
    gaps = [
        mine.null_count > 0 and more.null_count < len(more) for mine, more in zip(account, other, strict=True)
    ]
    sid, others_sid = account[2], other[2]
    if not any(gaps) or sid.null_count == len(sid):
        return account
    same = pc.fill_null(pc.equal(sid, others_sid), False)
    return tuple(
        first_known(mine, only_where(same, more)) if gap else mine
        for mine, more, gap in zip(account, other, gaps, strict=True)
    )


def user_ids(sid: pa.Array, object_id: pa.Array) -> pa.Array:
    """`user.id`: the SID, else the id in Entra."""
    return sid if sid.null_count == 0 or object_id.null_count == len(sid) else first_known(sid, object_id)


def _user(account: Columns) -> Columns:
    """`user.name`, `.domain`, `.id`, `.email`."""
    name, domain, sid, principal, object_id = account
    return name, domain, user_ids(sid, object_id), _email(principal)


def _email(principal: pa.Array) -> pa.Array:
    """The user principal names that are addresses."""
    if principal.null_count == len(principal):
        return principal
    return only_where(pc.match_substring(principal, "@"), principal)


def _names(account: Columns) -> Sequence[pa.Array]:
    """What `related.user` has of an account: all but the domain."""
    name, _, sid, principal, object_id = account
    return name, principal, sid, object_id


def created_process_accounts(*columns: pa.Array) -> Columns:
    """`user.*` of `_user`, `process.user.name` and `.id`, the same of the parent, and `related.user`.

    Args:
        columns: name, domain, SID, user principal name and object id of the created process' account, and
            of the initiating process'.
    """
    account, initiating = columns[:5], columns[5:]
    own, parent = _completed(account, initiating), _completed(initiating, account)
    name, domain, identifier, email = _user(own)
    return (
        *(name, domain, identifier, email),
        *(name, identifier),
        *(parent[0], user_ids(parent[2], parent[4])),
        collect(*_names(own), *_names(parent)),
    )


def initiating_user(sid: pa.Array, object_id: pa.Array, principal: pa.Array) -> Columns:
    """`process.user.id`, `user.id` and `user.email` of the initiating process' account."""
    identifier = user_ids(sid, object_id)
    return identifier, identifier, _email(principal)


def request_accounts(name: pa.Array, domain: pa.Array, sid: pa.Array, *initiating: pa.Array) -> Columns:
    """`user.*` of `_user`, `process.user.name` and `.id`, and `related.user`, of a change of a file.

    The user is the account of the request, else that of the initiating process.
    """
    account, process = _with_initiating((name, domain, sid), initiating)
    known = pc.or_(pc.is_valid(name), pc.is_valid(sid))
    acting = account
    if not pc.all(known).as_py():
        acting = tuple(pc.if_else(known, *pair) for pair in zip(account, process, strict=True))
    return (
        *_user(acting),
        process[0],
        user_ids(process[2], process[4]),
        collect(*_names(account), *_names(process)),
    )


_NOBODY = "S-1-0-0"
"""The SID that stands for no account, as in logons by a name that does not exist."""


def logon_accounts(name: pa.Array, domain: pa.Array, sid: pa.Array, *initiating: pa.Array) -> Columns:
    """As `request_accounts`; the user is the account that logs on, and no other."""
    known_sid = only_where(pc.not_equal(sid, _NOBODY), sid)
    account, process = _with_initiating((name, domain, known_sid), initiating)
    return (
        *_user(account),
        process[0],
        user_ids(process[2], process[4]),
        collect(*_names(account), *_names(process)),
    )


def _with_initiating(account: Columns, initiating: Columns) -> tuple[Columns, Columns]:
    nothing = pa.nulls(len(account[0]), _TEXT)
    whole = (*account, nothing, nothing)
    return _completed(whole, initiating), _completed(initiating, whole)


# Hashes and hosts

_ALGORITHMS = ("md5", "sha1", "sha256")


def hashes(filled: int) -> Callable[..., Columns]:
    """A function that gives the first `filled` of its columns, cleaned, then `related.hash` with all of them.

    The columns are MD5, SHA-1, SHA-256 in turn.
    """

    def known(*columns: pa.Array) -> Columns:
        found = _known_hashes(columns)
        return *found[:filled], collect(*found)

    return known


def hashes_of_image(*columns: pa.Array) -> Columns:
    """`dll.hash.*`, `file.hash.*`, `process.hash.*` and `related.hash`: the library is the file."""
    found = _known_hashes(columns)
    return *found[:3], *found, collect(*found)


def _known_hashes(columns: Sequence[pa.Array]) -> list[pa.Array]:
    return [
        only_hash(column, _ALGORITHMS[place % len(_ALGORITHMS)])  # type: ignore[arg-type]
        for place, column in enumerate(columns)
    ]


def host_and_others(name: pa.Array, *others: pa.Array) -> Columns:
    """`host.name` in lower case, and `related.hosts` with it and the others, if they are names of hosts."""
    return lower(name), collect(*map(only_host, (name, *others)))


def logon_source(
    device_name: pa.Array,
    remote: pa.Array,
    port: pa.Array,
    remote_name: pa.Array,
    session_device: pa.Array,
    session_address: pa.Array,
) -> Columns:
    """`host.name`, `source.address`, `.ip`, `.port`, `.domain`, `related.ip` and `.hosts` of a logon.

    The address is the remote address as Microsoft sends it, else the remote device's name.
    """
    address = first_known(only_ip(remote), only_ip(remote_name))
    domain = only_host(remote_name)
    return (
        lower(device_name),
        first_known(addresses(remote), addresses(remote_name)),
        address,
        positive(port),
        domain,
        collect(address, only_ip(session_address)),
        collect(only_host(device_name), domain, only_host(session_device)),
    )


def request_ends(
    device_name: pa.Array,
    source: pa.Array,
    port: pa.Array,
    origin: pa.Array,
    origin_url: pa.Array,
    referrer: pa.Array,
    session_device: pa.Array,
    session_address: pa.Array,
) -> Columns:
    """`host.name`, `source.address`, `.ip` and `.port` of a remote request, `related.ip` and `.hosts`.

    Args:
        device_name: the device's name.
        source: address that the request came from, with its port.
        port: its port.
        origin: address that the file came from.
        origin_url: URL that the file came from, and the one that led there.
        referrer: the latter.
        session_device: device of the initiating process' remote session, with its address.
        session_address: its address.
    """
    address = only_ip(source)
    names, numbers = zip(*map(_host_of_url, (origin_url, referrer)), strict=True)
    return (
        lower(device_name),
        addresses(source),
        address,
        positive(port),
        collect(address, only_ip(origin), *numbers, only_ip(session_address)),
        collect(*map(only_host, (device_name, session_device)), *names),
    )


def _host_of_url(url: pa.Array) -> tuple[pa.Array, pa.Array]:
    """A URL's host as a name, or as an address."""
    if url.null_count == len(url):
        return url, url
    domain = url_parts(url)[list(URL_PARTS).index("domain")]
    return only_host(domain), only_ip(without_brackets(domain))
