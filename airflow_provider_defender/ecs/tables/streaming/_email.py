"""Defender for Office 365's tables: what is computed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import (
    URL_PARTS,
    by_distinct,
    canonical_ip,
    collect,
    extension_of,
    first_known,
    host_name,
    known_text,
    lower_guid,
    only_hash,
    only_ip,
    parts_of_url,
)
from ...columns import addresses as addresses_of
from .actions import look_up
from .functions import TEXTS, URL_DOMAIN, domain_and_address, json_items, url_fields

__all__ = [
    "account_of_address",
    "addresses",
    "click",
    "click_fields",
    "direction",
    "domains",
    "envelope_sender",
    "extension",
    "mail_users",
    "sender_addresses",
    "senders_and_recipients",
    "sha256",
    "url_and_hosts",
    "users",
]


def _strings(items: list[Any]) -> Iterator[tuple[str, str]]:
    """The texts of a list, and those of its objects with their keys."""
    for item in items:
        if isinstance(item, str):
            yield "", item
        elif isinstance(item, dict):
            yield from ((key, value) for key, value in item.items() if isinstance(value, str))


_NAMED = re.compile(r"<\s*([^<>\s]+@[^<>\s]+)\s*>\s*\Z")


def _addresses(text: str | None) -> list[str]:
    if text and text[0] not in "[{":
        words = [word.strip() for word in text.replace(";", ",").split(",")]
    else:
        words = [value for _, value in _strings(json_items(text))]
    found = ((word, _NAMED.search(word)) for word in words if "@" in word)
    return [named[1] if named else word for word, named in found]


def addresses(*columns: pa.Array) -> pa.Array:
    """The addresses of JSON arrays of texts or objects, or of texts with commas; without duplicates.

    Of `Jane Doe <jane@contoso.com>` it is what stands in the angle brackets.
    """

    def find(*texts: str | None) -> tuple[list[str] | None]:
        return (list(dict.fromkeys(each for text in texts for each in _addresses(text))) or None,)

    return by_distinct(find, (TEXTS,), *columns)[0]


def direction(column: pa.Array) -> pa.Array:
    """`email.direction` in lower case: inbound, outbound, intra-org; Unknown is none."""

    def find(text: str | None) -> tuple[str | None]:
        name = (text or "").strip().lower()
        return ("intra-org" if name == "intraorg" else None if name == "unknown" else name or None,)

    return by_distinct(find, (pa.string(),), column)[0]


def account_of_address(address: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Name, domain and address of an account known by its address; without an `@` all is the name."""

    def find(text: str | None) -> tuple[str | None, str | None, str | None]:
        whole = (text or "").strip()
        name, at, domain = whole.rpartition("@")
        return (name, domain or None, whole) if name and at else (whole or None, None, None)

    return by_distinct(find, (pa.string(),) * 3, address)


def envelope_sender(address: pa.Array) -> pa.Array:
    """`email.sender.address`; `<>`, the sender of reports on mail, is none."""
    return by_distinct(lambda text: (_sender(text),), (pa.string(),), address)[0]


def _sender(text: str | None) -> str | None:
    return (text or "").strip().strip("<>").strip() or None


def domains(*columns: pa.Array) -> pa.Array:
    """`related.hosts`: the names of domains, and the domains of addresses; only what is a host name."""

    def find(*texts: str | None) -> tuple[list[str] | None]:
        names = (host_name((text or "").rpartition("@")[2]) for text in texts)
        return (list(dict.fromkeys(name for name in names if name is not None)) or None,)

    return by_distinct(find, (TEXTS,), *columns)[0]


def users(account: pa.Array, *others: pa.Array) -> pa.Array:
    """`related.user`: the account's address and name, and other addresses and ids; without duplicates."""
    return collect(pc.utf8_trim_whitespace(account), *others, _names(account))


def _names(address: pa.Array) -> pa.Array:
    """What stands before the `@` of addresses."""
    if address.null_count == len(address):
        return address
    return by_distinct(
        lambda text: ((text or "").strip().rpartition("@")[0] or None,), (pa.string(),), address
    )[0]


