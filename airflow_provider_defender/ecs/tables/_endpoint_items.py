"""Functions on the columns of endpoint alerts' items: accounts, files, processes, the registry, URLs."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..columns import (
    URL_PARTS,
    by_distinct,
    canonical_ip,
    collect,
    first_known,
    host_name,
    known_text,
    only_hash,
    only_host,
    only_ip,
    only_where,
    parts_of_url,
)
from ._items import NO_TYPE, account_names, file_paths, is_same_account, registry_parts

__all__ = [
    "account_fields",
    "image_fields",
    "is_process",
    "item_registry",
    "parent_fields",
    "registry_fields",
    "url_fields",
]

_TEXT = pa.string()


def is_process(entity_type: pa.Array) -> pa.Array:
    """Whether the item is a process."""
    return pc.equal(pc.utf8_lower(entity_type), "process")


def image_fields(
    entity_type: pa.Array, directory: pa.Array, name: pa.Array, sha1: pa.Array, sha256: pa.Array
) -> tuple[pa.Array, ...]:
    """What an item says of a file: `file.*`, `process.*` where it is a process's image, `related.hash`.

    These are `file.name`, `.directory`, `.path`, `.extension`, `.fork_name`, `.hash.sha1`, `.hash.sha256`,
    then `process.name`, `.executable`, `.hash.sha1`, `.hash.sha256`.
    """
    process = is_process(entity_type)
    name, directory, path, extension, stream = by_distinct(file_paths, (_TEXT,) * 5, directory, name)
    hashes = only_hash(sha1, "sha1"), only_hash(sha256, "sha256")
    of_process = (only_where(process, column) for column in (name, path, *hashes))
    return name, directory, path, extension, stream, *hashes, *of_process, collect(*hashes)


def parent_fields(directory: pa.Array, name: pa.Array) -> tuple[pa.Array, ...]:
    """`process.parent.name` and `.executable`."""
    return by_distinct(_image, (_TEXT,) * 2, directory, name)


def _image(directory: str | None, name: str | None) -> tuple[str | None, ...]:
    name, _, path, _, _ = file_paths(directory, name)
    return name, path


def account_fields(
    entity_type: pa.Array, related_name: pa.Array, related_domain: pa.Array, *account: pa.Array
) -> tuple[pa.Array, ...]:
    """`user.name`, `.domain`, `.email`, `.id`, `process.user.name`, `.id`, `related.user`.

    `user.*` is the alert's user, else the item's account; id and address only where both are one account.

    Args:
        entity_type: what the item is.
        related_name: the name of the alert's user.
        related_domain: its domain.
        account: name, domain, user principal name, SID and Entra's object id of the item's account, and the
            lists of users logged on.
    """
    name, domain, principal, sid, object_id, logged_on = account
    identifier = first_known(sid, object_id)
    has_related = pc.is_valid(related_name)
    same = pc.fill_null(pc.equal(related_name, name), False)
    same_domain = pc.fill_null(pc.equal(related_domain, domain), True)
    own = pc.or_(pc.invert(has_related), pc.and_(same, same_domain))
    has_account = pc.or_(pc.is_valid(name), pc.is_valid(principal))
    has_login = pc.or_(_is_login(name), _is_login(related_name))
    odd = pc.or_(pc.or_(pc.and_not(has_account, own), pc.is_null(name)), has_login)
    odd = pc.and_(odd, pc.or_(has_account, has_login))
    user = (
        first_known(related_name, name),
        pc.if_else(own, first_known(related_domain, domain), related_domain),
        only_where(pc.and_(own, pc.match_substring(principal, "@")), principal),
        own,
        name,
    )
    if pc.any(odd).as_py():
        inputs = (only_where(odd, each) for each in (related_name, related_domain, name, domain, principal))
        slow = by_distinct(_account, (_TEXT, _TEXT, _TEXT, pa.bool_(), _TEXT), *inputs)
        user = tuple(pc.if_else(odd, *pair) for pair in zip(slow, user, strict=True))
    user_name, user_domain, email, own, account_name = user
    process = is_process(entity_type)
    related: tuple[pa.Array, ...] = (related_name, name, principal, sid, object_id, logged_on)
    if pc.any(odd).as_py():  # names that only a login or a principal name tells
        related = (user_name, account_name, *related)
    return (
        user_name,
        user_domain,
        email,
        only_where(own, identifier),
        only_where(process, account_name),
        only_where(process, identifier),
        collect(*related),
    )


def _is_login(name: pa.Array) -> pa.Array:
    r"""Whether it is `DOMAIN\name` or `name@domain`."""
    if name.null_count == len(name):
        return pc.is_valid(name)
    return pc.fill_null(pc.or_(pc.match_substring(name, "@"), pc.match_substring(name, "\\")), False)


def _account(
    related_name: str | None,
    related_domain: str | None,
    name: str | None,
    domain: str | None,
    principal: str | None,
) -> tuple[str | None, str | None, str | None, bool, str | None]:
    """`user.name`, `.domain`, `.email`, whether the item's account is `user`, and the account's name."""
    own_name, own_domain, own_email = account_names(name, domain, principal)
    if related_name is None:
        return own_name, own_domain, own_email, True, own_name
    user, user_domain, email = account_names(related_name, related_domain, None)
    known_domain = domain if name is None else own_domain  # not what only the principal name says
    same = is_same_account(user or related_name, user_domain, own_name, known_domain, principal)
    if same:
        user_domain, email = user_domain or own_domain, own_email or email
    return user, user_domain, email, same, own_name


def registry_fields(
    hive: pa.Array, key: pa.Array, value: pa.Array, value_type: pa.Array
) -> tuple[pa.Array, ...]:
    """`registry.hive`, `.key`, `.path`, `.data.type`; the hive as ECS abbreviates it, the key without it."""
    return by_distinct(registry_parts, (_TEXT,) * 4, hive, key, value, value_type)


def item_registry(
    hive: pa.Array, key: pa.Array, value: pa.Array, value_type: pa.Array, data: pa.Array
) -> tuple[pa.Array, ...]:
    """`registry_fields` of items, then `registry.data.strings`. None is no type of what has no data."""
    if key.null_count == len(key) == data.null_count:
        return *registry_fields(hive, key, value, value_type), collect(data)
    untyped = pc.and_(pc.is_null(data), pc.equal(pc.ascii_lower(value_type), NO_TYPE))
    if pc.any(untyped).as_py():
        value_type = only_where(pc.fill_null(pc.invert(untyped), True), value_type)
    return *registry_fields(hive, key, value, value_type), collect(data)


def url_fields(url: pa.Array, address: pa.Array, name: pa.Array, domains: pa.Array) -> tuple[pa.Array, ...]:
    """`url.full`, `url.*` of `URL_PARTS`, then `related.ip` and `related.hosts`.

    Related are the item, the URL, the machine and the alert's domains.
    """
    *parts, host, host_address = by_distinct(_url, (*URL_PARTS.values(), _TEXT, _TEXT), url)
    full = only_where(pc.is_valid(parts[list(URL_PARTS).index("scheme")]), url)
    machine = only_host(name)
    addresses = [only_ip(address), host_address]
    if machine.null_count > name.null_count:
        addresses.append(only_ip(only_where(pc.is_null(machine), name)))
    return full, *parts, collect(*addresses), collect(machine, host, _hosts(domains))


def _url(text: str | None) -> tuple[Any, ...]:
    """The parts of a URL, and its host as a name or as an address."""
    parts = parts_of_url(text)
    domain: str | None = parts[_DOMAIN]
    address = canonical_ip(domain)
    return *parts, domain if address is None else None, address


_DOMAIN = list(URL_PARTS).index("domain")


def _hosts(domains: pa.Array) -> pa.Array:
    """The names of hosts in lists, which few alerts have."""
    if not len(domains.flatten()):
        return domains
    return by_distinct(_host_names, (pa.list_(_TEXT),), domains)[0]


def _host_names(texts: list[str] | None) -> tuple[list[str] | None]:
    return ([name for text in texts or () if (name := host_name(known_text(text)))] or None,)
