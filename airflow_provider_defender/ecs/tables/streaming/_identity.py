"""Defender for Identity's tables: what is computed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import (
    addresses,
    by_distinct,
    canonical_ip,
    collect,
    first_known,
    lower,
    only_host,
    only_ip,
    only_named,
    only_where,
)
from ._accounts import account_parts
from .functions import TEXTS, text_list

__all__ = [
    "ACTOR_FIELDS",
    "ENDS_FIELDS",
    "TARGET_FIELDS",
    "TARGET_KEYS",
    "actor",
    "actor_and_name",
    "actor_and_target",
    "all_names",
    "dns_question",
    "ends",
    "host",
    "identity_account",
    "location",
    "target",
]

ENDS_FIELDS = (
    "source.address",
    "source.ip",
    "destination.address",
    "destination.ip",
    "destination.domain",
    "related.ip",
    "related.hosts",
)
"""What `ends` gives."""


def ends(
    device: pa.Array,
    address: pa.Array,
    server: pa.Array,
    server_address: pa.Array,
    target: pa.Array,
    sender: pa.Array,
    receiver: pa.Array,
) -> tuple[pa.Array, ...]:
    """Where an activity came from and went to, as in `ENDS_FIELDS`.

    Args:
        device: name of the machine that the account used, and `address` its address.
        address: see `device`.
        server: name of the machine that served the request (a domain controller, say).
        server_address: its address.
        target: name of the machine that the activity was about, which can be another one than that of the
            address; so it is the destination only where no other machine is known.
        sender: `FROM.DEVICE`, mostly the short name of `device`; counts only where that is not known.
        receiver: `TO.DEVICE`, mostly the short name of `server`; likewise.
    """
    source, destination = only_ip(address), only_ip(server_address)
    name = _machine(first_known(device, sender) if device.null_count else device)
    domain, targets = _machine(server), _machine(target)
    if domain.null_count:
        is_unnamed = pc.and_(pc.is_null(domain), pc.is_null(destination))
        domain = first_known(domain, only_where(is_unnamed, first_known(targets, _machine(receiver))))
    return (
        _address(address, source),
        source,
        first_known(_address(server_address, destination), domain),
        destination,
        domain,
        collect(source, *_several(address, source), destination),
        collect(name, domain, targets),
    )


def _machine(column: pa.Array) -> pa.Array:
    """Names of hosts, of which Unknown is none."""
    hosts = only_host(column)
    is_unknown = pc.equal(hosts, "unknown")
    return only_where(pc.invert(is_unknown), hosts) if pc.any(is_unknown).as_py() else hosts


def _address(text: pa.Array, address: pa.Array) -> pa.Array:
    """`*.address`: the IP address, which has been found already, else the text as sent."""
    return address if address.null_count == text.null_count else addresses(text)


def _several(text: pa.Array, address: pa.Array) -> list[pa.Array]:
    """The addresses in texts that are no address: Microsoft lists several clients with commas."""
    if address.null_count == text.null_count:
        return []

    def find(listed: str | None) -> tuple[list[str] | None]:
        found = [canonical_ip(each) for each in (listed or "").split(",")]
        return ([each for each in found if each] or None,)

    return list(by_distinct(find, (TEXTS,), only_where(pc.is_null(address), text)))


def location(place: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`source.geo.country_iso_code` where it is two letters, else `source.geo.name`."""
    is_code = pc.fill_null(pc.match_substring_regex(place, r"^[A-Za-z]{2}$"), False)
    if is_code.true_count == len(place) - place.null_count:
        return pc.utf8_upper(place), pa.nulls(len(place), pa.string())
    return pc.utf8_upper(only_where(is_code, place)), only_named(only_where(pc.invert(is_code), place))


ACTOR_FIELDS = ("user.id", "user.name", "user.domain", "user.email", "user.full_name")
"""What `actor` gives."""
_ADDRESS = r"\A[0-9A-Za-z][!-9;-?A-\[\]-~]*@[!-?A-\[\]-~]+\.[!-?A-\[\]-~]+\z"
"""Principal names that are their own `email` in `account_parts`."""


def actor(
    name: pa.Array,
    domain: pa.Array,
    upn: pa.Array,
    sid: pa.Array,
    object_id: pa.Array,
    full_name: pa.Array,
    source_account: pa.Array,
    alias: pa.Array,
) -> tuple[tuple[pa.Array, ...], list[pa.Array]]:
    r"""Who acted, as in `ACTOR_FIELDS`, and the columns of names and ids for `related.user`.

    Args:
        name: of the account, and so are the next five.
        domain: see `name`.
        upn: see `name`.
        sid: see `name`.
        object_id: see `name`.
        full_name: see `name`.
        source_account: `DOMAIN\name` in AdditionalFields, and
        alias: `ACTOR.ACCOUNT` there: they count only where no column says anything of the account, but for
            its domain, which is then that of `source_account`.
    """
    named, email = name, upn
    if name.null_count or domain.null_count or not _are_addresses(upn):
        _, upn_name, upn_domain, email = account_parts(upn)
        named = first_known(name, upn_name)
        domain = first_known(domain, only_where(_is_null_or_equal(name, upn_name), upn_domain))
    users = [named, upn, sid, object_id, full_name]
    is_unknown = pc.is_null(first_known(*users)) if name.null_count else None
    identifier = first_known(sid, object_id)
    if is_unknown is None or not pc.any(is_unknown).as_py():
        return (identifier, named, domain, email, full_name), users
    others = account_parts(only_where(is_unknown, first_known(source_account, alias)))
    is_own = _is_null_or_equal(_label(domain), _label(others[2]))
    other_id, other_name, other_domain, other_email = (only_where(is_own, each) for each in others)
    return (
        first_known(identifier, other_id),
        first_known(named, other_name),
        first_known(domain, other_domain),
        first_known(email, other_email),
        full_name,
    ), [*users, other_id, other_name, other_email]