def mail_users(
    recipient: pa.Array, to: pa.Array, cc: pa.Array, envelope: pa.Array, *others: pa.Array
) -> pa.Array:
    """`related.user` of a mail: recipient and sender, then those in its headers To and Cc."""
    return collect(users(recipient, *others, envelope_sender(envelope)), addresses(to, cc))


def senders_and_recipients(*columns: pa.Array) -> pa.Array:
    """`related.user`: the sender, then addresses and object ids of the last column's recipients.

    The first column is the sender's address, whose name counts, too.
    """

    def find(*values: str | None) -> tuple[list[str] | None]:
        *senders, details = values
        recipients = [text for key, text in _strings(json_items(details)) if "@" in text or "ObjectId" in key]
        found = dict.fromkeys(lower_guid(text) for text in (*senders, *recipients) if known_text(text))
        return ([text for text in found if text] or None,)

    return collect(by_distinct(find, (TEXTS,), *columns)[0], _names(columns[0]))


def sender_addresses(version4: pa.Array, version6: pa.Array) -> tuple[pa.Array, ...]:
    """`source.ip`, `source.address` and `related.ip`."""
    first, second = only_ip(version4), only_ip(version6)
    source = first_known(first, second)
    return source, addresses_of(first_known(source, version4, version6)), collect(first, second)


def sha256(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`file.hash.sha256` and `related.hash`."""
    digest = only_hash(column, "sha256")
    return digest, collect(digest)


def extension(given: pa.Array, name: pa.Array, kind: pa.Array) -> pa.Array:
    """`file.extension` in lower case: as given (without a dot), else that of the name, else the type.

    The type may be several words about the content (`Office;Word`), which are no extension.
    """

    def find(*texts: str | None) -> tuple[str | None]:
        text, file_name, file_type = texts
        plain, word = ((each or "").strip().lstrip(".").lower() for each in (text, file_type))
        own = extension_of(file_name) if file_name else None
        return (plain or own or (word if _EXTENSION.match(word) else None),)

    return by_distinct(find, (pa.string(),), given, name, kind)[0]


_EXTENSION = re.compile(r"[a-z0-9_-]{1,16}\Z")


def url_and_hosts(url: pa.Array, *domain: pa.Array) -> tuple[pa.Array, ...]:
    """`url.*`, then `related.hosts` and `related.ip`: the URL's host and its domain as given."""
    parts = url_fields(url)
    host, address = domain_and_address(parts[URL_DOMAIN])
    return *parts, collect(host, domains(*domain)) if domain else collect(host), collect(address)


def click(action_type: pa.Array, clicked_through: pa.Array) -> tuple[pa.Array, ...]:
    """`event.action`, `.category`, `.type` of a click on a link: allowed if the user went through."""

    def find(text: str | None, through: str | None) -> tuple[str | None, list[str], list[str]]:
        action = look_up("UrlClickEvents", text)
        went_through = text is not None and through == "true"
        return action.name, action.categories, ["access", "allowed"] if went_through else action.types

    return by_distinct(find, (pa.string(), TEXTS, TEXTS), action_type, clicked_through.cast(pa.string()))


def click_fields(url: pa.Array, address: pa.Array, chain: pa.Array) -> tuple[pa.Array, ...]:
    """`url.*`, then `source.ip`, `source.address`, `related.hosts` and `related.ip` of a click."""
    parts = url_fields(url)
    host, url_address = domain_and_address(parts[URL_DOMAIN])
    source = only_ip(address)
    hosts, addresses = by_distinct(_of_chain, (TEXTS, TEXTS), chain)
    return (
        *parts,
        source,
        addresses_of(address),
        collect(host, hosts),
        collect(source, url_address, addresses),
    )


def _of_chain(text: str | None) -> tuple[list[str] | None, list[str] | None]:
    """Hosts, and addresses, of the URLs in a JSON array: those that a click was led through."""
    urls = [item for item in json_items(text) if isinstance(item, str)]
    domains = [domain.strip("[]") for url in urls if (domain := parts_of_url(url)[_DOMAIN]) is not None]
    hosts = [name for domain in domains if (name := host_name(domain)) is not None]
    addresses = [plain for domain in domains if (plain := canonical_ip(domain)) is not None]
    return list(dict.fromkeys(hosts)) or None, list(dict.fromkeys(addresses)) or None


_DOMAIN = list(URL_PARTS).index("domain")
