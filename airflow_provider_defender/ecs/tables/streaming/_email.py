"""Defender for Office 365's tables: what is computed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ...columns import by_distinct, collect, extension_of, first_known, lower, only_ip
from ._functions import TEXTS, URL_DOMAIN, action_name, domain_and_address, json_items, url_fields

__all__ = [
    "addresses",
    "call",
    "click",
    "click_fields",
    "extension",
    "outcome",
    "sender_addresses",
    "senders_and_recipients",
    "url_and_hosts",
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


def addresses(column: pa.Array) -> pa.Array:
    """The addresses of JSON arrays of texts or objects, or of a text with commas; without repeats.

    Of `Jane Doe <jane@contoso.com>` it is what stands in the angle brackets.
    """

    def find(text: str | None) -> tuple[list[str] | None]:
        return (list(dict.fromkeys(_addresses(text))) or None,)

    return by_distinct(find, (TEXTS,), column)[0]


def senders_and_recipients(*columns: pa.Array) -> pa.Array:
    """`related.user`: the senders' texts, then addresses and object ids of the last column's recipients."""

    def find(*values: str | None) -> tuple[list[str] | None]:
        *senders, details = values
        recipients = [text for key, text in _strings(json_items(details)) if "@" in text or "ObjectId" in key]
        return (list(dict.fromkeys(text for text in (*senders, *recipients) if text)) or None,)

    return by_distinct(find, (TEXTS,), *columns)[0]


def sender_addresses(version4: pa.Array, version6: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`source.ip` and `related.ip`."""
    first, second = only_ip(version4), only_ip(version6)
    return first_known(first, second), collect(first, second)


def extension(given: pa.Array, name: pa.Array) -> pa.Array:
    """The extension as given (without a dot), else that of the name; in lower case."""

    def find(text: str | None, file_name: str | None) -> tuple[str | None]:
        if text:
            return (text.lstrip(".").lower() or None,)
        return (extension_of(file_name) if file_name else None,)

    return by_distinct(find, (pa.string(),), given, name)[0]


_SUCCESS, _FAILURE = ("success", "adminpolicy"), ("fail", "error", "timeout")


def outcome(result: pa.Array) -> pa.Array:
    """`event.outcome` of an action on a delivered message."""

    def find(text: str | None) -> tuple[str]:
        name = (text or "").lower()
        if name.startswith(_SUCCESS):
            return ("success",)
        return ("failure" if any(word in name for word in _FAILURE) else "unknown",)

    return by_distinct(find, (pa.string(),), result)[0]


def url_and_hosts(url: pa.Array, *domain: pa.Array) -> tuple[pa.Array, ...]:
    """`url.*`, then `related.hosts` and `related.ip`: the URL's host and its domain as given."""
    parts = url_fields(url)
    host, address = domain_and_address(parts[URL_DOMAIN])
    names = [domain_and_address(lower(column))[0] for column in domain]
    return *parts, collect(host, *names), collect(address)


def click(action_type: pa.Array, clicked_through: pa.Array) -> tuple[pa.Array, ...]:
    """`event.action`, `.type`, `.outcome` of a click on a link."""

    def find(text: str | None, through: str | None) -> tuple[str | None, list[str], str]:
        name = action_name(text)
        if text == "ClickAllowed" or (through == "true" and text is not None):
            return name, ["access", "allowed"], "success"
        if text is not None and text.startswith("ClickBlocked"):
            return name, ["access", "denied"], "failure"
        return name, ["info"], "unknown"

    return by_distinct(
        find, (pa.string(), TEXTS, pa.string()), action_type, clicked_through.cast(pa.string())
    )


def click_fields(url: pa.Array, address: pa.Array) -> tuple[pa.Array, ...]:
    """`url.*`, then `related.hosts`, `source.ip` and `related.ip` of a click."""
    parts = url_fields(url)
    host, url_address = domain_and_address(parts[URL_DOMAIN])
    source = only_ip(address)
    return *parts, collect(host), source, collect(source, url_address)


def call(activity_type: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`event.action` and `event.type` of a call's activity."""
    words = {"start": ("start", "join", "initiat"), "end": ("end", "left", "leave")}

    def find(text: str | None) -> tuple[str | None, list[str]]:
        name = (text or "").lower()
        kinds = [kind for kind, parts in words.items() if any(part in name for part in parts)]
        return action_name(text), kinds[:1] or ["info"]

    return by_distinct(find, (pa.string(), TEXTS), activity_type)