def _are_addresses(upn: pa.Array) -> bool:
    """Whether all principal names that are known are addresses. Few differ, and the pattern is slow."""
    return bool(pc.all(pc.match_substring_regex(upn.unique(), _ADDRESS)).as_py())


def _label(domain: pa.Array) -> pa.Array:
    """A domain's first label: `CONTOSO` and `contoso.example` are one domain."""
    return pc.list_element(pc.split_pattern(domain, ".", max_splits=1), 0)


def _is_null_or_equal(name: pa.Array, other: pa.Array) -> pa.Array:
    """Whether a name is not known, or is the other, whatever its case."""
    return pc.fill_null(pc.equal(lower(name), lower(other)), True)


TARGET_FIELDS = (
    "user.target.name",
    "user.target.domain",
    "user.target.email",
    "user.target.full_name",
    "user.changes.name",
    "user.changes.email",
    "user.changes.full_name",
    "group.name",
    "related.user",
)
"""What `target` gives."""
TARGET_KEYS = (
    "TARGET_OBJECT.USER",
    "TARGET_OBJECT.ENTITY_USER",
    "TARGET_OBJECT.GROUP",
    "TO.GROUP",
    "FROM.GROUP",
    "FROM SAM Account Name",
    "TO SAM Account Name",
    "TO Account Upn Name",
    "TO Account Display Name",
)
"""The keys of AdditionalFields that `target` takes."""


def target(
    users: list[pa.Array], upn: pa.Array, full_name: pa.Array, *keys: pa.Array
) -> tuple[pa.Array, ...]:
    """Who was acted upon, what changed, and the group, as in `TARGET_FIELDS`.

    Args:
        users: names and ids of who acted.
        upn: the target's principal name, and `full_name` its display name: the columns.
        full_name: see `upn`.
        keys: the values of `TARGET_KEYS`. The names of the target count only where no column has one. A
            member is added to `TO.GROUP` or removed from `FROM.GROUP`; `TARGET_OBJECT.GROUP` is the group
            itself where there is neither, else a member.
    """
    user, entity, group, added_to, removed_from, old_name, new_name, new_upn, new_full_name = keys
    _, name, domain, email = account_parts(upn)
    unnamed = only_where(pc.is_null(first_known(upn, full_name)), first_known(user, entity))
    _, other_name, other_domain, other_email = account_parts(unnamed)
    is_full = pc.fill_null(pc.match_substring(other_name, " "), False)
    name = first_known(name, old_name, only_where(pc.invert(is_full), other_name))
    shown = first_known(full_name, only_where(is_full, other_name))
    return (
        name,
        first_known(domain, other_domain),
        first_known(email, other_email),
        shown,
        new_name,
        new_upn,
        new_full_name,
        first_known(added_to, removed_from, group),
        collect(*users, upn, name, shown, new_name, new_upn),
    )


def actor_and_name(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """`ACTOR_FIELDS`, `related.user` and `user.target.full_name`, which is the last column."""
    fields, users = actor(*columns[:-1])
    return *fields, collect(*users, columns[-1]), columns[-1]


def actor_and_target(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """`ACTOR_FIELDS` and `TARGET_FIELDS`, by the columns of `actor` and `target`."""
    fields, users = actor(*columns[:_ACTOR_COLUMNS])
    return *fields, *target(users, *columns[_ACTOR_COLUMNS:])


_ACTOR_COLUMNS = 8


def host(device: pa.Array, sender: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`host.hostname` and `host.name`, as the column or `FROM.DEVICE` in AdditionalFields says it."""
    name = only_named(first_known(device, sender))
    return name, lower(name)


def identity_account(name: pa.Array, domain: pa.Array, upn: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`user.name` and `user.domain`: the columns, else what stands before and behind the `@`."""
    if not name.null_count and not domain.null_count:
        return name, domain
    _, upn_name, upn_domain, _ = account_parts(upn)
    is_own = _is_null_or_equal(name, upn_name)
    return first_known(name, upn_name), first_known(domain, only_where(is_own, upn_domain))


def all_names(others: pa.Array, name: pa.Array, upn: pa.Array, *columns: pa.Array) -> pa.Array:
    """`related.user` of an identity; the first column is a JSON array of addresses."""
    named = first_known(name, account_parts(upn)[1]) if name.null_count else name
    return collect(named, upn, *columns, text_list(others))


_DNS_TYPES = {"A", "AAAA", "ANY", "AXFR", "CNAME", "IXFR", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}
"""Types of DNS queries that tell of a search in a network, as ECS writes them."""


def dns_question(
    action_type: pa.Array, protocol: pa.Array, target: pa.Array, query_type: pa.Array
) -> tuple[pa.Array, ...]:
    """`dns.question.name` and `.type`: a DNS query's target is its question."""

    def find(
        action: str | None, name: str | None, text: str | None, kind: str | None
    ) -> tuple[str | None, str | None]:
        is_dns = "dns" in ((action or "").lower(), (name or "").lower()) or (action or "").startswith("DNS")
        plain = (kind or "").upper()
        return (text, plain if plain in _DNS_TYPES else None) if is_dns else (None, None)

    return by_distinct(find, (pa.string(),) * 2, action_type, protocol, target, query_type)
