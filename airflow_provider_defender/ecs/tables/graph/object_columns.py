"""Accounts, files and devices of evidence as columns: what `parts` and `identity` give for single ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import HASH_LENGTHS, by_distinct, collect, first_known, only_hash, only_where
from ...engine.items import JsonObjects, json_objects
from ...engine.shapes import Scalar, Shape
from ...operating_systems import operating_system_family
from .._items import account_names, file_paths
from .parts import os_name
from .values import LONGEST_SHORT, PLACEHOLDER_FIRSTS, known, member

__all__ = [
    "accounts",
    "files",
    "images",
    "known_texts",
    "lowered",
    "platforms",
    "process_images",
    "read_accounts",
    "read_files",
    "read_users",
    "risks",
    "user_names",
]


def _shape(names: str, **others: Scalar) -> Shape:
    return Shape(
        {**dict.fromkeys(names.split(), "string"), **others, "odata_type": "json"},
        {"odata_type": "@odata.type"},
    )


_FILE = _shape("fileName filePath filePublisher issuer md5 sha1 sha256 sha256Ac signer", fileSize="long")
_ACCOUNT = _shape(
    "accountName activeDirectoryObjectGuid azureAdUserId displayName domainName tenantId userPrincipalName "
    "userSid",
    resourceAccessEvents="json",
)
_USER = _shape("accountName domainName")
_NO_EVENTS = "[]"


def read_files(column: pa.Array) -> JsonObjects:
    """The different `fileDetails` of a column."""
    return json_objects(column, _FILE)


def read_accounts(column: pa.Array) -> JsonObjects:
    """The different accounts of a column. Those with events are odd, since these have addresses."""
    found = json_objects(column, _ACCOUNT)
    events = found.values["resourceAccessEvents"]
    with_events = pc.fill_null(pc.not_equal(events, _NO_EVENTS), False)
    if not pc.any(with_events).as_py():
        return found
    odd = pc.fill_null(with_events.take(found.indices), False)
    return found._replace(odd=odd if found.odd is None else pc.or_(odd, found.odd))


def read_users(column: pa.Array) -> JsonObjects:
    """The different lists of users who are logged on."""
    return json_objects(column, _USER, lists=True)


def user_names(users: JsonObjects) -> dict[str, pa.Array]:
    """The users who are logged on, as `related.user`."""
    names = known_texts(users.values["accountName"])
    return {"related.user": collect(pa.ListArray.from_arrays(users.offsets, names))}


def accounts(found: JsonObjects, prefix: str = "user") -> dict[str, pa.Array]:
    """`parts.account_fields` of accounts, with all that follows for `related.user`."""
    names = ("accountName", "domainName", "displayName", "userPrincipalName", "userSid", "azureAdUserId")
    name, domain, full_name, principal, sid, object_id = (known_texts(found.values[each]) for each in names)
    guid = known_texts(found.values["activeDirectoryObjectGuid"])
    name, domain, email = by_distinct(account_names, (pa.string(),) * 3, name, domain, principal)
    return {
        f"{prefix}.name": name,
        f"{prefix}.domain": domain,
        f"{prefix}.id": first_known(sid, object_id),
        f"{prefix}.email": email,
        f"{prefix}.full_name": full_name,
        "related.user": collect(principal, sid, object_id, guid, name, email),
    }


def files(found: JsonObjects, prefix: str = "file") -> dict[str, pa.Array]:
    """`parts.file_fields` of files, with `related.hash`."""
    name, directory, path, extension, stream = _paths(found)
    size = found.values["fileSize"]
    signer, publisher = (known_texts(found.values[each]) for each in ("signer", "filePublisher"))
    return {
        f"{prefix}.name": name,
        f"{prefix}.directory": directory,
        f"{prefix}.path": path,
        f"{prefix}.extension": extension,
        f"{prefix}.fork_name": stream,
        f"{prefix}.size": only_where(pc.greater_equal(size, 0), size),
        f"{prefix}.code_signature.subject_name": first_known(signer, publisher),
        **_hashes(found, prefix),
    }


def images(found: JsonObjects, prefix: str) -> dict[str, pa.Array]:
    """`parts.image_fields` of files, with `related.hash`."""
    name, _, path, _, _ = _paths(found)
    return {f"{prefix}.name": name, f"{prefix}.executable": path, **_hashes(found, prefix)}


def process_images(found: JsonObjects) -> dict[str, pa.Array]:
    """`endpoint.process_image` of files, with `related.hash`."""
    fields = files(found)
    hashes = {f"process.hash.{name}": fields[f"file.hash.{name}"] for name in HASH_LENGTHS}
    return {
        **fields,
        **hashes,
        "process.name": fields["file.name"],
        "process.executable": fields["file.path"],
    }


def _paths(found: JsonObjects) -> tuple[pa.Array, ...]:
    directory, name = (known_texts(found.values[each]) for each in ("filePath", "fileName"))
    return by_distinct(file_paths, (pa.string(),) * 5, directory, name)


def _hashes(found: JsonObjects, prefix: str) -> dict[str, pa.Array]:
    fields = {f"{prefix}.hash.{name}": only_hash(found.values[name], name) for name in HASH_LENGTHS}
    unsigned = only_hash(found.values["sha256Ac"], "sha256")
    return {**fields, "related.hash": collect(unsigned, *fields.values())}


def known_texts(column: pa.Array) -> pa.Array:
    """The texts that are values, and no placeholders: `values.text` for a column."""
    if column.null_count == len(column):
        return column
    is_short = pc.less_equal(pc.utf8_length(column), LONGEST_SHORT)
    begins = (pc.starts_with(column, first) for first in PLACEHOLDER_FIRSTS)
    doubtful = reduce(pc.or_, begins, is_short)
    if not pc.any(doubtful).as_py():
        return column
    return pc.if_else(
        doubtful,
        _each(lambda text: text if known(text) else None, only_where(doubtful, column)),
        column,
    )


def _each(function: Callable[[str], str | None], column: pa.Array) -> pa.Array:
    """What a function makes of the texts, called once for each different one."""
    (found,) = by_distinct(lambda text: (None if text is None else function(text),), (pa.string(),), column)
    return found


def lowered(column: pa.Array) -> pa.Array:
    """The texts in lower case, as Python has it."""
    if pc.all(pc.string_is_ascii(column)).as_py() is not False:
        return pc.ascii_lower(column)
    return _each(str.lower, column)


def platforms(column: pa.Array) -> tuple[pa.Array, ...]:
    """`host.os.name` and `.type`, by `osPlatform`."""
    return by_distinct(_platform, (pa.string(),) * 2, column)


def _platform(platform: str | None) -> tuple[str | None, str | None]:
    name = os_name(platform)
    return name, operating_system_family(name)


def risks(column: pa.Array) -> pa.Array:
    """The members of an enum in lower case, as `values.member` gives them."""
    return _each(lambda text: member({"": text}, ""), column)
